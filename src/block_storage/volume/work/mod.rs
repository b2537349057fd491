//! Carrying out one order: look at the rows, let the driver do one repeatable thing, write the result and remove the
//! order in one transaction. One file for each kind of object. Not here: which order is carried out when (`dispatch.rs`).

mod connections;
mod create;
mod delete;
mod extend;
mod group_snapshots;
mod groups;
pub(super) mod image_cache;
mod images;
mod manage;
mod migrate;
mod move_disk;
mod recode;
mod reimage;
mod retype;
mod servers;
mod service;
mod snapshots;
mod swap;
pub(super) mod tend;
mod upload;

use std::borrow::Cow;

use super::backends::Backend;
use super::drivers::{Driver, Format, Stored};
use super::{Shared, events};
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::snapshot::Snapshot;
use crate::block_storage::model::volume::{AttachStatus, Volume};
use crate::block_storage::model::work::Work;
use crate::block_storage::notices::{Notices, of_requester};
use crate::block_storage::store::answers::{self, Answer};
use crate::block_storage::store::messages::{self, Event};
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::orders::{self, Held};
use crate::block_storage::store::quotas::{self, Charge};
use crate::block_storage::store::volumes;
use crate::database::{Connection, Transaction};
use crate::error::{Error, Result};
use crate::service::fault;

/// How often an order is begun before it is given up: each time the process has ended before the order did.
const MAX_BEGINNINGS: i64 = 5;
/// The key of the administrators' metadata under which Cinder's file drivers keep the format of a volume.
const FORMAT: &str = "format";

/// Carries out an order that this process has taken.
///
/// # Errors
/// Where the result could not be written: the order stands as it was, and will be taken again. A driver that fails is no
/// error here: that is a result.
pub(super) fn run(shared: &Shared, order: &Held) -> Result<()> {
    let backend = shared.backends.iter().find(|backend| Some(&backend.host) == order.backend.as_ref());
    let backend = backend.ok_or_else(|| Error::internal("an order of another service was taken"))?;
    let job = Job { shared, backend, order };
    fault::point_of(order.work.kind(), "begun");
    if let Some(elsewhere) = job.moved()? {
        return job.follow(&elsewhere);
    }
    match &order.work {
        Work::Service(work) => service::run(&job, work),
        Work::CreateVolume { tried, image: Some(image), .. } => images::create(&job, tried, image),
        Work::CreateVolume { tried, .. } => create::run(&job, tried),
        Work::UploadVolume(wanted) => upload::run(&job, wanted),
        Work::ReimageVolume { image, snapshot_id } => reimage::run(&job, image, snapshot_id.as_deref()),
        Work::DeleteVolume { cascade } => delete::run(&job, *cascade),
        Work::ExtendVolume { old_size_gib, new_size_gib } => extend::run(&job, *old_size_gib, *new_size_gib),
        Work::Connect { attachment_id, connector, alone } => {
            connections::connect(&job, attachment_id.as_deref(), connector, *alone)
        }
        Work::Disconnect { attachment_id, connector } => {
            connections::disconnect(&job, attachment_id.as_deref(), connector.as_deref())
        }
        Work::RetypeVolume { new_type_id, may_move, charged, recoding } => {
            retype::run(&job, new_type_id, *may_move, charged, recoding.as_deref())
        }
        Work::MigrateVolume { destination } => migrate::run(&job, destination),
        Work::DiscardDisk { disk_id } => move_disk::discard(&job, disk_id),
        Work::SwapServers { new_volume_id } => swap::tell(&job, new_volume_id),
        Work::EndExport => move_disk::end_export(&job),
        Work::TendVolume => tend::run(&job),
        Work::TellServers { server_ids, event } => servers::tell(&job, server_ids, *event),
        Work::CreateSnapshot => snapshots::create(&job),
        Work::DeleteSnapshot => snapshots::delete(&job),
        Work::RevertToSnapshot => snapshots::revert(&job),
        Work::ManageVolume { name } => manage::volume(&job, name),
        Work::UnmanageVolume => manage::give_up_volume(&job),
        Work::ManageSnapshot { name } => manage::snapshot(&job, name),
        Work::UnmanageSnapshot => manage::give_up_snapshot(&job),
        Work::ListManageable { snapshots } => manage::list(&job, *snapshots),
        Work::CreateGroup => groups::create(&job, &[]),
        Work::CreateGroupFromSource { volumes } => groups::create(&job, volumes),
        Work::UpdateGroup { leaving } => groups::update(&job, leaving),
        Work::DeleteGroup { .. } => groups::delete(&job),
        Work::CreateGroupSnapshot { .. } => group_snapshots::create(&job),
        Work::DeleteGroupSnapshot { .. } => group_snapshots::delete(&job),
    }
}

/// An order with the backend that carries it out.
struct Job<'a> {
    shared: &'a Shared,
    backend: &'a Backend,
    order: &'a Held,
}

