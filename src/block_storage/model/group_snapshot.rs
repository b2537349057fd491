//! A snapshot of a group: a snapshot of each of its volumes, made together. Its status follows from theirs (Block Storage API
//! v3, "Group snapshots").

use super::status::{From, Transition, statuses};
use crate::time::Timestamp;

statuses! {
    /// The status of a group snapshot.
    Status {
        /// A snapshot of it could not be made or removed, or an operator said so.
        Error = "error",
        /// All of its snapshots are there.
        Available = "available",
        /// Waits for its snapshots.
        Creating = "creating",
        /// Waits for the end of its snapshots.
        Deleting = "deleting",
        /// Gone.
        Deleted = "deleted",
        /// Being changed; no operation leads here.
        Updating = "updating",
        /// It could not be removed; no operation leads here.
        ErrorDeleting = "error_deleting",
    }
}

/// What must hold of a group snapshot besides its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// No group is being made of it.
    NoCopyUnderWay,
}

impl Guard {
    /// The condition in words, for `docs/states.md`.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoCopyUnderWay => "no group is being made of it",
        }
    }
}

/// A move of a group snapshot.
pub type Move = Transition<Status, Guard>;

/// Made by the API together with its snapshots.
pub const CREATE: Move =
    Transition::to("create", From::Only(&[]), Status::Creating).ends(Some(Status::Available), Status::Error);

/// Removed together with its snapshots.
pub const DELETE: Move = Transition::to("delete", From::Only(&[Status::Available, Status::Error]), Status::Deleting)
    .ends(None, Status::Error)
    .guarded(&[Guard::NoCopyUnderWay]);

/// Whatever an operator says.
pub const RESET_STATUS: Move = Transition::check("reset_status", From::Any);

/// Every move, for `docs/states.md`.
pub const MOVES: &[&Move] = &[&DELETE, &RESET_STATUS];

/// A group snapshot as the database holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSnapshot {
    /// UUID.
    pub id: String,
    /// The group that it is of.
    pub group_id: String,
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
    /// The type of its group.
    pub group_type_id: String,
}
