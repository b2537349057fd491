//! A snapshot, its statuses, and which operation may happen in which of them (Block Storage API v3, "Volume snapshots").

use super::status::{From, Transition, statuses};
use crate::time::Timestamp;

statuses! {
    /// The status of a snapshot.
    Status {
        /// It could not be made, or an operator said so.
        Error = "error",
        /// It may be used.
        Available = "available",
        /// Waits for the driver.
        Creating = "creating",
        /// Waits for the driver to remove it.
        Deleting = "deleting",
        /// Gone.
        Deleted = "deleted",
        /// Being changed.
        Updating = "updating",
        /// The driver could not remove it.
        ErrorDeleting = "error_deleting",
        /// It is given out of management.
        Unmanaging = "unmanaging",
        /// A backup is made of it.
        BackingUp = "backing-up",
        /// Its volume goes back to it.
        Restoring = "restoring",
    }
}

/// What must hold of a snapshot besides its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// It is no part of a group snapshot or of a consistency group's snapshot.
    NoGroupSnapshot,
}

impl Guard {
    /// The condition in words, for `docs/states.md`.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoGroupSnapshot => "in no group snapshot",
        }
    }
}

/// A move of a snapshot.
pub type Move = Transition<Status, Guard>;

/// Made by the API, taken by the driver.
pub const CREATE: Move =
    Transition::to("create", From::Only(&[]), Status::Creating).ends(Some(Status::Available), Status::Error);

/// Removed by its owner.
pub const DELETE: Move = Transition::to("delete", From::Only(&[Status::Available, Status::Error]), Status::Deleting)
    .ends(None, Status::ErrorDeleting)
    .guarded(&[Guard::NoGroupSnapshot]);

/// Given out of management: its content stays on the backend.
pub const UNMANAGE: Move = Transition { name: "unmanage", to: Some(Status::Unmanaging), ..DELETE };

/// Removed by an operator from any status.
pub const FORCE_DELETE: Move = Transition { name: "force_delete", from: From::Any, ..DELETE };

/// Removed with its volume.
pub const DELETE_WITH_VOLUME: Move = Transition { name: "delete, with its volume", ..DELETE };

/// Removed with its group snapshot.
pub const DELETE_WITH_GROUP_SNAPSHOT: Move =
    Transition { name: "delete, with its group snapshot", from: From::Any, guards: &[], ..DELETE };

/// The progress of a snapshot that is being made, as a driver or the compute service reports it.
pub const UPDATE_STATUS_CREATING: Move =
    Transition::check("update_snapshot_status to creating, available, error", From::Only(&[Status::Creating]));

/// The progress of a snapshot that is being removed.
pub const UPDATE_STATUS_DELETING: Move =
    Transition::check("update_snapshot_status to deleting, error_deleting", From::Only(&[Status::Deleting]));

/// Name, description and metadata.
pub const UPDATE: Move = Transition::check("update, metadata", From::Any);

/// A volume is made of it.
pub const CREATE_VOLUME: Move = Transition::check("create volume", From::Only(&[Status::Available]));

/// A backup is made of it.
pub const BACK_UP: Move = Transition::to("backup", From::Only(&[Status::Available]), Status::BackingUp)
    .ends(Some(Status::Available), Status::Available);

/// Its volume gets its content again.
pub const RESTORE: Move = Transition::to("revert", From::Only(&[Status::Available]), Status::Restoring)
    .ends(Some(Status::Available), Status::Available);

/// Whatever an operator says.
pub const RESET_STATUS: Move = Transition::check("reset_status", From::Any);

/// Every move, for `docs/states.md`.
pub const MOVES: &[&Move] = &[
    &DELETE,
    &UNMANAGE,
    &FORCE_DELETE,
    &DELETE_WITH_VOLUME,
    &DELETE_WITH_GROUP_SNAPSHOT,
    &CREATE_VOLUME,
    &super::transfer::ACCEPT_SNAPSHOT,
    &BACK_UP,
    &RESTORE,
    &UPDATE,
    &UPDATE_STATUS_CREATING,
    &UPDATE_STATUS_DELETING,
    &RESET_STATUS,
];

/// A snapshot as the database holds it, without its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// UUID.
    pub id: String,
    /// The volume that it is of.
    pub volume_id: String,
    /// The owner.
    pub project_id: String,
    /// Who made it.
    pub user_id: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its status.
    pub status: Status,
    /// How far it is, `NN%`.
    pub progress: Option<String>,
    /// The size of its volume in GiB when it was made.
    pub volume_size_gib: i64,
    /// The type of its volume when it was made.
    pub volume_type_id: String,
    /// The group snapshot that it is a part of.
    pub group_snapshot_id: Option<String>,
    /// The consistency group's snapshot that it is a part of, on databases of that age.
    pub cgsnapshot_id: Option<String>,
    /// Where the driver finds it.
    pub provider_location: Option<String>,
    /// The driver's id for it.
    pub provider_id: Option<String>,
    /// The key that it is encrypted with.
    pub encryption_key_id: Option<String>,
    /// Whether it counts against the project's quota.
    pub use_quota: bool,
}

/// A snapshot with its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotDetails {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The caller's metadata.
    pub metadata: Vec<(String, String)>,
}
