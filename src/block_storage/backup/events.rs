//! What users are told when work on a backup fails: rows of Cinder's message catalogue.

use crate::block_storage::store::messages::Event;

const BACKUP: &str = "VOLUME_BACKUP";

/// "create backup: Backup driver failed to create backup."
pub(super) const CREATE_FAILED: Event = Event { resource_type: BACKUP, action: "013", detail: "020" };
/// "delete backup: Backup driver failed to delete backup."
pub(super) const DELETE_FAILED: Event = Event { resource_type: BACKUP, action: "014", detail: "025" };
/// "restore backup: Backup driver failed to restore backup."
pub(super) const RESTORE_FAILED: Event = Event { resource_type: BACKUP, action: "015", detail: "026" };
/// "restore backup: Volume status is invalid."
pub(super) const RESTORE_INTO_WRONG_STATUS: Event = Event { resource_type: BACKUP, action: "015", detail: "027" };
