//! Reading the content of a volume's file, and putting new content in its place. A raw file is its own content; QEMU's
//! program turns the other format into one and back, by way of files without names, which no crash leaves behind.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{Mode, OFlags};

use super::image::Image;
use crate::block_storage::volume::drivers::content::{Content, failed};
use crate::block_storage::volume::drivers::copy;
use crate::block_storage::volume::drivers::{Format, Stored};
use crate::error::Result;

/// The content of `file`, which holds `stored`; `folder` is where a copy can be made.
pub(super) fn read(file: File, stored: Stored<'_>, folder: &Path, image: &Image) -> Result<Content> {
    let found = if stored.attached { freeze(file, folder)? } else { Content::still(file)? };
    match stored.format {
        Format::Raw => Ok(found),
        Format::Qcow2 => {
            let raw = nameless(folder)?;
            image.convert(&path_of(&found.file), Format::Qcow2, &path_of(&raw), Format::Raw)?;
            found.check_rest()?;
            Content::still(raw)
        }
    }
}

/// What can be read as it was at one moment: a copy that shares its blocks, or the file itself, which tells afterwards
/// whether it was left alone.
fn freeze(file: File, folder: &Path) -> Result<Content> {
    let copied = nameless(folder)?;
    if copy::share(&file, &copied)? { Content::still(copied) } else { Content::watched(file) }
}

/// Fills the empty file at `path` with an image of `bytes` bytes whose content `fill` writes into a raw file.
pub(super) fn write(
    (path, file): (&Path, &File),
    bytes: u64,
    folder: &Path,
    image: &Image,
    fill: &dyn Fn(&File) -> Result<()>,
) -> Result<()> {
    match image.format {
        Format::Raw => {
            image.create(path, file, bytes)?;
            fill(file)
        }
        Format::Qcow2 => {
            let raw = nameless(folder)?;
            raw.set_len(bytes).map_err(|error| failed(&error))?;
            fill(&raw)?;
            image.convert(&path_of(&raw), Format::Raw, path, Format::Qcow2)
        }
    }
}

/// Fills the empty file at `path` with an image of `bytes` bytes that begins with `content`.
pub(super) fn import((path, file): (&Path, &File), bytes: u64, image: &Image, content: &Content) -> Result<()> {
    match image.format {
        Format::Raw => {
            image.create(path, file, bytes)?;
            copy::copy_range_of_data(&content.file, file, 0, content.bytes)?;
        }
        Format::Qcow2 => {
            image.convert(&path_of(&content.file), Format::Raw, path, Format::Qcow2)?;
            image.grow(path, file, bytes)?;
        }
    }
    content.check_rest()
}

/// A file in `folder` that has no name.
fn nameless(folder: &Path) -> Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(folder, flags, Mode::from_raw_mode(0o600)) {
        return Ok(file.into());
    }
    // Some network file systems know no such files: there the name is taken away at once.
    let path = folder.join(format!(".content.{}-{}.part", process::id(), uuid::Uuid::new_v4()));
    let made = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
    let file = made.map_err(|error| failed(&error))?;
    std::fs::remove_file(&path).map_err(|error| failed(&error))?;
    Ok(file)
}

/// A path by which a program that this process starts can open a file, whether or not it has a name.
fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd()))
}
