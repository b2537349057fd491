//! The `snapshots` table: loads, inserts, changes and moves of one snapshot. Lists are in `snapshot_lists.rs`.

use super::transitions::{self, Outcome, marks};
use super::workers;
use crate::block_storage::model::snapshot::{Guard, Move, RESET_STATUS, Snapshot, Status};
use crate::block_storage::model::status::Status as _;
use crate::database::transition::{End, Object};
use crate::database::{Connection, Row, Value};
use crate::error::Result;
use crate::time::Timestamp;

/// The columns of a [`Snapshot`], in the order of [`read`].
pub(super) const COLUMNS: [&str; 18] = [
    "id",
    "volume_id",
    "project_id",
    "user_id",
    "created_at",
    "updated_at",
    "display_name",
    "display_description",
    "status",
    "progress",
    "volume_size",
    "volume_type_id",
    "group_snapshot_id",
    "cgsnapshot_id",
    "provider_location",
    "provider_id",
    "encryption_key_id",
    "use_quota",
];

/// Reads the cells of [`COLUMNS`], which begin at cell 0.
///
/// # Errors
/// As all readers of cells.
pub(super) fn read(row: &Row<'_>) -> Result<Snapshot> {
    Ok(Snapshot {
        id: row.string(0)?,
        volume_id: row.string(1)?,
        project_id: row.opt_string(2)?.unwrap_or_default(),
        user_id: row.opt_string(3)?.unwrap_or_default(),
        created_at: row.opt_time(4)?,
        updated_at: row.opt_time(5)?,
        name: row.opt_string(6)?,
        description: row.opt_string(7)?,
        // A status that no release knows counts as an error: the one from which owners can get away.
        status: row.opt_text(8)?.and_then(Status::parse).unwrap_or(Status::Error),
        progress: row.opt_string(9)?,
        volume_size_gib: row.opt_int(10)?.unwrap_or(0),
        volume_type_id: row.opt_string(11)?.unwrap_or_default(),
        group_snapshot_id: row.opt_string(12)?,
        cgsnapshot_id: row.opt_string(13)?,
        provider_location: row.opt_string(14)?,
        provider_id: row.opt_string(15)?,
        encryption_key_id: row.opt_string(16)?,
        use_quota: row.opt_bool(17)?.unwrap_or(true),
    })
}

/// The snapshot with this id; `None` where there is none, or none any more.
///
/// # Errors
/// As all statements.
pub fn by_id(connection: &mut Connection, id: &str) -> Result<Option<Snapshot>> {
    let sql = format!("SELECT {} FROM snapshots WHERE id = ? AND deleted = ?", COLUMNS.join(", "));
    connection.row(&sql, &[id.into(), false.into()], read)
}

/// The snapshot with this id, which nobody else changes until the transaction ends.
///
/// # Errors
/// As all statements.
pub fn lock(connection: &mut Connection, id: &str) -> Result<Option<Snapshot>> {
    let sql = format!("SELECT {} FROM snapshots WHERE id = ? AND deleted = ? FOR UPDATE", COLUMNS.join(", "));
    connection.row(&sql, &[id.into(), false.into()], read)
}

/// The snapshots of a volume, oldest first.
///
/// # Errors
/// As all statements.
pub fn of_volume(connection: &mut Connection, volume_id: &str) -> Result<Vec<Snapshot>> {
    let sql = format!(
        "SELECT {} FROM snapshots WHERE volume_id = ? AND deleted = ? ORDER BY created_at, id",
        COLUMNS.join(", ")
    );
    connection.rows(&sql, &[volume_id.into(), false.into()], read)
}

/// Puts a new snapshot in.
///
/// # Errors
/// As all statements.
pub fn insert(connection: &mut Connection, snapshot: &Snapshot) -> Result<()> {
    let sql = format!("INSERT INTO snapshots ({}, deleted) VALUES ({}, ?)", COLUMNS.join(", "), marks(COLUMNS.len()));
    connection.execute(
        &sql,
        &[
            (&snapshot.id).into(),
            (&snapshot.volume_id).into(),
            (&snapshot.project_id).into(),
            (&snapshot.user_id).into(),
            snapshot.created_at.into(),
            snapshot.updated_at.into(),
            (&snapshot.name).into(),
            (&snapshot.description).into(),
            snapshot.status.name().into(),
            (&snapshot.progress).into(),
            snapshot.volume_size_gib.into(),
            (&snapshot.volume_type_id).into(),
            (&snapshot.group_snapshot_id).into(),
            (&snapshot.cgsnapshot_id).into(),
            (&snapshot.provider_location).into(),
            (&snapshot.provider_id).into(),
            (&snapshot.encryption_key_id).into(),
            snapshot.use_quota.into(),
            false.into(),
        ],
    )?;
    Ok(())
}

/// Changes columns of a snapshot, whatever its status; `false` where there is no such snapshot.
///
/// # Errors
/// As all statements.
pub fn change(connection: &mut Connection, id: &str, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    begin(connection, id, &RESET_STATUS, columns)
}

/// Gives all snapshots of a volume another type.
///
/// # Errors
/// As all statements.
pub fn retype(connection: &mut Connection, volume_id: &str, volume_type_id: &str) -> Result<()> {
    let sql = "UPDATE snapshots SET volume_type_id = ?, updated_at = ? WHERE volume_id = ? AND deleted = ?";
    let params = [volume_type_id.into(), Timestamp::now().into(), volume_id.into(), false.into()];
    connection.execute(sql, &params).map(|_| ())
}

/// Begins a move, as [`super::volumes::begin`] does for volumes.
///
/// # Errors
/// As all statements.
pub fn begin(connection: &mut Connection, id: &str, rule: &Move, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    let condition = |guard| match guard {
        Guard::NoGroupSnapshot => "group_snapshot_id IS NULL AND cgsnapshot_id IS NULL",
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
        let now = Timestamp::now();
        for table in ["snapshot_metadata", "volume_glance_metadata"] {
            let sql = format!("UPDATE {table} SET deleted_at = ?, deleted = ? WHERE snapshot_id = ? AND deleted = ?");
            connection.execute(&sql, &[now.into(), true.into(), id.into(), false.into()])?;
        }
    }
    Ok(ended.is_some())
}

/// The snapshot as a row that moves.
fn object(id: &str) -> Object<'_> {
    Object { table: "snapshots", worker: workers::SNAPSHOT, id }
}
