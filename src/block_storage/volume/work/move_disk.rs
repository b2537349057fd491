//! Moving the content of a volume to another backend of this service, in steps that a crash between any two of them leaves
//! whole: the destination is noted before anything is written there; the content is copied to a disk that has a name of its
//! own; one transaction lets the volume have the new disk and orders the end of the old one, or orders the end of the new one
//! where the volume keeps what it has. Not here: who moves why (`retype.rs`, `migrate.rs`).

use super::super::exports;
use super::{FORMAT, Job, stored, swap};
use crate::block_storage::model::pool::{Pool, service_host};
use crate::block_storage::model::volume::{AttachStatus, Status, Volume};
use crate::block_storage::model::work::{Destination, Order, Work};
use crate::block_storage::scheduler::{self, Request};
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::{attachments, orders, pools, snapshots, volumes};
use crate::block_storage::volume::backends::Backend;
use crate::block_storage::volume::drivers::Format;
use crate::block_storage::volume::offer::Offer;
use crate::database::{Connection, Transaction, Value};
use crate::error::{Error, Result};
use crate::service::fault;

/// The migration status of a volume whose content is being copied.
pub(super) const MIGRATING: &str = "migrating";
/// The migration status of a volume that has moved.
pub(super) const SUCCESS: &str = "success";
/// The migration status of a volume that could not move.
pub(super) const ERROR: &str = "error";

/// As [`choose`], among the backends of this process.
pub(super) fn choose_own(job: &Job<'_>, request: &Request, pools: &[Pool]) -> Result<Pool, String> {
    let ready = job.shared.backends.iter().filter(|backend| backend.state().is_ready());
    let request = Request { among: Some(ready.map(|backend| backend.host.clone()).collect()), ..request.clone() };
    let chosen = scheduler::choose(&request, pools, &job.shared.settings.rules);
    chosen.cloned().map_err(|refused| refused.to_string())
}

/// Chooses where a volume goes: a backend of this process before one of another, to which the content has a longer way.
pub(super) fn choose(job: &Job<'_>, request: &Request, pools: &[Pool]) -> Result<Pool, String> {
    let own = &job.shared.backends;
    let ready = own.iter().filter(|backend| backend.state().is_ready()).map(|backend| backend.host.clone()).collect();
    let foreign = pools.iter().map(|pool| pool.service_host().to_owned());
    let foreign: Vec<String> = foreign.filter(|host| !own.iter().any(|backend| backend.host == *host)).collect();
    let is_only_own = foreign.is_empty();
    let among = |hosts: Vec<String>| {
        let request = Request { among: Some(hosts), ..request.clone() };
        let chosen = scheduler::choose(&request, pools, &job.shared.settings.rules);
        chosen.cloned().map_err(|refused| refused.to_string())
    };
    among(ready).or_else(|refused| if is_only_own { Err(refused) } else { among(foreign) })
}

