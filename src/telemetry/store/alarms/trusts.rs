//! Trusts that end: a row for each trust that is to be revoked, and for each that is about to be made, so that one is found
//! whose maker died before its alarm was stored. A row is written before the trust is made, and removed in the transaction that
//! stores the alarm; the trusts of an alarm that goes, or does without them, get a row in that transaction.

use super::schema::{names, number};
use crate::database::table::{Table, counter, index};
use crate::database::{Connection, Transaction};
use crate::telemetry::store::Store;
use crate::time::Timestamp;
use crate::{Error, Result};

/// `mark` is what a trust can be found by whose id nobody knows.
pub(super) const TRUST: Table = Table::new(
    "telemetry_alarm_trust",
    "id",
    &[&[
        counter("id"),
        names("mark"),
        names("trust"),
        number("attempts"),
        number("due_at"),
        names("lease_owner"),
        number("lease_until"),
    ]],
)
.indexes(&[index("telemetry_alarm_trust_due", &["due_at", "id"])]);

/// What a change of an alarm does to trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusts {
    /// The number that [`Store::intend_trust`] gave for the trust that the alarm has from now on.
    pub made: Option<i64>,
    /// Ids of those that it had.
    pub ended: Vec<String>,
}

/// A trust that is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Number of the row.
    pub id: i64,
    /// The trust, where it is known.
    pub trust: Option<String>,
    /// What it can be found by.
    pub mark: Option<String>,
    /// How often that was tried before.
    pub attempts: i64,
}

/// Writes down what becomes of trusts together with their alarm.
pub(super) fn apply(tx: &mut Transaction<'_>, trusts: &Trusts, now: Timestamp) -> Result<()> {
    if let Some(id) = trusts.made {
        // Not where somebody is about to end it, as it was made so long ago.
        let keep = "DELETE FROM telemetry_alarm_trust WHERE id = ? AND attempts = 0";
        if tx.execute(keep, &[id.into()])? == 0 {
            return Err(Error::unavailable(
                "Keystone took too long.",
                "a trust was given up before its alarm was stored",
            ));
        }
    }
    for trust in &trusts.ended {
        insert(tx, None, Some(trust), now)?;
    }
    Ok(())
}

fn insert(tx: &mut Transaction<'_>, mark: Option<&str>, trust: Option<&str>, due: Timestamp) -> Result<i64> {
    let sql = "INSERT INTO telemetry_alarm_trust (mark, trust, attempts, due_at, lease_until) VALUES (?, ?, 0, ?, 0)";
    let (mark, trust) = (mark.map(str::to_owned), trust.map(str::to_owned));
    tx.insert_id(sql, &[(&mark).into(), (&trust).into(), due.0.into()])
}

impl Store {
    /// Writes down that a trust with this mark is about to be made, and is to end at `due` unless an alarm has it by then.
    ///
    /// # Errors
    /// What the database gives.
    pub fn intend_trust(&self, mark: &str, due: Timestamp) -> Result<i64> {
        self.database.write(|tx| insert(tx, Some(mark), None, due))
    }

    /// Lets a trust end at once that no alarm has got after all.
    ///
    /// # Errors
    /// What the database gives.
    pub fn abandon_trust(&self, id: i64, trust: Option<&str>, now: Timestamp) -> Result<()> {
        let sql = "UPDATE telemetry_alarm_trust SET trust = ?, due_at = ? WHERE id = ?";
        let trust = trust.map(str::to_owned);
        self.database.write(|tx| tx.execute(sql, &[(&trust).into(), now.0.into(), id.into()]).map(|_| ()))
    }

    /// Takes a trust that is to end by now for `owner`, who holds it until `until`.
    ///
    /// # Errors
    /// What the database gives.
    pub fn claim_trust(&self, owner: &str, now: Timestamp, until: Timestamp) -> Result<Option<Ending>> {
        let find = "SELECT id, trust, mark, attempts FROM telemetry_alarm_trust WHERE due_at <= ? AND lease_until < ? \
                    ORDER BY due_at, id LIMIT 10";
        let read = |connection: &mut Connection| {
            connection.rows(find, &[now.0.into(), now.0.into()], |row| {
                let (trust, mark) = (row.opt_string(1)?, row.opt_string(2)?);
                Ok(Ending { id: row.int(0)?, trust, mark, attempts: row.int(3)? })
            })
        };
        for ending in self.database.read(read)? {
            let take = "UPDATE telemetry_alarm_trust SET lease_owner = ?, lease_until = ?, attempts = attempts + 1 \
                        WHERE id = ? AND attempts = ? AND lease_until < ?";
            let params = [owner.into(), until.0.into(), ending.id.into(), ending.attempts.into(), now.0.into()];
            if self.database.write(|tx| tx.execute(take, &params))? == 1 {
                return Ok(Some(ending));
            }
        }
        Ok(None)
    }

    /// Forgets a trust that has ended.
    ///
    /// # Errors
    /// What the database gives.
    pub fn forget_trust(&self, id: i64) -> Result<()> {
        let sql = "DELETE FROM telemetry_alarm_trust WHERE id = ?";
        self.database.write(|tx| tx.execute(sql, &[id.into()]).map(|_| ()))
    }

    /// Lets a trust that could not be ended wait until `due`.
    ///
    /// # Errors
    /// What the database gives.
    pub fn postpone_trust(&self, id: i64, due: Timestamp) -> Result<()> {
        let sql = "UPDATE telemetry_alarm_trust SET due_at = ?, lease_owner = NULL, lease_until = 0 WHERE id = ?";
        self.database.write(|tx| tx.execute(sql, &[due.0.into(), id.into()]).map(|_| ()))
    }
}
