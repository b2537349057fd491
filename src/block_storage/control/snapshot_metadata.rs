//! Metadata of snapshots, which may be written in any status.

use super::volume_metadata::Write;
use super::{Authorized, Caller};
use crate::block_storage::model::snapshot::Snapshot;
use crate::block_storage::store;
use crate::block_storage::store::metadata::{Pairs, Present, Table};
use crate::error::{Error, Result};

/// The metadata of a snapshot.
///
/// # Errors
/// Those of the database.
pub fn all(caller: &Caller<'_>, snapshot: &Authorized<Snapshot>) -> Result<Pairs> {
    caller.database.read(|c| store::metadata::of(c, Table::Snapshot, &snapshot.id))
}

/// The value of one name.
///
/// # Errors
/// [`crate::Kind::NotFound`], those of the database.
pub fn one(caller: &Caller<'_>, snapshot: &Authorized<Snapshot>, key: &str) -> Result<String> {
    let found = all(caller, snapshot)?.into_iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value).ok_or_else(|| no_key(&snapshot.id, key))
}

/// Writes metadata, and answers them as they are then.
///
/// # Errors
/// Those of the database.
pub fn write(
    caller: &Caller<'_>,
    snapshot: &Authorized<Snapshot>,
    how: Write,
    pairs: &[(String, String)],
) -> Result<Pairs> {
    let id = &snapshot.id;
    caller.database.write(|tx| {
        store::snapshots::lock(tx, id)?.ok_or_else(|| super::authorized::no_snapshot(id))?;
        let present = Present::read(tx, Table::Snapshot, id)?;
        match how {
            Write::Merge => present.merge(tx, pairs),
            Write::Replace => present.replace(tx, pairs),
        }
    })
}

/// Takes one name away.
///
/// # Errors
/// [`crate::Kind::NotFound`], those of the database.
pub fn remove(caller: &Caller<'_>, snapshot: &Authorized<Snapshot>, key: &str) -> Result<()> {
    let removed = caller.database.write(|tx| store::metadata::remove(tx, Table::Snapshot, &snapshot.id, key))?;
    if removed { Ok(()) } else { Err(no_key(&snapshot.id, key)) }
}

fn no_key(id: &str, key: &str) -> Error {
    Error::not_found(format!("Snapshot {id} has no metadata with key {key}."))
}
