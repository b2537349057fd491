//! Notifications about what finds no place: `scheduler.*`, all of them errors.

use serde_json::{Map, Value as Json, json};

use super::types::type_record;
use super::volumes::whole;
use super::{Notices, payload};
use crate::block_storage::store::records;
use crate::database::Transaction;
use crate::error::Result;

/// The columns of a volume that Cinder's scheduler calls its properties.
const PROPERTIES: &[(&str, &str)] = &[
    ("attach_status", "attach_status"),
    ("availability_zone", "availability_zone"),
    ("consistencygroup_id", "consistencygroup_id"),
    ("group_id", "group_id"),
    ("display_description", "display_description"),
    ("display_name", "display_name"),
    ("encryption_key_id", "encryption_key_id"),
    ("multiattach", "multiattach"),
    ("project_id", "project_id"),
    ("size", "size"),
    ("snapshot_id", "snapshot_id"),
    ("source_volid", "source_volid"),
    ("user_id", "user_id"),
    ("volume_type_id", "volume_type_id"),
];

/// The reason that Cinder's scheduler gives.
const NOWHERE: &str = "NoValidBackend('No valid backend was found. No weighed backends available')";

impl Notices<'_> {
    /// Tells that a volume finds no place. To be called before its row says so.
    ///
    /// # Errors
    /// As all statements, as all functions of this type.
    pub fn nowhere_to_create(&self, tx: &mut Transaction<'_>, volume_id: &str) -> Result<()> {
        self.nowhere(tx, volume_id, "create_volume", "error".into())
    }

    /// Tells that a volume finds no place for more, and in which status it is therefore.
    pub fn nowhere_to_extend(&self, tx: &mut Transaction<'_>, volume_id: &str, status: &str) -> Result<()> {
        self.nowhere(tx, volume_id, "extend_volume", json!({"status": status, "previous_status": null}))
    }

    fn nowhere(&self, tx: &mut Transaction<'_>, volume_id: &str, method: &str, state: Json) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let Some(volume) = records::volume(tx, volume_id)? else { return Ok(()) };
        let of = |column: &str| volume.get(column).cloned().unwrap_or(Json::Null);
        let metadata = records::volume_metadata(tx, volume_id)?;
        let metadata = metadata.iter().filter_map(|pair| {
            Some((pair.get("key")?.as_str()?.to_owned(), pair.get("value").cloned().unwrap_or(Json::Null)))
        });
        let mut properties = payload(&volume, PROPERTIES);
        properties.extend([
            ("metadata".to_owned(), Json::Object(metadata.collect::<Map<_, _>>())),
            ("status".to_owned(), "creating".into()),
            ("qos_specs".to_owned(), Json::Null),
            ("cgsnapshot_id".to_owned(), Json::Null),
        ]);
        let properties = Json::Object(properties);
        let volume_type = match of("volume_type_id").as_str() {
            Some(id) => type_record(tx, id)?.unwrap_or(Json::Null),
            None => Json::Null,
        };
        let zones: Vec<Json> = Some(of("availability_zone")).filter(|zone| !zone.is_null()).into_iter().collect();
        let request_spec = json!({
            "consistencygroup_id": of("consistencygroup_id"),
            "group_id": of("group_id"),
            "cgsnapshot_id": null,
            "image_id": null,
            "backup_id": null,
            "snapshot_id": of("snapshot_id"),
            "source_volid": of("source_volid"),
            "volume_id": volume_id,
            "volume": whole(&volume),
            "volume_type": volume_type,
            "volume_properties": properties,
            "resource_properties": properties,
            "availability_zones": zones,
        });
        let told = json!({
            "request_spec": request_spec,
            "volume_properties": properties,
            "volume_id": volume_id,
            "state": state,
            "method": method,
            "reason": NOWHERE,
        });
        self.warn(tx, "scheduler", &format!("scheduler.{method}"), told)
    }
}
