//! Metadata of volumes: the owner's, and what the image said of which a volume was made.

use super::refusals::invalid_volume;
use super::{Authorized, Caller};
use crate::block_storage::model::volume::{Standing, Status, Volume, WRITE_METADATA};
use crate::block_storage::store;
use crate::block_storage::store::metadata::{Pairs, Present, Step, Table};
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

/// What is asked before metadata are written: the metadata as they are.
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
/// Those of [`Authorized::load`] and of `condition`, [`crate::Kind::InvalidState`], those of the database.
pub fn write(
    caller: &Caller<'_>,
    (id, rules): (&str, &[&Rule]),
    kind: Kind,
    how: Write,
    pairs: &[(String, String)],
    condition: Option<Condition<'_>>,
) -> Result<Pairs> {
    if condition.is_none() {
        let (volume, present) = look(caller, (id, rules), kind)?;
        check_status(volume.status, "Updating")?;
        if let Some(step) = present.step(pairs, how == Write::Replace)
            && let Some(all) = caller.database.alone(|c| present.take(c, &step, &WRITE_METADATA))?
        {
            return Ok(all);
        }
    }
    caller.database.write(|tx| {
        // Two who add metadata, or check them by a tag, do so one after the other.
        let volume = Authorized::<Standing>::of(caller, id, store::volumes::lock_standing(tx, id)?, rules)?;
        check_status(volume.status, "Updating")?;
        let present = Present::read(tx, kind.table(), id)?;
        condition.map_or(Ok(()), |condition| condition(&present.pairs()))?;
        match how {
            Write::Merge => present.merge(tx, pairs),
            Write::Replace => present.replace(tx, pairs),
        }
    })
}

/// Takes one name away from the volume with this id, which the caller may see and for which `rules` hold.
///
/// # Errors
/// Those of [`Authorized::load`], [`crate::Kind::NotFound`], [`crate::Kind::InvalidState`], those of the database.
pub fn remove(caller: &Caller<'_>, (id, rules): (&str, &[&Rule]), kind: Kind, key: &str) -> Result<()> {
    let missing = || match kind {
        Kind::Owner => no_key(id, key),
        Kind::Image => no_image_metadata(id),
    };
    let (volume, present) = look(caller, (id, rules), kind)?;
    let step = present.removal(key);
    if step == Some(Step::Nothing) {
        return Err(missing());
    }
    check_status(volume.status, "Deleting")?;
    if let Some(step) = step
        && caller.database.alone(|c| present.take(c, &step, &WRITE_METADATA))?.is_some()
    {
        return Ok(());
    }
    caller.database.write(|tx| {
        let there = store::metadata::of(tx, kind.table(), id)?.iter().any(|(name, _)| name == key);
        if !there {
            return Err(missing());
        }
        let volume = Authorized::<Standing>::of(caller, id, store::volumes::lock_standing(tx, id)?, rules)?;
        check_status(volume.status, "Deleting")?;
        store::metadata::remove(tx, kind.table(), id, key).map(|_| ())
    })
}

/// The volume with this id, which the caller may see and for which `rules` hold, and its metadata.
fn look(caller: &Caller<'_>, (id, rules): (&str, &[&Rule]), kind: Kind) -> Result<(Authorized<Standing>, Present)> {
    let found = caller.database.read(|c| Present::of_volume(c, kind.table(), id))?;
    let (standing, present) = found.ok_or_else(|| super::authorized::no_volume(id))?;
    Ok((Authorized::<Standing>::of(caller, id, Some(standing), rules)?, present))
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
