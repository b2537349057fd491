//! Notifications about backups: `backup.*`.

use serde_json::Value as Json;

use super::{Notices, payload, zone};
use crate::block_storage::store::records;
use crate::database::Transaction;
use crate::error::Result;

/// The names of a payload's fields, and the columns that they show.
const FIELDS: &[(&str, &str)] = &[
    ("tenant_id", "project_id"),
    ("user_id", "user_id"),
    ("availability_zone", "availability_zone"),
    ("backup_id", "id"),
    ("host", "host"),
    ("display_name", "display_name"),
    ("created_at", "created_at"),
    ("status", "status"),
    ("volume_id", "volume_id"),
    ("size", "size"),
    ("service_metadata", "service_metadata"),
    ("service", "service"),
    ("fail_reason", "fail_reason"),
    ("parent_id", "parent_id"),
    ("num_dependent_backups", "num_dependent_backups"),
    ("snapshot_id", "snapshot_id"),
];

impl Notices<'_> {
    /// Tells about a backup as it is in this transaction: `backup.<event>`.
    ///
    /// # Errors
    /// As all statements, as all functions of this type.
    pub fn backup(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        self.backup_with(tx, id, event, &[])
    }

    /// As [`Notices::backup`], with some fields that say something else.
    pub fn backup_with(&self, tx: &mut Transaction<'_>, id: &str, event: &str, instead: &[(&str, Json)]) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let Some(backup) = records::backup(tx, id)? else { return Ok(()) };
        let mut told = payload(&backup, FIELDS);
        zone(&mut told, "created_at");
        told.extend(instead.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self.tell(tx, "backup", &format!("backup.{event}"), Json::Object(told))
    }

    /// As [`Notices::backup`], of a backup that goes in this transaction: to be called while its row is still there.
    pub fn backup_gone(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        self.backup_with(tx, id, event, &[("status", "deleted".into())])
    }
}
