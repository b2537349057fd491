//! Which volume and which backup gets which key. A key is made before the transaction that gives it to its row, as key
//! stores are asked by other means than the database; where that transaction does not come, it is removed again. Not
//! here: where keys are kept (`key_store/`), and encrypting, which is done where a volume is attached.

use super::Caller;
use crate::block_storage::key_store::{Holder, KeyStore, NewKey};
use crate::block_storage::model::encryption::TypeEncryption;
use crate::error::{Error, Result};

/// A new key for a volume that is encrypted like this.
///
/// # Errors
/// [`crate::Kind::Invalid`] without more words where no key can be had, as what is wrong is for the operator's log.
pub fn create(caller: &Caller<'_>, encryption: &TypeEncryption) -> Result<NewKey> {
    let Some(algorithm) = encryption.algorithm() else { return Err(Error::invalid("Invalid encryption spec")) };
    open(caller)?.create(Holder::Caller(caller.context), algorithm, encryption.key_size)
}

/// A copy of a key for something that gets the content of what has it: each has a key of its own, since a key ends with
/// what has it.
///
/// # Errors
/// As [`create`].
pub fn copy(caller: &Caller<'_>, id: &str) -> Result<NewKey> {
    hand_over(caller, id, Holder::Caller(caller.context), Holder::Caller(caller.context))
}

/// A copy of a key for another holder.
///
/// # Errors
/// As [`create`].
pub fn hand_over(caller: &Caller<'_>, id: &str, from: Holder<'_>, to: Holder<'_>) -> Result<NewKey> {
    open(caller)?.copy(id, from, to)
}

/// Does what gives keys to their rows. Where that fails, they are removed; and so are those of the caller's project that
/// were let go before, as the caller's token may remove what the service's own may not.
///
/// # Errors
/// Those of `write`.
pub fn with<T>(caller: &Caller<'_>, keys: &[&NewKey], write: impl FnOnce() -> Result<T>) -> Result<T> {
    let written = write();
    if keys.iter().all(|key| key.name.is_none()) {
        return written;
    }
    if written.is_err()
        && let Ok(store) = open(caller)
    {
        keys.iter().for_each(|key| store.abandon(key));
    }
    sweep(caller);
    written
}

/// Removes keys of the caller's project that were let go. What can not be removed now is removed later.
pub fn sweep(caller: &Caller<'_>) {
    if let Ok(store) = open(caller) {
        store.sweep(Holder::Caller(caller.context));
    }
}

fn open<'a>(caller: &Caller<'a>) -> Result<KeyStore<'a>> {
    KeyStore::open(caller.config, caller.database)
}
