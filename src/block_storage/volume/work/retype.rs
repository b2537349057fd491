//! Giving a volume another type: in its row alone where its backend suits the new type, else by moving its content to one that
//! does, where that is allowed.

use super::super::placement::{self, NoPlace};
use super::recode::{self, Change};
use super::{Job, events, format_of, move_disk, swap};
use crate::block_storage::model::pool::Pool;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{Status, Volume};
use crate::block_storage::model::volume_type::VolumeType;
use crate::block_storage::model::work::{Charged, Destination, Recoding};
use crate::block_storage::notices::Unplaced;
use crate::block_storage::scheduler::{self, Request};
use crate::block_storage::store::volume_types::Eyes;
use crate::block_storage::store::{Outcome, attachments, pools, snapshots, type_charges, volume_types, volumes};
use crate::block_storage::volume::drivers::Format;
use crate::block_storage::volume::offer::Offer;
use crate::database::{Connection, Transaction, Value};
use crate::error::{Error, Result};

/// The extra spec that says whether volumes are replicated.
const REPLICATION: &str = "replication_enabled";

/// A retyping, with what its order says.
struct Retyping<'a> {
    job: &'a Job<'a>,
    new_type_id: &'a str,
    may_move: bool,
    charged: &'a [Charged],
    recoding: Option<&'a Recoding>,
}

/// Where a volume will lie.
enum Place {
    /// Where it is; the name of that pool.
    Same(String),
    /// On this pool.
    Other(Pool),
}

/// What there is at the beginning.
struct Scene {
    volume: Volume,
    format: Format,
    /// Where the volume will lie, or why it keeps its type.
    place: Result<Place, NoPlace>,
    /// Where the new type is encrypted otherwise.
    change: Option<Change>,
}

pub(super) fn run(
    job: &Job<'_>,
    new_type_id: &str,
    may_move: bool,
    charged: &[Charged],
    recoding: Option<&Recoding>,
) -> Result<()> {
    let own = Retyping { job, new_type_id, may_move, charged, recoding };
    let noted = job.order.progress().and_then(Destination::read);
    let offer = move_disk::offered(noted.as_ref())?;
    let Some(scene) = job.read(|c| own.scene(c, offer.as_ref()))? else {
        // Whoever reset the volume did not give back what projects were charged for.
        return job.end(|tx| own.abandon(tx, noted.as_ref()));
    };
    let Scene { volume, format, place, change } = scene;
    if let Some(noted) = noted.as_ref().filter(|noted| swap::is_begun(noted)) {
        let fail = |tx: &mut Transaction<'_>| own.fail_here(tx, &volume, true);
        // The volume counts under its new type from the moment on at which it has it.
        return swap::go_on(job, &volume, noted, fail, |tx| own.abandon(tx, None));
    }
    let (place, destination) = match (place, noted) {
        (_, Some(noted)) => (None, Some(noted)),
        (Ok(Place::Other(pool)), None) if move_disk::may_be_written(job, &volume, None) => {
            let new = job.read(|c| volume_types::of_object(c, new_type_id))?;
            return swap::begin(job, &volume, &pool, new.as_ref(), |now| now.status == Status::Retyping);
        }
        (Ok(Place::Other(pool)), None) => {
            let still = |now: &Volume| now.status == Status::Retyping;
            match move_disk::set_out(job, &volume, &pool, still)? {
                Some(destination) => (None, Some(destination)),
                None => return job.end(|tx| own.abandon(tx, None)),
            }
        }
        (Ok(Place::Same(pool)), None) => (Some(pool), None),
        (Err(refused), None) => {
            job.failed(&refused.why);
            return job.end(|tx| {
                own.tell_of(tx, &volume, &refused)?;
                own.fail(tx, &volume, None)
            });
        }
    };
    match (place, destination) {
        (_, Some(destination)) => match own.copy((&volume, format), &destination, offer.as_ref(), change.as_ref())? {
            None => Ok(()),
            Some(Ok(format)) => {
                log::info!("volume {} has moved to {} with its new type", volume.id, destination.pool);
                job.end(|tx| own.finish_elsewhere(tx, &volume, &destination, format, change.is_some()))
            }
            Some(Err(_)) => job.end(|tx| own.fail(tx, &volume, Some(&destination))),
        },
        (pool, None) => {
            let done = job.step(|_| Ok(()));
            let pool = pool.unwrap_or_default();
            job.end(|tx| if done.is_ok() { own.finish_here(tx, &volume, &pool) } else { own.fail(tx, &volume, None) })
        }
    }
}

