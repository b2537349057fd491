//! The tables of names and values that hang on volumes and snapshots. They are alike, so one set of statements serves all.

use super::transitions::marks;
use crate::database::{Connection, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Names with their values, in the order in which they were first written.
pub type Pairs = Vec<(String, String)>;

/// One of those tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// What the owner wrote to a volume.
    Volume,
    /// What administrators and the service itself wrote to a volume.
    VolumeAdmin,
    /// What the image said of which a volume was made.
    VolumeImage,
    /// What the owner wrote to a snapshot.
    Snapshot,
    /// What the owner wrote to a backup.
    Backup,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume_metadata",
            Self::VolumeAdmin => "volume_admin_metadata",
            Self::VolumeImage => "volume_glance_metadata",
            Self::Snapshot => "snapshot_metadata",
            Self::Backup => "backup_metadata",
        }
    }

    fn owner(self) -> &'static str {
        match self {
            Self::Volume | Self::VolumeAdmin | Self::VolumeImage => "volume_id",
            Self::Snapshot => "snapshot_id",
            Self::Backup => "backup_id",
        }
    }
}

/// The metadata of one object.
///
/// # Errors
/// As all statements.
pub fn of(connection: &mut Connection, table: Table, id: &str) -> Result<Pairs> {
    let (name, owner) = (table.name(), table.owner());
    let sql = format!("SELECT \"key\", value FROM {name} WHERE {owner} = ? AND deleted = ? ORDER BY id");
    connection.rows(&sql, &[id.into(), false.into()], |row| {
        Ok((row.opt_string(0)?.unwrap_or_default(), row.opt_string(1)?.unwrap_or_default()))
    })
}

/// Calls `each` with table, object, name and value of the metadata of several objects, which are of one kind. One statement
/// reads all the tables: on a server, its round trip costs more than the reading.
///
/// # Errors
/// As all statements, and those of `each`.
pub fn of_all(
    connection: &mut Connection,
    tables: &[Table],
    ids: &[&str],
    mut each: impl FnMut(Table, &str, &str, &str) -> Result<()>,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let marks = marks(ids.len());
    let part = |(at, table): (usize, &Table)| {
        let (name, owner) = (table.name(), table.owner());
        format!("SELECT {owner}, \"key\", value, {at}, id FROM {name} WHERE {owner} IN ({marks}) AND deleted = false")
    };
    let parts: Vec<String> = tables.iter().enumerate().map(part).collect();
    let sql = format!("{} ORDER BY 4, 5", parts.join(" UNION ALL "));
    let params: Vec<Value<'_>> = tables.iter().flat_map(|_| ids).map(|id| Value::from(*id)).collect();
    connection.query(&sql, &params, |row| {
        let table = usize::try_from(row.int(3)?).ok().and_then(|at| tables.get(at));
        let Some(&table) = table else { return Err(Error::internal("metadata of an unknown table")) };
        each(table, row.text(0)?, row.opt_text(1)?.unwrap_or(""), row.opt_text(2)?.unwrap_or(""))
    })
}

/// Adds names to an object, or gives them new values, and leaves its other names as they are.
///
/// # Errors
/// As all statements.
pub fn merge(connection: &mut Connection, table: Table, id: &str, pairs: &[(String, String)]) -> Result<()> {
    let present = of(connection, table, id)?;
    let (name, owner) = (table.name(), table.owner());
    let now = Timestamp::now();
    for (key, value) in pairs {
        match present.iter().find(|(known, _)| known == key) {
            Some((_, same)) if same == value => {}
            Some(_) => {
                let sql = format!(
                    "UPDATE {name} SET value = ?, updated_at = ? WHERE {owner} = ? AND \"key\" = ? AND deleted = ?"
                );
                connection.execute(&sql, &[value.into(), now.into(), id.into(), key.into(), false.into()])?;
            }
            None => {
                let sql =
                    format!("INSERT INTO {name} (created_at, deleted, {owner}, \"key\", value) VALUES (?, ?, ?, ?, ?)");
                connection.execute(&sql, &[now.into(), false.into(), id.into(), key.into(), value.into()])?;
            }
        }
    }
    Ok(())
}

/// Gives an object these names and no others.
///
/// # Errors
/// As all statements.
pub fn replace(connection: &mut Connection, table: Table, id: &str, pairs: &[(String, String)]) -> Result<()> {
    for (key, _) in of(connection, table, id)? {
        if !pairs.iter().any(|(kept, _)| *kept == key) {
            remove(connection, table, id, &key)?;
        }
    }
    merge(connection, table, id, pairs)
}

/// Takes a name away from an object; `false` where it has no such name.
///
/// # Errors
/// As all statements.
pub fn remove(connection: &mut Connection, table: Table, id: &str, key: &str) -> Result<bool> {
    let (name, owner) = (table.name(), table.owner());
    let sql =
        format!("UPDATE {name} SET deleted_at = ?, deleted = ? WHERE {owner} = ? AND \"key\" = ? AND deleted = ?");
    let params = [Timestamp::now().into(), true.into(), id.into(), key.into(), false.into()];
    Ok(connection.execute(&sql, &params)? > 0)
}

/// Copies what the image said from a snapshot or a volume to a new volume.
///
/// # Errors
/// As all statements.
pub fn copy_image_metadata(connection: &mut Connection, from: Source<'_>, volume_id: &str) -> Result<()> {
    let (owner, id) = match from {
        Source::Volume(id) => ("volume_id", id),
        Source::Snapshot(id) => ("snapshot_id", id),
    };
    let sql = format!(
        "INSERT INTO volume_glance_metadata (created_at, deleted, volume_id, \"key\", value) \
         SELECT ?, deleted, ?, \"key\", value FROM volume_glance_metadata WHERE {owner} = ? AND deleted = ?"
    );
    connection.execute(&sql, &[Timestamp::now().into(), volume_id.into(), id.into(), false.into()])?;
    Ok(())
}

/// Copies what the image said of a volume to its new snapshot.
///
/// # Errors
/// As all statements.
pub fn copy_image_metadata_to_snapshot(connection: &mut Connection, volume_id: &str, snapshot_id: &str) -> Result<()> {
    connection.execute(
        "INSERT INTO volume_glance_metadata (created_at, deleted, snapshot_id, \"key\", value) \
         SELECT ?, deleted, ?, \"key\", value FROM volume_glance_metadata WHERE volume_id = ? AND deleted = ?",
        &[Timestamp::now().into(), snapshot_id.into(), volume_id.into(), false.into()],
    )?;
    Ok(())
}

/// Where image metadata are copied from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A volume, by its id.
    Volume(&'a str),
    /// A snapshot, by its id.
    Snapshot(&'a str),
}
