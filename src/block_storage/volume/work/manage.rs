//! Taking over what lies on a backend as a volume or a snapshot, giving it up again, and telling what there is. A volume's
//! size is known only here, so its project is charged here: once, before the file gets its new name.

use serde_json::{Value as Json, json};

use super::super::placement::{self, NoPlace};
use super::snapshots::kept;
use super::{FORMAT, Job, events, format_of, stored};
use crate::block_storage::model::snapshot::{self, Snapshot};
use crate::block_storage::model::volume::{AttachStatus, MANAGE, Status, UNMANAGE, Volume};
use crate::block_storage::notices::Unplaced;
use crate::block_storage::store::census::{self, Resident};
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::quotas::{Charge, check_volume_size};
use crate::block_storage::store::{Outcome, pools, snapshots, volumes};
use crate::block_storage::volume::drivers::{Format, Found};
use crate::database::{Connection, Transaction};
use crate::error::{Error, Result};
use crate::service::fault;
use crate::time::Timestamp;

/// Bytes in one GiB.
const GIB: u64 = 1 << 30;

/// GiB that hold so many bytes.
fn gib(bytes: u64) -> i64 {
    i64::try_from(bytes.div_ceil(GIB)).unwrap_or(i64::MAX)
}

/// Tells what lies on the backend, and which of it is known already.
pub(super) fn list(job: &Job<'_>, of_snapshots: bool) -> Result<()> {
    let found = match job.step(|driver| driver.found()) {
        Ok(found) => found,
        Err(error) => return job.answer(|_| Ok(Err(error.clone()))),
    };
    job.answer(|tx| {
        let residents = census::residents(tx, &job.backend.host)?;
        let names = &job.shared.settings.names;
        let wanted = found.iter().filter(|found| names.snapshot_id(&found.name).is_some() == of_snapshots);
        let mut list = Vec::new();
        for found in wanted {
            let mut item = item(found, resident(job, &residents, &found.name));
            if of_snapshots {
                let id = names.snapshot_id(&found.name).unwrap_or_default();
                let of = snapshots::by_id(tx, id)?.map(|snapshot| names.volume(&snapshot.volume_id));
                item["source_reference"] = json!({ "source-name": of });
            }
            list.push(item);
        }
        Ok(Ok(Json::Array(list)))
    })
}

fn item(found: &Found, resident: Option<&Resident>) -> Json {
    json!({
        "reference": {"source-name": found.name},
        "size": gib(found.bytes),
        "safe_to_manage": resident.is_none(),
        "reason_not_safe": resident.map(|_| "already managed"),
        "cinder_id": resident.map(|resident| &resident.id),
        "extra_info": null,
    })
}

/// The volume or the snapshot that has this name on the backend.
fn resident<'a>(job: &Job<'_>, residents: &'a [Resident], name: &str) -> Option<&'a Resident> {
    let names = &job.shared.settings.names;
    residents.iter().find(|resident| match resident.is_snapshot {
        true => names.snapshot(&resident.id) == name,
        false => names.volume(&resident.disk_id) == name,
    })
}

pub(super) fn volume(job: &Job<'_>, from: &str) -> Result<()> {
    let found = job.read(|c| {
        let volume = volumes::by_id(c, &job.order.volume_id)?.filter(|volume| volume.status == Status::Managing);
        match volume.filter(|volume| job.is_here(volume)) {
            Some(volume) => Ok(Some((refusal(c, job, &volume, from)?, volume))),
            None => Ok(None),
        }
    });
    let Some((refused, volume)) = found? else { return job.obsolete() };
    if let Some(NoPlace { why, reason: Some(_) }) = &refused {
        job.failed(why);
        return job.end(|tx| {
            let notices = job.notices().by(&*job.shared.settings.host);
            notices.unplaced(tx, &volume.id, &Unplaced::Manage { file: from })?;
            fail(tx, job, &volume)
        });
    }
    let name = job.volume_name(&volume);
    let pool = || job.notices().by(&*job.backend.pool);
    job.begin(|tx, _| pool().volume(tx, &volume.id, "manage_existing.start"))?;
    let adopted = job.step(|driver| {
        if let Some(refused) = refused {
            return Err(Error::invalid(refused.why));
        }
        let bytes = driver.examine(&name).or_else(|_| driver.examine(from))?;
        let size_gib = gib(bytes);
        if size_gib == 0 {
            return Err(Error::invalid(format!("{from} is empty.")));
        }
        // A volume that has a size was charged for by an attempt that a crash ended.
        if volume.size_gib == 0 {
            job.shared.database.write(|tx| charge(tx, job, &volume, size_gib))?;
            fault::point("manage.after_charge");
        }
        Ok((driver.adopt(from, &name, size_gib)?, size_gib))
    });
    match adopted {
        Ok((format, size_gib)) => {
            log::info!("{from} of {} is now volume {}", job.backend.host, volume.id);
            job.end(|tx| {
                let service_uuid = job.backend.state().service.and_then(|(_, uuid)| uuid);
                let columns = [
                    ("host", (&job.backend.pool).into()),
                    ("launched_at", Timestamp::now().into()),
                    ("service_uuid", service_uuid.into()),
                    ("shared_targets", false.into()),
                ];
                if !volumes::finish(tx, &volume.id, &MANAGE, Outcome::Done, &columns)? {
                    return Ok(());
                }
                metadata::merge(tx, Table::VolumeAdmin, &volume.id, &[(FORMAT.to_owned(), format.name().to_owned())])?;
                pool().volume(tx, &volume.id, "manage_existing.end")?;
                pools::promise(tx, &job.backend.pool, size_gib, true)
            })
        }
        Err(_) => job.end(|tx| fail(tx, job, &volume)),
    }
}

