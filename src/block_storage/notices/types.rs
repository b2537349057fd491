//! Notifications about what operators arrange: volume types, their extra specs, encryption and access, group types, quality
//! of service.

use serde_json::{Map, Value as Json, json};

use super::Notices;
use crate::block_storage::store::records::{self, Record};
use crate::database::{Connection, Transaction};
use crate::error::Result;

/// A volume type with its extra specs; `None` where there is none.
pub(super) fn type_record(c: &mut Connection, id: &str) -> Result<Option<Json>> {
    let Some(mut found) = records::volume_type(c, id)? else { return Ok(None) };
    found.insert("extra_specs".to_owned(), pairs(&records::extra_specs(c, id)?));
    Ok(Some(Json::Object(found)))
}

fn group_type_record(c: &mut Connection, id: &str) -> Result<Option<Json>> {
    let Some(mut found) = records::group_type(c, id)? else { return Ok(None) };
    found.insert("group_specs".to_owned(), pairs(&records::group_specs(c, id)?));
    Ok(Some(Json::Object(found)))
}

fn pairs(rows: &[Record]) -> Json {
    let pairs = rows.iter().filter_map(|row| {
        Some((row.get("key")?.as_str()?.to_owned(), row.get("value").cloned().unwrap_or(Json::Null)))
    });
    Json::Object(pairs.collect::<Map<_, _>>())
}

/// The error of a notification, as Python prints one of its class.
pub fn repr(class: &str, text: &str) -> String {
    format!("{class}({})", crate::rest::python::repr(&Json::from(text)))
}

impl Notices<'_> {
    /// Tells about a volume type as it is in this transaction: `volume_type.<event>`.
    ///
    /// # Errors
    /// As all statements, as all functions of this type.
    pub fn volume_type(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let told = type_record(tx, id)?;
        self.tell(tx, "volumeType", &format!("volume_type.{event}"), json!({ "volume_types": told }))
    }

    /// Tells why a volume type could not be changed.
    pub fn volume_type_refused(&self, tx: &mut Transaction<'_>, event: &str, refused: &Refused<'_>) -> Result<()> {
        let told =
            json!({"volume_types": refused.given, "name": null, "id": refused.id, "error_message": refused.error});
        self.warn(tx, "volumeType", &format!("volume_type.{event}"), told)
    }

    /// Tells about a group type as it is in this transaction: `group_type.<event>`.
    pub fn group_type(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let told = group_type_record(tx, id)?;
        self.tell(tx, "groupType", &format!("group_type.{event}"), json!({ "group_types": told }))
    }

    /// Tells why a group type could not be changed.
    pub fn group_type_refused(&self, tx: &mut Transaction<'_>, event: &str, refused: &Refused<'_>) -> Result<()> {
        let told =
            json!({"group_types": refused.given, "name": null, "id": refused.id, "error_message": refused.error});
        self.warn(tx, "groupType", &format!("group_type.{event}"), told)
    }

    /// Tells which extra specs of a volume type were changed; `told` is what else is said of them.
    pub fn extra_specs(&self, tx: &mut Transaction<'_>, type_id: &str, event: &str, told: Json) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let found = records::volume_type(tx, type_id)?.unwrap_or_default();
        let of = |column: &str| found.get(column).cloned().unwrap_or(Json::Null);
        let mut all = json!({"type_id": type_id, "created_at": of("created_at"), "updated_at": of("updated_at")});
        if event == "delete" {
            extend(&mut all, json!({"deleted_at": of("deleted_at")}));
        }
        extend(&mut all, told);
        self.tell(tx, "volumeTypeExtraSpecs", &format!("volume_type_extra_specs.{event}"), all)
    }

    /// Tells which specs of a group type were changed.
    pub fn group_specs(&self, tx: &mut Transaction<'_>, type_id: &str, event: &str, told: Json) -> Result<()> {
        let mut all = json!({ "type_id": type_id });
        extend(&mut all, told);
        self.tell(tx, "groupTypeSpecs", &format!("group_type_specs.{event}"), all)
    }

    /// Tells how the encryption of a volume type was changed.
    pub fn type_encryption(&self, tx: &mut Transaction<'_>, type_id: &str, event: &str, told: Json) -> Result<()> {
        let mut all = json!({ "type_id": type_id });
        extend(&mut all, told);
        self.tell(tx, "volumeTypeEncryption", &format!("volume_type_encryption.{event}"), all)
    }

    /// Tells who may use a volume type from now on, or no longer: `event` is `add` or `remove`.
    pub fn type_access(&self, tx: &mut Transaction<'_>, type_id: &str, project_id: &str, event: &str) -> Result<()> {
        let told = json!({"volume_type_id": type_id, "project_id": project_id});
        self.tell(tx, "volume_type_project", &format!("volume_type_project.access.{event}"), told)
    }

    /// Tells about specs of quality of service: `qos_specs.<event>`.
    pub fn qos_specs(&self, tx: &mut Transaction<'_>, event: &str, told: Json) -> Result<()> {
        self.tell(tx, "QoSSpecs", &format!("qos_specs.{event}"), told)
    }

    /// Tells why something could not be done with specs of quality of service.
    pub fn qos_specs_refused(&self, tx: &mut Transaction<'_>, event: &str, told: Json) -> Result<()> {
        self.warn(tx, "QoSSpecs", &format!("qos_specs.{event}"), told)
    }
}

/// What was refused.
#[derive(Debug, Clone, Default)]
pub struct Refused<'a> {
    /// What was asked for.
    pub given: Option<Json>,
    /// What it was about.
    pub id: Option<&'a str>,
    /// Why, see [`repr`].
    pub error: String,
}

fn extend(all: &mut Json, more: Json) {
    if let (Json::Object(all), Json::Object(more)) = (all, more) {
        all.extend(more);
    }
}
