//! What the header of a qcow2 image tells: its size, and the names of the internal snapshots in it. Read here and not by a
//! program, because it is asked for again and again. Not here: what changes an image (`image.rs`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, Result};

/// How an image begins.
pub(super) const MAGIC: [u8; 4] = *b"QFI\xfb";
/// The most internal snapshots that QEMU keeps in an image.
const MOST: u32 = 65_536;
/// Bytes of an entry in the table of snapshots before its parts of variable length.
const FIXED: usize = 40;

/// The size in bytes that an image has for its user.
///
/// # Errors
/// `Unavailable` where the file is no image, or can not be read, as all functions of this file.
pub(super) fn virtual_size(path: &Path, file: &File) -> Result<u64> {
    Ok(u64::from_be_bytes(part(&header(path, file)?, 24)))
}

/// The names of the internal snapshots of an image.
pub(super) fn snapshots(path: &Path, file: &File) -> Result<Vec<String>> {
    let header = header(path, file)?;
    let (count, mut at) = (u32::from_be_bytes(part(&header, 60)), u64::from_be_bytes(part(&header, 64)));
    if count > MOST {
        return Err(damaged(path));
    }
    let mut names = Vec::new();
    for _ in 0..count {
        let fixed: [u8; FIXED] = read(path, file, at)?;
        let id = u64::from(u16::from_be_bytes(part(&fixed, 12)));
        let name = u16::from_be_bytes(part(&fixed, 14));
        let extra = u64::from(u32::from_be_bytes(part(&fixed, 36)));
        let name_at = at.saturating_add(FIXED as u64 + extra + id);
        let mut bytes = vec![0; usize::from(name)];
        file.read_exact_at(&mut bytes, name_at).map_err(|error| failed(path, &error))?;
        names.push(String::from_utf8_lossy(&bytes).into_owned());
        // Entries begin at multiples of eight bytes.
        at = name_at.saturating_add(u64::from(name)).saturating_add(7) & !7;
    }
    Ok(names)
}

fn header(path: &Path, file: &File) -> Result<[u8; 72]> {
    let header: [u8; 72] = read(path, file, 0)?;
    if header.starts_with(&MAGIC) { Ok(header) } else { Err(damaged(path)) }
}

fn read<const N: usize>(path: &Path, file: &File, at: u64) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, at).map_err(|error| failed(path, &error))?;
    Ok(bytes)
}

/// The `N` bytes at `at`, which the caller knows to be there.
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn damaged(path: &Path) -> Error {
    Error::unavailable("The volume's file is damaged.", format!("{} is no whole qcow2 image", path.display()))
}

fn failed(path: &Path, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return damaged(path);
    }
    Error::unavailable("The backend's storage fails.", format!("can not read {}: {error}", path.display()))
}
