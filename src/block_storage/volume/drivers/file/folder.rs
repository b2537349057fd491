//! The folder of a backend: names that appear whole or not at all, possession by one process, leftovers of crashes.
//! Not here: what is in the files.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::block_storage::volume::drivers::Inventory;
use crate::error::{Error, Result};
use crate::service::fault;

/// The file whose lock is the possession of the folder.
const LOCK: &str = ".hearth.lock";
/// How the names of unfinished files end; they begin with a point.
const UNFINISHED: &str = ".part";
/// How the names of unfinished content end that comes from elsewhere; they begin with a point.
const CONTENT: &str = ".content";
/// How the names end of what says that a file is worked on, or is to be tended; they begin with a point.
const MARK: &str = ".upkeep";

/// The folder of one backend.
pub(super) struct Folder {
    root: PathBuf,
    /// The locked file, while this process has the folder.
    lock: Mutex<Option<File>>,
    unfinished: AtomicU64,
    /// Whether files may be marked.
    marked: AtomicBool,
}

/// Which file a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    number: u64,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, lock: Mutex::new(None), unfinished: AtomicU64::new(0), marked: AtomicBool::new(true) }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder where it is missing and locks it for this process. `false` while another process has it.
    pub(super) fn acquire(&self) -> Result<bool> {
        let mut lock = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if lock.is_some() {
            return Ok(true);
        }
        fs::create_dir_all(&self.root).map_err(|error| self.failed("make", "", &error))?;
        let path = self.root.join(LOCK);
        let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o660).open(&path);
        made.map_err(|error| self.failed("lock", LOCK, &error))?;
        // Held open for reading alone, so that the file system can be made read-only meanwhile.
        let file = File::open(&path).map_err(|error| self.failed("lock", LOCK, &error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => *lock = Some(file),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(self.failed("lock", LOCK, &error.into())),
        }
        Ok(true)
    }

    /// Whether files can be made here, and whether this is still the folder that was locked: a file system that was
    /// unmounted, or mounted over it, would otherwise take the volumes.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(lock) = &*self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            let locked = lock.metadata().map_err(|error| self.failed("examine", LOCK, &error))?;
            let found = fs::metadata(self.root.join(LOCK)).map_err(|error| self.failed("find", LOCK, &error))?;
            if (locked.dev(), locked.ino()) != (found.dev(), found.ino()) {
                return Err(Error::unavailable(
                    "The backend's folder has been replaced.",
                    format!("{}: another file system was mounted, or one was unmounted", self.root.display()),
                ));
            }
        }
        let path = self.unfinished_path("check");
        let made = self.make(&path).and_then(|_| fs::remove_file(&path));
        made.map_err(|error| self.failed("write into", "", &error))
    }

    /// The path of `name`.
    ///
    /// # Errors
    /// `Internal` where the name would lead out of the folder.
    pub(super) fn path(&self, name: &str) -> Result<PathBuf> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(Error::internal(format!("{name:?} is no name of a file")));
        }
        Ok(self.root.join(name))
    }

    /// Opens the file `name` for reading and writing. A link is refused.
    pub(super) fn open(&self, name: &str) -> Result<File> {
        let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let opened = OpenOptions::new().read(true).write(true).custom_flags(nofollow).open(self.path(name)?);
        opened.map_err(|error| self.failed("open", name, &error))
    }

    /// Puts a new file in the place of `name`: `fill` makes its content under a hidden name, which is then flushed and
    /// renamed. If anything fails, what was there stays.
    pub(super) fn replace(&self, name: &str, fill: impl FnOnce(&Path, &File) -> Result<()>) -> Result<()> {
        self.replace_if(name, |path, file| fill(path, file).map(|()| true)).map(|_| ())
    }

    /// As [`Folder::replace`], where `fill` may say that it made nothing: then what was there stays.
    pub(super) fn replace_if(&self, name: &str, fill: impl FnOnce(&Path, &File) -> Result<bool>) -> Result<bool> {
        self.replace_by(self.unfinished_path(name), name, fill)
    }

    /// As [`Folder::replace`], for content that a process writes which has no possession of the folder. Its hidden name is
    /// always the same, so that whoever tries again, or gives up, finds what an attempt left.
    pub(super) fn replace_content(&self, name: &str, fill: impl FnOnce(&Path, &File) -> Result<()>) -> Result<()> {
        self.forget_content(name)?;
        self.replace_by(self.content_path(name)?, name, |path, file| fill(path, file).map(|()| true)).map(|_| ())
    }

    /// Removes what an attempt of [`Folder::replace_content`] left.
    pub(super) fn forget_content(&self, name: &str) -> Result<()> {
        self.unlink(&self.content_path(name)?, name)
    }

    fn content_path(&self, name: &str) -> Result<PathBuf> {
        self.path(name)?;
        Ok(self.root.join(format!(".{name}{CONTENT}")))
    }

    fn replace_by(&self, from: PathBuf, name: &str, fill: impl FnOnce(&Path, &File) -> Result<bool>) -> Result<bool> {
        let to = self.path(name)?;
        let done = (|| {
            let file = self.make(&from).map_err(|error| self.failed("make", name, &error))?;
            fault::point("file.after_part");
            if !fill(&from, &file)? {
                return Ok(false);
            }
            fault::point("file.after_fill");
            file.sync_all().map_err(|error| self.failed("flush", name, &error))?;
            fs::rename(&from, &to).map_err(|error| self.failed("rename", name, &error))?;
            fault::point("file.after_rename");
            self.flush().map_err(|error| self.failed("flush", name, &error)).map(|()| true)
        })();
        if !matches!(done, Ok(true)) {
            // The file may not have been made, and the error that matters is told already.
            let _ = fs::remove_file(&from);
        }
        done
    }

    /// The length of the plain file `name`.
    ///
    /// # Errors
    /// `Invalid` where the name leads elsewhere, where nothing has it, or where that is no plain file: a link, a folder, a
    /// device.
    pub(super) fn length(&self, name: &str) -> Result<u64> {
        let path = self.path(name).map_err(|_| Error::invalid(format!("{name:?} is no name of a file.")))?;
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => Ok(found.len()),
            Ok(_) => Err(Error::invalid(format!("{name} is no plain file."))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::invalid(format!("{name} is not on the backend.")))
            }
            Err(error) => Err(self.failed("examine", name, &error)),
        }
    }

    /// Gives the plain file `from` the name `to`; where `to` is there, that was done before.
    pub(super) fn adopt(&self, from: &str, to: &str) -> Result<()> {
        if self.length(to).is_ok() {
            return Ok(());
        }
        self.length(from)?;
        let done = self.path(from).and_then(|from| Ok((from, self.path(to)?)));
        let (source, target) = done?;
        fs::rename(source, target).map_err(|error| self.failed("rename", from, &error))?;
        fault::point("file.after_adopt");
        self.flush().map_err(|error| self.failed("flush", to, &error))
    }

    /// Removes `name`, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        self.unlink(&self.path(name)?, name)?;
        fault::point("file.after_remove");
        self.flush().map_err(|error| self.failed("flush", name, &error))
    }

    /// Which file has the name; `None` where nothing has it, or something that is no plain file. How many names it has stands
    /// beside it.
    pub(super) fn identity(&self, name: &str) -> Option<(Identity, u64)> {
        let found = fs::symlink_metadata(self.path(name).ok()?).ok().filter(fs::Metadata::is_file)?;
        Some((Identity { device: found.dev(), number: found.ino() }, found.nlink()))
    }

    /// Gives the file `from` the further name `to`. `false` where the file system gives files one name, or no more names.
    pub(super) fn link(&self, from: &str, to: &str) -> Result<bool> {
        match fs::hard_link(self.path(from)?, self.path(to)?).map_err(|error| (Errno::from_io_error(&error), error)) {
            Ok(()) => {}
            Err((Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK), _)) => return Ok(false),
            Err((_, error)) => return Err(self.failed("link", to, &error)),
        }
        self.flush().map_err(|error| self.failed("flush", to, &error))?;
        Ok(true)
    }

    /// Says on the disk that the file `name` is worked on, until [`Folder::unmark`]. Survives a power cut.
    pub(super) fn mark(&self, name: &str) -> Result<()> {
        if !self.mark_if_room(name)? {
            return Err(self.failed("mark", name, &Errno::NOSPC.into()));
        }
        self.flush().map_err(|error| self.failed("flush", name, &error))
    }

    /// As [`Folder::mark`]; `false` where the folder is too full for it. Survives a power cut as soon as what is done to names
    /// after it.
    pub(super) fn mark_if_room(&self, name: &str) -> Result<bool> {
        let path = self.mark_path(name)?;
        self.marked.store(true, Ordering::Relaxed);
        let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o660).open(path);
        match made.map_err(|error| (Errno::from_io_error(&error), error)) {
            Ok(_) => {}
            Err((Some(Errno::NOSPC | Errno::DQUOT), _)) => return Ok(false),
            Err((_, error)) => return Err(self.failed("mark", name, &error)),
        }
        fault::point("file.after_mark");
        Ok(true)
    }

    /// Takes the mark of a file away, where it has one.
    pub(super) fn unmark(&self, name: &str) -> Result<()> {
        self.unlink(&self.mark_path(name)?, name)
    }

    /// Whether a file is marked.
    pub(super) fn is_marked(&self, name: &str) -> Result<bool> {
        Ok(fs::symlink_metadata(self.mark_path(name)?).is_ok())
    }

    /// The names of all marked files.
    pub(super) fn all_marked(&self) -> Result<Vec<String>> {
        // Whoever marks one meanwhile says so again.
        if !self.marked.swap(false, Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let listed = (|| {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.root)? {
                let name = entry?.file_name();
                let name = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_suffix(MARK));
                names.extend(name.map(str::to_owned));
            }
            Ok(names)
        })();
        if listed.as_ref().map_or(true, |names| !names.is_empty()) {
            self.marked.store(true, Ordering::Relaxed);
        }
        listed.map_err(|error| self.failed("list", "", &error))
    }

    fn mark_path(&self, name: &str) -> Result<PathBuf> {
        self.path(name)?;
        Ok(self.root.join(format!(".{name}{MARK}")))
    }

    /// Removes the file at `path`, if it is there.
    fn unlink(&self, path: &Path, name: &str) -> Result<()> {
        match fs::remove_file(path) {
            // A file system that is read-only says so of names that nothing has, too.
            Err(error) if error.kind() != io::ErrorKind::NotFound && fs::symlink_metadata(path).is_ok() => {
                Err(self.failed("remove", name, &error))
            }
            _ => Ok(()),
        }
    }

    /// Removes all unfinished files.
    pub(super) fn sweep(&self) -> Result<usize> {
        let leftovers = self.inventory()?.leftovers;
        for name in &leftovers {
            match fs::remove_file(self.root.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.failed("remove", name, &error));
                }
                _ => log::info!("removed the unfinished file {name} from {}", self.root.display()),
            }
        }
        for name in self.all_marked()?.iter().filter(|name| self.identity(name).is_none()) {
            self.unmark(name)?;
        }
        Ok(leftovers.len())
    }

    pub(super) fn inventory(&self) -> Result<Inventory> {
        let mut found = Inventory { place: self.root.display().to_string(), ..Inventory::default() };
        for entry in fs::read_dir(&self.root).map_err(|error| self.failed("list", "", &error))? {
            let name = entry.map_err(|error| self.failed("list", "", &error))?.file_name();
            let name = name.to_string_lossy().into_owned();
            if name.starts_with('.') && name.ends_with(UNFINISHED) {
                found.leftovers.push(name);
            } else if !name.starts_with('.') {
                found.names.push(name);
            }
        }
        found.names.sort_unstable();
        found.leftovers.sort_unstable();
        Ok(found)
    }

    /// An error with a text for the user that names no path, and all details for the log.
    pub(super) fn failed(&self, verb: &str, name: &str, error: &io::Error) -> Error {
        let public = match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT) => "The backend has no space left.",
            Some(Errno::ROFS) => "The backend's folder is read-only.",
            Some(Errno::ACCESS | Errno::PERM) => "The volume service has no right to write to the backend's folder.",
            Some(Errno::NOENT) => "A file of the backend is missing.",
            Some(Errno::IO | Errno::STALE) => "The backend's storage fails.",
            _ => "The backend can not do this.",
        };
        let path = if name.is_empty() { self.root.clone() } else { self.root.join(name) };
        Error::unavailable(public, format!("can not {verb} {}: {error}", path.display()))
    }

    fn make(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o660).open(path)
    }

    /// A hidden name that no other step of any process uses.
    fn unfinished_path(&self, name: &str) -> PathBuf {
        let count = self.unfinished.fetch_add(1, Ordering::Relaxed);
        self.root.join(format!(".{name}.{}-{count}{UNFINISHED}", process::id()))
    }

    /// Makes renames and removals survive a power cut.
    fn flush(&self) -> io::Result<()> {
        File::open(&self.root)?.sync_all()
    }
}
