//! Clusters: `/clusters`, from version 3.7 on (Block Storage API v3, "Clusters").

use serde_json::Value;

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::clusters::{self as control, ClusterState, Filter};
use crate::block_storage::control::refusals::invalid_input;
use crate::block_storage::model::service::VOLUME;
use crate::block_storage::policies::services as rules;
use crate::error::Result;
use crate::rest::json::Json;
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Check, Input, Parameter, Reply, Route, Schema};
use crate::time::Timestamp;

/// The version that tells of replication.
const REPLICATION: u16 = 26;

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/clusters", list)
        .since(7)
        .rules(&[&rules::GET_ALL_CLUSTERS])
        .query(FILTERS)
        .reply(200, Answer::Many("clusters", &SUMMARY))
        .about("List clusters"),
    Route::get("/clusters/detail", detail)
        .since(7)
        .rules(&[&rules::GET_ALL_CLUSTERS])
        .query(FILTERS)
        .reply(200, Answer::Many("clusters", &DETAIL))
        .about("List clusters with all that is known of them"),
    Route::get("/clusters/{cluster_name}", show)
        .since(7)
        .rules(&[&rules::GET_CLUSTER])
        .query(&[Parameter::new("binary", "The kind of its services, cinder-volume where it is not named")])
        .reply(200, Answer::One("cluster", &DETAIL))
        .about("Show a cluster"),
    Route::put("/clusters/enable", enable)
        .since(7)
        .rules(&[&rules::UPDATE_CLUSTER])
        .body(&ENABLE)
        .reply(200, Answer::Free)
        .about("Let a cluster take new volumes"),
    Route::put("/clusters/disable", disable)
        .since(7)
        .rules(&[&rules::UPDATE_CLUSTER])
        .body(&DISABLE)
        .reply(200, Answer::Free)
        .about("Let a cluster take no new volumes"),
];

const FILTERS: &[Parameter] = &[
    Parameter::new("name", "Only this cluster"),
    Parameter::new("binary", "Only clusters of services of this kind"),
    Parameter::new("is_up", "Only clusters that are up, or down"),
    Parameter::new("disabled", "Only clusters that take no new volumes, or do"),
    Parameter::new("num_hosts", "Only clusters with so many services"),
    Parameter::new("num_down_hosts", "Only clusters with so many services that are down"),
    Parameter::new("replication_status", "Only clusters with this replication").since(REPLICATION),
    Parameter::new("frozen", "Only clusters that are kept as they are, or not").since(REPLICATION),
    Parameter::new("active_backend_id", "Only clusters that failed over to this backend").since(REPLICATION),
];

const NAME: Input = Input::new("name", Check::Stripped(1, 255)).required();
const BINARY: Input = Input::new("binary", Check::Text(0, 255)).nullable();

static ENABLE: Schema = Schema::strict(&[NAME, BINARY]);

static DISABLE: Schema =
    Schema::strict(&[NAME, BINARY, Input::new("disabled_reason", Check::Stripped(0, 255)).nullable()]);

type Row = Field<ClusterState>;

const NAME_ROW: Row = Row::new("name", Shape::Text, |item, _, json| json.text(&item.cluster.name));
const BINARY_ROW: Row = Row::new("binary", Shape::Text, |item, _, json| json.text(&item.cluster.binary));
const STATE_ROW: Row = Row::new("state", Shape::Text, |item, _, json| json.text(if item.up { "up" } else { "down" }));
const STATUS_ROW: Row = Row::new("status", Shape::Text, |item, _, json| {
    json.text(if item.cluster.disabled { "disabled" } else { "enabled" });
});
const REPLICATION_ROW: Row = Row::new("replication_status", Shape::Text, |item, _, json| {
    json.opt_text(item.cluster.replication_status.as_deref());
})
.nullable()
.since(REPLICATION);
const REASON_ROW: Row = Row::new("disabled_reason", Shape::Text, |item, _, json| {
    json.opt_text(item.cluster.disabled_reason.as_deref());
})
.nullable();

