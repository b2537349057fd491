//! Default types of projects: `/default-types`, from version 3.62 on (Block Storage API v3, "Default volume types").

use super::caller;
use super::type_bodies as bodies;
use super::type_views::DEFAULT_TYPE;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::default_types::{self as control, KnownProject};
use crate::block_storage::policies::types as rules;
use crate::error::{Error, Result};
use crate::identity::policy::Rule;
use crate::rest::{Answer, Call, Reply, Route};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/default-types", list)
        .since(62)
        .rules(&[&rules::GET_ALL_DEFAULTS])
        .reply(200, Answer::Many("default_types", &DEFAULT_TYPE))
        .about("List the default types of projects"),
    Route::get("/default-types/{project}", show)
        .since(62)
        .rules(&[&rules::GET_DEFAULT])
        .reply(200, Answer::One("default_type", &DEFAULT_TYPE))
        .about("Show the default type of a project"),
    Route::put("/default-types/{project}", set)
        .since(62)
        .rules(&[&rules::SET_DEFAULT])
        .body(&bodies::DEFAULT_TYPE)
        .reply(200, Answer::One("default_type", &DEFAULT_TYPE))
        .about("Set the default type of a project"),
    Route::delete("/default-types/{project}", unset)
        .since(62)
        .rules(&[&rules::UNSET_DEFAULT])
        .reply(204, Answer::Nothing)
        .about("Take the default type of a project away"),
];

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::list(&caller(call))?;
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("default_types")
                .array(|json| found.iter().for_each(|item| DEFAULT_TYPE.object(item, &viewer, json)));
        });
    }))
}

/// The project of the path, if the row's rule lets the caller and Keystone knows it.
fn project<'a>(call: &'a Call<'_, BlockStorage>, rule: &Rule) -> Result<KnownProject<'a>> {
    let id = call.path.value("project");
    control::project(&caller(call), rule, id, || call.platform.authenticate.has_project(call.request, id))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::show(&caller(call), &project(call, &rules::GET_DEFAULT)?)?;
    Ok(call.one("default_type", &DEFAULT_TYPE, &found, 0))
}

fn set(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let wanted = call.input("default_type")["volume_type"].as_str().unwrap_or_default();
    if wanted.trim().is_empty() {
        return Err(Error::invalid("An invalid 'name' value was provided. The 'name' can not be empty."));
    }
    let set = control::set(&caller(call), &project(call, &rules::SET_DEFAULT)?, wanted)?;
    Ok(call.one("default_type", &DEFAULT_TYPE, &set, 0))
}

fn unset(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::unset(&caller(call), &project(call, &rules::UNSET_DEFAULT)?)?;
    Ok(call.done())
}
