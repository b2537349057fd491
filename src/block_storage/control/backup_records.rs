//! The record of a backup: what another cloud, or this one after a loss of its database, has to know to restore it from
//! its objects. It has the form that Cinder exports and imports.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use super::backup_create::check_container;
use super::backups::services;
use super::refusals::{invalid_backup, invalid_input};
use super::{Authorized, Caller, limits};
use crate::block_storage::model::backup::{Backup, BackupDetails, EXPORT, Status, UNKNOWN_VOLUME};
use crate::block_storage::model::service::{FOLDER_DRIVER, is_folder_driver};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::policies::backups as rules;
use crate::block_storage::store;
use crate::block_storage::store::metadata::Table;
use crate::block_storage::store::quotas::{Charge, charge};
use crate::config::default::STORAGE_AVAILABILITY_ZONE;
use crate::database::Transaction;
use crate::error::{Error, Kind, Result};
use crate::rest::python;
use crate::time::Timestamp;

/// A record on its way out or in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The driver that can read the objects.
    pub service: String,
    /// JSON in base 64.
    pub url: String,
}

/// The record of a backup.
///
/// # Errors
/// [`Kind::InvalidState`], those of the database.
pub fn export(caller: &Caller<'_>, backup: &Authorized<Backup>) -> Result<Record> {
    if !EXPORT.from.holds(backup.status) {
        return Err(invalid_backup(format!("Backup status must be available and not {}.", backup.status)));
    }
    let metadata = caller.database.read(|c| store::metadata::of(c, Table::Backup, &backup.id))?;
    let service = backup.service.clone().unwrap_or_else(|| FOLDER_DRIVER.to_owned());
    Ok(Record { url: STANDARD.encode(encode(backup, &metadata, &service).to_string()), service })
}

fn encode(backup: &Backup, metadata: &[(String, String)], service: &str) -> Json {
    let time = |at: Option<Timestamp>| at.map(|at| format!("{:.19}Z", at.iso()));
    let metadata: Map<String, Json> = metadata.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    json!({
        "driver_info": {},
        "id": backup.id,
        "user_id": backup.user_id,
        "project_id": backup.project_id,
        "volume_id": backup.volume_id,
        "host": backup.host,
        "availability_zone": backup.availability_zone,
        "container": backup.container,
        "parent_id": backup.parent_id,
        "status": backup.status.name(),
        "fail_reason": backup.fail_reason,
        "size": backup.size_gib,
        "display_name": backup.name,
        "display_description": backup.description,
        "service_metadata": backup.service_metadata,
        "service": service,
        "object_count": backup.object_count,
        "temp_volume_id": null,
        "temp_snapshot_id": null,
        "num_dependent_backups": backup.dependents,
        "snapshot_id": backup.snapshot_id,
        "data_timestamp": time(backup.data_timestamp),
        "restore_volume_id": backup.restore_volume_id,
        "metadata": metadata,
        "encryption_key_id": backup.encryption_key_id,
        "created_at": time(backup.created_at),
        "updated_at": time(backup.updated_at),
        "deleted": false,
        "deleted_at": null,
    })
}

/// Takes over the backup of a record, for the caller's project.
///
/// # Errors
/// [`Kind::Forbidden`], [`Kind::Unavailable`] without a backup service, [`Kind::Invalid`] for a record that is none,
/// [`Kind::InvalidState`] where the backup is there already, [`Kind::OverQuota`], those of the database.
pub fn import(caller: &Caller<'_>, record: &Record) -> Result<BackupDetails> {
    caller.enforce(&rules::IMPORT)?;
    let missing = || Error::new(Kind::Unavailable, format!("Service {} could not be found.", record.service));
    let services = caller.database.read(|c| services(caller, c, None))?;
    let service = services.first().ok_or_else(missing)?;
    let (backup, metadata) = decode(caller, &record.url)?;
    let zone = service.availability_zone.clone();
    let zone = zone.or_else(|| Some(caller.config.text(&STORAGE_AVAILABILITY_ZONE).to_owned()));
    let backup = Backup { host: Some(service.host.clone()), availability_zone: zone, ..backup };
    caller.database.write(|tx| {
        refuse_known(tx, &backup.id)?;
        if !is_folder_driver(&record.service) {
            return Err(missing());
        }
        place(tx, caller, &backup, &metadata)
    })?;
    Ok(BackupDetails { backup, metadata })
}

fn exists() -> Error {
    invalid_backup("Backup already exists in database.")
}

