//! Volumes as files in one folder: raw or qcow2, thin by default. A snapshot is a file of its own, which shares its blocks
//! with the volume where the file system can; where it can not, it is inside the file of a qcow2 volume that nobody uses,
//! so that no data are copied. Sections 2 and 8 of the architecture: a step writes a hidden file, flushes it and renames it
//! into place, so that a name is either whole or not there. Not here: how bytes are copied (`copy.rs`), what the formats
//! ask of QEMU (`image.rs`), what is in an image besides the volume (`inside.rs`).

mod content;
mod folder;
mod image;
mod inside;
mod qcow2;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;
use serde_json::{Map, Value as Json, json};

use self::folder::Folder;
use self::inside::Inside;
use super::content::path_of;
use super::copy;
use super::{Capacity, Connection, Content, Driver, Format, Found, Inventory, Stored, Traits};
use crate::block_storage::model::pool::{Capability, Space};
use crate::config::{Config, backend, default};
use crate::error::{Error, Result};
use crate::service::threads;

/// How long a file is left alone that could not be tended.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes in one GiB.
const GIB: u64 = 1 << 30;

/// Where snapshots of qcow2 volumes are, of which the space is taken when it is written. All others are files of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshots {
    /// In files of their own where the file system shares blocks, else in the file of the volume.
    Auto,
    /// In files of their own.
    Files,
    /// In the file of the volume.
    Internal,
}

/// The file driver of one backend.
pub struct FileDriver {
    folder: Folder,
    /// The format of new volumes that are not copies.
    format: Format,
    /// Whether volumes take their space when it is written.
    thin: bool,
    snapshots: Snapshots,
    /// How long a call of `qemu-img` may take.
    timeout: Duration,
    /// When those files may be tended again that could not be.
    untendable: Mutex<HashMap<String, Instant>>,
    /// Where other hosts mount the folder, as NFS names it.
    export: Option<String>,
    /// With which options they do.
    mount_options: Option<String>,
}

impl FileDriver {
    /// The driver that the section `backend` describes. Touches nothing yet.
    ///
    /// # Errors
    /// `Invalid` where an option is wrong.
    pub fn open(config: &Config, backend: &str) -> Result<Self> {
        let path = match config.text_in(backend, &backend::HEARTH_FILE_PATH) {
            "" => PathBuf::from(config.text(&default::STATE_PATH)).join("volumes").join(backend),
            path => PathBuf::from(path),
        };
        if !path.is_absolute() {
            return Err(Error::invalid(format!("[{backend}] hearth_file_path: {} is not absolute.", path.display())));
        }
        let qcow2 = config.boolean_in(backend, &backend::NFS_QCOW2_VOLUMES);
        let thin = config.boolean_in(backend, &backend::NFS_SPARSED_VOLUMES);
        let own = |opt| config.opt_text_in(backend, opt).filter(|text| !text.is_empty()).map(str::to_owned);
        let driver = Self::new(path, if qcow2 { Format::Qcow2 } else { Format::Raw }, thin);
        let (export, mount_options) = (own(&backend::HEARTH_FILE_EXPORT), own(&backend::NFS_MOUNT_OPTIONS));
        let snapshots = match config.text_in(backend, &backend::HEARTH_FILE_SNAPSHOTS) {
            "files" => Snapshots::Files,
            "internal" => Snapshots::Internal,
            _ => Snapshots::Auto,
        };
        Ok(Self { export, mount_options, ..driver.keeping(snapshots) })
    }

    /// A driver over the folder `path`.
    pub fn new(path: PathBuf, format: Format, thin: bool) -> Self {
        Self {
            folder: Folder::new(path),
            format,
            thin,
            snapshots: Snapshots::Auto,
            timeout: Duration::from_secs(3600),
            untendable: Mutex::default(),
            export: None,
            mount_options: None,
        }
    }

    /// The same driver with snapshots there.
    #[must_use]
    pub fn keeping(self, snapshots: Snapshots) -> Self {
        Self { snapshots, ..self }
    }

    fn inside(&self) -> Inside<'_> {
        Inside { folder: &self.folder, image: self.image(Format::Qcow2) }
    }

    fn image(&self, format: Format) -> image::Image {
        image::Image { format, thin: self.thin, timeout: self.timeout }
    }

    /// Copies `source` to a new file that replaces `name`, with at least `bytes` bytes and without the snapshots that are
    /// inside the source.
    fn copy(&self, name: &str, bytes: u64, source: Stored<'_>) -> Result<()> {
        if !self.copy_shared(name, bytes, source)? {
            self.copy_data(name, bytes, source)?;
        }
        Ok(())
    }

    /// As [`FileDriver::copy`], without any data; `false` where the file system can not.
    fn copy_shared(&self, name: &str, bytes: u64, source: Stored<'_>) -> Result<bool> {
        let from = self.folder.open(source.name)?;
        let inner = self.inside().names(source)?;
        if inner.iter().any(|one| one == source.name) {
            return Ok(false);
        }
        let image = self.image(source.format);
        self.folder.replace_if(name, |path, file| {
            if !copy::share(&from, file)? {
                return Ok(false);
            }
            inner.iter().try_for_each(|one| image.snapshot("-d", one, path))?;
            image.grow(path, file, bytes).map(|()| true)
        })
    }

    fn copy_data(&self, name: &str, bytes: u64, source: Stored<'_>) -> Result<()> {
        let from = self.folder.open(source.name)?;
        let inner = self.inside().names(source)?;
        let image = self.image(source.format);
        if source.attached {
            return Err(Error::unavailable(
                "The volume is attached, and its backend can not copy it at one moment.",
                format!("{} is on a file system without reflinks", self.folder.path(source.name)?.display()),
            ));
        }
        self.folder.replace(name, |path, file| {
            if inner.iter().any(|one| one == source.name) {
                return image.extract(source.name, &path_of(&from), (path, file), bytes);
            }
            if inner.is_empty() {
                copy::copy_data(&from, file)?;
            } else {
                image.convert(&path_of(&from), Format::Qcow2, path, Format::Qcow2)?;
            }
            image.grow(path, file, bytes)
        })
    }
}

