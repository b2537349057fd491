//! The end of a group: at once where no backend has it, otherwise by order, after the orders of its volumes.

use super::refusals::invalid_group;
use super::volume_delete::remove_at_once;
use super::{Authorized, Caller, limits, volumes};
use crate::block_storage::model::group::{self, Group, Status};
use crate::block_storage::model::volume::{self, AttachStatus, Volume};
use crate::block_storage::store::quotas::{Charge, charge};
use crate::block_storage::{rpc, store};
use crate::database::Transaction;
use crate::error::Result;
use crate::time::Timestamp;

/// Deletes a group, or orders it; with `delete_volumes` in any status and together with its volumes.
///
/// # Errors
/// [`crate::Kind::InvalidState`] with Cinder's texts, [`crate::Kind::Invalid`] on a frozen backend, those of the database.
pub fn delete(caller: &Caller<'_>, group: &Authorized<Group>, delete_volumes: bool) -> Result<()> {
    volumes::refuse_frozen(caller, group.host.as_deref())?;
    caller.database.write(|tx| {
        let now = store::groups::lock(tx, &group.id)?.ok_or_else(|| super::authorized::no_group(&group.id))?;
        match &now.host {
            None => at_once(tx, caller, &now, delete_volumes),
            Some(_) => order(tx, caller, &now, delete_volumes),
        }
    })?;
    caller.doorbell.ring();
    Ok(())
}

/// Removes a group that no backend has, with volumes that no backend has.
fn at_once(tx: &mut Transaction<'_>, caller: &Caller<'_>, group: &Group, delete_volumes: bool) -> Result<()> {
    let members = store::groups::lock_volumes(tx, &group.id)?;
    refuse_volumes(group, &members, delete_volumes)?;
    for volume in &members {
        if volume.host.is_some() {
            return Err(invalid_group(format!("Volume {} lies on a backend, and its group on none.", volume.id)));
        }
        remove_at_once(tx, caller, volume)?;
    }
    let released = Charge { project_id: &group.project_id, groups: -1, ..Charge::default() };
    charge(tx, &released, &limits::configured(caller.config))?;
    store::groups::remove(tx, &group.id)
}

fn refuse_volumes(group: &Group, members: &[Volume], delete_volumes: bool) -> Result<()> {
    if members.is_empty() || delete_volumes {
        return Ok(());
    }
    Err(invalid_group(format!(
        "Group {} still contains volumes. The delete-volumes flag is required to delete it.",
        group.id
    )))
}

fn order(tx: &mut Transaction<'_>, caller: &Caller<'_>, group: &Group, delete_volumes: bool) -> Result<()> {
    let id = &group.id;
    let rule = if delete_volumes { &group::DELETE_WITH_VOLUMES } else { &group::DELETE };
    if !rule.from.holds(group.status) {
        let status = group.status;
        return Err(invalid_group(format!("Group status must be available or error, but current status is: {status}")));
    }
    let members = store::groups::lock_volumes(tx, id)?;
    if store::groups::has_snapshots(tx, id)? {
        return Err(invalid_group("Group has existing snapshots."));
    }
    refuse_volumes(group, &members, delete_volumes)?;
    if members.iter().any(|volume| volume.attach_status == AttachStatus::Attached) {
        return Err(invalid_group(format!("Volume in group {id} is attached. Need to detach first.")));
    }
    if store::groups::volumes_have_snapshots(tx, id)? {
        return Err(invalid_group("Volume in group still has dependent snapshots."));
    }
    if !store::groups::begin(tx, id, rule, &[])? {
        let reason = if delete_volumes {
            "Group status must be available or error and must not have dependent group snapshots"
        } else {
            "Group must not have attached volumes, volumes with snapshots, or dependent group snapshots"
        };
        return Err(invalid_group(format!(
            "Cannot delete group {id}. {reason}, and it cannot be the source for an ongoing group or group snapshot \
             creation."
        )));
    }
    let mut leaving = Vec::new();
    for volume in members {
        if volume.host.is_none() {
            remove_at_once(tx, caller, &volume)?;
            continue;
        }
        let now = [("terminated_at", Timestamp::now().into())];
        if !store::volumes::begin(tx, &volume.id, &volume::DELETE_WITH_GROUP, &now)? {
            return Err(invalid_group(format!("Volume {} is migrating.", volume.id)));
        }
        leaving.push(volume.id.clone());
        let status = volume::DELETE_WITH_GROUP.target(volume.status).unwrap_or(volume.status);
        rpc::delete_volume(tx, &caller.requester(), &Volume { status, ..volume }, false)?;
    }
    rpc::delete_group(tx, &caller.requester(), &Group { status: Status::Deleting, ..group.clone() }, leaving)
}
