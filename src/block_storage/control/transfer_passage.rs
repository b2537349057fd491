//! The way of a volume's key while the volume is transferred: from its owner to this service when it is offered, from
//! there to whoever takes it, or back. Each holder gets a copy, and the one before is removed: so that the old owner does
//! not keep what opens the volume. The rows change in one transaction with the transfer.

use super::refusals::invalid_snapshot;
use super::{Caller, keys};
use crate::block_storage::key_store::{Holder, NewKey};
use crate::block_storage::model::volume::Volume;
use crate::block_storage::store;
use crate::database::Transaction;
use crate::error::{Error, Result};

/// Where a key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the caller to this service.
    ToService,
    /// From this service to the caller.
    ToCaller,
}

/// A key on its way; none for a volume that is not encrypted.
pub(super) struct Passage {
    old_id: Option<String>,
    /// Whose the old key is, as loose keys name it.
    old_project_id: String,
    new: Option<NewKey>,
}

impl Passage {
    /// Gives the volume, which is locked, and its snapshots the new key, and lets the old one go.
    ///
    /// # Errors
    /// [`crate::Kind::Conflict`] where the volume has got another key meanwhile; those of the database.
    pub(super) fn write(&self, tx: &mut Transaction<'_>, volume: &Volume) -> Result<()> {
        if volume.encryption_key_id != self.old_id {
            return Err(Error::conflict("The key of the volume was changed meanwhile."));
        }
        let Some(new) = &self.new else { return Ok(()) };
        let snapshots = store::snapshots::of_volume(tx, &volume.id)?;
        if let Some(other) = snapshots.iter().find(|snapshot| snapshot.encryption_key_id != self.old_id) {
            // Of before a backup was restored: its key can not be handed over as that of the volume.
            return Err(invalid_snapshot(format!("snapshot: {} has another key than its volume", other.id)));
        }
        new.claim(tx)?;
        store::volumes::change(tx, &volume.id, &[("encryption_key_id", (&new.id).into())])?;
        for snapshot in snapshots {
            store::snapshots::change(tx, &snapshot.id, &[("encryption_key_id", (&new.id).into())])?;
        }
        store::keys::release(tx, self.old_id.as_deref(), &self.old_project_id)
    }
}

/// Does `transfer` with a copy of the volume's key for its next holder.
///
/// # Errors
/// [`crate::Kind::Invalid`] where the key store does not answer; those of `transfer`.
pub(super) fn move_key<T>(
    caller: &Caller<'_>,
    volume: &Volume,
    way: Way,
    transfer: impl FnOnce(&Passage) -> Result<T>,
) -> Result<T> {
    let old_id = volume.encryption_key_id.clone();
    let own = Holder::Caller(caller.context);
    let (from, to, old_project_id) = match way {
        Way::ToService => (own, Holder::Service, volume.project_id.clone()),
        Way::ToCaller => (Holder::Service, own, String::new()),
    };
    let new = old_id.as_deref().map(|id| keys::hand_over(caller, id, from, to)).transpose()?;
    let passage = Passage { old_id, old_project_id, new };
    let made: Vec<&NewKey> = passage.new.iter().collect();
    keys::with(caller, &made, || transfer(&passage))
}
