//! Writing a backup into a volume: a full one, and over it those that build on it, up to the one that was asked for.

use serde_json::Value as Json;

use super::volume_meta;
use super::{Job, events};
use crate::block_storage::backup::repository::{read_metadata, restore};
use crate::block_storage::model::backup::{Backup, RESTORE, Status};
use crate::block_storage::model::backup_work::Key;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{self, Move, RESTORE_BACKUP, Volume};
use crate::block_storage::store::messages::Event;
use crate::block_storage::store::{Outcome, backups, keys, volumes};
use crate::block_storage::volume::drivers::Stored;
use crate::block_storage::volume::format_of;
use crate::database::Transaction;
use crate::error::{Error, Kind, Result};

/// Bytes in one GiB.
const GIB: u64 = 1 << 30;

/// Restores the backup. `rule` is the move of the volume: of one that there was, or of one that is made of the backup; `key`
/// is the one that it has afterwards.
pub(super) fn run(job: &Job<'_>, rule: &Move, key: Option<&Key>) -> Result<()> {
    let found = job.read(|c| {
        let Some(backup) = backups::by_id(c, &job.order.backup_id)? else { return Ok(None) };
        let id = backup.restore_volume_id.clone().unwrap_or_default();
        Ok(Some((volumes::by_id(c, &id)?, id, backup)))
    })?;
    let Some((volume, volume_id, backup)) = found else { return job.end(|tx| let_go(tx, key)) };
    let refused = |volume: Option<&Volume>, written: bool| {
        sweep(job, &volume_id, volume)?;
        job.end(|tx| {
            match volume.filter(|_| written) {
                // What it holds can be read with the new key alone.
                Some(volume) => change_key(tx, volume, &backup, key).or_else(|error| unless_late(error, &backup))?,
                None => let_go(tx, key)?,
            }
            fail(tx, job, &backup, volume.map(|volume| (volume, rule)), events::RESTORE_INTO_WRONG_STATUS)
        })
    };
    let Some(volume) = volume else { return refused(None, false) };
    if backup.status != Status::Restoring {
        sweep(job, &volume_id, Some(&volume))?;
        return job.end(|tx| {
            let_go(tx, key)?;
            cancel(tx, &volume)
        });
    }
    let ready = job.shared.database.write(|tx| {
        let Some(now) = volumes::lock(tx, &volume.id)? else { return Ok(false) };
        // A volume that was made for this backup may be available already.
        Ok(now.status == volume::Status::RestoringBackup || volumes::begin(tx, &now.id, rule, &[])?)
    })?;
    if !ready {
        return refused(Some(&volume), false);
    }
    job.begin("restore.start")?;
    let Ok(metas) = job.step(|| write(job, &backup, &volume)) else {
        let cancelled = job.check_status(Status::Restoring).is_err();
        return job.end(|tx| {
            let_go(tx, key)?;
            if cancelled {
                cancel(tx, &volume)
            } else {
                fail(tx, job, &backup, Some((&volume, rule)), events::RESTORE_FAILED)
            }
        });
    };
    let ended = job.end(|tx| {
        if !volumes::finish(tx, &volume.id, rule, Outcome::Done, &[])? {
            return Err(Error::conflict("The volume's status was changed while a backup was written into it."));
        }
        for meta in &metas {
            volume_meta::restore(tx, &volume, meta)?;
        }
        volume_meta::note_source(tx, &volume, &backup)?;
        change_key(tx, &volume, &backup, key)?;
        backups::finish(tx, &backup.id, &RESTORE, Outcome::Done, &[])?;
        job.notices().backup(tx, &backup.id, "restore.end")
    });
    match ended {
        Err(error) if error.kind() == Kind::Conflict => {
            let now = job.read(|c| volumes::by_id(c, &volume_id))?;
            refused(now.as_ref(), true)
        }
        ended => {
            log::info!("backup {} is restored into volume {}", backup.id, volume.id);
            ended
        }
    }
}

/// Gives a volume the key of the content that it has now, which is none where that was backed up without encryption.
fn change_key(tx: &mut Transaction<'_>, volume: &Volume, backup: &Backup, key: Option<&Key>) -> Result<()> {
    let new = match key {
        Some(key) => {
            key.name.as_deref().map_or(Ok(()), |name| keys::claim(tx, name))?;
            Some(key.id.as_str())
        }
        // A volume that was made for this backup has its copy already.
        None if backup.encryption_key_id.is_some() || volume.encryption_key_id.is_none() => return Ok(()),
        None => None,
    };
    volumes::change(tx, &volume.id, &[("encryption_key_id", new.into())])?;
    let old = volume.encryption_key_id.as_deref().filter(|old| Some(*old) != new);
    keys::release(tx, old, &volume.project_id)
}

