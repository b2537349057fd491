//! Bringing an image into a volume: its data are streamed from Glance, compared with their length and hash, looked at, and
//! written as raw bytes; what is raw already goes straight into the volume's new file.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::convert::{NO_SPACE, disk_bytes, into_raw, qemu_name, scratch};
use super::{Settings, inspect};
use crate::block_storage::glance::Glance;
use crate::block_storage::model::image::Image;
use crate::block_storage::store::messages::Event;
use crate::block_storage::volume::drivers::Format;
use crate::block_storage::volume::events::{self, Trouble};
use crate::block_storage::volume::luks::{self, Cover, Disk};
use crate::error::{Error, Kind, Result};
use crate::service::fault;

/// Bytes that are looked at for being zeros.
const BLOCK: usize = 64 << 10;
static ZEROS: [u8; BLOCK] = [0; BLOCK];
/// How often it is looked whether the volume still waits.
const LOOK: Duration = Duration::from_secs(1);

/// The properties of a signed image.
const SIGNATURE: [&str; 4] =
    ["img_signature", "img_signature_hash_method", "img_signature_certificate_uuid", "img_signature_key_type"];

/// How an image becomes the content of an encrypted volume.
pub(in super::super) struct Covers {
    /// The volume's key.
    pub(in super::super) volume: Cover,
    /// The key of an image that is encrypted otherwise.
    pub(in super::super) image: Option<Cover>,
}

/// One image for one volume.
pub(in super::super) struct Fetch<'a> {
    pub(in super::super) settings: &'a Settings,
    pub(in super::super) glance: &'a Glance,
    pub(in super::super) image: &'a Image,
    pub(in super::super) size_gib: i64,
    /// `None`: what is in the image is written as it is.
    pub(in super::super) covers: Option<Covers>,
    /// Fails where the volume no longer waits for the image.
    pub(in super::super) go_on: &'a dyn Fn() -> Result<()>,
    trouble: Cell<Trouble>,
}

impl<'a> Fetch<'a> {
    pub(in super::super) fn new(
        settings: &'a Settings,
        glance: &'a Glance,
        image: &'a Image,
        (size_gib, covers): (i64, Option<Covers>),
        go_on: &'a dyn Fn() -> Result<()>,
    ) -> Self {
        Self { settings, glance, image, size_gib, covers, go_on, trouble: Cell::new(Trouble::Other) }
    }

    /// What the user is told after a failure, in terms of what was being done.
    pub(in super::super) fn event(&self, action: &'static str) -> Event {
        events::image(action, self.trouble.get())
    }

    /// What can be known before any data arrive. `format` is that of the volume.
    ///
    /// # Errors
    /// With Cinder's words, for the log.
    pub(in super::super) fn check(&self, format: Format) -> Result<()> {
        let image = self.image;
        if let Some(why) = image.misfit(self.size_gib) {
            let active = image.status == "active";
            return Err(self.failed(if active { Trouble::TooLarge } else { Trouble::Unreadable }, Error::invalid(why)));
        }
        let own = image.disk_format.as_deref().unwrap_or_default();
        if self.settings.no_conversion && own != format.name() {
            let text = format!("Image conversion is disabled, and {} is {own}, not {}.", image.id, format.name());
            return Err(self.failed(Trouble::Format, Error::invalid(text)));
        }
        if image.container_format.as_deref() == Some("compressed") {
            return Err(self.unacceptable("Image compression disallowed, but container_format is compressed."));
        }
        if self.settings.signatures && SIGNATURE.iter().any(|name| image.property(name).is_some()) {
            let text = format!("The signature of image {} can not be verified here.", image.id);
            return Err(self.failed(Trouble::Signature, Error::invalid(text)));
        }
        Ok(())
    }

    /// Whether the volume is to say that its image had no signature.
    pub(in super::super) fn says_unsigned(&self) -> bool {
        self.settings.signatures
    }

