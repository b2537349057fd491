//! Groups of volumes: lists, details, their begin, and what of them changes at once. Which volumes belong to them is
//! `group_members.rs`, their end `group_delete.rs`, copies of them `group_copies.rs`.

use super::refusals::{invalid_group, invalid_input};
use super::types::eyes;
use super::{Authorized, Caller, limits, volume_create};
use crate::block_storage::model::group::{Group, GroupDetails, RENAME, Status};
use crate::block_storage::model::group_type::GroupType;
use crate::block_storage::model::selection::Selection;
use crate::block_storage::policies::groups as rules;
use crate::block_storage::store::quotas::{Charge, charge};
use crate::block_storage::store::volume_types::Eyes;
use crate::block_storage::{rpc, store};
use crate::config::default as options;
use crate::database::Value;
use crate::error::Result;
use crate::time::Timestamp;

/// The groups of one page, with what their details show; with `volumes`, also the ids of their volumes.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for an unknown marker, those of the database.
pub fn list(caller: &Caller<'_>, selection: &Selection, volumes: bool) -> Result<Vec<GroupDetails>> {
    caller.enforce(&rules::GET_ALL)?;
    caller.database.read(|c| {
        let page = store::group_lists::page(c, selection)?;
        store::group_lists::details(c, page, volumes)
    })
}

/// A group with what its details show; with `volumes`, also the ids of its volumes.
///
/// # Errors
/// Those of the database.
pub fn details(caller: &Caller<'_>, group: &Authorized<Group>, volumes: bool) -> Result<GroupDetails> {
    let found = caller.database.read(|c| store::group_lists::details(c, vec![Group::clone(group)], volumes))?;
    found.into_iter().next().ok_or_else(|| crate::Error::internal("a group has no details"))
}

/// The id of the type of consistency groups, which have an API of their own; `None` where there is no such type.
///
/// # Errors
/// Those of the database.
pub fn consistency_type(caller: &Caller<'_>) -> Result<Option<String>> {
    caller.database.read(store::group_types::of_consistency_groups)
}

/// The group type that a caller names by its id or its name.
///
/// # Errors
/// [`crate::Kind::NotFound`], those of the database.
pub fn resolve_type(caller: &Caller<'_>, id_or_name: &str) -> Result<GroupType> {
    caller.database.read(|c| store::group_types::resolve(c, id_or_name, eyes(caller)))
}

/// What the caller wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewGroup {
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// The id of its type.
    pub group_type_id: String,
    /// The types of its volumes, by id or name.
    pub volume_types: Vec<String>,
    /// Where its volumes should be.
    pub availability_zone: Option<String>,
}

/// Makes a group, which then waits for a volume service.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], [`crate::Kind::Invalid`], [`crate::Kind::OverQuota`], those of
/// the database.
pub fn create(caller: &Caller<'_>, new: &NewGroup) -> Result<Group> {
    caller.enforce(&rules::CREATE)?;
    let mut volume_types: Vec<String> = Vec::with_capacity(new.volume_types.len());
    for name in &new.volume_types {
        let found = caller.database.read(|c| store::volume_types::resolve(c, name, eyes(caller)))?;
        if !volume_types.contains(&found.id) {
            volume_types.push(found.id);
        }
    }
    let group = Group {
        availability_zone: zone(caller, new.availability_zone.as_deref())?,
        ..empty(caller, new.name.clone(), new.description.clone(), &new.group_type_id)
    };
    caller.database.write(|tx| {
        if !store::group_types::hold(tx, &group.group_type_id)? {
            return Err(store::group_types::not_found(&group.group_type_id));
        }
        charge_one(tx, caller, &group)?;
        store::groups::insert(tx, &group, &volume_types)?;
        rpc::create_group(tx, &caller.requester(), &group)
    })?;
    caller.doorbell.ring();
    Ok(group)
}

/// A group of the caller that is to be made.
pub(super) fn empty(
    caller: &Caller<'_>,
    name: Option<String>,
    description: Option<String>,
    group_type_id: &str,
) -> Group {
    Group {
        id: uuid::Uuid::new_v4().to_string(),
        project_id: caller.context.project_id.clone(),
        user_id: caller.context.user_id.clone(),
        created_at: Some(Timestamp::now()),
        updated_at: None,
        name,
        description,
        status: Status::Creating,
        group_type_id: group_type_id.to_owned(),
        availability_zone: None,
        host: None,
        cluster_name: None,
        group_snapshot_id: None,
        source_group_id: None,
        replication_status: Some("disabled".to_owned()),
    }
}

/// Charges a project for a new group.
pub(super) fn charge_one(tx: &mut crate::database::Transaction<'_>, caller: &Caller<'_>, group: &Group) -> Result<()> {
    let charged = Charge { project_id: &group.project_id, groups: 1, ..Charge::default() };
    charge(tx, &charged, &limits::configured(caller.config))
}

/// The zone of a group.
fn zone(caller: &Caller<'_>, wanted: Option<&str>) -> Result<Option<String>> {
    let known = volume_create::known_zones(caller)?;
    let default = volume_create::default_zone(caller.config);
    let wanted = wanted.map(str::to_owned).or_else(|| default.clone());
    match wanted {
        Some(zone) if known.contains(&zone) => Ok(Some(zone)),
        Some(zone) if caller.config.boolean(&options::ALLOW_AVAILABILITY_ZONE_FALLBACK) => {
            log::warn!("availability zone '{zone}' is not known: the default one is taken");
            Ok(default)
        }
        zone => Err(invalid_input(format!("Availability zone '{}' is invalid.", zone.unwrap_or_default()))),
    }
}

/// Changes name and description of a group, whatever its status; `None` leaves them as they are.
///
/// # Errors
/// [`crate::Kind::InvalidState`] where the group has gone meanwhile, those of the database.
pub(super) fn rename(
    tx: &mut crate::database::Transaction<'_>,
    id: &str,
    name: Option<&str>,
    description: Option<&str>,
) -> Result<()> {
    let mut columns: Vec<(&str, Value<'_>)> = Vec::new();
    columns.extend(name.map(|name| ("name", name.into())));
    columns.extend(description.map(|text| ("description", text.into())));
    if !columns.is_empty() && !store::groups::begin(tx, id, &RENAME, &columns)? {
        return Err(invalid_group("Group status must be available."));
    }
    Ok(())
}

/// The volume types of a group with their extra specs.
///
/// # Errors
/// Those of the database.
pub(super) fn volume_types(
    caller: &Caller<'_>,
    group: &Group,
) -> Result<Vec<crate::block_storage::model::volume_type::VolumeType>> {
    caller.database.read(|c| {
        let mut all = Vec::new();
        for id in store::groups::volume_types(c, &group.id)? {
            all.extend(store::volume_types::find(c, &id, Eyes::All)?);
        }
        Ok(all)
    })
}
