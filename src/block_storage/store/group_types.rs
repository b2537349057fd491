//! Rows of group types: `group_types`, `group_type_specs`, and `group_type_projects` (who may use a private type). Rows are
//! deleted softly, as Cinder does.

use std::collections::HashMap;

use super::type_rows::{Change, NewType, TypeTable};
use super::volume_types::Eyes;
use crate::block_storage::model::group_type::{CONSISTENCY_GROUPS, GroupType};
use crate::database::{Connection, Row, Transaction, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

const ROWS: TypeTable = TypeTable { table: "group_types", called: "Group Type" };
const COLUMNS: &str = "t.id, t.name, t.description, t.is_public, t.created_at, t.updated_at";

/// The condition of a type that a project may use; its mark is the project.
const USABLE: &str = "(t.is_public = true OR EXISTS (SELECT 1 FROM group_type_projects p WHERE p.group_type_id = t.id \
                      AND p.deleted = false AND p.project_id = ?))";

/// The type with this id, as these eyes see it.
///
/// # Errors
/// The database's, as all functions of this file.
pub fn find(c: &mut Connection, id: &str, eyes: Eyes<'_>) -> Result<Option<GroupType>> {
    seen(c, "t.id = ?", id, eyes)
}

/// The type with this name, as these eyes see it.
pub fn find_by_name(c: &mut Connection, name: &str, eyes: Eyes<'_>) -> Result<Option<GroupType>> {
    seen(c, "t.name = ?", name, eyes)
}

/// The type that a caller names by its id or its name, as these eyes see it. An id goes before a name.
///
/// # Errors
/// [`crate::Kind::NotFound`] with Cinder's texts.
pub fn resolve(c: &mut Connection, id_or_name: &str, eyes: Eyes<'_>) -> Result<GroupType> {
    let like_an_id = uuid::Uuid::try_parse(id_or_name).is_ok();
    if like_an_id && let Some(found) = find(c, id_or_name, eyes)? {
        return Ok(found);
    }
    find_by_name(c, id_or_name, eyes)?.ok_or_else(|| {
        if like_an_id {
            not_found(id_or_name)
        } else {
            Error::not_found(format!("Group type with name {id_or_name} could not be found."))
        }
    })
}

/// The id of the type of consistency groups; `None` where an operator has removed it.
pub fn of_consistency_groups(c: &mut Connection) -> Result<Option<String>> {
    c.row("SELECT id FROM group_types WHERE name = ? AND deleted = false", &[CONSISTENCY_GROUPS.into()], |row| {
        row.string(0)
    })
}

/// That there is no such type.
pub fn not_found(id: &str) -> Error {
    Error::not_found(format!("Group type {id} could not be found."))
}

fn seen(c: &mut Connection, condition: &str, value: &str, eyes: Eyes<'_>) -> Result<Option<GroupType>> {
    let base = format!("SELECT {COLUMNS} FROM group_types t WHERE {condition} AND t.deleted = false");
    let found = match eyes {
        Eyes::All => c.row(&base, &[value.into()], read)?,
        Eyes::Project(project) => c.row(&format!("{base} AND {USABLE}"), &[value.into(), project.into()], read)?,
    };
    let Some(mut found) = found else { return Ok(None) };
    let sql = "SELECT \"key\", value FROM group_type_specs WHERE group_type_id = ? AND deleted = false ORDER BY id";
    let pair = |row: &Row<'_>| Ok((row.opt_string(0)?.unwrap_or_default(), row.opt_string(1)?));
    found.group_specs = c.rows(sql, &[(&found.id).into()], pair)?;
    Ok(Some(found))
}

fn read(row: &Row<'_>) -> Result<GroupType> {
    Ok(GroupType {
        id: row.string(0)?,
        name: row.string(1)?,
        description: row.opt_string(2)?,
        is_public: row.opt_bool(3)?.unwrap_or(false),
        created_at: row.opt_time(4)?,
        updated_at: row.opt_time(5)?,
        group_specs: Vec::new(),
    })
}

/// Every type that is not deleted, with its specs, as these eyes see them.
pub fn all(c: &mut Connection, eyes: Eyes<'_>) -> Result<Vec<GroupType>> {
    let base = format!("SELECT {COLUMNS} FROM group_types t WHERE t.deleted = false");
    let mut types = match eyes {
        Eyes::All => c.rows(&base, &[], read)?,
        Eyes::Project(project) => c.rows(&format!("{base} AND {USABLE}"), &[project.into()], read)?,
    };
    let sql = "SELECT group_type_id, \"key\", value FROM group_type_specs WHERE deleted = false ORDER BY id";
    let mut specs: HashMap<String, Vec<(String, Option<String>)>> = HashMap::new();
    c.query(sql, &[], |row| {
        let key = row.opt_string(1)?.unwrap_or_default();
        specs.entry(row.string(0)?).or_default().push((key, row.opt_string(2)?));
        Ok(())
    })?;
    for found in &mut types {
        found.group_specs = specs.remove(&found.id).unwrap_or_default();
    }
    Ok(types)
}

/// Makes this transaction the only one that adds, renames or removes types until it ends: names are unique by no index.
pub fn lock(tx: &mut Transaction<'_>) -> Result<()> {
    ROWS.lock(tx)
}

/// Adds a type. The transaction holds the [`lock`].
///
/// # Errors
/// [`crate::Kind::Conflict`] where the name is taken.
pub fn insert(tx: &mut Transaction<'_>, new: &GroupType) -> Result<()> {
    let row = NewType {
        id: &new.id,
        name: &new.name,
        description: new.description.as_deref(),
        is_public: new.is_public,
        created_at: new.created_at,
    };
    ROWS.insert(tx, &row)?;
    put_group_specs(tx, &new.id, &new.group_specs)
}

/// Changes a type. The transaction holds the [`lock`].
///
/// # Errors
/// [`crate::Kind::Conflict`] where the name is taken, [`crate::Kind::NotFound`] where there is no such type.
pub fn update(tx: &mut Transaction<'_>, id: &str, change: Change<'_>) -> Result<()> {
    if ROWS.update(tx, id, change)? { Ok(()) } else { Err(not_found(id)) }
}

/// Keeps a type as it is until the transaction ends; `false` where there is none.
pub fn hold(tx: &mut Transaction<'_>, id: &str) -> Result<bool> {
    let sql = "SELECT id FROM group_types WHERE id = ? AND deleted = false FOR UPDATE";
    Ok(tx.row(sql, &[id.into()], |_| Ok(()))?.is_some())
}

/// Whether any group has the type.
pub fn is_used(c: &mut Connection, id: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM \"groups\" WHERE group_type_id = ? AND deleted = false LIMIT 1";
    Ok(c.row(sql, &[id.into()], |_| Ok(()))?.is_some())
}

/// Removes a type with its specs and its access list.
pub fn delete(tx: &mut Transaction<'_>, id: &str) -> Result<()> {
    for (table, key) in [("group_types", "id"), ("group_type_specs", "group_type_id")] {
        let sql = format!("UPDATE {table} SET deleted = true, deleted_at = ? WHERE {key} = ? AND deleted = false");
        tx.execute(&sql, &[Timestamp::now().into(), id.into()])?;
    }
    // The key of that table has room for one deleted row of a project and a type.
    tx.execute("DELETE FROM group_type_projects WHERE group_type_id = ?", &[id.into()]).map(|_| ())
}

/// Sets specs; those that are not named stay.
pub fn put_group_specs(tx: &mut Transaction<'_>, id: &str, specs: &[(String, Option<String>)]) -> Result<()> {
    let now = Value::from(Timestamp::now());
    for (key, value) in specs {
        let update = "UPDATE group_type_specs SET value = ?, updated_at = ? \
                      WHERE group_type_id = ? AND \"key\" = ? AND deleted = false";
        if tx.execute(update, &[value.into(), now.clone(), id.into(), key.into()])? == 0 {
            let insert = "INSERT INTO group_type_specs (created_at, deleted, group_type_id, \"key\", value) \
                          VALUES (?, false, ?, ?, ?)";
            tx.execute(insert, &[now.clone(), id.into(), key.into(), value.into()])?;
        }
    }
    Ok(())
}

/// Removes a spec; `false` where the type has no such key.
pub fn delete_group_spec(tx: &mut Transaction<'_>, id: &str, key: &str) -> Result<bool> {
    let sql = "UPDATE group_type_specs SET deleted = true, deleted_at = ? \
               WHERE group_type_id = ? AND \"key\" = ? AND deleted = false";
    Ok(tx.execute(sql, &[Timestamp::now().into(), id.into(), key.into()])? > 0)
}