impl Driver for FileDriver {
    fn acquire(&self) -> Result<bool> {
        self.folder.acquire()
    }

    fn check(&self) -> Result<()> {
        self.folder.check()?;
        if self.format == Format::Qcow2 { image::check_program() } else { Ok(()) }
    }

    fn sweep(&self) -> Result<usize> {
        self.folder.sweep()
    }

    fn create_volume(&self, name: &str, size_gib: i64) -> Result<Format> {
        let bytes = bytes(size_gib)?;
        self.folder.replace(name, |path, file| self.image(self.format).create(path, file, bytes))?;
        Ok(self.format)
    }

    fn copy_volume(&self, name: &str, size_gib: i64, source: Stored<'_>) -> Result<Format> {
        self.copy(name, bytes(size_gib)?, source)?;
        Ok(source.format)
    }

    fn import_volume(&self, name: &str, size_gib: i64, content: &Content) -> Result<Format> {
        let bytes = bytes(size_gib)?.max(content.bytes);
        let image = self.image(self.format);
        self.folder.replace(name, |path, file| content::import((path, file), bytes, &image, content))?;
        Ok(self.format)
    }

    fn delete_volume(&self, name: &str) -> Result<()> {
        self.folder.remove(name)?;
        self.folder.unmark(name)
    }

    fn extend_volume(&self, volume: Stored<'_>, size_gib: i64) -> Result<()> {
        let file = self.folder.open(volume.name)?;
        self.image(volume.format).grow(&self.folder.path(volume.name)?, &file, bytes(size_gib)?)?;
        file.sync_all().map_err(|error| self.folder.failed("flush", volume.name, &error))
    }

    fn create_snapshot(&self, name: &str, volume: Stored<'_>) -> Result<()> {
        let bytes = bytes(volume.size_gib)?;
        if volume.format == Format::Raw {
            return self.copy(name, bytes, volume);
        }
        // What an earlier attempt made may be of the other kind.
        self.inside().remove(Stored { name, ..volume }, volume)?;
        // Whoever has taken all space beforehand need none later. Inside, the volume would: for what is written after.
        let inside = self.snapshots != Snapshots::Files && self.thin && !volume.attached;
        let is_first = inside && self.snapshots == Snapshots::Internal;
        if !is_first && self.copy_shared(name, bytes, volume)? || inside && self.inside().create(name, volume)? {
            return Ok(());
        }
        self.copy_data(name, bytes, volume)
    }

    fn delete_snapshot(&self, snapshot: Stored<'_>, volume: Stored<'_>) -> Result<()> {
        match snapshot.format {
            Format::Raw => self.folder.remove(snapshot.name),
            Format::Qcow2 => self.inside().remove(snapshot, volume),
        }
    }

    fn give_up_snapshot(&self, snapshot: Stored<'_>, volume: Stored<'_>) -> Result<()> {
        let bytes = bytes(snapshot.size_gib)?;
        self.inside().take_out(snapshot, volume, || self.copy(snapshot.name, bytes, snapshot))
    }

    fn revert_volume(&self, volume: Stored<'_>, snapshot: Stored<'_>) -> Result<()> {
        let bytes = bytes(snapshot.size_gib)?;
        if self.inside().revert(volume, snapshot)? {
            return Ok(());
        }
        self.inside().leave(volume, || self.copy(volume.name, bytes, snapshot))
    }

    fn untended(&self) -> Result<Vec<String>> {
        let marked = self.folder.all_marked()?;
        let mut untendable = threads::lock(&self.untendable);
        untendable.retain(|_, until| *until > Instant::now());
        Ok(marked.into_iter().filter(|name| !untendable.contains_key(name)).collect())
    }

    fn tend_volume(&self, volume: Stored<'_>) -> Result<()> {
        if volume.attached || !self.folder.is_marked(volume.name)? {
            return Ok(());
        }
        let tended = self.inside().tend(volume.name);
        if tended.is_err() {
            threads::lock(&self.untendable).insert(volume.name.to_owned(), Instant::now() + PATIENCE);
        }
        tended
    }

