//! Volume types and the access lists of private ones: `/types` (Block Storage API v3, "Volume types").

use std::cmp::Ordering;

use serde_json::Value;

use super::short_lists::ShortList;
use super::type_bodies as bodies;
use super::type_views::{self as views, ACCESS, ACCESS_ITEM, ALL_EXTRA_SPECS, EXTRA_SPECS, QOS_SPECS, TYPE};
use super::{caller, list_filters};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::Caller;
use crate::block_storage::control::types::{self as control, Change, Filter, NewType};
use crate::block_storage::model::volume_type::VolumeType;
use crate::block_storage::policies::types as rules;
use crate::config::default::OSAPI_MAX_LIMIT;
use crate::error::{Error, Result};
use crate::rest::{Answer, Call, Page, Parameter, Reply, Route, python, query, schema};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/types", list)
        .rules(&[
            &rules::GET_ALL,
            &rules::EXTRA_SPECS_ATTRIBUTE,
            &rules::READ_SENSITIVE_EXTRA_SPECS,
            &rules::QOS_SPECS_ATTRIBUTE,
            &rules::ACCESS_ATTRIBUTE,
        ])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("volume_types", &TYPE))
        .about("List volume types"),
    Route::post("/types", create)
        .rules(&[&rules::CREATE])
        .body(&bodies::CREATE)
        .reply(200, Answer::One("volume_type", &TYPE))
        .about("Create a volume type"),
    Route::get("/types/default", show_default)
        .rules(&[&rules::GET])
        .reply(200, Answer::One("volume_type", &TYPE))
        .about("Show the type of volumes that name none"),
    Route::get("/types/{type_id}", show)
        .rules(&[&rules::GET])
        .reply(200, Answer::One("volume_type", &TYPE))
        .about("Show a volume type"),
    Route::put("/types/{type_id}", update)
        .rules(&[&rules::UPDATE])
        .body(&bodies::UPDATE)
        .reply(200, Answer::One("volume_type", &TYPE))
        .about("Update a volume type"),
    Route::delete("/types/{type_id}", delete)
        .rules(&[&rules::DELETE])
        .reply(202, Answer::Nothing)
        .about("Delete a volume type"),
    Route::get("/types/{type_id}/os-volume-type-access", access_list)
        .rules(&[&rules::GET_ALL_ACCESS])
        .reply(200, Answer::Many("volume_type_access", &ACCESS_ITEM))
        .about("List the projects that may use a private volume type"),
    Route::action("/types/{type_id}/action", "addProjectAccess", add_access)
        .rules(&[&rules::ADD_ACCESS])
        .body(&bodies::ADD_ACCESS)
        .about("Let a project use a private volume type"),
    Route::action("/types/{type_id}/action", "removeProjectAccess", remove_access)
        .rules(&[&rules::REMOVE_ACCESS])
        .body(&bodies::REMOVE_ACCESS)
        .about("No longer let a project use a private volume type"),
];

const LIST_PARAMETERS: &[Parameter] = &[
    Parameter::new("limit", "At most so many items"),
    Parameter::new("marker", "The id of the last item that the caller has seen"),
    Parameter::new("offset", "Items to skip after the marker"),
    Parameter::new("sort", "Keys and directions: name:asc,created_at:desc"),
    Parameter::new("sort_key", "An older form of sort"),
    Parameter::new("sort_dir", "An older form of sort"),
    Parameter::new("is_public", "Administrators only: true, false, or none for both"),
    Parameter::new("extra_specs", "Extra specs that the types must have, as a dictionary").since(52),
];

/// What of a type the caller sees.
fn allowed(caller: &Caller<'_>) -> u32 {
    let bits = [
        (&rules::EXTRA_SPECS_ATTRIBUTE, EXTRA_SPECS),
        (&rules::READ_SENSITIVE_EXTRA_SPECS, ALL_EXTRA_SPECS),
        (&rules::QOS_SPECS_ATTRIBUTE, QOS_SPECS),
        (&rules::ACCESS_ATTRIBUTE, ACCESS),
    ];
    bits.into_iter().filter(|(rule, _)| caller.allows(rule)).map(|(_, bit)| bit).sum()
}

fn one(call: &Call<'_, BlockStorage>, item: &VolumeType) -> Reply {
    call.one("volume_type", &TYPE, item, allowed(&caller(call)))
}

/// As [`one`], without what only some answers show: Cinder adds it to those of `GET` alone.
fn one_without(call: &Call<'_, BlockStorage>, item: &VolumeType, hidden: u32) -> Reply {
    call.one("volume_type", &TYPE, item, allowed(&caller(call)) & !hidden)
}

