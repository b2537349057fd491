//! An attachment as a volume's detail shows it. The attachment API has its own milestone; this is the part that every
//! list of volumes reads.

use crate::time::Timestamp;

/// A complete attachment of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// UUID.
    pub id: String,
    /// The volume.
    pub volume_id: String,
    /// The server that it is attached to.
    pub instance_uuid: Option<String>,
    /// The host that it is attached to.
    pub attached_host: Option<String>,
    /// The device in the server.
    pub mountpoint: Option<String>,
    /// When it was attached.
    pub attach_time: Option<Timestamp>,
}
