//! Transfers: a project offers a volume, and whoever has the key takes it, with its snapshots unless they are to stay.
//! Volume, snapshots and the quota of both projects move in one transaction; of several who take it, one gets it.

use super::refusals::{invalid_snapshot, invalid_volume};
use super::transfer_passage::{Passage, Way, move_key};
use super::{Authorized, Caller, limits, transfer_key};
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::snapshot::{self, Snapshot};
use crate::block_storage::model::transfer::{ACCEPT, ACCEPT_SNAPSHOT, OFFER, Transfer, WITHDRAW};
use crate::block_storage::model::volume::{Status, Volume};
use crate::block_storage::notices::Notices;
use crate::block_storage::policies::transfers as rules;
use crate::block_storage::store;
use crate::block_storage::store::quotas::{Charge, charge, check_volume_size};
use crate::block_storage::store::transfers::{Lock, no_transfer};
use crate::config::default;
use crate::database::Transaction;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The transfers of one page.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for an unknown marker, those of the database.
pub fn list(caller: &Caller<'_>, selection: &Selection) -> Result<Vec<Transfer>> {
    caller.enforce(&rules::GET_ALL)?;
    caller.database.read(|c| store::transfers::page(c, selection))
}

/// What the caller wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTransfer {
    /// Its name.
    pub name: Option<String>,
    /// Whether the volume's snapshots stay behind.
    pub no_snapshots: bool,
    /// Whether the caller knows that volumes may be encrypted.
    pub encrypted: bool,
}

/// Offers a volume; the answer holds the key, which is told once.
///
/// # Errors
/// [`crate::Kind::InvalidState`], those of the database.
pub fn create(caller: &Caller<'_>, volume: &Authorized<Volume>, new: &NewTransfer) -> Result<Transfer> {
    let length = |opt| usize::try_from(caller.config.integer(opt)).unwrap_or_default();
    let (key, lock) = transfer_key::make(
        length(&default::VOLUME_TRANSFER_KEY_LENGTH),
        length(&default::VOLUME_TRANSFER_SALT_LENGTH),
    )?;
    if volume.status == Status::Available {
        refuse_encrypted(volume, new)?;
    }
    let transfer = move_key(caller, volume, Way::ToService, |passage| {
        caller.database.write(|tx| offer(tx, &caller.notices(), &volume.id, new, (&lock, passage)))
    })?;
    Ok(Transfer { auth_key: Some(key), ..transfer })
}

fn offer(
    tx: &mut Transaction<'_>,
    notices: &Notices<'_>,
    volume_id: &str,
    new: &NewTransfer,
    (lock, passage): (&Lock, &Passage),
) -> Result<Transfer> {
    let volume = store::volumes::lock(tx, volume_id)?.ok_or_else(|| super::authorized::no_volume(volume_id))?;
    if volume.status != Status::Available {
        return Err(invalid_volume("status must be available"));
    }
    refuse_encrypted(&volume, new)?;
    if !new.no_snapshots {
        let own = store::snapshots::of_volume(tx, volume_id)?;
        if let Some(busy) = own.iter().find(|snapshot| snapshot.status != snapshot::Status::Available) {
            return Err(invalid_snapshot(format!("snapshot: {} status must be available", busy.id)));
        }
    }
    let transfer = Transfer {
        id: uuid::Uuid::new_v4().to_string(),
        volume_id: volume_id.to_owned(),
        name: new.name.clone(),
        created_at: Some(Timestamp::now()),
        no_snapshots: new.no_snapshots,
        source_project_id: Some(volume.project_id.clone()),
        destination_project_id: None,
        accepted: false,
        auth_key: None,
    };
    notices.volume(tx, volume_id, "transfer.create.start")?;
    passage.write(tx, &volume)?;
    if !store::volumes::begin(tx, volume_id, &OFFER, &[])? {
        return Err(unexpected(&transfer, "available"));
    }
    store::transfers::insert(tx, &transfer, lock)?;
    notices.volume(tx, volume_id, "transfer.create.end")?;
    Ok(transfer)
}

/// The key of an encrypted volume goes along, and its snapshots have the same one.
fn refuse_encrypted(volume: &Volume, new: &NewTransfer) -> Result<()> {
    if volume.encryption_key_id.is_none() {
        return Ok(());
    }
    if !new.encrypted {
        return Err(invalid_volume("transferring encrypted volume is not supported"));
    }
    if new.no_snapshots {
        return Err(invalid_volume("transferring an encrypted volume without its snapshots is not supported"));
    }
    Ok(())
}

/// Takes the offer of a volume back. Where the volume has left the status of an offer, only the transfer ends.
///
/// # Errors
/// [`crate::Kind::NotFound`] where it has ended meanwhile, those of the database.
pub fn delete(caller: &Caller<'_>, transfer: &Authorized<Transfer>) -> Result<()> {
    let notices = caller.notices();
    let offered = caller.database.read(|c| store::volumes::by_id(c, &transfer.volume_id))?;
    let offered = offered.ok_or_else(|| no_transfer(&transfer.id))?;
    move_key(caller, &offered, Way::ToCaller, |passage| {
        caller.database.write(|tx| {
            // The volume first, as those who take it do.
            let volume = store::volumes::lock(tx, &transfer.volume_id)?.ok_or_else(|| no_transfer(&transfer.id))?;
            notices.volume(tx, &transfer.volume_id, "transfer.delete.start")?;
            if !store::transfers::end(tx, &transfer.id, None)? {
                return Err(no_transfer(&transfer.id));
            }
            passage.write(tx, &volume)?;
            store::volumes::begin(tx, &transfer.volume_id, &WITHDRAW, &[])?;
            notices.volume(tx, &transfer.volume_id, "transfer.delete.end")
        })
    })
}

