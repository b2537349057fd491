//! The tables of names and values that hang on volumes and snapshots. They are alike, so one set of statements serves all.

use super::lists::Bunch;
use super::volumes;
use crate::block_storage::model::volume::{Move, Standing};
use crate::database::select::marks;
use crate::database::{Connection, Value};
use crate::error::Result;
use crate::time::Timestamp;

/// Names with their values, in the order in which they were first written.
pub type Pairs = Vec<(String, String)>;

/// Rows that one statement writes: as many texts of it there are for connections to keep.
const AT_ONCE: usize = 8;

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

/// A change of one row of metadata at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All is as it should be.
    Nothing,
    /// A row gets another value.
    Change(i64, String),
    /// A row goes.
    Remove(i64),
}

/// The metadata of one object as they are. Whoever changes more of them than one row holds the object.
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

    /// Those of a volume, with whose it is and how it stands; `None` where there is no such volume.
    ///
    /// # Errors
    /// As all statements.
    pub fn of_volume(connection: &mut Connection, table: Table, id: &str) -> Result<Option<(Standing, Self)>> {
        let sql = format!(
            "SELECT v.project_id, v.user_id, v.status, m.id, m.\"key\", m.value, m.deleted FROM volumes v \
             LEFT JOIN {} m ON m.volume_id = v.id WHERE v.id = ? AND v.deleted = ?",
            table.name()
        );
        let (mut volume, mut rows) = (None, Vec::new());
        connection.query(&sql, &[id.into(), false.into()], |row| {
            if volume.is_none() {
                volume = Some(volumes::standing(row, id)?);
            }
            // Those that were taken away are few: a condition would take a server as long as some ten of them.
            if let (Some(number), Some(false)) = (row.opt_int(3)?, row.opt_bool(6)?) {
                rows.push((number, row.opt_string(4)?.unwrap_or_default(), row.opt_string(5)?.unwrap_or_default()));
            }
            Ok(())
        })?;
        rows.sort_unstable_by_key(|(row, ..): &(i64, String, String)| *row);
        Ok(volume.map(|volume| (volume, Self { table, object_id: id.to_owned(), rows })))
    }

    /// What there is to do so that these names have these values, and, with `only`, no other names are there, where that is
    /// one row at most; `None` where it is more.
    pub fn step(&self, pairs: &[(String, String)], only: bool) -> Option<Step> {
        let has = |key: &str| pairs.iter().any(|(name, _)| name == key);
        let known = |key: &str| self.rows.iter().any(|(_, name, _)| name == key);
        if !pairs.iter().all(|(key, _)| known(key)) || only && !self.rows.iter().all(|(_, key, _)| has(key)) {
            return None;
        }
        let mut changes = self.rows.iter().filter_map(|(row, key, old)| {
            let (_, new) = pairs.iter().find(|(name, value)| name == key && value != old)?;
            Some(Step::Change(*row, new.clone()))
        });
        let first = changes.next().unwrap_or(Step::Nothing);
        changes.next().is_none().then_some(first)
    }

    /// What there is to do so that this name is not there, where that is one row at most; `None` where it is more.
    pub fn removal(&self, key: &str) -> Option<Step> {
        let mut rows = self.rows.iter().filter(|(_, name, _)| name == key).map(|(row, ..)| Step::Remove(*row));
        let first = rows.next().unwrap_or(Step::Nothing);
        rows.next().is_none().then_some(first)
    }

    /// Does one step with the metadata of a volume, by one statement, where they are still there and the volume is in a status
    /// from which `rule` is allowed. `None` where not: then nothing was done. Answers what there is then.
    ///
    /// # Errors
    /// As all statements.
    pub fn take(&self, connection: &mut Connection, step: &Step, rule: &Move) -> Result<Option<Pairs>> {
        let name = self.table.name();
        let now = Timestamp::now();
        let (set, row, params): (_, _, [Value<'_>; 2]) = match step {
            Step::Nothing => return Ok(Some(self.pairs())),
            Step::Change(row, value) => ("value = ?, updated_at = ?", *row, [value.into(), now.into()]),
            Step::Remove(row) => ("deleted_at = ?, deleted = ?", *row, [now.into(), true.into()]),
        };
        let sql = format!(
            "UPDATE {name} SET {set} WHERE id = ? AND deleted = false AND EXISTS \
             (SELECT 1 FROM volumes v WHERE v.id = {name}.volume_id AND v.deleted = false AND {})",
            volumes::allowed(rule)
        );
        let [first, second] = params;
        if connection.execute(&sql, &[first, second, row.into()])? == 0 {
            return Ok(None);
        }
        let left = self.rows.iter().filter(|(number, ..)| !matches!(step, Step::Remove(gone) if gone == number));
        let then = left.map(|(number, key, old)| match step {
            Step::Change(changed, value) if changed == number => (key.clone(), value.clone()),
            _ => (key.clone(), old.clone()),
        });
        Ok(Some(then.collect()))
    }

    /// Names and values.
    pub fn pairs(&self) -> Pairs {
        self.rows.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect()
    }

    /// Adds names, or gives them new values, and leaves the others as they are. Answers what there is then.
    ///
    /// # Errors
    /// As all statements.
    pub fn merge(self, connection: &mut Connection, pairs: &[(String, String)]) -> Result<Pairs> {
        let mut all = self.pairs();
        let (mut changed, mut new) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            let mut known = false;
            for ((row, ..), (_, old)) in self.rows.iter().zip(&mut all).filter(|(_, (name, _))| name == key) {
                known = true;
                if old != value {
                    changed.push((*row, value.as_str()));
                    old.clone_from(value);
                }
            }
            if !known {
                new.push((key, value));
            }
        }
        self.change(connection, &changed)?;
        self.add(connection, &new)?;
        all.extend(new.into_iter().map(|(key, value)| (key.clone(), value.clone())));
        Ok(all)
    }

    /// As [`Present::merge`], but takes all other names away.
    ///
    /// # Errors
    /// As all statements.
    pub fn replace(mut self, connection: &mut Connection, pairs: &[(String, String)]) -> Result<Pairs> {
        let kept = |(_, key, _): &(i64, String, String)| pairs.iter().any(|(kept, _)| kept == key);
        let gone: Vec<i64> = self.rows.iter().filter(|row| !kept(row)).map(|(row, ..)| *row).collect();
        for rows in gone.chunks(AT_ONCE) {
            let sql = format!(
                "UPDATE {} SET deleted_at = ?, deleted = ? WHERE id IN ({})",
                self.table.name(),
                marks(rows.len())
            );
            let mut params: Vec<Value<'_>> = vec![Timestamp::now().into(), true.into()];
            params.extend(rows.iter().map(|row| Value::from(*row)));
            connection.execute(&sql, &params)?;
        }
        self.rows.retain(kept);
        self.merge(connection, pairs)
    }

    /// Gives rows other values.
    fn change(&self, connection: &mut Connection, changes: &[(i64, &str)]) -> Result<()> {
        for changes in changes.chunks(AT_ONCE) {
            let name = self.table.name();
            let mut params: Vec<Value<'_>> = Vec::with_capacity(changes.len() * 3 + 1);
            let value = match changes {
                [(_, value)] => {
                    params.push((*value).into());
                    "?".to_owned()
                }
                _ => {
                    params.extend(changes.iter().flat_map(|(row, value)| [Value::from(*row), Value::from(*value)]));
                    format!("CASE id{} END", " WHEN ? THEN ?".repeat(changes.len()))
                }
            };
            params.push(Timestamp::now().into());
            params.extend(changes.iter().map(|(row, _)| Value::from(*row)));
            let rows = marks(changes.len());
            connection
                .execute(&format!("UPDATE {name} SET value = {value}, updated_at = ? WHERE id IN ({rows})"), &params)?;
        }
        Ok(())
    }

    /// Adds rows.
    fn add(&self, connection: &mut Connection, new: &[(&String, &String)]) -> Result<()> {
        let (name, owner, now) = (self.table.name(), self.table.owner(), Timestamp::now());
        for new in new.chunks(AT_ONCE) {
            let values = vec!["(?, ?, ?, ?, ?)"; new.len()].join(", ");
            let row = |(key, value): &(&String, &String)| -> [Value<'static>; 5] {
                let text = |text: &str| Value::from(text).into_owned();
                [now.into(), false.into(), text(&self.object_id), text(key), text(value)]
            };
            let params: Vec<Value<'_>> = new.iter().flat_map(row).collect();
            let sql = format!("INSERT INTO {name} (created_at, deleted, {owner}, \"key\", value) VALUES {values}");
            connection.execute(&sql, &params)?;
        }
        Ok(())
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
