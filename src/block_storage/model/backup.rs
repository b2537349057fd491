//! A backup, its statuses, and which operation may happen in which of them (Block Storage API v3, "Backups").

use super::status::{From, Transition, statuses};
use crate::time::Timestamp;

/// The volume of backups whose record was imported and did not tell theirs.
pub const UNKNOWN_VOLUME: &str = "00000000-0000-0000-0000-000000000000";

statuses! {
    /// The status of a backup.
    Status {
        /// It could not be made, or an operator said so.
        Error = "error",
        /// It could not be removed.
        ErrorDeleting = "error_deleting",
        /// Waits for a backup service, or is being made.
        Creating = "creating",
        /// It may be restored.
        Available = "available",
        /// Waits for a backup service to remove it.
        Deleting = "deleting",
        /// Gone.
        Deleted = "deleted",
        /// It is being written into a volume.
        Restoring = "restoring",
    }
}

/// What must hold of a backup besides its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// No incremental backup builds on it.
    NoDependents,
}

impl Guard {
    /// The condition in words, for `docs/states.md`.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoDependents => "no incremental backup builds on it",
        }
    }
}

/// A move of a backup.
pub type Move = Transition<Status, Guard>;

/// Made by the API, filled by a backup service.
pub const CREATE: Move =
    Transition::to("create", From::Only(&[]), Status::Creating).ends(Some(Status::Available), Status::Error);

/// Removed by its owner.
pub const DELETE: Move = Transition::to("delete", From::Only(&[Status::Available, Status::Error]), Status::Deleting)
    .ends(None, Status::ErrorDeleting)
    .guarded(&[Guard::NoDependents]);

/// Removed by an operator from any status.
pub const FORCE_DELETE: Move = Transition { name: "force_delete", from: From::Any, ..DELETE };

/// Written into a volume.
pub const RESTORE: Move = Transition::to("restore", From::Only(&[Status::Available]), Status::Restoring)
    .ends(Some(Status::Available), Status::Available);

/// The base of an incremental backup.
pub const BUILD_ON: Move = Transition::check("build an incremental backup on it", From::Only(&[Status::Available]));

/// Its record is handed out.
pub const EXPORT: Move = Transition::check("export_record", From::Only(&[Status::Available]));

/// Name, description and metadata.
pub const UPDATE: Move = Transition::check("update", From::Any);

/// Whatever an operator says: available or error.
pub const RESET_STATUS: Move = Transition::check("reset_status", From::Any);

/// Every move, for `docs/states.md`.
pub const MOVES: &[&Move] = &[&DELETE, &FORCE_DELETE, &RESTORE, &BUILD_ON, &EXPORT, &UPDATE, &RESET_STATUS];

/// A backup as the database holds it, without its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// UUID.
    pub id: String,
    /// The volume that it is of, which may be gone.
    pub volume_id: String,
    /// The owner.
    pub project_id: String,
    /// Who made it.
    pub user_id: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// The host of the backup service that has it.
    pub host: Option<String>,
    /// The zone of that service.
    pub availability_zone: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// The folder, below that of all backups, in which it lies.
    pub container: Option<String>,
    /// Its status.
    pub status: Status,
    /// Why it failed.
    pub fail_reason: Option<String>,
    /// How the names of its objects begin.
    pub service_metadata: Option<String>,
    /// The driver that made it, as Cinder names it.
    pub service: Option<String>,
    /// The size of its volume in GiB when it was made.
    pub size_gib: i64,
    /// How many objects of data it has.
    pub object_count: i64,
    /// The backup that it builds on.
    pub parent_id: Option<String>,
    /// How many backups build on it.
    pub dependents: i64,
    /// The snapshot that it is of.
    pub snapshot_id: Option<String>,
    /// The moment whose data it holds.
    pub data_timestamp: Option<Timestamp>,
    /// The volume that it is being written into.
    pub restore_volume_id: Option<String>,
    /// The key that it is encrypted with.
    pub encryption_key_id: Option<String>,
}

/// A backup with its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupDetails {
    /// The backup.
    pub backup: Backup,
    /// The caller's metadata.
    pub metadata: Vec<(String, String)>,
}
