//! Making a backup, of a volume or of a snapshot.

use super::volume_meta;
use super::{Job, events, is_attached, release};
use crate::block_storage::backup::repository::{Copied, Copy, write};
use crate::block_storage::model::backup::{Backup, CREATE, Status};
use crate::block_storage::model::service::FOLDER_DRIVER;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::store::{Outcome, backups, snapshots, volumes};
use crate::block_storage::volume::drivers::{Content, Stored};
use crate::block_storage::volume::format_of;
use crate::database::Transaction;
use crate::error::{Error, Kind, Result};
use crate::service::fault;
use crate::time::Timestamp;

/// How often an attached volume is read anew because it was written to meanwhile.
const ATTEMPTS: usize = 3;

/// What a backup is made of.
struct Origin {
    backup: Backup,
    parent: Option<Backup>,
    volume: Volume,
    /// The name of the volume or the snapshot on its backend.
    name: String,
    size_gib: i64,
    attached: bool,
}

pub(super) fn run(job: &Job<'_>) -> Result<()> {
    if !wanted(job)? {
        return give_up(job);
    }
    // Told before anything is written down, as listeners know it.
    job.begin("create.start")?;
    let Some(backup) = prepare(job)? else { return give_up(job) };
    let made = job.step(|| {
        let origin = origin(job, backup.clone())?;
        discard(job, &backup)?;
        copy(job, &origin).map(|copied| (origin, copied))
    });
    match made {
        Ok((origin, copied)) => {
            log::info!("backup {} is made", backup.id);
            job.end(|tx| {
                let columns = [
                    ("object_count", i64::try_from(copied.objects).unwrap_or(i64::MAX).into()),
                    ("size", origin.volume.size_gib.into()),
                ];
                if !backups::finish(tx, &backup.id, &CREATE, Outcome::Done, &columns)? {
                    // An operator has reset its status meanwhile. The objects are there, and go with the backup.
                    backups::change(tx, &backup.id, &columns)?;
                }
                release(tx, &backup, Outcome::Done)?;
                if let Some(parent) = &backup.parent_id {
                    backups::count_dependents(tx, parent)?;
                }
                job.notices().backup(tx, &backup.id, "create.end")
            })
        }
        Err(error) => {
            let removed = discard(job, &backup);
            if let Err(error) = removed {
                log::error!("objects of backup {} are left until it is deleted: {error}", backup.id);
            }
            if wanted(job)? { job.end(|tx| fail(tx, job, &backup, &error)) } else { give_up(job) }
        }
    }
}

/// Whether the backup still waits to be made.
fn wanted(job: &Job<'_>) -> Result<bool> {
    Ok(job.read(|c| backups::by_id(c, &job.order.backup_id))?.is_some_and(|backup| backup.status == Status::Creating))
}

/// Writes down where the backup will lie, before anything is put there: so that its removal, after whatever may happen,
/// finds everything. `None` where it is no longer wanted.
fn prepare(job: &Job<'_>) -> Result<Option<Backup>> {
    let settings = &job.shared.settings;
    let prepared = job.shared.database.write(|tx| {
        let Some(mut backup) = backups::lock(tx, &job.order.backup_id)? else { return Ok(None) };
        if backup.status != Status::Creating {
            return Ok(None);
        }
        if backup.service_metadata.is_none() {
            let digits: String = Timestamp::now().iso().chars().filter(char::is_ascii_digit).take(14).collect();
            backup.service_metadata = Some(format!("volume_{}_{digits}_backup_{}", backup.volume_id, backup.id));
            let own = || format!("{:.2}/{}/{}", backup.id, backup.id.get(2..4).unwrap_or("__"), backup.id);
            backup.container = backup.container.clone().or_else(|| settings.container.clone()).or_else(|| Some(own()));
            backup.service = Some(FOLDER_DRIVER.to_owned());
            backup.availability_zone.get_or_insert_with(|| settings.zone.clone());
            let columns = [
                ("service_metadata", (&backup.service_metadata).into()),
                ("container", (&backup.container).into()),
                ("service", (&backup.service).into()),
                ("availability_zone", (&backup.availability_zone).into()),
                ("host", (&settings.host).into()),
            ];
            backups::change(tx, &backup.id, &columns)?;
        }
        Ok(Some(backup))
    })?;
    fault::point("create_backup.prepared");
    Ok(prepared)
}