impl Retyping<'_> {
    /// Copies the content; `None` where the service of the destination does the rest.
    fn copy(
        &self,
        (volume, format): (&Volume, Format),
        destination: &Destination,
        offer: Option<&Offer>,
        change: Option<&Change>,
    ) -> Result<Option<Result<Format>>> {
        if let Some(change) = change {
            let recoding = self.recoding.ok_or_else(|| Error::internal("no keys were ordered for the new type"));
            return Ok(Some(
                recoding.and_then(|recoding| change.copy(self.job, volume, format, destination, recoding)),
            ));
        }
        Ok(match move_disk::offer(self.job, volume, format, destination)? {
            Ok(true) => None,
            Ok(false) => Some(move_disk::copy(self.job, volume, format, destination, offer)),
            Err(error) => Some(Err(error)),
        })
    }

    fn scene(&self, c: &mut Connection, offer: Option<&Offer>) -> Result<Option<Scene>> {
        let volume = volumes::by_id(c, &self.job.order.volume_id)?;
        let here = |volume: &Volume| volume.status == Status::Retyping && move_disk::is_there(self.job, volume, offer);
        let Some(volume) = volume.filter(here) else { return Ok(None) };
        let new = volume_types::of_object(c, self.new_type_id)?.filter(|new| !new.deleted);
        let change = Change::find(c, &volume, self.new_type_id)?;
        let place = match new {
            Some(new) => self.place(c, &volume, &new, change.is_none())?,
            None => Err(NoPlace::because("its new type was deleted")),
        };
        Ok(Some(Scene { format: format_of(c, &volume)?, volume, place, change }))
    }

    /// Where the volume will lie: it stays where it is if it can.
    fn place(
        &self,
        c: &mut Connection,
        volume: &Volume,
        new: &VolumeType,
        same_encryption: bool,
    ) -> Result<Result<Place, NoPlace>> {
        let (shared, host) = (self.job.shared, volume.host.as_deref().unwrap_or_default());
        let of_zones = new.availability_zones().is_some();
        let request = Request {
            availability_zone: volume.availability_zone.clone().filter(|_| !of_zones),
            extra_specs: placement::extra_specs(c, &new.id)?,
            ..Request::default()
        };
        let pools = pools::list(c, shared.settings.down_time_seconds)?;
        // Volumes of old name no pool, and belong to the one that there is.
        let is_own = |pool: &Pool| pool.name == host || pool.service_host() == host;
        let suits = match pools.iter().find(|pool| is_own(pool)) {
            // Whoever asks is the service of this pool, and so it is up, whatever the database has heard. It has the volume
            // already, so its room does not matter.
            Some(own) => scheduler::suits(&request, &Pool { up: true, ..own.clone() }, &shared.settings.rules)
                .map(|()| own.name.clone()),
            None => Err(format!("{host} does not report")),
        };
        let suits_here = suits.is_ok();
        let why = match suits {
            Ok(pool) if same_encryption => return Ok(Ok(Place::Same(pool))),
            Ok(_) => "the new type is encrypted otherwise".to_owned(),
            Err(why) => why,
        };
        // Cinder's scheduler knows nothing of encryption.
        let suited = suits_here && !same_encryption;
        let nowhere = |why: String, reason: String| NoPlace { why, reason: Some(reason).filter(|_| !suited) };
        let of = format!("for volume {} with type {}", volume.id, new.name);
        let (here, others): (Vec<Pool>, Vec<Pool>) = pools.into_iter().partition(is_own);
        let here = here.into_iter().next();
        if !self.may_move {
            let elsewhere = others.iter().any(|pool| scheduler::suits(&request, pool, &shared.settings.rules).is_ok());
            let reason = match elsewhere {
                true => format!("Current backend not valid {of}, migration not allowed"),
                false => format!("No valid backends {of}"),
            };
            return Ok(Err(nowhere(format!("Retype requires migration but is not allowed: {why}"), reason)));
        }
        if let Some(obstacle) = move_disk::obstacle(c, self.job, volume)? {
            return Ok(Err(NoPlace::because(obstacle)));
        }
        if !same_encryption && (self.recoding.is_none() || move_disk::may_be_written(self.job, volume, None)) {
            return Ok(Err(NoPlace::because("Volume is in use, and its content has to be encrypted anew.")));
        }
        let request = Request { size_gib: volume.size_gib, ..request };
        let chosen = match (same_encryption, here) {
            (true, _) => move_disk::choose(self.job, &request, &others),
            // It stays where it is if it can, but its content goes to another disk.
            (false, Some(here)) if suits_here => Ok(here),
            (false, _) => move_disk::choose_own(self.job, &request, &others),
        };
        Ok(chosen
            .map(Place::Other)
            .map_err(|refused| nowhere(format!("{refused} {host}: {why}."), format!("No valid backends {of}"))))
    }

    /// Tells the cloud that no pool suits the new type, where that is why the volume keeps the old one.
    fn tell_of(&self, tx: &mut Transaction<'_>, volume: &Volume, refused: &NoPlace) -> Result<()> {
        let Some(reason) = &refused.reason else { return Ok(()) };
        let Some(new) = self.still_to_do(tx)? else { return Ok(()) };
        let own_zone = || volume.availability_zone.as_deref().into_iter().collect();
        let wanted = Unplaced::Retype {
            type_id: self.new_type_id,
            may_move: self.may_move,
            zones: &new.availability_zones().unwrap_or_else(own_zone),
            status: volume.previous_status.unwrap_or(volume.status).name(),
            reason,
        };
        self.job.notices().by(&*self.job.shared.settings.host).unplaced(tx, &volume.id, &wanted)
    }

    /// The volume has its new type where it is, and so have its snapshots.
    fn finish_here(&self, tx: &mut Transaction<'_>, volume: &Volume, pool: &str) -> Result<()> {
        let Some(new) = self.still_to_do(tx)? else { return self.fail(tx, volume, None) };
        let limits = &self.job.shared.settings.limits;
        type_charges::finish(tx, volume, self.new_type_id, self.charged, limits)?;
        let old = volume_types::of_object(tx, &volume.volume_type_id)?;
        let replicated = |of: Option<&VolumeType>| of.and_then(|of| of.extra_spec(REPLICATION)).map(str::to_owned);
        let (before, after) = (replicated(old.as_ref()), replicated(Some(&new)));
        let mut columns: Vec<(&str, Value<'_>)> = vec![("host", pool.into())];
        if before.is_some() || after.is_some() {
            let enabled = after.is_some_and(|after| after.eq_ignore_ascii_case("<is> true"));
            columns.push(("replication_status", if enabled { "enabled" } else { "disabled" }.into()));
        }
        self.finish(tx, volume, &new, columns)?;
        recode::let_go(tx, self.recoding)?;
        snapshots::retype(tx, &volume.id, self.new_type_id)
    }

    /// The volume has its new type, and its new disk.
    fn finish_elsewhere(
        &self,
        tx: &mut Transaction<'_>,
        volume: &Volume,
        destination: &Destination,
        format: Format,
        recoded: bool,
    ) -> Result<()> {
        let Some(new) = self.still_to_do(tx)? else { return self.fail(tx, volume, Some(destination)) };
        let limits = &self.job.shared.settings.limits;
        type_charges::finish(tx, volume, self.new_type_id, self.charged, limits)?;
        let mut columns = move_disk::columns(self.job, destination);
        if let Some(recoding) = self.recoding.filter(|_| recoded) {
            columns.push(recode::exchange(tx, volume, recoding)?);
        }
        self.finish(tx, volume, &new, columns)?;
        move_disk::arrive(tx, self.job, volume, format)
    }

    fn finish<'v>(
        &self,
        tx: &mut Transaction<'_>,
        volume: &Volume,
        new: &'v VolumeType,
        mut columns: Vec<(&'v str, Value<'v>)>,
    ) -> Result<()> {
        columns.extend([("volume_type_id", (&new.id).into()), ("multiattach", new.is_multiattach().into())]);
        if !volumes::finish(tx, &volume.id, volume.retype_move(), Outcome::Done, &columns)? {
            return Err(Error::conflict("The volume's status was changed while it got its new type."));
        }
        // Its attachments may have changed meanwhile.
        attachments::settle(tx, &volume.id)?;
        self.job.notices().volume(tx, &volume.id, "retype")
    }

    /// The new type, which nobody removes until the transaction ends; `None` where it is gone, or an operator has reset the
    /// volume.
    fn still_to_do(&self, tx: &mut Transaction<'_>) -> Result<Option<VolumeType>> {
        volume_types::lock(tx)?;
        let retyping = volumes::lock(tx, &self.job.order.volume_id)?.is_some_and(|now| now.status == Status::Retyping);
        if retyping { volume_types::find(tx, self.new_type_id, Eyes::All) } else { Ok(None) }
    }

    /// The volume keeps its type and its disk.
    fn fail(&self, tx: &mut Transaction<'_>, volume: &Volume, destination: Option<&Destination>) -> Result<()> {
        self.keep(tx, volume, destination.is_some())?;
        self.abandon(tx, destination)
    }

    /// As [`Retyping::fail`], where no disk was begun, or somebody else sees to it.
    fn fail_here(&self, tx: &mut Transaction<'_>, volume: &Volume, moved: bool) -> Result<()> {
        self.keep(tx, volume, moved)?;
        self.abandon(tx, None)
    }

    fn keep(&self, tx: &mut Transaction<'_>, volume: &Volume, moved: bool) -> Result<()> {
        let columns: &[(&str, Value<'_>)] = if moved { &[("migration_status", move_disk::ERROR.into())] } else { &[] };
        if volumes::finish(tx, &volume.id, volume.retype_move(), Outcome::Failed, columns)? {
            attachments::settle(tx, &volume.id)?;
            self.job.tell(tx, &volume.id, events::NO_BACKEND)?;
        }
        Ok(())
    }

    /// Gives back what was charged for, and the new disk where one was begun.
    fn abandon(&self, tx: &mut Transaction<'_>, destination: Option<&Destination>) -> Result<()> {
        type_charges::release(tx, self.new_type_id, self.charged, &self.job.shared.settings.limits)?;
        recode::let_go(tx, self.recoding)?;
        let Some(destination) = destination else { return Ok(()) };
        let volume = volumes::by_id(tx, &self.job.order.volume_id)?;
        move_disk::turn_back(tx, self.job, volume.map_or(0, |volume| volume.size_gib), destination)
    }
}
