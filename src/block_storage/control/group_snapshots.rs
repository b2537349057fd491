//! Snapshots of groups: lists, their begin, which writes a snapshot of every volume in one transaction, and their end.

use super::refusals::invalid_group;
use super::snapshots::{NewSnapshot, place};
use super::{Authorized, Caller, volumes};
use crate::block_storage::model::group::{Group, SNAPSHOT};
use crate::block_storage::model::group_snapshot::{DELETE, GroupSnapshot, Status};
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::snapshot::{self, DELETE_WITH_GROUP_SNAPSHOT, Snapshot};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{AttachStatus, SNAPSHOT_IN_USE, Volume};
use crate::block_storage::policies::{groups as rules, snapshots as snapshot_rules};
use crate::block_storage::store::volume_types::Eyes;
use crate::block_storage::{rpc, store};
use crate::database::Transaction;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The group snapshots of one page.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for an unknown marker, those of the database.
pub fn list(caller: &Caller<'_>, selection: &Selection) -> Result<Vec<GroupSnapshot>> {
    caller.enforce(&rules::GET_ALL_SNAPSHOTS)?;
    caller.database.read(|c| store::group_snapshots::page(c, selection))
}

/// Makes a snapshot of a group, which then waits for a volume service.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::InvalidState`] with Cinder's texts, [`crate::Kind::Invalid`] on a frozen
/// backend, [`crate::Kind::OverQuota`], those of the database.
pub fn create(
    caller: &Caller<'_>,
    group: &Authorized<Group>,
    name: Option<String>,
    description: Option<String>,
) -> Result<GroupSnapshot> {
    volumes::refuse_frozen(caller, group.host.as_deref())?;
    let members = caller.database.read(|c| store::groups::volumes(c, &group.id))?;
    for member in &members {
        Authorized::<Volume>::load_unseen(caller, &member.id, &snapshot_rules::CREATE)?;
    }
    let new = GroupSnapshot {
        id: uuid::Uuid::new_v4().to_string(),
        group_id: group.id.clone(),
        project_id: caller.context.project_id.clone(),
        user_id: caller.context.user_id.clone(),
        created_at: Some(Timestamp::now()),
        updated_at: None,
        name,
        description,
        status: Status::Creating,
        group_type_id: group.group_type_id.clone(),
    };
    caller.database.write(|tx| write(tx, caller, &new, &members))?;
    caller.doorbell.ring();
    Ok(new)
}

fn write(tx: &mut Transaction<'_>, caller: &Caller<'_>, new: &GroupSnapshot, asked: &[Volume]) -> Result<()> {
    let id = &new.group_id;
    let group = store::groups::lock(tx, id)?.ok_or_else(|| super::authorized::no_group(id))?;
    if !store::groups::begin(tx, id, &SNAPSHOT, &[])? {
        return Err(invalid_group(
            "Source group cannot be empty or in 'creating' or 'updating' state. No group snapshot will be created.",
        ));
    }
    let members = store::groups::lock_volumes(tx, id)?;
    // Who entered since the rules were asked has not been asked about.
    if members.iter().any(|member| asked.iter().all(|known| known.id != member.id)) {
        return Err(invalid_group(format!("Group {id} has changed meanwhile.")));
    }
    refuse_inconsistent(tx, &group, &members)?;
    store::group_snapshots::insert(tx, new)?;
    let part = NewSnapshot {
        name: new.name.clone(),
        description: new.description.clone(),
        group_snapshot_id: Some(new.id.clone()),
        ..NewSnapshot::default()
    };
    for volume in &members {
        place(tx, caller, volume, &part, &SNAPSHOT_IN_USE, None)?;
    }
    let volumes = members.into_iter().map(|volume| volume.id).collect();
    rpc::create_group_snapshot(tx, &caller.requester(), &group, &new.id, volumes)
}

/// Several volumes that are written to can not be kept as they are at one moment by any driver that there is.
fn refuse_inconsistent(tx: &mut Transaction<'_>, group: &Group, members: &[Volume]) -> Result<()> {
    let written = members.iter().any(|volume| volume.attach_status != AttachStatus::Detached);
    if members.len() < 2 || !written {
        return Ok(());
    }
    let group_type = store::group_types::find(tx, &group.group_type_id, Eyes::All)?;
    if group_type.is_some_and(|found| found.is_consistent()) {
        return Err(invalid_group(format!(
            "The backend of group {} can not take a consistent snapshot of attached volumes.",
            group.id
        )));
    }
    Ok(())
}

/// Orders the end of a group snapshot together with its snapshots.
///
/// # Errors
/// [`crate::Kind::InvalidState`], [`crate::Kind::Invalid`] on a frozen backend, those of the database.
pub fn delete(caller: &Caller<'_>, group_snapshot: &Authorized<GroupSnapshot>) -> Result<()> {
    let id = &group_snapshot.id;
    let host =
        caller.database.read(|c| store::groups::by_id(c, &group_snapshot.group_id))?.and_then(|group| group.host);
    volumes::refuse_frozen(caller, host.as_deref())?;
    caller.database.write(|tx| {
        let group = &group_snapshot.group_id;
        let group = store::groups::lock(tx, group)?.ok_or_else(|| super::authorized::no_group(group))?;
        store::group_snapshots::lock(tx, id)?.ok_or_else(|| store::group_snapshots::not_found(id))?;
        if !store::group_snapshots::begin(tx, id, &DELETE)? {
            return Err(Error::invalid_state(
                "Invalid GroupSnapshot: GroupSnapshot status must be available or error, and no Group can be currently \
                 using it as source for its creation.",
            ));
        }
        let mut of = Vec::new();
        for part in store::group_snapshots::snapshots(tx, id)? {
            let volume = store::volumes::lock(tx, &part.volume_id)?
                .ok_or_else(|| super::authorized::no_volume(&part.volume_id))?;
            store::snapshots::begin(tx, &part.id, &DELETE_WITH_GROUP_SNAPSHOT, &[])?;
            of.push(volume.id.clone());
            let leaving = Snapshot { status: snapshot::Status::Deleting, ..part };
            rpc::delete_snapshot(tx, &caller.requester(), &volume, &leaving)?;
        }
        rpc::delete_group_snapshot(tx, &caller.requester(), &group, id, of)
    })?;
    caller.doorbell.ring();
    Ok(())
}

/// Sets what an operator says. Nobody works on the group snapshot any more then.
///
/// # Errors
/// Those of the database.
pub fn reset_status(caller: &Caller<'_>, group_snapshot: &Authorized<GroupSnapshot>, status: Status) -> Result<()> {
    let id = &group_snapshot.id;
    caller.database.write(|tx| {
        store::group_snapshots::lock(tx, id)?;
        store::group_snapshots::change(tx, id, &[("status", status.name().into())])?;
        caller.notices().group_snapshot_reset(tx, id, status.name())?;
        store::workers::end(tx, store::workers::GROUP_SNAPSHOT, id)
    })
}
