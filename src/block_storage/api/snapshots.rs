//! Snapshots: `/snapshots` (Block Storage API v3, "Volume snapshots").

use serde_json::Value;

use super::selections::{Listed, PAGING, Written};
use super::snapshot_bodies as bodies;
use super::snapshot_views::{self as views, DETAIL, SUMMARY};
use super::volumes::renamed;
use super::{caller, metadata};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::snapshots::{self as control, Change, NewSnapshot};
use crate::block_storage::control::{Authorized, Caller};
use crate::block_storage::model::snapshot::{Snapshot, SnapshotDetails};
use crate::block_storage::model::snapshot_list::COLUMNS;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::{snapshots as rules, volumes as volume_rules};
use crate::error::{Error, Result};
use crate::rest::{Answer, Call, Parameter, Reply, Route, schema};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/snapshots", list)
        .rules(&[&rules::GET_ALL])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("snapshots", &SUMMARY))
        .about("List snapshots in short"),
    Route::get("/snapshots/detail", list_detailed)
        .rules(&[&rules::GET_ALL, &rules::EXTENDED_ATTRIBUTES])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("snapshots", &DETAIL))
        .about("List snapshots in full"),
    Route::post("/snapshots", create)
        .rules(&[&volume_rules::GET, &rules::CREATE])
        .body(&bodies::CREATE)
        .reply(202, Answer::One("snapshot", &DETAIL))
        .about("Create a snapshot of a volume"),
    Route::get("/snapshots/{snapshot_id}", show)
        .rules(&[&rules::GET, &rules::EXTENDED_ATTRIBUTES])
        .reply(200, Answer::One("snapshot", &DETAIL))
        .about("Show a snapshot"),
    Route::put("/snapshots/{snapshot_id}", update)
        .rules(&[&rules::GET, &rules::UPDATE])
        .body(&bodies::UPDATE)
        .reply(200, Answer::One("snapshot", &DETAIL))
        .about("Change name and description of a snapshot"),
    Route::delete("/snapshots/{snapshot_id}", delete)
        .rules(&[&rules::GET, &rules::DELETE])
        .reply(202, Answer::Nothing)
        .about("Delete a snapshot"),
];

const FILTERS: [Parameter; 7] = [
    Parameter::new("all_tenants", "Administrators only: whether snapshots of all projects are listed"),
    Parameter::new("name", "Snapshots of this name"),
    Parameter::new("status", "Snapshots in this status"),
    Parameter::new("volume_id", "Snapshots of this volume"),
    Parameter::new("metadata", "Snapshots with these metadata, as a dictionary").since(22),
    Parameter::new("availability_zone", "Snapshots of volumes in this availability zone").since(31),
    Parameter::new("consumes_quota", "Snapshots that count against the quota, or do not").since(65),
];

const LIST_PARAMETERS: &[Parameter] = &join();

const fn join() -> [Parameter; 14] {
    let mut all = [PAGING[0]; 14];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < PAGING.len() { PAGING[at] } else { FILTERS[at - PAGING.len()] };
        at += 1;
    }
    all
}

const SNAPSHOTS: Listed = Listed {
    resource: "snapshot",
    columns: COLUMNS,
    compares_times: false,
    early: Some(&["name", "status", "volume_id", "metadata"]),
    late: &[("metadata", 22), ("consumes_quota", 65)],
    sorts_by_name: 30,
    counts: true,
};

/// What of snapshots the caller sees in show and detail.
fn shown(caller: &Caller<'_>) -> u32 {
    if caller.allows(&rules::EXTENDED_ATTRIBUTES) { views::EXTENDED } else { 0 }
}

fn id_of(item: &SnapshotDetails) -> &str {
    &item.snapshot.id
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let asked = SNAPSHOTS.read(call)?;
    let (items, count) = control::list(&caller(call), &asked.selection, asked.counted)?;
    let (plural, path) = ("snapshots", "snapshots");
    Ok(Written { plural, path, view: &SUMMARY, items: &items, id: id_of, count, allowed: 0 }.reply(call, &asked.page))
}

fn list_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let asked = SNAPSHOTS.read(call)?;
    let (items, count) = control::list(&caller(call), &asked.selection, asked.counted)?;
    let (plural, path, allowed) = ("snapshots", "snapshots/detail", shown(&caller(call)));
    Ok(Written { plural, path, view: &DETAIL, items: &items, id: id_of, count, allowed }.reply(call, &asked.page))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let snapshot = Authorized::<Snapshot>::load(&caller, call.path.value("snapshot_id"), &[])?;
    let details = control::details(&caller, &snapshot)?;
    Ok(call.one("snapshot", &DETAIL, &details, shown(&caller)))
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("snapshot");
    let new = NewSnapshot {
        name: renamed(body, "name", "display_name").flatten(),
        description: renamed(body, "description", "description").flatten(),
        metadata: body.get("metadata").map(metadata::read).unwrap_or_default(),
        in_use: in_use(call, body)?,
        group_snapshot_id: None,
    };
    let caller = caller(call);
    // Null is a volume that is not there.
    let volume_id = body.get("volume_id").and_then(Value::as_str).unwrap_or("None");
    let volume = Authorized::<Volume>::load(&caller, volume_id, &[])?;
    let details = control::create(&caller, &volume, &new)?;
    Ok(call.one("snapshot", &DETAIL, &details, 0))
}

/// Whether the volume may be attached: before version 3.66 where the caller forces it, from then on always.
fn in_use(call: &Call<'_, BlockStorage>, body: &Value) -> Result<bool> {
    let forced = body.get("force").map(schema::boolean);
    match (call.at_least(66), forced) {
        (false, forced) => Ok(forced.unwrap_or(false)),
        (true, Some(false)) => Err(Error::invalid(
            "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, \
             when the 'force' flag is passed with a value evaluating to True, it is silently ignored.",
        )),
        (true, _) => Ok(true),
    }
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("snapshot");
    let change = Change {
        name: renamed(body, "name", "display_name"),
        description: renamed(body, "description", "display_description"),
    };
    let caller = caller(call);
    let snapshot = Authorized::<Snapshot>::load(&caller, call.path.value("snapshot_id"), &[&rules::UPDATE])?;
    let details = control::update(&caller, &snapshot, &change)?;
    Ok(call.one("snapshot", &DETAIL, &details, 0))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let snapshot = Authorized::<Snapshot>::load(&caller, call.path.value("snapshot_id"), &[&rules::DELETE])?;
    control::delete(&caller, &snapshot, false)?;
    Ok(call.done())
}
