//! Moving the content of a volume to another backend of this service, in steps that a crash between any two of them leaves
//! whole: the destination is noted before anything is written there; the content is copied to a disk that has a name of its
//! own; one transaction lets the volume have the new disk and orders the end of the old one, or orders the end of the new one
//! where the volume keeps what it has. Not here: who moves why (`retype.rs`, `migrate.rs`).

use super::super::exports;
use super::{FORMAT, Job, stored};
use crate::block_storage::model::pool::{Pool, service_host};
use crate::block_storage::model::volume::{AttachStatus, Status, Volume};
use crate::block_storage::model::work::{Destination, Order, Work};
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::{orders, pools, snapshots, volumes};
use crate::block_storage::volume::backends::Backend;
use crate::block_storage::volume::drivers::Format;
use crate::database::{Connection, Transaction, Value};
use crate::error::{Error, Result};
use crate::service::fault;

/// The migration status of a volume whose content is being copied.
pub(super) const MIGRATING: &str = "migrating";
/// The migration status of a volume that has moved.
pub(super) const SUCCESS: &str = "success";
/// The migration status of a volume that could not move.
pub(super) const ERROR: &str = "error";

/// The backends of this process that can be written to: where a volume can go.
pub(super) fn within_reach(job: &Job<'_>) -> Vec<String> {
    let ready = job.shared.backends.iter().filter(|backend| backend.state().is_ready());
    ready.map(|backend| backend.host.clone()).collect()
}

/// Why the content of a volume can not move, in words for the log; `None` where it can.
pub(super) fn obstacle(c: &mut Connection, job: &Job<'_>, volume: &Volume) -> Result<Option<&'static str>> {
    if !snapshots::of_volume(c, &volume.id)?.is_empty() {
        return Ok(Some("Volume must not have snapshots."));
    }
    if !matches!(volume.replication_status.as_deref(), None | Some("disabled" | "not-capable")) {
        return Ok(Some("Volume must not be replicated."));
    }
    Ok(if may_be_written(job, volume) {
        Some("Volume is in use, and Nova alone could move what a server uses.")
    } else {
        None
    })
}

/// Whether a host may be writing to the volume.
pub(super) fn may_be_written(job: &Job<'_>, volume: &Volume) -> bool {
    exports::is_exported(job.backend, volume)
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
    let destination = Destination { pool: pool.name.clone(), disk_id: uuid::Uuid::new_v4().to_string() };
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
pub(super) fn copy(job: &Job<'_>, volume: &Volume, format: Format, destination: &Destination) -> Result<Format> {
    job.step(|driver| {
        let to = backend(job, destination).filter(|backend| backend.state().is_ready());
        let to = to.ok_or_else(|| {
            Error::unavailable("The backend does not work.", format!("{} can not be written to", destination.pool))
        })?;
        let (from, name) = (job.volume_name(volume), job.shared.settings.names.volume(&destination.disk_id));
        let content = driver.read_content(stored(&from, volume, format))?;
        to.driver.import_volume(&name, volume.size_gib, &content)
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
    pools::promise(tx, volume.host.as_deref().unwrap_or_default(), -volume.size_gib, true)?;
    order_discard(tx, job, &job.backend.host, volume.disk_id())
}

/// Orders the end of the new disk: the volume stays where it is, or is gone.
pub(super) fn turn_back(
    tx: &mut Transaction<'_>,
    job: &Job<'_>,
    size_gib: i64,
    destination: &Destination,
) -> Result<()> {
    pools::promise(tx, &destination.pool, -size_gib, true)?;
    order_discard(tx, job, service_host(&destination.pool), &destination.disk_id)
}

fn order_discard(tx: &mut Transaction<'_>, job: &Job<'_>, backend: &str, disk_id: &str) -> Result<()> {
    let order = Order {
        backend: Some(backend.to_owned()),
        work: Work::DiscardDisk { disk_id: disk_id.to_owned() },
        source_volume_id: None,
        ..Order::clone(job.order)
    };
    orders::place(tx, &order).map(|_| ())
}

/// Removes a disk that no volume has any more. Its name is never used again, so it does not matter when this happens.
pub(super) fn discard(job: &Job<'_>, disk_id: &str) -> Result<()> {
    let name = job.shared.settings.names.volume(disk_id);
    if job.step(|driver| driver.delete_volume(&name)).is_err() {
        if job.order.attempts <= super::MAX_BEGINNINGS {
            return Err(Error::unavailable("The disk can not be removed.", format!("{name} stays for now")));
        }
        log::error!("{name} of {} is nobody's, and stays: 'hearth doctor' tells of it", job.backend.host);
    }
    job.end(|_| Ok(()))
}
