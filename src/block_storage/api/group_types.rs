//! Group types: `/group_types` (Block Storage API v3, "Group types"), from version 3.11 on.

use std::cmp::Ordering;

use super::short_lists::ShortList;
use super::types::{extra_specs, is_public};
use super::{caller, type_bodies};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::Caller;
use crate::block_storage::control::group_types::{self as control, Change, NewType};
use crate::block_storage::model::group_type::GroupType;
use crate::block_storage::policies::group_types as rules;
use crate::config::default::OSAPI_MAX_LIMIT;
use crate::error::{Error, Result};
use crate::rest::schema::{Check, Input, PRINTABLE, Schema};
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Page, Parameter, Reply, Route, schema};

/// The version that brought group types.
pub(super) const SINCE: u16 = 11;

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/group_types", list)
        .since(SINCE)
        .rules(&[&rules::SPECS_ATTRIBUTE])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("group_types", &TYPE))
        .about("List group types"),
    Route::post("/group_types", create)
        .since(SINCE)
        .rules(&[&rules::CREATE])
        .body(&CREATE)
        .reply(202, Answer::One("group_type", &TYPE))
        .about("Create a group type"),
    Route::get("/group_types/default", show_default)
        .since(SINCE)
        .rules(&[&rules::SPECS_ATTRIBUTE])
        .reply(200, Answer::One("group_type", &TYPE))
        .about("Show the configured default group type"),
    Route::get("/group_types/{group_type_id}", show)
        .since(SINCE)
        .rules(&[&rules::SPECS_ATTRIBUTE])
        .reply(200, Answer::One("group_type", &TYPE))
        .about("Show a group type"),
    Route::put("/group_types/{group_type_id}", update)
        .since(SINCE)
        .rules(&[&rules::UPDATE])
        .body(&UPDATE)
        .reply(200, Answer::One("group_type", &TYPE))
        .about("Update a group type"),
    Route::delete("/group_types/{group_type_id}", delete)
        .since(SINCE)
        .rules(&[&rules::DELETE])
        .reply(202, Answer::Nothing)
        .about("Delete a group type"),
];

const LIST_PARAMETERS: &[Parameter] = &[
    Parameter::new("limit", "At most so many items"),
    Parameter::new("marker", "The id of the last item that the caller has seen"),
    Parameter::new("offset", "Items to skip after the marker"),
    Parameter::new("sort", "Keys and directions: name:asc,created_at:desc"),
    Parameter::new("sort_key", "An older form of sort"),
    Parameter::new("sort_dir", "An older form of sort"),
    Parameter::new("is_public", "Administrators only: true, false, or none for both"),
];

/// Create a group type.
static CREATE: Schema = Schema::strict(&[Input::new(
    "group_type",
    Check::Object(&Schema::strict(&[
        Input::new("name", Check::Text(1, 255)).required(),
        Input::new("description", PRINTABLE).nullable(),
        Input::new("is_public", Check::Boolean),
        Input::new("group_specs", type_bodies::NEW_SPECS).nullable(),
    ])),
)
.required()]);

/// Update a group type.
static UPDATE: Schema = Schema::strict(&[Input::new(
    "group_type",
    Check::Object(&Schema::strict(&[
        Input::new("name", Check::Text(0, 255)).nullable(),
        Input::new("description", PRINTABLE).nullable(),
        Input::new("is_public", Check::Boolean),
    ])),
)
.required()]);

/// `group_specs`.
const SPECS: u32 = 1;

type Row = Field<GroupType>;

/// A group type.
static TYPE: View<GroupType> = View {
    name: "GroupType",
    fields: &[
        Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.id)),
        Row::new("name", Shape::Text, |item, _, json| json.text(&item.name)),
        Row::new("description", Shape::Text, |item, _, json| json.opt_text(item.description.as_deref())).nullable(),
        Row::new("is_public", Shape::Bool, |item, _, json| json.bool(item.is_public)),
        Row::new("group_specs", Shape::Map, |item, _, json| {
            super::type_views::write_specs(item.group_specs.iter(), json);
        })
        .needs(SPECS),
    ],
};

fn allowed(caller: &Caller<'_>) -> u32 {
    if caller.allows(&rules::SPECS_ATTRIBUTE) { SPECS } else { 0 }
}

fn one(call: &Call<'_, BlockStorage>, item: &GroupType) -> Reply {
    call.one("group_type", &TYPE, item, allowed(&caller(call)))
}

static LIST: ShortList<GroupType> =
    ShortList { envelope: "group_types", links: "group_type", path: "group_types", view: &TYPE, id: |item| &item.id };

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let page = Page::read(&call.query, call.platform.config.integer(&OSAPI_MAX_LIMIT))?;
    let public = match call.query.last("is_public") {
        Some(text) => is_public(call, text)?,
        None => Some(true),
    };
    let unknown = |id: &str| Error::not_found(format!("Group type {id} could not be found."));
    let found = page.cut(control::list(&caller, public)?, |item| &item.id, compare, unknown)?;
    Ok(LIST.reply(call, &page, &found, allowed(&caller)))
}

fn compare(a: &GroupType, b: &GroupType, key: &str) -> Option<Ordering> {
    Some(match key {
        "id" => a.id.cmp(&b.id),
        "name" => a.name.cmp(&b.name),
        "description" => a.description.cmp(&b.description),
        "is_public" => a.is_public.cmp(&b.is_public),
        "created_at" => a.created_at.cmp(&b.created_at),
        "updated_at" => a.updated_at.cmp(&b.updated_at),
        _ => return None,
    })
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::show(&caller(call), call.path.value("group_type_id"))?;
    Ok(one(call, &found))
}

fn show_default(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::show_default(&caller(call))?;
    Ok(one(call, &found))
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let input = call.input("group_type");
    let name = input["name"].as_str().unwrap_or_default();
    if name.trim().is_empty() {
        return Err(Error::invalid("An invalid 'name' value was provided. The 'name' can not be empty."));
    }
    let specs = extra_specs(&input["group_specs"]);
    let new = NewType {
        name,
        description: input["description"].as_str(),
        is_public: input.get("is_public").is_none_or(schema::boolean),
        group_specs: &specs,
    };
    let made = control::create(&caller(call), new)?;
    Ok(one(call, &made))
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let input = call.input("group_type");
    let change = Change {
        name: input["name"].as_str(),
        description: input["description"].as_str(),
        is_public: input.get("is_public").map(schema::boolean),
    };
    let changed = control::update(&caller(call), call.path.value("group_type_id"), change)?;
    Ok(one(call, &changed))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::delete(&caller(call), call.path.value("group_type_id"))?;
    Ok(call.done())
}
