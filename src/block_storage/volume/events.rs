//! What users are told when work fails: rows of Cinder's message catalogue, whose numbers clients turn into sentences.

use crate::block_storage::store::messages::Event;

const VOLUME: &str = "VOLUME";
const SNAPSHOT: &str = "VOLUME_SNAPSHOT";

/// What was being done with an image.
pub(super) const COPY_IMAGE: &str = "005";
/// The same, over a volume that was there.
pub(super) const REIMAGE: &str = "016";

/// What can go wrong with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It does not fit, or there is no room for it.
    TooLarge,
    /// It has another format than the volume, and must not be converted.
    Format,
    /// Its signature can not be verified.
    Signature,
    /// Glance does not give it.
    Unreadable,
    /// Its data are not those that Glance promised.
    Corrupt,
    /// It is not what it says, or refers to other files.
    Unacceptable,
    /// It could not be converted or written.
    Unconverted,
    /// Nobody looked.
    Other,
}

/// What the user is told of it.
pub(super) fn image(action: &'static str, trouble: Trouble) -> Event {
    let detail = match trouble {
        Trouble::TooLarge => "007",
        Trouble::Format => "029",
        Trouble::Signature => "011",
        Trouble::Unreadable => "901",
        Trouble::Corrupt => "902",
        Trouble::Unacceptable => "903",
        Trouble::Unconverted => "904",
        Trouble::Other => "001",
    };
    Event { resource_type: VOLUME, action, detail }
}

/// "copy volume to image: Failed to upload volume to image at backend."
pub(super) const UPLOAD_FAILED: Event = Event { resource_type: VOLUME, action: "003", detail: "004" };

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
/// "reimage volume: Compute service failed to reimage volume."
pub(super) const SERVERS_NOT_TOLD_OF_IMAGE: Event = Event { resource_type: VOLUME, action: REIMAGE, detail: "028" };
/// "create snapshot: Snapshot failed to create."
pub(super) const SNAPSHOT_FAILED: Event = Event { resource_type: SNAPSHOT, action: "009", detail: "013" };
/// "delete snapshot: Snapshot failed to delete."
pub(super) const SNAPSHOT_DELETE_FAILED: Event = Event { resource_type: SNAPSHOT, action: "010", detail: "016" };
