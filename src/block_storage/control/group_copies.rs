//! A new group of a group or of a group snapshot: one transaction writes the group and a volume for each of the source,
//! charges the project, and orders the work (Block Storage API v3, "Create group from source").

use super::groups::{charge_one, empty};
use super::refusals::invalid_group;
use super::volume_create::{Content, NewVolume, key, place, volume};
use super::{Authorized, Caller, keys, pools, volumes};
use crate::block_storage::key_store::NewKey;
use crate::block_storage::model::group::{COPY, Group};
use crate::block_storage::model::group_snapshot::GroupSnapshot;
use crate::block_storage::model::snapshot::Snapshot;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::groups as rules;
use crate::block_storage::store::volume_types::Eyes;
use crate::block_storage::{rpc, store};
use crate::database::Transaction;
use crate::error::Result;

/// What a new group is made of.
pub struct Source {
    /// The group that it is made of, or whose snapshot it is made of.
    group: Group,
    /// The group snapshot, where it is made of one.
    snapshot_id: Option<String>,
    /// What its volumes are made of.
    contents: Vec<Content>,
}

impl Source {
    /// A group with its volumes.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`] where the caller may not see the volumes, those of the database.
    pub fn group(caller: &Caller<'_>, group: &Authorized<Group>) -> Result<Self> {
        let members = caller.database.read(|c| store::groups::volumes(c, &group.id))?;
        let contents = members
            .iter()
            .map(|member| Authorized::<Volume>::load_as_source(caller, &member.id).map(Content::of_volume));
        let contents = contents.collect::<Result<_>>()?;
        Ok(Self { group: Group::clone(group), snapshot_id: None, contents })
    }

    /// A group snapshot with its snapshots.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`] where the caller may not see the group or the snapshots, those of the database.
    pub fn snapshot(caller: &Caller<'_>, found: &Authorized<GroupSnapshot>) -> Result<Self> {
        let group = Authorized::<Group>::load(caller, &found.group_id, &[])?;
        let parts = caller.database.read(|c| store::group_snapshots::snapshots(c, &found.id))?;
        let contents = parts.iter().map(|part| {
            Authorized::<Snapshot>::load(caller, &part.id, &[]).and_then(|part| Content::of_snapshot(caller, part))
        });
        let contents = contents.collect::<Result<_>>()?;
        Ok(Self { group: Group::clone(&group), snapshot_id: Some(found.id.clone()), contents })
    }

    /// Holds the source, so that it is still there when the orders are, and has volumes.
    fn hold(&self, tx: &mut Transaction<'_>) -> Result<()> {
        let id = &self.group.id;
        let now = store::groups::lock(tx, id)?.ok_or_else(|| super::authorized::no_group(id))?;
        if let Some(id) = &self.snapshot_id {
            // Each of its snapshots is asked for its status.
            store::group_snapshots::lock(tx, id)?.ok_or_else(|| store::group_snapshots::not_found(id))?;
            return match self.contents.is_empty() {
                true => Err(invalid_group("Group snapshot is empty. No group will be created.")),
                false => Ok(()),
            };
        }
        if self.contents.is_empty() {
            return Err(invalid_group("Source Group is empty. No group will be created."));
        }
        if COPY.from.holds(now.status) {
            return Ok(());
        }
        Err(invalid_group(format!("Group {id} can not be copied in status {}.", now.status)))
    }
}

/// Makes a group with copies of the source's volumes, which then wait for a volume service.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::InvalidState`], [`crate::Kind::Invalid`] on a frozen backend,
/// [`crate::Kind::OverQuota`], those of the database.
pub fn create(
    caller: &Caller<'_>,
    name: Option<String>,
    description: Option<String>,
    source: &Source,
) -> Result<Group> {
    caller.enforce(&rules::CREATE)?;
    let origin = &source.group;
    let copy = Group {
        availability_zone: origin.availability_zone.clone(),
        host: origin.host.clone(),
        cluster_name: origin.cluster_name.clone(),
        source_group_id: source.snapshot_id.is_none().then(|| origin.id.clone()),
        group_snapshot_id: source.snapshot_id.clone(),
        ..empty(caller, name, description, &origin.group_type_id)
    };
    let host = copy.host.as_deref().unwrap_or_default();
    let size_gib = source.contents.iter().filter_map(Content::size_gib).sum();
    if !pools::has_room(caller, host, size_gib)? {
        return Err(invalid_group(format!("No valid host to create group {}.", copy.id)));
    }
    volumes::refuse_frozen(caller, Some(host))?;
    let made = new_keys(caller, &source.contents)?;
    let write = || {
        caller.database.write(|tx| {
            source.hold(tx)?;
            charge_one(tx, caller, &copy)?;
            let types = store::groups::volume_types(tx, &origin.id)?;
            store::groups::insert(tx, &copy, &types)?;
            let both = source.contents.iter().zip(&made);
            let members = both.map(|(content, key)| member(tx, caller, &copy, content, key.as_ref()));
            let members = members.collect::<Result<_>>()?;
            rpc::create_group_from_source(tx, &caller.requester(), &copy, members)
        })
    };
    keys::with(caller, &made.iter().flatten().collect::<Vec<_>>(), write)?;
    caller.doorbell.ring();
    Ok(copy)
}

/// The keys of the volumes of the new group, in their order.
fn new_keys(caller: &Caller<'_>, contents: &[Content]) -> Result<Vec<Option<NewKey>>> {
    let mut made: Vec<Option<NewKey>> = Vec::new();
    for content in contents {
        let type_id = content.type_id().unwrap_or_default();
        let encryption = caller.database.read(|c| store::encryption::find(c, type_id));
        match encryption.and_then(|encryption| key(caller, content, encryption.as_ref())) {
            Ok(key) => made.push(key),
            Err(error) => return keys::with(caller, &made.iter().flatten().collect::<Vec<_>>(), || Err(error)),
        }
    }
    Ok(made)
}

/// Writes one volume of the new group; its id.
fn member(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    copy: &Group,
    content: &Content,
    key: Option<&NewKey>,
) -> Result<String> {
    let size_gib = content.size_gib().unwrap_or_default();
    let type_id = content.type_id().unwrap_or_default();
    let volume_type = store::volume_types::find(tx, type_id, Eyes::All)?;
    let volume_type = volume_type.ok_or_else(|| store::volume_types::not_found(type_id))?;
    key.map_or(Ok(()), |key| key.claim(tx))?;
    let new = NewVolume::default();
    let made = Volume {
        group_id: Some(copy.id.clone()),
        encryption_key_id: key.map(|key| key.id.clone()),
        host: copy.host.clone(),
        cluster_name: copy.cluster_name.clone(),
        ..volume(caller, &new, content, &volume_type, size_gib, copy.availability_zone.clone())
    };
    place(tx, caller, &new, content, &made, &volume_type.name)?;
    // The scheduler, which would have noted it, is not asked.
    store::pools::promise(tx, copy.host.as_deref().unwrap_or_default(), size_gib, true)?;
    Ok(made.id)
}
