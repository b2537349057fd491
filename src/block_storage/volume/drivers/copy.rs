//! Copying a file by its extents where the file system shares them (XFS, Btrfs, bcachefs, NFS 4.2), else by its data:
//! holes stay holes, so that a copy costs what was written and not what was promised.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom as Position, Write};

use rustix::fs::{SeekFrom, copy_file_range, ioctl_ficlone, seek};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::service::threads;

/// The most that one call copies.
const AT_ONCE: u64 = 64 << 20;

/// Makes the empty file `to` equal to `from`, byte by byte: a file that is written meanwhile is copied as no moment had it.
pub(super) fn copy_data(from: &File, to: &File) -> Result<()> {
    threads::about_to_wait();
    let length = from.metadata().map_err(|error| failed(&error))?.len();
    to.set_len(length).map_err(|error| failed(&error))?;
    copy_extents(from, to, 0, length).map_err(|error| failed(&error))
}

/// Lets the empty file `to` share all blocks of `from`, where the file system can. Then it is a copy of one moment.
pub(super) fn share(from: &File, to: &File) -> Result<bool> {
    threads::about_to_wait();
    match ioctl_ficlone(to, from) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL | Errno::XDEV | Errno::NOSYS | Errno::PERM) => Ok(false),
        Err(error) => Err(failed(&error.into())),
    }
}

/// Copies the data of `from` in `start..end` to the same places of `to`, which holds only zeros there.
pub(super) fn copy_range_of_data(from: &File, to: &File, start: u64, end: u64) -> Result<()> {
    threads::about_to_wait();
    // A device has no length of its own but the place of its end.
    let length = seek(from, SeekFrom::End(0)).map_err(|error| failed(&error.into()))?;
    let end = end.min(length);
    copy_extents(from, to, start, end).map_err(|error| failed(&error))
}

fn copy_extents(from: &File, to: &File, start: u64, length: u64) -> io::Result<()> {
    let mut position = start;
    while position < length {
        let start = match seek(from, SeekFrom::Data(position)) {
            Ok(start) => start.min(length),
            // Only a hole is left.
            Err(Errno::NXIO) => break,
            // A file system that does not know holes: all is data.
            Err(Errno::INVAL) => position,
            Err(error) => return Err(error.into()),
        };
        let end = seek(from, SeekFrom::Hole(start)).map_or(length, |end| end.min(length));
        copy_range(from, to, start, end)?;
        position = end;
    }
    Ok(())
}

fn copy_range(from: &File, to: &File, start: u64, end: u64) -> io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let count = usize::try_from((end - read_at).min(AT_ONCE)).unwrap_or(usize::MAX);
        match copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), count) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Ok(_) => {}
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM) => {
                return copy_through_memory(from, to, read_at, end);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn copy_through_memory(mut from: &File, mut to: &File, start: u64, end: u64) -> io::Result<()> {
    from.seek(Position::Start(start))?;
    to.seek(Position::Start(start))?;
    let mut buffer = vec![0; 1 << 20];
    let mut left = end - start;
    while left > 0 {
        let count = usize::try_from(left.min(buffer.len() as u64)).unwrap_or(buffer.len());
        let chunk = buffer.get_mut(..count).unwrap_or_default();
        from.read_exact(chunk)?;
        to.write_all(chunk)?;
        left -= count as u64;
    }
    Ok(())
}

fn failed(error: &io::Error) -> Error {
    let public = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => "The backend has no space left.",
        _ => "The backend's storage fails.",
    };
    Error::unavailable(public, format!("can not copy: {error}"))
}
