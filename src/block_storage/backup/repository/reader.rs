//! Reading a backup back: the objects of a full backup, and over them those of each incremental one that builds on it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use md5::{Digest, Md5};
use rustix::fs::{FallocateFlags, fallocate};

use super::codec::Algorithm;
use super::folder::{Folder, failed};
use super::format::{self, Chunk, Metadata};
use super::hashes::hex;
use crate::block_storage::model::backup::Backup;
use crate::error::{Error, Result};

/// Bytes that are written at once. Parts of this length that hold only zeros are left out of the file.
const PART: usize = 1 << 16;
static ZEROS: [u8; PART] = [0; PART];

/// Writes the content of a chain of backups, a full one first, into `file`, which holds zeros and is `bytes` bytes long.
/// `go_on` is asked before each object, and fails where the restore is no longer wanted.
///
/// # Errors
/// `Unavailable` with a text for the user where an object is missing or damaged, and where there is no room.
pub(in super::super) fn restore(
    folder: &Folder,
    chain: &[(Backup, Metadata)],
    (file, bytes): (&File, u64),
    go_on: &dyn Fn() -> Result<()>,
) -> Result<()> {
    for (at, (backup, metadata)) in chain.iter().enumerate() {
        let (container, prefix) = format::prefix(backup)?;
        let zeros = zeros(metadata);
        for (name, chunk) in metadata.chunks() {
            go_on()?;
            let end = chunk.offset.checked_add(chunk.length);
            if !name.starts_with(prefix) || end.is_none_or(|end| end > bytes) {
                return Err(damaged(name, "does not belong into the volume"));
            }
            let empty = zeros.iter().any(|(length, md5)| (*length, md5) == (chunk.length, &chunk.md5));
            if empty && at == 0 {
                continue;
            }
            write_chunk(folder, container, name, chunk, file, at > 0)?;
        }
    }
    Ok(())
}

/// The MD5 of as many zeros as several objects hold, by their length: volumes are mostly empty, and what is known to be
/// empty need not be read.
fn zeros(metadata: &Metadata) -> Vec<(u64, String)> {
    let mut lengths: Vec<u64> = metadata.chunks().map(|(_, chunk)| chunk.length).collect();
    lengths.sort_unstable();
    let repeated = lengths.chunk_by(|one, other| one == other).filter(|same| same.len() > 1);
    let hash = |length: u64| {
        let mut md5 = Md5::new();
        let mut left = length;
        while left > 0 {
            let part = usize::try_from(left.min(PART as u64)).unwrap_or(PART);
            md5.update(ZEROS.get(..part).unwrap_or_default());
            left -= part as u64;
        }
        (length, hex(&md5.finalize()))
    };
    // As many lengths as there are kinds of pieces: whole ones, and the last one of a volume.
    repeated
        .filter_map(|same| same.first().copied())
        .filter(|length| *length >= PART as u64)
        .take(2)
        .map(hash)
        .collect()
}

/// Writes one object of data; with `over`, other data may lie where it belongs.
fn write_chunk(folder: &Folder, container: &str, name: &str, chunk: &Chunk, file: &File, over: bool) -> Result<()> {
    let algorithm = Algorithm::parse(&chunk.compression)
        .ok_or_else(|| damaged(name, &format!("is compressed by {}, which nobody knows", chunk.compression)))?;
    let read = |error: io::Error| failed(&format!("read {name}"), &error);
    let mut source = algorithm.decoder(folder.open(container, name)?).map_err(read)?.take(chunk.length + 1);
    let (mut md5, mut at, mut part) = (Md5::new(), 0_u64, vec![0; PART]);
    loop {
        let filled = fill(&mut source, &mut part).map_err(read)?;
        let Some(bytes) = part.get(..filled).filter(|bytes| !bytes.is_empty()) else { break };
        if at + bytes.len() as u64 > chunk.length {
            return Err(damaged(name, "is longer than it should be"));
        }
        md5.update(bytes);
        put(file, chunk.offset + at, bytes, over).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::unavailable("The backend has no space left.", error)
            }
            _ => Error::unavailable("The backend's storage fails.", error),
        })?;
        at += bytes.len() as u64;
    }
    if at != chunk.length || hex(&md5.finalize()) != chunk.md5 {
        return Err(damaged(name, "is not what was written"));
    }
    Ok(())
}

/// Reads until the buffer is full or the end has come.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Puts bytes into their place, without taking room for zeros.
fn put(file: &File, at: u64, bytes: &[u8], over: bool) -> io::Result<()> {
    if ZEROS.get(..bytes.len()) != Some(bytes) {
        return file.write_all_at(bytes, at);
    }
    let punched = || fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, at, bytes.len() as u64);
    if over && punched().is_err() { file.write_all_at(bytes, at) } else { Ok(()) }
}

fn damaged(name: &str, why: &str) -> Error {
    Error::unavailable("An object of the backup is damaged.", format!("{name} {why}"))
}