static SUMMARY: View<ClusterState> =
    View { name: "ClusterSummary", fields: &[NAME_ROW, BINARY_ROW, STATE_ROW, STATUS_ROW, REPLICATION_ROW] };

/// What enabling and disabling answer.
static CHANGED: View<ClusterState> = View {
    name: "ClusterChanged",
    fields: &[NAME_ROW, BINARY_ROW, STATE_ROW, STATUS_ROW, REPLICATION_ROW, REASON_ROW],
};

static DETAIL: View<ClusterState> = View {
    name: "Cluster",
    fields: &[
        NAME_ROW,
        BINARY_ROW,
        STATE_ROW,
        STATUS_ROW,
        REPLICATION_ROW,
        Row::new("num_hosts", Shape::Int, |item, _, json| json.int(item.cluster.hosts)),
        Row::new("num_down_hosts", Shape::Int, |item, _, json| json.int(item.cluster.down_hosts)),
        Row::new("last_heartbeat", Shape::Text, |item, _, json| time(item.cluster.last_heartbeat, json)),
        Row::new("created_at", Shape::Text, |item, _, json| time(item.cluster.created_at, json)),
        Row::new("updated_at", Shape::Text, |item, _, json| time(item.cluster.updated_at, json)),
        REASON_ROW,
        Row::new("frozen", Shape::Bool, |item, _, json| json.bool(item.cluster.frozen)).since(REPLICATION),
        Row::new("active_backend_id", Shape::Text, |item, _, json| {
            json.opt_text(item.cluster.active_backend_id.as_deref());
        })
        .nullable()
        .since(REPLICATION),
    ],
};

/// A time, or an empty text where there is none.
fn time(value: Option<Timestamp>, json: &mut Json) {
    match value {
        Some(value) => json.time(value),
        None => json.text(""),
    }
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    found(call, &SUMMARY)
}

fn detail(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    found(call, &DETAIL)
}

fn found(call: &Call<'_, BlockStorage>, view: &View<ClusterState>) -> Result<Reply> {
    call.enforce(&rules::GET_ALL_CLUSTERS)?;
    let found = control::list(&caller(call), &filter(call)?)?;
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("clusters").array(|json| found.iter().for_each(|item| view.object(item, &viewer, json)));
        });
    }))
}

fn filter(call: &Call<'_, BlockStorage>) -> Result<Filter> {
    let known = |name: &str| FILTERS.iter().any(|known| known.name == name && call.version >= known.since);
    let mut unknown: Vec<&str> = call.query.pairs().map(|(name, _)| name).filter(|name| !known(name)).collect();
    unknown.sort_unstable();
    unknown.dedup();
    if !unknown.is_empty() {
        return Err(invalid_input(format!("Invalid filter keys: {}", unknown.join(", "))));
    }
    let flag = |name: &str| call.query.last(name).map(|_| super::flag(call, name)).transpose();
    let is_flag = |name: &str| matches!(name, "is_up" | "disabled" | "frozen");
    let others = FILTERS.iter().filter(|known| !is_flag(known.name));
    let others = others.filter_map(|known| Some((known.name.to_owned(), call.query.last(known.name)?.to_owned())));
    Ok(Filter { is_up: flag("is_up")?, disabled: flag("disabled")?, frozen: flag("frozen")?, others: others.collect() })
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let binary = call.query.last("binary").unwrap_or(VOLUME);
    let found = control::show(&caller(call), call.path.value("cluster_name"), binary)?;
    Ok(call.one("cluster", &DETAIL, &found, 0))
}

fn enable(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    set(call, false)
}

fn disable(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    set(call, true)
}

fn set(call: &Call<'_, BlockStorage>, disabled: bool) -> Result<Reply> {
    let text = |name: &str| call.body.get(name).and_then(Value::as_str);
    let reason = text("disabled_reason").map(str::trim).filter(|_| disabled);
    let (name, binary) = (text("name").unwrap_or_default(), text("binary").unwrap_or(VOLUME));
    let changed = control::set_disabled(&caller(call), name, binary, disabled, reason)?;
    Ok(call.one("cluster", &CHANGED, &changed, 0))
}
