//! What a new volume asks of nouns that have stores of their own elsewhere, or none yet: encryption of types, backups,
//! groups.

use crate::database::{Connection, Row};
use crate::error::Result;

/// Whether volumes of a type are encrypted.
///
/// # Errors
/// As all statements.
pub fn is_encrypted(connection: &mut Connection, type_id: &str) -> Result<bool> {
    Ok(encryption(connection, type_id)?.is_some())
}

/// Whether volumes of two types are encrypted in the same way, or both not at all.
///
/// # Errors
/// As all statements.
pub fn same_encryption(connection: &mut Connection, one: &str, other: &str) -> Result<bool> {
    Ok(encryption(connection, one)? == encryption(connection, other)?)
}

type Encryption = (Option<String>, Option<String>, Option<String>, Option<i64>);

fn encryption(connection: &mut Connection, type_id: &str) -> Result<Option<Encryption>> {
    let sql = "SELECT provider, control_location, cipher, key_size FROM encryption \
               WHERE volume_type_id = ? AND deleted = false";
    let read = |row: &Row<'_>| Ok((row.opt_string(0)?, row.opt_string(1)?, row.opt_string(2)?, row.opt_int(3)?));
    connection.row(sql, &[type_id.into()], read)
}

/// Whether there is a backup with this id.
///
/// # Errors
/// As all statements.
pub fn has_backup(connection: &mut Connection, id: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM backups WHERE id = ? AND deleted = false";
    Ok(connection.row(sql, &[id.into()], |_| Ok(()))?.is_some())
}

/// Whether there is a group with this id.
///
/// # Errors
/// As all statements.
pub fn has_group(connection: &mut Connection, id: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM \"groups\" WHERE id = ? AND deleted = false";
    Ok(connection.row(sql, &[id.into()], |_| Ok(()))?.is_some())
}
