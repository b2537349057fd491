//! Reads of the table `messages`: one message, and lists.

use super::lists::{self, Source};
use crate::block_storage::model::message::Message;
use crate::block_storage::model::selection::Selection;
use crate::database::{Connection, Row};
use crate::error::{Error, Result};
use crate::time::Timestamp;

const SOURCE: Source = Source { table: "messages", metadata: &[], by_project: None };
const COLUMNS: &str = "id, project_id, request_id, resource_type, resource_uuid, event_id, action_id, detail_id, \
                       message_level, created_at, expires_at";

fn read(row: &Row<'_>) -> Result<Message> {
    Ok(Message {
        id: row.string(0)?,
        project_id: row.string(1)?,
        request_id: row.opt_string(2)?,
        resource_type: row.opt_string(3)?,
        resource_uuid: row.opt_string(4)?,
        event_id: row.string(5)?,
        action_id: row.opt_string(6)?,
        detail_id: row.opt_string(7)?,
        level: row.string(8)?,
        created_at: row.opt_time(9)?,
        expires_at: row.opt_time(10)?,
    })
}

/// One page of messages.
///
/// # Errors
/// [`crate::Kind::NotFound`] where the marker is not there; as all statements.
pub fn page(connection: &mut Connection, selection: &Selection) -> Result<Vec<Message>> {
    lists::page(connection, &SOURCE, COLUMNS, selection, |row| read(row))?
        .ok_or_else(|| no_message(selection.marker.as_deref().unwrap_or_default()))
}

/// The message with this id.
///
/// # Errors
/// As all statements.
pub fn by_id(connection: &mut Connection, id: &str) -> Result<Option<Message>> {
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE id = ? AND deleted = false");
    connection.row(&sql, &[id.into()], read)
}

/// Removes a message; `false` where there is none.
///
/// # Errors
/// As all statements.
pub fn remove(connection: &mut Connection, id: &str) -> Result<bool> {
    let sql = "UPDATE messages SET deleted = true, deleted_at = ? WHERE id = ? AND deleted = false";
    Ok(connection.execute(sql, &[Timestamp::now().into(), id.into()])? == 1)
}

/// What is said of a message that is not there.
pub fn no_message(id: &str) -> Error {
    Error::not_found(format!("Message {id} could not be found."))
}
