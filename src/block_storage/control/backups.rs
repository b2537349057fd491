//! Backups: lists, details, changes, their end, and which service is asked. Their begin is `backup_create.rs`.

use super::authorized::no_backup;
use super::refusals::invalid_backup;
use super::services::down_time_seconds;
use super::volume_actions::tuple;
use super::{Authorized, Caller};
use crate::block_storage::model::backup::{Backup, BackupDetails, DELETE, FORCE_DELETE, Status};
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::service::{BACKUP, Service};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::policies::backups as rules;
use crate::block_storage::store::metadata::Table;
use crate::block_storage::{rpc, store};
use crate::database::{Connection, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The backups of one page with their metadata, and how many there are on all pages together where that is asked for.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for an unknown marker, those of the database.
pub fn list(caller: &Caller<'_>, selection: &Selection, counted: bool) -> Result<(Vec<BackupDetails>, Option<i64>)> {
    caller.enforce(&rules::GET_ALL)?;
    caller.database.read(|c| {
        let page = store::backup_lists::page(c, selection)?;
        let page = store::backup_lists::details(c, page)?;
        let count = if counted { Some(store::backup_lists::count(c, selection)?) } else { None };
        Ok((page, count))
    })
}

/// A backup with its metadata.
///
/// # Errors
/// Those of the database.
pub fn details(caller: &Caller<'_>, backup: &Authorized<Backup>) -> Result<BackupDetails> {
    let metadata = caller.database.read(|c| store::metadata::of(c, Table::Backup, &backup.id))?;
    Ok(BackupDetails { backup: Backup::clone(backup), metadata })
}

/// What of a backup changes at once; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The name; the inner `None` takes it away.
    pub name: Option<Option<String>>,
    /// The description; the inner `None` takes it away.
    pub description: Option<Option<String>>,
    /// The metadata, instead of those that it has.
    pub metadata: Option<Vec<(String, String)>>,
}

/// Changes a backup, whatever its status, and answers it as it is then.
///
/// # Errors
/// [`crate::Kind::NotFound`] where it has gone meanwhile, those of the database.
pub fn update(caller: &Caller<'_>, backup: &Authorized<Backup>, change: &Change) -> Result<BackupDetails> {
    let mut columns: Vec<(&str, Value<'_>)> = Vec::new();
    columns.extend(change.name.as_ref().map(|name| ("display_name", name.into())));
    columns.extend(change.description.as_ref().map(|text| ("display_description", text.into())));
    let id = &backup.id;
    caller.database.write(|tx| {
        if !columns.is_empty() {
            store::backups::change(tx, id, &columns)?;
        }
        if let Some(metadata) = &change.metadata {
            store::metadata::replace(tx, Table::Backup, id, metadata)?;
        }
        let now = store::backups::by_id(tx, id)?.ok_or_else(|| no_backup(id))?;
        Ok(BackupDetails { backup: now, metadata: store::metadata::of(tx, Table::Backup, id)? })
    })
}

/// Orders the end of a backup. Whether the caller may force it has been asked before.
///
/// # Errors
/// [`crate::Kind::InvalidState`], [`crate::Kind::NotFound`] without a backup service, those of the database.
pub fn delete(caller: &Caller<'_>, backup: &Authorized<Backup>, force: bool) -> Result<()> {
    let id = &backup.id;
    let rule = if force { &FORCE_DELETE } else { &DELETE };
    caller.database.write(|tx| {
        let now = store::backups::lock(tx, id)?.ok_or_else(|| no_backup(id))?;
        if !rule.from.holds(now.status) {
            return Err(invalid_backup("Backup status must be available or error"));
        }
        let host = host_for(caller, tx, &now)?;
        if !store::backups::begin(tx, id, rule, &[("host", (&host).into())])? {
            return Err(invalid_backup("Incremental backups exist for this backup."));
        }
        let now = Backup { host: Some(host), status: Status::Deleting, ..now };
        rpc::delete_backup(tx, &caller.requester(), &now, force)
    })?;
    caller.doorbell.ring();
    Ok(())
}

/// Reads the status that an operator asks for, in any case.
///
/// # Errors
/// [`crate::Kind::Invalid`] for all but `available` and `error`.
pub fn read_status(text: &str) -> Result<Status> {
    let settable = [Status::Available, Status::Error];
    let status = Status::parse(&text.to_lowercase()).filter(|status| settable.contains(status));
    status.ok_or_else(|| {
        let valid = tuple(settable.iter().map(|status| status.name())).replace('(', "[").replace(')', "]");
        Error::invalid(format!("Backup status: {text} is invalid, valid statuses are: {valid}."))
    })
}

/// Sets what an operator says. What a service still does to the backup then ends by itself.
///
/// # Errors
/// Those of the database.
pub fn reset_status(caller: &Caller<'_>, backup: &Authorized<Backup>, status: Status) -> Result<()> {
    let notices = caller.notices();
    caller.database.write(|tx| {
        if !notices.is_off() {
            store::backups::lock(tx, &backup.id)?;
            notices.backup(tx, &backup.id, "reset_status.start")?;
        }
        store::backups::change(tx, &backup.id, &[("status", status.name().into())])?;
        // In Cinder the backup's service tells the end.
        notices.by(backup.host.clone().unwrap_or_default()).backup(tx, &backup.id, "reset_status.end")?;
        store::workers::end(tx, store::workers::BACKUP, &backup.id)
    })
}

/// The backup services that can be asked now; only those of a zone where one is named.
///
/// # Errors
/// Those of the database.
pub(super) fn services(caller: &Caller<'_>, c: &mut Connection, zone: Option<&str>) -> Result<Vec<Service>> {
    let (now, down_time) = (Timestamp::now(), down_time_seconds(caller.config));
    let mut services = store::services::list(c, None, Some(BACKUP))?;
    let zone = zone.filter(|zone| !zone.is_empty());
    services.retain(|service| {
        let here = zone.is_none_or(|zone| service.availability_zone.as_deref() == Some(zone));
        here && !service.disabled && service.is_up(now, down_time)
    });
    Ok(services)
}

/// The host whose service works on a backup that exists: its own, or, while that is down, another of its zone, which may
/// share the folder.
///
/// # Errors
/// [`crate::Kind::NotFound`] in Cinder's words where there is none; those of the database.
pub(super) fn host_for(caller: &Caller<'_>, c: &mut Connection, backup: &Backup) -> Result<String> {
    let services = services(caller, c, backup.availability_zone.as_deref())?;
    let own = services.iter().find(|service| Some(&service.host) == backup.host.as_ref());
    let found = own.or_else(|| services.first()).map(|service| service.host.clone());
    found.ok_or_else(|| Error::not_found("Service cinder-backup could not be found."))
}
