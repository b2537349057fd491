//! The table `reservations`: what Cinder's services have reserved for a project. Hearth makes none, and ends those that it is
//! given.

use crate::database::Transaction;
use crate::error::Result;
use crate::time::Timestamp;

/// Ends a reservation: what it holds is used from now on, or is free again. One that was ended before is left alone.
///
/// # Errors
/// Those of the database.
pub fn end(tx: &mut Transaction<'_>, uuid: &str, used: bool) -> Result<()> {
    let sql = "SELECT id, usage_id, delta FROM reservations WHERE uuid = ? AND deleted = false FOR UPDATE";
    let found = tx.row(sql, &[uuid.into()], |row| Ok((row.int(0)?, row.opt_int(1)?, row.int(2)?)))?;
    let Some((id, usage_id, delta)) = found else { return Ok(()) };
    let now = Timestamp::now();
    // What is to be less is not held back meanwhile.
    let (in_use, reserved) = (if used { delta } else { 0 }, delta.max(0));
    tx.execute(
        "UPDATE quota_usages SET in_use = in_use + ?, reserved = reserved - ?, updated_at = ? WHERE id = ?",
        &[in_use.into(), reserved.into(), now.into(), usage_id.into()],
    )?;
    tx.execute("UPDATE reservations SET deleted = true, deleted_at = ? WHERE id = ?", &[now.into(), id.into()])?;
    Ok(())
}
