//! The `groups` table, with the types of volumes that a group takes (`group_volume_type_mapping`): loads, inserts, changes
//! and moves of one group. Lists are in `group_lists.rs`.

use super::transitions::{self, Outcome, marks};
use super::{volumes, workers};
use crate::block_storage::model::group::{Group, Guard, Move, RESET_STATUS, Status};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::Volume;
use crate::database::transition::{End, Object};
use crate::database::{Connection, Row, Value};
use crate::error::Result;
use crate::time::Timestamp;

/// The table; its name is a word of SQL.
pub(super) const TABLE: &str = "\"groups\"";

/// The columns of a [`Group`], in the order of [`read`].
pub(super) const COLUMNS: &str = "id, project_id, user_id, created_at, updated_at, name, description, status, \
                                  group_type_id, availability_zone, host, cluster_name, group_snapshot_id, \
                                  source_group_id, replication_status";

/// Reads the cells of [`COLUMNS`], which begin at cell 0.
///
/// # Errors
/// As all readers of cells.
pub(super) fn read(row: &Row<'_>) -> Result<Group> {
    Ok(Group {
        id: row.string(0)?,
        project_id: row.opt_string(1)?.unwrap_or_default(),
        user_id: row.opt_string(2)?.unwrap_or_default(),
        created_at: row.opt_time(3)?,
        updated_at: row.opt_time(4)?,
        name: row.opt_string(5)?,
        description: row.opt_string(6)?,
        // A status that no release knows counts as an error: the one from which owners can get away.
        status: row.opt_text(7)?.and_then(Status::parse).unwrap_or(Status::Error),
        group_type_id: row.opt_string(8)?.unwrap_or_default(),
        availability_zone: row.opt_string(9)?,
        host: row.opt_string(10)?.filter(|host| !host.is_empty()),
        cluster_name: row.opt_string(11)?,
        group_snapshot_id: row.opt_string(12)?,
        source_group_id: row.opt_string(13)?,
        replication_status: row.opt_string(14)?,
    })
}

/// The group with this id; `None` where there is none, or none any more.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn by_id(c: &mut Connection, id: &str) -> Result<Option<Group>> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLE} WHERE id = ? AND deleted = ?");
    c.row(&sql, &[id.into(), false.into()], read)
}

/// The group with this id, which nobody else changes until the transaction ends.
pub fn lock(c: &mut Connection, id: &str) -> Result<Option<Group>> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLE} WHERE id = ? AND deleted = ? FOR UPDATE");
    c.row(&sql, &[id.into(), false.into()], read)
}

/// Puts a new group in, with the types that its volumes may have.
pub fn insert(c: &mut Connection, group: &Group, volume_types: &[String]) -> Result<()> {
    let sql = format!("INSERT INTO {TABLE} ({COLUMNS}, deleted) VALUES ({})", marks(16));
    c.execute(
        &sql,
        &[
            (&group.id).into(),
            (&group.project_id).into(),
            (&group.user_id).into(),
            group.created_at.into(),
            group.updated_at.into(),
            (&group.name).into(),
            (&group.description).into(),
            group.status.name().into(),
            (&group.group_type_id).into(),
            (&group.availability_zone).into(),
            (&group.host).into(),
            (&group.cluster_name).into(),
            (&group.group_snapshot_id).into(),
            (&group.source_group_id).into(),
            (&group.replication_status).into(),
            false.into(),
        ],
    )?;
    let sql =
        "INSERT INTO group_volume_type_mapping (created_at, deleted, volume_type_id, group_id) VALUES (?, ?, ?, ?)";
    for volume_type in volume_types {
        c.execute(sql, &[group.created_at.into(), false.into(), volume_type.into(), (&group.id).into()])?;
    }
    Ok(())
}

/// Changes columns of a group, whatever its status; `false` where there is no such group.
pub fn change(c: &mut Connection, id: &str, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    begin(c, id, &RESET_STATUS, columns)
}

/// Begins a move, as [`volumes::begin`]. The transaction has locked the group.
pub fn begin(c: &mut Connection, id: &str, rule: &Move, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    transitions::begin(c, object(id), rule, condition, columns)
}

