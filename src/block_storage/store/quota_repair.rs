//! Finds usage that does not agree with the objects, and puts it right: `hearth quota check` and `hearth quota sync`.
//! Each project is one transaction. The rows of usage are locked before those of reservations, as Cinder does.

use std::collections::BTreeMap;

use super::quota_count;
use crate::Result;
use crate::block_storage::model::quota::{Limits, Resource};
use crate::database::{Connection, Database, Transaction, Value};
use crate::time::Timestamp;

/// What was found wrong with one resource of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The project.
    pub project_id: String,
    /// The resource's name.
    pub resource: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// How usage can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// There are so many rows too many.
    Duplicates(usize),
    /// The row says the first, the objects say the second.
    InUse(i64, i64),
    /// The row says the first, the reservations say the second.
    Reserved(i64, i64),
    /// So many reservations were never ended and have expired.
    Expired(usize),
}

/// One row of usage.
struct Row {
    id: i64,
    resource: String,
    in_use: i64,
    reserved: i64,
}

/// The projects that have rows of usage, sorted.
///
/// # Errors
/// The database's.
pub fn projects(c: &mut Connection) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT project_id FROM quota_usages WHERE deleted = false AND project_id IS NOT NULL \
               ORDER BY project_id";
    c.rows(sql, &[], |row| row.string(0))
}

/// Looks at one project's usage, and puts it right where `repair` says so.
///
/// # Errors
/// The database's.
pub fn project(database: &Database, project_id: &str, limits: &Limits, repair: bool) -> Result<Vec<Finding>> {
    database.write(|tx| {
        let types = tx.rows("SELECT id, name FROM volume_types WHERE deleted = false", &[], |row| {
            Ok((row.opt_string(1)?.unwrap_or_default(), row.string(0)?))
        })?;
        let known = known_resources(types);
        let mut found = Vec::new();
        let mut note = |resource: &str, wrong| {
            found.push(Finding { project_id: project_id.to_owned(), resource: resource.to_owned(), wrong });
        };
        let mut kept: BTreeMap<String, Row> = BTreeMap::new();
        for row in lock(tx, project_id)? {
            match kept.get_mut(&row.resource) {
                None => drop(kept.insert(row.resource.clone(), row)),
                Some(first) => {
                    note(&row.resource, Wrong::Duplicates(1));
                    first.in_use += row.in_use;
                    first.reserved += row.reserved;
                    if repair {
                        merge(tx, first.id, row.id)?;
                    }
                }
            }
        }
        for row in kept.into_values() {
            // Usage of a type that is gone has nothing that it could be compared with.
            let Some((resource, type_id)) = known.get(&row.resource) else { continue };
            let (mut reserved, expired) = reservations(tx, row.id)?;
            if !expired.is_empty() {
                note(&row.resource, Wrong::Expired(expired.len()));
                if !repair {
                    reserved += expired.iter().map(|(_, delta)| (*delta).max(0)).sum::<i64>();
                }
            }
            let in_use =
                quota_count::count(tx, *resource, project_id, type_id.as_deref(), limits.snapshots_without_gigabytes)?;
            if in_use != row.in_use {
                note(&row.resource, Wrong::InUse(row.in_use, in_use));
            }
            if reserved != row.reserved {
                note(&row.resource, Wrong::Reserved(row.reserved, reserved));
            }
            if repair {
                end_reservations(tx, &expired)?;
                tx.execute(
                    "UPDATE quota_usages SET in_use = ?, reserved = ?, updated_at = ? WHERE id = ?",
                    &[in_use.into(), reserved.into(), Timestamp::now().into(), row.id.into()],
                )?;
            }
        }
        Ok(found)
    })
}

/// Every counted resource by name, with the id of the type whose volumes it counts.
fn known_resources(types: Vec<(String, String)>) -> BTreeMap<String, (Resource, Option<String>)> {
    let counted = Resource::ALL.into_iter().filter(|resource| *resource != Resource::PerVolumeGigabytes);
    let of_all = counted.map(|resource| (resource.name().to_owned(), (resource, None)));
    let of_types = types.iter().flat_map(|(name, id)| {
        Resource::BY_TYPE.into_iter().map(|resource| (resource.of_type(name), (resource, Some(id.clone()))))
    });
    of_all.chain(of_types).collect()
}

fn lock(tx: &mut Transaction<'_>, project_id: &str) -> Result<Vec<Row>> {
    let sql = "SELECT id, resource, in_use, reserved FROM quota_usages WHERE project_id = ? AND deleted = false \
               ORDER BY id FOR UPDATE";
    tx.rows(sql, &[project_id.into()], |row| {
        let resource = row.opt_string(1)?.unwrap_or_default();
        Ok(Row { id: row.int(0)?, resource, in_use: row.int(2)?, reserved: row.int(3)? })
    })
}

/// The row `gone` goes, and its reservations pass to the row `kept`.
fn merge(tx: &mut Transaction<'_>, kept: i64, gone: i64) -> Result<()> {
    tx.execute("UPDATE reservations SET usage_id = ? WHERE usage_id = ?", &[kept.into(), gone.into()])?;
    let sql = "UPDATE quota_usages SET deleted = true, deleted_at = ?, race_preventer = NULL WHERE id = ?";
    tx.execute(sql, &[Timestamp::now().into(), gone.into()]).map(|_| ())
}

/// What is reserved, and the reservations that have expired (id and delta).
fn reservations(tx: &mut Transaction<'_>, usage_id: i64) -> Result<(i64, Vec<(i64, i64)>)> {
    let sql =
        "SELECT id, delta, expire FROM reservations WHERE usage_id = ? AND deleted = false ORDER BY id FOR UPDATE";
    let rows = tx.rows(sql, &[usage_id.into()], |row| Ok((row.int(0)?, row.int(1)?, row.opt_time(2)?)))?;
    let now = Timestamp::now();
    let (expired, alive): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(_, _, expire)| expire.is_some_and(|expire| expire < now));
    let reserved = alive.iter().map(|(_, delta, _)| (*delta).max(0)).sum();
    Ok((reserved, expired.into_iter().map(|(id, delta, _)| (id, delta)).collect()))
}

fn end_reservations(tx: &mut Transaction<'_>, reservations: &[(i64, i64)]) -> Result<()> {
    for (id, _) in reservations {
        let params: [Value<'_>; 2] = [Timestamp::now().into(), (*id).into()];
        tx.execute("UPDATE reservations SET deleted = true, deleted_at = ? WHERE id = ?", &params)?;
    }
    Ok(())
}
