//! The bytes of a volume or a snapshot as its user sees them, for copies that go elsewhere. Not here: how a driver gets at
//! them.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// What is told where the file of a content fails.
pub(super) fn failed(error: &io::Error) -> Error {
    let public = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "The backend has no space left.",
        _ => "The backend's storage fails.",
    };
    Error::unavailable(public, format!("can not read or write the content of a volume: {error}"))
}
