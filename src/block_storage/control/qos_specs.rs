//! QoS specs: what they hold, and which types have them (Block Storage API v3, "Quality of service (QoS)
//! specifications").

use serde_json::{Value as Json, json};

use super::Caller;
use crate::block_storage::model::qos_specs::{CONSUMERS, DEFAULT_CONSUMER, QosSpecs};
use crate::block_storage::notices::repr;
use crate::block_storage::policies::qos_specs as rules;
use crate::block_storage::store::qos_specs as store;
use crate::block_storage::store::records::written;
use crate::block_storage::store::volume_types::{self, Eyes};
use crate::database::{Connection, Transaction};
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

pub use crate::block_storage::store::qos_specs::not_found;

/// Keys and values as a request names them.
pub type Pairs = [(String, Option<String>)];

/// Those that have these texts under these names, newest first. A name that they have not got fits none.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn list(caller: &Caller<'_>, filters: &[(String, String)]) -> Result<Vec<QosSpecs>> {
    caller.enforce(&rules::GET_ALL)?;
    let fits = |item: &QosSpecs| {
        filters.iter().all(|(name, wanted)| match name.as_str() {
            "id" => item.id == *wanted,
            "name" => item.name == *wanted,
            "consumer" => item.consumer == *wanted,
            _ => false,
        })
    };
    Ok(caller.database.read(store::all)?.into_iter().filter(fits).collect())
}

/// Those with this id.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`].
pub fn show(caller: &Caller<'_>, id: &str) -> Result<QosSpecs> {
    caller.enforce(&rules::GET)?;
    caller.database.read(|c| find(c, id))
}

fn find(c: &mut Connection, id: &str) -> Result<QosSpecs> {
    store::find(c, id)?.ok_or_else(|| store::not_found(id))
}

/// Runs a change of what exists while nobody else changes QoS specs or types, and tells the cloud that it was done, or why
/// not. `work` answers what is told besides id and age.
fn change(
    caller: &Caller<'_>,
    id: &str,
    event: &str,
    mut work: impl FnMut(&mut Transaction<'_>, QosSpecs) -> Result<Json>,
) -> Result<()> {
    let outcome = caller.database.write(|tx| {
        volume_types::lock(tx)?;
        let found = find(tx, id)?;
        let created_at = found.created_at;
        let mut told = json!({ "id": id, "created_at": created_at.map(written) });
        let more = work(tx, found)?;
        if let (Some(told), Json::Object(more)) = (told.as_object_mut(), more) {
            told.extend(more);
        }
        caller.notices().qos_specs(tx, event, told)
    });
    refused(caller, outcome, id, event)
}

/// Tells the cloud why something can not be done with specs.
fn refused<T>(caller: &Caller<'_>, outcome: Result<T>, id: &str, event: &str) -> Result<T> {
    let class = |error: &Error| {
        let text = error.public();
        match error.kind() {
            Kind::NotFound if text.starts_with("No such") => Some("QoSSpecsNotFound"),
            Kind::NotFound if event == "delete_keys" => Some("QoSSpecsKeyNotFound"),
            Kind::NotFound => Some("VolumeTypeNotFound"),
            Kind::Invalid if event == "delete" => Some("QoSSpecsInUse"),
            Kind::Invalid if event == "associate" => Some("InvalidVolumeType"),
            Kind::Invalid => Some("InvalidQoSSpecs"),
            _ => None,
        }
    };
    caller.telling(outcome, class, |tx, notices, error| {
        // The cloud is told more than the caller.
        let in_use = || repr("QoSSpecsInUse", &format!("QoS Specs {id} is still associated with entities."));
        let error = if error.starts_with("QoSSpecsInUse") { in_use() } else { error };
        notices.qos_specs_refused(tx, event, json!({"id": id, "error_message": error}))
    })
}

/// Now, for what is told.
fn now() -> String {
    written(Timestamp::now())
}

type Split<'a> = (Option<&'a str>, Vec<(String, Option<String>)>);

/// The consumer among the pairs, and the rest of them. The consumer is the default one where it is null.
fn split(pairs: &Pairs) -> Result<Split<'_>> {
    let named = pairs.iter().find(|(key, _)| key == "consumer");
    let consumer = named.map(|(_, value)| value.as_deref().unwrap_or(DEFAULT_CONSUMER));
    if consumer.is_some_and(|consumer| !CONSUMERS.contains(&consumer)) {
        let list = super::refusals::list(CONSUMERS);
        return Err(Error::invalid(format!("Invalid qos specs: Valid consumer of QoS specs are: {list}")));
    }
    Ok((consumer, pairs.iter().filter(|(key, _)| key != "consumer").cloned().collect()))
}

