//! Usage and its limits: the tables `quota_usages`, `quotas` and `quota_classes`, kept as Cinder keeps them, so that a
//! Python service beside this one counts and locks the same rows. Usage moves in the transaction that moves the objects.
//!
//! Not here: reservations. A charge is part of the transaction that uses it, so nothing is ever reserved; what another
//! implementation has reserved counts against the limits. Repairing usage is `quota_repair.rs`.

use std::collections::BTreeMap;

use super::quota_count;
use crate::block_storage::model::quota::{self, DEFAULT_CLASS, GREATEST, Limits, Over, Resource, Usage};
use crate::database::{Connection, Transaction, Value};
use crate::time::Timestamp;
use crate::{Error, Result};

/// What a project begins to use, or, where negative, ceases to use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Charge<'a> {
    /// The owner of the objects, who need not be the caller.
    pub project_id: &'a str,
    /// The id of the volumes' type, deleted or not: volumes, snapshots and gigabytes count for it too.
    pub volume_type_id: Option<&'a str>,
    /// Whether it is counted for the type alone, because it counts for the project already.
    pub type_alone: bool,
    /// Whether limits do not matter, because it can not be refused any more.
    pub unlimited: bool,
    /// GiB of a new volume, which must be no more than any single one of the project may have.
    pub single_gib: Option<i64>,
    /// GiB that the caller asked for, for the words of a refusal, where that is not all that is charged.
    pub asked_gib: Option<i64>,
    /// Volumes.
    pub volumes: i64,
    /// Snapshots.
    pub snapshots: i64,
    /// GiB of volumes and snapshots.
    pub gigabytes: i64,
    /// Backups.
    pub backups: i64,
    /// GiB of backups.
    pub backup_gigabytes: i64,
    /// Volume groups.
    pub groups: i64,
}

impl Charge<'_> {
    fn of(&self, resource: Resource) -> i64 {
        match resource {
            Resource::Volumes => self.volumes,
            Resource::Snapshots => self.snapshots,
            Resource::Gigabytes => self.gigabytes,
            Resource::Backups => self.backups,
            Resource::BackupGigabytes => self.backup_gigabytes,
            Resource::Groups => self.groups,
            Resource::PerVolumeGigabytes => 0,
        }
    }

    /// What the project wanted, for the words of a refusal, and how many GiB of it.
    fn purpose(&self) -> (Resource, i64) {
        if self.backups > 0 || self.backup_gigabytes > 0 {
            (Resource::Backups, self.backup_gigabytes)
        } else if self.groups > 0 {
            (Resource::Groups, 0)
        } else if self.volumes == 0 && self.snapshots > 0 {
            (Resource::Snapshots, self.gigabytes)
        } else {
            (Resource::Volumes, self.asked_gib.unwrap_or(self.gigabytes))
        }
    }
}

/// One resource of a charge.
struct Delta {
    resource: Resource,
    name: String,
    of_type: bool,
    delta: i64,
}

/// A row of `quota_usages` that this transaction has locked.
struct Row {
    id: i64,
    name: String,
    usage: Usage,
    until_refresh: Option<i64>,
    updated_at: Option<Timestamp>,
}

/// Moves the usage of a project, and refuses what its limits do not allow. Locks the rows of usage until the transaction
/// ends. Call it before the statements that make or remove the objects: where usage was never counted, or something grows
/// and usage is due to be counted again, the objects that are there are counted first. Usage never falls below zero.
///
/// # Errors
/// [`crate::Kind::OverQuota`] with Cinder's texts; only what grows is checked. [`crate::Kind::Invalid`] where it grows for
/// nobody: a token of the whole system or of a domain has no project.
pub fn charge(tx: &mut Transaction<'_>, charge: &Charge<'_>, limits: &Limits) -> Result<()> {
    let deltas = deltas(tx, charge)?;
    if deltas.is_empty() {
        return Ok(());
    }
    let grows = deltas.iter().any(|delta| delta.delta > 0);
    let found = if grows && !charge.unlimited { found_limits(tx, charge, &deltas, limits)? } else { BTreeMap::new() };
    if let Some(gib) = charge.single_gib {
        refuse_too_large(gib, &found, limits)?;
    }
    if grows && !charge.unlimited && charge.project_id.is_empty() {
        return Err(Error::invalid("Invalid input received: a token that is scoped to a project is needed"));
    }
    let mut rows = lock(tx, charge, &deltas, limits)?;
    // What ends may have changed some of its rows already, so that a count would not be one of before or after.
    if grows {
        refresh(tx, charge, &deltas, limits, &mut rows)?;
        if !charge.unlimited {
            check(charge, &deltas, limits, &found, &rows)?;
        }
    }
    let moved = deltas.iter().filter_map(|delta| {
        let row = rows.iter().find(|row| row.name == delta.name)?;
        Some((row.id, row.usage.in_use.saturating_add(delta.delta).max(0), row.until_refresh))
    });
    let moved: Vec<_> = moved.collect();
    store(tx, &moved)
}

