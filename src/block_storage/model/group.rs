//! A group of volumes, its statuses, and which operation may happen in which of them (Block Storage API v3, "Generic volume
//! groups").

use super::status::{From, Transition, statuses};
use crate::time::Timestamp;

statuses! {
    /// The status of a group.
    Status {
        /// It could not be made, changed or removed, or an operator said so.
        Error = "error",
        /// It may be used.
        Available = "available",
        /// Waits for the scheduler, or for its volumes.
        Creating = "creating",
        /// Waits for the end of its volumes.
        Deleting = "deleting",
        /// Gone.
        Deleted = "deleted",
        /// Volumes enter or leave it.
        Updating = "updating",
        /// In use; no operation leads here.
        InUse = "in-use",
        /// It could not be removed; no operation leads here.
        ErrorDeleting = "error_deleting",
    }
}

/// What must hold of a group besides its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// It has no snapshots.
    NoSnapshots,
    /// It has no volumes.
    NoVolumes,
    /// It has volumes.
    HasVolumes,
    /// None of its volumes is attached or has snapshots.
    VolumesIdle,
    /// No other group is being made of it.
    NoCopyUnderWay,
}

impl Guard {
    /// The condition in words, for `docs/states.md`.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoSnapshots => "no group snapshots",
            Self::NoVolumes => "no volumes",
            Self::HasVolumes => "has volumes",
            Self::VolumesIdle => "no volume attached or with snapshots",
            Self::NoCopyUnderWay => "no group is being made of it",
        }
    }
}

/// A move of a group.
pub type Move = Transition<Status, Guard>;

/// Made by the API, placed by the scheduler.
pub const CREATE: Move =
    Transition::to("create", From::Only(&[]), Status::Creating).ends(Some(Status::Available), Status::Error);

/// Removed without volumes.
pub const DELETE: Move = Transition::to("delete", From::Only(&[Status::Available, Status::Error]), Status::Deleting)
    .ends(None, Status::Error)
    .guarded(&[Guard::NoSnapshots, Guard::NoVolumes, Guard::NoCopyUnderWay]);

/// Removed with its volumes.
pub const DELETE_WITH_VOLUMES: Move = Transition {
    name: "delete, with volumes",
    from: From::Any,
    guards: &[Guard::NoSnapshots, Guard::VolumesIdle, Guard::NoCopyUnderWay],
    ..DELETE
};

/// Volumes enter and leave.
pub const UPDATE: Move =
    Transition::to("update, add and remove volumes", From::Only(&[Status::Available]), Status::Updating)
        .ends(Some(Status::Available), Status::Error);

/// Name and description.
pub const RENAME: Move = Transition::check("update, name and description", From::Any);

/// A volume is made in it.
pub const CREATE_VOLUME: Move = Transition::check("create volume", From::Only(&[Status::Available, Status::Creating]));

/// A snapshot is made of it.
pub const SNAPSHOT: Move = Transition::check(
    "create group snapshot",
    From::Except(&[Status::Creating, Status::Updating, Status::Deleting, Status::Deleted]),
)
.guarded(&[Guard::HasVolumes]);

/// Another group is made of it.
pub const COPY: Move = Transition::check(
    "create from source",
    From::Except(&[Status::Creating, Status::Updating, Status::Deleting, Status::Deleted]),
)
.guarded(&[Guard::HasVolumes]);

/// Whatever an operator says.
pub const RESET_STATUS: Move = Transition::check("reset_status", From::Any);

/// Every move, for `docs/states.md`.
pub const MOVES: &[&Move] =
    &[&DELETE, &DELETE_WITH_VOLUMES, &UPDATE, &RENAME, &CREATE_VOLUME, &SNAPSHOT, &COPY, &RESET_STATUS];

/// A group as the database holds it, without what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// UUID.
    pub id: String,
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
    /// Its type.
    pub group_type_id: String,
    /// The zone of all its volumes.
    pub availability_zone: Option<String>,
    /// The pool that was chosen for it, `host@backend#pool`; all its volumes lie on that backend.
    pub host: Option<String>,
    /// The cluster of that host.
    pub cluster_name: Option<String>,
    /// The group snapshot that it was made of.
    pub group_snapshot_id: Option<String>,
    /// The group that it was made of.
    pub source_group_id: Option<String>,
    /// `disabled`, `enabled` and so on.
    pub replication_status: Option<String>,
}

/// A group with what its detail shows besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDetails {
    /// The group.
    pub group: Group,
    /// The ids of the types that its volumes may have.
    pub volume_types: Vec<String>,
    /// The ids of its volumes, where they were asked for.
    pub volumes: Option<Vec<String>>,
}
