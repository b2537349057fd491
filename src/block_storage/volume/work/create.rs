//! Making a volume: empty, of a snapshot, or of another volume.

use super::super::placement;
use super::{FORMAT, Job, events, format_of, is_attached};
use crate::block_storage::model::group;
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::volume::{CREATE, RESTORE_BACKUP, Status, Volume};
use crate::block_storage::model::work::{Order, Work};
use crate::block_storage::notices::Notices;
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::{Outcome, backups, groups, moves, orders, snapshots, volumes};
use crate::block_storage::volume::drivers::{Format, Stored};
use crate::database::{Connection, Transaction, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// What a volume is made of.
struct Origin {
    /// Its name on the backend.
    name: String,
    size_gib: i64,
    format: Format,
    attached: bool,
}

pub(super) fn run(job: &Job<'_>, tried: &[String]) -> Result<()> {
    let order = job.order;
    // Nothing changed an empty volume's row since this process placed it, but whoever reset its status: that is seen at the end.
    let placed = order.placed().filter(|volume| volume.snapshot_id.is_none() && volume.source_volid.is_none());
    let found = placed.map(|volume| Ok(Some((volume.clone(), Ok(None)))));
    let read = || {
        job.read(|c| {
            let volume = volumes::by_id(c, &order.volume_id)?.filter(|volume| volume.status == Status::Creating);
            match volume.filter(|volume| job.is_here(volume)) {
                Some(volume) => origin(c, job, &volume).map(|origin| Some((volume, origin))),
                None => Ok(None),
            }
        })
    };
    let (volume, origin) = match found.unwrap_or_else(read)? {
        Some((volume, Ok(origin))) => (volume, origin),
        Some((volume, Err(error))) => {
            job.failed(&error.to_string());
            return job.end(|tx| fail(tx, job, &volume, tried, true));
        }
        None => return job.obsolete(),
    };
    if volume.use_quota {
        job.begin(|tx, _| teller(tx, job, &volume)?.volume(tx, &volume.id, "create.start"))?;
    }
    let name = job.volume_name(&volume);
    let made = job.step(|driver| match &origin {
        None => driver.create_volume(&name, volume.size_gib),
        Some(origin) => {
            let Origin { name: from, size_gib, format, attached, .. } = origin;
            let source = Stored { name: from, size_gib: *size_gib, format: *format, attached: *attached };
            driver.copy_volume(&name, volume.size_gib, source)
        }
    });
    match made {
        Ok(format) => {
            log::info!("volume {} is made on {}", volume.id, job.backend.host);
            job.end(|tx| finish(tx, job, &volume, format))
        }
        Err(_) => {
            // What is made for a move has its place.
            let fixed = origin.is_some() || moves::is_target(&volume);
            let again = !fixed && tried.len() + 1 < job.shared.settings.max_attempts;
            if again { elsewhere(job, &volume, tried) } else { job.end(|tx| fail(tx, job, &volume, tried, false)) }
        }
    }
}

/// What the volume is to be made of; the inner error is for the log, where that is gone.
fn origin(c: &mut Connection, job: &Job<'_>, volume: &Volume) -> Result<Result<Option<Origin>>> {
    if let Some(id) = &volume.snapshot_id {
        let Some(snapshot) = snapshots::by_id(c, id)? else {
            return Ok(Err(Error::not_found(format!("Snapshot {id} could not be found."))));
        };
        let Some(of) = volumes::by_id(c, &snapshot.volume_id)? else {
            return Ok(Err(Error::not_found(format!("Volume {} could not be found.", snapshot.volume_id))));
        };
        return Ok(Ok(Some(Origin {
            name: job.snapshot_name(&snapshot),
            size_gib: snapshot.volume_size_gib,
            format: format_of(c, &of)?,
            attached: false,
        })));
    }
    let Some(id) = &volume.source_volid else { return Ok(Ok(None)) };
    let Some(of) = volumes::by_id(c, id)? else {
        return Ok(Err(Error::not_found(format!("Volume {id} could not be found."))));
    };
    Ok(Ok(Some(Origin {
        name: job.volume_name(&of),
        size_gib: of.size_gib,
        format: format_of(c, &of)?,
        attached: is_attached(&of),
    })))
}

fn finish(tx: &mut Transaction<'_>, job: &Job<'_>, volume: &Volume, format: Format) -> Result<()> {
    if !volumes::finish(tx, &volume.id, &CREATE, Outcome::Done, &columns(job))? {
        // An operator has reset its status meanwhile. The disk is there, and goes with the volume.
        return Ok(());
    }
    let format = [(FORMAT.to_owned(), format.name().to_owned())];
    // Nobody else writes the format, and whoever takes the order first has not written it.
    let write = if job.order.attempts == 1 { metadata::add } else { metadata::merge };
    write(tx, Table::VolumeAdmin, &volume.id, &format)?;
    if volume.use_quota {
        teller(tx, job, volume)?.volume(tx, &volume.id, "create.end")?;
    }
    if backups::restored_into(tx, &volume.id)?.is_some() {
        // A backup is to be written into it: nobody else gets it before.
        volumes::begin(tx, &volume.id, &RESTORE_BACKUP, &[])?;
    }
    Ok(())
}

/// Who tells that the volume is made: its pool, but for a group of copies its backend.
pub(super) fn teller<'a>(tx: &mut Transaction<'_>, job: &'a Job<'_>, volume: &Volume) -> Result<Notices<'a>> {
    let notices = job.notices();
    if notices.is_off() {
        return Ok(notices);
    }
    let group = match &volume.group_id {
        Some(id) => groups::by_id(tx, id)?,
        None => None,
    };
    if group.is_some_and(|group| group.status == group::Status::Creating) {
        return Ok(notices);
    }
    Ok(notices.by(volume.host.clone().unwrap_or_default()))
}

