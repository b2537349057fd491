//! Writing a backup: the volume in pieces of a fixed size, each an object. A full backup holds all pieces; an incremental
//! one holds, of each piece, the blocks that are not what its parent's volume had there.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use md5::{Digest, Md5};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use sha2::Sha256;

use super::codec::Algorithm;
use super::folder::{Folder, failed};
use super::format::{self, Chunk};
use super::hashes::{Hash, Hashes, hex};
use crate::block_storage::model::backup::Backup;
use crate::error::{Error, Result};

/// Bytes that are read at once, at least.
const BUFFER: u64 = 1 << 20;

/// What is copied, and how.
pub(in super::super) struct Copy<'a> {
    /// The volume.
    pub(in super::super) file: &'a File,
    /// How much of it there is.
    pub(in super::super) bytes: u64,
    /// What is known of the volume, as JSON.
    pub(in super::super) volume_meta: &'a str,
    /// The most bytes of one object, a multiple of the next.
    pub(in super::super) chunk_bytes: u64,
    /// The bytes of a block.
    pub(in super::super) block_bytes: u64,
    /// How objects are compressed.
    pub(in super::super) algorithm: Algorithm,
    /// Fails where the backup is no longer wanted; asked before each piece.
    pub(in super::super) go_on: &'a dyn Fn() -> Result<()>,
}

/// What a copy came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Copied {
    /// How many objects of data there are.
    pub(in super::super) objects: usize,
}

/// Writes `backup`, whose container and names are chosen, on top of `parent` where it is incremental.
///
/// # Errors
/// `Unavailable` with a text for the user; objects may have been written by then.
pub(in super::super) fn write(
    folder: &Folder,
    backup: &Backup,
    parent: Option<&Backup>,
    copy: &Copy<'_>,
) -> Result<Copied> {
    let old = match parent {
        Some(parent) => Some(old_hashes(folder, parent, copy.block_bytes)?),
        None => None,
    };
    let (container, prefix) = format::prefix(backup)?;
    folder.make(container)?;
    let mut writer =
        Writer { folder, container, prefix, copy, chunks: Vec::new(), hashes: Hashes::default(), zeros: None };
    let mut start = 0;
    while start < copy.bytes {
        (copy.go_on)()?;
        let piece = start..copy.bytes.min(start.saturating_add(copy.chunk_bytes));
        match &old {
            None => writer.whole(piece.clone())?,
            Some(old) => writer.changed(piece.clone(), old)?,
        }
        start = piece.end;
    }
    format::write_hashes(folder, backup, copy.block_bytes, &writer.hashes)?;
    format::write_metadata(folder, backup, &writer.chunks, copy.volume_meta)?;
    Ok(Copied { objects: writer.chunks.len() })
}

fn old_hashes(folder: &Folder, parent: &Backup, block_bytes: u64) -> Result<Hashes> {
    let (old_bytes, hashes) = format::read_hashes(folder, parent)?;
    if old_bytes != block_bytes {
        let text = format!(
            "Hash block size has changed since the last backup. New hash block size: {block_bytes}. Old hash block size: \
             {old_bytes}. Do a full backup."
        );
        return Err(Error::unavailable(text, "backup_sha_block_size_bytes was changed"));
    }
    Ok(hashes)
}

struct Writer<'a> {
    folder: &'a Folder,
    container: &'a str,
    prefix: &'a str,
    copy: &'a Copy<'a>,
    chunks: Vec<(String, Chunk)>,
    hashes: Hashes,
    /// The MD5 of so many zeros, and the object that holds them: volumes are mostly empty.
    zeros: Option<(u64, String, Vec<u8>)>,
}

