//! What users are told when work fails: rows of Cinder's message catalogue, whose numbers clients turn into sentences.

use crate::block_storage::store::messages::Event;

const VOLUME: &str = "VOLUME";
const SNAPSHOT: &str = "VOLUME_SNAPSHOT";

/// "schedule allocate volume: Could not find any available weighted backend."
pub(super) const NO_BACKEND: Event = Event { resource_type: VOLUME, action: "001", detail: "003" };
/// "create volume from backend storage: Driver failed to create the volume."
pub(super) const CREATE_FAILED: Event = Event { resource_type: VOLUME, action: "008", detail: "012" };
/// "extend volume: Could not find any available weighted backend."
pub(super) const NO_ROOM_TO_EXTEND: Event = Event { resource_type: VOLUME, action: "007", detail: "003" };
/// "extend volume: Volume Driver failed to extend volume."
pub(super) const EXTEND_FAILED: Event = Event { resource_type: VOLUME, action: "007", detail: "010" };
/// "extend volume: Compute service failed to extend volume."
pub(super) const SERVERS_NOT_TOLD: Event = Event { resource_type: VOLUME, action: "007", detail: "009" };
/// "create snapshot: Snapshot failed to create."
pub(super) const SNAPSHOT_FAILED: Event = Event { resource_type: SNAPSHOT, action: "009", detail: "013" };
/// "delete snapshot: Snapshot failed to delete."
pub(super) const SNAPSHOT_DELETE_FAILED: Event = Event { resource_type: SNAPSHOT, action: "010", detail: "016" };
