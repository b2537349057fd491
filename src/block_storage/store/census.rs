//! What the rows say should lie on a backend, for a comparison with what does.

use super::orders;
use super::services::escaped;
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::work::Destination;
use crate::database::Connection;
use crate::error::Result;
use crate::time::Timestamp;

/// A volume or a snapshot that was placed on a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resident {
    /// Whether it is a snapshot.
    pub is_snapshot: bool,
    /// Its id.
    pub id: String,
    /// The id under which the driver knows it.
    pub disk_id: String,
    /// Its status.
    pub status: String,
}

/// Volumes that wait for a server to come or go, and have done so since before `since`: id, status, and since when.
///
/// # Errors
/// Those of the database.
pub fn between_servers(c: &mut Connection, since: Timestamp) -> Result<Vec<(String, String, Timestamp)>> {
    let sql = "SELECT id, status, updated_at FROM volumes WHERE deleted = ? AND status IN \
               ('reserved', 'attaching', 'detaching') AND updated_at < ? ORDER BY id";
    c.rows(sql, &[false.into(), since.into()], |row| Ok((row.string(0)?, row.string(1)?, row.time(2)?)))
}

/// The status of a disk that comes or goes while its volume moves to another backend.
const MOVING: &str = "moving";

/// Volumes and snapshots of the backend `host@backend`, and the disks of volumes that come there or have left.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn residents(c: &mut Connection, backend: &str) -> Result<Vec<Resident>> {
    let pools = format!("{}#%", escaped(backend));
    let params = [false.into(), backend.into(), (&pools).into()];
    let mut found = c.rows(
        "SELECT id, _name_id, status FROM volumes WHERE deleted = ? AND (host = ? OR host LIKE ? ESCAPE '!') ORDER BY id",
        &params,
        |row| {
            let id = row.string(0)?;
            let disk_id = row.opt_string(1)?.unwrap_or_else(|| id.clone());
            Ok(Resident { is_snapshot: false, disk_id, id, status: row.opt_string(2)?.unwrap_or_default() })
        },
    )?;
    found.extend(c.rows(
        "SELECT s.id, s.status FROM snapshots s JOIN volumes v ON v.id = s.volume_id WHERE s.deleted = ? AND \
         (v.host = ? OR v.host LIKE ? ESCAPE '!') ORDER BY s.id",
        &params,
        |row| {
            let id = row.string(0)?;
            let status = row.opt_string(1)?.unwrap_or_default();
            Ok(Resident { is_snapshot: true, disk_id: id.clone(), id, status })
        },
    )?);
    let come = orders::notes(c)?.into_iter().filter_map(|(id, note)| {
        let destination = Destination::read(&note)?;
        (service_host(&destination.pool) == backend).then_some((id, destination.disk_id))
    });
    let moving: Vec<(String, String)> = come.chain(orders::discarded(c, backend)?).collect();
    let resident = |(id, disk_id)| Resident { is_snapshot: false, id, disk_id, status: MOVING.to_owned() };
    found.extend(moving.into_iter().map(resident));
    Ok(found)
}

/// How many volumes and snapshots are in each status that an operator has to end: `(is_snapshot, status, count)`.
pub fn in_error(c: &mut Connection) -> Result<Vec<(bool, String, i64)>> {
    let mut found = Vec::new();
    for (is_snapshot, table) in [(false, "volumes"), (true, "snapshots")] {
        let sql = format!(
            "SELECT status, count(*) FROM {table} WHERE deleted = ? AND status LIKE 'error%' GROUP BY status ORDER BY status"
        );
        found.extend(c.rows(&sql, &[false.into()], |row| Ok((is_snapshot, row.string(0)?, row.int(1)?)))?);
    }
    Ok(found)
}

/// How many backups are in each status that an operator or their owner has to end.
pub fn backups_in_error(c: &mut Connection) -> Result<Vec<(String, i64)>> {
    let sql = "SELECT status, count(*) FROM backups WHERE deleted = ? AND status LIKE 'error%' GROUP BY status ORDER BY status";
    c.rows(sql, &[false.into()], |row| Ok((row.string(0)?, row.int(1)?)))
}

/// Volumes whose status says that a backup is made of them or written into them, although none is: id and status.
pub fn without_backup(c: &mut Connection) -> Result<Vec<(String, String)>> {
    let sql = "SELECT v.id, v.status FROM volumes v WHERE v.deleted = ? AND v.status IN ('backing-up', 'restoring-backup') \
               AND NOT EXISTS (SELECT 1 FROM backups b WHERE b.deleted = ? AND \
               (b.status = 'creating' AND b.volume_id = v.id OR b.status = 'restoring' AND b.restore_volume_id = v.id)) \
               AND NOT EXISTS (SELECT 1 FROM backups b JOIN hearth_orders o ON o.object_type = 'backup' AND o.object_id = b.id \
               WHERE b.volume_id = v.id OR b.restore_volume_id = v.id) ORDER BY v.id";
    c.rows(sql, &[false.into(), false.into()], |row| Ok((row.string(0)?, row.string(1)?)))
}
