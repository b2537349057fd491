//! The extra specs of a volume type: `/types/{type_id}/extra_specs` (Block Storage API v3, "Volume type extra specs").

use super::caller;
use super::type_bodies as bodies;
use super::type_views::write_specs;
use super::types::extra_specs;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::types as control;
use crate::block_storage::policies::types as rules;
use crate::error::{Error, Result};
use crate::rest::{Answer, Call, Reply, Route};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/types/{type_id}/extra_specs", list)
        .rules(&[&rules::GET_ALL_EXTRA_SPECS, &rules::READ_SENSITIVE_EXTRA_SPECS])
        .reply(200, Answer::Free)
        .about("List the extra specs of a volume type"),
    Route::post("/types/{type_id}/extra_specs", create)
        .rules(&[&rules::CREATE_EXTRA_SPECS])
        .body(&bodies::EXTRA_SPECS)
        .reply(200, Answer::Free)
        .about("Set extra specs of a volume type"),
    Route::get("/types/{type_id}/extra_specs/{key}", show)
        .rules(&[&rules::GET_EXTRA_SPEC, &rules::READ_SENSITIVE_EXTRA_SPECS])
        .reply(200, Answer::Free)
        .about("Show one extra spec"),
    Route::put("/types/{type_id}/extra_specs/{key}", update)
        .rules(&[&rules::UPDATE_EXTRA_SPEC])
        .body(&bodies::EXTRA_SPEC)
        .reply(200, Answer::Free)
        .about("Set one extra spec"),
    Route::delete("/types/{type_id}/extra_specs/{key}", delete)
        .rules(&[&rules::DELETE_EXTRA_SPEC])
        .reply(202, Answer::Nothing)
        .about("Delete one extra spec"),
];

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let specs = control::extra_specs(&caller(call), call.path.value("type_id"))?;
    Ok(call.json(|json| json.object(|json| write_specs(specs.iter(), json.key("extra_specs")))))
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let specs = extra_specs(call.input("extra_specs"));
    control::put_extra_specs(&caller(call), call.path.value("type_id"), &specs)?;
    Ok(call.json(|json| json.value(&call.body)))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let key = call.path.value("key");
    let value = control::extra_spec(&caller(call), call.path.value("type_id"), key)?;
    Ok(call.json(|json| json.object(|json| json.key(key).opt_text(value.as_deref()))))
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let value = single(call)?;
    let key = call.path.value("key");
    control::put_extra_spec(&caller(call), call.path.value("type_id"), key, value.as_deref())?;
    Ok(call.json(|json| json.value(&call.body)))
}

/// The value of a body `{"<key>": <value>}` whose key is that of the path.
///
/// # Errors
/// [`crate::Kind::Invalid`] with Cinder's texts.
pub(super) fn single(call: &Call<'_, BlockStorage>) -> Result<Option<String>> {
    let specs = extra_specs(&call.body);
    let wrong = specs.iter().find(|(name, _)| !bodies::is_spec_key(name));
    if let Some((name, _)) = wrong {
        let pattern = bodies::SPEC_KEY_PATTERN;
        return Err(Error::invalid(format!("'{name}' does not match any of the regexes: '{pattern}'")));
    }
    let [(name, value)] = specs.as_slice() else {
        return Err(Error::invalid(format!("{} has too many properties", crate::rest::python::repr(&call.body))));
    };
    if name != call.path.value("key") {
        return Err(Error::invalid("Request body and URI mismatch"));
    }
    Ok(value.clone())
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::delete_extra_spec(&caller(call), call.path.value("type_id"), call.path.value("key"))?;
    Ok(call.done())
}