static LIST: ShortList<VolumeType> =
    ShortList { envelope: "volume_types", links: "volume_type", path: "types", view: &TYPE, id: |item| &item.id };

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let page = Page::read(&call.query, call.platform.config.integer(&OSAPI_MAX_LIMIT))?;
    let found = control::list(&caller, &filter(call)?)?;
    let found = page.cut(
        found,
        |item| &item.id,
        compare,
        |id| Error::not_found(format!("Volume type {id} could not be found.")),
    )?;
    Ok(LIST.reply(call, &page, &found, allowed(&caller)))
}

fn compare(a: &VolumeType, b: &VolumeType, key: &str) -> Option<Ordering> {
    Some(match key {
        "id" => a.id.cmp(&b.id),
        "name" => a.name.cmp(&b.name),
        "description" => a.description.cmp(&b.description),
        "is_public" => a.is_public.cmp(&b.is_public),
        "qos_specs_id" => a.qos_specs_id.cmp(&b.qos_specs_id),
        "created_at" => a.created_at.cmp(&b.created_at),
        "updated_at" => a.updated_at.cmp(&b.updated_at),
        _ => return None,
    })
}

/// The filters of a list. Others than administrators filter by extra specs from 3.52 on, and by nothing else.
fn filter(call: &Call<'_, BlockStorage>) -> Result<Filter> {
    let mut filter = Filter { is_public: Some(true), ..Filter::default() };
    for (name, value) in list_filters::read(call, "volume_type", 52, Some(&["is_public"]), &[])? {
        match name.as_str() {
            "is_public" => filter.is_public = is_public(call, &value)?,
            "extra_specs" => {
                let specs = python::dictionary(&value).ok_or_else(|| {
                    Error::invalid(format!("Invalid input received: extra_specs is no dictionary: {value}"))
                })?;
                filter.extra_specs.extend(specs);
            }
            _ => filter.columns.push((name, value)),
        }
    }
    Ok(filter)
}

/// Whether a list shows public types, private ones, or both; others than administrators see public ones.
pub(super) fn is_public(call: &Call<'_, BlockStorage>, text: &str) -> Result<Option<bool>> {
    match text.trim() {
        _ if !call.context.is_admin => Ok(Some(true)),
        none if none.eq_ignore_ascii_case("none") => Ok(None),
        other => match query::boolean(other) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::invalid(format!("Invalid is_public filter [{text}]"))),
        },
    }
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::show(&caller(call), call.path.value("type_id"))?;
    Ok(one(call, &found))
}

fn show_default(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::show_default(&caller(call))?;
    Ok(one_without(call, &found, ACCESS))
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let input = call.input("volume_type");
    let name = input["name"].as_str().unwrap_or_default();
    if name.trim().is_empty() {
        return Err(Error::invalid("An invalid 'name' value was provided. The 'name' can not be empty."));
    }
    let specs = extra_specs(&input["extra_specs"]);
    let new = NewType {
        name,
        description: input["description"].as_str(),
        is_public: input.get("os-volume-type-access:is_public").is_none_or(schema::boolean),
        extra_specs: &specs,
    };
    let made = control::create(&caller(call), new)?;
    Ok(one_without(call, &made, QOS_SPECS))
}

/// Extra specs of a body.
pub(super) fn extra_specs(value: &Value) -> Vec<(String, Option<String>)> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned))).collect()
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let input = call.input("volume_type");
    let change = Change {
        name: input["name"].as_str(),
        description: input["description"].as_str(),
        is_public: input.get("is_public").map(schema::boolean),
    };
    let caller = caller(call);
    let changed = control::update(&caller, call.path.value("type_id"), change)?;
    Ok(one_without(call, &changed, QOS_SPECS | ACCESS))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::delete(&caller(call), call.path.value("type_id"))?;
    Ok(call.done())
}

fn access_list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let id = call.path.value("type_id");
    let projects = control::access_list(&caller(call), id)?;
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("volume_type_access").array(|json| {
                for project in projects {
                    views::ACCESS_ITEM.object(&(id.to_owned(), project), &viewer, json);
                }
            });
        });
    }))
}

fn add_access(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let project = call.input("addProjectAccess")["project"].as_str().unwrap_or_default();
    control::add_access(&caller(call), call.path.value("type_id"), project)?;
    Ok(call.done())
}

fn remove_access(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let project = call.input("removeProjectAccess")["project"].as_str().unwrap_or_default();
    control::remove_access(&caller(call), call.path.value("type_id"), project)?;
    Ok(call.done())
}
