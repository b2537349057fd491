//! Rows of volume types: `volume_types`, `volume_type_extra_specs`, `volume_type_projects` (who may use a private type)
//! and `default_volume_types`. Rows are deleted softly, as Cinder does, except defaults, which vanish.

use std::collections::HashMap;

pub use super::type_rows::Change;
use super::type_rows::{NewType, TypeTable};
use crate::block_storage::model::volume_type::VolumeType;
use crate::database::{Connection, Row, Transaction, Value};
use crate::time::Timestamp;
use crate::{Error, Kind, Result};

/// Whose eyes look at types: an administrator sees every one, a project the public ones and those that it was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eyes<'a> {
    /// Every type.
    All,
    /// What this project may use.
    Project(&'a str),
}

const ROWS: TypeTable = TypeTable { table: "volume_types", called: "Volume Type" };
const COLUMNS: &str = "t.id, t.name, t.description, t.is_public, t.qos_specs_id, t.created_at, t.updated_at, t.deleted";

/// The condition of a type that a project may use; its mark is the project.
const USABLE: &str = "(t.is_public = true OR EXISTS (SELECT 1 FROM volume_type_projects p WHERE p.volume_type_id = t.id \
                      AND p.deleted = 0 AND p.project_id = ?))";

/// What a type is read from: its rows are one for each of its extra specs, so that a server has one statement to answer.
const WITH_SPECS: &str =
    "volume_types t LEFT JOIN volume_type_extra_specs s ON s.volume_type_id = t.id AND s.deleted = false";

/// The type with this id, deleted or not: for objects that have it. `None` where there never was one.
///
/// # Errors
/// The database's.
pub fn of_object(c: &mut Connection, id: &str) -> Result<Option<VolumeType>> {
    one(c, "t.id = ?", &[id.into()])
}

/// The type with this id, as these eyes see it.
///
/// # Errors
/// The database's.
pub fn find(c: &mut Connection, id: &str, eyes: Eyes<'_>) -> Result<Option<VolumeType>> {
    seen(c, "t.id = ?", id, eyes)
}

/// The type with this name, as these eyes see it.
///
/// # Errors
/// The database's.
pub fn find_by_name(c: &mut Connection, name: &str, eyes: Eyes<'_>) -> Result<Option<VolumeType>> {
    seen(c, "t.name = ?", name, eyes)
}

/// The type that a caller names by its id or its name, as these eyes see it. An id goes before a name.
///
/// # Errors
/// [`Kind::NotFound`] with Cinder's texts.
pub fn resolve(c: &mut Connection, id_or_name: &str, eyes: Eyes<'_>) -> Result<VolumeType> {
    let like_an_id = uuid::Uuid::try_parse(id_or_name).is_ok();
    if like_an_id && let Some(found) = find(c, id_or_name, eyes)? {
        return Ok(found);
    }
    find_by_name(c, id_or_name, eyes)?
        .ok_or_else(|| if like_an_id { not_found(id_or_name) } else { not_found_by_name(id_or_name) })
}

/// That there is no such type.
pub fn not_found(id: &str) -> Error {
    Error::not_found(format!("Volume type {id} could not be found."))
}

/// That there is no type of this name.
pub fn not_found_by_name(name: &str) -> Error {
    Error::not_found(format!("Volume type with name {name} could not be found."))
}

fn seen(c: &mut Connection, condition: &str, value: &str, eyes: Eyes<'_>) -> Result<Option<VolumeType>> {
    let base = format!("{condition} AND t.deleted = false");
    match eyes {
        Eyes::All => one(c, &base, &[value.into()]),
        Eyes::Project(project) => one(c, &format!("{base} AND {USABLE}"), &[value.into(), project.into()]),
    }
}

