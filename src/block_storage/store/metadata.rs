//! The tables of names and values that hang on volumes and snapshots. They are alike, so one set of statements serves all.

use super::lists::Bunch;
use crate::database::{Connection, Value};
use crate::error::Result;
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
    pub(super) fn name(self) -> &'static str {
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

/// Calls `each` with object, name and value of the metadata of several objects of one kind, object by object in no order, the
/// metadata of each as they were first written.
///
/// # Errors
/// As all statements, and those of `each`.
pub fn of_all(
    connection: &mut Connection,
    table: Table,
    ids: &[&str],
    mut each: impl FnMut(&str, &str, &str) -> Result<()>,
) -> Result<()> {
    let (name, owner) = (table.name(), table.owner());
    for ids in Bunch::all(ids) {
        let sql = format!(
            "SELECT {owner}, \"key\", value FROM {name} WHERE {owner} IN ({}) AND deleted = false ORDER BY id",
            ids.marks()
        );
        let params: Vec<Value<'_>> = ids.values().collect();
        connection.query(&sql, &params, |row| {
            each(row.text(0)?, row.opt_text(1)?.unwrap_or(""), row.opt_text(2)?.unwrap_or(""))
        })?;
    }
    Ok(())
}

/// The metadata of one object as they are, to be changed by whoever holds the object.
#[derive(Debug)]
pub struct Present {
    table: Table,
    object_id: String,
    /// Row, name and value.
    rows: Vec<(i64, String, String)>,
}

impl Present {
    /// Reads them.
    ///
    /// # Errors
    /// As all statements.
    pub fn read(connection: &mut Connection, table: Table, id: &str) -> Result<Self> {
        let (name, owner) = (table.name(), table.owner());
        // They are few: to sort them is nothing here, and a plan of its own for a server.
        let sql = format!("SELECT id, \"key\", value FROM {name} WHERE {owner} = ? AND deleted = ?");
        let mut rows = connection.rows(&sql, &[id.into(), false.into()], |row| {
            Ok((row.int(0)?, row.opt_string(1)?.unwrap_or_default(), row.opt_string(2)?.unwrap_or_default()))
        })?;
        rows.sort_unstable_by_key(|(row, ..): &(i64, String, String)| *row);
        Ok(Self { table, object_id: id.to_owned(), rows })
    }

    /// Names and values.
    pub fn pairs(&self) -> Pairs {
        self.rows.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect()
    }

    /// Adds names, or gives them new values, and leaves the others as they are. Answers what there is then.
    ///
    /// # Errors
    /// As all statements.
    pub fn merge(mut self, connection: &mut Connection, pairs: &[(String, String)]) -> Result<Pairs> {
        let (name, owner) = (self.table.name(), self.table.owner());
        let now = Timestamp::now();
        for (key, value) in pairs {
            if self.rows.iter().all(|(_, known, _)| known != key) {
                let sql =
                    format!("INSERT INTO {name} (created_at, deleted, {owner}, \"key\", value) VALUES (?, ?, ?, ?, ?)");
                let values = [now.into(), false.into(), (&self.object_id).into(), key.into(), value.into()];
                let row = connection.insert_id(&sql, &values)?;
                self.rows.push((row, key.clone(), value.clone()));
                continue;
            }
            for (row, _, old) in self.rows.iter_mut().filter(|(_, known, old)| known == key && old != value) {
                let sql = format!("UPDATE {name} SET value = ?, updated_at = ? WHERE id = ?");
                connection.execute(&sql, &[value.into(), now.into(), (*row).into()])?;
                old.clone_from(value);
            }
        }
        Ok(self.rows.into_iter().map(|(_, key, value)| (key, value)).collect())
    }

    /// As [`Present::merge`], but takes all other names away.
    ///
    /// # Errors
    /// As all statements.
    pub fn replace(mut self, connection: &mut Connection, pairs: &[(String, String)]) -> Result<Pairs> {
        let name = self.table.name();
        let now = Timestamp::now();
        let kept = |(_, key, _): &(i64, String, String)| pairs.iter().any(|(kept, _)| kept == key);
        for (row, ..) in self.rows.iter().filter(|row| !kept(row)) {
            let sql = format!("UPDATE {name} SET deleted_at = ?, deleted = ? WHERE id = ?");
            connection.execute(&sql, &[now.into(), true.into(), (*row).into()])?;
        }
        self.rows.retain(kept);
        self.merge(connection, pairs)
    }
}

/// Adds names to an object, or gives them new values, and leaves its other names as they are.
///
/// # Errors
/// As all statements.
pub fn merge(connection: &mut Connection, table: Table, id: &str, pairs: &[(String, String)]) -> Result<()> {
    if pairs.is_empty() {
        return Ok(());
    }
    Present::read(connection, table, id)?.merge(connection, pairs).map(|_| ())
}

/// Adds names to an object that has none of them.
///
/// # Errors
/// As all statements.
pub fn add(connection: &mut Connection, table: Table, id: &str, pairs: &[(String, String)]) -> Result<()> {
    Present { table, object_id: id.to_owned(), rows: Vec::new() }.merge(connection, pairs).map(|_| ())
}

/// Gives an object these names and no others.
///
/// # Errors
/// As all statements.
pub fn replace(connection: &mut Connection, table: Table, id: &str, pairs: &[(String, String)]) -> Result<()> {
    Present::read(connection, table, id)?.replace(connection, pairs).map(|_| ())
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
