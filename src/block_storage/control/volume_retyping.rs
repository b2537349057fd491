//! Another type for a volume. What can be wrong with the two types is found here, and the new type's limits are charged; whether
//! the volume's backend suits the new type is found by the volume service.

use super::authorized::no_volume;
use super::refusals::{invalid_input, invalid_volume};
use super::volume_create::check_type_size;
use super::{Authorized, Caller, keys, limits, types};
use crate::block_storage::key_store::NewKey;
use crate::block_storage::model::backup_work::Key;
use crate::block_storage::model::image::Token;
use crate::block_storage::model::qos_specs::DEFAULT_CONSUMER;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{RETYPE, RETYPE_ATTACHED, Status, Volume};
use crate::block_storage::model::volume_type::VolumeType;
use crate::block_storage::model::work::Recoding;
use crate::block_storage::policies::volumes as volume_rules;
use crate::block_storage::store::{encryption, qos_specs, type_charges, volume_types};
use crate::block_storage::{rpc, store};
use crate::database::Transaction;
use crate::error::Result;

/// Orders another type for a volume, which the caller names by its id or its name; `may_move` says whether its content may go
/// to another backend.
///
/// # Errors
/// [`crate::Kind::NotFound`] for the type, [`crate::Kind::Invalid`] where the types do not go together,
/// [`crate::Kind::Forbidden`], [`crate::Kind::OverQuota`], [`crate::Kind::InvalidState`], those of the database.
pub fn retype(caller: &Caller<'_>, volume: &Authorized<Volume>, new_type: &str, may_move: bool) -> Result<()> {
    let new = types::resolve(caller, new_type)?;
    check_type_size(&new, volume.size_gib)?;
    let to_several = new.is_multiattach();
    if volume.multiattach != to_several {
        if volume.status != Status::Available {
            return Err(invalid_input(format!(
                "Invalid volume_type passed, retypes affecting multiattach are only allowed on available volumes, the \
                 specified volume however currently has a status of: {}.",
                volume.status
            )));
        }
        if to_several {
            volume.check(caller, &volume_rules::MULTIATTACH)?;
        }
    }
    if to_several && caller.database.read(|c| encryption::find(c, &new.id))?.is_some() {
        let text = "Retype requested both encryption and multi-attach, which is not supported.";
        return Err(invalid_input(text));
    }
    let recoding = if may_move && volume.status == Status::Available { recoding(caller, volume, &new)? } else { None };
    let made = recoding.as_ref().and_then(|(_, made)| made.as_ref());
    keys::with(caller, made.as_slice(), || {
        caller.database.write(|tx| {
            made.map_or(Ok(()), |key| key.hold(tx))?;
            order(tx, caller, &volume.id, &new, may_move, recoding.as_ref().map(|(recoding, _)| recoding.clone()))
        })
    })?;
    caller.doorbell.ring();
    Ok(())
}

/// What it takes to encrypt the content anew, with the key that was made for that, where the new type is encrypted otherwise.
fn recoding(caller: &Caller<'_>, volume: &Volume, new: &VolumeType) -> Result<Option<(Recoding, Option<NewKey>)>> {
    let found = caller.database.read(|c| {
        let same = store::sources::same_encryption(c, &volume.volume_type_id, &new.id)?;
        Ok((same, encryption::find(c, &new.id)?))
    })?;
    let (false, encryption) = found else { return Ok(None) };
    let made = encryption.map(|encryption| keys::create(caller, &encryption)).transpose()?;
    let key = made.as_ref().map(|made| Key { id: made.id.clone(), name: made.name.clone() });
    let token = caller.context.auth_token.as_ref().map(|token| Token::new(token.reveal()));
    Ok(Some((Recoding { key, token }, made)))
}

fn order(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    id: &str,
    new: &VolumeType,
    may_move: bool,
    recoding: Option<Recoding>,
) -> Result<()> {
    let volume = store::volumes::lock(tx, id)?.ok_or_else(|| no_volume(id))?;
    let charged = type_charges::begin(tx, &volume, &new.id, &limits::configured(caller.config))?;
    let attached = volume.status == Status::InUse;
    let rule = if attached { &RETYPE_ATTACHED } else { &RETYPE };
    let fits = volume.volume_type_id != new.id
        && volume.host.is_some()
        && (!attached || same_front(tx, &volume.volume_type_id, new)?);
    let previous = [("previous_status", volume.status.name().into())];
    if !fits || !store::volumes::begin(tx, id, rule, &previous)? {
        return Err(invalid_volume(
            "Retype needs volume to be in available or in-use state, not be part of an active migration or a consistency \
             group, requested type has to be different that the one from the volume, and for in-use volumes front-end qos \
             specs cannot change.",
        ));
    }
    rpc::retype_volume(tx, &caller.requester(), &volume, &new.id, may_move, charged, recoding)
}

/// Whether a hypervisor has to see to the same with volumes of both types.
fn same_front(tx: &mut Transaction<'_>, old_type_id: &str, new: &VolumeType) -> Result<bool> {
    let old = volume_types::of_object(tx, old_type_id)?.and_then(|old| old.qos_specs_id);
    if old.is_some() && old == new.qos_specs_id {
        return Ok(true);
    }
    for id in [&old, &new.qos_specs_id].into_iter().flatten() {
        if qos_specs::find(tx, id)?.is_some_and(|specs| specs.consumer != DEFAULT_CONSUMER) {
            return Ok(false);
        }
    }
    Ok(true)
}
