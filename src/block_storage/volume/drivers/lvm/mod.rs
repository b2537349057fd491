//! Volumes as thin logical volumes of one pool, by the commands of lvm2: snapshots and copies share their blocks and take
//! no time. What replaces a volume is made under a name of its own and renamed, as files are. Not here: the commands
//! themselves (`commands.rs`), and how hosts reach the volumes (`targets/`).
//!
//! Tested against recorded commands (`recorded.rs`), and on a real volume group where the kernel has device-mapper
//! (`tests/volume_service/logical_volumes.rs`).

mod commands;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Mutex;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde_json::{Map, Value as Json, json};

use self::commands::{COLUMNS, Commands, Logical, Lvm2, parse};
use super::content::failed;
use super::{Capacity, Connection, Content, Driver, Format, Found, Inventory, Stored, Traits};
use crate::block_storage::model::pool::{Capability, Space};
use crate::config::{Config, backend, default};
use crate::error::{Error, Result};
use crate::service::threads;

/// Bytes in one GiB.
const GIB: u64 = 1 << 30;
/// How names begin that lvm2 keeps for itself, and so those of snapshots can not, and what stands before them, as in Cinder.
const RESERVED: (&str, &str) = ("snapshot", "_");
/// How the names of unfinished volumes begin.
const UNFINISHED: &str = "hearth-part-";
/// How the names of unfinished content begin that comes from elsewhere.
const CONTENT: &str = "hearth-content-";

/// The driver of one volume group.
pub struct LvmDriver {
    group: String,
    pool: String,
    /// Where the devices of volume groups are.
    devices: PathBuf,
    /// Whose lock is the possession of the pool.
    lock_path: PathBuf,
    lock: Mutex<Option<File>>,
    commands: Box<dyn Commands>,
}

impl LvmDriver {
    /// The driver that the section `backend` describes. Touches nothing yet.
    ///
    /// # Errors
    /// `Invalid` where an option is wrong.
    pub fn open(config: &Config, backend: &str) -> Result<Self> {
        let group = config.text_in(backend, &backend::VOLUME_GROUP);
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "+_.-".contains(letter);
        if group.is_empty() || group.starts_with('-') || !group.chars().all(plain) {
            return Err(Error::invalid(format!(
                "[{backend}] volume_group = {group}: that is no name of a volume group."
            )));
        }
        if config.text_in(backend, &backend::LVM_TYPE) == "default" {
            return Err(Error::invalid(format!("[{backend}] lvm_type = default: thin volumes alone are made.")));
        }
        let locks = PathBuf::from(config.text(&default::STATE_PATH)).join("locks");
        Ok(Self {
            group: group.to_owned(),
            // Cinder's name for it.
            pool: format!("{group}-pool"),
            devices: PathBuf::from("/dev"),
            lock_path: locks.join(format!("lvm-{group}.lock")),
            lock: Mutex::default(),
            commands: Box::new(Lvm2),
        })
    }

    fn run(&self, name: &'static str, arguments: &[&str]) -> Result<()> {
        threads::about_to_wait();
        self.commands.run(name, arguments).map(drop)
    }

    /// `group/volume`, as the commands take it.
    fn full(&self, logical: &str) -> String {
        format!("{}/{logical}", self.group)
    }

    fn all(&self) -> Result<Vec<Logical>> {
        threads::about_to_wait();
        let arguments = ["--reportformat", "json", "--units", "b", "--nosuffix", "--options", COLUMNS, &self.group];
        parse(&self.commands.run("lvs", &arguments)?)
    }

    fn find(&self, logical: &str) -> Result<Option<Logical>> {
        Ok(self.all()?.into_iter().find(|found| found.name == logical))
    }

    fn require(&self, name: &str) -> Result<Logical> {
        let logical = escaped(name);
        self.find(&logical)?.ok_or_else(|| {
            Error::unavailable("A volume of the backend is missing.", format!("{} is not there", self.full(&logical)))
        })
    }

    fn remove(&self, logical: &str) -> Result<()> {
        if self.find(logical)?.is_some() {
            self.run("lvremove", &["--yes", &self.full(logical)])?;
        }
        Ok(())
    }

    /// Makes an empty volume in place of what is there.
    fn make(&self, logical: &str, bytes: u64) -> Result<()> {
        self.remove(logical)?;
        let (size, pool) = (format!("{bytes}b"), self.full(&self.pool));
        self.run("lvcreate", &["--yes", "--thin", "--virtualsize", &size, "--name", logical, &pool])?;
        Ok(())
    }

    /// Makes a volume that shares its blocks with another one, in place of what is there, and is used as any other.
    fn share(&self, logical: &str, source: &str) -> Result<()> {
        self.remove(logical)?;
        let source = self.full(&escaped(source));
        self.run("lvcreate", &["--yes", "--snapshot", "--setactivationskip", "n", "--name", logical, &source])?;
        Ok(())
    }

