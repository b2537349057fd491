//! Group types: who sees which, and what may change while groups have them (Block Storage API v3, "Group types").

use serde_json::{Value as Json, json};

use super::Caller;
use super::types::eyes;
use crate::block_storage::model::group_type::GroupType;
use crate::block_storage::notices::{Refused, repr};
use crate::block_storage::policies::group_types as rules;
use crate::block_storage::store::group_types as store;
use crate::block_storage::store::volume_types::Eyes;
use crate::config::default::DEFAULT_GROUP_TYPE;
use crate::database::Connection;
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

pub use crate::block_storage::store::volume_types::Change;

/// The types that the caller sees: public ones and those granted to its project (`true`), only private ones (`false`), or
/// both.
///
/// # Errors
/// Those of the database.
pub fn list(caller: &Caller<'_>, is_public: Option<bool>) -> Result<Vec<GroupType>> {
    let own = Eyes::Project(&caller.context.project_id);
    let seen = caller.database.read(|c| match (eyes(caller), is_public) {
        (Eyes::All, Some(true)) => store::all(c, own),
        (eyes, _) => store::all(c, eyes),
    })?;
    Ok(seen.into_iter().filter(|item| is_public != Some(false) || !item.is_public).collect())
}

/// The type with this id, if the caller sees it.
///
/// # Errors
/// [`crate::Kind::NotFound`], those of the database.
pub fn show(caller: &Caller<'_>, id: &str) -> Result<GroupType> {
    caller.database.read(|c| find(c, caller, id))
}

/// The configured default type.
///
/// # Errors
/// [`crate::Kind::NotFound`] where none is configured, or where it does not exist; those of the database.
pub fn show_default(caller: &Caller<'_>) -> Result<GroupType> {
    let name = caller.config.text(&DEFAULT_GROUP_TYPE);
    let found = match name {
        "" => None,
        name => caller.database.read(|c| store::find_by_name(c, name, Eyes::All))?,
    };
    if found.is_none() && !name.is_empty() {
        log::error!("the type {name} of default_group_type does not exist");
    }
    found.ok_or_else(|| Error::not_found("Default group type can not be found."))
}

fn find(c: &mut Connection, caller: &Caller<'_>, id: &str) -> Result<GroupType> {
    store::find(c, id, eyes(caller))?.ok_or_else(|| store::not_found(id))
}

/// A type that is to be.
#[derive(Debug, Clone, Copy)]
pub struct NewType<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its description.
    pub description: Option<&'a str>,
    /// Whether every project may use it.
    pub is_public: bool,
    /// Its specs.
    pub group_specs: &'a [(String, Option<String>)],
}

/// Adds a type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Conflict`] where the name is taken, those of the database.
pub fn create(caller: &Caller<'_>, new: NewType<'_>) -> Result<GroupType> {
    caller.enforce(&rules::CREATE)?;
    let made = GroupType {
        id: uuid::Uuid::new_v4().to_string(),
        name: new.name.to_owned(),
        description: new.description.map(str::to_owned),
        is_public: new.is_public,
        created_at: Some(Timestamp::now()),
        updated_at: None,
        group_specs: new.group_specs.to_vec(),
    };
    let outcome = caller.database.write(|tx| {
        store::lock(tx)?;
        store::insert(tx, &made)?;
        caller.notices().group_type(tx, &made.id, "create")
    });
    let given = json!({"name": new.name, "description": new.description, "is_public": new.is_public});
    refused(caller, outcome, "create", None, Some(given))?;
    Ok(made)
}

/// Tells the cloud why a type can not be changed; `given` is what was asked for.
fn refused<T>(
    caller: &Caller<'_>,
    outcome: Result<T>,
    event: &str,
    id: Option<&str>,
    given: Option<Json>,
) -> Result<T> {
    let class = |error: &Error| match error.kind() {
        Kind::NotFound => Some("GroupTypeNotFound"),
        Kind::Conflict => Some("GroupTypeExists"),
        Kind::Invalid if event == "delete" => Some("GroupTypeInUse"),
        _ => None,
    };
    caller.telling(outcome, class, |tx, notices, error| {
        let missing = error.starts_with("GroupTypeNotFound");
        let error = match id.filter(|_| error.starts_with("GroupTypeInUse")) {
            Some(id) => {
                let text = format!("Group Type {id} deletion is not allowed with groups present with the type.");
                repr("GroupTypeInUse", &text)
            }
            None => error,
        };
        let refused = Refused { id: id.filter(|_| missing), given: if missing { None } else { given.clone() }, error };
        notices.group_type_refused(tx, event, &refused)
    })
}