/// Why the content of a volume can not move, in words for the log; `None` where it can.
pub(super) fn obstacle(c: &mut Connection, job: &Job<'_>, volume: &Volume) -> Result<Option<&'static str>> {
    if !snapshots::of_volume(c, &volume.id)?.is_empty() {
        return Ok(Some("Volume must not have snapshots."));
    }
    if !matches!(volume.replication_status.as_deref(), None | Some("disabled" | "not-capable")) {
        return Ok(Some("Volume must not be replicated."));
    }
    let moves = !may_be_written(job, volume, None) || swap::is_possible(c, job, volume)?;
    Ok(if moves { None } else { Some("Volume is in use, and not by servers alone, which Nova could move.") })
}

/// Whether a host may be writing to the volume; `offer` says how this service itself reaches it, where it takes it over.
pub(super) fn may_be_written(job: &Job<'_>, volume: &Volume, offer: Option<&Offer>) -> bool {
    let exported = match offer {
        Some(offer) => volume.provider_location.is_some() && volume.provider_location != offer.location,
        None => exports::is_exported(job.backend, volume),
    };
    exported
        || !matches!(volume.attach_status, AttachStatus::Detached | AttachStatus::Reserved)
        || matches!(volume.status, Status::InUse | Status::Attaching | Status::Detaching)
        || volume.previous_status == Some(Status::InUse) && volume.status == Status::Retyping
}

/// Notes where a volume goes, before anything is written there. `still` looks whether it is still to go.
pub(super) fn set_out(
    job: &Job<'_>,
    volume: &Volume,
    pool: &Pool,
    still: impl Fn(&Volume) -> bool,
) -> Result<Option<Destination>> {
    let destination = Destination { pool: pool.name.clone(), disk_id: uuid::Uuid::new_v4().to_string(), offer: None };
    let begun = job.shared.database.write(|tx| {
        if !volumes::lock(tx, &volume.id)?.is_some_and(|now| still(&now)) {
            return Ok(false);
        }
        volumes::change(tx, &volume.id, &[("migration_status", MIGRATING.into())])?;
        orders::note(tx, job.order, &destination.note())?;
        pools::promise(tx, &pool.name, volume.size_gib, true)?;
        Ok(true)
    })?;
    fault::point("move.after_note");
    Ok(begun.then_some(destination))
}

/// Copies the content of a volume to its destination; the format that it has there. May be repeated.
pub(super) fn copy(
    job: &Job<'_>,
    volume: &Volume,
    format: Format,
    destination: &Destination,
    offer: Option<&Offer>,
) -> Result<Format> {
    job.step(|driver| {
        let to = writable(job, destination)?;
        let name = job.shared.settings.names.volume(&destination.disk_id);
        if let Some(offer) = offer {
            return offer.take(&*to.driver, &name, volume.size_gib, job.shared.images.timeout);
        }
        let from = job.volume_name(volume);
        let content = driver.read_content(stored(&from, volume, format))?;
        to.driver.import_volume(&name, volume.size_gib, &content)
    })
}

/// What the order says of a content that another service has, where it is for this one to take it over.
///
/// # Errors
/// Where it can not be read.
pub(super) fn offered(destination: Option<&Destination>) -> Result<Option<Offer>> {
    let offer = destination.and_then(|destination| destination.offer.as_deref());
    offer.filter(|offer| *offer != swap::BY_SERVERS).map(Offer::read).transpose()
}

/// Whether a volume lies where this order found it.
pub(super) fn is_there(job: &Job<'_>, volume: &Volume, offer: Option<&Offer>) -> bool {
    match offer {
        Some(offer) => volume.host.as_deref().is_some_and(|host| service_host(host) == offer.source),
        None => job.is_here(volume),
    }
}

/// Where another process has the destination: makes the content readable for it and leaves the rest of the order to it.
/// Whether that was done; where the destination is one of this process, there is nothing to do.
///
/// # Errors
/// The inner one where the content can not be made readable.
pub(super) fn offer(job: &Job<'_>, volume: &Volume, format: Format, destination: &Destination) -> Result<Result<bool>> {
    let to = service_host(&destination.pool);
    if destination.offer.is_some() && to != job.backend.host {
        // See `report::take_back`.
        job.failed(&format!("{to} does not take it over"));
        return Ok(Err(Error::unavailable("The service of the destination is down.", format!("{to} is down"))));
    }
    if destination.offer.is_some() || backend(job, destination).is_some() {
        return Ok(Ok(false));
    }
    let name = job.volume_name(volume);
    // Until the row tells of the export: see `exports::ensure`.
    let _changing = job.backend.change_exports();
    let made = job.step(|_| Offer::make(job.backend, volume, stored(&name, volume, format), to));
    let (offer, export) = match made {
        Ok(made) => made,
        Err(error) => {
            if volume.provider_location.is_none()
                && let Err(error) = exports::end(job.backend, &name, volume)
            {
                job.failed(&error.to_string());
            }
            return Ok(Err(error));
        }
    };
    let noted = Destination { offer: Some(offer.note()), ..destination.clone() };
    job.shared.database.write(|tx| {
        if let Some(export) = &export {
            exports::record(tx, &volume.id, export)?;
        }
        orders::hand_over(tx, job.order, to, &noted.note())?;
        fault::point("move.before_offer");
        Ok(())
    })?;
    fault::point("move.after_offer");
    Ok(Ok(true))
}

/// The backend of this process that is the destination, and works.
pub(super) fn writable<'a>(job: &'a Job<'_>, destination: &Destination) -> Result<&'a Backend> {
    let to = backend(job, destination).filter(|backend| backend.state().is_ready());
    to.ok_or_else(|| {
        Error::unavailable("The backend does not work.", format!("{} can not be written to", destination.pool))
    })
}

fn backend<'a>(job: &'a Job<'_>, destination: &Destination) -> Option<&'a Backend> {
    job.shared.backends.iter().find(|backend| backend.host == service_host(&destination.pool))
}

/// What changes in the row of a volume that has moved, besides what its move itself changes.
pub(super) fn columns<'a>(job: &'a Job<'_>, destination: &'a Destination) -> Vec<(&'static str, Value<'a>)> {
    let mut columns: Vec<(&str, Value<'_>)> = vec![
        ("host", (&destination.pool).into()),
        ("cluster_name", None::<String>.into()),
        ("_name_id", (&destination.disk_id).into()),
        ("migration_status", SUCCESS.into()),
        ("provider_location", Value::Null),
        ("provider_auth", Value::Null),
    ];
    if let Some(backend) = backend(job, destination) {
        let service_uuid = backend.state().service.and_then(|(_, uuid)| uuid);
        columns.extend([("availability_zone", (&backend.zone).into()), ("service_uuid", service_uuid.into())]);
    }
    columns
}

