//! What a volume service asks of storage. Each driver does single steps that are atomic and may be repeated: after a
//! crash at any point, the same step is asked for again. Not here: states, quotas and the database (`volume/work/`).

pub mod content;
mod copy;
pub mod file;
pub mod lvm;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::block_storage::model::pool::{Capability, Space};
use crate::config::Config;
use crate::error::{Error, Result};

pub use content::Content;

/// The format of a volume's bytes on its backend. It is recorded where the volume is made and never guessed from the
/// bytes, which belong to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the volume as they are.
    Raw,
    /// QEMU's format.
    Qcow2,
}

impl Format {
    /// The name that QEMU and Cinder use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }

    /// The format of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Raw, Self::Qcow2].into_iter().find(|format| format.name() == name)
    }
}

/// A volume or a snapshot that exists on the backend.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// Its name on the backend.
    pub name: &'a str,
    /// Its size in GiB.
    pub size_gib: i64,
    /// The format of its bytes.
    pub format: Format,
    /// Whether someone may be writing to it.
    pub attached: bool,
}

/// What a backend has room for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// All of its space.
    pub total: Space,
    /// What is left of it.
    pub free: Space,
}

/// How a host reaches a volume, in the words of os-brick.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Which of os-brick's connectors, and of Nova's volume drivers, makes the connection.
    pub driver_volume_type: &'static str,
    /// What it reads.
    pub data: Map<String, Json>,
}

/// What a driver knows of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Traits {
    /// The protocol by which volumes are reached (`storage_protocol`).
    pub protocol: &'static str,
    /// Whether volumes take their space when it is written.
    pub thin: bool,
    /// Whether attached volumes can grow.
    pub online_extend: bool,
    /// Further capabilities, by Cinder's names.
    pub other: Vec<(String, Capability)>,
}

/// A storage backend. Every step may be repeated after it was done, or broken off by a crash, without harm; a step that
/// fails leaves nothing behind. Errors are of kind [`Unavailable`](crate::Kind::Unavailable) with a text that says what
/// an operator has to look at.
pub trait Driver: Send + Sync {
    /// Takes possession of the backend for this process, until the value is dropped or the process ends in any way.
    /// Whoever has it is the only one that works on the backend. `false` while another process has it.
    fn acquire(&self) -> Result<bool>;

    /// Whether the backend can be worked with.
    fn check(&self) -> Result<()>;

    /// Removes what crashed steps left behind. Only while no step runs. Returns how many things it removed.
    fn sweep(&self) -> Result<usize>;

    /// Makes the empty volume `name`, in place of what an earlier attempt made.
    fn create_volume(&self, name: &str, size_gib: i64) -> Result<Format>;