fn one(c: &mut Connection, condition: &str, params: &[Value<'_>]) -> Result<Option<VolumeType>> {
    let sql = format!("SELECT {COLUMNS}, s.id, s.\"key\", s.value FROM {WITH_SPECS} WHERE {condition}");
    let mut found: Option<VolumeType> = None;
    let mut specs: Vec<(i64, String, Option<String>)> = Vec::new();
    c.query(&sql, params, |row| {
        let id = row.text(0)?;
        if found.as_ref().is_some_and(|found| found.id != id) {
            return Ok(());
        }
        if found.is_none() {
            found = Some(read(row)?);
        }
        if let Some(number) = row.opt_int(8)? {
            specs.push((number, row.opt_string(9)?.unwrap_or_default(), row.opt_string(10)?));
        }
        Ok(())
    })?;
    specs.sort_unstable_by_key(|(number, ..)| *number);
    Ok(found.map(|found| {
        let extra_specs = specs.into_iter().map(|(_, key, value)| (key, value)).collect();
        VolumeType { extra_specs, ..found }
    }))
}

fn read(row: &Row<'_>) -> Result<VolumeType> {
    Ok(VolumeType {
        id: row.string(0)?,
        name: row.opt_string(1)?.unwrap_or_default(),
        description: row.opt_string(2)?,
        is_public: row.opt_bool(3)?.unwrap_or(false),
        qos_specs_id: row.opt_string(4)?,
        created_at: row.opt_time(5)?,
        updated_at: row.opt_time(6)?,
        deleted: row.opt_bool(7)?.unwrap_or(false),
        extra_specs: Vec::new(),
    })
}

/// Every type that is not deleted, with its extra specs, as these eyes see them; newest first.
///
/// # Errors
/// The database's.
pub fn all(c: &mut Connection, eyes: Eyes<'_>) -> Result<Vec<VolumeType>> {
    let base = format!("SELECT {COLUMNS} FROM volume_types t WHERE t.deleted = false");
    let order = "ORDER BY t.created_at DESC, t.id DESC";
    let mut types = match eyes {
        Eyes::All => c.rows(&format!("{base} {order}"), &[], read)?,
        Eyes::Project(project) => c.rows(&format!("{base} AND {USABLE} {order}"), &[project.into()], read)?,
    };
    let sql = "SELECT volume_type_id, \"key\", value FROM volume_type_extra_specs WHERE deleted = false ORDER BY id";
    let mut specs: HashMap<String, Vec<(String, Option<String>)>> = HashMap::new();
    c.query(sql, &[], |row| {
        let key = row.opt_string(1)?.unwrap_or_default();
        specs.entry(row.string(0)?).or_default().push((key, row.opt_string(2)?));
        Ok(())
    })?;
    for found in &mut types {
        found.extra_specs = specs.remove(&found.id).unwrap_or_default();
    }
    Ok(types)
}

/// The names of all types that are not deleted.
///
/// # Errors
/// The database's.
pub fn names(c: &mut Connection) -> Result<Vec<String>> {
    c.rows("SELECT name FROM volume_types WHERE deleted = false ORDER BY created_at, id", &[], |row| {
        Ok(row.opt_string(0)?.unwrap_or_default())
    })
}

/// Makes this transaction the only one that adds, renames or removes types until it ends: names are unique by no index.
///
/// # Errors
/// The database's.
pub fn lock(tx: &mut Transaction<'_>) -> Result<()> {
    ROWS.lock(tx)
}

/// Adds a type. The transaction holds the [`lock`].
///
/// # Errors
/// [`Kind::Conflict`] where the name is taken.
pub fn insert(tx: &mut Transaction<'_>, new: &VolumeType) -> Result<()> {
    let row = NewType {
        id: &new.id,
        name: &new.name,
        description: new.description.as_deref(),
        is_public: new.is_public,
        created_at: new.created_at,
    };
    ROWS.insert(tx, &row)?;
    let specs: Vec<(&str, Option<&str>)> =
        new.extra_specs.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    put_extra_specs(tx, &new.id, &specs)
}

/// Changes a type. The transaction holds the [`lock`] where the name changes.
///
/// # Errors
/// [`Kind::Conflict`] where the name is taken, [`Kind::NotFound`] where there is no such type.
pub fn update(tx: &mut Transaction<'_>, id: &str, change: Change<'_>) -> Result<()> {
    if ROWS.update(tx, id, change)? { Ok(()) } else { Err(not_found(id)) }
}

/// Whether any volume, group or consistency group has the type.
///
/// # Errors
/// The database's.
pub fn is_used(c: &mut Connection, id: &str) -> Result<bool> {
    Ok(has_volumes(c, id)?
        || any(c, "SELECT 1 FROM group_volume_type_mapping WHERE volume_type_id = ? AND deleted = false LIMIT 1", id)?
        || any(
            c,
            "SELECT 1 FROM consistencygroups WHERE volume_type_id LIKE ? AND deleted = false LIMIT 1",
            &format!("%{id}%"),
        )?)
}

/// Whether any volume has the type.
///
/// # Errors
/// The database's.
pub fn has_volumes(c: &mut Connection, id: &str) -> Result<bool> {
    any(c, "SELECT 1 FROM volumes WHERE volume_type_id = ? AND deleted = false LIMIT 1", id)
}

fn any(c: &mut Connection, sql: &str, value: &str) -> Result<bool> {
    Ok(c.row(sql, &[value.into()], |_| Ok(()))?.is_some())
}

/// Removes a type with its extra specs, its encryption and its access list.
///
/// # Errors
/// The database's.
pub fn delete(tx: &mut Transaction<'_>, id: &str) -> Result<()> {
    let now = Value::from(Timestamp::now());
    for (table, key) in
        [("volume_types", "id"), ("volume_type_extra_specs", "volume_type_id"), ("encryption", "volume_type_id")]
    {
        let sql = format!("UPDATE {table} SET deleted = true, deleted_at = ? WHERE {key} = ? AND deleted = false");
        tx.execute(&sql, &[now.clone(), id.into()])?;
    }
    // Where a deleted row may come again, `deleted` holds its id, so that the unique key stays free.
    let sql = "UPDATE volume_type_projects SET deleted = id, deleted_at = ? WHERE volume_type_id = ? AND deleted = 0";
    tx.execute(sql, &[now, id.into()]).map(|_| ())
}

/// Sets extra specs; those that are not named stay.
///
/// # Errors
/// The database's.
pub fn put_extra_specs(tx: &mut Transaction<'_>, id: &str, specs: &[(&str, Option<&str>)]) -> Result<()> {
    let now = Value::from(Timestamp::now());
    for (key, value) in specs {
        let update = "UPDATE volume_type_extra_specs SET value = ?, updated_at = ? \
                      WHERE volume_type_id = ? AND \"key\" = ? AND deleted = false";
        if tx.execute(update, &[(*value).into(), now.clone(), id.into(), (*key).into()])? == 0 {
            let insert = "INSERT INTO volume_type_extra_specs (created_at, deleted, volume_type_id, \"key\", value) \
                          VALUES (?, false, ?, ?, ?)";
            tx.execute(insert, &[now.clone(), id.into(), (*key).into(), (*value).into()])?;
        }
    }
    Ok(())
}

/// Removes an extra spec; `false` where the type has no such key.
///
/// # Errors
/// The database's.
pub fn delete_extra_spec(tx: &mut Transaction<'_>, id: &str, key: &str) -> Result<bool> {
    let sql = "UPDATE volume_type_extra_specs SET deleted = true, deleted_at = ? \
               WHERE volume_type_id = ? AND \"key\" = ? AND deleted = false";
    Ok(tx.execute(sql, &[Timestamp::now().into(), id.into(), key.into()])? > 0)
}

/// The projects that may use a private type, in the order in which they were granted it.
///
/// # Errors
/// The database's.
pub fn access_list(c: &mut Connection, id: &str) -> Result<Vec<String>> {
    let sql = "SELECT project_id FROM volume_type_projects WHERE volume_type_id = ? AND deleted = 0 ORDER BY id";
    c.rows(sql, &[id.into()], |row| Ok(row.opt_string(0)?.unwrap_or_default()))
}

/// Grants a project a private type.
///
/// # Errors
/// [`Kind::Conflict`] where it has it already.
pub fn add_access(tx: &mut Transaction<'_>, id: &str, project_id: &str) -> Result<()> {
    let sql = "INSERT INTO volume_type_projects (created_at, deleted, volume_type_id, project_id) VALUES (?, 0, ?, ?)";
    match tx.execute(sql, &[Timestamp::now().into(), id.into(), project_id.into()]) {
        Err(error) if error.kind() == Kind::Duplicate => {
            Err(Error::conflict(format!("Volume type access for {id} / {project_id} combination already exists.")))
        }
        other => other.map(|_| ()),
    }
}

/// Takes a private type from a project; `false` where it had not got it.
///
/// # Errors
/// The database's.
pub fn remove_access(tx: &mut Transaction<'_>, id: &str, project_id: &str) -> Result<bool> {
    let sql = "UPDATE volume_type_projects SET deleted = id, deleted_at = ? \
               WHERE volume_type_id = ? AND project_id = ? AND deleted = 0";
    Ok(tx.execute(sql, &[Timestamp::now().into(), id.into(), project_id.into()])? > 0)
}

/// The id of the type that volumes of a project get which name none, where the project has one of its own.
///
/// # Errors
/// The database's.
pub fn project_default(c: &mut Connection, project_id: &str) -> Result<Option<String>> {
    let sql = "SELECT volume_type_id FROM default_volume_types WHERE project_id = ? AND deleted = false";
    Ok(c.row(sql, &[project_id.into()], |row| row.opt_string(0))?.flatten())
}

/// Every project that has a default type of its own, with the type's id, in the order of the projects.
///
/// # Errors
/// The database's.
pub fn project_defaults(c: &mut Connection) -> Result<Vec<(String, Option<String>)>> {
    let sql = "SELECT project_id, volume_type_id FROM default_volume_types WHERE deleted = false ORDER BY project_id";
    c.rows(sql, &[], |row| Ok((row.string(0)?, row.opt_string(1)?)))
}

/// Whether a type is the default of any project.
///
/// # Errors
/// The database's.
pub fn is_project_default(c: &mut Connection, id: &str) -> Result<bool> {
    any(c, "SELECT 1 FROM default_volume_types WHERE volume_type_id = ? AND deleted = false LIMIT 1", id)
}

/// Sets a project's default type.
///
/// # Errors
/// The database's.
pub fn set_project_default(tx: &mut Transaction<'_>, project_id: &str, id: &str) -> Result<()> {
    let sql = "INSERT INTO default_volume_types (created_at, deleted, project_id, volume_type_id) \
               VALUES (?, false, ?, ?) ON CONFLICT (project_id) DO UPDATE SET \
               volume_type_id = excluded.volume_type_id, updated_at = excluded.created_at, deleted = excluded.deleted";
    tx.execute(sql, &[Timestamp::now().into(), project_id.into(), id.into()]).map(|_| ())
}

/// Takes a project's default type away.
///
/// # Errors
/// The database's.
pub fn unset_project_default(tx: &mut Transaction<'_>, project_id: &str) -> Result<()> {
    let sql = "DELETE FROM default_volume_types WHERE project_id = ?";
    tx.execute(sql, &[project_id.into()]).map(|_| ())
}
