//! Metadata of snapshots: `/snapshots/{snapshot_id}/metadata` (Block Storage API v3, "Snapshot metadata").

use super::volume_views::pairs;
use super::{caller, metadata};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::Authorized;
use crate::block_storage::control::snapshot_metadata as control;
use crate::block_storage::control::volume_metadata::Write;
use crate::block_storage::model::snapshot::Snapshot;
use crate::block_storage::policies::snapshots as rules;
use crate::error::Result;
use crate::identity::policy::Rule;
use crate::rest::{Answer, Call, Reply, Route};

const ALL: &str = "/snapshots/{snapshot_id}/metadata";
const ONE: &str = "/snapshots/{snapshot_id}/metadata/{key}";

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get(ALL, list)
        .rules(&[&rules::GET, &rules::GET_METADATA])
        .reply(200, Answer::Free)
        .about("List the metadata of a snapshot"),
    Route::post(ALL, merge)
        .rules(&[&rules::GET, &rules::UPDATE_METADATA])
        .body(&metadata::SNAPSHOT_ALL)
        .reply(200, Answer::Free)
        .about("Add metadata to a snapshot"),
    Route::put(ALL, replace)
        .rules(&[&rules::GET, &rules::UPDATE_METADATA])
        .body(&metadata::SNAPSHOT_ALL)
        .reply(200, Answer::Free)
        .about("Replace the metadata of a snapshot"),
    Route::get(ONE, show)
        .rules(&[&rules::GET, &rules::GET_METADATA])
        .reply(200, Answer::Free)
        .about("Show one of the metadata of a snapshot"),
    Route::put(ONE, set)
        .rules(&[&rules::GET, &rules::UPDATE_METADATA])
        .body(&metadata::SNAPSHOT_ONE)
        .reply(200, Answer::Free)
        .about("Set one of the metadata of a snapshot"),
    Route::delete(ONE, remove)
        .rules(&[&rules::GET, &rules::DELETE_METADATA])
        .reply(200, Answer::Nothing)
        .about("Remove one of the metadata of a snapshot"),
];

fn snapshot(call: &Call<'_, BlockStorage>, rule: &Rule) -> Result<Authorized<Snapshot>> {
    Authorized::<Snapshot>::load(&caller(call), call.path.value("snapshot_id"), &[rule])
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let snapshot = snapshot(call, &rules::GET_METADATA)?;
    let all = control::all(&caller(call), &snapshot)?;
    Ok(call.json(|json| json.object(|json| pairs(&all, json.key("metadata")))))
}

fn merge(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    write_all(call, Write::Merge)
}

fn replace(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    write_all(call, Write::Replace)
}

fn write_all(call: &Call<'_, BlockStorage>, how: Write) -> Result<Reply> {
    let snapshot = snapshot(call, &rules::UPDATE_METADATA)?;
    let all = control::write(&caller(call), &snapshot, how, &metadata::read(call.input("metadata")))?;
    Ok(call.json(|json| json.object(|json| pairs(&all, json.key("metadata")))))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let snapshot = snapshot(call, &rules::GET_METADATA)?;
    let key = call.path.value("key");
    let value = control::one(&caller(call), &snapshot, key)?;
    Ok(call.json(|json| json.object(|json| pairs(&[(key.to_owned(), value)], json.key("meta")))))
}

fn set(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let snapshot = snapshot(call, &rules::UPDATE_METADATA)?;
    let new = [metadata::read_one(call.input("meta"), call.path.value("key"))?];
    control::write(&caller(call), &snapshot, Write::Merge, &new)?;
    Ok(call.json(|json| json.object(|json| pairs(&new, json.key("meta")))))
}

fn remove(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let snapshot = snapshot(call, &rules::DELETE_METADATA)?;
    control::remove(&caller(call), &snapshot, call.path.value("key"))?;
    Ok(call.done())
}