    /// Makes the volume `name` with the content of `source`, a snapshot or a volume that is not larger.
    fn copy_volume(&self, name: &str, size_gib: i64, source: Stored<'_>) -> Result<Format>;

    /// Makes the volume `name` with content that comes from elsewhere, in place of what an earlier attempt made. What is
    /// beyond the content reads as zeros.
    fn import_volume(&self, name: &str, size_gib: i64, content: &Content) -> Result<Format>;

    /// Removes a volume; one that is not there is no error.
    fn delete_volume(&self, name: &str) -> Result<()>;

    /// Makes a volume larger; one that has at least this size stays as it is.
    fn extend_volume(&self, volume: Stored<'_>, size_gib: i64) -> Result<()>;

    /// Keeps the content of `volume` as the snapshot `name`, in place of what an earlier attempt made.
    fn create_snapshot(&self, name: &str, volume: Stored<'_>) -> Result<()>;

    /// Removes a snapshot of `volume`; one that is not there is no error. Somebody may be using the volume.
    fn delete_snapshot(&self, snapshot: Stored<'_>, volume: Stored<'_>) -> Result<()>;

    /// Lets a snapshot of `volume` stay as something that can be used without the volume, and that nobody looks after any more.
    fn give_up_snapshot(&self, _snapshot: Stored<'_>, _volume: Stored<'_>) -> Result<()> {
        Ok(())
    }

    /// Gives `volume` the content of `snapshot` again, at the size of the snapshot.
    fn revert_volume(&self, volume: Stored<'_>, snapshot: Stored<'_>) -> Result<()>;

    /// The names of volumes that hold what could not be removed while somebody used them, or what a crash left.
    fn untended(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Removes that from a volume that nobody uses.
    fn tend_volume(&self, _volume: Stored<'_>) -> Result<()> {
        Ok(())
    }

    /// The path under which the programs of this host open a volume: a file or a device.
    fn local_path(&self, name: &str) -> Result<PathBuf>;

    /// The protocol by which hosts reach the volumes where the configuration names none; `None`: by [`Driver::connect`].
    fn target_protocol(&self) -> Option<&'static str> {
        None
    }

    /// Makes a volume reachable for the host that `connector` describes in the driver's own way, and says how it is reached.
    fn connect(&self, volume: Stored<'_>, connector: &Json) -> Result<Connection>;

    /// Makes a volume unreachable for the host that `connector` describes; one that is not reachable is no error. `last`
    /// says that no other connection is left. Without a connector, every connection that is not kept in an attachment ends.
    fn disconnect(&self, name: &str, connector: Option<&Json>, last: bool) -> Result<()>;

    /// The content of a volume or a snapshot. Of one that is attached it is that of one moment, or the content tells
    /// afterwards that it was not. Needs no possession of the backend.
    fn read_content(&self, stored: Stored<'_>) -> Result<Content>;

    /// Gives a volume that nobody uses new content: `fill` writes its first `length` bytes into a raw file that holds
    /// zeros; what the volume held beyond them it keeps. Until everything is written it keeps its old content. Needs no
    /// possession of the backend.
    fn write_content(&self, volume: Stored<'_>, length: u64, fill: &dyn Fn(&File) -> Result<()>) -> Result<()>;

    /// Removes what an attempt to write content into a volume left that nobody repeats.
    fn forget_content(&self, name: &str) -> Result<()>;

    /// Everything that lies on the backend and could be a volume or a snapshot.
    fn found(&self) -> Result<Vec<Found>>;

    /// The bytes of what lies on the backend under `name`.
    ///
    /// # Errors
    /// `Invalid` where `name` leads elsewhere, or where that is nothing that can be taken over.
    fn examine(&self, name: &str) -> Result<u64>;

    /// Takes over what lies under `from` as `to`, as raw bytes, at least of this size. Where it lies under `to` already, it
    /// was done before.
    fn adopt(&self, from: &str, to: &str, size_gib: i64) -> Result<Format>;

    /// What there is room for.
    fn capacity(&self) -> Result<Capacity>;

    /// What the driver knows of itself.
    fn traits(&self) -> Traits;

    /// The names of all volumes and snapshots on the backend, and of what crashed steps left behind.
    fn inventory(&self) -> Result<Inventory>;
}

/// One thing that lies on a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What lies on a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Where that is, for an operator.
    pub place: String,
    /// Names of volumes, snapshots and of what else has such a name.
    pub names: Vec<String>,
    /// Names of leftovers of crashed steps.
    pub leftovers: Vec<String>,
}

/// The driver that section `backend` of the configuration names.
///
/// # Errors
/// `Invalid` where there is no such driver, or where its options are wrong.
pub fn open(config: &Config, backend: &str) -> Result<Arc<dyn Driver>> {
    let name = config.text_in(backend, &crate::config::backend::VOLUME_DRIVER);
    match name {
        "file" | "cinder.volume.drivers.nfs.NfsDriver" => Ok(Arc::new(file::FileDriver::open(config, backend)?)),
        "lvm" | "cinder.volume.drivers.lvm.LVMVolumeDriver" => Ok(Arc::new(lvm::LvmDriver::open(config, backend)?)),
        _ => Err(Error::invalid(format!("[{backend}] volume_driver = {name}: there is no such driver."))),
    }
}