/// Removes what an earlier attempt has written.
fn discard(job: &Job<'_>, backup: &Backup) -> Result<()> {
    match (&backup.container, &backup.service_metadata) {
        (Some(container), Some(prefix)) => job.shared.folder.remove_all(container, prefix),
        _ => Ok(()),
    }
}

fn origin(job: &Job<'_>, backup: Backup) -> Result<Origin> {
    let missing = |noun: &str, id: &str| Error::not_found(format!("{noun} {id} could not be found."));
    let (volume, snapshot, parent) = job.read(|c| {
        let volume = volumes::by_id(c, &backup.volume_id)?;
        let snapshot = match &backup.snapshot_id {
            Some(id) => Some(snapshots::by_id(c, id)?.ok_or_else(|| missing("Snapshot", id))?),
            None => None,
        };
        let parent = match &backup.parent_id {
            Some(id) => Some(backups::by_id(c, id)?.ok_or_else(|| missing("Backup", id))?),
            None => None,
        };
        Ok((volume, snapshot, parent))
    })?;
    let volume = volume.ok_or_else(|| missing("Volume", &backup.volume_id))?;
    let place = job.shared.place_of(&volume)?;
    if volume.encryption_key_id.is_some() && backup.encryption_key_id.is_none() {
        let text = "The backup of an encrypted volume needs a copy of its key.";
        return Err(Error::unavailable(text, "another API made the backup"));
    }
    if let Some(parent) = &parent
        && volume.size_gib > parent.size_gib
    {
        let text = "Volume size increased since the last backup. Do a full backup.";
        return Err(Error::unavailable(text, format!("{} and {} GiB", parent.size_gib, volume.size_gib)));
    }
    if let Some(parent) = &parent {
        job.check_driver(parent)?;
    }
    let (name, size_gib, attached) = match &snapshot {
        Some(snapshot) => (place.snapshot_name(&snapshot.id), snapshot.volume_size_gib, false),
        None => (place.volume_name(volume.disk_id()), volume.size_gib, is_attached(&volume)),
    };
    Ok(Origin { backup, parent, volume, name, size_gib, attached })
}

fn copy(job: &Job<'_>, origin: &Origin) -> Result<Copied> {
    let format = job.read(|c| format_of(c, &origin.volume))?;
    let meta = job.read(|c| volume_meta::write(c, &origin.volume))?;
    let place = job.shared.place_of(&origin.volume)?;
    let settings = &job.shared.settings;
    let mut attempt = 1;
    loop {
        let stored = Stored { name: &origin.name, size_gib: origin.size_gib, format, attached: origin.attached };
        let content: Content = place.driver.read_content(stored)?;
        let copy = Copy {
            file: &content.file,
            bytes: content.bytes,
            volume_meta: &meta,
            chunk_bytes: settings.chunk_bytes,
            block_bytes: settings.block_bytes,
            algorithm: settings.algorithm,
            go_on: &|| job.check_status(Status::Creating),
        };
        let copied = write(&job.shared.folder, &origin.backup, origin.parent.as_ref(), &copy)?;
        match content.check_rest() {
            Ok(()) => return Ok(copied),
            Err(error) if attempt == ATTEMPTS => return Err(error),
            Err(error) => log::info!("backup {} is begun anew: {error}", origin.backup.id),
        }
        discard(job, &origin.backup)?;
        attempt += 1;
    }
}

fn fail(tx: &mut Transaction<'_>, job: &Job<'_>, backup: &Backup, error: &Error) -> Result<()> {
    let why = if error.kind() == Kind::Internal { "The backup service has failed." } else { error.public() };
    let columns = [("fail_reason", backups::reason(why).into())];
    backups::finish(tx, &backup.id, &CREATE, Outcome::Failed, &columns)?;
    release(tx, backup, Outcome::Failed)?;
    job.tell(tx, events::CREATE_FAILED)
}

/// Ends an order whose backup is being deleted, or was reset by an operator.
fn give_up(job: &Job<'_>) -> Result<()> {
    log::info!("backup {} is no longer wanted", job.order.backup_id);
    job.end(|tx| match backups::by_id(tx, &job.order.backup_id)? {
        Some(backup) => release(tx, &backup, Outcome::Failed),
        None => Ok(()),
    })
}