/// Refuses a volume that is larger than any single one of the project may be.
///
/// # Errors
/// [`crate::Kind::OverQuota`] with Cinder's text.
pub fn check_volume_size(c: &mut Connection, project_id: &str, size_gib: i64, limits: &Limits) -> Result<()> {
    let found = limits_of(c, project_id, &[Resource::PerVolumeGigabytes.name()], limits)?;
    refuse_too_large(size_gib, &found, limits)
}

fn refuse_too_large(size_gib: i64, found: &BTreeMap<String, i64>, limits: &Limits) -> Result<()> {
    let resource = Resource::PerVolumeGigabytes;
    match found.get(resource.name()).copied().unwrap_or(limits.of(resource)) {
        limit if limit >= 0 && size_gib > limit => Err(quota::volume_too_large(size_gib, limit)),
        _ => Ok(()),
    }
}

/// The limits that rows set for what grows, and for a single volume where there is one.
fn found_limits(
    tx: &mut Transaction<'_>,
    charge: &Charge<'_>,
    deltas: &[Delta],
    limits: &Limits,
) -> Result<BTreeMap<String, i64>> {
    let single = charge.single_gib.map(|_| Resource::PerVolumeGigabytes.name());
    let growing = deltas.iter().filter(|delta| delta.delta > 0).map(|delta| delta.name.as_str());
    let names: Vec<&str> = growing.chain(single).collect();
    limits_of(tx, charge.project_id, &names, limits)
}

/// The resources of a charge, those of the volume type with their names.
fn deltas(c: &mut Connection, charge: &Charge<'_>) -> Result<Vec<Delta>> {
    let base = Resource::ALL.into_iter().map(|resource| (resource, charge.of(resource)));
    let base: Vec<(Resource, i64)> = base.filter(|(_, delta)| *delta != 0).collect();
    let typed: Vec<&(Resource, i64)> =
        base.iter().filter(|(resource, _)| Resource::BY_TYPE.contains(resource)).collect();
    let volume_type = match charge.volume_type_id {
        Some(id) if !typed.is_empty() => {
            c.row("SELECT name FROM volume_types WHERE id = ?", &[id.into()], |row| row.opt_string(0))?.flatten()
        }
        _ => None,
    };
    let of_type = typed.iter().filter_map(|(resource, delta)| {
        let name = resource.of_type(volume_type.as_deref()?);
        Some(Delta { resource: *resource, name, of_type: true, delta: *delta })
    });
    let of_type: Vec<Delta> = of_type.collect();
    let of_all = base.iter().map(|(resource, delta)| Delta {
        resource: *resource,
        name: resource.name().to_owned(),
        of_type: false,
        delta: *delta,
    });
    Ok(of_all.filter(|_| !charge.type_alone).chain(of_type).collect())
}

