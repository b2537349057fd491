//! The `volume_attachment` table, and the status of a volume that follows from it.

use super::lists::{self, Source};
use super::metadata::{self, Table};
use super::volumes;
use crate::block_storage::model::attachment::{Attachment, AttachmentDetails, follow, together};
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::AttachStatus;
use crate::database::{Connection, Row, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

const SOURCE: Source = Source { table: "volume_attachment", metadata: &[], by_project: None };
const COLUMNS: &str = "id, volume_id, instance_uuid, attached_host, mountpoint, attach_time, attach_status, attach_mode, \
                       detach_time, connection_info, connector, \
                       (SELECT v.project_id FROM volumes v WHERE v.id = volume_attachment.volume_id)";
/// The key of the administrators' metadata that says how a volume was attached in the old protocol.
pub const ATTACHED_MODE: &str = "attached_mode";

/// Reads the first cells of [`COLUMNS`].
fn brief(row: &Row<'_>) -> Result<Attachment> {
    Ok(Attachment {
        id: row.string(0)?,
        volume_id: row.string(1)?,
        instance_uuid: row.opt_string(2)?,
        attached_host: row.opt_string(3)?,
        mountpoint: row.opt_string(4)?,
        attach_time: row.opt_time(5)?,
    })
}

fn read(row: &Row<'_>) -> Result<AttachmentDetails> {
    Ok(AttachmentDetails {
        attachment: brief(row)?,
        status: row.opt_text(6)?.and_then(AttachStatus::parse).unwrap_or(AttachStatus::ErrorAttaching),
        mode: row.opt_string(7)?,
        detach_time: row.opt_time(8)?,
        connection: row.opt_string(9)?,
        connector: row.opt_string(10)?,
        project_id: row.opt_string(11)?.unwrap_or_default(),
    })
}

/// One page of attachments.
///
/// # Errors
/// [`crate::Kind::NotFound`] where the marker is not there; as all statements.
pub fn page(connection: &mut Connection, selection: &Selection) -> Result<Vec<AttachmentDetails>> {
    lists::page(connection, &SOURCE, COLUMNS, selection, |row| read(row))?
        .ok_or_else(|| no_attachment(selection.marker.as_deref().unwrap_or_default()))
}

/// The attachment with this id; `None` where there is none, or none any more.
///
/// # Errors
/// As all statements.
pub fn by_id(connection: &mut Connection, id: &str) -> Result<Option<AttachmentDetails>> {
    let sql = format!("SELECT {COLUMNS} FROM volume_attachment WHERE id = ? AND deleted = ?");
    connection.row(&sql, &[id.into(), false.into()], read)
}

/// All attachments of a volume, however far they are, oldest first.
///
/// # Errors
/// As all statements.
pub fn of_volume(connection: &mut Connection, volume_id: &str) -> Result<Vec<AttachmentDetails>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM volume_attachment WHERE volume_id = ? AND deleted = ? AND attach_status <> 'detached' \
         ORDER BY created_at, id"
    );
    connection.rows(&sql, &[volume_id.into(), false.into()], read)
}

/// How many attachments a volume has, complete or not.
///
/// # Errors
/// As all statements.
pub fn count(connection: &mut Connection, volume_id: &str) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM volume_attachment WHERE volume_id = ? AND deleted = ?";
    Ok(connection.row(sql, &[volume_id.into(), false.into()], |row| row.int(0))?.unwrap_or(0))
}

/// Puts a new attachment in.
///
/// # Errors
/// As all statements.
pub fn insert(connection: &mut Connection, new: &AttachmentDetails) -> Result<()> {
    let attachment = &new.attachment;
    connection.execute(
        "INSERT INTO volume_attachment (id, volume_id, instance_uuid, attached_host, mountpoint, attach_time, \
         attach_status, attach_mode, connection_info, connector, created_at, deleted) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &[
            (&attachment.id).into(),
            (&attachment.volume_id).into(),
            (&attachment.instance_uuid).into(),
            (&attachment.attached_host).into(),
            (&attachment.mountpoint).into(),
            attachment.attach_time.into(),
            new.status.name().into(),
            (&new.mode).into(),
            (&new.connection).into(),
            (&new.connector).into(),
            Timestamp::now().into(),
            false.into(),
        ],
    )?;
    Ok(())
}

/// Changes columns of an attachment; `false` where there is none.
///
/// # Errors
/// As all statements.
pub fn change(connection: &mut Connection, id: &str, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    let sets: Vec<String> = columns.iter().map(|(name, _)| format!("{name} = ?")).collect();
    let sql = format!("UPDATE volume_attachment SET updated_at = ?, {} WHERE id = ? AND deleted = ?", sets.join(", "));
    let mut params: Vec<Value<'_>> = vec![Timestamp::now().into()];
    params.extend(columns.iter().map(|(_, value)| Value::from(value)));
    params.extend([id.into(), false.into()]);
    Ok(connection.execute(&sql, &params)? == 1)
}

/// Ends an attachment of a volume, whose status follows. `false` where the volume has none of this id.
///
/// # Errors
/// As all statements.
pub fn end(connection: &mut Connection, id: &str, volume_id: &str) -> Result<bool> {
    let now = Timestamp::now();
    let ended = connection.execute(
        "UPDATE volume_attachment SET attach_status = 'detached', detach_time = ?, deleted_at = ?, deleted = ? \
         WHERE id = ? AND volume_id = ? AND deleted = ?",
        &[now.into(), now.into(), true.into(), id.into(), volume_id.into(), false.into()],
    )? == 1;
    metadata::remove(connection, Table::VolumeAdmin, volume_id, ATTACHED_MODE)?;
    settle(connection, volume_id)?;
    Ok(ended)
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

/// Gives all attachments of a volume to another one.
///
/// # Errors
/// As all statements.
pub fn pass_on(connection: &mut Connection, from: &str, to: &str) -> Result<()> {
    let sql = "UPDATE volume_attachment SET volume_id = ?, updated_at = ? WHERE volume_id = ? AND deleted = ?";
    let params = [to.into(), Timestamp::now().into(), from.into(), false.into()];
    connection.execute(sql, &params).map(|_| ())
}

/// Makes the volume's own status and attach status those that its attachments give it. A status in which somebody works
/// on the volume stays; whoever ends the work calls this again.
///
/// # Errors
/// As all statements.
pub fn settle(connection: &mut Connection, volume_id: &str) -> Result<()> {
    volumes::lock(connection, volume_id)?;
    let sql = "SELECT attach_status FROM volume_attachment WHERE volume_id = ? AND deleted = ?";
    let statuses = connection.rows(sql, &[volume_id.into(), false.into()], |row| {
        Ok(row.opt_text(0)?.and_then(AttachStatus::parse).unwrap_or(AttachStatus::ErrorAttaching))
    })?;
    let together = together(statuses);
    volumes::change(connection, volume_id, &[("attach_status", together.name().into())])?;
    volumes::begin(connection, volume_id, follow(together), &[]).map(|_| ())
}

/// What is said of an attachment that is not there.
pub fn no_attachment(id: &str) -> Error {
    Error::not_found(format!("Volume attachment could not be found with filter: attachment_id = {id}."))
}
