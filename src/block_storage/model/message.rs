//! A message to the user about work that failed after the answer (Block Storage API v3, "Messages").

use crate::time::Timestamp;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// UUID.
    pub id: String,
    /// The project that it is for.
    pub project_id: String,
    /// The request that failed.
    pub request_id: Option<String>,
    /// `VOLUME`, `VOLUME_SNAPSHOT` and so on.
    pub resource_type: Option<String>,
    /// The object that it is about.
    pub resource_uuid: Option<String>,
    /// `VOLUME_<type>_<action>_<detail>`.
    pub event_id: String,
    /// What was done: a number of the message catalogue.
    pub action_id: Option<String>,
    /// What went wrong: a number of the message catalogue.
    pub detail_id: Option<String>,
    /// `ERROR`.
    pub level: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it may vanish.
    pub expires_at: Option<Timestamp>,
}