    fn grow(&self, logical: &str, bytes: u64) -> Result<()> {
        let now = self.find(logical)?.map_or(0, |found| found.bytes);
        if now < bytes { self.run("lvextend", &["--size", &format!("{bytes}b"), &self.full(logical)]) } else { Ok(()) }
    }

    /// Gives a finished volume its name, in place of the volume that has it.
    fn put(&self, unfinished: &str, name: &str) -> Result<()> {
        let logical = escaped(name);
        self.remove(&logical)?;
        self.run("lvrename", &[&self.group, unfinished, &logical])?;
        Ok(())
    }

    /// Makes `name` with what `fill` makes under another name; where that fails nothing is left of it.
    fn replace(&self, unfinished: &str, name: &str, fill: impl FnOnce() -> Result<()>) -> Result<()> {
        let done = fill().and_then(|()| self.put(unfinished, name));
        if let (Err(_), Err(error)) = (&done, if done.is_err() { self.remove(unfinished) } else { Ok(()) }) {
            log::error!("{} stays: {error}", self.full(unfinished));
        }
        done
    }

    fn device(&self, logical: &str) -> PathBuf {
        self.devices.join(&self.group).join(logical)
    }

    fn open_device(&self, logical: &str) -> Result<File> {
        OpenOptions::new().read(true).write(true).open(self.device(logical)).map_err(|error| failed(&error))
    }
}

impl Driver for LvmDriver {
    fn acquire(&self) -> Result<bool> {
        let mut lock = threads::lock(&self.lock);
        if lock.is_some() {
            return Ok(true);
        }
        if let Some(folder) = self.lock_path.parent() {
            fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        }
        let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o660).open(&self.lock_path);
        let file = made.map_err(|error| failed(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(failed(&error.into())),
        }
        if self.find(&self.pool)?.is_none() {
            // As Cinder does; the rest is for the pool's own metadata.
            let arguments = ["--yes", "--type", "thin-pool", "--extents", "95%FREE", "--name", &self.pool, &self.group];
            self.run("lvcreate", &arguments)?;
        }
        // After a restart of the machine some may be inactive.
        self.run("vgchange", &["--activate", "y", "--ignoreactivationskip", &self.group])?;
        *lock = Some(file);
        Ok(true)
    }

    fn check(&self) -> Result<()> {
        match self.find(&self.pool)? {
            Some(_) => Ok(()),
            None => {
                Err(Error::unavailable("The backend's pool is missing.", format!("{} is gone", self.full(&self.pool))))
            }
        }
    }

    fn sweep(&self) -> Result<usize> {
        let leftovers = self.inventory()?.leftovers;
        for name in &leftovers {
            self.remove(name)?;
            log::info!("removed the unfinished volume {name} from {}", self.group);
        }
        Ok(leftovers.len())
    }

    fn create_volume(&self, name: &str, size_gib: i64) -> Result<Format> {
        self.make(&escaped(name), bytes(size_gib)?)?;
        Ok(Format::Raw)
    }

    fn copy_volume(&self, name: &str, size_gib: i64, source: Stored<'_>) -> Result<Format> {
        self.require(source.name)?;
        let unfinished = format!("{UNFINISHED}{name}");
        self.replace(&unfinished, name, || {
            self.share(&unfinished, source.name)?;
            self.grow(&unfinished, bytes(size_gib)?)
        })?;
        Ok(Format::Raw)
    }

    fn import_volume(&self, name: &str, size_gib: i64, content: &Content) -> Result<Format> {
        let unfinished = format!("{UNFINISHED}{name}");
        self.replace(&unfinished, name, || {
            self.make(&unfinished, bytes(size_gib)?.max(content.bytes))?;
            let device = self.open_device(&unfinished)?;
            super::copy::copy_range_of_data(&content.file, &device, 0, content.bytes)?;
            device.sync_all().map_err(|error| failed(&error))?;
            content.check_rest()
        })?;
        Ok(Format::Raw)
    }

    fn delete_volume(&self, name: &str) -> Result<()> {
        self.remove(&escaped(name))
    }

    fn extend_volume(&self, volume: Stored<'_>, size_gib: i64) -> Result<()> {
        self.require(volume.name)?;
        self.grow(&escaped(volume.name), bytes(size_gib)?)
    }

    fn create_snapshot(&self, name: &str, volume: Stored<'_>) -> Result<()> {
        self.require(volume.name)?;
        self.share(&escaped(name), volume.name)
    }

    fn delete_snapshot(&self, snapshot: Stored<'_>, _: Stored<'_>) -> Result<()> {
        self.remove(&escaped(snapshot.name))
    }

    fn revert_volume(&self, volume: Stored<'_>, snapshot: Stored<'_>) -> Result<()> {
        // Merging would use the snapshot up, and could not be repeated after a crash.
        self.copy_volume(volume.name, snapshot.size_gib, snapshot).map(drop)
    }

    fn local_path(&self, name: &str) -> Result<PathBuf> {
        if name.is_empty() || name.starts_with(['.', '-']) || name.contains(['/', '\0']) {
            return Err(Error::internal(format!("{name:?} is no name of a volume")));
        }
        Ok(self.device(&escaped(name)))
    }

