//! A new backup: of a volume or of a snapshot, full or on top of an earlier one.

use super::authorized::{no_backup, no_snapshot, no_volume};
use super::backups::services;
use super::refusals::{invalid_backup, invalid_input, invalid_snapshot, invalid_volume};
use super::{Authorized, Caller, keys, limits};
use crate::block_storage::key_store::NewKey;
use crate::block_storage::model::backup::{BUILD_ON, Backup, BackupDetails, Status};
use crate::block_storage::model::snapshot::{self, Snapshot};
use crate::block_storage::model::volume::{self, Volume};
use crate::block_storage::policies::backups as rules;
use crate::block_storage::store::messages::Event;
use crate::block_storage::store::metadata::Table;
use crate::block_storage::store::quotas::{Charge, charge};
use crate::block_storage::{rpc, store};
use crate::config::default::MESSAGE_TTL;
use crate::database::Transaction;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// "create backup: Backup failed to schedule. Service not found for creating backup."
const NO_SERVICE: Event = Event { resource_type: "VOLUME_BACKUP", action: "013", detail: "024" };

/// What the caller wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewBackup {
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// The folder of its objects.
    pub container: Option<String>,
    /// Whether it builds on the latest one.
    pub incremental: bool,
    /// Whether the volume may be attached.
    pub force: bool,
    /// The snapshot that it is of, instead of the volume as it is now.
    pub snapshot_id: Option<String>,
    /// Its metadata.
    pub metadata: Vec<(String, String)>,
    /// The zone of the backup service.
    pub availability_zone: Option<String>,
}

/// Makes a backup, which then waits for a backup service. Where no service is up, the backup is in error at once.
///
/// # Errors
/// [`crate::Kind::NotFound`], [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`], [`crate::Kind::InvalidState`],
/// [`crate::Kind::OverQuota`], those of the database.
pub fn create(caller: &Caller<'_>, volume: &Authorized<Volume>, new: &NewBackup) -> Result<BackupDetails> {
    volume.check(caller, &rules::CREATE)?;
    let snapshot = new.snapshot_id.as_deref().map(|id| Authorized::<Snapshot>::load(caller, id, &[])).transpose()?;
    if let Some(snapshot) = &snapshot
        && snapshot.volume_id != volume.id
    {
        return Err(invalid_volume(format!(
            "Volume {} does not match with snapshot.volume_id {}.",
            volume.id, snapshot.volume_id
        )));
    }
    if let Some(container) = &new.container {
        check_container(container)?;
    }
    let key = volume.encryption_key_id.as_deref().map(|id| keys::copy(caller, id)).transpose()?;
    let write = || caller.database.write(|tx| place(tx, caller, (volume, snapshot.as_deref()), key.as_ref(), new));
    let backup = keys::with(caller, &key.iter().collect::<Vec<_>>(), write)?;
    caller.doorbell.ring();
    Ok(BackupDetails { backup, metadata: new.metadata.clone() })
}

/// A container is a folder below that of all backups.
pub(super) fn check_container(name: &str) -> Result<()> {
    let inside = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if name.is_empty() || (inside && !name.contains('\0')) {
        return Ok(());
    }
    Err(invalid_input(format!("Invalid container name: '{name}'")))
}

/// Charges the project, moves the volume or the snapshot, writes the backup, orders the work. The backup of an encrypted
/// volume has a copy of its key, so that it can be read when the volume is gone.
fn place(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    (volume, snapshot): (&Volume, Option<&Snapshot>),
    key: Option<&NewKey>,
    new: &NewBackup,
) -> Result<Backup> {
    let known_key = &volume.encryption_key_id;
    let volume = store::volumes::lock(tx, &volume.id)?.ok_or_else(|| no_volume(&volume.id))?;
    if volume.encryption_key_id != *known_key {
        return Err(Error::conflict("The key of the volume was changed meanwhile."));
    }
    key.map_or(Ok(()), |key| key.claim(tx))?;
    let snapshot = match snapshot {
        Some(old) => Some(store::snapshots::lock(tx, &old.id)?.ok_or_else(|| no_snapshot(&old.id))?),
        None => None,
    };
    refuse_unready(&volume, snapshot.as_ref(), new.force)?;
    let charged = Charge {
        project_id: &caller.context.project_id,
        backups: 1,
        backup_gigabytes: volume.size_gib,
        ..Charge::default()
    };
    charge(tx, &charged, &limits::configured(caller.config))?;
    let parent = if new.incremental { Some(parent(tx, caller, &volume, snapshot.as_ref())?) } else { None };
    let host = host(tx, caller, &volume, parent.as_ref(), new.availability_zone.as_deref())?;
    let now = Timestamp::now();
    let backup = Backup {
        id: uuid::Uuid::new_v4().to_string(),
        volume_id: volume.id.clone(),
        project_id: caller.context.project_id.clone(),
        user_id: caller.context.user_id.clone(),
        created_at: Some(now),
        // A scheduler that finds no service writes so.
        updated_at: host.is_none().then_some(now),
        availability_zone: new.availability_zone.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        container: new.container.clone().filter(|name| !name.is_empty()),
        status: if host.is_some() { Status::Creating } else { Status::Error },
        fail_reason: host.is_none().then(|| "Service not found for creating backup.".to_owned()),
        host,
        service_metadata: None,
        service: None,
        size_gib: volume.size_gib,
        object_count: 0,
        parent_id: parent.map(|parent| parent.id),
        dependents: 0,
        snapshot_id: snapshot.as_ref().map(|snapshot| snapshot.id.clone()),
        data_timestamp: snapshot.as_ref().map_or(Some(now), |snapshot| snapshot.created_at),
        restore_volume_id: None,
        encryption_key_id: key.map(|key| key.id.clone()),
    };
    store::backups::insert(tx, &backup)?;
    store::metadata::merge(tx, Table::Backup, &backup.id, &new.metadata)?;
    if backup.host.is_none() {
        let ttl = i64::try_from(caller.config.seconds(&MESSAGE_TTL).as_secs()).unwrap_or(i64::MAX);
        store::messages::create(tx, &caller.requester(), &backup.id, NO_SERVICE, ttl)?;
        return Ok(backup);
    }
    move_origin(tx, &volume, snapshot.as_ref())?;
    rpc::create_backup(tx, &caller.requester(), &backup)?;
    Ok(backup)
}