/// Locks the rows of usage, making those that are missing with what is counted now.
fn lock(tx: &mut Transaction<'_>, charge: &Charge<'_>, deltas: &[Delta], limits: &Limits) -> Result<Vec<Row>> {
    let sql = format!(
        "SELECT id, resource, in_use, reserved, until_refresh, updated_at FROM quota_usages \
         WHERE project_id = ? AND deleted = false AND resource IN ({}) ORDER BY id FOR UPDATE",
        marks(deltas.len())
    );
    let names = deltas.iter().map(|delta| Value::from(&delta.name));
    let params: Vec<Value<'_>> = [Value::from(charge.project_id)].into_iter().chain(names).collect();
    // A row that is missing can not be locked: where another transaction makes it first, this one looks again.
    for _ in 0..8 {
        let rows = tx.rows(&sql, &params, |row| {
            Ok(Row {
                id: row.int(0)?,
                name: row.string(1)?,
                usage: Usage { in_use: row.int(2)?, reserved: row.int(3)? },
                until_refresh: row.opt_int(4)?,
                updated_at: row.opt_time(5)?,
            })
        })?;
        let missing: Vec<&Delta> =
            deltas.iter().filter(|delta| rows.iter().all(|row| row.name != delta.name)).collect();
        if missing.is_empty() {
            return Ok(rows);
        }
        for delta in missing {
            let in_use = recount(tx, charge, delta, limits)?;
            tx.insert_if_absent(
                "INSERT INTO quota_usages (created_at, deleted, project_id, resource, in_use, reserved, until_refresh, \
                 race_preventer) VALUES (?, false, ?, ?, ?, 0, ?, true)",
                &[
                    Timestamp::now().into(),
                    charge.project_id.into(),
                    (&delta.name).into(),
                    in_use.into(),
                    positive(limits.until_refresh).into(),
                ],
            )?;
        }
    }
    Err(Error::internal(format!("the rows of usage of project {} do not stay", charge.project_id)))
}

/// Counts again what is due: usage that is negative, or whose number of charges or whose age says so.
fn refresh(
    tx: &mut Transaction<'_>,
    charge: &Charge<'_>,
    deltas: &[Delta],
    limits: &Limits,
    rows: &mut [Row],
) -> Result<()> {
    let configured = positive(limits.until_refresh);
    let oldest = Timestamp::now().plus_seconds(limits.max_age_seconds.saturating_neg());
    for row in rows {
        let left = row.until_refresh.map(|left| left - 1);
        let due = match left {
            _ if row.usage.in_use < 0 => true,
            Some(left) => left <= 0,
            None => limits.max_age_seconds > 0 && row.updated_at.is_some_and(|at| at <= oldest),
        };
        let delta = deltas.iter().find(|delta| delta.name == row.name);
        if let (true, Some(delta)) = (due, delta) {
            row.usage.in_use = recount(tx, charge, delta, limits)?;
            row.until_refresh = configured;
        } else {
            // The setting may have been turned on, turned off, or lowered since the row was written.
            row.until_refresh = match (left, configured) {
                (Some(left), Some(most)) => Some(left.min(most)),
                (_, configured) => configured,
            };
        }
    }
    Ok(())
}

/// Refuses growth beyond the limits, and beyond what a row can hold.
fn check(
    charge: &Charge<'_>,
    deltas: &[Delta],
    limits: &Limits,
    found: &BTreeMap<String, i64>,
    rows: &[Row],
) -> Result<()> {
    let growing: Vec<&Delta> = deltas.iter().filter(|delta| delta.delta > 0).collect();
    let usage = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.usage).unwrap_or_default();
    let after = |delta: &Delta| usage(&delta.name).total().saturating_add(delta.delta);
    let too_great = growing.iter().filter(|delta| after(delta) > GREATEST).map(|delta| delta.name.clone());
    let too_great: Vec<String> = too_great.collect();
    if !too_great.is_empty() {
        return Err(quota::overflow(too_great));
    }
    let overs = growing.iter().filter_map(|delta| {
        let default = if delta.of_type { -1 } else { limits.of(delta.resource) };
        let limit = found.get(&delta.name).copied().unwrap_or(default);
        let over = limit >= 0 && after(delta) > limit;
        over.then(|| Over { resource: delta.resource, name: delta.name.clone(), limit, usage: usage(&delta.name) })
    });
    let overs: Vec<Over> = overs.collect();
    if overs.is_empty() {
        return Ok(());
    }
    let (purpose, gib) = charge.purpose();
    Err(quota::over_quota(purpose, gib, overs))
}

