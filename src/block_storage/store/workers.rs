//! The `workers` table: which object is in the hands of a service, so that a crash leaves nothing half done. A row is
//! written by the transaction that begins a piece of work and removed by the one that ends it.

use crate::database::Connection;
use crate::error::Result;
use crate::time::Timestamp;

/// The table's word for a volume.
pub const VOLUME: &str = "Volume";
/// The table's word for a snapshot.
pub const SNAPSHOT: &str = "Snapshot";

/// Says that the object is being worked on, with the status that the work gave it.
///
/// # Errors
/// As all statements.
pub fn begin(connection: &mut Connection, resource_type: &str, resource_id: &str, status: &str) -> Result<()> {
    let now = Timestamp::now();
    connection.execute(
        "INSERT INTO workers (created_at, updated_at, deleted, resource_type, resource_id, status, race_preventer) \
         VALUES (?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (resource_type, resource_id) DO UPDATE SET \
         status = excluded.status, updated_at = excluded.updated_at",
        &[now.into(), now.into(), false.into(), resource_type.into(), resource_id.into(), status.into(), 0_i64.into()],
    )?;
    Ok(())
}

/// Says that nobody works on the object any more.
///
/// # Errors
/// As all statements.
pub fn end(connection: &mut Connection, resource_type: &str, resource_id: &str) -> Result<()> {
    connection.execute(
        "DELETE FROM workers WHERE resource_type = ? AND resource_id = ?",
        &[resource_type.into(), resource_id.into()],
    )?;
    Ok(())
}
