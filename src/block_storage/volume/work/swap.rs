//! Moving a volume that servers use, which Nova alone can do: a new volume is made at the destination, Nova is told to let each
//! server use it in place of the old one, copies the content, and then says so (`os-migrate_volume_completion`); the volume gets the
//! disk of the new one. Not here: what happens when Nova says so (`control/volume_migration.rs`).

use super::{Job, events, move_disk};
use crate::block_storage::compute;
use crate::block_storage::model::pool::{Pool, service_host};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{AttachStatus, Status, Volume};
use crate::block_storage::model::volume_type::VolumeType;
use crate::block_storage::model::work::{Destination, Hints, Order, Work};
use crate::block_storage::store::{attachments, moves, orders, pools, volumes, workers};
use crate::config::{default, volume as options};
use crate::database::{Connection, Transaction};
use crate::error::{Error, Result};
use crate::service::fault;
use crate::time::Timestamp;

/// What the note of the destination says instead of an offer.
pub(super) const BY_SERVERS: &str = "by servers";
/// Seconds between looks at the new volume.
const LOOK: i64 = 1;

/// Whether Nova could move a volume: there is a Nova, and servers alone use the volume.
pub(super) fn is_possible(c: &mut Connection, job: &Job<'_>, volume: &Volume) -> Result<bool> {
    // There is no Nova without Keystone.
    if job.shared.config.text(&default::AUTH_STRATEGY) != "keystone" {
        return Ok(false);
    }
    let all = attachments::of_volume(c, &volume.id)?;
    let used = |status: AttachStatus| status == AttachStatus::Attached;
    Ok(!all.is_empty() && all.iter().all(|one| used(one.status) && one.attachment.instance_uuid.is_some()))
}

/// Whether a new volume was ordered.
pub(super) fn is_begun(noted: &Destination) -> bool {
    noted.offer.as_deref() == Some(BY_SERVERS)
}

/// Orders the new volume, and lets the order wait for it. `still` looks whether the volume is still to move.
pub(super) fn begin(
    job: &Job<'_>,
    volume: &Volume,
    pool: &Pool,
    new_type: Option<&VolumeType>,
    still: impl Fn(&Volume) -> bool,
) -> Result<()> {
    let new = Volume {
        migration_status: Some(moves::target_of(&volume.id)),
        replication_status: None,
        host: Some(pool.name.clone()),
        cluster_name: None,
        service_uuid: None,
        availability_zone: Some(pool.availability_zone.clone()),
        volume_type_id: new_type.map_or_else(|| volume.volume_type_id.clone(), |new| new.id.clone()),
        multiattach: new_type.map_or(volume.multiattach, VolumeType::is_multiattach),
        use_quota: false,
        ..volume.new_like()
    };
    let noted = Destination { pool: pool.name.clone(), disk_id: new.id.clone(), offer: Some(BY_SERVERS.to_owned()) };
    job.shared.database.write(|tx| {
        if !volumes::lock(tx, &volume.id)?.is_some_and(|now| still(&now)) {
            // The next look at the order ends it.
            return orders::wait(tx, job.order, 0);
        }
        volumes::change(tx, &volume.id, &[("migration_status", move_disk::MIGRATING.into())])?;
        volumes::insert(tx, &new)?;
        workers::begin(tx, workers::VOLUME, &new.id, new.status.name())?;
        pools::promise(tx, &pool.name, new.size_gib, true)?;
        let work = Work::CreateVolume { hints: Hints::default(), tried: Vec::new(), image: None };
        let backend = Some(service_host(&pool.name).to_owned());
        let order =
            Order { backend, volume_id: new.id.clone(), source_volume_id: None, work, ..Order::clone(job.order) };
        orders::place(tx, &order)?;
        orders::note(tx, job.order, &noted.note())?;
        orders::wait(tx, job.order, LOOK)?;
        fault::point("swap.before_note");
        Ok(())
    })?;
    fault::point("swap.after_note");
    Ok(())
}

