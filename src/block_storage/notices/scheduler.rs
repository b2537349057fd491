//! Notifications about what finds no place: `scheduler.*`, all of them errors.

use serde_json::{Map, Value as Json, json};

use super::types::{repr, type_record};
use super::volumes::whole;
use super::{Notices, payload};
use crate::block_storage::store::records::{self, Record};
use crate::database::{Connection, Transaction};
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

/// The columns that Cinder's API passes to its scheduler of a file that is taken over.
const MANAGED: &[&str] = &[
    "size",
    "user_id",
    "project_id",
    "status",
    "attach_status",
    "display_description",
    "display_name",
    "host",
    "cluster_name",
    "availability_zone",
    "volume_type_id",
    "bootable",
    "multiattach",
];

/// What finds no place, of a volume that is there.
#[derive(Debug, Clone, Copy)]
pub enum Unplaced<'a> {
    /// More room; in which status the volume is therefore.
    Extend {
        /// The status.
        status: &'a str,
    },
    /// Another type; in which status the volume is therefore.
    Retype {
        /// The type.
        type_id: &'a str,
        /// Whether the volume might have moved for it.
        may_move: bool,
        /// Its availability zones.
        zones: &'a [&'a str],
        /// The status.
        status: &'a str,
        /// Why, as Cinder's scheduler says it.
        reason: &'a str,
    },
    /// A move; the status that the volume gets back where it was locked.
    Migrate {
        /// Where it was to go.
        to: &'a str,
        /// The status.
        status: Option<&'a str>,
    },
    /// A file that is taken over.
    Manage {
        /// Its name.
        file: &'a str,
    },
}

impl Unplaced<'_> {
    /// Cinder's names of what was wanted: of the notification, and of the request.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::Extend { .. } => ("extend_volume", "extend_volume"),
            Self::Retype { .. } => ("retype", "retype_volume"),
            Self::Migrate { .. } => ("migrate_volume_to_host", "migrate_volume"),
            Self::Manage { .. } => ("manage_existing", "manage_existing"),
        }
    }

    /// What becomes of the volume.
    fn state(&self) -> Json {
        match self {
            Self::Extend { status } => json!({"status": status, "previous_status": null}),
            Self::Retype { status, .. } => json!({ "status": status }),
            Self::Migrate { status: Some(status), .. } => json!({"migration_status": "error", "status": status}),
            Self::Migrate { status: None, .. } => json!({"migration_status": "error"}),
            Self::Manage { .. } => json!({"status": "error"}),
        }
    }

    /// Why, as Cinder's scheduler says it.
    fn reason(&self, volume_id: &str, volume: &Record) -> String {
        let own = || ["cluster_name", "host"].iter().find_map(|name| volume.get(*name)?.as_str()).unwrap_or_default();
        match self {
            Self::Retype { reason, .. } => repr(CLASS, &format!("No valid backend was found. {reason}")),
            Self::Migrate { to, .. } => can_not_place("volume", volume_id, to),
            Self::Extend { .. } | Self::Manage { .. } => can_not_place("volume", volume_id, own()),
        }
    }
}

/// The error of Cinder's scheduler.
const CLASS: &str = "NoValidBackend";
/// The reason that Cinder's scheduler gives for a new volume.
const NOWHERE: &str = "No valid backend was found. No weighed backends available";

fn can_not_place(noun: &str, id: &str, backend: &str) -> String {
    repr(CLASS, &format!("Cannot place {noun} {id} on {backend}."))
}

