//! The epoch of the dictionary: what writers remember holds for one epoch, and whoever removes rows of the dictionary begins
//! another one. `docs/decisions/telemetry.md` tells why this is enough.

use std::collections::BTreeSet;

use super::schema::number;
use crate::database::Transaction;
use crate::database::migrate::Step;
use crate::database::table::{Table, big_int};
use crate::{Error, Result};

/// Row 1 is the epoch; metadata up to the number `below` are being looked at by a sweep. Row 2 is there while a sweep is due.
const EPOCH: Table =
    Table::new("telemetry_epoch", "id", &[&[big_int("id").required(), number("epoch"), number("below")]]);

/// Metadata that somebody found again while a sweep looked for those that nobody uses.
const TOUCHED: Table = Table::new("telemetry_touched", "metadata", &[&[big_int("metadata").required()]]);

/// The tables.
pub(super) const STEP: Step = Step { tables: &[&EPOCH, &TOUCHED], indexes: &[], partitioned: &[] };

/// The epoch as a transaction finds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Epoch {
    /// Its number; never 0.
    pub(super) number: i64,
    /// The highest number of metadata that a sweep looks at; 0: none does.
    pub(super) below: i64,
}

const SHARED: &str = "SELECT epoch, below FROM telemetry_epoch WHERE id = 1 FOR SHARE";
const ALONE: &str = "SELECT epoch, below FROM telemetry_epoch WHERE id = 1 FOR UPDATE";

fn read(tx: &mut Transaction<'_>, statement: &str) -> Result<Epoch> {
    let find =
        |tx: &mut Transaction<'_>| tx.row(statement, &[], |row| Ok(Epoch { number: row.int(0)?, below: row.int(1)? }));
    if let Some(found) = find(tx)? {
        return Ok(found);
    }
    tx.insert_if_absent("INSERT INTO telemetry_epoch (id, epoch, below) VALUES (1, 1, 0)", &[])?;
    find(tx)?.ok_or_else(|| Error::internal("the epoch was stored and is not there"))
}

/// The epoch of a transaction that uses numbers of the dictionary. It stays until the transaction ends.
pub(super) fn enter(tx: &mut Transaction<'_>) -> Result<Epoch> {
    read(tx, SHARED)
}

/// The epoch of a transaction beside which nobody uses numbers of the dictionary.
pub(super) fn alone(tx: &mut Transaction<'_>) -> Result<Epoch> {
    read(tx, ALONE)
}

/// Begins another epoch, in a transaction that is [`alone`].
pub(super) fn next(tx: &mut Transaction<'_>, epoch: Epoch, below: i64) -> Result<Epoch> {
    let next = Epoch { number: epoch.number + 1, below };
    let set = "UPDATE telemetry_epoch SET epoch = ?, below = ? WHERE id = 1";
    tx.execute(set, &[next.number.into(), below.into()])?;
    Ok(next)
}

/// Keeps metadata that were found again from a sweep that looks at them. In the order of their numbers, so that two who find the
/// same do not wait for each other.
pub(super) fn touch(tx: &mut Transaction<'_>, epoch: Epoch, metadata: impl Iterator<Item = i64>) -> Result<()> {
    if epoch.below == 0 {
        return Ok(());
    }
    let looked_at: BTreeSet<i64> = metadata.filter(|id| *id <= epoch.below).collect();
    for id in looked_at {
        tx.insert_if_absent("INSERT INTO telemetry_touched (metadata) VALUES (?)", &[id.into()])?;
    }
    Ok(())
}
