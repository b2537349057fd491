//! Moving a volume to another backend that an operator has named.

use super::super::placement::{self, NoPlace};
use super::{Job, events, format_of, move_disk, swap};
use crate::block_storage::model::pool::Pool;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{MIGRATE_LOCKED, Status, Volume};
use crate::block_storage::model::work::Destination;
use crate::block_storage::notices::Unplaced;
use crate::block_storage::scheduler::Request;
use crate::block_storage::store::{Outcome, attachments, pools, volumes};
use crate::block_storage::volume::drivers::Format;
use crate::block_storage::volume::offer::Offer;
use crate::database::{Connection, Transaction, Value};
use crate::error::Result;

/// The migration statuses of a volume that is to move, or moves.
const UNDER_WAY: [&str; 2] = ["starting", move_disk::MIGRATING];

pub(super) fn run(job: &Job<'_>, to: &str) -> Result<()> {
    let noted = job.order.progress().and_then(Destination::read);
    let offer = move_disk::offered(noted.as_ref())?;
    let found = job.read(|c| {
        let volume = volumes::by_id(c, &job.order.volume_id)?;
        let there = |volume: &Volume| is_to_move(volume) && move_disk::is_there(job, volume, offer.as_ref());
        let Some(volume) = volume.filter(there) else { return Ok(None) };
        Ok(Some((format_of(c, &volume)?, choose(c, job, &volume, to)?, volume)))
    });
    let Some((format, chosen, volume)) = found? else {
        // An operator has reset it.
        return job.end(|tx| turn_back(tx, job, noted.as_ref()));
    };
    if let Some(noted) = noted.as_ref().filter(|noted| swap::is_begun(noted)) {
        let fail = |tx: &mut Transaction<'_>| {
            end(tx, &volume, false, &[])?;
            job.tell(tx, &volume.id, events::NO_BACKEND)
        };
        return swap::go_on(job, &volume, noted, fail, |_| Ok(()));
    }
    let destination = match (noted, chosen) {
        (Some(noted), _) => noted,
        (None, Ok(pool)) if Some(&pool.name) == volume.host.as_ref() => {
            // The host was named without its pool, and has no other one.
            let done = job.step(|_| Ok(()));
            return job.end(|tx| end(tx, &volume, done.is_ok(), &[]).map(|_| ()));
        }
        (None, Ok(pool)) if move_disk::may_be_written(job, &volume, None) => {
            return swap::begin(job, &volume, &pool, None, is_to_move);
        }
        (None, Ok(pool)) => match move_disk::set_out(job, &volume, &pool, is_to_move)? {
            Some(destination) => destination,
            None => return job.obsolete(),
        },
        (None, Err(refused)) => {
            job.failed(&refused.why);
            return job.end(|tx| {
                if refused.reason.is_some() && volumes::lock(tx, &volume.id)?.is_some_and(|now| is_to_move(&now)) {
                    let before = volume.previous_status.unwrap_or(Status::Maintenance).name();
                    let status = Some(before).filter(|_| volume.status == Status::Maintenance);
                    let notices = job.notices().by(&*job.shared.settings.host);
                    notices.unplaced(tx, &volume.id, &Unplaced::Migrate { to, status })?;
                }
                end(tx, &volume, false, &[])?;
                job.tell(tx, &volume.id, events::NO_BACKEND)
            });
        }
    };
    let copied = match move_disk::offer(job, &volume, format, &destination)? {
        Ok(true) => return Ok(()),
        Ok(false) => move_disk::copy(job, &volume, format, &destination, offer.as_ref()),
        Err(error) => Err(error),
    };
    match copied {
        Ok(format) => job.end(|tx| arrive(tx, job, &volume, &destination, offer.as_ref(), format)),
        Err(_) => job.end(|tx| {
            job.tell(tx, &volume.id, events::NO_BACKEND)?;
            end(tx, &volume, false, &[])?;
            turn_back(tx, job, Some(&destination))
        }),
    }
}

fn is_to_move(volume: &Volume) -> bool {
    volume.migration_status.as_deref().is_some_and(|status| UNDER_WAY.contains(&status))
}

/// The pool to which the volume goes, or why there is none.
fn choose(c: &mut Connection, job: &Job<'_>, volume: &Volume, to: &str) -> Result<Result<Pool, NoPlace>> {
    if let Some(obstacle) = move_disk::obstacle(c, job, volume)? {
        return Ok(Err(NoPlace::because(obstacle)));
    }
    let request = Request {
        size_gib: volume.size_gib,
        extra_specs: placement::extra_specs(c, &volume.volume_type_id)?,
        ..Request::default()
    };
    let mut pools = pools::list(c, job.shared.settings.down_time_seconds)?;
    pools.retain(|pool| pool.name == to || pool.service_host() == to);
    let chosen = move_disk::choose(job, &request, &pools);
    Ok(chosen.map_err(|refused| {
        let reason = format!("Cannot place volume {} on {to}.", volume.id);
        NoPlace { why: format!("{reason} {refused}"), reason: Some(reason) }
    }))
}

/// Lets the volume have its new disk, unless somebody has begun meanwhile to read or to write the old one past this service.
fn arrive(
    tx: &mut Transaction<'_>,
    job: &Job<'_>,
    volume: &Volume,
    destination: &Destination,
    offer: Option<&Offer>,
    format: Format,
) -> Result<()> {
    let untouched = |now: &Volume| {
        let copied =
            matches!(now.status, Status::BackingUp | Status::RestoringBackup | Status::Uploading | Status::Downloading);
        is_to_move(now) && !copied && !move_disk::may_be_written(job, now, offer) && now.host == volume.host
    };
    let arrived = volumes::lock(tx, &volume.id)?.is_some_and(|now| untouched(&now))
        && end(tx, volume, true, &move_disk::columns(job, destination))?;
    if arrived {
        log::info!("volume {} has moved to {}", volume.id, destination.pool);
        return move_disk::arrive(tx, job, volume, format);
    }
    job.failed("the volume was used meanwhile");
    end(tx, volume, false, &[])?;
    turn_back(tx, job, Some(destination))
}

/// Ends the move, and the lock where there is one; `false` where an operator has ended it.
fn end(tx: &mut Transaction<'_>, volume: &Volume, done: bool, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    let Some(now) = volumes::lock(tx, &volume.id)?.filter(is_to_move) else { return Ok(false) };
    let status = if done { move_disk::SUCCESS } else { move_disk::ERROR };
    let mut columns = columns.to_vec();
    columns.retain(|(name, _)| *name != "migration_status");
    columns.push(("migration_status", status.into()));
    if now.status == Status::Maintenance {
        let outcome = if done { Outcome::Done } else { Outcome::Failed };
        return volumes::finish(tx, &volume.id, &MIGRATE_LOCKED, outcome, &columns);
    }
    let changed = volumes::change(tx, &volume.id, &columns)?;
    if matches!(now.status, Status::Reserved | Status::Attaching | Status::InUse) {
        // While it moved, the end of its last attachment left its status as it was.
        attachments::settle(tx, &volume.id)?;
    }
    Ok(changed)
}

fn turn_back(tx: &mut Transaction<'_>, job: &Job<'_>, destination: Option<&Destination>) -> Result<()> {
    let Some(destination) = destination else { return Ok(()) };
    let size_gib = volumes::by_id(tx, &job.order.volume_id)?.map_or(0, |volume| volume.size_gib);
    move_disk::turn_back(tx, job, size_gib, destination)
}
