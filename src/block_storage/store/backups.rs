//! The `backups` table: loads, inserts, changes and moves of one backup. Lists are in `backup_lists.rs`.

use super::transitions::{self, Outcome, marks};
use super::workers;
use crate::block_storage::model::backup::{Backup, Guard, Move, RESET_STATUS, Status};
use crate::block_storage::model::status::Status as _;
use crate::database::transition::{End, Object};
use crate::database::{Connection, Row, Value};
use crate::error::Result;
use crate::time::Timestamp;

/// The columns of a [`Backup`], in the order of [`read`].
pub(super) const COLUMNS: [&str; 23] = [
    "id",
    "volume_id",
    "project_id",
    "user_id",
    "created_at",
    "updated_at",
    "host",
    "availability_zone",
    "display_name",
    "display_description",
    "container",
    "status",
    "fail_reason",
    "service_metadata",
    "service",
    "size",
    "object_count",
    "parent_id",
    "num_dependent_backups",
    "snapshot_id",
    "data_timestamp",
    "restore_volume_id",
    "encryption_key_id",
];

/// The most characters that the column of a reason holds.
const REASON: usize = 255;

/// Reads the cells of [`COLUMNS`], which begin at cell 0.
///
/// # Errors
/// As all readers of cells.
pub(super) fn read(row: &Row<'_>) -> Result<Backup> {
    Ok(Backup {
        id: row.string(0)?,
        volume_id: row.string(1)?,
        project_id: row.opt_string(2)?.unwrap_or_default(),
        user_id: row.opt_string(3)?.unwrap_or_default(),
        created_at: row.opt_time(4)?,
        updated_at: row.opt_time(5)?,
        host: row.opt_string(6)?.filter(|host| !host.is_empty()),
        availability_zone: row.opt_string(7)?,
        name: row.opt_string(8)?,
        description: row.opt_string(9)?,
        container: row.opt_string(10)?,
        // A status that no release knows counts as an error: the one from which owners can get away.
        status: row.opt_text(11)?.and_then(Status::parse).unwrap_or(Status::Error),
        fail_reason: row.opt_string(12)?,
        service_metadata: row.opt_string(13)?,
        service: row.opt_string(14)?,
        size_gib: row.opt_int(15)?.unwrap_or(0),
        object_count: row.opt_int(16)?.unwrap_or(0),
        parent_id: row.opt_string(17)?,
        dependents: row.opt_int(18)?.unwrap_or(0),
        snapshot_id: row.opt_string(19)?,
        data_timestamp: row.opt_time(20)?,
        restore_volume_id: row.opt_string(21)?,
        encryption_key_id: row.opt_string(22)?,
    })
}

/// The backup with this id; `None` where there is none, or none any more.
///
/// # Errors
/// As all statements.
pub fn by_id(connection: &mut Connection, id: &str) -> Result<Option<Backup>> {
    let sql = format!("SELECT {} FROM backups WHERE id = ? AND deleted = ?", COLUMNS.join(", "));
    connection.row(&sql, &[id.into(), false.into()], read)
}

/// The backup with this id, which nobody else changes until the transaction ends.
///
/// # Errors
/// As all statements.
pub fn lock(connection: &mut Connection, id: &str) -> Result<Option<Backup>> {
    let sql = format!("SELECT {} FROM backups WHERE id = ? AND deleted = ? FOR UPDATE", COLUMNS.join(", "));
    connection.row(&sql, &[id.into(), false.into()], read)
}

/// The backups that a project has of a volume, latest data first.
///
/// # Errors
/// As all statements.
pub fn of_volume(connection: &mut Connection, volume_id: &str, project_id: &str) -> Result<Vec<Backup>> {
    let sql = format!(
        "SELECT {} FROM backups WHERE volume_id = ? AND project_id = ? AND deleted = ? \
         ORDER BY data_timestamp DESC, created_at DESC, id",
        COLUMNS.join(", ")
    );
    connection.rows(&sql, &[volume_id.into(), project_id.into(), false.into()], read)
}