    /// Writes the disk in the image into `raw`, which has the length of the volume and holds zeros.
    ///
    /// # Errors
    /// `Unavailable` where Glance or the storage fails, `Conflict` where the data are not what Glance promised, `Invalid`
    /// where they are nothing that may be taken.
    pub(in super::super) fn fill(&self, raw: &File) -> Result<()> {
        let claimed = qemu_name(self.image.disk_format.as_deref().unwrap_or_default());
        // An image of Amazon's is a raw disk or not, nobody says.
        let claimed = if claimed.eq_ignore_ascii_case("ami") { None } else { Some(claimed) };
        if claimed == Some("raw") && self.covers.is_none() {
            self.download(raw)?;
            return self.accept(raw, claimed).map(|_| ());
        }
        let image = scratch(&self.settings.folder).map_err(|error| self.storage(error))?;
        self.download(&image)?;
        let (format, bytes) = self.accept(&image, claimed)?;
        (self.go_on)()?;
        let Some(covers) = &self.covers else {
            return into_raw(self.settings, &image, format, raw).map_err(|error| self.storage(error));
        };
        let disk = Disk { file: &image, format, bytes, cover: covers.image.as_ref() };
        let encrypted = luks::encrypt(&disk, &covers.volume, (raw, self.size_gib), self.settings.timeout);
        encrypted.map_err(|error| match error.kind() {
            Kind::Invalid => self.failed(Trouble::TooLarge, error),
            _ => self.storage(error),
        })
    }

    /// Looks at an image that has arrived; its format, and the size of the disk in it.
    fn accept(&self, file: &File, claimed: Option<&str>) -> Result<(&'static str, u64)> {
        fault::point("image.after_download");
        let format = inspect::format(file, &self.settings.vmdk_types).map_err(|why| self.unacceptable(&why))?;
        if let Some(claimed) = claimed.filter(|claimed| *claimed != format) {
            return Err(self.unacceptable(&format!(
                "The image format was claimed to be '{claimed}' but the image data appears to be in a different format."
            )));
        }
        if format == "raw" {
            let found = file.metadata().map_err(|error| self.storage(failed(&error)))?;
            return Ok((format, found.len()));
        }
        let bytes = disk_bytes(file, format)?.map_err(|why| self.unacceptable(&why))?;
        match self.image.does_not_fit(bytes, self.size_gib) {
            Some(why) => Err(self.failed(Trouble::TooLarge, Error::invalid(why))),
            None => Ok((format, u64::try_from(bytes).unwrap_or(0))),
        }
    }

    /// Streams the data into a file; what is zeros stays a hole.
    fn download(&self, file: &File) -> Result<()> {
        let (at, dirty) = (Cell::new(0_u64), Cell::new(0_u64));
        let looked = Cell::new(Instant::now());
        let mut begin = || {
            // What an attempt has written must be written over by the next one, be it with zeros.
            dirty.set(dirty.get().max(at.replace(0)));
            (self.go_on)()
        };
        let mut take = |piece: &[u8]| {
            if looked.get().elapsed() >= LOOK {
                (self.go_on)()?;
                looked.set(Instant::now());
            }
            for block in piece.chunks(BLOCK) {
                let start = at.get();
                at.set(start + block.len() as u64);
                if start < dirty.get() || ZEROS.get(..block.len()) != Some(block) {
                    file.write_all_at(block, start).map_err(|error| self.storage(failed(&error)))?;
                }
            }
            Ok(())
        };
        let done = self.glance.download(self.image, &mut begin, &mut take);
        done.map_err(|error| match error.kind() {
            _ if self.trouble.get() != Trouble::Other => error,
            Kind::Conflict => self.failed(Trouble::Corrupt, error),
            _ => self.failed(Trouble::Unreadable, error),
        })?;
        // The last bytes may have been a hole.
        let found = file.metadata().map_err(|error| self.storage(failed(&error)))?;
        if found.is_file() && found.len() < at.get() {
            file.set_len(at.get()).map_err(|error| self.storage(failed(&error)))?;
        }
        Ok(())
    }

    fn unacceptable(&self, why: &str) -> Error {
        let text = format!("Image {} is unacceptable: {why}", self.image.id);
        self.failed(Trouble::Unacceptable, Error::invalid(text))
    }

    /// An error of a folder or of QEMU's program.
    fn storage(&self, error: Error) -> Error {
        let trouble = if error.public() == NO_SPACE { Trouble::TooLarge } else { Trouble::Unconverted };
        self.failed(trouble, error)
    }

    /// Keeps what is to be told, unless something was told already.
    fn failed(&self, trouble: Trouble, error: Error) -> Error {
        if self.trouble.get() == Trouble::Other {
            self.trouble.set(trouble);
        }
        error
    }
}

fn failed(error: &io::Error) -> Error {
    let public = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => NO_SPACE,
        _ => "The backend's storage fails.",
    };
    Error::unavailable(public, format!("can not write an image: {error}"))
}
