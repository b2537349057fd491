//! Making and removing a snapshot, and giving a volume its content again.

use super::super::placement;
use super::{Job, events, format_of, is_attached, stored};
use crate::block_storage::model::snapshot::{CREATE, DELETE, RESTORE, Snapshot, Status};
use crate::block_storage::model::volume::{REVERT, Volume};
use crate::block_storage::store::{Outcome, keys, pools, snapshots, volumes};
use crate::block_storage::volume::drivers::{Format, Stored};
use crate::database::{Transaction, Value};
use crate::error::{Error, Result};

pub(super) fn create(job: &Job<'_>) -> Result<()> {
    let Some((snapshot, volume, format, room)) = load(job, Status::Creating)? else { return job.obsolete() };
    if let Err(why) = room {
        job.failed(&why);
        return job.end(|tx| {
            let backend = volume.cluster_name.as_ref().or(volume.host.as_ref()).map_or("", String::as_str);
            let notices = job.notices().by(&*job.shared.settings.host);
            notices.nowhere_to_snapshot(tx, &snapshot.id, snapshot.volume_size_gib, backend)?;
            fail(tx, job, &snapshot)
        });
    }
    let (name, of) = (job.snapshot_name(&snapshot), job.volume_name(&volume));
    job.begin(|tx, notices| notices.clone().elevated().snapshot(tx, &snapshot.id, "create.start"))?;
    let made = job.step(|driver| {
        let size_gib = snapshot.volume_size_gib;
        driver.create_snapshot(&name, Stored { size_gib, ..stored(&of, &volume, format) })
    });
    match made {
        Ok(()) => job.end(|tx| {
            let columns = [("progress", "100%".into()), ("encryption_key_id", (&volume.encryption_key_id).into())];
            if !snapshots::finish(tx, &snapshot.id, &CREATE, Outcome::Done, &columns)? {
                return Ok(());
            }
            job.notices().elevated().snapshot(tx, &snapshot.id, "create.end")?;
            pools::promise(tx, volume.host.as_deref().unwrap_or_default(), snapshot.volume_size_gib, false)
        }),
        Err(_) => job.end(|tx| fail(tx, job, &snapshot)),
    }
}

/// The snapshot stays, in error, and its owner is told.
fn fail(tx: &mut Transaction<'_>, job: &Job<'_>, snapshot: &Snapshot) -> Result<()> {
    snapshots::finish(tx, &snapshot.id, &CREATE, Outcome::Failed, &[])?;
    job.tell(tx, &snapshot.id, events::SNAPSHOT_FAILED)
}

pub(super) fn delete(job: &Job<'_>) -> Result<()> {
    let Some((snapshot, volume, format, _)) = load(job, Status::Deleting)? else { return job.obsolete() };
    job.begin(|tx, notices| notices.clone().elevated().snapshot(tx, &snapshot.id, "delete.start"))?;
    let (name, of) = (job.snapshot_name(&snapshot), job.volume_name(&volume));
    let gone = kept(&name, &snapshot, format);
    match job.step(|driver| driver.delete_snapshot(gone, stored(&of, &volume, format))) {
        Ok(()) => job.end(|tx| {
            job.release_snapshot(tx, &snapshot, &volume)?;
            job.notices().elevated().snapshot_gone(tx, &snapshot.id, "delete.end")?;
            if !snapshots::finish(tx, &snapshot.id, &DELETE, Outcome::Done, &[])? {
                return Err(Error::conflict("The snapshot's status was changed while it was being removed."));
            }
            release_key(tx, &snapshot, &volume)?;
            pools::promise(tx, volume.host.as_deref().unwrap_or_default(), -snapshot.volume_size_gib, false)
        }),
        Err(_) => job.end(|tx| {
            snapshots::finish(tx, &snapshot.id, &DELETE, Outcome::Failed, &[])?;
            job.tell(tx, &snapshot.id, events::SNAPSHOT_DELETE_FAILED)
        }),
    }
}

pub(super) fn revert(job: &Job<'_>) -> Result<()> {
    let Some((snapshot, volume, format, _)) = load(job, Status::Restoring)? else { return job.obsolete() };
    let (name, of) = (job.snapshot_name(&snapshot), job.volume_name(&volume));
    job.begin(|tx, notices| {
        notices.volume(tx, &volume.id, "revert.start")?;
        notices.snapshot(tx, &snapshot.id, "revert.start")
    })?;
    let reverted = job.step(|driver| {
        if is_attached(&volume) {
            return Err(Error::invalid_state("The volume is attached."));
        }
        driver.revert_volume(stored(&of, &volume, format), kept(&name, &snapshot, format))
    });
    let outcome = if reverted.is_ok() { Outcome::Done } else { Outcome::Failed };
    job.end(|tx| {
        let size: &[(&str, Value<'_>)] = &[("size", snapshot.volume_size_gib.into())];
        let columns = if reverted.is_ok() { size } else { &[] };
        volumes::finish(tx, &volume.id, &REVERT, outcome, columns)?;
        if reverted.is_ok() && snapshot.encryption_key_id != volume.encryption_key_id {
            // A backup was restored since. Other snapshots may have the key that the volume had until now.
            volumes::change(tx, &volume.id, &[("encryption_key_id", (&snapshot.encryption_key_id).into())])?;
            keys::release(tx, volume.encryption_key_id.as_deref(), &volume.project_id)?;
        }
        snapshots::finish(tx, &snapshot.id, &RESTORE, outcome, &[])?;
        let notices = job.notices();
        notices.volume(tx, &volume.id, "revert.end")?;
        notices.snapshot(tx, &snapshot.id, "revert.end")
    })
}

/// A snapshot as the driver knows it; nobody ever writes to one.
pub(super) fn kept<'a>(name: &'a str, snapshot: &Snapshot, format: Format) -> Stored<'a> {
    Stored { name, size_gib: snapshot.volume_size_gib, format, attached: false }
}

/// Lets the key of a snapshot that has gone go, where it is no longer that of its volume because a backup was restored
/// since. Another snapshot that has it keeps it.
pub(super) fn release_key(tx: &mut Transaction<'_>, snapshot: &Snapshot, volume: &Volume) -> Result<()> {
    let own = snapshot.encryption_key_id.as_deref();
    keys::release(tx, own.filter(|_| snapshot.encryption_key_id != volume.encryption_key_id), &snapshot.project_id)
}

/// A snapshot with its volume, the format of both, and whether there is room for one more.
type Loaded = (Snapshot, Volume, Format, Result<(), String>);

/// The snapshot of the order, if it still is in `status` and here.
fn load(job: &Job<'_>, status: Status) -> Result<Option<Loaded>> {
    let id = job.order.snapshot_id.as_deref().unwrap_or_default();
    job.read(|c| {
        let Some(snapshot) = snapshots::by_id(c, id)?.filter(|snapshot| snapshot.status == status) else {
            return Ok(None);
        };
        let Some(volume) = volumes::by_id(c, &snapshot.volume_id)?.filter(|volume| job.is_here(volume)) else {
            return Ok(None);
        };
        let room = match status {
            Status::Creating => placement::can_grow(c, job.shared, &volume, snapshot.volume_size_gib)?,
            _ => Ok(()),
        };
        let format = format_of(c, &volume)?;
        Ok(Some((snapshot, volume, format, room)))
    })
}