impl Job<'_> {
    fn read<T>(&self, body: impl FnMut(&mut Connection) -> Result<T>) -> Result<T> {
        self.shared.database.read(body)
    }

    /// Lets the driver do its step. Its errors go to the log, and to the caller for the result.
    fn step<T>(&self, step: impl FnOnce(&dyn Driver) -> Result<T>) -> Result<T> {
        let (kind, begun) = (self.order.work.kind(), self.order.attempts);
        let done = if begun > MAX_BEGINNINGS {
            let text = format!("begun {MAX_BEGINNINGS} times, and each time the process ended before the work did");
            Err(Error::unavailable("The volume service ends whenever it tries this.", text))
        } else {
            step(&*self.backend.driver)
        };
        if let Err(error) = &done {
            self.failed(&error.to_string());
        }
        fault::point_of(kind, "after_step");
        done
    }

    /// What this backend tells the cloud of what the order does.
    fn notices(&self) -> Notices<'_> {
        let outbox = Cow::Borrowed(&self.shared.settings.outbox);
        Notices::new(outbox, &*self.backend.host, || of_requester(&self.order.requester))
    }

    /// Tells the cloud that the work begins, once: an order that is taken again after a crash tells nothing.
    fn begin(&self, mut tell: impl FnMut(&mut Transaction<'_>, &Notices<'_>) -> Result<()>) -> Result<()> {
        let notices = self.notices();
        if notices.is_off() || self.order.has_told(&self.backend.host) {
            return Ok(());
        }
        let kind = self.order.work.kind();
        self.shared.database.write(|tx| {
            orders::told(tx, self.order, &self.backend.host)?;
            tell(tx, &notices)?;
            fault::point_of(kind, "before_told");
            Ok(())
        })?;
        fault::point_of(kind, "told");
        Ok(())
    }

    /// Tells the log why an order fails.
    fn failed(&self, why: &str) {
        log::error!(
            "{} {} on {} failed: {why}",
            self.order.work.kind(),
            self.order.snapshot_id.as_ref().unwrap_or(&self.order.volume_id),
            self.backend.host,
        );
    }

    /// Writes the result and removes the order.
    fn end(&self, mut write: impl FnMut(&mut Transaction<'_>) -> Result<()>) -> Result<()> {
        let kind = self.order.work.kind();
        self.shared.database.write(|tx| {
            orders::end(tx, self.order)?;
            write(tx)?;
            fault::point_of(kind, "before_commit");
            Ok(())
        })?;
        fault::point_of(kind, "after_commit");
        Ok(())
    }

    /// Writes the result and turns the order into the answer for the one who waits.
    fn answer(&self, mut write: impl FnMut(&mut Transaction<'_>) -> Result<Answer>) -> Result<()> {
        let kind = self.order.work.kind();
        self.shared.database.write(|tx| {
            let answer = write(tx)?;
            answers::give(tx, self.order, &answer)?;
            fault::point_of(kind, "before_commit");
            Ok(())
        })?;
        fault::point_of(kind, "after_commit");
        Ok(())
    }

    /// The backend on which the volume of the order lies, where it has moved there since it was ordered.
    fn moved(&self) -> Result<Option<String>> {
        if !self.order.work.is_of_a_volume() || self.order.progress().is_some() {
            return Ok(None);
        }
        let volume = self.read(|c| volumes::by_id(c, &self.order.volume_id))?;
        let backend = volume.and_then(|volume| volume.host).map(|host| service_host(&host).to_owned());
        Ok(backend.filter(|backend| *backend != self.backend.host))
    }

    /// Leaves the order to another backend.
    fn follow(&self, backend: &str) -> Result<()> {
        log::info!("{} {} follows its volume to {backend}", self.order.work.kind(), self.order.volume_id);
        self.shared.database.write(|tx| orders::pass_on(tx, self.order, backend, &self.order.work))
    }

    /// Removes an order whose object is gone, or was taken elsewhere by an operator.
    fn obsolete(&self) -> Result<()> {
        log::info!(
            "{} {} is no longer wanted",
            self.order.work.kind(),
            self.order.snapshot_id.as_ref().unwrap_or(&self.order.volume_id),
        );
        self.end(|_| Ok(()))
    }

    fn tell(&self, tx: &mut Transaction<'_>, object_id: &str, event: Event) -> Result<()> {
        let ttl = self.shared.settings.message_ttl_seconds;
        messages::create(tx, &self.order.requester, object_id, event, ttl)
    }

    fn charge(&self, tx: &mut Transaction<'_>, charge: &Charge<'_>) -> Result<()> {
        quotas::charge(tx, charge, &self.shared.settings.limits)
    }

    /// What a snapshot gives back when it goes.
    fn release_snapshot(&self, tx: &mut Transaction<'_>, snapshot: &Snapshot, volume: &Volume) -> Result<()> {
        if !snapshot.use_quota {
            return Ok(());
        }
        let counts = !self.shared.settings.limits.snapshots_without_gigabytes;
        let charge = Charge {
            project_id: &snapshot.project_id,
            volume_type_id: Some(&volume.volume_type_id),
            snapshots: -1,
            gigabytes: if counts { -snapshot.volume_size_gib } else { 0 },
            ..Charge::default()
        };
        self.charge(tx, &charge)
    }

    /// Whether a volume lies on the backend of this order.
    fn is_here(&self, volume: &Volume) -> bool {
        volume.host.as_deref().is_some_and(|host| service_host(host) == self.backend.host)
    }

    fn volume_name(&self, volume: &Volume) -> String {
        self.shared.settings.names.volume(volume.disk_id())
    }

    fn snapshot_name(&self, snapshot: &Snapshot) -> String {
        self.shared.settings.names.snapshot(&snapshot.id)
    }
}

/// The format of a volume that exists. Volumes of which nothing was recorded are raw, as those of Cinder's drivers.
///
/// # Errors
/// As all statements.
pub(in super::super) fn format_of(c: &mut Connection, volume: &Volume) -> Result<Format> {
    let pairs = metadata::of(c, Table::VolumeAdmin, &volume.id)?;
    let recorded = pairs.iter().find(|(key, _)| key == FORMAT).and_then(|(_, value)| Format::parse(value));
    Ok(recorded.unwrap_or(Format::Raw))
}

/// Whether somebody may be writing to a volume.
fn is_attached(volume: &Volume) -> bool {
    volume.attach_status != AttachStatus::Detached
}

fn stored<'a>(name: &'a str, volume: &Volume, format: Format) -> Stored<'a> {
    Stored { name, size_gib: volume.size_gib, format, attached: is_attached(volume) }
}
