//! Volume types: who sees which, what may change while volumes have them, and which one a volume gets that names none
//! (Block Storage API v3, "Volume types").

use serde_json::{Value as Json, json};

use super::{Caller, images};
use crate::block_storage::model::volume_type::{self, VolumeType};
use crate::block_storage::notices::{Refused, repr};
use crate::block_storage::policies::types as rules;
use crate::block_storage::store::quotas;
use crate::block_storage::store::volume_types::{self as store, Eyes};
use crate::config::default::DEFAULT_VOLUME_TYPE;
use crate::database::{Connection, Transaction};
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

pub use crate::block_storage::store::volume_types::Change;

/// The types that the caller sees: an administrator every one, others the public ones and those granted to their project.
pub(super) fn eyes<'a>(caller: &Caller<'a>) -> Eyes<'a> {
    if caller.context.is_admin { Eyes::All } else { Eyes::Project(&caller.context.project_id) }
}

/// Which types a list holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only public types and those granted to the caller's project (`true`), only private ones (`false`), or both.
    pub is_public: Option<bool>,
    /// Only types with these extra specs. That of the availability zones is searched for a part of its text.
    pub extra_specs: Vec<(String, String)>,
    /// Only types whose columns have these texts; a column that types have not got fits none.
    pub columns: Vec<(String, String)>,
}

impl Filter {
    fn fits(&self, item: &VolumeType) -> bool {
        let spec = |(key, wanted): &(String, String)| match item.extra_spec(key) {
            Some(value) if key == "RESKEY:availability_zones" => value.contains(wanted.as_str()),
            Some(value) => value == wanted,
            None => false,
        };
        let column = |(name, wanted): &(String, String)| match name.as_str() {
            "id" => item.id == *wanted,
            "name" => item.name == *wanted,
            "description" => item.description.as_ref() == Some(wanted),
            "qos_specs_id" => item.qos_specs_id.as_ref() == Some(wanted),
            _ => false,
        };
        self.extra_specs.iter().all(spec) && self.columns.iter().all(column)
    }
}

/// The types that the caller sees and the filter lets through, newest first. Who may not see an extra spec finds nothing
/// by it.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn list(caller: &Caller<'_>, filter: &Filter) -> Result<Vec<VolumeType>> {
    caller.enforce(&rules::GET_ALL)?;
    let hidden = |key: &String| !volume_type::VISIBLE_EXTRA_SPECS.contains(&key.as_str());
    if filter.extra_specs.iter().any(|(key, _)| hidden(key)) && !caller.allows(&rules::READ_SENSITIVE_EXTRA_SPECS) {
        return Ok(Vec::new());
    }
    let own = Eyes::Project(&caller.context.project_id);
    let seen = caller.database.read(|c| match (eyes(caller), filter.is_public) {
        (Eyes::All, Some(true)) => store::all(c, own),
        (eyes, _) => store::all(c, eyes),
    })?;
    let fits = |item: &VolumeType| filter.fits(item) && (filter.is_public != Some(false) || !item.is_public);
    Ok(seen.into_iter().filter(fits).collect())
}

/// The type with this id, if the caller sees it.
///
/// # Errors
/// [`crate::Kind::NotFound`], [`crate::Kind::Forbidden`].
pub fn show(caller: &Caller<'_>, id: &str) -> Result<VolumeType> {
    let found = caller.database.read(|c| find(c, id, eyes(caller)))?;
    caller.enforce(&rules::GET)?;
    Ok(found)
}

/// The type that the caller's volumes get which name none.
///
/// # Errors
/// As [`default_type`], and [`crate::Kind::Forbidden`].
pub fn show_default(caller: &Caller<'_>) -> Result<VolumeType> {
    let found = default_type(caller)?;
    caller.enforce(&rules::GET)?;
    Ok(found)
}