/// Writes usage into rows that are locked: id, in use, charges until it is counted again.
fn store(tx: &mut Transaction<'_>, rows: &[(i64, i64, Option<i64>)]) -> Result<()> {
    let cases = "WHEN ? THEN ? ".repeat(rows.len());
    let sql = format!(
        "UPDATE quota_usages SET updated_at = ?, in_use = CASE id {cases}ELSE in_use END, \
         until_refresh = CASE id {cases}ELSE until_refresh END WHERE id IN ({})",
        marks(rows.len())
    );
    let in_use = rows.iter().flat_map(|(id, in_use, _)| [Value::from(*id), Value::from(*in_use)]);
    let until = rows.iter().flat_map(|(id, _, until)| [Value::from(*id), Value::from(*until)]);
    let ids = rows.iter().map(|(id, ..)| Value::from(*id));
    let params: Vec<Value<'_>> =
        [Value::from(Timestamp::now())].into_iter().chain(in_use).chain(until).chain(ids).collect();
    tx.execute(&sql, &params).map(|_| ())
}

fn recount(c: &mut Connection, charge: &Charge<'_>, delta: &Delta, limits: &Limits) -> Result<i64> {
    let volume_type = charge.volume_type_id.filter(|_| delta.of_type);
    quota_count::count(c, delta.resource, charge.project_id, volume_type, limits.snapshots_without_gigabytes)
}

/// The limits that rows set for these resources of a project: its own, else those of the default class.
fn limits_of(c: &mut Connection, project_id: &str, names: &[&str], limits: &Limits) -> Result<BTreeMap<String, i64>> {
    let sql = format!(
        "SELECT 1, resource, hard_limit FROM quotas WHERE project_id = ? AND deleted = false AND resource IN ({0}) \
         UNION ALL \
         SELECT 0, resource, hard_limit FROM quota_classes WHERE class_name = ? AND deleted = false AND resource IN ({0})",
        marks(names.len())
    );
    let all = || names.iter().map(|name| Value::from(*name));
    let params: Vec<Value<'_>> =
        [Value::from(project_id)].into_iter().chain(all()).chain([Value::from(DEFAULT_CLASS)]).chain(all()).collect();
    let mut found = BTreeMap::new();
    let mut own = BTreeMap::new();
    c.query(&sql, &params, |row| {
        let is_own = row.int(0)? == 1;
        if let Some(limit) = row.opt_int(2)?
            && (is_own || limits.default_class)
        {
            if is_own { &mut own } else { &mut found }.insert(row.string(1)?, limit);
        }
        Ok(())
    })?;
    found.append(&mut own);
    Ok(found)
}

/// The limits that a project has of its own, by resource.
///
/// # Errors
/// The database's.
pub fn project_limits(c: &mut Connection, project_id: &str) -> Result<BTreeMap<String, i64>> {
    named_limits(c, "SELECT resource, hard_limit FROM quotas WHERE project_id = ? AND deleted = false", project_id)
}

/// The limits that a quota class has, by resource.
///
/// # Errors
/// The database's.
pub fn class_limits(c: &mut Connection, class: &str) -> Result<BTreeMap<String, i64>> {
    named_limits(c, "SELECT resource, hard_limit FROM quota_classes WHERE class_name = ? AND deleted = false", class)
}

fn named_limits(c: &mut Connection, sql: &str, name: &str) -> Result<BTreeMap<String, i64>> {
    let rows = c.rows(sql, &[name.into()], |row| Ok((row.opt_string(0)?, row.opt_int(1)?)))?;
    Ok(rows.into_iter().filter_map(|(resource, limit)| Some((resource?, limit?))).collect())
}

/// The usage of a project, by resource.
///
/// # Errors
/// The database's.
pub fn usages(c: &mut Connection, project_id: &str) -> Result<BTreeMap<String, Usage>> {
    read_usages(
        c,
        "SELECT resource, in_use, reserved FROM quota_usages WHERE project_id = ? AND deleted = false",
        project_id,
    )
}