    fn local_path(&self, name: &str) -> Result<PathBuf> {
        self.folder.path(name)
    }

    fn connect(&self, volume: Stored<'_>, _: &Json) -> Result<Connection> {
        // A connection to nothing would only be found out by the host.
        self.folder.open(volume.name)?;
        if let Some(export) = &self.export {
            let data = [("export", &**export), ("name", volume.name), ("format", volume.format.name())];
            let mut data = texts(data);
            data.extend(self.mount_options.as_deref().map(|options| ("options".to_owned(), json!(options))));
            return Ok(Connection { driver_volume_type: "nfs", data });
        }
        if volume.format != Format::Raw {
            return Err(Error::unavailable(
                "The backend can not tell hosts how to read this volume.",
                format!("{} is {}, which needs hearth_file_export", volume.name, volume.format.name()),
            ));
        }
        let path = self.folder.path(volume.name)?;
        let data = [("name", volume.name), ("device_path", &*path.to_string_lossy()), ("format", volume.format.name())];
        // Of the types that name a path, Nova opens that of "local" as a block device, and that of "gpfs" as a file.
        Ok(Connection { driver_volume_type: "gpfs", data: texts(data) })
    }

    fn disconnect(&self, _: &str, _: Option<&Json>, _: bool) -> Result<()> {
        // Who reaches a file is the file system's affair.
        Ok(())
    }

    fn read_content(&self, stored: Stored<'_>) -> Result<Content> {
        let (file, image) = (self.folder.open(stored.name)?, self.image(stored.format));
        if self.inside().holds(stored)? {
            return content::read_inside(&file, stored, bytes(stored.size_gib)?, self.folder.root(), &image);
        }
        content::read(file, stored, self.folder.root(), &image)
    }

    fn write_content(&self, volume: Stored<'_>, length: u64, fill: &dyn Fn(&File) -> Result<()>) -> Result<()> {
        let (image, size) = (self.image(volume.format), bytes(volume.size_gib)?);
        // What lies beyond the new content stays.
        let old = if length < size { Some(self.read_content(Stored { attached: false, ..volume })?) } else { None };
        let write = |path: &Path, file: &File| {
            content::write((path, file), size, self.folder.root(), &image, &|raw| {
                fill(raw)?;
                match &old {
                    Some(old) => copy::copy_range_of_data(&old.file, raw, length, size),
                    None => Ok(()),
                }
            })
        };
        self.inside().leave(volume, || self.folder.replace_content(volume.name, write))
    }

    fn forget_content(&self, name: &str) -> Result<()> {
        self.folder.forget_content(name)
    }

    fn found(&self) -> Result<Vec<Found>> {
        let names = self.folder.inventory()?.names;
        // What has gone meanwhile, and what is no plain file, could not be taken over.
        let found = |name: String| self.folder.length(&name).ok().map(|bytes| Found { name, bytes });
        Ok(names.into_iter().filter_map(found).collect())
    }

    fn examine(&self, name: &str) -> Result<u64> {
        let bytes = self.folder.length(name)?;
        let mut start = [0; 4];
        let file = self.folder.open(name)?;
        if file.read_exact_at(&mut start, 0).is_ok() && start == qcow2::MAGIC {
            // Its header could name any other file of this machine.
            return Err(Error::invalid(format!("{name} is a qcow2 image: convert it to raw first.")));
        }
        Ok(bytes)
    }

    fn adopt(&self, from: &str, to: &str, size_gib: i64) -> Result<Format> {
        self.folder.adopt(from, to)?;
        let file = self.folder.open(to)?;
        self.image(Format::Raw).grow(&self.folder.path(to)?, &file, bytes(size_gib)?)?;
        file.sync_all().map_err(|error| self.folder.failed("flush", to, &error))?;
        Ok(Format::Raw)
    }

    fn capacity(&self) -> Result<Capacity> {
        let place = statvfs(self.folder.root()).map_err(|error| self.folder.failed("measure", "", &error.into()))?;
        let gib = |blocks: u64| Space::Gib(round(blocks as f64 * place.f_frsize as f64 / GIB as f64));
        Ok(Capacity { total: gib(place.f_blocks), free: gib(place.f_bavail) })
    }

    fn traits(&self) -> Traits {
        Traits {
            protocol: "file",
            thin: self.thin,
            online_extend: self.format == Format::Raw,
            other: vec![
                ("multiattach".to_owned(), Capability::Boolean(self.format == Format::Raw)),
                ("sparse_copy_volume".to_owned(), Capability::Boolean(true)),
                ("QoS_support".to_owned(), Capability::Boolean(false)),
            ],
        }
    }

    fn inventory(&self) -> Result<Inventory> {
        self.folder.inventory()
    }
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> Map<String, Json> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()
}

fn bytes(gib: i64) -> Result<u64> {
    let gib = u64::try_from(gib).ok().filter(|gib| *gib > 0);
    gib.and_then(|gib| gib.checked_mul(GIB)).ok_or_else(|| Error::internal("a size is out of range"))
}

/// Two digits after the point, as Cinder reports capacities.
fn round(gib: f64) -> f64 {
    (gib * 100.0).round() / 100.0
}