impl Writer<'_> {
    /// Writes a piece as one object.
    fn whole(&mut self, piece: Range<u64>) -> Result<()> {
        let hole = hole_at(self.copy.file, piece.start).is_some_and(|end| end >= piece.end);
        let mut hashes = Hashes::default();
        if hole {
            let block = hash_zeros(self.copy.block_bytes);
            let length = piece.end - piece.start;
            (0..length / self.copy.block_bytes).for_each(|_| self.hashes.push(block));
            if !length.is_multiple_of(self.copy.block_bytes) {
                self.hashes.push(hash_zeros(length % self.copy.block_bytes));
            }
            if self.zeros.as_ref().is_some_and(|(known, ..)| *known == length) {
                return self.zeros_again(piece.start);
            }
            let name = self.object(piece.clone(), &mut |_, _| {})?;
            return self.remember_zeros(&name, length);
        }
        let block_bytes = usize::try_from(self.copy.block_bytes).unwrap_or(usize::MAX);
        let empty = hash_zeros(self.copy.block_bytes);
        self.object(piece, &mut |bytes, hole| {
            hash_blocks(bytes, block_bytes, hole.then_some(&empty), |_, hash| hashes.push(hash));
        })?;
        hashes.iter().for_each(|hash| self.hashes.push(*hash));
        Ok(())
    }

    /// Writes the blocks of a piece that have changed, neighbours together.
    fn changed(&mut self, piece: Range<u64>, old: &Hashes) -> Result<()> {
        let block_bytes = self.copy.block_bytes;
        let mut runs: Vec<Range<u64>> = Vec::new();
        let (mut at, mut new) = (piece.start, Vec::new());
        let block = usize::try_from(block_bytes).unwrap_or(usize::MAX);
        let empty = hash_zeros(block_bytes);
        self.read(piece.clone(), &mut |bytes, hole| {
            hash_blocks(bytes, block, hole.then_some(&empty), |length, hash| new.push((length, hash)));
            Ok(())
        })?;
        for (length, hash) in new {
            let number = usize::try_from(at / block_bytes).unwrap_or(usize::MAX);
            if !old.is(number, &hash) {
                match runs.last_mut() {
                    Some(run) if run.end == at => run.end = at + length,
                    _ => runs.push(at..at + length),
                }
            }
            self.hashes.push(hash);
            at += length;
        }
        for run in runs {
            self.object(run, &mut |_, _| {})?;
        }
        Ok(())
    }

    /// Writes one object of data; `look` sees all its bytes, as [`Writer::read`] reads
    /// them. Answers its name.
    fn object(&mut self, range: Range<u64>, look: &mut dyn FnMut(&[u8], bool)) -> Result<String> {
        let name = self.next_name();
        let (algorithm, length) = (self.copy.algorithm, range.end - range.start);
        let mut md5 = Md5::new();
        self.folder.put(self.container, &name, |out| {
            let mut encoder = algorithm.encoder(out, length).map_err(|error| failed("compress", &error))?;
            self.read(range.clone(), &mut |bytes, hole| {
                md5.update(bytes);
                look(bytes, hole);
                encoder.write(bytes).map_err(|error| failed("write", &error))
            })?;
            encoder.finish().map_err(|error| failed("write", &error))
        })?;
        self.list(&name, range.start, length, hex(&md5.finalize()));
        Ok(name)
    }

    fn next_name(&self) -> String {
        format!("{}-{:05}", self.prefix, self.chunks.len() + 1)
    }

    fn list(&mut self, name: &str, offset: u64, length: u64, md5: String) {
        let compression = self.copy.algorithm.name().to_owned();
        self.chunks.push((name.to_owned(), Chunk { compression, length, md5, offset }));
    }

    /// Keeps an object of zeros, where it is small.
    fn remember_zeros(&mut self, name: &str, length: u64) -> Result<()> {
        if self.copy.algorithm == Algorithm::None {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut file = self.folder.open(self.container, name)?;
        io::Read::read_to_end(&mut file, &mut bytes).map_err(|error| failed("read an object", &error))?;
        let md5 = self.chunks.last().map(|(_, chunk)| chunk.md5.clone()).unwrap_or_default();
        self.zeros = Some((length, md5, bytes));
        Ok(())
    }

    fn zeros_again(&mut self, offset: u64) -> Result<()> {
        let Some((length, md5, bytes)) = self.zeros.take() else { return Ok(()) };
        let name = self.next_name();
        self.folder.put(self.container, &name, |out| {
            io::Write::write_all(out, &bytes).map_err(|error| failed("write", &error))
        })?;
        self.list(&name, offset, length, md5.clone());
        self.zeros = Some((length, md5, bytes));
        Ok(())
    }

    /// Reads a part of the volume; `take` gets it in multiples of a block, but for the last, each with whether it lies in a
    /// hole. Holes are not read.
    fn read(&self, range: Range<u64>, take: &mut dyn FnMut(&[u8], bool) -> Result<()>) -> Result<()> {
        let file = self.copy.file;
        let most = BUFFER.next_multiple_of(self.copy.block_bytes);
        let mut buffer = vec![0; usize::try_from(most).unwrap_or(usize::MAX)];
        let zeros = vec![0; buffer.len()];
        let (mut at, mut hole_end, mut data_end) = (range.start, 0, 0);
        while at < range.end {
            let length = (range.end - at).min(most);
            if at >= hole_end && at >= data_end {
                hole_end = hole_at(file, at).unwrap_or(0);
                if hole_end <= at {
                    data_end = seek(file, SeekFrom::Hole(at)).unwrap_or(u64::MAX);
                }
            }
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if at + (length as u64) <= hole_end {
                take(zeros.get(..length).unwrap_or_default(), true)?;
            } else {
                let part = buffer.get_mut(..length).unwrap_or_default();
                file.read_exact_at(part, at).map_err(|error| failed("read the volume", &error))?;
                take(part, false)?;
            }
            at += length as u64;
        }
        Ok(())
    }
}

/// The end of the hole in which a place of a file lies; `None` where there is data, or where nobody knows.
fn hole_at(file: &File, at: u64) -> Option<u64> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) if data > at => Some(data),
        // Only a hole is left.
        Err(Errno::NXIO) => Some(u64::MAX),
        _ => None,
    }
}

/// The length and the hash of each block; `empty` is the hash of a block of zeros, where all of them are.
fn hash_blocks(bytes: &[u8], block: usize, empty: Option<&Hash>, mut each: impl FnMut(u64, Hash)) {
    for part in bytes.chunks(block) {
        let known = empty.filter(|_| part.len() == block);
        each(part.len() as u64, known.copied().unwrap_or_else(|| Sha256::digest(part).into()));
    }
}

fn hash_zeros(length: u64) -> Hash {
    Sha256::digest(vec![0; usize::try_from(length).unwrap_or(0)]).into()
}