impl Notices<'_> {
    /// Tells that a volume finds no place. To be called before its row says so, as all functions of this file.
    ///
    /// # Errors
    /// As all statements, as all functions of this type.
    pub fn nowhere_to_create(&self, tx: &mut Transaction<'_>, volume_id: &str) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let Some(volume) = records::volume(tx, volume_id)? else { return Ok(()) };
        let of = |column: &str| volume.get(column).cloned().unwrap_or(Json::Null);
        let mut properties = payload(&volume, PROPERTIES);
        properties.extend([
            ("metadata".to_owned(), metadata(tx, volume_id)?),
            ("status".to_owned(), "creating".into()),
            ("qos_specs".to_owned(), Json::Null),
            ("cgsnapshot_id".to_owned(), Json::Null),
        ]);
        let properties = Json::Object(properties);
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
            "volume_type": type_of(tx, &volume)?,
            "volume_properties": properties,
            "resource_properties": properties,
            "availability_zones": zones,
        });
        let told = json!({
            "request_spec": request_spec,
            "volume_properties": properties,
            "volume_id": volume_id,
            "state": "error",
            "method": "create_volume",
            "reason": repr(CLASS, NOWHERE),
        });
        self.warn(tx, "scheduler", "scheduler.create_volume", told)
    }

    /// Tells that what is wanted of a volume that is there finds no place.
    pub fn unplaced(&self, tx: &mut Transaction<'_>, volume_id: &str, wanted: &Unplaced<'_>) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let Some(volume) = records::volume(tx, volume_id)? else { return Ok(()) };
        let metadata = metadata(tx, volume_id)?;
        let (method, operation) = wanted.names();
        let mut request_spec = json!({"volume_id": volume_id, "operation": operation});
        let mut properties = match wanted {
            Unplaced::Manage { .. } => {
                let columns: Vec<_> = MANAGED.iter().map(|name| (*name, *name)).collect();
                Json::Object(payload(&volume, &columns))
            }
            _ => whole(&volume),
        };
        properties["metadata"] = metadata;
        match wanted {
            Unplaced::Retype { type_id, may_move, zones, .. } => {
                request_spec["volume_type"] = type_record(tx, type_id)?.unwrap_or(Json::Null);
                request_spec["migration_policy"] = if *may_move { "on-demand" } else { "never" }.into();
                request_spec["availability_zones"] = zones.to_vec().into();
            }
            Unplaced::Manage { file } => {
                request_spec["volume_type"] = type_of(tx, &volume)?;
                request_spec["ref"] = json!({ "source-name": file });
            }
            _ => request_spec["volume_type"] = type_of(tx, &volume)?,
        }
        request_spec["volume_properties"] = properties.clone();
        let told = json!({
            "request_spec": request_spec,
            "volume_properties": properties,
            "volume_id": volume_id,
            "state": wanted.state(),
            "method": method,
            "reason": wanted.reason(volume_id, &volume),
        });
        self.warn(tx, "scheduler", &format!("scheduler.{method}"), told)
    }

    /// Tells that there is no room for a snapshot of so many GiB on `backend`.
    pub fn nowhere_to_snapshot(
        &self,
        tx: &mut Transaction<'_>,
        snapshot_id: &str,
        size_gib: i64,
        backend: &str,
    ) -> Result<()> {
        let properties = json!({ "size": size_gib });
        let told = json!({
            "request_spec": {
                "snapshot_id": snapshot_id,
                "volume_properties": properties,
                "resource_properties": properties,
                "operation": "create_snapshot",
            },
            "snapshot_id": snapshot_id,
            "state": "error",
            "method": "create_snapshot",
            "reason": can_not_place("snapshot", snapshot_id, backend),
        });
        self.warn(tx, "scheduler", "scheduler.create_snapshot", told)
    }
}

fn metadata(c: &mut Connection, volume_id: &str) -> Result<Json> {
    let pairs = records::volume_metadata(c, volume_id)?;
    let pairs = pairs.iter().filter_map(|pair| {
        Some((pair.get("key")?.as_str()?.to_owned(), pair.get("value").cloned().unwrap_or(Json::Null)))
    });
    Ok(Json::Object(pairs.collect::<Map<_, _>>()))
}

fn type_of(c: &mut Connection, volume: &Record) -> Result<Json> {
    match volume.get("volume_type_id").and_then(Json::as_str) {
        Some(id) => Ok(type_record(c, id)?.unwrap_or(Json::Null)),
        None => Ok(Json::Null),
    }
}
