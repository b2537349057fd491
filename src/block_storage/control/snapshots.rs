//! Snapshots: lists, details, their begin and their end.

use super::authorized::no_volume;
use super::refusals::{invalid_snapshot, invalid_volume};
use super::{Authorized, Caller, limits, volumes};
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::snapshot::{DELETE, FORCE_DELETE, Snapshot, SnapshotDetails, Status, UNMANAGE};
use crate::block_storage::model::status::{From, Status as _};
use crate::block_storage::model::volume::{self, Move, Volume};
use crate::block_storage::policies::snapshots as rules;
use crate::block_storage::store::metadata::Table;
use crate::block_storage::store::quotas::{Charge, charge};
use crate::block_storage::{rpc, store};
use crate::database::{Transaction, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The snapshots of one page with their metadata, and how many there are on all pages together where that is asked for.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for an unknown marker, those of the database.
pub fn list(caller: &Caller<'_>, selection: &Selection, counted: bool) -> Result<(Vec<SnapshotDetails>, Option<i64>)> {
    caller.enforce(&rules::GET_ALL)?;
    caller.database.read(|c| {
        let page = store::snapshot_lists::page(c, selection)?;
        let page = store::snapshot_lists::details(c, page)?;
        let count = if counted { Some(store::snapshot_lists::count(c, selection)?) } else { None };
        Ok((page, count))
    })
}

/// A snapshot with its metadata.
///
/// # Errors
/// Those of the database.
pub fn details(caller: &Caller<'_>, snapshot: &Authorized<Snapshot>) -> Result<SnapshotDetails> {
    let metadata = caller.database.read(|c| store::metadata::of(c, Table::Snapshot, &snapshot.id))?;
    Ok(SnapshotDetails { snapshot: Snapshot::clone(snapshot), metadata })
}

/// What the caller wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewSnapshot {
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its metadata.
    pub metadata: Vec<(String, String)>,
    /// Whether the volume may be attached.
    pub in_use: bool,
    /// The group snapshot that it is a part of.
    pub group_snapshot_id: Option<String>,
}

/// Makes a snapshot of a volume, which then waits for the volume's service.
///
/// # Errors
/// [`crate::Kind::InvalidState`], [`crate::Kind::Invalid`] on a frozen backend, [`crate::Kind::OverQuota`], those of the
/// database.
pub fn create(caller: &Caller<'_>, volume: &Authorized<Volume>, new: &NewSnapshot) -> Result<SnapshotDetails> {
    volumes::refuse_frozen(caller, volume.host.as_deref())?;
    volume.check(caller, &rules::CREATE)?;
    let rule = if new.in_use { &volume::SNAPSHOT_IN_USE } else { &volume::SNAPSHOT };
    let details = caller.database.write(|tx| place(tx, caller, volume, new, rule, None))?;
    caller.doorbell.ring();
    Ok(details)
}

/// Makes a snapshot of the file `name` that lies on the volume's backend.
///
/// # Errors
/// As [`create`].
pub fn manage(
    caller: &Caller<'_>,
    volume: &Authorized<Volume>,
    new: &NewSnapshot,
    name: &str,
) -> Result<SnapshotDetails> {
    volume.check(caller, &rules::CREATE)?;
    let rule = &volume::SNAPSHOT_IN_USE;
    let details = caller.database.write(|tx| place(tx, caller, volume, new, rule, Some(name)))?;
    caller.doorbell.ring();
    Ok(details)
}

/// Writes the snapshot, charges the project, orders the work. The volume is held, so that it is still there and in the
/// same status when the order is.
pub(super) fn place(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    volume: &Volume,
    new: &NewSnapshot,
    rule: &Move,
    file: Option<&str>,
) -> Result<SnapshotDetails> {
    let volume = store::volumes::lock(tx, &volume.id)?.ok_or_else(|| no_volume(&volume.id))?;
    refuse_unready(&volume, rule)?;
    let limits = limits::configured(caller.config);
    let charged = Charge {
        project_id: &caller.context.project_id,
        volume_type_id: Some(&volume.volume_type_id),
        snapshots: 1,
        gigabytes: if limits.snapshots_without_gigabytes { 0 } else { volume.size_gib },
        ..Charge::default()
    };
    charge(tx, &charged, &limits)?;
    let snapshot = Snapshot {
        id: uuid::Uuid::new_v4().to_string(),
        volume_id: volume.id.clone(),
        project_id: caller.context.project_id.clone(),
        user_id: caller.context.user_id.clone(),
        created_at: Some(Timestamp::now()),
        updated_at: None,
        name: new.name.clone(),
        description: new.description.clone(),
        status: Status::Creating,
        progress: Some("0%".to_owned()),
        volume_size_gib: volume.size_gib,
        volume_type_id: volume.volume_type_id.clone(),
        group_snapshot_id: new.group_snapshot_id.clone(),
        cgsnapshot_id: None,
        provider_location: None,
        provider_id: None,
        encryption_key_id: volume.encryption_key_id.clone(),
        use_quota: true,
    };
    store::snapshots::insert(tx, &snapshot)?;
    store::metadata::merge(tx, Table::Snapshot, &snapshot.id, &new.metadata)?;
    if volume.bootable {
        store::metadata::copy_image_metadata_to_snapshot(tx, &volume.id, &snapshot.id)?;
    }
    match file {
        Some(name) => rpc::manage_snapshot(tx, &caller.requester(), &volume, &snapshot, name)?,
        None => rpc::create_snapshot(tx, &caller.requester(), &volume, &snapshot)?,
    }
    Ok(SnapshotDetails { snapshot, metadata: new.metadata.clone() })
}