/// Looks at the new volume: once it is there, Nova is to be told, and the order ends. `hand_over` ends what the order alone knows,
/// `fail` the move.
pub(super) fn go_on(
    job: &Job<'_>,
    volume: &Volume,
    noted: &Destination,
    fail: impl Fn(&mut Transaction<'_>) -> Result<()>,
    hand_over: impl Fn(&mut Transaction<'_>) -> Result<()>,
) -> Result<()> {
    let new = job.read(|c| volumes::by_id(c, &noted.disk_id))?;
    let patience = job.shared.config.seconds(&options::MIGRATION_CREATE_VOLUME_TIMEOUT).as_secs();
    let overdue =
        job.order.placed_at().plus_seconds(i64::try_from(patience).unwrap_or(i64::MAX / 2)) < Timestamp::now();
    let why = match new.as_ref().map(|new| new.status) {
        Some(Status::Available) => None,
        Some(Status::Creating) if !overdue => {
            return job.shared.database.write(|tx| orders::wait(tx, job.order, LOOK));
        }
        Some(Status::Creating) => Some("timeout creating new_volume on destination"),
        _ => Some("failed to create new_volume on destination"),
    };
    let done = match why {
        None => job.step(|_| Ok(())),
        Some(why) => {
            job.failed(why);
            Err(Error::unavailable("The new volume is not there.", why))
        }
    };
    job.end(|tx| {
        if done.is_err() {
            fail(tx)?;
            return turn_back(tx, job, noted);
        }
        hand_over(tx)?;
        workers::end(tx, workers::VOLUME, &volume.id)?;
        let work = Work::SwapServers { new_volume_id: noted.disk_id.clone() };
        orders::place(tx, &Order { work, source_volume_id: None, ..Order::clone(job.order) }).map(|_| ())
    })
}

/// Orders the end of the new volume: the volume stays where it is, or is gone.
pub(super) fn turn_back(tx: &mut Transaction<'_>, job: &Job<'_>, noted: &Destination) -> Result<()> {
    match volumes::lock(tx, &noted.disk_id)? {
        Some(new) if new.status != Status::Deleting => moves::leave(tx, &job.order.requester, &new, &[]),
        _ => Ok(()),
    }
}

/// Tells Nova to let each server use the new volume. Nova begins once: it keeps the new volume for the server before it answers.
pub(super) fn tell(job: &Job<'_>, new_volume_id: &str) -> Result<()> {
    let id = &job.order.volume_id;
    let found = job.read(|c| {
        let both = (volumes::by_id(c, id)?, volumes::by_id(c, new_volume_id)?);
        Ok((both, attachments::of_volume(c, id)?, attachments::of_volume(c, new_volume_id)?))
    })?;
    let ((volume, new), used, begun) = found;
    let waits = volume.as_ref().is_some_and(|volume| volume.migration_status.as_deref() == Some(move_disk::MIGRATING))
        && new.as_ref().is_some_and(|new| new.migration_status.as_ref() == Some(&moves::target_of(id)));
    if !waits || !begun.is_empty() {
        // It is over already, or Nova has begun, and its answer was lost.
        return job.obsolete();
    }
    let servers: Vec<String> = used.into_iter().filter_map(|one| one.attachment.instance_uuid).collect();
    let told = job.step(|_| {
        if servers.is_empty() {
            return Err(Error::invalid_state("No server uses the volume any more."));
        }
        servers.iter().try_for_each(|server| compute::swap(&job.shared.config, server, id, new_volume_id))
    });
    job.end(|tx| {
        if told.is_ok() {
            return Ok(());
        }
        let (Some(volume), Some(new)) = (volumes::lock(tx, id)?, volumes::lock(tx, new_volume_id)?) else {
            return Ok(());
        };
        let over = volume.migration_status.as_deref() != Some(move_disk::MIGRATING)
            || new.migration_status.as_ref() != Some(&moves::target_of(id));
        if over || !attachments::of_volume(tx, new_volume_id)?.is_empty() {
            return Ok(());
        }
        moves::break_off(tx, &job.order.requester, &volume, &new)?;
        job.tell(tx, id, events::NO_BACKEND)
    })
}