/// Refuses what can not be backed up now.
fn refuse_unready(volume: &Volume, snapshot: Option<&Snapshot>, force: bool) -> Result<()> {
    match (snapshot, volume.status) {
        (Some(snapshot), _) if !snapshot::BACK_UP.from.holds(snapshot.status) => Err(invalid_snapshot(format!(
            "Snapshot to be backed up must be available, but the current status is \"{}\".",
            snapshot.status
        ))),
        (Some(_), _) | (None, volume::Status::Available) => Ok(()),
        (None, volume::Status::InUse) if force => Ok(()),
        (None, volume::Status::InUse) => Err(invalid_volume("Backing up an in-use volume must use the force flag.")),
        (None, status) => Err(invalid_volume(format!(
            "Volume to be backed up must be available or in-use, but the current status is \"{status}\"."
        ))),
    }
}

/// Puts the volume, or the snapshot, into the status that it has while it is copied. It is locked, and in the right one.
fn move_origin(tx: &mut Transaction<'_>, volume: &Volume, snapshot: Option<&Snapshot>) -> Result<()> {
    use crate::block_storage::model::status::Status as _;
    let moved = match snapshot {
        Some(snapshot) => store::snapshots::begin(tx, &snapshot.id, &snapshot::BACK_UP, &[])?,
        None => {
            let in_use = volume.status == volume::Status::InUse;
            let rule = if in_use { &volume::BACK_UP_ATTACHED } else { &volume::BACK_UP };
            store::volumes::begin(tx, &volume.id, rule, &[("previous_status", volume.status.name().into())])?
        }
    };
    if moved { Ok(()) } else { Err(Error::internal(format!("volume {} did not move although it is held", volume.id))) }
}

/// The backup on which a new one builds: of those that the project has of the volume, the one with the latest data; of a
/// snapshot, with the latest data before it.
fn parent(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    volume: &Volume,
    snapshot: Option<&Snapshot>,
) -> Result<Backup> {
    let none = || invalid_backup("No backups available to do an incremental backup.");
    let all = store::backups::of_volume(tx, &volume.id, &caller.context.project_id)?;
    let before = |backup: &Backup| match snapshot {
        Some(snapshot) => backup.data_timestamp < snapshot.created_at,
        None => true,
    };
    let found = all.into_iter().find(|backup| BUILD_ON.from.holds(backup.status) && before(backup));
    let found = found.ok_or_else(none)?;
    // Held, so that it can not be deleted until this one counts.
    let now = store::backups::lock(tx, &found.id)?.ok_or_else(|| no_backup(&found.id))?;
    if BUILD_ON.from.holds(now.status) { Ok(now) } else { Err(none()) }
}

/// The host of the service that makes a backup: that of its parent, whose objects lie there, else that of the volume, else
/// any. `None` where no service is up.
fn host(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    volume: &Volume,
    parent: Option<&Backup>,
    zone: Option<&str>,
) -> Result<Option<String>> {
    let services = services(caller, tx, zone)?;
    let volumes_host = volume.host.as_deref().unwrap_or_default();
    let volumes_host = volumes_host.split(['@', '#']).next().unwrap_or_default();
    let of = |host: &str| services.iter().find(|service| service.host == host);
    let chosen = parent.and_then(|parent| of(parent.host.as_deref()?)).or_else(|| of(volumes_host));
    Ok(chosen.or_else(|| services.first()).map(|service| service.host.clone()))
}

#[cfg(test)]
mod tests {
    use super::check_container;

    #[test]
    fn a_container_does_not_lead_out_of_the_folder_of_backups() {
        for good in ["", "mine", "a/b", "..a", "with blank"] {
            assert!(check_container(good).is_ok(), "{good}");
        }
        for bad in ["/etc", "..", "a/../../b", "a//b", "./a", "a/", "a\0b"] {
            assert!(check_container(bad).is_err(), "{bad}");
        }
    }
}
