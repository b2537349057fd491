//! The end of a volume: at once where no service has it, otherwise by order.

use super::refusals::invalid_volume;
use super::{Authorized, Caller, keys, limits, volumes};
use crate::block_storage::model::snapshot;
use crate::block_storage::model::status::{From, Status as _};
use crate::block_storage::model::volume::{self, Move, Volume};
use crate::block_storage::store::quotas::{Charge, charge};
use crate::block_storage::{rpc, store};
use crate::database::Transaction;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// How a volume is to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct How {
    /// Its snapshots end with it.
    pub cascade: bool,
    /// Whatever its status.
    pub force: bool,
    /// It is only forgotten, and stays on its backend.
    pub unmanage: bool,
}

/// Deletes a volume, or orders it. Whether the caller may force has been asked before.
///
/// # Errors
/// [`crate::Kind::InvalidState`], [`crate::Kind::Invalid`] on a frozen backend, those of the database.
pub fn delete(caller: &Caller<'_>, volume: &Authorized<Volume>, how: How) -> Result<()> {
    if volume.host.is_none() && caller.database.write(|tx| delete_at_once(tx, caller, &volume.id))? {
        if volume.encryption_key_id.is_some() {
            keys::sweep(caller);
        }
        return Ok(());
    }
    if how.unmanage {
        if volume.encryption_key_id.is_some() {
            return Err(invalid_volume("Unmanaging encrypted volumes is not supported."));
        }
    } else {
        volumes::refuse_frozen(caller, volume.host.as_deref())?;
    }
    caller.database.write(|tx| order(tx, caller, &volume.id, how))?;
    caller.doorbell.ring();
    Ok(())
}

/// Removes a volume that no service has. `false` where one has got it meanwhile.
fn delete_at_once(tx: &mut Transaction<'_>, caller: &Caller<'_>, id: &str) -> Result<bool> {
    let volume = store::volumes::lock(tx, id)?.ok_or_else(|| super::authorized::no_volume(id))?;
    if volume.host.is_some() {
        return Ok(false);
    }
    remove_at_once(tx, caller, &volume)?;
    Ok(true)
}

/// Removes a volume that no service has, which the transaction has locked.
pub(super) fn remove_at_once(tx: &mut Transaction<'_>, caller: &Caller<'_>, volume: &Volume) -> Result<()> {
    let notices = caller.notices();
    notices.volume(tx, &volume.id, "delete.start")?;
    notices.volume_gone(tx, &volume.id, "delete.end")?;
    // What was never taken over was never counted, and has no size. Usage first: where it was never counted, the row must still be there.
    if volume.use_quota && volume.size_gib > 0 {
        let released = Charge {
            project_id: &volume.project_id,
            volume_type_id: Some(&volume.volume_type_id),
            volumes: -1,
            gigabytes: -volume.size_gib,
            ..Charge::default()
        };
        charge(tx, &released, &limits::configured(caller.config))?;
    }
    store::keys::release(tx, volume.encryption_key_id.as_deref(), &volume.project_id)?;
    store::volumes::remove(tx, &volume.id).map(|_| ())
}

fn order(tx: &mut Transaction<'_>, caller: &Caller<'_>, id: &str, how: How) -> Result<()> {
    let volume = store::volumes::lock(tx, id)?.ok_or_else(|| super::authorized::no_volume(id))?;
    let rule = rule(how, caller.context.is_admin);
    if !store::volumes::begin(tx, id, rule, &[("terminated_at", Timestamp::now().into())])? {
        return Err(refused(rule));
    }
    if how.cascade {
        let rule = if how.force { &snapshot::FORCE_DELETE } else { &snapshot::DELETE_WITH_VOLUME };
        for snapshot in store::snapshots::of_volume(tx, id)? {
            if !store::snapshots::begin(tx, &snapshot.id, rule, &[])? {
                return Err(invalid_volume("Failed to update snapshot."));
            }
        }
    }
    let status = rule.target(volume.status).unwrap_or(volume.status);
    let volume = Volume { status, ..volume };
    if how.unmanage {
        return rpc::unmanage_volume(tx, &caller.requester(), &volume);
    }
    rpc::delete_volume(tx, &caller.requester(), &volume, how.cascade)
}

/// The move of this way to end.
fn rule(how: How, by_admin: bool) -> &'static Move {
    if how.unmanage {
        return &volume::UNMANAGE;
    }
    match (how.force, how.cascade, by_admin) {
        (false, false, _) => &volume::DELETE,
        (false, true, false) => &volume::DELETE_CASCADE,
        (false, true, true) => &volume::DELETE_CASCADE_BY_ADMIN,
        (true, false, _) => &volume::FORCE_DELETE,
        (true, true, _) => &volume::FORCE_DELETE_CASCADE,
    }
}

fn refused(rule: &Move) -> Error {
    let status = match rule.from {
        From::Only(list) => {
            let names: Vec<&str> = list.iter().map(|status| status.name()).collect();
            format!("status must be {} and", names.join(" or "))
        }
        From::Any | From::Except(_) => String::new(),
    };
    invalid_volume(format!(
        "Volume {status} must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be \
         disassociated from snapshots after volume transfer."
    ))
}
