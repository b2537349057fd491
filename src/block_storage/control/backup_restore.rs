//! Writing a backup into a volume: one that exists, or one that is made for it. The answer does not wait for either.

use super::authorized::{no_backup, no_volume};
use super::backups::host_for;
use super::refusals::{invalid_backup, invalid_volume};
use super::volume_create::{self, NewVolume};
use super::{Authorized, Caller, keys};
use crate::block_storage::key_store::NewKey;
use crate::block_storage::model::backup::{Backup, RESTORE, Status};
use crate::block_storage::model::backup_work::{Key, Work};
use crate::block_storage::model::volume::{self, RESTORE_BACKUP, Volume};
use crate::block_storage::{rpc, store};
use crate::database::Transaction;
use crate::error::Result;

/// The description of volumes that are made for a restore.
const DESCRIPTION: &str = "auto-created_from_restore_from_backup";

/// Orders that a backup is written into a volume; without an id, into a new one. Answers the volume.
///
/// # Errors
/// [`crate::Kind::NotFound`] for the volume, and without a backup service; [`crate::Kind::InvalidState`]; for a new volume
/// those of its creation; those of the database.
pub fn restore(
    caller: &Caller<'_>,
    backup: &Authorized<Backup>,
    volume_id: Option<&str>,
    name: Option<&str>,
) -> Result<Volume> {
    refuse_unready(backup)?;
    let volume = match volume_id {
        Some(id) => {
            let volume = Authorized::<Volume>::load(caller, id, &[])?;
            let key = backup.encryption_key_id.as_deref().map(|id| keys::copy(caller, id)).transpose()?;
            let write = || caller.database.write(|tx| into_existing(tx, caller, backup, &volume.id, key.as_ref()));
            keys::with(caller, &key.iter().collect::<Vec<_>>(), write)?
        }
        None => {
            let name = name.map_or_else(|| format!("restore_backup_{}", backup.id), str::to_owned);
            let new = NewVolume {
                size_gib: Some(backup.size_gib),
                name: Some(name),
                description: Some(DESCRIPTION.to_owned()),
                backup_id: Some(backup.id.clone()),
                by_restore: true,
                ..NewVolume::default()
            };
            volume_create::create(caller, &new)?.volume
        }
    };
    caller.doorbell.ring();
    Ok(volume)
}

fn refuse_unready(backup: &Backup) -> Result<()> {
    if RESTORE.from.holds(backup.status) {
        return Ok(());
    }
    Err(invalid_backup("Backup status must be available"))
}

/// Orders that a backup is written into a volume, which has the key `key` when that is done.
fn into_existing(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    backup: &Backup,
    id: &str,
    key: Option<&NewKey>,
) -> Result<Volume> {
    let volume = store::volumes::lock(tx, id)?.ok_or_else(|| no_volume(id))?;
    if !RESTORE_BACKUP.from.holds(volume.status) {
        return Err(invalid_volume("Volume to be restored to must be available"));
    }
    if backup.size_gib > volume.size_gib {
        return Err(invalid_volume(format!(
            "volume size {} is too small to restore backup of size {}.",
            volume.size_gib, backup.size_gib
        )));
    }
    key.map_or(Ok(()), |key| key.hold(tx))?;
    let key = key.map(|key| Key { id: key.id.clone(), name: key.name.clone() });
    order(tx, caller, backup, &volume, Work::Restore { creates: false, key })?;
    if !store::volumes::begin(tx, id, &RESTORE_BACKUP, &[])? {
        return Err(invalid_volume("Volume to be restored to must be available"));
    }
    Ok(Volume { status: volume::Status::RestoringBackup, ..volume })
}

/// Orders that a backup is written into a volume that is about to be made.
pub(super) fn order_new(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    backup: &Backup,
    volume: &Volume,
    by_restore: bool,
) -> Result<()> {
    order(tx, caller, backup, volume, Work::Restore { creates: !by_restore, key: None })
}

/// Moves the backup, and orders the work.
fn order(tx: &mut Transaction<'_>, caller: &Caller<'_>, backup: &Backup, volume: &Volume, work: Work) -> Result<()> {
    let now = store::backups::lock(tx, &backup.id)?.ok_or_else(|| no_backup(&backup.id))?;
    refuse_unready(&now)?;
    let host = host_for(caller, tx, &now)?;
    let columns = [("host", (&host).into()), ("restore_volume_id", (&volume.id).into())];
    if !store::backups::begin(tx, &now.id, &RESTORE, &columns)? {
        return Err(invalid_backup("Backup status must be available"));
    }
    let restore_volume_id = Some(volume.id.clone());
    let now = Backup { status: Status::Restoring, host: Some(host), restore_volume_id, ..now };
    rpc::restore_backup(tx, &caller.requester(), &now, work)
}
