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

impl Message {
    /// What went wrong, in words: what was done, a colon, and what went wrong with it. Messages of old releases have one
    /// sentence for both.
    pub fn words(&self) -> String {
        let named = |catalogue: &[(&str, &'static str)], id: &str| {
            catalogue.iter().find(|(known, _)| *known == id).map(|(_, words)| *words)
        };
        match &self.action_id {
            None => named(EVENTS, &self.event_id).unwrap_or(UNKNOWN).to_owned(),
            Some(action) => {
                let action = named(ACTIONS, action).unwrap_or("unknown action");
                let detail = self.detail_id.as_deref().and_then(|id| named(DETAILS, id)).unwrap_or(UNKNOWN);
                format!("{action}:{detail}")
            }
        }
    }
}

const UNKNOWN: &str = "An unknown error occurred.";

/// What was done.
const ACTIONS: &[(&str, &str)] = &[
    ("001", "schedule allocate volume"),
    ("002", "attach volume"),
    ("003", "copy volume to image"),
    ("004", "update attachment"),
    ("005", "copy image to volume"),
    ("006", "unmanage volume"),
    ("007", "extend volume"),
    ("008", "create volume from backend storage"),
    ("009", "create snapshot"),
    ("010", "delete snapshot"),
    ("011", "update snapshot"),
    ("012", "update snapshot metadata"),
    ("013", "create backup"),
    ("014", "delete backup"),
    ("015", "restore backup"),
    ("016", "reimage volume"),
];

/// What went wrong with it.
const DETAILS: &[(&str, &str)] = &[
    ("001", UNKNOWN),
    ("002", "Driver is not initialized at present."),
    ("003", "Could not find any available weighted backend."),
    ("004", "Failed to upload volume to image at backend."),
    ("005", "Volume's attach mode is invalid."),
    ("006", "Not enough quota resource for operation."),
    ("007", "Image used for creating volume exceeds available space."),
    ("008", "Unmanaging encrypted volumes is not supported."),
    ("009", "Compute service failed to extend volume."),
    ("010", "Volume Driver failed to extend volume."),
    ("011", "Image signature verification failed."),
    ("012", "Driver failed to create the volume."),
    ("013", "Snapshot failed to create."),
    ("014", "Volume snapshot update metadata failed."),
    ("015", "Snapshot is busy."),
    ("016", "Snapshot failed to delete."),
    ("017", "Backup status is invalid."),
    ("018", "Backup service is down."),
    ("019", "Failed to get backup device from the volume service."),
    ("020", "Backup driver failed to create backup."),
    ("021", "Failed to attach volume."),
    ("022", "Failed to detach volume."),
    ("023", "Cleanup of temporary volume/snapshot failed."),
    ("024", "Backup failed to schedule. Service not found for creating backup."),
    ("025", "Backup driver failed to delete backup."),
    ("026", "Backup driver failed to restore backup."),
    ("027", "Volume status is invalid."),
    ("028", "Compute service failed to reimage volume."),
    ("029", "The image disk format must be the same as the volume format for the volume type you are requesting."),
    ("030", "Incremental backup not possible, forcing full backup."),
    // Cinder has no words for these; it would call them unknown.
    ("901", "The image service did not give the image."),
    ("902", "The image's data are not those that the image service promised."),
    ("903", "The image's data are not what its disk format says, or refer to other files."),
    ("904", "The image could not be converted or written."),
];

/// The sentences of messages that have no action.
const EVENTS: &[(&str, &str)] = &[
    ("VOLUME_000001", UNKNOWN),
    (
        "VOLUME_000002",
        "No storage could be allocated for this volume request. You may be able to try another size or volume type.",
    ),
    ("VOLUME_000003", "A readonly volume must be attached as readonly."),
    (
        "VOLUME_000004",
        "Failed to copy volume to image as image quota has been met. Please delete images or have your limit increased, \
         then try again.",
    ),
    ("VOLUME_000005", "Unmanaging encrypted volumes is not supported."),
];
