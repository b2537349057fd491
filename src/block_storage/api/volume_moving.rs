//! Actions that move a volume's content, or the volume itself: `revert`, `os-retype`, `os-migrate_volume` and their kin at
//! `POST /volumes/{volume_id}/action` (Block Storage API v3, "Volume actions").

use serde_json::Value;

use super::{caller, volume_bodies as bodies};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::refusals::invalid_input;
use crate::block_storage::control::volume_delete::{self, How};
use crate::block_storage::control::volume_migration::{self, Migration, Place};
use crate::block_storage::control::{Authorized, volume_extension, volume_moving as control, volume_retyping};
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::{volume_actions as rules, volumes as volume_rules};
use crate::error::Result;
use crate::rest::schema::{self, Check, Input, Schema};
use crate::rest::{Answer, Call, Reply, Route};

const PATH: &str = "/volumes/{volume_id}/action";

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::action(PATH, "revert", revert)
        .rules(&[&volume_rules::GET, &rules::REVERT_TO_SNAPSHOT])
        .body(&REVERT)
        .since(40)
        .about("Give a volume the content of its newest snapshot again"),
    Route::action(PATH, "os-unmanage", unmanage)
        .rules(&[&volume_rules::GET, &volume_rules::UNMANAGE, &volume_rules::DELETE])
        .about("Forget a volume and leave it on its backend"),
    Route::action(PATH, "os-retype", retype)
        .rules(&[&volume_rules::GET, &rules::RETYPE, &volume_rules::MULTIATTACH])
        .body(&bodies::RETYPE)
        .about("Give a volume another type"),
    Route::action(PATH, "os-migrate_volume", migrate)
        .rules(&[&volume_rules::GET, &rules::MIGRATE])
        .body(&bodies::MIGRATE)
        .about("Move a volume to another backend"),
    Route::action(PATH, "os-migrate_volume_completion", complete_migration)
        .rules(&[&volume_rules::GET, &rules::MIGRATE_COMPLETION])
        .body(&bodies::MIGRATE_COMPLETION)
        .reply(200, Answer::Free)
        .about("End the move of a volume whose content a server has copied"),
    Route::action(PATH, "os-extend_volume_completion", complete_extension)
        .rules(&[&volume_rules::GET, &rules::EXTEND_COMPLETION])
        .body(&bodies::EXTEND_COMPLETION)
        .about("End the extension of a volume that a server has carried out"),
];

static REVERT: Schema = Schema::strict(&[Input::new(
    "revert",
    Check::Object(&Schema::open(&[Input::new("snapshot_id", Check::Text(0, 255)).nullable()])),
)
.required()]);

fn load(call: &Call<'_, BlockStorage>) -> Result<Authorized<Volume>> {
    Authorized::<Volume>::load(&caller(call), call.path.value("volume_id"), &[])
}

fn unmanage(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let (caller, id) = (caller(call), call.path.value("volume_id"));
    let volume = Authorized::<Volume>::load(&caller, id, &[&volume_rules::UNMANAGE, &volume_rules::DELETE])?;
    volume_delete::delete(&caller, &volume, How { unmanage: true, ..How::default() })?;
    Ok(call.done())
}

fn revert(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let volume = load(call)?;
    let snapshot_id = call.input("revert").get("snapshot_id").and_then(Value::as_str);
    control::revert(&caller(call), &volume, snapshot_id)?;
    Ok(call.done())
}

fn retype(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("os-retype");
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let (new_type, may_move) =
        (text("new_type").unwrap_or_default().to_owned(), text("migration_policy") == Some("on-demand"));
    let caller = caller(call);
    let volume = Authorized::<Volume>::load(&caller, call.path.value("volume_id"), &[&rules::RETYPE])?;
    volume_retyping::retype(&caller, &volume, &new_type, may_move)?;
    Ok(call.done())
}

fn migrate(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("os-migrate_volume");
    let named = |key: &str| body.get(key).and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned);
    let (host, cluster) = (named("host"), named("cluster").filter(|_| call.at_least(16)));
    let lock = body.get("lock_volume").is_some_and(schema::boolean);
    let caller = caller(call);
    let volume = Authorized::<Volume>::load(&caller, call.path.value("volume_id"), &[&rules::MIGRATE])?;
    let to = match (host, cluster) {
        (Some(host), None) => Place::Host(host),
        (None, Some(cluster)) => Place::Cluster(cluster),
        _ if call.at_least(16) => return Err(invalid_input("One and only one of cluster and host must be set.")),
        _ => return Err(invalid_input("Host field is missing.")),
    };
    volume_migration::migrate(&caller, &volume, &Migration { to, lock })?;
    Ok(call.done())
}

/// Whether a body says that something has failed.
fn has_failed(body: &Value) -> bool {
    match body.get("error") {
        Some(Value::Bool(failed)) => *failed,
        Some(Value::String(text)) => !text.is_empty(),
        _ => false,
    }
}

fn complete_migration(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("os-migrate_volume_completion");
    let new = body.get("new_volume").and_then(Value::as_str).unwrap_or_default().to_owned();
    let failed = has_failed(body);
    let caller = caller(call);
    let volume = Authorized::<Volume>::load(&caller, call.path.value("volume_id"), &[&rules::MIGRATE_COMPLETION])?;
    let new = Authorized::<Volume>::load(&caller, &new, &[])?;
    let kept = volume_migration::complete(&caller, &volume, &new, failed)?;
    Ok(call.json(|json| json.object(|json| json.key("save_volume_id").text(&kept))))
}

fn complete_extension(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let failed = has_failed(call.input("os-extend_volume_completion"));
    let caller = caller(call);
    let volume = Authorized::<Volume>::load(&caller, call.path.value("volume_id"), &[&rules::EXTEND_COMPLETION])?;
    volume_extension::complete(&caller, &volume, failed)?;
    Ok(call.done())
}
