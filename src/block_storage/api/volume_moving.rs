//! Actions that move a volume's content, or the volume itself: `revert` and its kin at `POST /volumes/{volume_id}/action`
//! (Block Storage API v3, "Volume actions").

use serde_json::Value;

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::volume_delete::{self, How};
use crate::block_storage::control::{Authorized, volume_moving as control};
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::{volume_actions as rules, volumes as volume_rules};
use crate::error::Result;
use crate::rest::schema::{Check, Input, Schema};
use crate::rest::{Call, Reply, Route};

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