/// Takes a volume that somebody offers.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], [`crate::Kind::Invalid`] for a wrong key, [`crate::Kind::InvalidState`],
/// [`crate::Kind::OverQuota`], those of the database.
pub fn accept(caller: &Caller<'_>, id: &str, key: &str) -> Result<Transfer> {
    caller.enforce(&rules::ACCEPT)?;
    let lock = caller.database.read(|c| store::transfers::lock_of(c, id))?.ok_or_else(|| no_transfer(id))?;
    if !transfer_key::opens(&lock, key) {
        log::warn!("transfer {id}: a wrong key was given");
        return Err(Error::invalid(format!("Invalid auth key: Attempt to transfer {id} with invalid auth key.")));
    }
    let offered = caller.database.read(|c| {
        let Some(transfer) = store::transfers::by_id(c, id)? else { return Ok(None) };
        store::volumes::by_id(c, &transfer.volume_id)
    })?;
    let offered = offered.ok_or_else(|| no_transfer(id))?;
    move_key(caller, &offered, Way::ToCaller, |passage| caller.database.write(|tx| take(tx, caller, id, passage)))
}

fn take(tx: &mut Transaction<'_>, caller: &Caller<'_>, id: &str, passage: &Passage) -> Result<Transfer> {
    let transfer = store::transfers::by_id(tx, id)?.ok_or_else(|| no_transfer(id))?;
    let volume = store::volumes::lock(tx, &transfer.volume_id)?
        .ok_or_else(|| super::authorized::no_volume(&transfer.volume_id))?;
    if volume.group_id.is_some() || volume.consistencygroup_id.is_some() {
        return Err(invalid_volume(format!("Volume {} must not be part of a consistency group.", volume.id)));
    }
    let (project_id, user_id) = (caller.context.project_id.as_str(), caller.context.user_id.as_str());
    let limits = limits::configured(caller.config);
    check_volume_size(tx, project_id, volume.size_gib, &limits)?;
    // Usage first: where it was never counted, the rows are counted as they are before the move.
    let snapshots = if transfer.no_snapshots { Vec::new() } else { store::snapshots::of_volume(tx, &volume.id)? };
    if volume.use_quota {
        let owned = Charge {
            project_id,
            volume_type_id: Some(&volume.volume_type_id),
            volumes: 1,
            gigabytes: volume.size_gib,
            ..Charge::default()
        };
        charge(tx, &owned, &limits)?;
        let given = Charge { project_id: &volume.project_id, volumes: -1, gigabytes: -volume.size_gib, ..owned };
        charge(tx, &given, &limits)?;
    }
    charge_snapshots(tx, project_id, &volume, &snapshots, &limits)?;
    let notices = caller.notices();
    notices.volume(tx, &volume.id, "transfer.accept.start")?;
    if !store::transfers::end(tx, id, Some(project_id))? {
        return Err(no_transfer(id));
    }
    passage.write(tx, &volume)?;
    let owner = [("project_id", project_id.into()), ("user_id", user_id.into())];
    if !store::volumes::begin(tx, &volume.id, &ACCEPT, &owner)? {
        return Err(unexpected(&transfer, "awaiting-transfer"));
    }
    for snapshot in &snapshots {
        if !store::snapshots::begin(tx, &snapshot.id, &ACCEPT_SNAPSHOT, &owner)? {
            return Err(invalid_snapshot(format!(
                "Transfer {id}: Snapshot {} is not in the expected available state.",
                snapshot.id
            )));
        }
    }
    notices.volume(tx, &volume.id, "transfer.accept.end")?;
    Ok(Transfer { accepted: true, destination_project_id: Some(project_id.to_owned()), ..transfer })
}

/// Moves the usage of snapshots, each from its own project, which need not be that of the volume.
fn charge_snapshots(
    tx: &mut Transaction<'_>,
    project_id: &str,
    volume: &Volume,
    snapshots: &[Snapshot],
    limits: &crate::block_storage::model::quota::Limits,
) -> Result<()> {
    let counted: Vec<&Snapshot> = snapshots.iter().filter(|snapshot| snapshot.use_quota).collect();
    let gib = |snapshot: &Snapshot| if limits.snapshots_without_gigabytes { 0 } else { snapshot.volume_size_gib };
    let owned = Charge {
        project_id,
        volume_type_id: Some(&volume.volume_type_id),
        snapshots: i64::try_from(counted.len()).unwrap_or(i64::MAX),
        gigabytes: counted.iter().map(|snapshot| gib(snapshot)).sum(),
        ..Charge::default()
    };
    charge(tx, &owned, limits)?;
    for snapshot in counted {
        let given = Charge { project_id: &snapshot.project_id, snapshots: -1, gigabytes: -gib(snapshot), ..owned };
        charge(tx, &given, limits)?;
    }
    Ok(())
}

fn unexpected(transfer: &Transfer, expected: &str) -> Error {
    invalid_volume(format!("Transfer {}: Volume id {} expected in {expected} state.", transfer.id, transfer.volume_id))
}