/// Changes a type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] where nothing would change, [`crate::Kind::NotFound`],
/// [`crate::Kind::Conflict`] where the name is taken, those of the database.
pub fn update(caller: &Caller<'_>, id: &str, change: Change<'_>) -> Result<GroupType> {
    caller.enforce(&rules::UPDATE)?;
    if change.name.is_some_and(|name| name.trim().is_empty()) {
        return Err(Error::invalid("Group type name can not be empty."));
    }
    if change.name.is_none() && change.description.is_none() && change.is_public.is_none() {
        return Err(Error::invalid("Specify group type name, description or a combination thereof."));
    }
    let outcome = caller.database.write(|tx| {
        store::lock(tx)?;
        store::update(tx, id, change)?;
        caller.notices().group_type(tx, id, "update")?;
        find(tx, caller, id)
    });
    let given = json!({"name": change.name, "description": change.description, "is_public": change.is_public});
    refused(caller, outcome, "update", Some(id), Some(given))
}

/// Removes a type that no group has.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], [`crate::Kind::Invalid`] where a group has it, those of the
/// database.
pub fn delete(caller: &Caller<'_>, id: &str) -> Result<()> {
    caller.enforce(&rules::DELETE)?;
    let outcome = caller.database.write(|tx| {
        store::lock(tx)?;
        let gone = find(tx, caller, id)?;
        if store::is_used(tx, &gone.id)? {
            return Err(Error::invalid(format!(
                "Target group type is still in use. Group Type {id} deletion is not allowed with groups present with the \
                 type."
            )));
        }
        caller.notices().group_type(tx, &gone.id, "delete")?;
        store::delete(tx, &gone.id)
    });
    refused(caller, outcome, "delete", Some(id), Some(json!({ "id": id })))
}

/// The specs of a type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], those of the database.
pub fn group_specs(caller: &Caller<'_>, id: &str) -> Result<Vec<(String, Option<String>)>> {
    caller.enforce(&rules::GET_ALL_SPECS)?;
    Ok(show(caller, id)?.group_specs)
}

/// One spec of a type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], those of the database.
pub fn group_spec(caller: &Caller<'_>, id: &str, key: &str) -> Result<Option<String>> {
    caller.enforce(&rules::GET_SPEC)?;
    let found = show(caller, id)?.group_specs.into_iter().find(|(name, _)| name == key);
    let missing = || Error::not_found(format!("Group Type {id} has no extra spec with key {key}."));
    found.map(|(_, value)| value).ok_or_else(missing)
}

/// Sets several specs of a type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], those of the database.
pub fn put_group_specs(caller: &Caller<'_>, id: &str, specs: &[(String, Option<String>)]) -> Result<()> {
    caller.enforce(&rules::CREATE_SPECS)?;
    let told = specs.iter().map(|(key, value)| (key.clone(), Json::from(value.clone())));
    let told = json!({ "specs": told.collect::<serde_json::Map<_, _>>() });
    write_specs(caller, id, specs, "create", told)
}

/// Sets one spec of a type.
///
/// # Errors
/// As [`put_group_specs`].
pub fn put_group_spec(caller: &Caller<'_>, id: &str, key: &str, value: Option<&str>) -> Result<()> {
    caller.enforce(&rules::UPDATE_SPEC)?;
    write_specs(caller, id, &[(key.to_owned(), value.map(str::to_owned))], "update", json!({ "id": key }))
}

fn write_specs(
    caller: &Caller<'_>,
    id: &str,
    specs: &[(String, Option<String>)],
    event: &str,
    told: Json,
) -> Result<()> {
    caller.database.write(|tx| {
        find(tx, caller, id)?;
        // Two writers of one key are one after the other: no index keeps the key unique.
        store::hold(tx, id)?;
        store::put_group_specs(tx, id, specs)?;
        caller.notices().group_specs(tx, id, event, told.clone())
    })
}

/// Removes one spec of a type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], those of the database.
pub fn delete_group_spec(caller: &Caller<'_>, id: &str, key: &str) -> Result<()> {
    caller.enforce(&rules::DELETE_SPEC)?;
    caller.database.write(|tx| {
        find(tx, caller, id)?;
        if store::delete_group_spec(tx, id, key)? {
            return caller.notices().group_specs(tx, id, "delete", json!({ "id": key }));
        }
        Err(Error::not_found(format!("Group Type {id} has no specs with key {key}.")))
    })
}