/// Refuses a volume of which no snapshot can be made now.
fn refuse_unready(volume: &Volume, rule: &Move) -> Result<()> {
    if volume.host.is_none() {
        return Err(invalid_volume(
            "The snapshot cannot be created because volume has not been scheduled to any host.",
        ));
    }
    match volume.status {
        volume::Status::Maintenance => {
            return Err(invalid_volume("The snapshot cannot be created when the volume is in maintenance mode."));
        }
        _ if volume.is_migrating() => {
            return Err(invalid_volume("Snapshot cannot be created while volume is migrating."));
        }
        volume::Status::Error => {
            return Err(invalid_volume("The snapshot cannot be created when the volume is in error status."));
        }
        status if rule.from.holds(status) => return Ok(()),
        _ => {}
    }
    let names: Vec<&str> = match rule.from {
        From::Only(list) | From::Except(list) => list.iter().map(|status| status.name()).collect(),
        From::Any => Vec::new(),
    };
    Err(invalid_volume(format!(
        "Volume {} status must be {}, but current status is: {}.",
        volume.id,
        names.join(", "),
        volume.status
    )))
}

/// What of a snapshot changes at once; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The name; the inner `None` takes it away.
    pub name: Option<Option<String>>,
    /// The description; the inner `None` takes it away.
    pub description: Option<Option<String>>,
}

/// Changes a snapshot, whatever its status, and answers it as it is then.
///
/// # Errors
/// [`crate::Kind::NotFound`] where it has gone meanwhile, those of the database.
pub fn update(caller: &Caller<'_>, snapshot: &Authorized<Snapshot>, change: &Change) -> Result<SnapshotDetails> {
    let mut columns: Vec<(&str, Value<'_>)> = Vec::new();
    columns.extend(change.name.as_ref().map(|name| ("display_name", name.into())));
    columns.extend(change.description.as_ref().map(|text| ("display_description", text.into())));
    let id = &snapshot.id;
    let notices = caller.notices();
    caller.database.write(|tx| {
        if !notices.is_off() {
            store::snapshots::lock(tx, id)?;
            notices.snapshot(tx, id, "update.start")?;
        }
        store::snapshots::change(tx, id, &columns)?;
        notices.snapshot(tx, id, "update.end")?;
        let now = store::snapshots::by_id(tx, id)?.ok_or_else(|| super::authorized::no_snapshot(id))?;
        Ok(SnapshotDetails { snapshot: now, metadata: store::metadata::of(tx, Table::Snapshot, id)? })
    })
}

/// Orders the end of a snapshot. Whether the caller may force it has been asked before.
///
/// # Errors
/// [`crate::Kind::InvalidState`], [`crate::Kind::Invalid`] on a frozen backend, those of the database.
pub fn delete(caller: &Caller<'_>, snapshot: &Authorized<Snapshot>, force: bool) -> Result<()> {
    let id = &snapshot.id;
    let volume = caller.database.read(|c| store::volumes::by_id(c, &snapshot.volume_id))?;
    let volume = volume.ok_or_else(|| no_volume(&snapshot.volume_id))?;
    volumes::refuse_frozen(caller, volume.host.as_deref())?;
    let rule = if force { &FORCE_DELETE } else { &DELETE };
    caller.database.write(|tx| {
        let now = store::snapshots::lock(tx, id)?.ok_or_else(|| super::authorized::no_snapshot(id))?;
        if !store::snapshots::begin(tx, id, rule, &[])? {
            return Err(refused(force));
        }
        let status = rule.target(now.status).unwrap_or(now.status);
        rpc::delete_snapshot(tx, &caller.requester(), &volume, &Snapshot { status, ..now })
    })?;
    caller.doorbell.ring();
    Ok(())
}

/// Orders that a snapshot is forgotten; its content stays on the backend.
///
/// # Errors
/// [`crate::Kind::InvalidState`], those of the database.
pub fn unmanage(caller: &Caller<'_>, snapshot: &Authorized<Snapshot>) -> Result<()> {
    let id = &snapshot.id;
    caller.database.write(|tx| {
        let now = store::snapshots::lock(tx, id)?.ok_or_else(|| super::authorized::no_snapshot(id))?;
        let volume = store::volumes::by_id(tx, &now.volume_id)?.ok_or_else(|| no_volume(&now.volume_id))?;
        if !store::snapshots::begin(tx, id, &UNMANAGE, &[])? {
            return Err(refused(false));
        }
        rpc::unmanage_snapshot(tx, &caller.requester(), &volume, &Snapshot { status: Status::Unmanaging, ..now })
    })?;
    caller.doorbell.ring();
    Ok(())
}

fn refused(force: bool) -> Error {
    let status = if force { "" } else { "status must be available or error and" };
    invalid_snapshot(format!("Snapshot {status} must not be part of a group."))
}
