//! Notifications about snapshots: `snapshot.*`.

use serde_json::{Map, Value as Json};

use super::{Notices, payload, zone};
use crate::block_storage::store::records;
use crate::database::Transaction;
use crate::error::Result;
use crate::rest::python;

/// The names of a payload's fields, and the columns that they show.
const FIELDS: &[(&str, &str)] = &[
    ("tenant_id", "project_id"),
    ("user_id", "user_id"),
    ("volume_id", "volume_id"),
    ("volume_size", "volume_size"),
    ("snapshot_id", "id"),
    ("display_name", "display_name"),
    ("created_at", "created_at"),
    ("status", "status"),
];

impl Notices<'_> {
    /// Tells about a snapshot as it is in this transaction: `snapshot.<event>`.
    ///
    /// # Errors
    /// As all statements, as all functions of this type.
    pub fn snapshot(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        self.snapshot_with(tx, id, event, &[])
    }

    /// As [`Notices::snapshot`], with some fields that say something else.
    pub fn snapshot_with(
        &self,
        tx: &mut Transaction<'_>,
        id: &str,
        event: &str,
        instead: &[(&str, Json)],
    ) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let Some(snapshot) = records::snapshot(tx, id)? else { return Ok(()) };
        let mut told = payload(&snapshot, FIELDS);
        zone(&mut told, "created_at");
        let volume_id = snapshot.get("volume_id").and_then(Json::as_str).unwrap_or_default();
        let zone_of_volume =
            records::volume(tx, volume_id)?.and_then(|volume| volume.get("availability_zone").cloned());
        told.insert("availability_zone".to_owned(), zone_of_volume.unwrap_or(Json::Null));
        let deleted = snapshot.get("deleted").and_then(Json::as_bool).unwrap_or(false);
        told.insert("deleted".to_owned(), if deleted { "True" } else { "" }.into());
        let pairs = records::snapshot_metadata(tx, id)?;
        told.insert("metadata".to_owned(), metadata(&pairs).into());
        told.extend(instead.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self.tell(tx, "snapshot", &format!("snapshot.{event}"), Json::Object(told))
    }

    /// As [`Notices::snapshot`], of a snapshot that goes in this transaction: to be called while its rows are still there.
    pub fn snapshot_gone(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        self.snapshot_with(tx, id, event, &[("status", "deleted".into()), ("deleted", "True".into())])
    }
}

/// Metadata as Python prints a dictionary; nothing for none.
fn metadata(pairs: &[records::Record]) -> String {
    let pairs = pairs.iter().filter_map(|pair| {
        Some((pair.get("key")?.as_str()?.to_owned(), pair.get("value").cloned().unwrap_or(Json::Null)))
    });
    let pairs: Map<String, Json> = pairs.collect();
    if pairs.is_empty() { String::new() } else { python::repr(&Json::Object(pairs)) }
}