/// Ends a move that [`begin`] began, as [`volumes::finish`].
pub fn finish(
    c: &mut Connection,
    id: &str,
    rule: &Move,
    outcome: Outcome,
    columns: &[(&str, Value<'_>)],
) -> Result<bool> {
    let ended = transitions::finish(c, object(id), rule, outcome, columns)?;
    if ended == Some(End::Deleted) {
        remove_mapping(c, id)?;
    }
    Ok(ended.is_some())
}

fn object(id: &str) -> Object<'_> {
    Object { table: TABLE, worker: workers::GROUP, id }
}

/// Removes a group that no backend has: the row stays, marked as deleted.
pub fn remove(c: &mut Connection, id: &str) -> Result<()> {
    let sql =
        format!("UPDATE {TABLE} SET deleted_at = ?, deleted = ?, status = 'deleted' WHERE id = ? AND deleted = ?");
    c.execute(&sql, &[Timestamp::now().into(), true.into(), id.into(), false.into()])?;
    workers::end(c, workers::GROUP, id)?;
    remove_mapping(c, id)
}

fn remove_mapping(c: &mut Connection, id: &str) -> Result<()> {
    let sql = "UPDATE group_volume_type_mapping SET deleted_at = ?, deleted = ? WHERE group_id = ? AND deleted = ?";
    c.execute(sql, &[Timestamp::now().into(), true.into(), id.into(), false.into()]).map(|_| ())
}

/// The ids of the types that the volumes of a group may have.
pub fn volume_types(c: &mut Connection, id: &str) -> Result<Vec<String>> {
    let sql = "SELECT volume_type_id FROM group_volume_type_mapping WHERE group_id = ? AND deleted = ? ORDER BY id";
    c.rows(sql, &[id.into(), false.into()], |row| row.string(0))
}

/// The volumes of a group, oldest first, which nobody else changes until the transaction ends.
pub fn lock_volumes(c: &mut Connection, id: &str) -> Result<Vec<Volume>> {
    volumes_of(c, id, " FOR UPDATE")
}

/// The volumes of a group, oldest first.
pub fn volumes(c: &mut Connection, id: &str) -> Result<Vec<Volume>> {
    volumes_of(c, id, "")
}

fn volumes_of(c: &mut Connection, id: &str, how: &str) -> Result<Vec<Volume>> {
    let columns = volumes::COLUMNS.join(", ");
    // Everybody locks volumes in the order of their ids.
    let sql = format!("SELECT {columns} FROM volumes WHERE group_id = ? AND deleted = ? ORDER BY id{how}");
    let mut found = volumes::all(c, &sql, &[id.into(), false.into()])?;
    found.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(found)
}

/// Whether any volume of a group has snapshots.
pub fn volumes_have_snapshots(c: &mut Connection, id: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM volumes v WHERE v.group_id = ? AND v.deleted = ? AND EXISTS \
               (SELECT 1 FROM snapshots s WHERE s.volume_id = v.id AND s.deleted = false)";
    Ok(c.row(sql, &[id.into(), false.into()], |_| Ok(()))?.is_some())
}

/// Whether a group has snapshots.
pub fn has_snapshots(c: &mut Connection, id: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM group_snapshots WHERE group_id = ? AND deleted = ?";
    Ok(c.row(sql, &[id.into(), false.into()], |_| Ok(()))?.is_some())
}

/// A guard as a condition on a row of `groups`.
fn condition(guard: Guard) -> &'static str {
    match guard {
        Guard::NoSnapshots => {
            "NOT EXISTS (SELECT 1 FROM group_snapshots s WHERE s.group_id = \"groups\".id AND s.deleted = false)"
        }
        Guard::NoVolumes => {
            "NOT EXISTS (SELECT 1 FROM volumes v WHERE v.group_id = \"groups\".id AND v.deleted = false)"
        }
        Guard::HasVolumes => "EXISTS (SELECT 1 FROM volumes v WHERE v.group_id = \"groups\".id AND v.deleted = false)",
        Guard::VolumesIdle => {
            "NOT EXISTS (SELECT 1 FROM volumes v WHERE v.group_id = \"groups\".id AND v.deleted = false AND \
             (v.attach_status = 'attached' OR EXISTS \
             (SELECT 1 FROM snapshots s WHERE s.volume_id = v.id AND s.deleted = false)))"
        }
        // The inner query stands apart, because MySQL updates no table that the condition reads.
        Guard::NoCopyUnderWay => {
            "NOT EXISTS (SELECT 1 FROM (SELECT source_group_id FROM \"groups\" WHERE deleted = false \
             AND status = 'creating') copies WHERE copies.source_group_id = \"groups\".id)"
        }
    }
}