/// The type that the caller's volumes get which name none: that of the project, else the configured one.
///
/// # Errors
/// [`crate::Kind::Internal`] where the configured one does not exist, which is the operator's to put right.
pub fn default_type(caller: &Caller<'_>) -> Result<VolumeType> {
    let project = &caller.context.project_id;
    caller.database.read(|c| match store::project_default(c, project)? {
        Some(id) => find(c, &id, eyes(caller)),
        None => configured_default(c, caller),
    })
}

fn configured_default(c: &mut Connection, caller: &Caller<'_>) -> Result<VolumeType> {
    let name = caller.config.text(&DEFAULT_VOLUME_TYPE);
    store::find_by_name(c, name, Eyes::All)?
        .ok_or_else(|| Error::internal(format!("the type {name} of default_volume_type does not exist")))
}

/// The type that the caller names by its id or its name, for a volume.
///
/// # Errors
/// [`crate::Kind::NotFound`].
pub fn resolve(caller: &Caller<'_>, id_or_name: &str) -> Result<VolumeType> {
    caller.database.read(|c| store::resolve(c, id_or_name, eyes(caller)))
}

pub(super) fn find(c: &mut Connection, id: &str, eyes: Eyes<'_>) -> Result<VolumeType> {
    store::find(c, id, eyes)?.ok_or_else(|| store::not_found(id))
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
    /// Its extra specs.
    pub extra_specs: &'a [(String, Option<String>)],
}

/// Adds a type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Conflict`] where the name is taken.
pub fn create(caller: &Caller<'_>, new: NewType<'_>) -> Result<VolumeType> {
    caller.enforce(&rules::CREATE)?;
    if volume_type::contradicts(new.extra_specs.iter().map(|(key, value)| (key.as_str(), value.as_deref()))) {
        return Err(contradiction());
    }
    let made = VolumeType {
        id: uuid::Uuid::new_v4().to_string(),
        name: new.name.to_owned(),
        description: new.description.map(str::to_owned),
        is_public: new.is_public,
        qos_specs_id: None,
        created_at: Some(Timestamp::now()),
        updated_at: None,
        deleted: false,
        extra_specs: new.extra_specs.to_vec(),
    };
    let outcome = caller.database.write(|tx| {
        store::lock(tx)?;
        store::insert(tx, &made)?;
        caller.notices().volume_type(tx, &made.id, "create")
    });
    let given = json!({
        "name": new.name,
        "description": new.description,
        "os-volume-type-access:is_public": new.is_public,
    });
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
        Kind::NotFound => Some("VolumeTypeNotFound"),
        Kind::Conflict => Some("VolumeTypeExists"),
        Kind::Invalid if event == "delete" && error.public().contains("in use") => Some("VolumeTypeInUse"),
        Kind::Invalid if event == "delete" => Some("VolumeTypeDefault"),
        _ => None,
    };
    caller.telling(outcome, class, |tx, notices, error| {
        let missing = error.starts_with("VolumeTypeNotFound");
        let error = match id.filter(|_| error.starts_with("VolumeTypeInUse")) {
            Some(id) => {
                let text = format!("Volume Type {id} deletion is not allowed with volumes present with the type.");
                repr("VolumeTypeInUse", &text)
            }
            None => error,
        };
        let refused = Refused { id: id.filter(|_| missing), given: if missing { None } else { given.clone() }, error };
        notices.volume_type_refused(tx, event, &refused)
    })
}

/// That extra specs can not be had together.
fn contradiction() -> Error {
    Error::invalid("cacheable cannot be set with multiattach.")
}

