//! The bytes of a volume or a snapshot as its user sees them, for copies that go elsewhere. Not here: how a driver gets at
//! them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags};

use crate::error::{Error, Result};

/// A file that was written to as recently as this may be written to again without a new time of change.
const TICK: Duration = Duration::from_secs(1);

/// The content of a volume as a raw file.
#[derive(Debug)]
pub struct Content {
    /// The file. Holes are zeros.
    pub file: File,
    /// Its length in bytes.
    pub bytes: u64,
    /// How the file was before, where somebody else may write to it.
    rest: Option<Stamp>,
}

impl Content {
    /// The content of a file that nobody writes to.
    ///
    /// # Errors
    /// `Unavailable` where the storage fails, as all functions of this file.
    pub fn still(file: File) -> Result<Self> {
        let bytes = file.metadata().map_err(|error| failed(&error))?.len();
        Ok(Self { file, bytes, rest: None })
    }

    /// The content of a device of this length that nobody writes to.
    pub fn of_device(file: File, bytes: u64) -> Self {
        Self { file, bytes, rest: None }
    }

    /// The content of a file that others may write to: whether they did is known afterwards.
    ///
    /// # Errors
    /// Where it does not even come to rest for a moment.
    pub fn watched(file: File) -> Result<Self> {
        let stamp = Stamp::at_rest(&file)?;
        Ok(Self { bytes: stamp.length, file, rest: Some(stamp) })
    }

    /// Whether others may write to it while it is read.
    pub fn is_watched(&self) -> bool {
        self.rest.is_some()
    }

    /// After everything was read: whether what was read is what the volume held at one moment.
    ///
    /// # Errors
    /// Where it is not.
    pub fn check_rest(&self) -> Result<()> {
        match self.rest {
            Some(rest) if rest != Stamp::of(&self.file).map_err(|error| failed(&error))? => Err(restless()),
            _ => Ok(()),
        }
    }
}

/// When a file was last changed, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    seconds: i64,
    nanoseconds: i64,
    length: u64,
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self { seconds: found.mtime(), nanoseconds: found.mtime_nsec(), length: found.len() })
    }

    /// The stamp of a file that has rested for a moment, so that every later change gives it another one.
    fn at_rest(file: &File) -> Result<Self> {
        for _ in 0..5 {
            let stamp = Self::of(file).map_err(|error| failed(&error))?;
            let changed = Duration::from_secs(u64::try_from(stamp.seconds).unwrap_or(0).saturating_add(1));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            if now.saturating_sub(changed) >= TICK {
                return Ok(stamp);
            }
            thread::sleep(TICK);
        }
        Err(restless())
    }
}

fn restless() -> Error {
    Error::unavailable(
        "The volume is attached and written to, and its backend can not copy it at one moment.",
        "its file system has no reflinks, and the file changed while it was read",
    )
}

/// A file in `folder` that has no name, and that no crash leaves behind.
///
/// # Errors
/// `Unavailable` where the storage fails.
pub fn nameless(folder: &Path) -> Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(folder, flags, Mode::from_raw_mode(0o600)) {
        return Ok(file.into());
    }
    // Some network file systems know no such files: there the name is taken away at once.
    let path = folder.join(format!(".content.{}-{}.part", process::id(), uuid::Uuid::new_v4()));
    let made = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
    let file = made.map_err(|error| failed(&error))?;
    fs::remove_file(&path).map_err(|error| failed(&error))?;
    Ok(file)
}

/// A path by which a program that this process starts can open a file, whether or not it has a name.
pub fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd()))
}

/// What is told where the file of a content fails.
pub(super) fn failed(error: &io::Error) -> Error {
    let public = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "The backend has no space left.",
        _ => "The backend's storage fails.",
    };
    Error::unavailable(public, format!("can not read or write the content of a volume: {error}"))
}
