//! Making a volume of an image, and what is common to all that gets the content of one.

use super::create::{self, elsewhere};
use super::image_cache::{self, Looked};
use super::{FORMAT, Job, recode, stored};
use crate::block_storage::glance::Glance;
use crate::block_storage::model::image::{Image, ImageRef, KEY_ID};
use crate::block_storage::model::volume::{CREATE, DOWNLOAD, FAIL_DOWNLOAD, Status, Volume};
use crate::block_storage::store::messages::Event;
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::{Outcome, encryption, volumes, workers};
use crate::block_storage::volume::drivers::{Driver, Format, Stored};
use crate::block_storage::volume::events;
use crate::block_storage::volume::images::{Covers, Fetch};
use crate::database::{Transaction, Value};
use crate::error::{Error, Result};
use crate::service::fault;

/// Bytes in one GiB.
pub(super) const GIB: u64 = 1 << 30;

/// The volume of the order, if it still waits for its image. Somebody may have reserved it meanwhile; that somebody works on
/// it tells that from a volume that an operator has set free.
fn waiting(job: &Job<'_>) -> Result<Option<Volume>> {
    let id = &job.order.volume_id;
    job.read(|c| {
        let Some(volume) = volumes::by_id(c, id)?.filter(|volume| job.is_here(volume)) else { return Ok(None) };
        let waits = match volume.status {
            Status::Creating | Status::Downloading => true,
            Status::Reserved | Status::Attaching => !workers::places(c, id, Some(workers::VOLUME))?.is_empty(),
            _ => false,
        };
        Ok(waits.then_some(volume))
    })
}

/// Makes a volume of an image.
pub(super) fn create(job: &Job<'_>, tried: &[String], reference: &ImageRef) -> Result<()> {
    let Some(volume) = waiting(job)? else { return forget(job, || job.obsolete()) };
    let name = job.volume_name(&volume);
    let go_on = || waiting(job)?.map(|_| ()).ok_or_else(changed);
    let looked = job.step(|_| image_of(job, reference));
    let (glance, image) = match looked {
        Ok(found) => found,
        Err(_) => return fail_create(job, &volume, events::image(events::COPY_IMAGE, events::Trouble::Unreadable)),
    };
    let looked = match volume.status {
        Status::Creating => image_cache::look(job, &volume, &image, reference)?,
        _ => Looked::Nothing,
    };
    if matches!(looked, Looked::Waits) {
        return Ok(());
    }
    if volume.use_quota {
        job.begin(|tx, _| create::teller(tx, job, &volume)?.volume(tx, &volume.id, "create.start"))?;
    }
    if let Looked::Found(kept, format) = &looked
        && let Some(unsigned) = copy(job, (kept, *format), &glance, &image, &volume)
    {
        log::info!("volume {} is made of what is kept of image {} on {}", volume.id, image.id, job.backend.host);
        return job.end(|tx| finish_create(tx, job, &volume, &image, *format, unsigned));
    }
    let may_leave = !image_cache::is_kept(job, &volume.id)?;
    let format = match job.step(|driver| driver.create_volume(&name, volume.size_gib)) {
        Ok(format) => format,
        Err(_)
            if may_leave && tried.len() + 1 < job.shared.settings.max_attempts && volume.status == Status::Creating =>
        {
            return elsewhere(job, &volume, tried);
        }
        Err(_) => return fail_create(job, &volume, events::CREATE_FAILED),
    };
    if volume.status == Status::Creating {
        job.shared.database.write(|tx| volumes::begin(tx, &volume.id, &DOWNLOAD, &[]).map(|_| ()))?;
        fault::point("image.downloading");
    }
    match write(job, reference, &image, &volume, format, &go_on, events::COPY_IMAGE) {
        Ok(unsigned) => {
            log::info!("volume {} is made of image {} on {}", volume.id, image.id, job.backend.host);
            job.end(|tx| finish_create(tx, job, &volume, &image, format, unsigned))
        }
        Err(event) => fail_create(job, &volume, event),
    }
}

/// Makes a volume as a copy of one that holds the content of its image; whether that had to have no signature, or `None` where it
/// could not be made.
fn copy(
    job: &Job<'_>,
    (kept, format): (&Volume, Format),
    glance: &Glance,
    image: &Image,
    volume: &Volume,
) -> Option<bool> {
    let (from, name) = (job.volume_name(kept), job.volume_name(volume));
    let fetch = Fetch::new(&job.shared.images, glance, image, (volume.size_gib, None), &|| Ok(()));
    let copied = job.step(|driver| {
        fetch.check(format)?;
        driver.copy_volume(&name, volume.size_gib, stored(&from, kept, format))
    });
    copied.ok().map(|_| fetch.says_unsigned())
}

/// The image, and Glance for whoever ordered.
pub(super) fn image_of(job: &Job<'_>, reference: &ImageRef) -> Result<(Glance, Image)> {
    let request_id = &job.order.requester.request_id;
    let glance = Glance::of_order(&job.shared.config, &reference.access, request_id)?;
    let image = glance.image(&reference.id)?;
    Ok((glance, image))
}

pub(super) fn changed() -> Error {
    Error::invalid_state("The volume's status was changed while an image was written into it.")
}

