//! The filters of a list: what is left of the query when paging is taken out, and which of it a caller may use.

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::resource_filters;
use crate::error::{Error, Result};
use crate::rest::Call;
use crate::rest::page::NAMES;

/// The version from which on a name that is only a part of a text may be searched for (`name~`).
const LIKE: u16 = 34;

/// The filters of a list of `resource`, by name, each once with its last value; `all_tenants` is not among them.
/// Administrators may name what they like. From version 3.`since` on others may name what the operator allows, and are
/// refused anything else (everybody may name anything where `resource` is empty); before it, what is not in `always` is
/// left out in silence, unless anything may be named. What is in `own` is no filter: the list reads it itself.
///
/// # Errors
/// [`crate::Kind::Invalid`] with Cinder's text.
pub(super) fn read(
    call: &Call<'_, BlockStorage>,
    resource: &str,
    since: u16,
    always: Option<&[&str]>,
    own: &[&str],
) -> Result<Vec<(String, String)>> {
    let mut filters: Vec<(String, String)> = Vec::new();
    let is_filter = |name: &str| !NAMES.contains(&name) && !own.contains(&name) && name != "all_tenants";
    for (name, value) in call.query.pairs().filter(|(name, _)| is_filter(name)) {
        match filters.iter_mut().find(|(known, _)| known == name) {
            Some((_, last)) => value.clone_into(last),
            None => filters.push((name.to_owned(), value.to_owned())),
        }
    }
    if call.at_least(since) && filters.iter().any(|(name, _)| !name.is_ascii()) {
        return Err(no_ascii());
    }
    if call.context.is_admin || resource.is_empty() {
        return Ok(filters);
    }
    if !call.at_least(since) {
        filters.retain(|(name, _)| always.is_none_or(|always| always.contains(&name.as_str())));
        return Ok(filters);
    }
    let enabled = resource_filters::enabled(caller(call).config);
    let unknown = filters.iter().filter(|(name, _)| !enabled.allow(resource, name, call.at_least(LIKE)));
    let unknown: Vec<&str> = unknown.map(|(name, _)| name.as_str()).collect();
    if unknown.is_empty() {
        return Ok(filters);
    }
    Err(Error::invalid(format!("Invalid filters {} are found in query options.", unknown.join(","))))
}

/// The refusal of a name that no filter has.
pub(super) fn no_ascii() -> Error {
    Error::invalid("Filter keys can only contain ASCII characters.")
}
