//! Actions on snapshots: `POST /snapshots/{snapshot_id}/action` (Block Storage API v3, "Snapshot actions").

use serde_json::Value;

use super::{caller, snapshot_bodies as bodies};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::{Authorized, snapshot_actions as control, snapshots};
use crate::block_storage::model::snapshot::Snapshot;
use crate::block_storage::policies::snapshots as rules;
use crate::error::Result;
use crate::rest::{Call, Reply, Route};

const PATH: &str = "/snapshots/{snapshot_id}/action";

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::action(PATH, "os-update_snapshot_status", update_status)
        .rules(&[&rules::UPDATE_STATUS])
        .body(&bodies::UPDATE_STATUS)
        .about("Report how far a snapshot is that is made or removed elsewhere"),
    Route::action(PATH, "os-reset_status", reset_status)
        .rules(&[&rules::RESET_STATUS])
        .body(&bodies::RESET_STATUS)
        .about("Set the status of a snapshot without doing anything"),
    Route::action(PATH, "os-force_delete", force_delete)
        .rules(&[&rules::GET, &rules::FORCE_DELETE, &rules::DELETE])
        .about("Delete a snapshot in any status"),
    Route::action(PATH, "os-unmanage", unmanage)
        .rules(&[&rules::GET, &rules::UNMANAGE, &rules::DELETE])
        .about("Forget a snapshot and leave it on its backend"),
];

fn update_status(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("os-update_snapshot_status");
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let progress = control::read_progress(text("progress"))?;
    let caller = caller(call);
    let id = call.path.value("snapshot_id");
    let snapshot = Authorized::<Snapshot>::load_unseen(&caller, id, &rules::UPDATE_STATUS)?;
    control::update_status(&caller, &snapshot, text("status").unwrap_or_default(), progress)?;
    Ok(call.done())
}

fn reset_status(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let status = call.input("os-reset_status").get("status").and_then(Value::as_str).unwrap_or_default();
    let status = control::read_status(status)?;
    let caller = caller(call);
    let id = call.path.value("snapshot_id");
    let snapshot = Authorized::<Snapshot>::load_unseen(&caller, id, &rules::RESET_STATUS)?;
    control::reset_status(&caller, &snapshot, status)?;
    Ok(call.done())
}

fn unmanage(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let rules = [&rules::UNMANAGE, &rules::DELETE];
    let snapshot = Authorized::<Snapshot>::load(&caller, call.path.value("snapshot_id"), &rules)?;
    snapshots::unmanage(&caller, &snapshot)?;
    Ok(call.done())
}

fn force_delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let rules = [&rules::FORCE_DELETE, &rules::DELETE];
    let snapshot = Authorized::<Snapshot>::load(&caller, call.path.value("snapshot_id"), &rules)?;
    snapshots::delete(&caller, &snapshot, true)?;
    Ok(call.done())
}
