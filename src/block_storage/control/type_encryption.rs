//! How the volumes of a type are encrypted: it can change only while the type has no volumes (Block Storage API v3,
//! "Volume type encryption").

use serde_json::json;

use super::{Authorized, Caller, types};
use crate::block_storage::model::encryption::TypeEncryption;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::types as rules;
use crate::block_storage::store::encryption as store;
use crate::block_storage::store::volume_types;
use crate::database::Transaction;
use crate::error::{Error, Result};
use crate::time::Timestamp;

pub use crate::block_storage::store::encryption::{Change, not_found};

/// The encryption of a type, where its volumes are encrypted.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for the type.
pub fn show(caller: &Caller<'_>, type_id: &str) -> Result<Option<TypeEncryption>> {
    caller.enforce(&rules::GET_ENCRYPTION)?;
    caller.database.read(|c| {
        types::find(c, type_id, types::eyes(caller))?;
        store::find(c, type_id)
    })
}

/// What is to be the encryption of a type.
#[derive(Debug, Clone, Copy)]
pub struct NewEncryption<'a> {
    /// Who encrypts.
    pub provider: &'a str,
    /// Where it is done.
    pub control_location: &'a str,
    /// The cipher with its mode.
    pub cipher: Option<&'a str>,
    /// Bits of a key.
    pub key_size: Option<i64>,
}

/// Encrypts the volumes that a type will have.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for the type, [`crate::Kind::Invalid`] where it has volumes or is
/// encrypted already.
pub fn create(caller: &Caller<'_>, type_id: &str, new: NewEncryption<'_>) -> Result<TypeEncryption> {
    caller.enforce(&rules::CREATE_ENCRYPTION)?;
    let made = TypeEncryption {
        id: uuid::Uuid::new_v4().to_string(),
        volume_type_id: type_id.to_owned(),
        provider: new.provider.to_owned(),
        control_location: new.control_location.to_owned(),
        cipher: new.cipher.map(str::to_owned),
        key_size: new.key_size,
        created_at: Some(Timestamp::now()),
        updated_at: None,
    };
    caller.database.write(|tx| {
        volume_types::lock(tx)?;
        refuse_used(tx, type_id, "create")?;
        types::find(tx, type_id, types::eyes(caller))?;
        if store::find(tx, type_id)?.is_some() {
            let text = format!("Volume type encryption for type {type_id} already exists.");
            return Err(Error::invalid(text));
        }
        store::insert(tx, &made)?;
        let specs = json!({
            "provider": made.provider,
            "control_location": made.control_location,
            "cipher": made.cipher,
            "key_size": made.key_size,
            "volume_type_id": type_id,
            "encryption_id": made.id,
        });
        caller.notices().type_encryption(tx, type_id, "create", json!({ "specs": specs }))
    })?;
    Ok(made)
}

/// What volumes are encrypted with can not change under them.
fn refuse_used(tx: &mut Transaction<'_>, type_id: &str, verb: &str) -> Result<()> {
    if volume_types::has_volumes(tx, type_id)? {
        return Err(Error::invalid(format!("Cannot {verb} encryption specs. Volume type in use.")));
    }
    Ok(())
}

/// Changes how the volumes that a type will have are encrypted. `key` is how the request names the encryption.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for the type or where it is not encrypted,
/// [`crate::Kind::Invalid`] where it has volumes.
pub fn update(caller: &Caller<'_>, type_id: &str, key: &str, change: Change<'_>) -> Result<()> {
    caller.enforce(&rules::UPDATE_ENCRYPTION)?;
    caller.database.write(|tx| {
        volume_types::lock(tx)?;
        types::find(tx, type_id, types::eyes(caller))?;
        refuse_used(tx, type_id, "update")?;
        if !store::update(tx, type_id, change)? {
            return Err(not_found(type_id));
        }
        caller.notices().type_encryption(tx, type_id, "update", json!({ "id": key }))
    })
}

/// No longer encrypts the volumes that a type will have.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] where it is not encrypted, [`crate::Kind::Invalid`] where it has
/// volumes.
pub fn delete(caller: &Caller<'_>, type_id: &str) -> Result<()> {
    caller.enforce(&rules::DELETE_ENCRYPTION)?;
    caller.database.write(|tx| {
        volume_types::lock(tx)?;
        refuse_used(tx, type_id, "delete")?;
        if store::delete(tx, type_id)? { Ok(()) } else { Err(not_found(type_id)) }
    })
}

/// The encryption of the type of a volume.
///
/// # Errors
/// Those of the database.
pub fn of_volume(caller: &Caller<'_>, volume: &Authorized<Volume>) -> Result<Option<TypeEncryption>> {
    caller.database.read(|c| store::find(c, &volume.volume_type_id))
}
