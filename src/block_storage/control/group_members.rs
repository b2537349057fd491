//! Which volumes belong to a group: they enter in the caller's transaction, where exactly one group gets a volume, and leave
//! by the volume service's order (Block Storage API v3, "Generic volume groups").

use super::refusals::{invalid_group, invalid_input, invalid_volume, list};
use super::volume_actions::tuple;
use super::{Authorized, Caller, groups};
use crate::block_storage::model::group::{CREATE_VOLUME, Group, UPDATE};
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{Status, Volume};
use crate::block_storage::model::volume_type::VolumeType;
use crate::block_storage::{rpc, store};
use crate::database::Transaction;
use crate::error::{Error, Result};

/// The statuses in which a volume may enter a group.
const ENTERING: [Status; 2] = [Status::Available, Status::InUse];
/// The statuses in which a volume may leave its group.
const LEAVING: [Status; 4] = [Status::Available, Status::InUse, Status::Error, Status::ErrorDeleting];

/// What of a group changes; `None` and empty lists leave it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The name.
    pub name: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// Ids of volumes that enter.
    pub add: Vec<String>,
    /// Ids of volumes that leave.
    pub remove: Vec<String>,
}

/// Changes a group.
///
/// # Errors
/// [`crate::Kind::InvalidState`] with Cinder's texts where a volume may not enter or leave, or where nothing would change;
/// those of the database.
pub fn update(caller: &Caller<'_>, group: &Authorized<Group>, change: &Change) -> Result<()> {
    let both: Vec<&str> = change.add.iter().filter(|id| change.remove.contains(id)).map(String::as_str).collect();
    if !both.is_empty() {
        return Err(invalid_volume(format!("UUIDs {} are in both add and remove volume list.", list(both))));
    }
    let ordered = caller.database.write(|tx| write(tx, caller, &group.id, change))?;
    if ordered {
        caller.doorbell.ring();
    }
    Ok(())
}

/// Answers whether a volume service has something to do.
fn write(tx: &mut Transaction<'_>, caller: &Caller<'_>, id: &str, change: &Change) -> Result<bool> {
    let group = store::groups::lock(tx, id)?.ok_or_else(|| super::authorized::no_group(id))?;
    let name = change.name.as_deref().filter(|name| Some(*name) != group.name.as_deref());
    let description = change.description.as_deref().filter(|text| Some(*text) != group.description.as_deref());
    let members = store::groups::lock_volumes(tx, id)?;
    let entering = entering(tx, caller, &group, &members, &change.add)?;
    let leaving = leaving(&group, &members, &change.remove)?;
    if name.is_none() && description.is_none() && entering.is_empty() && leaving.is_empty() {
        return Err(invalid_group(format!(
            "Cannot update group {id} because no valid name, description, add_volumes, or remove_volumes were provided."
        )));
    }
    groups::rename(tx, id, name, description)?;
    if entering.is_empty() && leaving.is_empty() {
        return Ok(false);
    }
    if !store::groups::begin(tx, id, &UPDATE, &[])? {
        return Err(invalid_group("Group status must be available."));
    }
    for volume in &entering {
        store::volumes::change(tx, volume, &[("group_id", id.into())])?;
    }
    rpc::update_group(tx, &caller.requester(), &group, leaving)?;
    Ok(true)
}

/// The volumes that enter, which are not in the group yet and may be.
fn entering(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    group: &Group,
    members: &[Volume],
    wanted: &[String],
) -> Result<Vec<String>> {
    let types = store::groups::volume_types(tx, &group.id)?;
    let mut entering: Vec<String> = Vec::new();
    let strangers = wanted.iter().filter(|id| members.iter().all(|member| member.id != **id));
    // Everybody locks volumes in the order of their ids.
    let mut strangers: Vec<&String> = strangers.collect();
    strangers.sort_unstable();
    strangers.dedup();
    for id in strangers {
        let refused = |why: String| invalid_volume(format!("Cannot add volume {id} to group {} {why}", group.id));
        let found = store::volumes::lock(tx, id)?.filter(|volume| caller.sees(&volume.project_id));
        let volume = found.ok_or_else(|| refused("because volume cannot be found.".to_owned()))?;
        if let Some(other) = &volume.group_id {
            return Err(refused(format!("because it is already in group {other}.")));
        }
        if volume.project_id != group.project_id {
            return Err(refused("as they belong to different projects.".to_owned()));
        }
        if !types.contains(&volume.volume_type_id) {
            let volume_type = &volume.volume_type_id;
            return Err(refused(format!("because volume type {volume_type} is not supported by the group.")));
        }
        if !ENTERING.contains(&volume.status) {
            return Err(refused(state(&volume, &ENTERING)));
        }
        let backend = |host: &Option<String>| host.as_deref().map(|host| service_host(host).to_owned());
        if backend(&volume.host) != backend(&group.host) {
            return Err(invalid_volume("Volume is not local to this node."));
        }
        entering.push(volume.id);
    }
    Ok(entering)
}

/// The volumes that leave, all of which are in the group and may.
fn leaving(group: &Group, members: &[Volume], wanted: &[String]) -> Result<Vec<String>> {
    let refused = |id: &str, why: String| -> Error {
        invalid_volume(format!("Cannot remove volume {id} from group {} {why}", group.id))
    };
    for volume in members.iter().filter(|volume| wanted.contains(&volume.id)) {
        if !LEAVING.contains(&volume.status) {
            return Err(refused(&volume.id, state(volume, &LEAVING)));
        }
    }
    match wanted.iter().find(|id| members.iter().all(|member| member.id != **id)) {
        Some(id) => Err(refused(id, "because it is not in the group.".to_owned())),
        None => Ok(wanted.to_vec()),
    }
}

fn state(volume: &Volume, valid: &[Status]) -> String {
    let valid = tuple(valid.iter().map(|status| status.name()));
    format!("because volume is in an invalid state: {}. Valid states are: {valid}.", volume.status)
}

/// A volume of a group has a type that the group takes, and says which.
pub(super) fn refuse_unfit_type(caller: &Caller<'_>, group: &Group, named: Option<&VolumeType>) -> Result<()> {
    let Some(named) = named else {
        return Err(invalid_input("volume_type must be provided when creating a volume in a group."));
    };
    if caller.database.read(|c| store::groups::volume_types(c, &group.id))?.contains(&named.id) {
        return Ok(());
    }
    Err(invalid_input(format!(
        "Invalid volume_type provided: {} (requested type must be supported by this group).",
        named.id
    )))
}

/// Holds the group of a new volume, so that it is still there and takes volumes when the volume's order is.
pub(super) fn hold(tx: &mut Transaction<'_>, group: &Group, source: Option<&Volume>) -> Result<()> {
    let now = store::groups::lock(tx, &group.id)?.ok_or_else(|| super::authorized::no_group(&group.id))?;
    if !CREATE_VOLUME.from.holds(now.status) {
        return Err(invalid_group("Originating group status must be one of 'available, creating' values"));
    }
    let backend = |host: &Option<String>| host.as_deref().map(|host| service_host(host).to_owned());
    match source {
        Some(source) if backend(&source.host) != backend(&now.host) => {
            Err(invalid_volume("Volume is not local to this node."))
        }
        _ => Ok(()),
    }
}
