//! Reading the content of a volume's file, and putting new content in its place. A raw file is its own content; QEMU's
//! program turns the other format into one and back, by way of files without names, which no crash leaves behind.

use std::fs::File;
use std::path::Path;

use super::image::Image;
use crate::block_storage::volume::drivers::content::{Content, failed, nameless, path_of};
use crate::block_storage::volume::drivers::copy;
use crate::block_storage::volume::drivers::{Format, Stored};
use crate::error::Result;

/// The content of the snapshot `stored`, which is inside `file`. Nobody ever writes to it, whoever writes to the file.
pub(super) fn read_inside(
    file: &File,
    stored: Stored<'_>,
    bytes: u64,
    folder: &Path,
    image: &Image,
) -> Result<Content> {
    let raw = nameless(folder)?;
    let image = Image { format: Format::Raw, ..*image };
    image.extract(stored.name, &path_of(file), (&path_of(&raw), &raw), bytes)?;
    Content::still(raw)
}

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
