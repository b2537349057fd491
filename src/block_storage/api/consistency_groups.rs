//! Consistency groups: `/consistencygroups` (Block Storage API v3, "Consistency groups"), an older form of groups. They are
//! groups of a type of their own; what is not made or listed here works with every group.

use serde_json::{Map, Value};

use super::groups::{LISTED, ids, summary, text};
use super::selections::Written;
use super::{caller, group_views::consistency_group};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::group_copies::{self, Source};
use crate::block_storage::control::group_members::{self, Change};
use crate::block_storage::control::groups::{self as control, NewGroup};
use crate::block_storage::control::{Authorized, group_delete};
use crate::block_storage::model::group::{Group, GroupDetails};
use crate::block_storage::model::group_snapshot::GroupSnapshot;
use crate::block_storage::model::group_type::CONSISTENCY_GROUPS;
use crate::block_storage::policies::groups as rules;
use crate::error::{Error, Result};
use crate::rest::call::read_json;
use crate::rest::schema::{Check, Input, PRINTABLE, Schema, boolean, check};
use crate::rest::view::View;
use crate::rest::{Answer, Call, Parameter, Reply, Route, python};

use consistency_group::{DETAIL, SUMMARY};

const ONE: &str = "/consistencygroups/{consistencygroup_id}";

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/consistencygroups", list)
        .rules(&[&rules::GET_ALL])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("consistencygroups", &SUMMARY))
        .about("List groups in short, in the older form"),
    Route::get("/consistencygroups/detail", list_detailed)
        .rules(&[&rules::GET_ALL])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("consistencygroups", &DETAIL))
        .about("List groups in full, in the older form"),
    Route::post("/consistencygroups", create)
        .rules(&[&rules::CREATE])
        .body(&CREATE)
        .reply(202, Answer::One("consistencygroup", &SUMMARY))
        .about("Create a consistency group"),
    Route::post("/consistencygroups/create_from_src", create_from_source)
        .rules(&[&rules::CREATE, &rules::GET, &rules::GET_SNAPSHOT])
        .body(&CREATE_FROM_SOURCE)
        .reply(202, Answer::One("consistencygroup", &SUMMARY))
        .about("Create a consistency group of another one or of its snapshot"),
    Route::get(ONE, show)
        .rules(&[&rules::GET])
        .reply(200, Answer::One("consistencygroup", &DETAIL))
        .about("Show a group in the older form"),
    Route::put(ONE, update)
        .rules(&[&rules::GET, &rules::UPDATE])
        .body(&UPDATE)
        .reply(202, Answer::Nothing)
        .about("Change a consistency group and which volumes are in it"),
    Route::put("/consistencygroups/{consistencygroup_id}/update", update)
        .rules(&[&rules::GET, &rules::UPDATE])
        .body(&UPDATE)
        .reply(202, Answer::Nothing)
        .about("Change a consistency group and which volumes are in it"),
    Route::post("/consistencygroups/{consistencygroup_id}/delete", delete)
        .rules(&[&rules::GET, &rules::DELETE])
        .raw()
        .reply(202, Answer::Nothing)
        .about("Delete a consistency group, with its volumes where that is asked for"),
    Route::delete(ONE, delete)
        .rules(&[&rules::GET, &rules::DELETE])
        .raw()
        .reply(202, Answer::Nothing)
        .about("Delete a consistency group"),
];

const LIST_PARAMETERS: &[Parameter] = &[
    Parameter::new("limit", "At most so many items"),
    Parameter::new("marker", "The id of the last item that the caller has seen"),
    Parameter::new("offset", "Items to skip after the marker"),
    Parameter::new("sort", "Keys and directions: name:asc,created_at:desc"),
    Parameter::new("sort_key", "An older form of sort"),
    Parameter::new("sort_dir", "An older form of sort"),
    Parameter::new("all_tenants", "Administrators only: whether groups of all projects are listed"),
    Parameter::new("name", "Groups of this name"),
    Parameter::new("status", "Groups in this status"),
];

const NAME: Input = Input::new("name", Check::Text(0, 255)).nullable();
const DESCRIPTION: Input = Input::new("description", PRINTABLE).nullable();

static CREATE: Schema = Schema::open(&[Input::new(
    "consistencygroup",
    Check::Object(&Schema::open(&[
        NAME,
        DESCRIPTION,
        Input::new("volume_types", Check::Text(0, 65_535)).nullable().required(),
        Input::new("availability_zone", Check::Text(0, 255)).nullable(),
    ])),
)
.required()]);

static CREATE_FROM_SOURCE: Schema = Schema::open(&[Input::new(
    "consistencygroup-from-src",
    Check::Object(&Schema::open(&[
        NAME,
        DESCRIPTION,
        // python-cinderclient sends null for the one that is not given.
        Input::new("cgsnapshot_id", Check::Text(0, 65_535)).nullable(),
        Input::new("source_cgid", Check::Text(0, 65_535)).nullable(),
    ])),
)
.required()]);

static UPDATE: Schema = Schema::open(&[Input::new(
    "consistencygroup",
    Check::Object(&Schema::open(&[
        NAME,
        DESCRIPTION,
        Input::new("add_volumes", Check::Text(0, 65_535)).nullable(),
        Input::new("remove_volumes", Check::Text(0, 65_535)).nullable(),
    ])),
)
.required()]);