/// Lets the key of a restore go that does not happen.
fn let_go(tx: &mut Transaction<'_>, key: Option<&Key>) -> Result<()> {
    key.and_then(|key| key.name.as_deref()).map_or(Ok(()), |name| keys::abandon(tx, name))
}

/// A key that was held for too long is gone: that ends a restore which fails, too.
fn unless_late(error: Error, backup: &Backup) -> Result<()> {
    if error.kind() != Kind::Conflict {
        return Err(error);
    }
    log::error!("the key for what backup {} was written into is gone: {error}", backup.id);
    Ok(())
}

/// Removes what was written for a volume that is not, or no longer, to be restored; with a volume that is being deleted or
/// is gone, also the file that may have been put in the place of the one that its deletion removed.
fn sweep(job: &Job<'_>, volume_id: &str, volume: Option<&Volume>) -> Result<()> {
    let going = volume.is_none_or(|volume| volume.status == volume::Status::Deleting);
    let disk_id = volume.map_or(volume_id, Volume::disk_id);
    for place in &job.shared.places {
        let name = place.volume_name(disk_id);
        place.driver.forget_content(&name)?;
        if going {
            place.driver.delete_volume(&name)?;
        }
    }
    Ok(())
}

/// Writes everything; answers what the backups knew of their volume, oldest first.
fn write(job: &Job<'_>, backup: &Backup, volume: &Volume) -> Result<Vec<Json>> {
    let place = job.shared.place_of(volume)?;
    let format = job.read(|c| format_of(c, volume))?;
    let mut chain = Vec::new();
    for link in chain_of(job, backup)? {
        job.check_driver(&link)?;
        let metadata = read_metadata(&job.shared.folder, &link)?;
        chain.push((link, metadata));
    }
    let metas = chain.iter().filter_map(|(_, metadata)| metadata.volume_meta.as_deref());
    let metas = metas.map(volume_meta::read).collect::<Result<Vec<Json>>>()?;
    if let Some(meta) = metas.last() {
        volume_meta::check_encryption(volume, backup, meta)?;
    }
    let length = u64::try_from(backup.size_gib).unwrap_or(0).saturating_mul(GIB);
    let name = place.volume_name(volume.disk_id());
    let stored = Stored { name: &name, size_gib: volume.size_gib, format, attached: false };
    place.driver.write_content(stored, length, &|file| {
        restore(&job.shared.folder, &chain, (file, length), &|| job.check_status(Status::Restoring))
    })?;
    Ok(metas)
}

/// The backup and all that it builds on, the full one first.
fn chain_of(job: &Job<'_>, backup: &Backup) -> Result<Vec<Backup>> {
    job.read(|c| {
        let mut chain = vec![backup.clone()];
        while let Some(id) = chain.last().and_then(|link| link.parent_id.clone()) {
            // Imported records may say anything.
            if chain.iter().any(|link| link.id == id) {
                return Err(Error::unavailable("The backup builds on itself.", format!("{id} is its own parent")));
            }
            let parent = backups::by_id(c, &id)?;
            chain.push(parent.ok_or_else(|| Error::not_found(format!("Backup {id} could not be found.")))?);
        }
        chain.reverse();
        Ok(chain)
    })
}

fn fail(
    tx: &mut Transaction<'_>,
    job: &Job<'_>,
    backup: &Backup,
    volume: Option<(&Volume, &Move)>,
    event: Event,
) -> Result<()> {
    if let Some((volume, rule)) = volume {
        volumes::finish(tx, &volume.id, rule, Outcome::Failed, &[])?;
    }
    backups::finish(tx, &backup.id, &RESTORE, Outcome::Failed, &[])?;
    job.tell(tx, event)
}

/// An operator has reset the backup: the volume is left in error, as after any restore that was broken off.
fn cancel(tx: &mut Transaction<'_>, volume: &Volume) -> Result<()> {
    if volumes::finish(tx, &volume.id, &RESTORE_BACKUP, Outcome::Failed, &[])? {
        volumes::change(tx, &volume.id, &[("status", volume::Status::Error.name().into())])?;
    }
    Ok(())
}
