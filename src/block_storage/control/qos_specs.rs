//! QoS specs: what they hold, and which types have them (Block Storage API v3, "Quality of service (QoS)
//! specifications").

use super::Caller;
use crate::block_storage::model::qos_specs::{CONSUMERS, DEFAULT_CONSUMER, QosSpecs};
use crate::block_storage::policies::qos_specs as rules;
use crate::block_storage::store::qos_specs as store;
use crate::block_storage::store::volume_types::{self, Eyes};
use crate::database::{Connection, Transaction};
use crate::error::{Error, Result};
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

/// Runs a change of what exists while nobody else changes QoS specs or types.
fn change(
    caller: &Caller<'_>,
    id: &str,
    mut work: impl FnMut(&mut Transaction<'_>, QosSpecs) -> Result<()>,
) -> Result<()> {
    caller.database.write(|tx| {
        volume_types::lock(tx)?;
        let found = find(tx, id)?;
        work(tx, found)
    })
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
    caller.database.write(|tx| {
        volume_types::lock(tx)?;
        store::insert(tx, &made)
    })?;
    Ok(made)
}

/// Sets some of their keys, and the consumer where it is among them.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], [`crate::Kind::Invalid`] for an unknown consumer.
pub fn update(caller: &Caller<'_>, id: &str, pairs: &Pairs) -> Result<()> {
    caller.enforce(&rules::UPDATE)?;
    change(caller, id, |tx, _| {
        let (consumer, specs) = split(pairs)?;
        store::put(tx, id, consumer, &specs)
    })
}

/// Removes them, with `force` also where types have them.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`], [`crate::Kind::Invalid`] where a type has them.
pub fn delete(caller: &Caller<'_>, id: &str, force: bool) -> Result<()> {
    caller.enforce(&rules::DELETE)?;
    change(caller, id, |tx, _| {
        if !force && !store::associations(tx, id)?.is_empty() {
            return Err(Error::invalid("Qos specs still in use."));
        }
        store::disassociate(tx, id, None)?;
        store::delete(tx, id)
    })
}

/// Removes some of their keys: all of those that are named, or none.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for them or for a key.
pub fn delete_keys(caller: &Caller<'_>, id: &str, keys: &[&str]) -> Result<()> {
    caller.enforce(&rules::DELETE)?;
    change(caller, id, |tx, _| {
        for key in keys {
            if !store::delete_key(tx, id, key)? {
                return Err(Error::not_found(format!("QoS spec {id} has no spec with key {key}.")));
            }
        }
        Ok(())
    })
}

/// The types that have them: id and name.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`].
pub fn associations(caller: &Caller<'_>, id: &str) -> Result<Vec<(String, String)>> {
    caller.enforce(&rules::GET_ALL)?;
    caller.database.read(|c| {
        find(c, id)?;
        store::associations(c, id)
    })
}

/// Gives them to a type that has none.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for them or for the type, [`crate::Kind::Invalid`] where the type
/// has others.
pub fn associate(caller: &Caller<'_>, id: &str, type_id: Option<&str>) -> Result<()> {
    caller.enforce(&rules::UPDATE)?;
    let type_id = named(type_id)?;
    change(caller, id, |tx, _| match super::types::find(tx, type_id, Eyes::All)?.qos_specs_id {
        None => store::associate(tx, id, type_id),
        Some(same) if same == id => Ok(()),
        Some(other) => Err(Error::invalid(format!(
            "Invalid volume type: Type {type_id} is already associated with another qos specs: {other}"
        ))),
    })
}

/// Takes them from a type; that it has not got them is no error.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for them or for the type.
pub fn disassociate(caller: &Caller<'_>, id: &str, type_id: Option<&str>) -> Result<()> {
    caller.enforce(&rules::UPDATE)?;
    let type_id = named(type_id)?;
    change(caller, id, |tx, _| {
        super::types::find(tx, type_id, Eyes::All)?;
        store::disassociate(tx, id, Some(type_id))
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
    change(caller, id, |tx, _| store::disassociate(tx, id, None))
}
