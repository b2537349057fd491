//! The folder of all backups: containers, which are folders below it, and their objects, which are files that appear whole
//! or not at all. Not here: what is in the files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::service::fault;

/// How the names of the files begin whose locks are the possession of the folder.
pub(in super::super) const LOCK_PREFIX: &str = ".hearth-";
/// How the names of unfinished objects end; they begin with a point.
const UNFINISHED: &str = ".part";

/// The folder of all backups.
#[derive(Debug)]
pub(in super::super) struct Folder {
    root: PathBuf,
    /// The locked file, while this process is the service of its host.
    lock: Mutex<Option<File>>,
}

impl Folder {
    /// The folder `root`. Touches nothing yet.
    pub(in super::super) fn new(root: PathBuf) -> Self {
        Self { root, lock: Mutex::new(None) }
    }

    /// Makes the folder where it is missing, and makes this process the only service of `host` on it. `false` while
    /// another process is.
    pub(in super::super) fn acquire(&self, host: &str) -> Result<bool> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() {
            return Ok(true);
        }
        make_folder(&self.root).map_err(|error| self.failed("make", &self.root, &error))?;
        let host: String = host.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let path = self.root.join(format!("{LOCK_PREFIX}{host}.lock"));
        let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o660).open(&path);
        made.map_err(|error| self.failed("lock", &path, &error))?;
        // Held open for reading alone, so that the file system can be made read-only meanwhile.
        let file = File::open(&path).map_err(|error| self.failed("lock", &path, &error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => *lock = Some(file),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(self.failed("lock", &path, &error.into())),
        }
        Ok(true)
    }

    /// Whether files can be made here.
    pub(in super::super) fn check(&self) -> Result<()> {
        let path = self.root.join(format!(".check.{}{UNFINISHED}", std::process::id()));
        let made = File::create(&path).and_then(|_| fs::remove_file(&path));
        made.map_err(|error| self.failed("write into", &self.root, &error))
    }

    /// Whether there is a container of this name.
    pub(in super::super) fn has(&self, container: &str) -> Result<bool> {
        Ok(self.container(container)?.is_dir())
    }

    /// Makes a container where it is missing.
    pub(in super::super) fn make(&self, container: &str) -> Result<()> {
        let path = self.container(container)?;
        make_folder(&path).map_err(|error| self.failed("make", &path, &error))
    }

    /// Puts an object into a container, in place of what an earlier attempt put there.
    pub(in super::super) fn put<T>(
        &self,
        container: &str,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<&File>) -> Result<T>,
    ) -> Result<T> {
        let folder = self.container(container)?;
        let to = folder.join(plain(name)?);
        let from = folder.join(format!(".{name}{UNFINISHED}"));
        let done = (|| {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o660).open(&from);
            let file = file.map_err(|error| self.failed("make", &from, &error))?;
            fault::point("object.after_part");
            let mut writer = BufWriter::with_capacity(1 << 18, &file);
            let filled = fill(&mut writer)?;
            writer.flush().map_err(|error| self.failed("write", &from, &error))?;
            drop(writer);
            file.sync_all().map_err(|error| self.failed("flush", &from, &error))?;
            fs::rename(&from, &to).map_err(|error| self.failed("rename", &from, &error))?;
            fault::point("object.after_rename");
            self.flush(&folder)?;
            Ok(filled)
        })();
        if done.is_err() {
            // The file may not have been made, and the error that matters is told already.
            let _ = fs::remove_file(&from);
        }
        done
    }

    /// Opens an object for reading. A link is refused.
    pub(in super::super) fn open(&self, container: &str, name: &str) -> Result<File> {
        let path = self.container(container)?.join(plain(name)?);
        let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let opened = OpenOptions::new().read(true).custom_flags(nofollow).open(&path);
        opened.map_err(|error| self.failed("open", &path, &error))
    }

    /// Removes all objects whose names begin with `prefix`, unfinished ones among them, and the container where it is then
    /// empty. Where there is none, there is nothing to do.
    pub(in super::super) fn remove_all(&self, container: &str, prefix: &str) -> Result<()> {
        let (folder, prefix) = (self.container(container)?, plain(prefix)?);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed("list", &folder, &error)),
        };
        for entry in entries {
            let name = entry.map_err(|error| self.failed("list", &folder, &error))?.file_name();
            let text = name.to_string_lossy();
            let own = text.starts_with(prefix) || text.strip_prefix('.').is_some_and(|rest| rest.starts_with(prefix));
            if !own {
                continue;
            }
            match fs::remove_file(folder.join(&name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.failed("remove", &folder.join(&name), &error));
                }
                _ => fault::point("object.after_remove"),
            }
        }
        self.flush(&folder)?;
        // It fails where other backups share the container.
        let _ = fs::remove_dir(&folder);
        Ok(())
    }

    /// The path of a container.
    ///
    /// # Errors
    /// `Unavailable` where it would lead out of the folder: names come from users and from imported records.
    fn container(&self, name: &str) -> Result<PathBuf> {
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !inside || name.contains('\0') {
            return Err(Error::unavailable("The backup's container is no folder of the backups.", format!("{name:?}")));
        }
        Ok(self.root.join(name))
    }

    /// Makes renames and removals survive a power cut.
    fn flush(&self, folder: &Path) -> Result<()> {
        let flushed = File::open(folder).and_then(|folder| folder.sync_all());
        flushed.map_err(|error| self.failed("flush", folder, &error))
    }

    /// An error with a text for the user that names no path, and all details for the log.
    fn failed(&self, verb: &str, path: &Path, error: &io::Error) -> Error {
        failed(&format!("{verb} {}", path.display()), error)
    }
}

/// An error with a text for the user, and all details for the log.
pub(super) fn failed(what: &str, error: &io::Error) -> Error {
    let public = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "There is no space left for backups.",
        io::ErrorKind::ReadOnlyFilesystem => "The folder of backups is read-only.",
        io::ErrorKind::PermissionDenied => "The backup service has no right to its folder.",
        io::ErrorKind::NotFound => "An object of the backup is missing.",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            "An object of the backup is damaged."
        }
        _ => "The storage of backups fails.",
    };
    Error::unavailable(public, format!("can not {what}: {error}"))
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o770).create(path)
}

/// A name that is that of a file in its folder.
fn plain(name: &str) -> Result<&str> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(Error::unavailable(
            "The backup's record names no object.",
            format!("{name:?} is no name of a file"),
        ));
    }
    Ok(name)
}
