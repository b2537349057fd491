//! Where backups are kept, and in which form: the objects of Cinder's chunked format as files of one folder, so that
//! backups of either implementation can be read by the other. Not here: which backups there are (the database).

mod codec;
mod folder;
mod format;
mod hashes;
mod reader;
mod writer;

pub(super) use codec::Algorithm;
pub(super) use folder::{Folder, LOCK_PREFIX};
pub(super) use format::{prefix_of, read_metadata};
pub(super) use reader::restore;
pub(super) use writer::{Copied, Copy, write};
