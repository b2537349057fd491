//! Volumes, snapshots and groups that are on their way to another status although nobody has an order that would take them there.

use super::services::escaped;
use crate::database::{Connection, Row, Value};
use crate::error::Result;
use crate::time::Timestamp;

/// The kind of volumes.
pub const VOLUME: &str = "volume";
/// The kind of snapshots.
pub const SNAPSHOT: &str = "snapshot";
/// The kind of groups.
pub const GROUP: &str = "group";
/// The kind of group snapshots.
pub const GROUP_SNAPSHOT: &str = "group_snapshot";

/// An object that nobody was asked to do anything about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranded {
    /// [`VOLUME`], [`SNAPSHOT`], [`GROUP`] or [`GROUP_SNAPSHOT`].
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// The volume: itself, or the one that the snapshot is of; or the group, or its snapshot.
    pub volume_id: String,
    /// Its owner.
    pub project_id: String,
    /// Its status.
    pub status: String,
    /// Where it is, if it was placed.
    pub host: Option<String>,
    /// When it was last changed.
    pub changed_at: Option<Timestamp>,
}

/// Those of the backend `host@backend`; volumes whose snapshots go with them bring those along, so snapshots in
/// deletion are told only where their volume is not.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn on_backend(c: &mut Connection, backend: &str) -> Result<Vec<Stranded>> {
    find(c, Some(backend))
}

/// Those of all backends, and those that were never placed.
pub fn everywhere(c: &mut Connection) -> Result<Vec<Stranded>> {
    find(c, None)
}

fn find(c: &mut Connection, backend: Option<&str>) -> Result<Vec<Stranded>> {
    let pools = backend.map(|backend| format!("{}#%", escaped(backend)));
    let place = if backend.is_some() { " AND (v.host = ? OR v.host LIKE ? ESCAPE '!')" } else { "" };
    let mut params: Vec<Value<'_>> = vec![false.into()];
    if let (Some(backend), Some(pools)) = (backend, &pools) {
        params.extend([Value::from(backend), Value::from(pools)]);
    }
    let volumes = format!(
        "SELECT v.id, v.project_id, v.status, v.host, v.updated_at, v.created_at FROM volumes v WHERE v.deleted = ? AND \
         (v.status IN ('creating', 'deleting', 'extending', 'error_managing_deleting', 'managing', 'unmanaging', \
         'downloading', 'uploading') OR \
         (v.status = 'retyping' AND (v.migration_status IS NULL OR v.migration_status NOT IN \
         ('starting', 'migrating', 'completing')))){place} AND NOT EXISTS \
         (SELECT 1 FROM hearth_orders o WHERE o.object_type = 'volume' AND o.object_id = v.id) ORDER BY v.id"
    );
    let mut found = c.rows(&volumes, &params, |row| whole(VOLUME, row))?;
    let snapshots = format!(
        "SELECT s.id, s.volume_id, s.project_id, s.status, v.host, s.updated_at, s.created_at FROM snapshots s \
         JOIN volumes v ON v.id = s.volume_id WHERE s.deleted = ?{place} AND s.status IN ('creating', 'deleting', 'restoring', 'unmanaging') AND \
         v.status <> 'deleting' AND NOT EXISTS (SELECT 1 FROM hearth_orders o WHERE o.object_type = 'snapshot' AND o.object_id = s.id) ORDER BY s.id"
    );
    found.extend(c.rows(&snapshots, &params, |row| {
        Ok(Stranded {
            kind: SNAPSHOT,
            id: row.string(0)?,
            volume_id: row.string(1)?,
            project_id: row.opt_string(2)?.unwrap_or_default(),
            status: row.string(3)?,
            host: row.opt_string(4)?,
            changed_at: row.opt_time(5)?.or(row.opt_time(6)?),
        })
    })?);
    // After the volumes: their orders come before those of their groups.
    let groups = format!(
        "SELECT v.id, v.project_id, v.status, v.host, v.updated_at, v.created_at FROM \"groups\" v WHERE v.deleted = ? \
         AND v.status IN ('creating', 'deleting', 'updating'){place} AND NOT EXISTS \
         (SELECT 1 FROM hearth_orders o WHERE o.object_type = 'group' AND o.object_id = v.id) ORDER BY v.id"
    );
    found.extend(c.rows(&groups, &params, |row| whole(GROUP, row))?);
    let of_groups = format!(
        "SELECT s.id, s.project_id, s.status, v.host, s.updated_at, s.created_at FROM group_snapshots s \
         JOIN \"groups\" v ON v.id = s.group_id WHERE s.deleted = ? AND s.status IN ('creating', 'deleting'){place} AND NOT \
         EXISTS (SELECT 1 FROM hearth_orders o WHERE o.object_type = 'group_snapshot' AND o.object_id = s.id) ORDER BY s.id"
    );
    found.extend(c.rows(&of_groups, &params, |row| whole(GROUP_SNAPSHOT, row))?);
    Ok(found)
}

/// A volume, a group or a group snapshot.
fn whole(kind: &'static str, row: &Row<'_>) -> Result<Stranded> {
    let id = row.string(0)?;
    Ok(Stranded {
        kind,
        volume_id: id.clone(),
        id,
        project_id: row.opt_string(1)?.unwrap_or_default(),
        status: row.string(2)?,
        host: row.opt_string(3)?,
        changed_at: row.opt_time(4)?.or(row.opt_time(5)?),
    })
}
