//! The table `encryption`: how the volumes of a type are encrypted. Rows are deleted softly. That a type has one at most is
//! ensured by the [`lock`](super::volume_types::lock) of the types, which whoever changes anything here holds.

use crate::block_storage::model::encryption::TypeEncryption;
use crate::database::{Connection, Row, Transaction, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The encryption of a type, where its volumes are encrypted.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn find(c: &mut Connection, type_id: &str) -> Result<Option<TypeEncryption>> {
    let sql = "SELECT encryption_id, volume_type_id, provider, control_location, cipher, key_size, created_at, updated_at \
               FROM encryption WHERE volume_type_id = ? AND deleted = false ORDER BY created_at";
    c.row(sql, &[type_id.into()], read)
}

fn read(row: &Row<'_>) -> Result<TypeEncryption> {
    Ok(TypeEncryption {
        id: row.string(0)?,
        volume_type_id: row.string(1)?,
        provider: row.opt_string(2)?.unwrap_or_default(),
        control_location: row.opt_string(3)?.unwrap_or_default(),
        cipher: row.opt_string(4)?,
        key_size: row.opt_int(5)?,
        created_at: row.opt_time(6)?,
        updated_at: row.opt_time(7)?,
    })
}

/// That the volumes of a type are not encrypted.
pub fn not_found(type_id: &str) -> Error {
    Error::not_found(format!("Volume type encryption for type {type_id} does not exist."))
}

/// Adds it.
pub fn insert(tx: &mut Transaction<'_>, new: &TypeEncryption) -> Result<()> {
    let sql = "INSERT INTO encryption (created_at, deleted, encryption_id, volume_type_id, provider, control_location, \
               cipher, key_size) VALUES (?, false, ?, ?, ?, ?, ?, ?)";
    let params = [
        new.created_at.into(),
        (&new.id).into(),
        (&new.volume_type_id).into(),
        (&new.provider).into(),
        (&new.control_location).into(),
        (&new.cipher).into(),
        new.key_size.into(),
    ];
    tx.execute(sql, &params).map(|_| ())
}

/// What of it changes; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// Who encrypts.
    pub provider: Option<&'a str>,
    /// Where it is done.
    pub control_location: Option<&'a str>,
    /// The cipher with its mode, or none.
    pub cipher: Option<Option<&'a str>>,
    /// Bits of a key, or none.
    pub key_size: Option<Option<i64>>,
}

/// Changes it; `false` where the type has none.
pub fn update(tx: &mut Transaction<'_>, type_id: &str, change: Change<'_>) -> Result<bool> {
    let sets = [
        change.provider.map(|text| ("provider", Value::from(text))),
        change.control_location.map(|text| ("control_location", Value::from(text))),
        change.cipher.map(|text| ("cipher", Value::from(text))),
        change.key_size.map(|bits| ("key_size", Value::from(bits))),
    ];
    let (columns, values): (Vec<&str>, Vec<Value<'_>>) = sets.into_iter().flatten().unzip();
    let columns: String = columns.iter().map(|column| format!("{column} = ?, ")).collect();
    let sql = format!("UPDATE encryption SET {columns}updated_at = ? WHERE volume_type_id = ? AND deleted = false");
    let params: Vec<Value<'_>> = values.into_iter().chain([Timestamp::now().into(), type_id.into()]).collect();
    Ok(tx.execute(&sql, &params)? > 0)
}

/// Removes it; `false` where the type has none.
pub fn delete(tx: &mut Transaction<'_>, type_id: &str) -> Result<bool> {
    let sql = "UPDATE encryption SET deleted = true, deleted_at = ? WHERE volume_type_id = ? AND deleted = false";
    Ok(tx.execute(sql, &[Timestamp::now().into(), type_id.into()])? > 0)
}
