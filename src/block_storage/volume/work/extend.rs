//! Making a volume larger.

use super::super::{exports, placement};
use super::{Job, events, format_of, is_attached, servers, stored};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{EXTEND, EXTEND_ATTACHED, Move, Status, Volume};
use crate::block_storage::model::work::ServerEvent;
use crate::block_storage::notices::Unplaced;
use crate::block_storage::store::quotas::Charge;
use crate::block_storage::store::{Outcome, attachments, pools, volumes};
use crate::database::Transaction;
use crate::error::Result;

pub(super) fn run(job: &Job<'_>, old_size_gib: i64, new_size_gib: i64) -> Result<()> {
    let more = new_size_gib - old_size_gib;
    let found = job.read(|c| {
        let volume = volumes::by_id(c, &job.order.volume_id)?.filter(|volume| volume.status == Status::Extending);
        match volume.filter(|volume| job.is_here(volume)) {
            Some(volume) => {
                let room = placement::can_grow(c, job.shared, &volume, more)?;
                Ok(Some((format_of(c, &volume)?, room, volume)))
            }
            None => Ok(None),
        }
    });
    let Some((format, room, volume)) = found? else {
        // Whoever reset the volume did not give back what the project was charged for.
        return job.end(|tx| match volumes::by_id(tx, &job.order.volume_id)? {
            Some(volume) => release(tx, job, &volume, more),
            None => Ok(()),
        });
    };
    let refused = match room {
        Err(why) => Some(why),
        Ok(()) if is_attached(&volume) && !job.backend.traits().online_extend => {
            Some("the backend can not extend attached volumes".to_owned())
        }
        Ok(()) => None,
    };
    if let Some(why) = refused {
        job.failed(&why);
        return job.end(|tx| {
            let before = volume.previous_status.unwrap_or(Status::Available).name();
            job.notices().by(&*job.shared.settings.host).unplaced(
                tx,
                &volume.id,
                &Unplaced::Extend { status: before },
            )?;
            volumes::finish(tx, &volume.id, rule(&volume), Outcome::Done, &[])?;
            attachments::settle(tx, &volume.id)?;
            release(tx, job, &volume, more)?;
            job.tell(tx, &volume.id, events::NO_ROOM_TO_EXTEND)
        });
    }
    job.begin(|tx, notices| notices.volume(tx, &volume.id, "resize.start"))?;
    let name = job.volume_name(&volume);
    let _changing = job.backend.change_exports();
    let extended = job.step(|driver| {
        driver.extend_volume(stored(&name, &volume, format), new_size_gib)?;
        exports::grow(job.backend, &volume, stored(&name, &volume, format))
    });
    match extended {
        Ok(()) => job.end(|tx| {
            let columns = [("size", new_size_gib.into())];
            if !volumes::finish(tx, &volume.id, rule(&volume), Outcome::Done, &columns)? {
                return release(tx, job, &volume, more);
            }
            // Its attachments may have changed meanwhile.
            attachments::settle(tx, &volume.id)?;
            job.notices().volume(tx, &volume.id, "resize.end")?;
            servers::order_to_tell(tx, job, &volume.id, ServerEvent::Extended)?;
            pools::promise(tx, volume.host.as_deref().unwrap_or_default(), more, true)
        }),
        Err(_) => job.end(|tx| {
            volumes::finish(tx, &volume.id, rule(&volume), Outcome::Failed, &[])?;
            release(tx, job, &volume, more)?;
            job.tell(tx, &volume.id, events::EXTEND_FAILED)
        }),
    }
}

/// Gives back what the project was charged for.
fn release(tx: &mut Transaction<'_>, job: &Job<'_>, volume: &Volume, gib: i64) -> Result<()> {
    if !volume.use_quota {
        return Ok(());
    }
    let charge = Charge {
        project_id: &volume.project_id,
        volume_type_id: Some(&volume.volume_type_id),
        gigabytes: -gib,
        ..Charge::default()
    };
    job.charge(tx, &charge)
}

/// The move that ends where the volume was before.
fn rule(volume: &Volume) -> &'static Move {
    if is_attached(volume) { &EXTEND_ATTACHED } else { &EXTEND }
}