/// The body of a deletion, where there is one.
static DELETE: Schema = Schema::open(&[Input::new(
    "consistencygroup",
    Check::Object(&Schema::open(&[Input::new("force", Check::Boolean)])),
)
.required()]);

fn written(call: &Call<'_, BlockStorage>, view: &'static View<GroupDetails>) -> Result<Reply> {
    let asked = LISTED.read_leniently(call)?;
    let items = control::list(&caller(call), &asked.selection, false)?;
    let (plural, path) = ("consistencygroups", "consistencygroups");
    let written = Written { plural, path, view, items: &items, id: |item| &item.group.id, count: None, allowed: 0 };
    Ok(written.linked(call, &asked.page, "consistencygroup"))
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    written(call, &SUMMARY)
}

fn list_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    written(call, &DETAIL)
}

fn load(call: &Call<'_, BlockStorage>) -> Result<Authorized<Group>> {
    Authorized::<Group>::load(&caller(call), call.path.value("consistencygroup_id"), &[])
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let group = load(call)?;
    let details = control::details(&caller(call), &group, false)?;
    Ok(call.one("consistencygroup", &DETAIL, &details, 0))
}

/// A name as Python prints it.
fn printed(name: Option<&str>) -> &str {
    name.unwrap_or("None")
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    caller.enforce(&rules::CREATE)?;
    let body = call.input("consistencygroup");
    let name = text(body, "name");
    let types = body.get("volume_types").and_then(Value::as_str).unwrap_or_default().trim_end_matches(',');
    if types.is_empty() {
        let name = printed(name.as_deref());
        let text = format!("volume_types must be provided to create consistency group {name}.");
        return Err(Error::invalid(text));
    }
    let group_type_id = control::consistency_type(&caller)?.ok_or_else(|| {
        Error::invalid(format!(
            "Group type {CONSISTENCY_GROUPS} not found. Rerun migration script to create the default cgsnapshot type."
        ))
    })?;
    let new = NewGroup {
        name,
        description: text(body, "description"),
        group_type_id,
        volume_types: types.split(',').map(str::to_owned).collect(),
        availability_zone: body.get("availability_zone").and_then(Value::as_str).map(str::to_owned),
    };
    let group = control::create(&caller, &new)?;
    Ok(call.one("consistencygroup", &SUMMARY, &summary(group), 0))
}

fn create_from_source(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    caller.enforce(&rules::CREATE)?;
    let body = call.input("consistencygroup-from-src");
    let name = text(body, "name");
    let id = |key: &str| body.get(key).and_then(Value::as_str).filter(|id| !id.is_empty());
    let source = match (id("cgsnapshot_id"), id("source_cgid")) {
        (None, None) => {
            let name = printed(name.as_deref());
            return Err(Error::invalid(format!(
                "Either 'cgsnapshot_id' or 'source_cgid' must be provided to create consistency group {name} from source."
            )));
        }
        (Some(_), Some(_)) => {
            let name = printed(name.as_deref());
            return Err(Error::invalid(format!(
                "Cannot provide both 'cgsnapshot_id' and 'source_cgid' to create consistency group {name} from source."
            )));
        }
        (None, Some(id)) => Source::group(&caller, &Authorized::<Group>::load(&caller, id, &[])?)?,
        (Some(id), None) => Source::snapshot(&caller, &Authorized::<GroupSnapshot>::load(&caller, id, &[])?)?,
    };
    let group = group_copies::create(&caller, name, text(body, "description"), &source)?;
    Ok(call.one("consistencygroup", &SUMMARY, &summary(group), 0))
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let id = call.path.value("consistencygroup_id");
    let group = Authorized::<Group>::load(&caller(call), id, &[&rules::UPDATE])?;
    let body = call.input("consistencygroup");
    let change = Change {
        name: text(body, "name"),
        description: text(body, "description"),
        add: ids(body, "add_volumes"),
        remove: ids(body, "remove_volumes"),
    };
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| call.at_least(6) || !text.is_empty());
    if !given(&change.name) && !given(&change.description) && change.add.is_empty() && change.remove.is_empty() {
        return Err(Error::invalid(if call.at_least(6) {
            "Must specify one or more of the following keys to update: name, description, add_volumes, remove_volumes."
        } else {
            "Name, description, add_volumes, and remove_volumes can not be all empty in the request body."
        }));
    }
    group_members::update(&caller(call), &group, &change)?;
    Ok(call.done())
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let force = force(call)?;
    let id = call.path.value("consistencygroup_id");
    let group = Authorized::<Group>::load(&caller(call), id, &[&rules::DELETE])?;
    group_delete::delete(&caller(call), &group, force)?;
    Ok(call.done())
}

/// Whether the volumes go too. A body need not be there; `{}` and null count as none.
fn force(call: &Call<'_, BlockStorage>) -> Result<bool> {
    let body = read_json(&call.bytes)?.unwrap_or(Value::Null);
    if body.is_null() || body.as_object().is_some_and(Map::is_empty) {
        return Ok(false);
    }
    if check(&DELETE, &body, call.version).is_err() {
        let text = python::repr(&body);
        return Err(Error::invalid(format!("{text} is not valid under any of the given schemas")));
    }
    Ok(body.pointer("/consistencygroup/force").is_some_and(boolean))
}