/// Gives a volume the content of an image; whether the image had to have no signature, or what the user is told.
pub(super) fn write(
    job: &Job<'_>,
    reference: &ImageRef,
    image: &Image,
    volume: &Volume,
    format: Format,
    go_on: &dyn Fn() -> Result<()>,
    action: &'static str,
) -> Result<bool, Event> {
    let other = || events::image(action, events::Trouble::Other);
    let request_id = &job.order.requester.request_id;
    let glance = Glance::of_order(&job.shared.config, &reference.access, request_id).map_err(|_| other())?;
    let covers = covers(job, reference, image, volume, action).map_err(|error| {
        job.failed(&error.to_string());
        other()
    })?;
    let fetch = Fetch::new(&job.shared.images, &glance, image, (volume.size_gib, covers), go_on);
    let name = job.volume_name(volume);
    let bytes = u64::try_from(volume.size_gib).unwrap_or(0).saturating_mul(GIB);
    let target = Stored { attached: false, ..stored(&name, volume, format) };
    let written = job.step(|driver| {
        fetch.check(format)?;
        driver.write_content(target, bytes, &|raw| fetch.fill(raw))
    });
    written.map(|()| fetch.says_unsigned()).map_err(|_| fetch.event(action))
}

/// With which keys an image is written into a volume; `None` where it is written as it is: of a volume that is not encrypted,
/// and of one that is made of an encrypted image, since it has a copy of that image's key.
fn covers(
    job: &Job<'_>,
    reference: &ImageRef,
    image: &Image,
    volume: &Volume,
    action: &'static str,
) -> Result<Option<Covers>> {
    let (Some(id), key_of_image) = (&volume.encryption_key_id, image.property(KEY_ID)) else { return Ok(None) };
    if key_of_image.is_some() && action == events::COPY_IMAGE {
        return Ok(None);
    }
    let encryption = job.read(|c| encryption::find(c, &volume.volume_type_id))?;
    let encryption = encryption.ok_or_else(|| Error::internal("a volume of a type without encryption has a key"))?;
    let cover = |id: &str| recode::cover(job, &encryption, id, reference.access.token.as_ref());
    Ok(Some(Covers { volume: cover(id)?, image: key_of_image.map(cover).transpose()? }))
}

/// What the volume keeps of its image.
pub(super) fn kept(image: &Image, unsigned: bool) -> Vec<(String, String)> {
    let own = unsigned.then(|| ("signature_verified".to_owned(), "False".to_owned()));
    own.into_iter().chain(image.volume_metadata()).collect()
}

fn finish_create(
    tx: &mut Transaction<'_>,
    job: &Job<'_>,
    volume: &Volume,
    image: &Image,
    format: Format,
    unsigned: bool,
) -> Result<()> {
    let columns = create::columns(job);
    let columns: Vec<(&str, Value<'_>)> = columns.into_iter().chain([("bootable", true.into())]).collect();
    if !volumes::finish(tx, &volume.id, &DOWNLOAD, Outcome::Done, &columns)?
        && !volumes::finish(tx, &volume.id, &CREATE, Outcome::Done, &columns)?
    {
        // Somebody has reserved or reset it meanwhile; but its content is there.
        volumes::change(tx, &volume.id, &columns)?;
    }
    metadata::merge(tx, Table::VolumeAdmin, &volume.id, &[(FORMAT.to_owned(), format.name().to_owned())])?;
    metadata::replace(tx, Table::VolumeImage, &volume.id, &kept(image, unsigned))?;
    if volume.use_quota {
        create::teller(tx, job, volume)?.volume(tx, &volume.id, "create.end")?;
    }
    Ok(())
}

/// The volume stays, in error, without content; it counts until its owner removes it.
fn fail_create(job: &Job<'_>, volume: &Volume, event: Event) -> Result<()> {
    clear(job, volume, |driver, name| driver.forget_content(name).and_then(|()| driver.delete_volume(name)));
    job.end(|tx| {
        let ended = volumes::finish(tx, &volume.id, &DOWNLOAD, Outcome::Failed, &[])?
            || volumes::finish(tx, &volume.id, &CREATE, Outcome::Failed, &[])?
            || volumes::begin(tx, &volume.id, &FAIL_DOWNLOAD, &[])?;
        if image_cache::give_up(tx, job, &volume.id)? {
            // Whoever waits for it tries the image itself, and is told then.
            return Ok(());
        }
        if ended { job.tell(tx, &volume.id, event) } else { Ok(()) }
    })
}

/// Removes what an attempt left; where that fails, the volume's own removal tries again.
pub(super) fn clear(job: &Job<'_>, volume: &Volume, remove: impl FnOnce(&dyn Driver, &str) -> Result<()>) {
    let name = job.volume_name(volume);
    if let Err(error) = remove(&*job.backend.driver, &name) {
        job.failed(&format!("what was written is left: {error}"));
    }
}

/// Removes what an attempt left before `end` ends an order whose volume nobody waits for.
pub(super) fn forget(job: &Job<'_>, end: impl FnOnce() -> Result<()>) -> Result<()> {
    if let Some(volume) = job.read(|c| volumes::by_id(c, &job.order.volume_id))?.filter(|volume| job.is_here(volume)) {
        clear(job, &volume, |driver, name| driver.forget_content(name));
    }
    end()
}
