//! Writing an image over a volume, or the snapshot for which an image of Nova's stands. Until all of it is there, the volume has
//! its old content.

use super::super::luks;
use super::images::{GIB, changed, clear, forget, image_of, kept, write};
use super::{Job, events, format_of, is_attached, recode, servers, stored};
use crate::block_storage::model::encryption::TypeEncryption;
use crate::block_storage::model::image::ImageRef;
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::volume::{Move, REIMAGE, REIMAGE_ERROR, REIMAGE_RESERVED, Status, Volume};
use crate::block_storage::model::work::ServerEvent;
use crate::block_storage::store::messages::Event;
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::{Outcome, encryption, snapshots, volumes};
use crate::block_storage::volume::drivers::{Format, Stored};
use crate::error::{Error, Result};

/// Writes an image over a volume.
pub(super) fn run(job: &Job<'_>, reference: &ImageRef, snapshot_id: Option<&str>) -> Result<()> {
    let downloading = |volume: &Volume| volume.status == Status::Downloading;
    let found = job.read(|c| {
        let volume = volumes::by_id(c, &job.order.volume_id)?;
        match volume.filter(|volume| downloading(volume) && job.is_here(volume)) {
            Some(volume) => Ok(Some((format_of(c, &volume)?, volume))),
            None => Ok(None),
        }
    });
    let Some((format, volume)) = found? else { return forget(job, || job.obsolete()) };
    let rule = rule(&volume);
    let looked = job.step(|_| {
        if is_attached(&volume) && volume.previous_status != Some(Status::Reserved) {
            return Err(Error::invalid_state("The volume is attached."));
        }
        image_of(job, reference)
    });
    let go_on = || {
        let found = job.read(|c| volumes::by_id(c, &volume.id))?;
        found.filter(downloading).map(|_| ()).ok_or_else(changed)
    };
    let written = match looked {
        Ok((_, image)) => {
            let written = match snapshot_id {
                Some(id) => write_snapshot(job, reference, id, &volume, format, &go_on),
                None => write(job, reference, &image, &volume, format, &go_on, events::REIMAGE),
            };
            written.map(|unsigned| (image, unsigned))
        }
        Err(_) => Err(events::image(events::REIMAGE, events::Trouble::Unreadable)),
    };
    match written {
        Ok((image, unsigned)) => {
            log::info!("volume {} has the content of image {}", volume.id, image.id);
            job.end(|tx| {
                let columns = [("bootable", true.into())];
                if !volumes::finish(tx, &volume.id, rule, Outcome::Done, &columns)? {
                    volumes::change(tx, &volume.id, &columns)?;
                } else if volume.previous_status == Some(Status::Reserved) {
                    // Nova waits for it before the server starts from it.
                    servers::order_to_tell(tx, job, &volume.id, ServerEvent::Reimaged)?;
                }
                metadata::replace(tx, Table::VolumeImage, &volume.id, &kept(&image, unsigned))
            })
        }
        Err(event) => {
            clear(job, &volume, |driver, name| driver.forget_content(name));
            job.end(|tx| {
                let columns = [("previous_status", "downloading".into())];
                if volumes::finish(tx, &volume.id, rule, Outcome::Failed, &columns)? {
                    job.tell(tx, &volume.id, event)?;
                }
                Ok(())
            })
        }
    }
}

/// The move that ends where the volume was before.
fn rule(volume: &Volume) -> &'static Move {
    match volume.previous_status {
        Some(Status::Reserved) => &REIMAGE_RESERVED,
        Some(Status::Error) => &REIMAGE_ERROR,
        _ => &REIMAGE,
    }
}

/// Gives a volume the content of a snapshot; it had no signature to look at.
fn write_snapshot(
    job: &Job<'_>,
    reference: &ImageRef,
    snapshot_id: &str,
    volume: &Volume,
    format: Format,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<bool, Event> {
    let written = job.step(|driver| {
        let gone = || Error::not_found(format!("Snapshot {snapshot_id} could not be found."));
        let found = job.read(|c| {
            let Some(snapshot) = snapshots::by_id(c, snapshot_id)? else { return Ok(None) };
            let Some(of) = volumes::by_id(c, &snapshot.volume_id)? else { return Ok(None) };
            let encryptions = (encryption::find(c, &of.volume_type_id)?, encryption::find(c, &volume.volume_type_id)?);
            Ok(Some((format_of(c, &of)?, snapshot, of, encryptions)))
        });
        let (format_of_snapshot, snapshot, of, (old, new)) = found?.ok_or_else(gone)?;
        let backend = of
            .host
            .as_deref()
            .and_then(|host| job.shared.backends.iter().find(|backend| backend.host == service_host(host)));
        let backend = backend.ok_or_else(|| {
            Error::unavailable("The backend does not work.", "the snapshot lies on a backend of another service")
        })?;
        let from = Stored {
            name: &job.snapshot_name(&snapshot),
            size_gib: snapshot.volume_size_gib,
            format: format_of_snapshot,
            attached: false,
        };
        let content = backend.driver.read_content(from)?;
        go_on()?;
        let cover =
            |encryption: &TypeEncryption, id: &str| recode::cover(job, encryption, id, reference.access.token.as_ref());
        let key_of_snapshot = snapshot.encryption_key_id.as_deref().or(of.encryption_key_id.as_deref());
        let old = old.as_ref().zip(key_of_snapshot).map(|(encryption, id)| cover(encryption, id)).transpose()?;
        let new = new.as_ref().zip(volume.encryption_key_id.as_deref());
        let new = new.map(|(encryption, id)| cover(encryption, id)).transpose()?;
        let name = job.volume_name(volume);
        let target = Stored { attached: false, ..stored(&name, volume, format) };
        let bytes = u64::try_from(volume.size_gib).unwrap_or(0).saturating_mul(GIB);
        driver.write_content(target, bytes, &|raw| {
            let covers = (old.as_ref(), new.as_ref());
            luks::pour((raw, volume.size_gib), &content, covers, job.shared.images.timeout)
        })
    });
    written.map(|()| false).map_err(|_| events::image(events::REIMAGE, events::Trouble::Unconverted))
}
