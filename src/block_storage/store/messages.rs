//! The table `messages`: what went wrong after a request was answered, for its user to read.

use crate::block_storage::model::work::Requester;
use crate::database::{Connection, Transaction};
use crate::error::Result;
use crate::time::Timestamp;

/// What was being done and what went wrong: rows of the message catalogue, whose texts clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// `VOLUME` or `VOLUME_SNAPSHOT`.
    pub resource_type: &'static str,
    /// Three digits.
    pub action: &'static str,
    /// Three digits.
    pub detail: &'static str,
}

/// Tells the project that asked what happened to the object `resource_id`. The message vanishes after `ttl_seconds`.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn create(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    resource_id: &str,
    event: Event,
    ttl_seconds: i64,
) -> Result<()> {
    let now = Timestamp::now();
    let event_id = format!("VOLUME_{}_{}_{}", event.resource_type, event.action, event.detail);
    tx.execute(
        "INSERT INTO messages (created_at, deleted, id, project_id, request_id, resource_type, resource_uuid, event_id, \
         message_level, expires_at, detail_id, action_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'ERROR', ?, ?, ?)",
        &[
            now.into(),
            false.into(),
            uuid::Uuid::new_v4().to_string().into(),
            (&requester.project_id).into(),
            (&requester.request_id).into(),
            event.resource_type.into(),
            resource_id.into(),
            event_id.into(),
            now.plus_seconds(ttl_seconds).into(),
            event.detail.into(),
            event.action.into(),
        ],
    )?;
    Ok(())
}

/// Removes messages whose time is over; how many.
pub fn remove_expired(c: &mut Connection) -> Result<u64> {
    c.execute("DELETE FROM messages WHERE expires_at < ?", &[Timestamp::now().into()])
}