/// Changes a type. Where its name changes, the limits and the usage of its volumes follow.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] where nothing would change, [`crate::Kind::NotFound`],
/// [`crate::Kind::Conflict`] where the name is taken.
pub fn update(caller: &Caller<'_>, id: &str, change: Change<'_>) -> Result<VolumeType> {
    caller.enforce(&rules::UPDATE)?;
    if change.name.is_some_and(|name| name.trim().is_empty()) {
        return Err(Error::invalid("Volume type name can not be empty."));
    }
    if change.name.is_none() && change.description.is_none() && change.is_public.is_none() {
        return Err(Error::invalid("Specify volume type name, description, is_public or a combination thereof."));
    }
    let outcome = caller.database.write(|tx| {
        store::lock(tx)?;
        let before = find(tx, id, Eyes::All)?;
        store::update(tx, id, change)?;
        if let Some(name) = change.name.filter(|name| *name != before.name) {
            quotas::rename_type(tx, &before.name, name)?;
        }
        caller.notices().volume_type(tx, id, "update")?;
        find(tx, id, Eyes::All)
    });
    let given = json!({"name": change.name, "description": change.description, "is_public": change.is_public});
    refused(caller, outcome, "update", Some(id), Some(given))
}

/// Removes a type that nothing has and that is nobody's default.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], [`crate::Kind::Invalid`] where it is needed.
pub fn delete(caller: &Caller<'_>, id: &str) -> Result<()> {
    caller.enforce(&rules::DELETE)?;
    let outcome = caller.database.write(|tx| {
        store::lock(tx)?;
        let gone = find(tx, id, eyes(caller))?;
        let is_default =
            || Error::invalid(format!("The volume type {id} is a default volume type and cannot be deleted."));
        if store::is_project_default(tx, &gone.id)? || configured_default(tx, caller)?.id == gone.id {
            return Err(is_default());
        }
        if store::is_used(tx, &gone.id)? {
            return Err(Error::invalid("Target volume type is still in use."));
        }
        caller.notices().volume_type(tx, &gone.id, "delete")?;
        store::delete(tx, &gone.id)
    });
    refused(caller, outcome, "delete", Some(id), Some(json!({ "id": id })))
}

/// The projects that may use a private type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] also for a public type, which has no list.
pub fn access_list(caller: &Caller<'_>, id: &str) -> Result<Vec<String>> {
    caller.enforce(&rules::GET_ALL_ACCESS)?;
    caller.database.read(|c| {
        if find(c, id, eyes(caller))?.is_public {
            return Err(Error::not_found("Access list not available for public volume types."));
        }
        store::access_list(c, id)
    })
}

/// Lets a project use a private type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], [`crate::Kind::Invalid`] for a public type,
/// [`crate::Kind::Conflict`] where the project may use it already.
pub fn add_access(caller: &Caller<'_>, id: &str, project_id: &str) -> Result<()> {
    caller.enforce(&rules::ADD_ACCESS)?;
    caller.database.write(|tx| {
        refuse_public(tx, id)?;
        store::add_access(tx, id, project_id)?;
        caller.notices().type_access(tx, id, project_id, "add")
    })
}

/// No longer lets a project use a private type.
///
/// # Errors
/// As [`add_access`], but [`crate::Kind::NotFound`] where the project may not use it.
pub fn remove_access(caller: &Caller<'_>, id: &str, project_id: &str) -> Result<()> {
    caller.enforce(&rules::REMOVE_ACCESS)?;
    caller.database.write(|tx| {
        refuse_public(tx, id)?;
        if store::remove_access(tx, id, project_id)? {
            return caller.notices().type_access(tx, id, project_id, "remove");
        }
        Err(Error::not_found(format!("Volume type access not found for {id} / {project_id} combination.")))
    })
}

fn refuse_public(tx: &mut Transaction<'_>, id: &str) -> Result<()> {
    if find(tx, id, Eyes::All)?.is_public {
        let text = "Invalid volume type: Type access modification is not applicable to public volume type.";
        return Err(Error::invalid(text));
    }
    Ok(())
}

/// The extra specs of a type that the caller may see.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`].
pub fn extra_specs(caller: &Caller<'_>, id: &str) -> Result<Vec<(String, Option<String>)>> {
    caller.enforce(&rules::GET_ALL_EXTRA_SPECS)?;
    seen_extra_specs(caller, id)
}

