//! The specs of a group type: `/group_types/{group_type_id}/group_specs` (Block Storage API v3, "Group type specs"), from
//! version 3.11 on.

use super::caller;
use super::group_types::SINCE;
use super::type_bodies;
use super::type_extra_specs::single;
use super::type_views::write_specs;
use super::types::extra_specs;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::group_types as control;
use crate::block_storage::policies::group_types as rules;
use crate::error::Result;
use crate::rest::schema::{Input, Schema};
use crate::rest::{Answer, Call, Reply, Route};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/group_types/{group_type_id}/group_specs", list)
        .since(SINCE)
        .rules(&[&rules::GET_ALL_SPECS])
        .reply(200, Answer::Free)
        .about("List the specs of a group type"),
    Route::post("/group_types/{group_type_id}/group_specs", create)
        .since(SINCE)
        .rules(&[&rules::CREATE_SPECS])
        .body(&SPECS)
        .reply(202, Answer::Free)
        .about("Set specs of a group type"),
    Route::get("/group_types/{group_type_id}/group_specs/{key}", show)
        .since(SINCE)
        .rules(&[&rules::GET_SPEC])
        .reply(200, Answer::Free)
        .about("Show one spec of a group type"),
    Route::put("/group_types/{group_type_id}/group_specs/{key}", update)
        .since(SINCE)
        .rules(&[&rules::UPDATE_SPEC])
        .body(&type_bodies::EXTRA_SPEC)
        .reply(200, Answer::Free)
        .about("Set one spec of a group type"),
    Route::delete("/group_types/{group_type_id}/group_specs/{key}", delete)
        .since(SINCE)
        .rules(&[&rules::DELETE_SPEC])
        .reply(202, Answer::Nothing)
        .about("Delete one spec of a group type"),
];

static SPECS: Schema = Schema::strict(&[Input::new("group_specs", type_bodies::SPECS).required()]);

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let specs = control::group_specs(&caller(call), call.path.value("group_type_id"))?;
    Ok(call.json(|json| json.object(|json| write_specs(specs.iter(), json.key("group_specs")))))
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let specs = extra_specs(call.input("group_specs"));
    control::put_group_specs(&caller(call), call.path.value("group_type_id"), &specs)?;
    Ok(call.json(|json| json.value(&call.body)))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let key = call.path.value("key");
    let value = control::group_spec(&caller(call), call.path.value("group_type_id"), key)?;
    Ok(call.json(|json| json.object(|json| json.key(key).opt_text(value.as_deref()))))
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let value = single(call)?;
    let key = call.path.value("key");
    control::put_group_spec(&caller(call), call.path.value("group_type_id"), key, value.as_deref())?;
    Ok(call.json(|json| json.value(&call.body)))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::delete_group_spec(&caller(call), call.path.value("group_type_id"), call.path.value("key"))?;
    Ok(call.done())
}
