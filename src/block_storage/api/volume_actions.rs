//! Actions on volumes: `POST /volumes/{volume_id}/action` (Block Storage API v3, "Volume actions"). Those that move a volume or
//! its content are in `volume_moving.rs`, those of the old attachment protocol in `volume_connections.rs`.

use serde_json::Value;

use super::volume_views::pairs;
use super::{caller, metadata, volume_bodies as bodies};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::volume_actions::{self as control, Reset};
use crate::block_storage::control::volume_delete::{self, How};
use crate::block_storage::control::volume_metadata::{self, Kind, Write, no_image_metadata};
use crate::block_storage::control::volumes::{self, Change};
use crate::block_storage::control::{Authorized, Caller};
use crate::block_storage::model::volume::{Status, Volume};
use crate::block_storage::policies::{volume_actions as rules, volumes as volume_rules};
use crate::error::Result;
use crate::identity::policy::Rule;
use crate::rest::{Answer, Call, Reply, Route, schema};

const PATH: &str = "/volumes/{volume_id}/action";

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::action(PATH, "os-extend", extend)
        .rules(&[&volume_rules::GET, &rules::EXTEND, &rules::EXTEND_ATTACHED])
        .body(&bodies::EXTEND)
        .about("Make a volume larger"),
    Route::action(PATH, "os-set_bootable", set_bootable)
        .rules(&[&volume_rules::GET, &volume_rules::UPDATE])
        .body(&bodies::SET_BOOTABLE)
        .reply(200, Answer::Nothing)
        .about("Say whether machines may start from a volume"),
    Route::action(PATH, "os-update_readonly_flag", update_readonly_flag)
        .rules(&[&volume_rules::GET, &rules::UPDATE_READONLY_FLAG])
        .body(&bodies::UPDATE_READONLY_FLAG)
        .about("Say whether a volume is read-only"),
    Route::action(PATH, "os-reset_status", reset_status)
        .rules(&[&rules::RESET_STATUS])
        .body(&bodies::RESET_STATUS)
        .about("Set the status of a volume without doing anything"),
    Route::action(PATH, "os-force_delete", force_delete)
        .rules(&[&volume_rules::GET, &rules::FORCE_DELETE, &volume_rules::DELETE])
        .about("Delete a volume in any status"),
    Route::action(PATH, "os-reserve", reserve)
        .rules(&[&volume_rules::GET, &rules::RESERVE])
        .about("Reserve a volume for an attachment in the old protocol"),
    Route::action(PATH, "os-unreserve", unreserve)
        .rules(&[&volume_rules::GET, &rules::UNRESERVE])
        .about("End a reservation in the old protocol"),
    Route::action(PATH, "os-begin_detaching", begin_detaching)
        .rules(&[&volume_rules::GET, &rules::BEGIN_DETACHING])
        .about("Begin to detach a volume"),
    Route::action(PATH, "os-roll_detaching", roll_detaching)
        .rules(&[&volume_rules::GET, &rules::ROLL_DETACHING])
        .about("Take the begin of a detachment back"),
    Route::action(PATH, "os-set_image_metadata", set_image_metadata)
        .rules(&[&volume_rules::SET_IMAGE_METADATA, &volume_rules::GET, &volume_rules::UPDATE_METADATA])
        .body(&bodies::SET_IMAGE_METADATA)
        .reply(200, Answer::Free)
        .about("Add to what an image says of a volume"),
    Route::action(PATH, "os-show_image_metadata", show_image_metadata)
        .rules(&[&volume_rules::GET, &volume_rules::GET_METADATA])
        .reply(200, Answer::Free)
        .about("Show what an image says of a volume"),
    Route::action(PATH, "os-unset_image_metadata", unset_image_metadata)
        .rules(&[
            &volume_rules::REMOVE_IMAGE_METADATA,
            &volume_rules::GET,
            &volume_rules::GET_METADATA,
            &volume_rules::DELETE_METADATA,
        ])
        .body(&bodies::UNSET_IMAGE_METADATA)
        .reply(200, Answer::Nothing)
        .about("Remove something that an image says of a volume"),
];

