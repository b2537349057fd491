//! Snapshots of groups: `/group_snapshots` (Block Storage API v3, "Group snapshots"), from version 3.14 on.

use serde_json::Value;

use super::selections::{Asked, Listed, PAGING, Written};
use super::{caller, group_bodies as bodies};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::{Authorized, Caller, group_snapshots as control, groups};
use crate::block_storage::model::group::Group;
use crate::block_storage::model::group_list::GROUP_SNAPSHOTS;
use crate::block_storage::model::group_snapshot::{GroupSnapshot, Status};
use crate::block_storage::model::selection::{Column, Condition};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::policies::groups as rules;
use crate::error::{Error, Result};
use crate::identity::policy::Rule;
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Parameter, Reply, Route};

/// The version that brought group snapshots.
const SINCE: u16 = 14;
/// The version that pages and filters lists.
const PAGED: u16 = 29;

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/group_snapshots", list)
        .since(SINCE)
        .rules(&[&rules::GET_ALL_SNAPSHOTS])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("group_snapshots", &SUMMARY))
        .about("List group snapshots in short"),
    Route::get("/group_snapshots/detail", list_detailed)
        .since(SINCE)
        .rules(&[&rules::GET_ALL_SNAPSHOTS, &rules::SNAPSHOT_PROJECT_ATTRIBUTE])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("group_snapshots", &DETAIL))
        .about("List group snapshots in full"),
    Route::post("/group_snapshots", create)
        .since(SINCE)
        .rules(&[&rules::GET, &rules::CREATE_SNAPSHOT])
        .body(&bodies::CREATE_SNAPSHOT)
        .reply(202, Answer::One("group_snapshot", &CREATED))
        .about("Create a snapshot of a group"),
    Route::get("/group_snapshots/{group_snapshot_id}", show)
        .since(SINCE)
        .rules(&[&rules::GET_SNAPSHOT, &rules::SNAPSHOT_PROJECT_ATTRIBUTE])
        .reply(200, Answer::One("group_snapshot", &DETAIL))
        .about("Show a group snapshot"),
    Route::delete("/group_snapshots/{group_snapshot_id}", delete)
        .since(SINCE)
        .rules(&[&rules::GET_SNAPSHOT, &rules::DELETE_SNAPSHOT])
        .reply(202, Answer::Nothing)
        .about("Delete a group snapshot with its snapshots"),
    Route::action("/group_snapshots/{group_snapshot_id}/action", "reset_status", reset_status)
        .since(19)
        .rules(&[&rules::GET_SNAPSHOT, &rules::RESET_SNAPSHOT_STATUS])
        .body(&bodies::RESET_STATUS)
        .about("Set the status of a group snapshot without doing anything"),
];

const LIST_PARAMETERS: &[Parameter] = &[
    PAGING[0].since(PAGED),
    PAGING[1].since(PAGED),
    PAGING[2].since(PAGED),
    PAGING[3].since(PAGED),
    PAGING[4].since(PAGED),
    PAGING[5].since(PAGED),
    Parameter::new("all_tenants", "Administrators only: whether group snapshots of all projects are listed")
        .since(PAGED),
    Parameter::new("name", "Group snapshots of this name").since(PAGED),
    Parameter::new("status", "Group snapshots in this status").since(PAGED),
    Parameter::new("group_id", "Snapshots of this group").since(PAGED),
];

/// The list, as the snapshots of consistency groups read it too.
pub(super) const LISTED: Listed = Listed {
    resource: "group_snapshot",
    columns: GROUP_SNAPSHOTS,
    compares_times: false,
    early: None,
    late: &[],
    sorts_by_name: 0,
    counts: false,
};

/// `project_id`.
const PROJECT: u32 = 1;

type Row = Field<GroupSnapshot>;

const ID: Row = Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.id));
const NAME: Row = Row::new("name", Shape::Text, |item, _, json| json.opt_text(item.name.as_deref())).nullable();
const TYPE: Row = Row::new("group_type_id", Shape::Uuid, |item, _, json| json.text(&item.group_type_id));

/// The short form of lists.
static SUMMARY: View<GroupSnapshot> = View { name: "GroupSnapshotSummary", fields: &[ID, NAME] };

/// The form of a new one.
static CREATED: View<GroupSnapshot> = View { name: "GroupSnapshotCreated", fields: &[ID, NAME, TYPE] };

