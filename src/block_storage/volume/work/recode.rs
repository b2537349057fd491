//! Encrypting the content of a volume anew that gets another type, and the keys of before and after. Not here: how that is done
//! (`luks.rs`), and the retyping itself (`retype.rs`).

use super::super::luks::{self, Cover};
use super::{Job, move_disk, stored};
use crate::block_storage::key_store::{Holder, KeyStore};
use crate::block_storage::model::encryption::TypeEncryption;
use crate::block_storage::model::image::Token;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::model::work::{Destination, Recoding};
use crate::block_storage::store::{encryption, keys};
use crate::block_storage::volume::drivers::Format;
use crate::database::{Connection, Transaction, Value};
use crate::error::{Error, Result};

/// How a volume is encrypted before and after.
pub(super) struct Change {
    old: Option<TypeEncryption>,
    new: Option<TypeEncryption>,
}

impl Change {
    /// `None` where both types are encrypted in the same way, or not at all.
    pub(super) fn find(c: &mut Connection, volume: &Volume, new_type_id: &str) -> Result<Option<Self>> {
        let (old, new) = (encryption::find(c, &volume.volume_type_id)?, encryption::find(c, new_type_id)?);
        if old.as_ref().map(TypeEncryption::method) == new.as_ref().map(TypeEncryption::method) {
            return Ok(None);
        }
        Ok(Some(Self { old, new }))
    }

    /// Copies the content to its destination. May be repeated.
    pub(super) fn copy(
        &self,
        job: &Job<'_>,
        volume: &Volume,
        format: Format,
        destination: &Destination,
        recoding: &Recoding,
    ) -> Result<Format> {
        job.step(|driver| {
            let to = move_disk::writable(job, destination)?;
            let old = self.old.as_ref().zip(volume.encryption_key_id.as_deref());
            let token = recoding.token.as_ref();
            let old = old.map(|(encryption, id)| cover(job, encryption, id, token)).transpose()?;
            let new = self.new.as_ref().map(|encryption| {
                let key = recoding.key.as_ref().ok_or_else(|| Error::internal("no key was made for the new type"))?;
                cover(job, encryption, &key.id, token)
            });
            let new = new.transpose()?;
            let from = job.volume_name(volume);
            let content = driver.read_content(stored(&from, volume, format))?;
            let name = job.shared.settings.names.volume(&destination.disk_id);
            let covers = (old.as_ref(), new.as_ref());
            luks::recode(&*to.driver, (&name, volume.size_gib), &content, covers, job.shared.images.timeout)
        })
    }
}

/// A key with how it is used. Whoever asked may read it; once that token has ended, perhaps this service may.
pub(super) fn cover(job: &Job<'_>, encryption: &TypeEncryption, id: &str, token: Option<&Token>) -> Result<Cover> {
    let store = KeyStore::open(&job.shared.config, &job.shared.database)?;
    let key = match token {
        Some(token) => store.read(id, Holder::Bearer(token)).or_else(|_| store.read(id, Holder::Service)),
        None => store.read(id, Holder::Service),
    };
    Ok(Cover { encryption: encryption.clone(), key: key? })
}

/// Gives the volume its new key, and lets the old one go. Part of the transaction that gives it its new disk; what it is to write
/// into the row.
pub(super) fn exchange<'a>(
    tx: &mut Transaction<'_>,
    volume: &Volume,
    recoding: &'a Recoding,
) -> Result<(&'static str, Value<'a>)> {
    let new = recoding.key.as_ref();
    new.and_then(|key| key.name.as_deref()).map_or(Ok(()), |name| keys::claim(tx, name))?;
    let new = new.map(|key| key.id.as_str());
    keys::release(tx, volume.encryption_key_id.as_deref().filter(|old| Some(*old) != new), &volume.project_id)?;
    Ok(("encryption_key_id", new.into()))
}

/// Lets the new key go: the volume keeps what it has.
pub(super) fn let_go(tx: &mut Transaction<'_>, recoding: Option<&Recoding>) -> Result<()> {
    let key = recoding.and_then(|recoding| recoding.key.as_ref());
    key.and_then(|key| key.name.as_deref()).map_or(Ok(()), |name| keys::abandon(tx, name))
}
