//! What a backup keeps of its volume besides the data, in the form of Cinder's backups (version 2): its row, its metadata,
//! and what its image said. What of it comes back with a restore is what Cinder brings back.

use serde_json::{Map, Value as Json, json};

use crate::block_storage::model::backup::Backup;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::volumes;
use crate::database::{Connection, Transaction, Value};
use crate::error::{Error, Result};

const VERSION: i64 = 2;
const BASE: &str = "volume-base-metadata";
const OWN: &str = "volume-metadata";
const IMAGE: &str = "volume-glance-metadata";
/// How volumes are called that were made for a backup.
const MADE_FOR_RESTORE: &str = "restore_backup_";
/// The name among a volume's metadata of the backup that it was restored from.
const SOURCE: &str = "src_backup_id";

/// What is known of a volume, as JSON.
pub(super) fn write(c: &mut Connection, volume: &Volume) -> Result<String> {
    let mut all = Map::new();
    all.insert("version".to_owned(), VERSION.into());
    let base = json!({
        "id": volume.id,
        "display_name": volume.name,
        "display_description": volume.description,
        "size": volume.size_gib,
        "status": volume.status.name(),
        "project_id": volume.project_id,
        "user_id": volume.user_id,
        "availability_zone": volume.availability_zone,
        "volume_type_id": volume.volume_type_id,
        "bootable": volume.bootable,
        "multiattach": volume.multiattach,
        "snapshot_id": volume.snapshot_id,
        "source_volid": volume.source_volid,
        "encryption_key_id": volume.encryption_key_id,
    });
    all.insert(BASE.to_owned(), base);
    for (tag, table) in [(OWN, Table::Volume), (IMAGE, Table::VolumeImage)] {
        let pairs = metadata::of(c, table, &volume.id)?;
        if !pairs.is_empty() {
            let pairs = pairs.into_iter().map(|(key, value)| (key, value.into()));
            all.insert(tag.to_owned(), Json::Object(pairs.collect()));
        }
    }
    Ok(Json::Object(all).to_string())
}

/// Reads what a backup kept.
///
/// # Errors
/// `Unavailable` where this release can not read it.
pub(super) fn read(meta: &str) -> Result<Json> {
    let all: Json =
        serde_json::from_str(meta).map_err(|error| Error::unavailable("The backup's metadata are damaged.", error))?;
    if !matches!(all.get("version").and_then(Json::as_i64), Some(1 | 2)) {
        return Err(Error::unavailable("Metadata restore failed due to incompatible version.", "neither 1 nor 2"));
    }
    Ok(all)
}

/// Refuses to write what was encrypted into a volume that is encrypted in another way, or not at all.
///
/// # Errors
/// `Unavailable` in Cinder's words.
pub(super) fn check_encryption(volume: &Volume, backup: &Backup, all: &Json) -> Result<()> {
    let base = all.get(BASE);
    let text = |key: &str| base.and_then(|base| base.get(key)).and_then(Json::as_str);
    let (Some(_), Some(from)) = (text("encryption_key_id"), text("volume_type_id")) else { return Ok(()) };
    if from != volume.volume_type_id {
        let text = format!(
            "The source volume type '{from}' is different than the destination volume type '{}'.",
            volume.volume_type_id
        );
        return Err(Error::unavailable(text, "the backup is encrypted"));
    }
    if backup.encryption_key_id.is_none() {
        return Err(Error::unavailable("The backup's key is not known.", "its record names none"));
    }
    Ok(())
}

/// Gives a volume what a backup kept: metadata, what the image said, and, where the volume was made for the restore, name
/// and description.
pub(super) fn restore(tx: &mut Transaction<'_>, volume: &Volume, all: &Json) -> Result<()> {
    let base = all.get(BASE);
    let text = |key: &str| base.and_then(|base| base.get(key)).and_then(Json::as_str);
    let nameless = volume.name.as_deref().is_none_or(|name| name.is_empty() || name.starts_with(MADE_FOR_RESTORE));
    if let (true, Some(name)) = (nameless, text("display_name").filter(|name| !name.is_empty())) {
        let columns: [(&str, Value<'_>); 2] =
            [("display_name", name.into()), ("display_description", text("display_description").into())];
        volumes::change(tx, &volume.id, &columns)?;
    }
    if let Some(own) = pairs(all, OWN) {
        metadata::replace(tx, Table::Volume, &volume.id, &own)?;
    }
    if let Some(image) = pairs(all, IMAGE) {
        metadata::replace(tx, Table::VolumeImage, &volume.id, &image)?;
        volumes::change(tx, &volume.id, &[("bootable", true.into())])?;
    }
    Ok(())
}

/// Notes in a volume's metadata from which backup it was restored, where that is not one of its own.
pub(super) fn note_source(tx: &mut Transaction<'_>, volume: &Volume, backup: &Backup) -> Result<()> {
    let known = metadata::of(tx, Table::Volume, &volume.id)?;
    let other = known.iter().any(|(key, value)| key == SOURCE && *value != backup.id);
    if backup.volume_id == volume.id && !other {
        return Ok(());
    }
    metadata::merge(tx, Table::Volume, &volume.id, &[(SOURCE.to_owned(), backup.id.clone())])
}

fn pairs(all: &Json, tag: &str) -> Option<Vec<(String, String)>> {
    let map = all.get(tag)?.as_object()?;
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(map.iter().map(|(key, value)| (key.clone(), text(value))).collect())
}
