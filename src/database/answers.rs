//! Answers to orders: whoever placed an order may wait for what came of it. The taker turns the order's own row into the
//! answer in the transaction that writes the result, so that an answer tells of what is committed; the one who waits
//! takes it away. Not here: what an answer says.

use super::connection::{Connection, Transaction};
use super::orders::Taken;
use crate::Result;
use crate::time::Timestamp;

/// The role of rows that are answers; no role takes orders of this name.
const ROLE: &str = "answer";

/// Ends an order and leaves its answer. `false` where the lease is lost: then somebody else is at work, and the
/// transaction should be given up.
///
/// # Errors
/// As all statements.
pub fn give(tx: &mut Transaction<'_>, order: &Taken, answer: &str) -> Result<bool> {
    let sql = "UPDATE hearth_orders SET role = ?, object_type = ?, host = '', payload = ?, created_at = ?, \
               lease_owner = NULL, lease_until = NULL WHERE id = ? AND lease_owner = ? AND attempts = ?";
    let params = [
        ROLE.into(),
        ROLE.into(),
        answer.into(),
        Timestamp::now().into(),
        order.id.into(),
        (&order.owner).into(),
        order.attempts.into(),
    ];
    Ok(tx.execute(sql, &params)? == 1)
}

/// The answer to the order with this number; `None` while there is none.
///
/// # Errors
/// As all statements.
pub fn find(connection: &mut Connection, id: i64) -> Result<Option<String>> {
    let sql = "SELECT payload FROM hearth_orders WHERE id = ? AND role = ?";
    connection.row(sql, &[id.into(), ROLE.into()], |row| row.string(0))
}

/// Takes an answer away.
///
/// # Errors
/// As all statements.
pub fn remove(tx: &mut Transaction<'_>, id: i64) -> Result<()> {
    let sql = "DELETE FROM hearth_orders WHERE id = ? AND role = ?";
    tx.execute(sql, &[id.into(), ROLE.into()]).map(|_| ())
}

/// Takes an order back that nobody holds; `false` where somebody has begun it, or has answered.
///
/// # Errors
/// As all statements.
pub fn withdraw(tx: &mut Transaction<'_>, id: i64) -> Result<bool> {
    let sql = "DELETE FROM hearth_orders WHERE id = ? AND role <> ? AND (lease_until IS NULL OR lease_until < ?)";
    Ok(tx.execute(sql, &[id.into(), ROLE.into(), Timestamp::now().into()])? == 1)
}

/// Takes answers away that nobody fetched for `seconds`; how many there were.
///
/// # Errors
/// As all statements.
pub fn remove_unfetched(tx: &mut Transaction<'_>, seconds: i64) -> Result<u64> {
    let before = Timestamp::now().plus_seconds(-seconds);
    tx.execute("DELETE FROM hearth_orders WHERE role = ? AND created_at < ?", &[ROLE.into(), before.into()])
}
