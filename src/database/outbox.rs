//! The outbox: notifications that wait to be delivered. A row is written by the transaction that changes what the
//! notification is about, so that one exists exactly where the change does, and removed when it was delivered. Each driver
//! has rows of its own, so that none waits for another. Not here: what a notification says, and how it is delivered
//! (`messaging/`).

use super::connection::{Connection, Transaction};
use super::migrate::Step;
use super::select::marks;
use super::table::{Table, any_text, counter, index, text, time_micros};
use super::value::Value;
use crate::Result;
use crate::time::Timestamp;

/// The table of notifications.
pub const HEARTH_NOTIFICATIONS: Table = Table::new(
    "hearth_notifications",
    "id",
    &[&[
        counter("id"),
        text("driver", 64).required(),
        text("event_type", 255).required(),
        text("priority", 16).required(),
        any_text("message").required(),
        any_text("context").required(),
        time_micros("created_at").required(),
    ]],
)
.indexes(&[index("hearth_notifications_driver", &["driver", "id"])]);

/// Which process delivers the notifications of a driver.
pub const HEARTH_NOTIFIERS: Table = Table::new(
    "hearth_notifiers",
    "driver",
    &[&[text("driver", 64).required(), text("lease_owner", 255), time_micros("lease_until")]],
);

/// The step of the platform that makes them.
pub const STEP: Step = Step { tables: &[&HEARTH_NOTIFICATIONS, &HEARTH_NOTIFIERS], indexes: &[], partitioned: &[] };

/// A notification as it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number; higher ones were written later.
    pub id: i64,
    /// What happened, such as `volume.create.end`.
    pub event_type: String,
    /// `INFO`, `ERROR`, and so on.
    pub priority: String,
    /// The message, as JSON.
    pub message: String,
    /// Who asked for what happened, as JSON.
    pub context: String,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A notification to be written.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// What happened.
    pub event_type: &'a str,
    /// How grave it is.
    pub priority: &'a str,
    /// The message, as JSON.
    pub message: &'a str,
    /// Who asked, as JSON.
    pub context: &'a str,
}

/// Writes a notification for a driver. To be called in the transaction that changes the object, after the statement that
/// locks the object's row: so the notifications about one object are numbered in the order of their commits.
///
/// # Errors
/// As all statements.
pub fn put(tx: &mut Transaction<'_>, driver: &str, new: &New<'_>) -> Result<()> {
    tx.execute(
        "INSERT INTO hearth_notifications (driver, event_type, priority, message, context, created_at) \
         VALUES (?, ?, ?, ?, ?, ?)",
        &[
            driver.into(),
            new.event_type.into(),
            new.priority.into(),
            new.message.into(),
            new.context.into(),
            Timestamp::now().into(),
        ],
    )
    .map(|_| ())
}

/// The oldest `most` notifications of a driver.
///
/// # Errors
/// As all statements.
pub fn oldest(connection: &mut Connection, driver: &str, most: u32) -> Result<Vec<Waiting>> {
    let sql = "SELECT id, event_type, priority, message, context, created_at FROM hearth_notifications \
               WHERE driver = ? ORDER BY id LIMIT ?";
    connection.rows(sql, &[driver.into(), most.into()], |row| {
        Ok(Waiting {
            id: row.int(0)?,
            event_type: row.string(1)?,
            priority: row.string(2)?,
            message: row.string(3)?,
            context: row.string(4)?,
            created_at: row.time(5)?,
        })
    })
}

/// Whether anything waits for a driver. Costs one look at an index.
///
/// # Errors
/// As all statements.
pub fn any(connection: &mut Connection, driver: &str) -> Result<bool> {
    let sql = "SELECT id FROM hearth_notifications WHERE driver = ? LIMIT 1";
    Ok(connection.row(sql, &[driver.into()], |row| row.int(0))?.is_some())
}

/// Removes notifications that were delivered.
///
/// # Errors
/// As all statements.
pub fn remove(tx: &mut Transaction<'_>, ids: &[i64]) -> Result<()> {
    // Some engines take few parameters at once.
    for ids in ids.chunks(100) {
        let sql = format!("DELETE FROM hearth_notifications WHERE id IN ({})", marks(ids.len()));
        let params: Vec<Value<'_>> = ids.iter().map(|id| Value::from(*id)).collect();
        tx.execute(&sql, &params)?;
    }
    Ok(())
}

/// Removes all but the newest `limit` notifications of a driver; how many that were.
///
/// # Errors
/// As all statements.
pub fn cut(tx: &mut Transaction<'_>, driver: &str, limit: i64) -> Result<u64> {
    let sql = "SELECT id FROM hearth_notifications WHERE driver = ? ORDER BY id DESC LIMIT 1 OFFSET ?";
    let newest_of_the_rest = tx.row(sql, &[driver.into(), limit.into()], |row| row.int(0))?;
    let Some(last) = newest_of_the_rest else { return Ok(0) };
    tx.execute("DELETE FROM hearth_notifications WHERE driver = ? AND id <= ?", &[driver.into(), last.into()])
}

/// Makes `owner` the one who delivers for a driver, for `millis` from now on; `false` where somebody else is.
///
/// # Errors
/// As all statements.
pub fn hold(tx: &mut Transaction<'_>, driver: &str, owner: &str, millis: i64) -> Result<bool> {
    tx.insert_if_absent("INSERT INTO hearth_notifiers (driver) VALUES (?)", &[driver.into()])?;
    let now = Timestamp::now();
    let until = Timestamp(now.0.saturating_add(millis.saturating_mul(1000)));
    let changed = tx.execute(
        "UPDATE hearth_notifiers SET lease_owner = ?, lease_until = ? \
         WHERE driver = ? AND (lease_owner = ? OR lease_until IS NULL OR lease_until < ?)",
        &[owner.into(), until.into(), driver.into(), owner.into(), now.into()],
    )?;
    Ok(changed == 1)
}

/// Lets others deliver for a driver.
///
/// # Errors
/// As all statements.
pub fn release(tx: &mut Transaction<'_>, driver: &str, owner: &str) -> Result<()> {
    let sql = "UPDATE hearth_notifiers SET lease_owner = NULL, lease_until = NULL WHERE driver = ? AND lease_owner = ?";
    tx.execute(sql, &[driver.into(), owner.into()]).map(|_| ())
}

/// How many notifications wait for each driver, with the time at which the oldest was written.
///
/// # Errors
/// As all statements.
pub fn waiting(connection: &mut Connection) -> Result<Vec<(String, i64, Timestamp)>> {
    let sql = "SELECT driver, count(*), min(created_at) FROM hearth_notifications GROUP BY driver ORDER BY driver";
    connection.rows(sql, &[], |row| Ok((row.string(0)?, row.int(1)?, row.time(2)?)))
}
