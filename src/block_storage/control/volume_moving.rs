//! What moves a volume's content, or the volume itself: back to a snapshot, to another type, to another backend, out of
//! management. Each is ordered in the transaction that moves the status.

use super::authorized::no_volume;
use super::{Authorized, Caller};
use crate::block_storage::model::snapshot::{self, RESTORE, Snapshot};
use crate::block_storage::model::volume::{REVERT, Status, Volume};
use crate::block_storage::policies::volume_actions as rules;
use crate::block_storage::{rpc, store};
use crate::database::Transaction;
use crate::error::{Error, Result};

/// Orders that a volume gets the content of its newest snapshot again.
///
/// # Errors
/// [`crate::Kind::Invalid`] where `snapshot_id` is not that of the newest one, [`crate::Kind::Conflict`] where either is
/// busy, [`crate::Kind::Forbidden`], those of the database.
pub fn revert(caller: &Caller<'_>, volume: &Authorized<Volume>, snapshot_id: Option<&str>) -> Result<()> {
    let newest = caller.database.read(|c| newest(c, &volume.id))?;
    let newest = newest.ok_or_else(|| Error::invalid(format!("Volume {} doesn't have any snapshots.", volume.id)))?;
    if snapshot_id != Some(&newest.id) {
        let named = snapshot_id.unwrap_or("None");
        let id = &volume.id;
        return Err(Error::invalid(format!(
            "Specified snapshot {named} is None or not the latest one of volume {id}."
        )));
    }
    if volume.size_gib != newest.volume_size_gib {
        return Err(Error::invalid(format!(
            "Can't revert volume {} to its latest snapshot {}. The volume size must be equal to the snapshot size.",
            volume.id, newest.id
        )));
    }
    volume.check(caller, &rules::REVERT_TO_SNAPSHOT)?;
    caller.database.write(|tx| order_reversion(tx, caller, volume, &newest))?;
    caller.doorbell.ring();
    Ok(())
}

fn newest(c: &mut crate::database::Connection, volume_id: &str) -> Result<Option<Snapshot>> {
    Ok(store::snapshots::of_volume(c, volume_id)?.pop())
}

fn order_reversion(tx: &mut Transaction<'_>, caller: &Caller<'_>, volume: &Volume, snapshot: &Snapshot) -> Result<()> {
    let now = store::volumes::lock(tx, &volume.id)?.ok_or_else(|| no_volume(&volume.id))?;
    let busy = |noun: &str, what: &str| {
        Error::conflict(format!(
            "Invalid {noun}: Can't revert volume {} to its latest snapshot {}. {what}'s status must be 'available'.",
            volume.id, snapshot.id
        ))
    };
    // A snapshot that was made meanwhile, or a volume that grew, counts as busy: the caller has seen the older one.
    let same = now.size_gib == volume.size_gib && newest(tx, &now.id)?.is_some_and(|newest| newest.id == snapshot.id);
    if !same || !store::volumes::begin(tx, &now.id, &REVERT, &[])? {
        return Err(busy("volume", "Volume"));
    }
    if !store::snapshots::begin(tx, &snapshot.id, &RESTORE, &[])? {
        return Err(busy("snapshot", "Snapshot"));
    }
    let snapshot = Snapshot { status: snapshot::Status::Restoring, ..snapshot.clone() };
    rpc::revert_to_snapshot(tx, &caller.requester(), &Volume { status: Status::Reverting, ..now }, &snapshot)
}
