//! The `workers` table: which object is in the hands of a service, so that a crash leaves nothing half done. A row is
//! written by the transaction that begins a piece of work and removed by the one that ends it.

pub use crate::database::transition::{work_begins as begin, work_ends as end};

/// The table's word for a volume.
pub const VOLUME: &str = "Volume";
/// The table's word for a snapshot.
pub const SNAPSHOT: &str = "Snapshot";
/// The table's word for a group.
pub const GROUP: &str = "Group";
/// The table's word for a group snapshot.
pub const GROUP_SNAPSHOT: &str = "GroupSnapshot";