/// The usage of a project, by resource, which stays as it is until the transaction ends.
///
/// # Errors
/// The database's.
pub fn locked_usages(tx: &mut Transaction<'_>, project_id: &str) -> Result<BTreeMap<String, Usage>> {
    let sql = "SELECT resource, in_use, reserved FROM quota_usages WHERE project_id = ? AND deleted = false ORDER BY id \
               FOR UPDATE";
    read_usages(tx, sql, project_id)
}

fn read_usages(c: &mut Connection, sql: &str, project_id: &str) -> Result<BTreeMap<String, Usage>> {
    let rows = c.rows(sql, &[project_id.into()], |row| {
        Ok((row.opt_string(0)?, Usage { in_use: row.int(1)?, reserved: row.int(2)? }))
    })?;
    Ok(rows.into_iter().filter_map(|(resource, usage)| Some((resource?, usage))).collect())
}

/// Sets a limit of a project; -1 is none.
///
/// # Errors
/// The database's.
pub fn set_project_limit(tx: &mut Transaction<'_>, project_id: &str, resource: &str, limit: i64) -> Result<()> {
    set_limit(tx, "quotas", "project_id", project_id, resource, limit)
}

/// Sets a limit of a quota class; -1 is none.
///
/// # Errors
/// The database's.
pub fn set_class_limit(tx: &mut Transaction<'_>, class: &str, resource: &str, limit: i64) -> Result<()> {
    set_limit(tx, "quota_classes", "class_name", class, resource, limit)
}

fn set_limit(
    tx: &mut Transaction<'_>,
    table: &'static str,
    owner_column: &'static str,
    owner: &str,
    resource: &str,
    limit: i64,
) -> Result<()> {
    let now = Value::from(Timestamp::now());
    let update = format!(
        "UPDATE {table} SET hard_limit = ?, updated_at = ? WHERE {owner_column} = ? AND resource = ? AND deleted = false"
    );
    if tx.execute(&update, &[limit.into(), now.clone(), owner.into(), resource.into()])? > 0 {
        return Ok(());
    }
    let insert = format!(
        "INSERT INTO {table} (created_at, deleted, {owner_column}, resource, hard_limit) VALUES (?, false, ?, ?, ?)"
    );
    tx.execute(&insert, &[now, owner.into(), resource.into(), limit.into()]).map(|_| ())
}

/// Takes a project's own limits away; usage stays.
///
/// # Errors
/// The database's.
pub fn delete_project_limits(tx: &mut Transaction<'_>, project_id: &str) -> Result<()> {
    let sql = "UPDATE quotas SET deleted = true, deleted_at = ? WHERE project_id = ? AND deleted = false";
    tx.execute(sql, &[Timestamp::now().into(), project_id.into()]).map(|_| ())
}

/// Lets limits and usage follow a volume type to its new name. Usage is counted again at the next charge.
///
/// # Errors
/// The database's.
pub fn rename_type(tx: &mut Transaction<'_>, old: &str, new: &str) -> Result<()> {
    let now = Value::from(Timestamp::now());
    for resource in Resource::BY_TYPE {
        let (old, new) = (resource.of_type(old), resource.of_type(new));
        // What was left by an earlier type of the new name makes room.
        for table in ["quotas", "quota_classes", "quota_usages"] {
            let free = if table == "quota_usages" { ", race_preventer = NULL" } else { "" };
            let sql = format!(
                "UPDATE {table} SET deleted = true, deleted_at = ?{free} WHERE resource = ? AND deleted = false"
            );
            tx.execute(&sql, &[now.clone(), (&new).into()])?;
            let due = if table == "quota_usages" { ", until_refresh = 1" } else { "" };
            let sql =
                format!("UPDATE {table} SET resource = ?, updated_at = ?{due} WHERE resource = ? AND deleted = false");
            tx.execute(&sql, &[(&new).into(), now.clone(), (&old).into()])?;
        }
    }
    Ok(())
}

/// 0 is "never" in the configuration and NULL in a row.
fn positive(value: i64) -> Option<i64> {
    Some(value).filter(|value| *value > 0)
}

/// `?, ?, ?`.
fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}
