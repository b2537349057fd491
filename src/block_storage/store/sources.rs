//! What a new volume asks of nouns that have stores of their own elsewhere: how two types are encrypted.

use super::encryption;
use crate::block_storage::model::encryption::TypeEncryption;
use crate::database::Connection;
use crate::error::Result;

/// Whether volumes of two types are encrypted in the same way, or both not at all.
///
/// # Errors
/// As all statements.
pub fn same_encryption(connection: &mut Connection, one: &str, other: &str) -> Result<bool> {
    let one = encryption::find(connection, one)?;
    let other = encryption::find(connection, other)?;
    Ok(one.as_ref().map(TypeEncryption::method) == other.as_ref().map(TypeEncryption::method))
}
