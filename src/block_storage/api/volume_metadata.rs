//! Metadata of volumes: `/volumes/{volume_id}/metadata` (Block Storage API v3, "Volume metadata"). From version 3.15 on
//! an ETag keeps two writers from undoing each other's work.

use super::volume_views::pairs;
use super::{caller, metadata};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::Authorized;
use crate::block_storage::control::volume_metadata::{self as control, Kind, Write};
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::volumes as rules;
use crate::error::Result;
use crate::identity::policy::Rule;
use crate::rest::{Answer, Call, Reply, Route};

const ALL: &str = "/volumes/{volume_id}/metadata";
const ONE: &str = "/volumes/{volume_id}/metadata/{key}";
/// The version that knows the ETag.
const TAGGED: u16 = 15;

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get(ALL, list)
        .rules(&[&rules::GET, &rules::GET_METADATA])
        .reply(200, Answer::Free)
        .about("List the metadata of a volume"),
    Route::post(ALL, merge)
        .rules(&[&rules::GET, &rules::CREATE_METADATA])
        .body(&metadata::VOLUME_ALL)
        .reply(200, Answer::Free)
        .about("Add metadata to a volume"),
    Route::put(ALL, replace)
        .rules(&[&rules::GET, &rules::UPDATE_METADATA])
        .body(&metadata::VOLUME_ALL)
        .reply(200, Answer::Free)
        .about("Replace the metadata of a volume"),
    Route::get(ONE, show)
        .rules(&[&rules::GET, &rules::GET_METADATA])
        .reply(200, Answer::Free)
        .about("Show one of the metadata of a volume"),
    Route::put(ONE, set)
        .rules(&[&rules::GET, &rules::UPDATE_METADATA])
        .body(&metadata::VOLUME_ONE)
        .reply(200, Answer::Free)
        .about("Set one of the metadata of a volume"),
    Route::delete(ONE, remove)
        .rules(&[&rules::GET, &rules::DELETE_METADATA])
        .reply(200, Answer::Nothing)
        .about("Remove one of the metadata of a volume"),
];

fn volume(call: &Call<'_, BlockStorage>, rule: &Rule) -> Result<Authorized<Volume>> {
    Authorized::<Volume>::load(&caller(call), call.path.value("volume_id"), &[rule])
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let volume = volume(call, &rules::GET_METADATA)?;
    let body = metadata::body(&control::all(&caller(call), &volume, Kind::Owner)?);
    let tag = metadata::etag(&body);
    let reply = Reply { body: body.into(), ..call.done() };
    Ok(if call.at_least(TAGGED) { reply.header("Etag", tag) } else { reply })
}

fn merge(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let new = metadata::read(call.input("metadata"));
    let which = (call.path.value("volume_id"), &[&rules::CREATE_METADATA][..]);
    let all = control::write(&caller(call), which, Kind::Owner, Write::Merge, &new, None)?;
    Ok(call.json(|json| json.object(|json| pairs(&all, json.key("metadata")))))
}

fn replace(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let new = metadata::read(call.input("metadata"));
    let which = (call.path.value("volume_id"), &[&rules::UPDATE_METADATA][..]);
    let all = write(call, which, Write::Replace, &new)?;
    Ok(call.json(|json| json.object(|json| pairs(&all, json.key("metadata")))))
}

/// Writes where the caller's `If-Match` is the tag of the metadata as they are.
fn write(
    call: &Call<'_, BlockStorage>,
    which: (&str, &[&Rule]),
    how: Write,
    new: &[(String, String)],
) -> Result<Vec<(String, String)>> {
    let tag = call.request.header("if-match").filter(|_| call.at_least(TAGGED));
    let unchanged = |present: &[(String, String)]| metadata::check_if_match(tag, present);
    control::write(&caller(call), which, Kind::Owner, how, new, tag.is_some().then_some(&unchanged))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let volume = volume(call, &rules::GET_METADATA)?;
    let key = call.path.value("key");
    let value = control::one(&caller(call), &volume, key)?;
    Ok(call.json(|json| json.object(|json| pairs(&[(key.to_owned(), value)], json.key("meta")))))
}

fn set(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let new = match metadata::read_one(call.input("meta"), call.path.value("key")) {
        Ok(new) => [new],
        // Who may not see the volume learns that first, and only then what is wrong with the body.
        Err(wrong) => return volume(call, &rules::UPDATE_METADATA).and(Err(wrong)),
    };
    let which = (call.path.value("volume_id"), &[&rules::UPDATE_METADATA][..]);
    write(call, which, Write::Merge, &new)?;
    Ok(call.json(|json| json.object(|json| pairs(&new, json.key("meta")))))
}

fn remove(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let which = (call.path.value("volume_id"), &[&rules::DELETE_METADATA][..]);
    control::remove(&caller(call), which, Kind::Owner, call.path.value("key"))?;
    Ok(call.done())
}