/// One extra spec of a type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], also for one that the caller may not see.
pub fn extra_spec(caller: &Caller<'_>, id: &str, key: &str) -> Result<Option<String>> {
    caller.enforce(&rules::GET_EXTRA_SPEC)?;
    let found = seen_extra_specs(caller, id)?.into_iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value).ok_or_else(|| no_extra_spec(id, key))
}

fn seen_extra_specs(caller: &Caller<'_>, id: &str) -> Result<Vec<(String, Option<String>)>> {
    let found = caller.database.read(|c| find(c, id, eyes(caller)))?;
    if caller.allows(&rules::READ_SENSITIVE_EXTRA_SPECS) {
        return Ok(found.extra_specs);
    }
    Ok(found.visible_extra_specs().cloned().collect())
}

fn no_extra_spec(id: &str, key: &str) -> Error {
    Error::not_found(format!("Volume Type {id} has no extra specs with key {key}."))
}

/// Sets several extra specs of a type that no volume has.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], [`crate::Kind::Invalid`] where a volume has the type, or the
/// extra specs can not be had together.
pub fn put_extra_specs(caller: &Caller<'_>, id: &str, specs: &[(String, Option<String>)]) -> Result<()> {
    caller.enforce(&rules::CREATE_EXTRA_SPECS)?;
    let told = specs.iter().map(|(key, value)| (key.clone(), Json::from(value.clone())));
    let told = json!({ "specs": told.collect::<serde_json::Map<_, _>>() });
    write_extra_specs(caller, id, specs, "create", told)
}

/// Sets one extra spec of a type that no volume has.
///
/// # Errors
/// As [`put_extra_specs`].
pub fn put_extra_spec(caller: &Caller<'_>, id: &str, key: &str, value: Option<&str>) -> Result<()> {
    caller.enforce(&rules::UPDATE_EXTRA_SPEC)?;
    let told = json!({ "id": key });
    write_extra_specs(caller, id, &[(key.to_owned(), value.map(str::to_owned))], "update", told)
}

fn write_extra_specs(
    caller: &Caller<'_>,
    id: &str,
    specs: &[(String, Option<String>)],
    event: &str,
    told: Json,
) -> Result<()> {
    if images::names_store(specs) {
        caller.database.read(|c| refuse_used(c, id).and_then(|()| find(c, id, eyes(caller))))?;
        images::check_store(caller, specs)?;
    }
    let specs: Vec<(&str, Option<&str>)> = specs.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    caller.database.write(|tx| {
        refuse_used(tx, id)?;
        let before = find(tx, id, eyes(caller))?;
        let kept = before.extra_specs.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
        let kept = kept.filter(|(key, _)| specs.iter().all(|(new, _)| new != key));
        if volume_type::contradicts(kept.chain(specs.iter().copied())) {
            return Err(contradiction());
        }
        store::put_extra_specs(tx, id, &specs)?;
        caller.notices().extra_specs(tx, id, event, told.clone())
    })
}

fn refuse_used(c: &mut Connection, id: &str) -> Result<()> {
    if store::has_volumes(c, id)? { Err(Error::invalid("Volume Type is currently in use.")) } else { Ok(()) }
}

/// Removes one extra spec of a type that no volume has.
///
/// # Errors
/// [`crate::Kind::NotFound`], [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] where a volume has the type.
pub fn delete_extra_spec(caller: &Caller<'_>, id: &str, key: &str) -> Result<()> {
    caller.enforce(&rules::DELETE_EXTRA_SPEC)?;
    caller.database.write(|tx| {
        find(tx, id, eyes(caller))?;
        refuse_used(tx, id)?;
        if !store::delete_extra_spec(tx, id, key)? {
            return Err(no_extra_spec(id, key));
        }
        caller.notices().extra_specs(tx, id, "delete", json!({ "id": key }))
    })
}
