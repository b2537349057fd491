//! The `transfers` table. The hash of a key leaves it only for the comparison.

use super::lists::{self, Source};
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::transfer::Transfer;
use crate::database::{Connection, Row};
use crate::error::{Error, Result};
use crate::time::Timestamp;

const SOURCE: Source = Source { table: "transfers", metadata: &[], by_project: None };
const COLUMNS: &str = "id, volume_id, display_name, created_at, no_snapshots, source_project_id, destination_project_id, \
                       accepted";

/// What the key is compared with, as Cinder keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Random text that goes into the hash.
    pub salt: String,
    /// HMAC-SHA1 of the key with the salt, in hexadecimal digits.
    pub crypt_hash: String,
}

fn read(row: &Row<'_>) -> Result<Transfer> {
    Ok(Transfer {
        id: row.string(0)?,
        volume_id: row.string(1)?,
        name: row.opt_string(2)?,
        created_at: row.opt_time(3)?,
        no_snapshots: row.opt_bool(4)?.unwrap_or(false),
        source_project_id: row.opt_string(5)?,
        destination_project_id: row.opt_string(6)?,
        accepted: row.opt_bool(7)?.unwrap_or(false),
        auth_key: None,
    })
}

/// One page of transfers.
///
/// # Errors
/// [`crate::Kind::NotFound`] where the marker is not there; as all statements.
pub fn page(connection: &mut Connection, selection: &Selection) -> Result<Vec<Transfer>> {
    lists::page(connection, &SOURCE, COLUMNS, selection, |row| read(row))?
        .ok_or_else(|| no_transfer(selection.marker.as_deref().unwrap_or_default()))
}

/// The transfer with this id; `None` where there is none, or where it was accepted or withdrawn.
///
/// # Errors
/// As all statements.
pub fn by_id(connection: &mut Connection, id: &str) -> Result<Option<Transfer>> {
    let sql = format!("SELECT {COLUMNS} FROM transfers WHERE id = ? AND deleted = ?");
    connection.row(&sql, &[id.into(), false.into()], read)
}

/// What the key of a transfer is compared with.
///
/// # Errors
/// As all statements.
pub fn lock_of(connection: &mut Connection, id: &str) -> Result<Option<Lock>> {
    let sql = "SELECT salt, crypt_hash FROM transfers WHERE id = ? AND deleted = ?";
    connection.row(sql, &[id.into(), false.into()], |row| {
        Ok(Lock { salt: row.opt_string(0)?.unwrap_or_default(), crypt_hash: row.opt_string(1)?.unwrap_or_default() })
    })
}

/// Puts a new transfer in.
///
/// # Errors
/// As all statements.
pub fn insert(connection: &mut Connection, transfer: &Transfer, lock: &Lock) -> Result<()> {
    connection.execute(
        "INSERT INTO transfers (id, volume_id, display_name, created_at, no_snapshots, source_project_id, \
         destination_project_id, accepted, salt, crypt_hash, deleted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &[
            (&transfer.id).into(),
            (&transfer.volume_id).into(),
            (&transfer.name).into(),
            transfer.created_at.into(),
            transfer.no_snapshots.into(),
            (&transfer.source_project_id).into(),
            (&transfer.destination_project_id).into(),
            transfer.accepted.into(),
            (&lock.salt).into(),
            (&lock.crypt_hash).into(),
            false.into(),
        ],
    )?;
    Ok(())
}

/// Ends a transfer: taken by a project, or by none. `false` where it had ended before.
///
/// # Errors
/// As all statements.
pub fn end(connection: &mut Connection, id: &str, taken_by: Option<&str>) -> Result<bool> {
    let sql = "UPDATE transfers SET deleted = ?, deleted_at = ?, accepted = ?, destination_project_id = ? \
               WHERE id = ? AND deleted = ?";
    let now = Timestamp::now();
    let taken = taken_by.is_some();
    let params = [true.into(), now.into(), taken.into(), taken_by.into(), id.into(), false.into()];
    Ok(connection.execute(sql, &params)? == 1)
}

/// What is said of a transfer that is not there.
pub fn no_transfer(id: &str) -> Error {
    Error::not_found(format!("Transfer {id} could not be found."))
}