/// What is said of every volume that is made.
pub(super) fn columns(job: &Job<'_>) -> [(&'static str, Value<'static>); 3] {
    let service_uuid = job.backend.state().service.and_then(|(_, uuid)| uuid);
    [("launched_at", Timestamp::now().into()), ("service_uuid", service_uuid.into()), ("shared_targets", false.into())]
}

/// Lets another pool try.
pub(super) fn elsewhere(job: &Job<'_>, volume: &Volume, tried: &[String]) -> Result<()> {
    let Work::CreateVolume { hints, image, .. } = &job.order.work else { return job.obsolete() };
    let tried: Vec<String> = tried.iter().cloned().chain(volume.host.clone()).collect();
    let work = Work::CreateVolume { hints: hints.clone(), tried: tried.clone(), image: image.clone() };
    // Only a copy of what is kept of an image has both: it goes anywhere.
    let source_volume_id = job.order.source_volume_id.clone().filter(|_| image.is_none());
    let order = Order { work: work.clone(), source_volume_id, ..Order::clone(job.order) };
    job.shared.database.write(|tx| match placement::place_again(tx, job.shared, &order, volume)? {
        Some(pool) => orders::pass_on(tx, job.order, service_host(&pool.name), &work),
        None => {
            orders::end(tx, job.order)?;
            job.notices().by(&*job.shared.settings.host).nowhere_to_create(tx, &volume.id)?;
            fail(tx, job, volume, &tried, false)
        }
    })
}

/// The volume stays, in error, and counts until its owner removes it.
fn fail(tx: &mut Transaction<'_>, job: &Job<'_>, volume: &Volume, tried: &[String], gone: bool) -> Result<()> {
    let nowhere = !gone && tried.len() > 1;
    volumes::finish(tx, &volume.id, &CREATE, Outcome::Failed, &[])?;
    job.tell(tx, &volume.id, events::CREATE_FAILED)?;
    if nowhere { job.tell(tx, &volume.id, events::NO_BACKEND) } else { Ok(()) }
}
