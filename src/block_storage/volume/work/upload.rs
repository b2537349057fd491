//! Making an image of a volume: its content goes to Glance, raw or in another format.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::{Job, events, format_of, is_attached, stored};
use crate::block_storage::glance::Glance;
use crate::block_storage::model::image::Upload;
use crate::block_storage::model::volume::{Status, UPLOAD, UPLOAD_ATTACHED, Volume};
use crate::block_storage::store::{Outcome, attachments, volumes};
use crate::block_storage::volume::drivers::{Driver, Format};
use crate::block_storage::volume::images::{copy_data, export};
use crate::database::Transaction;
use crate::error::{Error, Result};
use crate::service::fault;

/// How often an attached volume is read anew because it was written to meanwhile.
const ATTEMPTS: usize = 3;
/// How often it is looked whether the image is still wanted.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn run(job: &Job<'_>, upload: &Upload) -> Result<()> {
    let found = job.read(|c| {
        let volume = volumes::by_id(c, &job.order.volume_id)?.filter(|volume| volume.status == Status::Uploading);
        match volume.filter(|volume| job.is_here(volume)) {
            Some(volume) => Ok(Some((format_of(c, &volume)?, volume))),
            None => Ok(None),
        }
    });
    let Some((format, volume)) = found? else {
        discard(job, upload);
        return job.obsolete();
    };
    let uploaded = job.step(|driver| {
        let content = content(job, driver, &volume, format, upload)?;
        fault::point("image.before_upload");
        send(job, upload, &content)
    });
    if uploaded.is_ok() {
        log::info!("volume {} is uploaded as image {}", volume.id, upload.image.id);
    } else {
        discard(job, upload);
    }
    job.end(|tx| {
        finish(tx, &volume)?;
        if uploaded.is_ok() { Ok(()) } else { job.tell(tx, &volume.id, events::UPLOAD_FAILED) }
    })
}

/// The volume goes back to the status that its attachments give it.
fn finish(tx: &mut Transaction<'_>, volume: &Volume) -> Result<()> {
    let Some(now) = volumes::lock(tx, &volume.id)? else { return Ok(()) };
    let rule = if is_attached(&now) { &UPLOAD_ATTACHED } else { &UPLOAD };
    volumes::finish(tx, &volume.id, rule, Outcome::Done, &[])?;
    attachments::settle(tx, &volume.id)
}

/// The data of the image as a file.
fn content(job: &Job<'_>, driver: &dyn Driver, volume: &Volume, format: Format, upload: &Upload) -> Result<File> {
    let (settings, name) = (&job.shared.images, job.volume_name(volume));
    if settings.no_conversion && upload.disk_format != format.name() {
        let text = format!("Image conversion is disabled, and the volume is {}.", format.name());
        return Err(Error::invalid(text));
    }
    let mut attempt = 1;
    loop {
        let content = driver.read_content(stored(&name, volume, format))?;
        let file = match upload.disk_format.as_str() {
            "raw" if !content.is_watched() => return Ok(content.file),
            "raw" => copy_data(settings, &content.file)?,
            format => export(settings, &content.file, format)?,
        };
        match content.check_rest() {
            Ok(()) => return Ok(file),
            Err(error) if attempt == ATTEMPTS => return Err(error),
            Err(error) => log::info!("volume {} is read anew: {error}", volume.id),
        }
        attempt += 1;
    }
}

fn glance(job: &Job<'_>, upload: &Upload) -> Result<Glance> {
    Glance::of_order(&job.shared.config, &upload.image.access, &job.order.requester.request_id)
}

fn send(job: &Job<'_>, upload: &Upload, file: &File) -> Result<()> {
    let unreadable = |error: &io::Error| Error::unavailable("The backend's storage fails.", error);
    let bytes = file.metadata().map_err(|error| unreadable(&error))?.len();
    let store = upload.store_id.as_deref().map(|id| ("x-image-meta-store", id));
    let base = upload.base_image_id.as_deref().map(|id| ("x-openstack-base-image-ref", id));
    let headers: Vec<(&'static str, &str)> = store.into_iter().chain(base).collect();
    let database = job.shared.database.clone();
    let mut open = || -> Result<Box<dyn Read>> {
        let (database, id) = (database.clone(), job.order.volume_id.clone());
        let wanted = move || -> io::Result<bool> {
            let found =
                database.read(|c| volumes::by_id(c, &id)).map_err(|error| io::Error::other(error.to_string()))?;
            Ok(found.is_some_and(|volume| volume.status == Status::Uploading))
        };
        let file = file.try_clone().map_err(|error| unreadable(&error))?;
        Ok(Box::new(Sent { file, at: 0, looked: Instant::now(), wanted: Box::new(wanted) }))
    };
    glance(job, upload)?.upload(&upload.image.id, bytes, &mut open, &headers)
}

/// Removes the image where it has no data: nobody will give it any.
fn discard(job: &Job<'_>, upload: &Upload) {
    if let Err(error) = glance(job, upload).and_then(|glance| glance.discard(&upload.image.id)) {
        log::warn!("image {} is left without data: {error}", upload.image.id);
    }
}

/// Reads a file from its beginning, as long as somebody wants that.
struct Sent {
    file: File,
    at: u64,
    looked: Instant,
    wanted: Box<dyn Fn() -> io::Result<bool>>,
}

impl Read for Sent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.looked.elapsed() >= LOOK {
            if !(self.wanted)()? {
                return Err(io::Error::other("the volume's status was changed while its image was made"));
            }
            self.looked = Instant::now();
        }
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