/// The volume stays, in error, and counts nothing: what was charged for before the failure is given back.
fn fail(tx: &mut Transaction<'_>, job: &Job<'_>, volume: &Volume) -> Result<()> {
    let managing = |now: &Volume| now.status == Status::Managing;
    let Some(now) = volumes::lock(tx, &volume.id)?.filter(managing) else {
        // Somebody removes it meanwhile, and gives back what it counts.
        return Ok(());
    };
    if now.size_gib > 0 {
        release(tx, job, volume, now.size_gib)?;
    }
    volumes::finish(tx, &volume.id, &MANAGE, Outcome::Failed, &[("size", 0.into())]).map(|_| ())
}

/// Why a file can not become this volume, where the rows tell it.
fn refusal(c: &mut Connection, job: &Job<'_>, volume: &Volume, from: &str) -> Result<Option<NoPlace>> {
    let host = volume.host.as_deref().unwrap_or_default();
    let nowhere = |why: String| NoPlace { why, reason: Some(format!("Cannot place volume {} on {host}.", volume.id)) };
    if host.contains('#') && host != job.backend.pool {
        return Ok(Some(nowhere(format!("{host} is no pool of this service"))));
    }
    if let Some(known) = resident(job, &census::residents(c, &job.backend.host)?, from) {
        return Ok(Some(NoPlace::because(format!("{from} is managed already, as {}", known.id))));
    }
    let placed = Volume { host: Some(job.backend.pool.clone()), ..volume.clone() };
    Ok(placement::can_grow(c, job.shared, &placed, 0)?.err().map(nowhere))
}

fn charge(tx: &mut Transaction<'_>, job: &Job<'_>, volume: &Volume, size_gib: i64) -> Result<()> {
    check_volume_size(tx, &volume.project_id, size_gib, &job.shared.settings.limits)?;
    let charge = Charge {
        project_id: &volume.project_id,
        volume_type_id: Some(&volume.volume_type_id),
        volumes: 1,
        gigabytes: size_gib,
        ..Charge::default()
    };
    job.charge(tx, &charge)?;
    volumes::change(tx, &volume.id, &[("size", size_gib.into())]).map(|_| ())
}

fn release(tx: &mut Transaction<'_>, job: &Job<'_>, volume: &Volume, size_gib: i64) -> Result<()> {
    let charge = Charge {
        project_id: &volume.project_id,
        volume_type_id: Some(&volume.volume_type_id),
        volumes: -1,
        gigabytes: -size_gib,
        ..Charge::default()
    };
    job.charge(tx, &charge)
}

pub(super) fn give_up_volume(job: &Job<'_>) -> Result<()> {
    let found = job.read(|c| {
        let leaving = |volume: &Volume| matches!(volume.status, Status::Unmanaging | Status::ErrorManagingDeleting);
        let volume = volumes::by_id(c, &job.order.volume_id)?.filter(|volume| leaving(volume) && job.is_here(volume));
        let Some(volume) = volume else { return Ok(None) };
        Ok(Some((snapshots::of_volume(c, &volume.id)?.len(), format_of(c, &volume)?, volume)))
    });
    let Some((own, format, volume)) = found? else { return job.obsolete() };
    job.begin(|tx, notices| notices.clone().elevated().volume(tx, &volume.id, "unmanage.start"))?;
    // What the API has looked at already, once more.
    let given_up = job.step(|driver| match (volume.attach_status, own) {
        (AttachStatus::Attached, _) => Err(Error::invalid_state("The volume is attached.")),
        // Nobody does that afterwards.
        (_, 0) => driver.tend_volume(stored(&job.volume_name(&volume), &volume, format)),
        _ => Err(Error::invalid_state("The volume has snapshots.")),
    });
    let outcome = if given_up.is_ok() { Outcome::Done } else { Outcome::Failed };
    job.end(|tx| {
        // Usage first: where it is due to be counted anew, the row must still be there. What was never taken over was
        // never counted.
        let counts = volume.use_quota && volume.size_gib > 0;
        if given_up.is_ok() && counts {
            release(tx, job, &volume, volume.size_gib)?;
        }
        if given_up.is_ok() {
            job.notices().elevated().volume_gone(tx, &volume.id, "unmanage.end")?;
        }
        if !volumes::finish(tx, &volume.id, &UNMANAGE, outcome, &[])? {
            return Err(Error::conflict("The volume's status was changed while it was given up."));
        }
        if given_up.is_ok() && counts {
            pools::promise(tx, volume.host.as_deref().unwrap_or_default(), -volume.size_gib, true)?;
        }
        Ok(())
    })
}

