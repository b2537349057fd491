//! The types that volumes of single projects get which name none (Block Storage API v3, "Default volume types").

use super::Caller;
use super::types::eyes;
use crate::block_storage::policies::types as rules;
use crate::block_storage::store::volume_types as store;
use crate::error::{Error, Kind, Result};
use crate::identity::policy::{Rule, Target};

/// One project's default type: the project and the type's id.
pub type ProjectDefault = (String, Option<String>);

/// A project that exists, and about which the caller may do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownProject<'a>(&'a str);

/// The project with this id, if `rule` lets the caller and `exists` says that it is there.
///
/// # Errors
/// [`Kind::Forbidden`], [`Kind::NotFound`], those of `exists`.
pub fn project<'a>(
    caller: &Caller<'_>,
    rule: &Rule,
    id: &'a str,
    exists: impl FnOnce() -> Result<bool>,
) -> Result<KnownProject<'a>> {
    enforce(caller, rule, id)?;
    if exists()? { Ok(KnownProject(id)) } else { Err(Error::not_found(format!("Project with id {id} not found."))) }
}

fn enforce(caller: &Caller<'_>, rule: &Rule, project_id: &str) -> Result<()> {
    let checked = caller.policy.check(rule, caller.context, &Target::project(project_id));
    checked.map_err(|error| Error::forbidden("You are not authorized to perform this operation.").because(error))
}

/// Every project that has a default type of its own.
///
/// # Errors
/// [`Kind::Forbidden`], those of the database.
pub fn list(caller: &Caller<'_>) -> Result<Vec<ProjectDefault>> {
    enforce(caller, &rules::GET_ALL_DEFAULTS, &caller.context.project_id)?;
    caller.database.read(store::project_defaults)
}

/// A project's default type.
///
/// # Errors
/// [`Kind::NotFound`] where it has none of its own.
pub fn show(caller: &Caller<'_>, project: &KnownProject<'_>) -> Result<ProjectDefault> {
    let project_id = project.0;
    let found = caller.database.read(|c| store::project_default(c, project_id))?;
    match found {
        Some(id) => Ok((project_id.to_owned(), Some(id))),
        None => Err(Error::not_found(format!("Default type for project {project_id} not found."))),
    }
}

/// Sets a project's default type, which is named by its id or its name.
///
/// # Errors
/// [`Kind::Invalid`] where there is no such type.
pub fn set(caller: &Caller<'_>, project: &KnownProject<'_>, id_or_name: &str) -> Result<ProjectDefault> {
    let project_id = project.0;
    caller.database.write(|tx| {
        let found = store::resolve(tx, id_or_name, eyes(caller)).map_err(|error| match error.kind() {
            Kind::NotFound => Error::invalid(error.public().to_owned()),
            _ => error,
        })?;
        store::set_project_default(tx, project_id, &found.id)?;
        Ok((project_id.to_owned(), Some(found.id)))
    })
}

/// Takes a project's default type away; that it has none is no error.
///
/// # Errors
/// Those of the database.
pub fn unset(caller: &Caller<'_>, project: &KnownProject<'_>) -> Result<()> {
    caller.database.write(|tx| store::unset_project_default(tx, project.0))
}