fn load(call: &Call<'_, BlockStorage>, rules: &[&Rule]) -> Result<Authorized<Volume>> {
    Authorized::<Volume>::load(&caller(call), call.path.value("volume_id"), rules)
}

fn extend(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let size = call.input("os-extend").get("new_size").and_then(schema::integer).unwrap_or_default();
    let volume = load(call, &[])?;
    let attached = call.at_least(42) && volume.status == Status::InUse;
    let caller = caller(call);
    volume.check(&caller, if attached { &rules::EXTEND_ATTACHED } else { &rules::EXTEND })?;
    control::extend(&caller, &volume, size, attached)?;
    Ok(call.done())
}

fn set_bootable(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let bootable = call.input("os-set_bootable").get("bootable").is_some_and(schema::boolean);
    let volume = load(call, &[&volume_rules::UPDATE])?;
    volumes::update(&caller(call), &volume, &Change { bootable: Some(bootable), ..Change::default() })?;
    Ok(call.done())
}

fn update_readonly_flag(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let readonly = call.input("os-update_readonly_flag").get("readonly").is_some_and(schema::boolean);
    let volume = load(call, &[&rules::UPDATE_READONLY_FLAG])?;
    control::update_readonly_flag(&caller(call), &volume, readonly)?;
    Ok(call.done())
}

fn reset_status(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("os-reset_status");
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let reset = Reset::read(text("status"), text("attach_status"), text("migration_status"))?;
    let caller = caller(call);
    let volume = Authorized::<Volume>::load_unseen(&caller, call.path.value("volume_id"), &rules::RESET_STATUS)?;
    control::reset_status(&caller, &volume, &reset)?;
    Ok(call.done())
}

fn force_delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let volume = load(call, &[&rules::FORCE_DELETE, &volume_rules::DELETE])?;
    volume_delete::delete(&caller(call), &volume, How { force: true, ..How::default() })?;
    Ok(call.done())
}

/// A move that asks one rule and reads no body.
fn plain(
    call: &Call<'_, BlockStorage>,
    rule: &Rule,
    act: fn(&Caller<'_>, &Authorized<Volume>) -> Result<()>,
) -> Result<Reply> {
    let volume = load(call, &[rule])?;
    act(&caller(call), &volume)?;
    Ok(call.done())
}

fn reserve(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    plain(call, &rules::RESERVE, control::reserve)
}

fn unreserve(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    plain(call, &rules::UNRESERVE, control::unreserve)
}

fn begin_detaching(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    plain(call, &rules::BEGIN_DETACHING, control::begin_detaching)
}

fn roll_detaching(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    plain(call, &rules::ROLL_DETACHING, control::roll_detaching)
}

fn set_image_metadata(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let new = metadata::read(call.input("os-set_image_metadata").get("metadata").unwrap_or(&Value::Null));
    let rules: [&Rule; 2] = [&volume_rules::SET_IMAGE_METADATA, &volume_rules::UPDATE_METADATA];
    let which = (call.path.value("volume_id"), &rules[..]);
    let all = volume_metadata::write(&caller(call), which, Kind::Image, Write::Merge, &new, None)?;
    Ok(call.json(|json| json.object(|json| pairs(&all, json.key("metadata")))))
}

fn show_image_metadata(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let volume = load(call, &[&volume_rules::GET_METADATA])?;
    let all = volume_metadata::all(&caller(call), &volume, Kind::Image)?;
    if all.is_empty() {
        return Err(no_image_metadata(&volume.id));
    }
    Ok(call.json(|json| json.object(|json| pairs(&all, json.key("metadata")))))
}

fn unset_image_metadata(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let key = call.input("os-unset_image_metadata").get("key").and_then(Value::as_str).unwrap_or_default();
    let rules = [&volume_rules::REMOVE_IMAGE_METADATA, &volume_rules::GET_METADATA, &volume_rules::DELETE_METADATA];
    let which = (call.path.value("volume_id"), &rules[..]);
    volume_metadata::remove(&caller(call), which, Kind::Image, key)?;
    Ok(call.done())
}
