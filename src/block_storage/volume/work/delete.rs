//! Removing a volume, with its snapshots where that was asked for.

use super::super::exports;
use super::snapshots::kept;
use super::{Job, format_of, image_cache, stored};
use crate::block_storage::model::snapshot::{self, Snapshot};
use crate::block_storage::model::volume::{AttachStatus, DELETE, Status, Volume};
use crate::block_storage::store::quotas::Charge;
use crate::block_storage::store::{Outcome, keys, pools, snapshots, volumes};
use crate::block_storage::volume::drivers::Stored;
use crate::database::Transaction;
use crate::error::{Error, Result};

pub(super) fn run(job: &Job<'_>, cascade: bool) -> Result<()> {
    let found = job.read(|c| {
        let volume = volumes::by_id(c, &job.order.volume_id)?;
        let leaving = |volume: &Volume| matches!(volume.status, Status::Deleting | Status::ErrorManagingDeleting);
        match volume.filter(|volume| leaving(volume) && job.is_here(volume)) {
            Some(volume) => Ok(Some((snapshots::of_volume(c, &volume.id)?, format_of(c, &volume)?, volume))),
            None => Ok(None),
        }
    });
    let Some((own, format, volume)) = found? else { return job.obsolete() };
    job.begin(|tx, notices| {
        let notices = notices.clone().elevated();
        if volume.use_quota {
            notices.volume(tx, &volume.id, "delete.start")?;
        }
        own.iter().try_for_each(|snapshot| notices.snapshot(tx, &snapshot.id, "delete.start"))
    })?;
    let _changing = job.backend.change_exports();
    let removed = job.step(|driver| {
        refuse(&volume, &own, cascade)?;
        if volume.provider_location.is_some() {
            exports::end(job.backend, &job.volume_name(&volume), &volume)?;
        }
        let name = job.volume_name(&volume);
        // What is inside a file that goes as a whole is not looked for, as in one that somebody uses.
        let leaving = Stored { attached: true, ..stored(&name, &volume, format) };
        for snapshot in &own {
            let own = job.snapshot_name(snapshot);
            driver.delete_snapshot(kept(&own, snapshot, format), leaving)?;
        }
        driver.delete_volume(&name)
    });
    match removed {
        Ok(()) => {
            log::info!("volume {} is removed from {}", volume.id, job.backend.host);
            job.end(|tx| finish(tx, job, &volume, &own))
        }
        Err(_) => job.end(|tx| {
            for snapshot in own.iter().filter(|snapshot| snapshot.status == snapshot::Status::Deleting) {
                snapshots::finish(tx, &snapshot.id, &snapshot::DELETE, Outcome::Failed, &[])?;
            }
            volumes::finish(tx, &volume.id, &DELETE, Outcome::Failed, &[]).map(|_| ())
        }),
    }
}

/// What the API has looked at already, once more: what is removed is gone for good.
fn refuse(volume: &Volume, own: &[Snapshot], cascade: bool) -> Result<()> {
    if volume.attach_status == AttachStatus::Attached {
        return Err(Error::invalid_state("The volume is attached."));
    }
    let leaving = |snapshot: &Snapshot| snapshot.status == snapshot::Status::Deleting;
    match own.iter().find(|snapshot| !cascade || !leaving(snapshot)) {
        Some(snapshot) => {
            let text = format!("Snapshot {} was found in state {} during the deletion.", snapshot.id, snapshot.status);
            Err(Error::invalid_state(text))
        }
        None => Ok(()),
    }
}

fn finish(tx: &mut Transaction<'_>, job: &Job<'_>, volume: &Volume, own: &[Snapshot]) -> Result<()> {
    let notices = job.notices().elevated();
    // Usage first: where it is due to be counted anew, the rows must still be there.
    for snapshot in own {
        notices.snapshot_gone(tx, &snapshot.id, "delete.end")?;
        job.release_snapshot(tx, snapshot, volume)?;
        snapshots::finish(tx, &snapshot.id, &snapshot::DELETE, Outcome::Done, &[])?;
        super::snapshots::release_key(tx, snapshot, volume)?;
    }
    // A volume that was never taken over was never counted, and has no size.
    if volume.use_quota && volume.size_gib > 0 {
        let charge = Charge {
            project_id: &volume.project_id,
            volume_type_id: Some(&volume.volume_type_id),
            volumes: -1,
            gigabytes: -volume.size_gib,
            ..Charge::default()
        };
        job.charge(tx, &charge)?;
    }
    if volume.use_quota {
        notices.volume_gone(tx, &volume.id, "delete.end")?;
    }
    image_cache::evict(tx, job, &volume.id)?;
    if !volumes::finish(tx, &volume.id, &DELETE, Outcome::Done, &[])? {
        // Somebody has reset its status meanwhile; but its disk is gone.
        volumes::remove(tx, &volume.id)?;
    }
    keys::release(tx, volume.encryption_key_id.as_deref(), &volume.project_id)?;
    let host = volume.host.as_deref().unwrap_or_default();
    pools::promise(tx, host, -volume.size_gib, true)?;
    pools::promise(tx, host, -own.iter().map(|snapshot| snapshot.volume_size_gib).sum::<i64>(), false)
}
