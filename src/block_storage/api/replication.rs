//! Freezing, thawing and failing over: `/os-services/freeze` and others (Block Storage API v3, "Services").

use serde_json::Value;

use super::caller;
use super::services::{CLUSTER, HOST_NAME};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::refusals::invalid_input;
use crate::block_storage::control::replication::{self as control, Whom};
use crate::block_storage::policies::services as rules;
use crate::error::Result;
use crate::rest::{Answer, Call, Check, Input, Reply, Route, Schema};

/// The version that knows clusters here.
const CLUSTERS: u16 = 26;

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::put("/os-services/freeze", freeze)
        .rules(&[&rules::UPDATE, &rules::FREEZE_HOST])
        .body(&FREEZE)
        .reply(200, Answer::Nothing)
        .about("Keep the volumes of a backend as they are"),
    Route::put("/os-services/thaw", thaw)
        .rules(&[&rules::UPDATE, &rules::THAW_HOST])
        .body(&FREEZE)
        .reply(200, Answer::Nothing)
        .about("No longer keep the volumes of a backend as they are"),
    Route::put("/os-services/failover_host", fail_over)
        .rules(&[&rules::UPDATE, &rules::FAILOVER_HOST])
        .body(&FAIL_OVER)
        .reply(202, Answer::Nothing)
        .about("Let another backend stand in for one that replicates to it"),
    Route::put("/os-services/failover", fail_over)
        .since(CLUSTERS)
        .rules(&[&rules::UPDATE, &rules::FAILOVER_HOST])
        .body(&FAIL_OVER)
        .reply(202, Answer::Nothing)
        .about("Let another backend stand in for one that replicates to it"),
];

static FREEZE: Schema = Schema::strict(&[CLUSTER, HOST_NAME]);

static FAIL_OVER: Schema =
    Schema::strict(&[HOST_NAME, Input::new("backend_id", Check::Text(0, 255)).nullable(), CLUSTER]);

/// The host or the cluster that the body names, which is exactly one of them.
fn whom<'a>(call: &'a Call<'_, BlockStorage>) -> Result<Whom<'a>> {
    let text = |name: &str| call.body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if !call.at_least(CLUSTERS) {
        return text("host").map(Whom::Host).ok_or_else(|| invalid_input("Host field is missing."));
    }
    match (text("host"), text("cluster")) {
        (Some(host), None) => Ok(Whom::Host(host)),
        (None, Some(cluster)) => Ok(Whom::Cluster(cluster)),
        _ => Err(invalid_input("One and only one of cluster and host must be set.")),
    }
}

fn freeze(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    call.enforce(&rules::UPDATE)?;
    control::set_frozen(&caller(call), whom(call)?, true)?;
    Ok(call.done())
}

fn thaw(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    call.enforce(&rules::UPDATE)?;
    control::set_frozen(&caller(call), whom(call)?, false)?;
    Ok(call.done())
}

fn fail_over(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    call.enforce(&rules::UPDATE)?;
    control::fail_over(&caller(call), whom(call)?)?;
    Ok(call.done())
}
