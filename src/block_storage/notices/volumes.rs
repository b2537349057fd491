//! Notifications about volumes: `volume.*`.

use serde_json::{Map, Value as Json};

use super::{Notices, payload, zone, zoned};
use crate::block_storage::store::records::{self, Record, written};
use crate::database::{Connection, Transaction};
use crate::error::Result;
use crate::time::Timestamp;

/// The names of a payload's fields, and the columns that they show.
const FIELDS: &[(&str, &str)] = &[
    ("tenant_id", "project_id"),
    ("host", "host"),
    ("user_id", "user_id"),
    ("availability_zone", "availability_zone"),
    ("volume_id", "id"),
    ("volume_type", "volume_type_id"),
    ("display_name", "display_name"),
    ("launched_at", "launched_at"),
    ("created_at", "created_at"),
    ("status", "status"),
    ("snapshot_id", "snapshot_id"),
    ("size", "size"),
    ("replication_status", "replication_status"),
    ("replication_extended_status", "replication_extended_status"),
    ("replication_driver_data", "replication_driver_data"),
];

/// Names in a connection whose values are for the host alone.
const SECRETS: [&str; 4] = ["auth_password", "discovery_auth_password", "keyring", "secret"];
/// What stands for a secret, as oslo.utils writes it.
const MASK: &str = "***";

impl Notices<'_> {
    /// Tells about a volume as it is in this transaction: `volume.<event>`.
    ///
    /// # Errors
    /// As all statements, as all functions of this type.
    pub fn volume(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        self.volume_with(tx, id, event, &[])
    }

    /// As [`Notices::volume`], with some fields that say something else.
    pub fn volume_with(&self, tx: &mut Transaction<'_>, id: &str, event: &str, instead: &[(&str, Json)]) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let Some(volume) = records::volume(tx, id)? else { return Ok(()) };
        let mut told = usage(tx, id, &volume)?;
        told.extend(instead.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self.tell(tx, "volume", &format!("volume.{event}"), Json::Object(told))
    }

    /// As [`Notices::volume`], of a volume that goes in this transaction: to be called while its rows are still there.
    pub fn volume_gone(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        self.volume_with(tx, id, event, &[("status", "deleted".into())])
    }
}

fn usage(c: &mut Connection, id: &str, volume: &Record) -> Result<Map<String, Json>> {
    let mut told = payload(volume, FIELDS);
    zone(&mut told, "launched_at");
    zone(&mut told, "created_at");
    for name in ["launched_at", "created_at"] {
        if told.get(name).is_none_or(Json::is_null) {
            told.insert(name.to_owned(), written(Timestamp::now()).into());
        }
    }
    if told.get("status").and_then(Json::as_str) == Some("error_managing_deleting") {
        told.insert("status".to_owned(), "deleting".into());
    }
    let pairs = records::volume_metadata(c, id)?;
    let pairs = pairs.iter().map(|pair| Json::Object(payload(pair, &[("key", "key"), ("value", "value")])));
    told.insert("metadata".to_owned(), Json::Array(pairs.collect()));
    let whole = without_secrets(volume.clone());
    let attachments = records::attachments(c, id)?.into_iter().map(|attachment| {
        let mut attachment = without_secrets(attachment);
        attachment.insert("volume".to_owned(), Json::Object(whole.clone()));
        Json::Object(attachment)
    });
    told.insert("volume_attachment".to_owned(), Json::Array(attachments.collect()));
    let image = records::image_metadata(c, id)?;
    if !image.is_empty() {
        told.insert("glance_metadata".to_owned(), Json::Array(image.into_iter().map(Json::Object).collect()));
    }
    Ok(told)
}

/// A row without what lets somebody into a backend: a queue is read by many.
fn without_secrets(mut record: Record) -> Record {
    if let Some(auth) = record.get_mut("provider_auth").filter(|auth| !auth.is_null()) {
        *auth = MASK.into();
    }
    for column in ["connection_info", "connector"] {
        let Some(Json::String(text)) = record.get_mut(column) else { continue };
        let masked =
            serde_json::from_str(text).ok().and_then(|mut json: Json| mask(&mut json).then(|| json.to_string()));
        if let Some(masked) = masked {
            *text = masked;
        }
    }
    record
}

/// Masks the secrets in a value; whether there were any.
fn mask(json: &mut Json) -> bool {
    match json {
        Json::Object(map) => {
            let mut found = false;
            for (name, value) in map {
                if SECRETS.contains(&name.as_str()) && !value.is_null() {
                    *value = MASK.into();
                    found = true;
                } else {
                    found |= mask(value);
                }
            }
            found
        }
        Json::Array(list) => {
            let mut found = false;
            for value in list {
                found |= mask(value);
            }
            found
        }
        _ => false,
    }
}

/// A volume's columns as Cinder's scheduler tells them.
pub(super) fn whole(volume: &Record) -> Json {
    let mut volume = without_secrets(volume.clone());
    for name in ["created_at", "updated_at", "scheduled_at", "launched_at", "terminated_at", "deleted_at"] {
        if let Some(value) = volume.get_mut(name) {
            *value = zoned(value.take());
        }
    }
    Json::Object(volume)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_of_a_connection_stay_at_home() {
        let info = json!({"driver_volume_type": "iscsi", "data": {"auth_username": "u", "auth_password": "chap"}});
        let row = json!({"provider_auth": "CHAP u chap", "connection_info": info.to_string(), "connector": "no json"});
        let Json::Object(row) = row else { panic!("an object") };
        let told = Json::Object(without_secrets(row)).to_string();
        assert!(!told.contains("chap") && told.contains("no json"), "{told}");
    }

    #[test]
    fn what_holds_no_secret_keeps_its_very_text() {
        let row = json!({"connector": "{\"host\":  \"h\"}"});
        let Json::Object(row) = row else { panic!("an object") };
        assert_eq!(without_secrets(row)["connector"], "{\"host\":  \"h\"}");
    }
}
