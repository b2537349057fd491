//! The `group_snapshots` table: loads, lists, inserts, changes and moves; and the snapshots that a group snapshot holds.

use super::lists::{self, Source};
use super::transitions::{self, Outcome};
use super::{snapshots, workers};
use crate::block_storage::model::group_snapshot::{GroupSnapshot, Guard, Move, RESET_STATUS, Status};
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::snapshot::Snapshot;
use crate::block_storage::model::status::Status as _;
use crate::database::transition::Object;
use crate::database::{Connection, Row, Value};
use crate::error::{Error, Result};

const SOURCE: Source = Source { table: "group_snapshots", metadata: &[], by_project: None };

/// The columns of a [`GroupSnapshot`], in the order of [`read`].
const COLUMNS: &str =
    "id, group_id, project_id, user_id, created_at, updated_at, name, description, status, group_type_id";

fn read(row: &Row<'_>) -> Result<GroupSnapshot> {
    Ok(GroupSnapshot {
        id: row.string(0)?,
        group_id: row.string(1)?,
        project_id: row.opt_string(2)?.unwrap_or_default(),
        user_id: row.opt_string(3)?.unwrap_or_default(),
        created_at: row.opt_time(4)?,
        updated_at: row.opt_time(5)?,
        name: row.opt_string(6)?,
        description: row.opt_string(7)?,
        // A status that no release knows counts as an error: the one from which owners can get away.
        status: row.opt_text(8)?.and_then(Status::parse).unwrap_or(Status::Error),
        group_type_id: row.opt_string(9)?.unwrap_or_default(),
    })
}

/// That there is no such group snapshot.
pub fn not_found(id: &str) -> Error {
    Error::not_found(format!("GroupSnapshot {id} could not be found."))
}

/// The group snapshot with this id; `None` where there is none, or none any more.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn by_id(c: &mut Connection, id: &str) -> Result<Option<GroupSnapshot>> {
    let sql = format!("SELECT {COLUMNS} FROM group_snapshots WHERE id = ? AND deleted = ?");
    c.row(&sql, &[id.into(), false.into()], read)
}

/// The group snapshot with this id, which nobody else changes until the transaction ends.
pub fn lock(c: &mut Connection, id: &str) -> Result<Option<GroupSnapshot>> {
    let sql = format!("SELECT {COLUMNS} FROM group_snapshots WHERE id = ? AND deleted = ? FOR UPDATE");
    c.row(&sql, &[id.into(), false.into()], read)
}

/// One page of group snapshots.
///
/// # Errors
/// [`crate::Kind::NotFound`] where the marker is not there.
pub fn page(c: &mut Connection, selection: &Selection) -> Result<Vec<GroupSnapshot>> {
    lists::page(c, &SOURCE, COLUMNS, selection, |row| read(row))?
        .ok_or_else(|| not_found(selection.marker.as_deref().unwrap_or_default()))
}

/// Puts a new group snapshot in.
pub fn insert(c: &mut Connection, new: &GroupSnapshot) -> Result<()> {
    let sql = format!("INSERT INTO group_snapshots ({COLUMNS}, deleted) VALUES ({})", transitions::marks(11));
    c.execute(
        &sql,
        &[
            (&new.id).into(),
            (&new.group_id).into(),
            (&new.project_id).into(),
            (&new.user_id).into(),
            new.created_at.into(),
            new.updated_at.into(),
            (&new.name).into(),
            (&new.description).into(),
            new.status.name().into(),
            (&new.group_type_id).into(),
            false.into(),
        ],
    )
    .map(|_| ())
}

/// Changes columns of a group snapshot, whatever its status; `false` where there is none.
pub fn change(c: &mut Connection, id: &str, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    transitions::begin(c, object(id), &RESET_STATUS, condition, columns)
}

/// Begins a move. The transaction has locked the group snapshot.
pub fn begin(c: &mut Connection, id: &str, rule: &Move) -> Result<bool> {
    transitions::begin(c, object(id), rule, condition, &[])
}

/// Ends a move that [`begin`] began; `false` where the group snapshot is no longer where the move had taken it.
pub fn finish(c: &mut Connection, id: &str, rule: &Move, outcome: Outcome) -> Result<bool> {
    Ok(transitions::finish(c, object(id), rule, outcome, &[])?.is_some())
}

fn object(id: &str) -> Object<'_> {
    Object { table: "group_snapshots", worker: workers::GROUP_SNAPSHOT, id }
}

/// The snapshots of a group snapshot, in the order of their volumes' ids.
pub fn snapshots(c: &mut Connection, id: &str) -> Result<Vec<Snapshot>> {
    let columns = snapshots::COLUMNS.join(", ");
    let sql = format!("SELECT {columns} FROM snapshots WHERE group_snapshot_id = ? AND deleted = ? ORDER BY volume_id");
    c.rows(&sql, &[id.into(), false.into()], snapshots::read)
}

/// A guard as a condition on a row of `group_snapshots`.
fn condition(guard: Guard) -> &'static str {
    match guard {
        Guard::NoCopyUnderWay => {
            "NOT EXISTS (SELECT 1 FROM \"groups\" g WHERE g.group_snapshot_id = group_snapshots.id \
             AND g.deleted = false AND g.status = 'creating')"
        }
    }
}