/// The snapshot of the order with its volume and the format of that, if it still is in `status` and here.
fn load(job: &Job<'_>, status: snapshot::Status) -> Result<Option<(Snapshot, Volume, Format)>> {
    let id = job.order.snapshot_id.as_deref().unwrap_or_default();
    job.read(|c| {
        let Some(snapshot) = snapshots::by_id(c, id)?.filter(|snapshot| snapshot.status == status) else {
            return Ok(None);
        };
        match volumes::by_id(c, &snapshot.volume_id)?.filter(|volume| job.is_here(volume)) {
            Some(volume) => format_of(c, &volume).map(|format| Some((snapshot, volume, format))),
            None => Ok(None),
        }
    })
}

pub(super) fn snapshot(job: &Job<'_>, from: &str) -> Result<()> {
    let Some((snapshot, volume, format)) = load(job, snapshot::Status::Creating)? else { return job.obsolete() };
    job.begin(|tx, notices| notices.snapshot(tx, &snapshot.id, "manage_existing_snapshot.start"))?;
    let residents = job.read(|c| census::residents(c, &job.backend.host))?;
    let name = job.snapshot_name(&snapshot);
    let adopted = job.step(|driver| {
        if let Some(known) = resident(job, &residents, from) {
            return Err(Error::invalid(format!("{from} is managed already, as {}", known.id)));
        }
        if format != Format::Raw {
            // A snapshot is read in the format of its volume.
            return Err(Error::invalid(format!(
                "{from} would be raw, and snapshots of its volume are {}",
                format.name()
            )));
        }
        let size_gib = gib(driver.examine(&name).or_else(|_| driver.examine(from))?);
        if size_gib != snapshot.volume_size_gib {
            let wanted = snapshot.volume_size_gib;
            return Err(Error::invalid(format!("{from} has {size_gib} GiB, and its volume had {wanted}")));
        }
        driver.adopt(from, &name, size_gib)
    });
    match adopted {
        Ok(_) => job.end(|tx| {
            if !snapshots::finish(tx, &snapshot.id, &snapshot::CREATE, Outcome::Done, &[("progress", "100%".into())])? {
                return Ok(());
            }
            job.notices().snapshot(tx, &snapshot.id, "manage_existing_snapshot.end")?;
            pools::promise(tx, volume.host.as_deref().unwrap_or_default(), snapshot.volume_size_gib, false)
        }),
        Err(_) => job.end(|tx| {
            snapshots::finish(tx, &snapshot.id, &snapshot::CREATE, Outcome::Failed, &[])?;
            job.tell(tx, &snapshot.id, events::SNAPSHOT_FAILED)
        }),
    }
}

pub(super) fn give_up_snapshot(job: &Job<'_>) -> Result<()> {
    let Some((snapshot, volume, format)) = load(job, snapshot::Status::Unmanaging)? else { return job.obsolete() };
    job.begin(|tx, notices| notices.clone().elevated().snapshot(tx, &snapshot.id, "delete.start"))?;
    let (name, of) = (job.snapshot_name(&snapshot), job.volume_name(&volume));
    let own = kept(&name, &snapshot, format);
    match job.step(|driver| driver.give_up_snapshot(own, stored(&of, &volume, format))) {
        Ok(()) => job.end(|tx| {
            job.release_snapshot(tx, &snapshot, &volume)?;
            job.notices().elevated().snapshot_gone(tx, &snapshot.id, "delete.end")?;
            if !snapshots::finish(tx, &snapshot.id, &snapshot::UNMANAGE, Outcome::Done, &[])? {
                return Err(Error::conflict("The snapshot's status was changed while it was given up."));
            }
            pools::promise(tx, volume.host.as_deref().unwrap_or_default(), -snapshot.volume_size_gib, false)
        }),
        Err(_) => job.end(|tx| {
            snapshots::finish(tx, &snapshot.id, &snapshot::UNMANAGE, Outcome::Failed, &[])?;
            job.tell(tx, &snapshot.id, events::SNAPSHOT_DELETE_FAILED)
        }),
    }
}
