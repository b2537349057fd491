//! The `volume_attachment` table as volumes read it: which attachments are complete.

use super::transitions::marks;
use crate::block_storage::model::attachment::Attachment;
use crate::database::{Connection, Value};
use crate::error::Result;
use crate::time::Timestamp;

/// The complete attachments of several volumes, oldest first.
///
/// # Errors
/// As all statements.
pub fn complete(connection: &mut Connection, volume_ids: &[&str]) -> Result<Vec<Attachment>> {
    if volume_ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT id, volume_id, instance_uuid, attached_host, mountpoint, attach_time FROM volume_attachment \
         WHERE volume_id IN ({}) AND deleted = false AND attach_status = 'attached' ORDER BY created_at, id",
        marks(volume_ids.len())
    );
    let params: Vec<Value<'_>> = volume_ids.iter().map(|id| Value::from(*id)).collect();
    connection.rows(&sql, &params, |row| {
        Ok(Attachment {
            id: row.string(0)?,
            volume_id: row.string(1)?,
            instance_uuid: row.opt_string(2)?,
            attached_host: row.opt_string(3)?,
            mountpoint: row.opt_string(4)?,
            attach_time: row.opt_time(5)?,
        })
    })
}

/// How many attachments a volume has, complete or not.
///
/// # Errors
/// As all statements.
pub fn count(connection: &mut Connection, volume_id: &str) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM volume_attachment WHERE volume_id = ? AND deleted = ?";
    Ok(connection.row(sql, &[volume_id.into(), false.into()], |row| row.int(0))?.unwrap_or(0))
}

/// Marks every attachment of a volume as gone.
///
/// # Errors
/// As all statements.
pub fn remove_all(connection: &mut Connection, volume_id: &str) -> Result<()> {
    let now = Timestamp::now();
    connection.execute(
        "UPDATE volume_attachment SET attach_status = 'detached', detach_time = ?, deleted_at = ?, deleted = ? \
         WHERE volume_id = ? AND deleted = ?",
        &[now.into(), now.into(), true.into(), volume_id.into(), false.into()],
    )?;
    Ok(())
}
