//! What projects may use and do use: quota sets, quota classes and limits (Block Storage API v3, "Quota sets", "Quota
//! class sets", "Limits"). Charging is `store/quotas.rs`.

use std::collections::BTreeMap;

use super::Caller;
use super::limits::configured;
use crate::block_storage::model::quota::{DEFAULT_CLASS, Limits, Resource, Usage};
use crate::block_storage::policies::quotas as rules;
use crate::block_storage::store::{quotas as store, volume_types};
use crate::database::Connection;
use crate::error::{Error, Result};
use crate::identity::policy::{Rule, Target};

/// One resource of a project or a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Its name; that of a volume type's resource ends in the type's name.
    pub name: String,
    /// The limit; -1 is none.
    pub limit: i64,
    /// What the project uses of it.
    pub usage: Usage,
}

/// The names of everything that has a limit: the resources, and three for each volume type.
///
/// # Errors
/// Those of the database.
pub fn names(caller: &Caller<'_>) -> Result<Vec<String>> {
    let resources = caller.database.read(|c| resources(c, &configured(caller.config)))?;
    Ok(resources.into_iter().map(|(name, _)| name).collect())
}

/// Every resource with the limit that it has where no row says otherwise.
fn resources(c: &mut Connection, limits: &Limits) -> Result<Vec<(String, i64)>> {
    let base = Resource::ALL.into_iter().map(|resource| (resource.name().to_owned(), limits.of(resource)));
    let mut all: Vec<(String, i64)> = base.collect();
    for volume_type in volume_types::names(c)? {
        all.extend(Resource::BY_TYPE.into_iter().map(|resource| (resource.of_type(&volume_type), -1)));
    }
    Ok(all)
}

/// The limits of all resources by these rows, each set before the next one; `usage` by resource.
fn collect(
    resources: Vec<(String, i64)>,
    rows: &[BTreeMap<String, i64>],
    usage: &BTreeMap<String, Usage>,
) -> Vec<Quota> {
    let of = |(name, default): (String, i64)| {
        let limit = rows.iter().find_map(|row| row.get(&name)).copied().unwrap_or(default);
        let usage = usage.get(&name).copied().unwrap_or_default();
        Quota { name, limit, usage }
    };
    resources.into_iter().map(of).collect()
}

/// The limits of a project: its own, else those of the default class, else the configured ones; and what it uses.
fn of_project(c: &mut Connection, project_id: &str, limits: &Limits) -> Result<Vec<Quota>> {
    let rows = [store::project_limits(c, project_id)?, default_class(c, limits)?];
    let usage = store::usages(c, project_id)?;
    Ok(collect(resources(c, limits)?, &rows, &usage))
}

fn default_class(c: &mut Connection, limits: &Limits) -> Result<BTreeMap<String, i64>> {
    if limits.default_class { store::class_limits(c, DEFAULT_CLASS) } else { Ok(BTreeMap::new()) }
}

fn enforce(caller: &Caller<'_>, rule: &Rule, project_id: &str) -> Result<()> {
    caller.policy.check(rule, caller.context, &Target::project(project_id))
}

/// What a project may use and does use.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn show(caller: &Caller<'_>, project_id: &str) -> Result<Vec<Quota>> {
    enforce(caller, &rules::SHOW, project_id)?;
    caller.database.read(|c| of_project(c, project_id, &configured(caller.config)))
}

/// What a project may use that has no limits of its own.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn defaults(caller: &Caller<'_>, project_id: &str) -> Result<Vec<Quota>> {
    enforce(caller, &rules::SHOW, project_id)?;
    let limits = configured(caller.config);
    caller.database.read(|c| Ok(collect(resources(c, &limits)?, &[default_class(c, &limits)?], &BTreeMap::new())))
}

/// Sets limits of a project; -1 is none. All of them or none are set.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] for a limit below what the project uses already.
pub fn update(caller: &Caller<'_>, project_id: &str, values: &[(String, i64)]) -> Result<Vec<Quota>> {
    enforce(caller, &rules::UPDATE, project_id)?;
    caller.database.write(|tx| {
        let usage = store::locked_usages(tx, project_id)?;
        for (name, limit) in values {
            let used = usage.get(name).copied().unwrap_or_default().total();
            if *limit >= 0 && *limit < used {
                return Err(Error::invalid(format!(
                    "Quota {name} limit must be equal or greater than existing resources. Current usage is {used} and the \
                     requested limit is {limit}."
                )));
            }
        }
        for (name, limit) in values {
            store::set_project_limit(tx, project_id, name, *limit)?;
        }
        of_project(tx, project_id, &configured(caller.config))
    })
}

/// Takes a project's own limits away, so that those of its class hold again.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn delete(caller: &Caller<'_>, project_id: &str) -> Result<()> {
    enforce(caller, &rules::DELETE, project_id)?;
    caller.database.write(|tx| store::delete_project_limits(tx, project_id))
}

/// The limits of a class; a class that nobody has made has those of the default class.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn show_class(caller: &Caller<'_>, class: &str) -> Result<Vec<Quota>> {
    caller.enforce(&rules::GET_CLASS)?;
    if !caller.context.is_admin && caller.context.quota_class.as_deref() != Some(class) {
        return Err(Error::forbidden("Not authorized."));
    }
    caller.database.read(|c| of_class(c, class, &configured(caller.config)))
}

fn of_class(c: &mut Connection, class: &str, limits: &Limits) -> Result<Vec<Quota>> {
    let rows = [store::class_limits(c, class)?, store::class_limits(c, DEFAULT_CLASS)?];
    Ok(collect(resources(c, limits)?, &rows, &BTreeMap::new()))
}

/// Sets limits of a class, which is made where it is not there.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn update_class(caller: &Caller<'_>, class: &str, values: &[(String, i64)]) -> Result<Vec<Quota>> {
    caller.enforce(&rules::UPDATE_CLASS)?;
    caller.database.write(|tx| {
        for (name, limit) in values {
            store::set_class_limit(tx, class, name, *limit)?;
        }
        of_class(tx, class, &configured(caller.config))
    })
}

/// What a project may use and, where the caller may know it, does use: for `/limits`, which everybody may read.
///
/// # Errors
/// Those of the database.
pub fn absolute(caller: &Caller<'_>, project_id: &str) -> Result<(Vec<Quota>, bool)> {
    let found = caller.database.read(|c| of_project(c, project_id, &configured(caller.config)))?;
    Ok((found, caller.allows(&rules::USED_LIMITS)))
}