    fn target_protocol(&self) -> Option<&'static str> {
        Some("iscsi")
    }

    fn connect(&self, volume: Stored<'_>, _: &Json) -> Result<Connection> {
        self.require(volume.name)?;
        let path = json!(self.local_path(volume.name)?.to_string_lossy());
        Ok(Connection { driver_volume_type: "local", data: Map::from_iter([("device_path".to_owned(), path)]) })
    }

    fn disconnect(&self, _: &str, _: Option<&Json>, _: bool) -> Result<()> {
        Ok(())
    }

    fn read_content(&self, stored: Stored<'_>) -> Result<Content> {
        let found = self.require(stored.name)?;
        if stored.attached {
            return Err(Error::unavailable(
                "The volume is attached, and its backend can not copy it at one moment.",
                format!("{} is a device, which does not tell whether it was written to: make a snapshot", found.name),
            ));
        }
        Ok(Content::of_device(self.open_device(&found.name)?, found.bytes))
    }

    fn write_content(&self, volume: Stored<'_>, length: u64, fill: &dyn Fn(&File) -> Result<()>) -> Result<()> {
        let old = self.require(volume.name)?;
        let unfinished = format!("{CONTENT}{}", volume.name);
        self.replace(&unfinished, volume.name, || {
            self.make(&unfinished, bytes(volume.size_gib)?.max(old.bytes))?;
            let device = self.open_device(&unfinished)?;
            fill(&device)?;
            // What lies beyond the new content stays.
            if length < old.bytes {
                super::copy::copy_range_of_data(&self.open_device(&old.name)?, &device, length, old.bytes)?;
            }
            device.sync_all().map_err(|error| failed(&error))
        })
    }

    fn forget_content(&self, name: &str) -> Result<()> {
        self.remove(&format!("{CONTENT}{name}"))
    }

    fn found(&self) -> Result<Vec<Found>> {
        let own = |found: &Logical| found.pool == self.pool && !is_unfinished(&found.name);
        let all = self.all()?.into_iter().filter(own);
        Ok(all.map(|found| Found { name: unescaped(&found.name), bytes: found.bytes }).collect())
    }

    fn examine(&self, name: &str) -> Result<u64> {
        let found = self.find(&escaped(name))?.filter(|found| found.pool == self.pool && !is_unfinished(&found.name));
        found.map(|found| found.bytes).ok_or_else(|| Error::invalid(format!("{name} is not on the backend.")))
    }

    fn adopt(&self, from: &str, to: &str, size_gib: i64) -> Result<Format> {
        if self.find(&escaped(to))?.is_none() {
            self.run("lvrename", &[&self.group, &escaped(from), &escaped(to)])?;
        }
        self.grow(&escaped(to), bytes(size_gib)?)?;
        Ok(Format::Raw)
    }

    fn capacity(&self) -> Result<Capacity> {
        let pool = self.require(&self.pool)?;
        let gib = |bytes: f64| Space::Gib((bytes / GIB as f64 * 100.0).round() / 100.0);
        let total = pool.bytes as f64;
        Ok(Capacity { total: gib(total), free: gib(total * (10_000 - pool.used.min(10_000)) as f64 / 10_000.0) })
    }

    fn traits(&self) -> Traits {
        Traits {
            protocol: "local",
            thin: true,
            online_extend: true,
            other: vec![
                ("multiattach".to_owned(), Capability::Boolean(true)),
                ("sparse_copy_volume".to_owned(), Capability::Boolean(true)),
                ("QoS_support".to_owned(), Capability::Boolean(false)),
            ],
        }
    }

    fn inventory(&self) -> Result<Inventory> {
        let mut found = Inventory { place: self.group.clone(), ..Inventory::default() };
        for logical in self.all()?.into_iter().filter(|logical| logical.pool == self.pool) {
            if logical.name.starts_with(UNFINISHED) {
                found.leftovers.push(logical.name);
            } else if !is_unfinished(&logical.name) {
                found.names.push(unescaped(&logical.name));
            }
        }
        found.names.sort_unstable();
        found.leftovers.sort_unstable();
        Ok(found)
    }
}

fn is_unfinished(logical: &str) -> bool {
    logical.starts_with(UNFINISHED) || logical.starts_with(CONTENT)
}

/// The name of a logical volume for what the service calls `name`.
fn escaped(name: &str) -> String {
    let (reserved, before) = RESERVED;
    if name.starts_with(reserved) { format!("{before}{name}") } else { name.to_owned() }
}

fn unescaped(logical: &str) -> String {
    let (reserved, before) = RESERVED;
    let name = logical.strip_prefix(before).filter(|name| name.starts_with(reserved));
    name.unwrap_or(logical).to_owned()
}

fn bytes(gib: i64) -> Result<u64> {
    let gib = u64::try_from(gib).ok().filter(|gib| *gib > 0);
    gib.and_then(|gib| gib.checked_mul(GIB)).ok_or_else(|| Error::internal("a size is out of range"))
}

#[cfg(test)]
mod recorded;
