//! Bodies that a process does not want to hold in memory until their clients have taken them: what was written first lies in a
//! file without a name, which ends with whoever holds it, also where the process is killed. Where no such file can be made, or
//! the disk is full, the rest stays in memory.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::service::threads;

/// Bytes that are copied at once.
const BLOCK: usize = 64 * 1024;

/// The beginning of a body that is being written.
#[derive(Debug, Default)]
pub struct Spool {
    file: Option<File>,
    stored: u64,
    /// Nothing more can be stored.
    refused: bool,
}

impl Spool {
    /// Stores the next bytes of the body. Whether it did: where it did not, they are the caller's to hold.
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        if self.refused {
            return false;
        }
        match self.try_append(bytes, &std::env::temp_dir()) {
            Ok(()) => self.stored += bytes.len() as u64,
            Err(error) => {
                self.refused = true;
                log::info!("a long answer stays in memory: {}: {error}", std::env::temp_dir().display());
            }
        }
        !self.refused
    }

    fn try_append(&mut self, bytes: &[u8], folder: &Path) -> io::Result<()> {
        // Disks may be slow.
        threads::about_to_wait();
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(nameless(folder)?),
        };
        // What a failed attempt has left behind the stored bytes is never read.
        file.write_all_at(bytes, self.stored)
    }

    /// Bytes stored so far.
    pub fn len(&self) -> u64 {
        self.stored
    }

    /// Whether nothing was stored.
    pub fn is_empty(&self) -> bool {
        self.stored == 0
    }

    /// The whole body, which ends with `rest`.
    pub fn end(self, rest: Vec<u8>) -> Spooled {
        Spooled { file: self.file, stored: self.stored, rest }
    }
}

/// A file that has no name, or loses it at once, and that nobody else may read.
fn nameless(folder: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        return Ok(file.into());
    }
    // Not every file system has files without names.
    let path = folder.join(format!("hearth-{}", uuid::Uuid::new_v4().simple()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// A whole body: what was stored, and the rest.
#[derive(Debug, Default)]
pub struct Spooled {
    file: Option<File>,
    stored: u64,
    rest: Vec<u8>,
}

impl From<Vec<u8>> for Spooled {
    fn from(rest: Vec<u8>) -> Self {
        Self { rest, ..Self::default() }
    }
}

impl Spooled {
    /// Bytes of the body.
    pub fn len(&self) -> u64 {
        self.stored + self.rest.len() as u64
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of it in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.rest.len()
    }

    /// Bytes of it in a file.
    pub(super) fn stored(&self) -> usize {
        usize::try_from(self.stored).unwrap_or(usize::MAX)
    }

    /// Appends at most `most` bytes from `at` on. How many; 0 behind the end.
    ///
    /// # Errors
    /// Those of reading the file.
    pub(super) fn read_at(&self, at: u64, most: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        let Some(left) = self.stored.checked_sub(at).filter(|left| *left > 0) else {
            let start = usize::try_from(at.saturating_sub(self.stored)).unwrap_or(usize::MAX);
            let rest = self.rest.get(start..).unwrap_or_default();
            let piece = rest.get(..most).unwrap_or(rest);
            into.extend_from_slice(piece);
            return Ok(piece.len());
        };
        let Some(file) = &self.file else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(most);
        let start = into.len();
        into.resize(start + count, 0);
        let read = file.read_exact_at(into.get_mut(start..).unwrap_or_default(), at);
        if read.is_err() {
            into.truncate(start);
        }
        read.map(|()| count)
    }

    /// Writes the whole body.
    ///
    /// # Errors
    /// Those of reading the file, and of `out`.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let (mut at, mut block) = (0, Vec::new());
        loop {
            block.clear();
            let count = self.read_at(at, BLOCK, &mut block)?;
            if count == 0 {
                return Ok(());
            }
            out.write_all(&block)?;
            at += count as u64;
        }
    }

    /// Reads the body from its beginning.
    pub fn reader(&self) -> Reader<'_> {
        Reader { body: self, at: 0, block: Vec::new(), taken: 0 }
    }
}

/// Reads a [`Spooled`] body, a block at a time.
pub struct Reader<'a> {
    body: &'a Spooled,
    at: u64,
    block: Vec<u8>,
    taken: usize,
}

impl io::Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.block.len() {
            self.block.clear();
            self.taken = 0;
            self.at += self.body.read_at(self.at, BLOCK, &mut self.block)? as u64;
        }
        let rest = self.block.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{BLOCK, Spool, nameless};

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn a_body_comes_back_whole_from_file_and_memory() {
        let whole = bytes(5 * BLOCK + 7);
        for stored in [0, 1, BLOCK, 3 * BLOCK + 1, whole.len()] {
            let (first, rest) = whole.split_at(stored);
            let mut spool = Spool::default();
            for piece in first.chunks(40_000) {
                assert!(spool.append(piece));
            }
            assert_eq!(spool.len(), stored as u64);
            let body = spool.end(rest.to_vec());
            assert_eq!((body.len(), body.in_memory()), (whole.len() as u64, rest.len()));
            let (mut written, mut read) = (Vec::new(), Vec::new());
            body.write_to(&mut written).unwrap();
            body.reader().read_to_end(&mut read).unwrap();
            assert!(written == whole && read == whole, "{stored} bytes stored");
        }
    }

    #[test]
    fn what_can_not_be_stored_stays_with_the_caller() {
        let mut spool = Spool::default();
        let nowhere = std::env::temp_dir().join("no such folder");
        assert!(spool.try_append(b"abc", &nowhere).is_err());
        let mut spool = Spool { refused: true, ..spool };
        assert!(!spool.append(b"abc") && spool.is_empty());
        let mut read = Vec::new();
        spool.end(b"abc".to_vec()).write_to(&mut read).unwrap();
        assert_eq!(read, b"abc");
    }

    #[test]
    fn a_file_of_a_body_has_no_name() {
        let folder = std::env::temp_dir().join(format!("hearth-spool-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = nameless(&folder).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        drop(file);
        std::fs::remove_dir(&folder).unwrap();
    }
}