/// Every backup that is there.
///
/// # Errors
/// As all statements.
pub fn all(connection: &mut Connection) -> Result<Vec<Backup>> {
    let sql = format!("SELECT {} FROM backups WHERE deleted = ? ORDER BY id", COLUMNS.join(", "));
    connection.rows(&sql, &[false.into()], read)
}

/// The backup that is being written, or is to be written, into a volume.
///
/// # Errors
/// As all statements.
pub fn restored_into(connection: &mut Connection, volume_id: &str) -> Result<Option<Backup>> {
    let sql = format!(
        "SELECT {} FROM backups WHERE restore_volume_id = ? AND status = 'restoring' AND deleted = ?",
        COLUMNS.join(", ")
    );
    connection.row(&sql, &[volume_id.into(), false.into()], read)
}

/// The backups of a backup service that are on their way to another status although nobody has an order that would take
/// them there. Only databases that another implementation has written to, or that were edited by hand, hold such.
///
/// # Errors
/// As all statements.
pub fn stranded(connection: &mut Connection, host: Option<&str>) -> Result<Vec<Backup>> {
    let columns: Vec<String> = COLUMNS.iter().map(|column| format!("b.{column}")).collect();
    let of_host = if host.is_some() { " AND b.host = ?" } else { "" };
    let sql = format!(
        "SELECT {} FROM backups b WHERE b.deleted = ? AND b.status IN ('creating', 'restoring', 'deleting'){of_host} \
         AND NOT EXISTS (SELECT 1 FROM hearth_orders o WHERE o.object_type = 'backup' AND o.object_id = b.id) ORDER BY b.id",
        columns.join(", ")
    );
    let params: Vec<Value<'_>> = std::iter::once(false.into()).chain(host.map(Value::from)).collect();
    connection.rows(&sql, &params, read)
}

/// How many backups build on this one, whatever their status.
///
/// # Errors
/// As all statements.
pub fn children(connection: &mut Connection, id: &str) -> Result<i64> {
    let sql = "SELECT count(*) FROM backups WHERE parent_id = ? AND deleted = ?";
    Ok(connection.row(sql, &[id.into(), false.into()], |row| row.int(0))?.unwrap_or(0))
}

/// Whether another backup, be it there or gone, names the same objects, as after a record was imported a second time: `None`
/// where no other does, else whether one of them still needs the objects.
///
/// # Errors
/// As all statements.
pub fn shares_objects(connection: &mut Connection, backup: &Backup) -> Result<Option<bool>> {
    let sql = "SELECT count(*), count(CASE WHEN deleted = ? AND status <> 'deleting' THEN 1 END) FROM backups \
               WHERE container = ? AND service_metadata = ? AND id <> ?";
    let (container, prefix) = ((&backup.container).into(), (&backup.service_metadata).into());
    let params = [false.into(), container, prefix, (&backup.id).into()];
    let counts = connection.row(sql, &params, |row| Ok((row.int(0)?, row.int(1)?)))?;
    Ok(counts.and_then(|(others, needing)| (others > 0).then_some(needing > 0)))
}

/// Writes into a backup how many that are complete build on it.
///
/// # Errors
/// As all statements.
pub fn count_dependents(connection: &mut Connection, id: &str) -> Result<()> {
    lock(connection, id)?;
    let sql = "SELECT count(*) FROM backups WHERE parent_id = ? AND deleted = ? AND status <> 'creating' \
               AND status <> 'error'";
    let count = connection.row(sql, &[id.into(), false.into()], |row| row.int(0))?.unwrap_or(0);
    connection.execute("UPDATE backups SET num_dependent_backups = ? WHERE id = ?", &[count.into(), id.into()])?;
    Ok(())
}

