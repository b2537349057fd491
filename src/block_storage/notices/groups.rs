//! Notifications about groups and group snapshots: `group.*`, `group_snapshot.*`, and what operators set.

use serde_json::{Value as Json, json};

use super::{Notices, payload, zone};
use crate::block_storage::store::records;
use crate::database::Transaction;
use crate::error::Result;

const GROUP: &[(&str, &str)] = &[
    ("tenant_id", "project_id"),
    ("user_id", "user_id"),
    ("availability_zone", "availability_zone"),
    ("group_id", "id"),
    ("group_type", "group_type_id"),
    ("name", "name"),
    ("created_at", "created_at"),
    ("status", "status"),
];
const GROUP_SNAPSHOT: &[(&str, &str)] = &[
    ("tenant_id", "project_id"),
    ("user_id", "user_id"),
    ("group_snapshot_id", "id"),
    ("name", "name"),
    ("group_id", "group_id"),
    ("group_type", "group_type_id"),
    ("created_at", "created_at"),
    ("status", "status"),
];

impl Notices<'_> {
    /// Tells about a group as it is in this transaction: `group.<event>`.
    ///
    /// # Errors
    /// As all statements, as all functions of this type.
    pub fn group(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let Some(group) = records::group(tx, id)? else { return Ok(()) };
        let mut told = payload(&group, GROUP);
        zone(&mut told, "created_at");
        self.tell(tx, "group", &format!("group.{event}"), Json::Object(told))
    }

    /// As [`Notices::group`], and the same about each of its volumes.
    pub fn group_with_volumes(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        self.group(tx, id, event)?;
        for volume in records::volumes_of_group(tx, id)? {
            self.volume(tx, &volume, event)?;
        }
        Ok(())
    }

    /// Tells about a group snapshot as it is in this transaction: `group_snapshot.<event>`.
    pub fn group_snapshot(&self, tx: &mut Transaction<'_>, id: &str, event: &str) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let Some(snapshot) = records::group_snapshot(tx, id)? else { return Ok(()) };
        let mut told = payload(&snapshot, GROUP_SNAPSHOT);
        zone(&mut told, "created_at");
        self.tell(tx, "group_snapshot", &format!("group_snapshot.{event}"), Json::Object(told))
    }

    /// Tells that an operator sets the status of a group, and that it is done.
    pub fn group_reset(&self, tx: &mut Transaction<'_>, id: &str, status: &str) -> Result<()> {
        self.reset(tx, ("groupStatusUpdate", "groups"), id, status)
    }

    /// Tells that an operator sets the status of a group snapshot, and that it is done.
    pub fn group_snapshot_reset(&self, tx: &mut Transaction<'_>, id: &str, status: &str) -> Result<()> {
        self.reset(tx, ("groupSnapshotStatusUpdate", "groupsnapshots"), id, status)
    }

    fn reset(&self, tx: &mut Transaction<'_>, what: (&str, &str), id: &str, status: &str) -> Result<()> {
        let (service, noun) = what;
        for end in ["start", "end"] {
            self.tell(tx, service, &format!("{noun}.reset_status.{end}"), json!({"id": id, "update": status}))?;
        }
        Ok(())
    }
}
