//! Groups of volumes: `/groups` (Block Storage API v3, "Generic volume groups"), from version 3.13 on.

use serde_json::Value;

use super::group_views::{self as views, DETAIL, SUMMARY};
use super::selections::{Asked, Listed, PAGING, Written};
use super::{caller, flag, group_bodies as bodies};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::group_members::{self, Change};
use crate::block_storage::control::groups::{self as control, NewGroup};
use crate::block_storage::control::{Authorized, Caller};
use crate::block_storage::model::group::{Group, GroupDetails};
use crate::block_storage::model::group_list::GROUPS;
use crate::block_storage::model::selection::{Column, Condition};
use crate::block_storage::policies::groups as rules;
use crate::error::{Error, Result};
use crate::identity::policy::Rule;
use crate::rest::{Answer, Call, Parameter, Reply, Route, python};

/// The version that brought groups.
const SINCE: u16 = 13;
/// The version that lists the volumes of groups.
const VOLUMES: u16 = 25;

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/groups", list)
        .since(SINCE)
        .rules(&[&rules::GET_ALL])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("groups", &SUMMARY))
        .about("List groups in short"),
    Route::get("/groups/detail", list_detailed)
        .since(SINCE)
        .rules(&[&rules::GET_ALL, &rules::PROJECT_ATTRIBUTE])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("groups", &DETAIL))
        .about("List groups in full"),
    Route::post("/groups", create)
        .since(SINCE)
        .rules(&[&rules::CREATE])
        .body(&bodies::CREATE)
        .reply(202, Answer::One("group", &SUMMARY))
        .about("Create a group"),
    Route::get("/groups/{group_id}", show)
        .since(SINCE)
        .rules(&[&rules::GET, &rules::PROJECT_ATTRIBUTE])
        .query(&[LIST_VOLUME])
        .reply(200, Answer::One("group", &DETAIL))
        .about("Show a group"),
    Route::put("/groups/{group_id}", update)
        .since(SINCE)
        .rules(&[&rules::GET, &rules::UPDATE])
        .body(&bodies::UPDATE)
        .reply(202, Answer::Nothing)
        .about("Change name and description of a group, and which volumes are in it"),
];

const LIST_VOLUME: Parameter =
    Parameter::new("list_volume", "Whether the volumes of each group are answered").since(VOLUMES);

const LIST_PARAMETERS: &[Parameter] = &[
    PAGING[0],
    PAGING[1],
    PAGING[2],
    PAGING[3],
    PAGING[4],
    PAGING[5],
    Parameter::new("all_tenants", "Administrators only: whether groups of all projects are listed"),
    Parameter::new("name", "Groups of this name"),
    LIST_VOLUME,
];

/// The list, as the consistency groups read it too.
pub(super) const LISTED: Listed = Listed {
    resource: "group",
    columns: GROUPS,
    compares_times: false,
    early: None,
    late: &[],
    sorts_by_name: 0,
    counts: false,
};

/// What of groups the caller sees in show and detail.
fn shown(caller: &Caller<'_>) -> u32 {
    if caller.allows(&rules::PROJECT_ATTRIBUTE) { views::PROJECT } else { 0 }
}

fn id_of(item: &GroupDetails) -> &str {
    &item.group.id
}

/// Whether the volumes of groups are answered.
fn with_volumes(call: &Call<'_, BlockStorage>) -> Result<bool> {
    Ok(call.at_least(VOLUMES) && flag(call, "list_volume")?)
}

/// What is asked for, without the groups that have an API of their own.
fn asked(call: &Call<'_, BlockStorage>) -> Result<Asked> {
    let mut asked = LISTED.read_except(call, &["list_volume"])?;
    let column: Option<&'static Column> = GROUPS.iter().find(|column| column.name == "group_type_id");
    if let (Some(column), Some(other)) = (column, control::consistency_type(&caller(call))?) {
        asked.selection.conditions.push(Condition::IsNot(column, other));
    }
    Ok(asked)
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let asked = asked(call)?;
    let items = control::list(&caller(call), &asked.selection, false)?;
    let written =
        Written { plural: "groups", path: "groups", view: &SUMMARY, items: &items, id: id_of, count: None, allowed: 0 };
    Ok(written.linked(call, &asked.page, "group"))
}

fn list_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let asked = asked(call)?;
    let items = control::list(&caller(call), &asked.selection, with_volumes(call)?)?;
    let allowed = shown(&caller(call));
    let written =
        Written { plural: "groups", path: "groups", view: &DETAIL, items: &items, id: id_of, count: None, allowed };
    Ok(written.linked(call, &asked.page, "group"))
}

/// The group of the path, which is no consistency group.
pub(super) fn load(call: &Call<'_, BlockStorage>, rules: &[&Rule]) -> Result<Authorized<Group>> {
    let group = Authorized::<Group>::load(&caller(call), call.path.value("group_id"), rules)?;
    refuse_consistency_type(&caller(call), &group.group_type_id)?;
    Ok(group)
}

/// Refuses the type of consistency groups, which have an API of their own.
pub(super) fn refuse_consistency_type(caller: &Caller<'_>, group_type_id: &str) -> Result<()> {
    if control::consistency_type(caller)?.as_deref() != Some(group_type_id) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Group_type {group_type_id} is reserved for migrating CGs to groups. Migrated group can only be operated by CG \
         APIs."
    )))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let group = load(call, &[])?;
    let caller = caller(call);
    let details = control::details(&caller, &group, with_volumes(call)?)?;
    Ok(call.one("group", &DETAIL, &details, shown(&caller)))
}

/// A group in the short form.
pub(super) fn summary(group: Group) -> GroupDetails {
    GroupDetails { group, volume_types: Vec::new(), volumes: None }
}

/// A text without outer blanks; `None` where it is null.
pub(super) fn text(body: &Value, key: &str) -> Option<String> {
    body.get(key).and_then(Value::as_str).map(|text| text.trim().to_owned())
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("group");
    let caller = caller(call);
    let group_type = body.get("group_type").and_then(Value::as_str).unwrap_or_default();
    let group_type = control::resolve_type(&caller, group_type)?;
    refuse_consistency_type(&caller, &group_type.id)?;
    let volume_types = body.get("volume_types").and_then(Value::as_array).into_iter().flatten();
    let new = NewGroup {
        name: text(body, "name"),
        description: text(body, "description"),
        group_type_id: group_type.id,
        volume_types: volume_types.filter_map(Value::as_str).map(str::to_owned).collect(),
        availability_zone: text(body, "availability_zone"),
    };
    let group = control::create(&caller, &new)?;
    Ok(call.one("group", &SUMMARY, &summary(group), 0))
}

/// Ids that are separated by commas.
pub(super) fn ids(body: &Value, key: &str) -> Vec<String> {
    let text = body.get(key).and_then(Value::as_str).unwrap_or_default().trim_matches(',');
    if text.is_empty() { Vec::new() } else { text.split(',').map(str::to_owned).collect() }
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("group");
    let known = ["name", "description", "add_volumes", "remove_volumes"];
    if known.iter().all(|key| body.get(key).is_none()) {
        let text = python::repr(body);
        return Err(Error::invalid(format!(
            "Invalid input for field/attribute group. Value: {text}. {text} is not valid under any of the given schemas"
        )));
    }
    let change = Change {
        name: text(body, "name"),
        description: text(body, "description"),
        add: ids(body, "add_volumes"),
        remove: ids(body, "remove_volumes"),
    };
    let group = load(call, &[&rules::UPDATE])?;
    group_members::update(&caller(call), &group, &change)?;
    Ok(call.done())
}