/// What an insert writes, in the order of [`COLUMNS`].
fn cells(backup: &Backup) -> Vec<Value<'_>> {
    vec![
        (&backup.id).into(),
        (&backup.volume_id).into(),
        (&backup.project_id).into(),
        (&backup.user_id).into(),
        backup.created_at.into(),
        backup.updated_at.into(),
        (&backup.host).into(),
        (&backup.availability_zone).into(),
        (&backup.name).into(),
        (&backup.description).into(),
        (&backup.container).into(),
        backup.status.name().into(),
        (&backup.fail_reason).into(),
        (&backup.service_metadata).into(),
        (&backup.service).into(),
        backup.size_gib.into(),
        backup.object_count.into(),
        (&backup.parent_id).into(),
        backup.dependents.into(),
        (&backup.snapshot_id).into(),
        backup.data_timestamp.into(),
        (&backup.restore_volume_id).into(),
        (&backup.encryption_key_id).into(),
    ]
}

/// Puts a new backup in.
///
/// # Errors
/// As all statements; [`crate::Kind::Duplicate`] where the id is taken.
pub fn insert(connection: &mut Connection, backup: &Backup) -> Result<()> {
    let sql = format!("INSERT INTO backups ({}, deleted) VALUES ({}, ?)", COLUMNS.join(", "), marks(COLUMNS.len()));
    let mut params = cells(backup);
    params.push(false.into());
    connection.execute(&sql, &params).map(|_| ())
}

/// Puts a backup into the row of one that was removed; `false` where there is no such row.
///
/// # Errors
/// As all statements.
pub fn revive(connection: &mut Connection, backup: &Backup) -> Result<bool> {
    let sets: Vec<String> = COLUMNS.iter().map(|column| format!("{column} = ?")).collect();
    let sql =
        format!("UPDATE backups SET {}, deleted = ?, deleted_at = NULL WHERE id = ? AND deleted = ?", sets.join(", "));
    let mut params = cells(backup);
    params.extend([false.into(), (&backup.id).into(), true.into()]);
    Ok(connection.execute(&sql, &params)? == 1)
}

/// Changes columns of a backup, whatever its status; `false` where there is no such backup.
///
/// # Errors
/// As all statements.
pub fn change(connection: &mut Connection, id: &str, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    begin(connection, id, &RESET_STATUS, columns)
}

/// Begins a move, as [`super::volumes::begin`] does for volumes.
///
/// # Errors
/// As all statements.
pub fn begin(connection: &mut Connection, id: &str, rule: &Move, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    if rule.guards.contains(&Guard::NoDependents) {
        // Two statements, because MySQL does not let one change a table and look into it. Who builds on a backup holds
        // its row while it does, so the count holds until this transaction ends.
        lock(connection, id)?;
        if children(connection, id)? > 0 {
            return Ok(false);
        }
    }
    let condition = |guard| match guard {
        Guard::NoDependents => "id IS NOT NULL",
    };
    transitions::begin(connection, object(id), rule, condition, columns)
}

/// Ends a move that [`begin`] began, as [`super::volumes::finish`] does for volumes.
///
/// # Errors
/// As all statements.
pub fn finish(
    connection: &mut Connection,
    id: &str,
    rule: &Move,
    outcome: Outcome,
    columns: &[(&str, Value<'_>)],
) -> Result<bool> {
    let ended = transitions::finish(connection, object(id), rule, outcome, columns)?;
    if ended == Some(End::Deleted) {
        let sql = "UPDATE backup_metadata SET deleted_at = ?, deleted = ? WHERE backup_id = ? AND deleted = ?";
        connection.execute(sql, &[Timestamp::now().into(), true.into(), id.into(), false.into()])?;
    }
    Ok(ended.is_some())
}

/// A reason as its column holds it.
pub fn reason(text: &str) -> String {
    text.chars().take(REASON).collect()
}

/// The backup as a row that moves.
fn object(id: &str) -> Object<'_> {
    Object { table: "backups", worker: workers::BACKUP, id }
}
