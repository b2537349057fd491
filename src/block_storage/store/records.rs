//! Rows as Cinder's notifications show them: every column under its name, times as text. Not here: which of them are shown.

use serde_json::{Map, Value as Json};

use crate::database::schema::{
    BACKUPS, GROUP_SNAPSHOTS, GROUP_TYPE_SPECS, GROUP_TYPES, GROUPS, SNAPSHOT_METADATA, SNAPSHOTS, VOLUME_ATTACHMENT,
    VOLUME_GLANCE_METADATA, VOLUME_METADATA, VOLUME_TYPE_EXTRA_SPECS, VOLUME_TYPES, VOLUMES,
};
use crate::database::table::{Table, Type};
use crate::database::{Connection, Row};
use crate::error::Result;
use crate::time::Timestamp;

/// A row: its columns by name.
pub type Record = Map<String, Json>;

/// A volume, deleted or not.
///
/// # Errors
/// As all statements, as all functions of this file.
pub fn volume(c: &mut Connection, id: &str) -> Result<Option<Record>> {
    one(c, &VOLUMES, id)
}

/// A snapshot, deleted or not.
pub fn snapshot(c: &mut Connection, id: &str) -> Result<Option<Record>> {
    one(c, &SNAPSHOTS, id)
}

/// A backup, deleted or not.
pub fn backup(c: &mut Connection, id: &str) -> Result<Option<Record>> {
    one(c, &BACKUPS, id)
}

/// A group, deleted or not.
pub fn group(c: &mut Connection, id: &str) -> Result<Option<Record>> {
    one(c, &GROUPS, id)
}

/// A group snapshot, deleted or not.
pub fn group_snapshot(c: &mut Connection, id: &str) -> Result<Option<Record>> {
    one(c, &GROUP_SNAPSHOTS, id)
}

/// A volume type, deleted or not.
pub fn volume_type(c: &mut Connection, id: &str) -> Result<Option<Record>> {
    one(c, &VOLUME_TYPES, id)
}

/// A group type, deleted or not.
pub fn group_type(c: &mut Connection, id: &str) -> Result<Option<Record>> {
    one(c, &GROUP_TYPES, id)
}

/// The metadata of a volume.
pub fn volume_metadata(c: &mut Connection, volume_id: &str) -> Result<Vec<Record>> {
    all(c, &VOLUME_METADATA, "volume_id", volume_id)
}

/// What a volume keeps of its image.
pub fn image_metadata(c: &mut Connection, volume_id: &str) -> Result<Vec<Record>> {
    all(c, &VOLUME_GLANCE_METADATA, "volume_id", volume_id)
}

/// The attachments of a volume.
pub fn attachments(c: &mut Connection, volume_id: &str) -> Result<Vec<Record>> {
    all(c, &VOLUME_ATTACHMENT, "volume_id", volume_id)
}

/// The metadata of a snapshot.
pub fn snapshot_metadata(c: &mut Connection, snapshot_id: &str) -> Result<Vec<Record>> {
    all(c, &SNAPSHOT_METADATA, "snapshot_id", snapshot_id)
}

/// The extra specs of a volume type.
pub fn extra_specs(c: &mut Connection, volume_type_id: &str) -> Result<Vec<Record>> {
    all(c, &VOLUME_TYPE_EXTRA_SPECS, "volume_type_id", volume_type_id)
}

/// The specs of a group type.
pub fn group_specs(c: &mut Connection, group_type_id: &str) -> Result<Vec<Record>> {
    all(c, &GROUP_TYPE_SPECS, "group_type_id", group_type_id)
}

/// The ids of the volumes of a group.
pub fn volumes_of_group(c: &mut Connection, group_id: &str) -> Result<Vec<String>> {
    let sql = "SELECT id FROM volumes WHERE group_id = ? AND deleted = ? ORDER BY created_at, id";
    c.rows(sql, &[group_id.into(), false.into()], |row| row.string(0))
}

/// A kind of object that an audit tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audited {
    /// Volumes.
    Volumes,
    /// Snapshots.
    Snapshots,
    /// Backups.
    Backups,
}

/// What an audit has to know of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lived {
    /// Its id.
    pub id: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// At most `most` of the objects that were there at some time between two instants, in the order of their ids, from the one
/// after `after` on.
pub fn lived(
    c: &mut Connection,
    what: Audited,
    (begin, end): (Timestamp, Timestamp),
    after: &str,
    most: u32,
) -> Result<Vec<Lived>> {
    let (table, own) = match what {
        Audited::Volumes => ("volumes", " AND use_quota = ?"),
        Audited::Snapshots => ("snapshots", " AND use_quota = ?"),
        Audited::Backups => ("backups", ""),
    };
    let sql = format!(
        "SELECT id, created_at, deleted_at FROM {table} WHERE (deleted_at IS NULL OR deleted_at > ?) AND created_at < ? \
         AND id > ?{own} ORDER BY id LIMIT ?"
    );
    let mut params = vec![begin.into(), end.into(), after.into()];
    if !own.is_empty() {
        params.push(true.into());
    }
    params.push(most.into());
    c.rows(&sql, &params, |row| {
        Ok(Lived { id: row.string(0)?, created_at: row.opt_time(1)?, deleted_at: row.opt_time(2)? })
    })
}

fn one(c: &mut Connection, table: &'static Table, id: &str) -> Result<Option<Record>> {
    let sql = format!("SELECT {} FROM {} WHERE id = ?", columns(table), quoted(table.name));
    c.row(&sql, &[id.into()], |row| record(table, row))
}

/// The rows of a table that are not deleted and whose column `column` holds `value`, in the order in which they were made.
fn all(c: &mut Connection, table: &'static Table, column: &str, value: &str) -> Result<Vec<Record>> {
    let sql = format!(
        "SELECT {} FROM {} WHERE {column} = ? AND deleted = ? ORDER BY created_at, id",
        columns(table),
        quoted(table.name)
    );
    c.rows(&sql, &[value.into(), false.into()], |row| record(table, row))
}

/// `groups` and `key` are words of their own to some engines.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn columns(table: &'static Table) -> String {
    let names: Vec<String> = table.columns().map(|column| quoted(column.name)).collect();
    names.join(", ")
}

fn record(table: &'static Table, row: &Row<'_>) -> Result<Record> {
    let mut record = Record::new();
    for (place, column) in table.columns().enumerate() {
        let value = match column.kind {
            Type::Boolean => row.opt_bool(place)?.into(),
            Type::Int | Type::BigInt | Type::Serial | Type::Counter => row.opt_int(place)?.into(),
            Type::Real => row.opt_real(place)?.into(),
            Type::Time | Type::TimeMicros => row.opt_time(place)?.map(written).into(),
            Type::Text(_) | Type::Name(_) | Type::LongText | Type::AnyText => row.opt_text(place)?.into(),
            Type::Bytes | Type::Digest => Json::Null,
        };
        record.insert(column.name.to_owned(), value);
    }
    Ok(record)
}

/// A time as Python's `isoformat` writes it, without a zone.
pub fn written(time: Timestamp) -> String {
    let mut text = Vec::new();
    time.write(b'T', &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