/// Notes the format of the new disk, and orders the end of the old one. Part of the transaction that changes the row.
pub(super) fn arrive(tx: &mut Transaction<'_>, job: &Job<'_>, volume: &Volume, format: Format) -> Result<()> {
    metadata::merge(tx, Table::VolumeAdmin, &volume.id, &[(FORMAT.to_owned(), format.name().to_owned())])?;
    let host = volume.host.as_deref().unwrap_or_default();
    pools::promise(tx, host, -volume.size_gib, true)?;
    order_discard(tx, job, service_host(host), volume.disk_id())
}

/// Orders the end of the new disk: the volume stays where it is, or is gone.
pub(super) fn turn_back(
    tx: &mut Transaction<'_>,
    job: &Job<'_>,
    size_gib: i64,
    destination: &Destination,
) -> Result<()> {
    if destination.offer.as_deref() == Some(swap::BY_SERVERS) {
        return swap::turn_back(tx, job, destination);
    }
    pools::promise(tx, &destination.pool, -size_gib, true)?;
    if let Some(offer) = offered(Some(destination))? {
        order(tx, job, &offer.source, Work::EndExport)?;
    }
    order_discard(tx, job, service_host(&destination.pool), &destination.disk_id)
}

fn order_discard(tx: &mut Transaction<'_>, job: &Job<'_>, backend: &str, disk_id: &str) -> Result<()> {
    order(tx, job, backend, Work::DiscardDisk { disk_id: disk_id.to_owned() })
}

fn order(tx: &mut Transaction<'_>, job: &Job<'_>, backend: &str, work: Work) -> Result<()> {
    let order = Order { backend: Some(backend.to_owned()), work, source_volume_id: None, ..Order::clone(job.order) };
    orders::place(tx, &order).map(|_| ())
}

/// Ends the export of a volume that another service has read and could not take over.
pub(super) fn end_export(job: &Job<'_>) -> Result<()> {
    let id = &job.order.volume_id;
    let found = job.read(|c| Ok((volumes::by_id(c, id)?, attachments::of_volume(c, id)?)))?;
    let (Some(volume), all) = found else { return job.obsolete() };
    if !job.is_here(&volume) || !exports::is_last(&all, None) {
        // Whoever has attached it meanwhile has the same export.
        return job.obsolete();
    }
    let _changing = job.backend.change_exports();
    match job.step(|_| exports::end(job.backend, &job.volume_name(&volume), &volume)) {
        Ok(true) => job.end(|tx| exports::forget(tx, id)),
        Ok(false) => job.end(|_| Ok(())),
        // The row still tells of it: the end of the next attachment, or of the volume, ends it.
        Err(_) => job.end(|_| Ok(())),
    }
}

/// Removes a disk that no volume has any more. Its name is never used again, so it does not matter when this happens.
pub(super) fn discard(job: &Job<'_>, disk_id: &str) -> Result<()> {
    let name = job.shared.settings.names.volume(disk_id);
    let _changing = job.backend.change_exports();
    let removed = job.step(|driver| {
        if let Some(target) = &job.backend.target {
            // Another service may have read it.
            target.remove(&name)?;
        }
        driver.forget_content(&name)?;
        driver.delete_volume(&name)
    });
    if removed.is_err() {
        if job.order.attempts <= super::MAX_BEGINNINGS {
            return Err(Error::unavailable("The disk can not be removed.", format!("{name} stays for now")));
        }
        log::error!("{name} of {} is nobody's, and stays: 'hearth doctor' tells of it", job.backend.host);
    }
    job.end(|_| Ok(()))
}