/// The whole form.
static DETAIL: View<GroupSnapshot> = View {
    name: "GroupSnapshot",
    fields: &[
        ID,
        Row::new("group_id", Shape::Uuid, |item, _, json| json.text(&item.group_id)),
        TYPE,
        Row::new("status", Shape::Text, |item, _, json| json.text(item.status.name())),
        Row::new("created_at", Shape::Time, |item, _, json| json.opt_time(item.created_at)),
        NAME,
        Row::new("description", Shape::Text, |item, _, json| json.opt_text(item.description.as_deref())).nullable(),
        Row::new("project_id", Shape::Text, |item, _, json| json.text(&item.project_id)).since(58).needs(PROJECT),
    ],
};

fn shown(caller: &Caller<'_>) -> u32 {
    if caller.allows(&rules::SNAPSHOT_PROJECT_ATTRIBUTE) { PROJECT } else { 0 }
}

/// What is asked for, without what has an API of its own.
fn asked(call: &Call<'_, BlockStorage>) -> Result<Asked> {
    let mut asked = if call.at_least(PAGED) { LISTED.read(call)? } else { LISTED.whole(call)? };
    let column: Option<&'static Column> = GROUP_SNAPSHOTS.iter().find(|column| column.name == "group_type_id");
    if let (Some(column), Some(other)) = (column, groups::consistency_type(&caller(call))?) {
        asked.selection.conditions.push(Condition::IsNot(column, other));
    }
    Ok(asked)
}

fn written(call: &Call<'_, BlockStorage>, view: &'static View<GroupSnapshot>, allowed: u32) -> Result<Reply> {
    let asked = asked(call)?;
    let items = control::list(&caller(call), &asked.selection)?;
    let (plural, path) = ("group_snapshots", "group_snapshots");
    let written = Written { plural, path, view, items: &items, id: |item| &item.id, count: None, allowed };
    Ok(written.linked(call, &asked.page, "group_snapshot"))
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    written(call, &SUMMARY, 0)
}

fn list_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    written(call, &DETAIL, shown(&caller(call)))
}

/// Refuses the type of consistency groups, whose snapshots have an API of their own.
fn refuse_consistency_type(caller: &Caller<'_>, group_type_id: &str) -> Result<()> {
    if groups::consistency_type(caller)?.as_deref() != Some(group_type_id) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Group_type {group_type_id} is reserved for migrating CGs to groups. Migrated group snapshots can only be operated \
         by CG snapshot APIs."
    )))
}

fn load(call: &Call<'_, BlockStorage>, rules: &[&Rule]) -> Result<Authorized<GroupSnapshot>> {
    let caller = caller(call);
    let found = Authorized::<GroupSnapshot>::load(&caller, call.path.value("group_snapshot_id"), rules)?;
    refuse_consistency_type(&caller, &found.group_type_id)?;
    Ok(found)
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = load(call, &[])?;
    Ok(call.one("group_snapshot", &DETAIL, &found, shown(&caller(call))))
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("group_snapshot");
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let caller = caller(call);
    let group = Authorized::<Group>::load(&caller, &text("group_id").unwrap_or_default(), &[&rules::CREATE_SNAPSHOT])?;
    refuse_consistency_type(&caller, &group.group_type_id)?;
    let made = control::create(&caller, &group, text("name"), text("description"))?;
    Ok(call.one("group_snapshot", &CREATED, &made, 0))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = load(call, &[&rules::DELETE_SNAPSHOT])?;
    control::delete(&caller(call), &found)?;
    Ok(call.done())
}

fn reset_status(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let given = call.input("reset_status").get("status").and_then(Value::as_str).unwrap_or_default();
    let status = read_status(given)?;
    let caller = caller(call);
    let id = call.path.value("group_snapshot_id");
    let found = Authorized::<GroupSnapshot>::load(&caller, id, &[&rules::RESET_SNAPSHOT_STATUS])?;
    control::reset_status(&caller, &found, status)?;
    Ok(call.done())
}

/// Reads a status that an operator may set, in any case.
fn read_status(given: &str) -> Result<Status> {
    let refused = |why: String| Error::invalid(format!("Invalid GroupSnapshot Status: {why}"));
    if given.trim().is_empty() {
        return Err(refused("The 'status' can not be empty.".to_owned()));
    }
    Status::parse(&given.to_lowercase()).ok_or_else(|| {
        let all: Vec<String> = Status::ALL.iter().map(|status| format!("'{status}'")).collect();
        refused(format!("Group snapshot status: {given} is invalid, valid statuses are: ({}).", all.join(", ")))
    })
}
