//! Metadata of volumes: the owner's, and what the image said of which a volume was made.

use super::refusals::invalid_volume;
use super::{Authorized, Caller};
use crate::block_storage::model::volume::{Status, Volume, WRITE_METADATA};
use crate::block_storage::store;
use crate::block_storage::store::metadata::{Pairs, Present, Table};
use crate::error::{Error, Result};
use crate::identity::policy::Rule;

/// Which metadata of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The owner's.
    Owner,
    /// What the image said.
    Image,
}

impl Kind {
    fn table(self) -> Table {
        match self {
            Self::Owner => Table::Volume,
            Self::Image => Table::VolumeImage,
        }
    }
}

/// The metadata of a volume.
///
/// # Errors
/// Those of the database.
pub fn all(caller: &Caller<'_>, volume: &Authorized<Volume>, kind: Kind) -> Result<Pairs> {
    caller.database.read(|c| store::metadata::of(c, kind.table(), &volume.id))
}

/// The value of one name.
///
/// # Errors
/// [`crate::Kind::NotFound`], those of the database.
pub fn one(caller: &Caller<'_>, volume: &Authorized<Volume>, key: &str) -> Result<String> {
    let found = all(caller, volume, Kind::Owner)?.into_iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value).ok_or_else(|| no_key(&volume.id, key))
}

/// What `check` is asked before metadata are written: the metadata as they are.
pub type Condition<'a> = &'a dyn Fn(&[(String, String)]) -> Result<()>;

/// How metadata are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Other names stay.
    Merge,
    /// Other names go.
    Replace,
}

/// Writes metadata of the volume with this id, which the caller may see and for which `rules` hold, where `condition` holds
/// of them as they are in the same transaction, and answers them as they are then.
///
/// # Errors
/// Those of [`Authorized::hold`] and of `condition`, [`crate::Kind::InvalidState`], those of the database.
pub fn write(
    caller: &Caller<'_>,
    (id, rules): (&str, &[&Rule]),
    kind: Kind,
    how: Write,
    pairs: &[(String, String)],
    condition: Condition<'_>,
) -> Result<Pairs> {
    caller.database.write(|tx| {
        // Two who write metadata, or check them by a tag, do so one after the other.
        let volume = Authorized::hold(caller, tx, id, rules)?;
        check_status(volume.status, "Updating")?;
        let present = Present::read(tx, kind.table(), id)?;
        condition(&present.pairs())?;
        match how {
            Write::Merge => present.merge(tx, pairs),
            Write::Replace => present.replace(tx, pairs),
        }
    })
}

/// Takes one name away.
///
/// # Errors
/// [`crate::Kind::NotFound`], [`crate::Kind::InvalidState`], those of the database.
pub fn remove(caller: &Caller<'_>, volume: &Authorized<Volume>, kind: Kind, key: &str) -> Result<()> {
    caller.database.write(|tx| {
        let there = store::metadata::of(tx, kind.table(), &volume.id)?.iter().any(|(name, _)| name == key);
        if !there {
            return Err(match kind {
                Kind::Owner => no_key(&volume.id, key),
                Kind::Image => no_image_metadata(&volume.id),
            });
        }
        let status = store::volumes::lock_status(tx, &volume.id)?;
        check_status(status.ok_or_else(|| super::authorized::no_volume(&volume.id))?, "Deleting")?;
        store::metadata::remove(tx, kind.table(), &volume.id, key).map(|_| ())
    })
}

/// What is said of a volume that no image says anything of.
pub fn no_image_metadata(id: &str) -> Error {
    Error::not_found(format!("Glance metadata for volume/snapshot {id} cannot be found."))
}

fn no_key(id: &str, key: &str) -> Error {
    Error::not_found(format!("Volume {id} has no metadata with key {key}."))
}

fn check_status(status: Status, what: &str) -> Result<()> {
    if WRITE_METADATA.from.holds(status) {
        return Ok(());
    }
    Err(invalid_volume(format!("{what} volume metadata is not allowed for volumes in {status} status.")))
}