fn refuse_known(tx: &mut Transaction<'_>, id: &str) -> Result<()> {
    store::backups::lock(tx, id)?.map_or(Ok(()), |_| Err(exists()))
}

fn place(tx: &mut Transaction<'_>, caller: &Caller<'_>, backup: &Backup, metadata: &[(String, String)]) -> Result<()> {
    let charged =
        Charge { project_id: &backup.project_id, backups: 1, backup_gigabytes: backup.size_gib, ..Charge::default() };
    charge(tx, &charged, &limits::configured(caller.config))?;
    if !store::backups::revive(tx, backup)? {
        store::backups::insert(tx, backup).map_err(|error| match error.kind() {
            Kind::Duplicate => exists(),
            _ => error,
        })?;
    }
    store::metadata::replace(tx, Table::Backup, &backup.id, metadata)?;
    for id in [Some(&backup.id), backup.parent_id.as_ref()].into_iter().flatten() {
        store::backups::count_dependents(tx, id)?;
    }
    Ok(())
}

/// The backup of a record, with its metadata. Everything in it may be anything.
fn decode(caller: &Caller<'_>, url: &str) -> Result<(Backup, Vec<(String, String)>)> {
    let bytes = python::base64(url).ok_or_else(|| invalid_input("Can't decode backup record."))?;
    let json: Json = serde_json::from_slice(&bytes).map_err(|_| invalid_input("Can't parse backup record."))?;
    let fields = json.as_object().ok_or_else(|| invalid_input("Can't parse backup record."))?;
    if !fields.contains_key("id") {
        return Err(invalid_input("Provided backup record is missing an id"));
    }
    if !fields.contains_key("size") {
        return Err(invalid_input("Provided backup record is missing size attribute"));
    }
    const NEEDED: [&str; 5] = ["display_name", "display_description", "container", "service_metadata", "object_count"];
    let absent: Vec<&str> = NEEDED.into_iter().filter(|name| !fields.contains_key(*name)).collect();
    if !absent.is_empty() {
        return Err(invalid_backup(format!(
            "Driver successfully decoded imported backup data, but there are missing fields ({}).",
            absent.join(", ")
        )));
    }
    let text = |name: &str| fields.get(name).and_then(Json::as_str).filter(|text| text.chars().count() <= 255);
    let owned = |name: &str| text(name).map(str::to_owned);
    let uuid = |name: &str| owned(name).filter(|id| uuid::Uuid::try_parse(id).is_ok() && id.len() == 36);
    let time = |name: &str| text(name).and_then(Timestamp::parse);
    let number = |name: &str| fields.get(name).and_then(Json::as_i64).filter(|number| *number >= 0);
    let wrong = |name: &str| invalid_input(format!("Provided backup record has an invalid {name}"));
    let (container, prefix) = (owned("container"), owned("service_metadata"));
    if let Some(container) = &container {
        check_container(container)?;
    }
    let plain = |name: &String| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    if prefix.as_ref().is_none_or(|name| !plain(name)) || container.as_ref().is_none_or(String::is_empty) {
        return Err(wrong("service_metadata or container"));
    }
    let metadata = fields.get("metadata").and_then(Json::as_object).into_iter().flatten();
    let metadata = metadata.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    let backup = Backup {
        id: uuid("id").ok_or_else(|| wrong("id"))?,
        volume_id: uuid("volume_id").unwrap_or_else(|| UNKNOWN_VOLUME.to_owned()),
        project_id: caller.context.project_id.clone(),
        user_id: caller.context.user_id.clone(),
        created_at: time("created_at").or_else(|| Some(Timestamp::now())),
        updated_at: Some(Timestamp::now()),
        host: None,
        availability_zone: None,
        name: owned("display_name"),
        description: owned("display_description"),
        container,
        status: Status::Available,
        fail_reason: None,
        service_metadata: prefix,
        service: Some(FOLDER_DRIVER.to_owned()),
        size_gib: number("size").filter(|size| *size <= i64::from(i32::MAX)).ok_or_else(|| wrong("size"))?,
        object_count: number("object_count").unwrap_or(0),
        parent_id: uuid("parent_id"),
        dependents: 0,
        snapshot_id: uuid("snapshot_id"),
        data_timestamp: time("data_timestamp").or_else(|| time("created_at")),
        restore_volume_id: None,
        encryption_key_id: uuid("encryption_key_id"),
    };
    Ok((backup, metadata.collect()))
}