/// Makes them.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] for an unknown consumer, [`crate::Kind::Conflict`] where the name
/// is taken.
pub fn create(caller: &Caller<'_>, name: &str, pairs: &Pairs) -> Result<QosSpecs> {
    caller.enforce(&rules::CREATE)?;
    let (consumer, specs) = split(pairs)?;
    let made = QosSpecs {
        id: uuid::Uuid::new_v4().to_string(),
        name: name.to_owned(),
        consumer: consumer.unwrap_or(DEFAULT_CONSUMER).to_owned(),
        specs,
        created_at: Some(Timestamp::now()),
        updated_at: None,
    };
    let outcome = caller.database.write(|tx| {
        volume_types::lock(tx)?;
        store::insert(tx, &made)?;
        let mut specs: serde_json::Map<String, Json> =
            made.specs.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        specs.insert("consumer".to_owned(), made.consumer.as_str().into());
        let told = json!({"name": name, "created_at": made.created_at.map(written), "specs": specs});
        caller.notices().qos_specs(tx, "create", told)
    });
    let class = |error: &Error| (error.kind() == Kind::Conflict).then_some("QoSSpecsExists");
    caller.telling(outcome, class, |tx, notices, error| {
        notices.qos_specs_refused(tx, "create", json!({"name": name, "error_message": error}))
    })?;
    Ok(made)
}

/// Sets some of their keys, and the consumer where it is among them.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], [`crate::Kind::Invalid`] for an unknown consumer.
pub fn update(caller: &Caller<'_>, id: &str, pairs: &Pairs) -> Result<()> {
    caller.enforce(&rules::UPDATE)?;
    change(caller, id, "update", |tx, _| {
        let (consumer, specs) = split(pairs)?;
        store::put(tx, id, consumer, &specs)?;
        let told = pairs.iter().map(|(key, value)| (key.clone(), Json::from(value.clone())));
        Ok(json!({"updated_at": now(), "specs": told.collect::<serde_json::Map<_, _>>()}))
    })
}

/// Removes them, with `force` also where types have them.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], [`crate::Kind::Invalid`] where a type has them.
pub fn delete(caller: &Caller<'_>, id: &str, force: bool) -> Result<()> {
    caller.enforce(&rules::DELETE)?;
    change(caller, id, "delete", |tx, _| {
        if !force && !store::associations(tx, id)?.is_empty() {
            return Err(Error::invalid("Qos specs still in use."));
        }
        store::disassociate(tx, id, None)?;
        store::delete(tx, id)?;
        Ok(json!({ "deleted_at": now() }))
    })
}

/// Removes some of their keys: all of those that are named, or none.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for them or for a key.
pub fn delete_keys(caller: &Caller<'_>, id: &str, keys: &[&str]) -> Result<()> {
    caller.enforce(&rules::DELETE)?;
    change(caller, id, "delete_keys", |tx, found| {
        for key in keys {
            if !store::delete_key(tx, id, key)? {
                return Err(Error::not_found(format!("QoS spec {id} has no spec with key {key}.")));
            }
        }
        Ok(json!({ "updated_at": found.updated_at.map(written) }))
    })
}

/// The types that have them: id and name.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`].
pub fn associations(caller: &Caller<'_>, id: &str) -> Result<Vec<(String, String)>> {
    caller.enforce(&rules::GET_ALL)?;
    let outcome = caller.database.read(|c| {
        let found = find(c, id)?;
        Ok((found, store::associations(c, id)?))
    });
    let (found, types) = refused(caller, outcome, id, "associations")?;
    let notices = caller.notices();
    if !notices.is_off() {
        // Cinder tells of a question as of a change.
        let told = json!({"id": id, "created_at": found.created_at.map(written)});
        caller.database.write(|tx| notices.qos_specs(tx, "associations", told.clone()))?;
    }
    Ok(types)
}

/// Gives them to a type that has none.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for them or for the type, [`crate::Kind::Invalid`] where the type
/// has others.
pub fn associate(caller: &Caller<'_>, id: &str, type_id: Option<&str>) -> Result<()> {
    caller.enforce(&rules::UPDATE)?;
    let type_id = named(type_id)?;
    change(caller, id, "associate", |tx, _| {
        match super::types::find(tx, type_id, Eyes::All)?.qos_specs_id {
            None => store::associate(tx, id, type_id)?,
            Some(same) if same == id => {}
            Some(other) => {
                return Err(Error::invalid(format!(
                    "Invalid volume type: Type {type_id} is already associated with another qos specs: {other}"
                )));
            }
        }
        Ok(json!({ "type_id": type_id }))
    })
}

/// Takes them from a type; that it has not got them is no error.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for them or for the type.
pub fn disassociate(caller: &Caller<'_>, id: &str, type_id: Option<&str>) -> Result<()> {
    caller.enforce(&rules::UPDATE)?;
    let type_id = named(type_id)?;
    change(caller, id, "disassociate", |tx, _| {
        super::types::find(tx, type_id, Eyes::All)?;
        store::disassociate(tx, id, Some(type_id))?;
        Ok(json!({ "type_id": type_id }))
    })
}

fn named(type_id: Option<&str>) -> Result<&str> {
    type_id.filter(|id| !id.is_empty()).ok_or_else(|| Error::invalid("Volume Type id must not be None."))
}

/// Takes them from every type.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`].
pub fn disassociate_all(caller: &Caller<'_>, id: &str) -> Result<()> {
    caller.enforce(&rules::UPDATE)?;
    change(caller, id, "disassociate_all", |tx, _| {
        store::disassociate(tx, id, None)?;
        Ok(json!({}))
    })
}
