//! What lies on backends and could become a volume or a snapshot: `/manageable_volumes`, `/manageable_snapshots` and their
//! older names `/os-volume-manage`, `/os-snapshot-manage` (Block Storage API v3, "Volume manage extension", "Snapshot
//! manage extension").

use std::cmp::Ordering;

use serde_json::Value;

use super::snapshot_views::DETAIL as SNAPSHOT;
use super::volume_views::DETAIL as VOLUME;
use super::volumes::shown_after_change;
use super::{caller, metadata, volume_bodies};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::manage::{self as control, NewManaged, Where};
use crate::block_storage::control::snapshots::NewSnapshot;
use crate::block_storage::control::{Authorized, refusals::invalid_input};
use crate::block_storage::model::volume::Volume as VolumeRow;
use crate::block_storage::policies::{snapshots as snapshot_rules, volumes as rules};
use crate::config::default::OSAPI_MAX_LIMIT;
use crate::error::{Error, Result};
use crate::identity::policy::Rule;
use crate::rest::microversion::Microversion;
use crate::rest::schema::{self, Check, Input, PRINTABLE, Schema};
use crate::rest::view::Viewer;
use crate::rest::{Answer, Call, Page, Parameter, Reply, Route, python};

const fn list_of(path: &'static str, handler: fn(&mut Call<'_, BlockStorage>) -> Result<Reply>) -> Route<BlockStorage> {
    Route::get(path, handler).query(PARAMETERS).reply(200, Answer::Free)
}

const fn volumes(path: &'static str, handler: fn(&mut Call<'_, BlockStorage>) -> Result<Reply>) -> Route<BlockStorage> {
    list_of(path, handler).rules(&[&rules::LIST_MANAGEABLE]).about("List what could become a volume")
}

const fn snapshots(
    path: &'static str,
    handler: fn(&mut Call<'_, BlockStorage>) -> Result<Reply>,
) -> Route<BlockStorage> {
    list_of(path, handler).rules(&[&snapshot_rules::LIST_MANAGEABLE]).about("List what could become a snapshot")
}

const fn manage_a_volume(path: &'static str) -> Route<BlockStorage> {
    Route::post(path, manage_volume)
        .rules(&[&rules::MANAGE])
        .body(&MANAGE_VOLUME)
        .reply(202, Answer::One("volume", &VOLUME))
        .about("Take over what lies on a backend as a volume")
}

const fn manage_a_snapshot(path: &'static str) -> Route<BlockStorage> {
    Route::post(path, manage_snapshot)
        .rules(&[&rules::GET, &snapshot_rules::MANAGE, &snapshot_rules::CREATE])
        .body(&MANAGE_SNAPSHOT)
        .reply(202, Answer::One("snapshot", &SNAPSHOT))
        .about("Take over what lies on a backend as a snapshot")
}

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    volumes("/os-volume-manage", list_volumes),
    volumes("/os-volume-manage/detail", list_volumes_detailed),
    manage_a_volume("/os-volume-manage"),
    volumes("/manageable_volumes", list_volumes).since(8),
    volumes("/manageable_volumes/detail", list_volumes_detailed).since(8),
    manage_a_volume("/manageable_volumes").since(8),
    snapshots("/os-snapshot-manage", list_snapshots),
    snapshots("/os-snapshot-manage/detail", list_snapshots_detailed),
    manage_a_snapshot("/os-snapshot-manage"),
    snapshots("/manageable_snapshots", list_snapshots).since(8),
    snapshots("/manageable_snapshots/detail", list_snapshots_detailed).since(8),
    manage_a_snapshot("/manageable_snapshots").since(8),
];

/// The version whose fields the answer to taking something over has.
const FIRST: Microversion = Microversion::new(3, 0);

const PARAMETERS: &[Parameter] = &[
    Parameter::new("host", "The backend: host@backend"),
    Parameter::new("cluster", "The cluster of the backend, in place of the host").since(17),
    Parameter::new("limit", "At most so many items"),
    Parameter::new("marker", "The reference of the last item that the caller has seen, as JSON"),
    Parameter::new("offset", "Items to skip after the marker"),
    Parameter::new("sort", "Keys and directions: reference or size"),
    Parameter::new("sort_key", "An older form of sort"),
    Parameter::new("sort_dir", "An older form of sort"),
];

const REFERENCE: Check = Check::AnyOf(&[Check::Object(&Schema::open(&[])), Check::Text(0, 65_535)]);

static MANAGE_VOLUME: Schema = Schema::strict(&[Input::new(
    "volume",
    Check::Object(&Schema::strict(&[
        Input::new("description", PRINTABLE).nullable(),
        Input::new("availability_zone", Check::Text(0, 255)).nullable(),
        Input::new("bootable", Check::Boolean),
        Input::new("volume_type", Check::Text(0, 255)).nullable(),
        Input::new("name", Check::Text(0, 255)).nullable(),
        Input::new("host", Check::Text(1, 255)),
        Input::new("cluster", Check::Text(0, 255)).nullable().since(16),
        Input::new("ref", REFERENCE).required(),
        Input::new("metadata", volume_bodies::METADATA).nullable(),
    ])),
)
.required()]);

static MANAGE_SNAPSHOT: Schema = Schema::strict(&[Input::new(
    "snapshot",
    Check::Object(&Schema::strict(&[
        Input::new("description", PRINTABLE).nullable(),
        Input::new("metadata", volume_bodies::METADATA).nullable(),
        Input::new("name", Check::Text(0, 255)).nullable(),
        Input::new("volume_id", Check::Uuid).required(),
        Input::new("ref", REFERENCE).nullable().required(),
    ])),
)
.required()]);

fn list_volumes(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    list(call, &rules::LIST_MANAGEABLE, false, false)
}

fn list_volumes_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    list(call, &rules::LIST_MANAGEABLE, false, true)
}

fn list_snapshots(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    list(call, &snapshot_rules::LIST_MANAGEABLE, true, false)
}

fn list_snapshots_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    list(call, &snapshot_rules::LIST_MANAGEABLE, true, true)
}

/// What a brief item leaves out.
const DETAILS: [&str; 3] = ["reason_not_safe", "cinder_id", "extra_info"];

fn list(call: &Call<'_, BlockStorage>, rule: &Rule, of_snapshots: bool, detailed: bool) -> Result<Reply> {
    let caller = caller(call);
    caller.enforce(rule)?;
    let place = place(call.at_least(17), call.query.last("host"), call.query.last("cluster"))?;
    let page = Page::read(&call.query, call.platform.config.integer(&OSAPI_MAX_LIMIT))?;
    let wrong: Vec<&str> =
        page.sort.iter().map(|key| key.key.as_str()).filter(|key| !matches!(*key, "reference" | "size")).collect();
    if !wrong.is_empty() {
        return Err(Error::invalid(format!("Invalid sort keys passed: {}", wrong.join(", "))));
    }
    let mut items = control::list(&caller, &place, of_snapshots)?;
    items.sort_by(|a, b| order(&page, a, b));
    let after = match page.marker.as_deref().filter(|marker| !marker.is_empty()) {
        None => 0,
        Some(marker) => {
            let reference: Value = serde_json::from_str(marker).map_err(|_| {
                invalid_input(format!("marker {marker} can not be analysed, please use json like format"))
            })?;
            let at = items.iter().position(|item| item.get("reference") == Some(&reference));
            at.map(|at| at + 1)
                .ok_or_else(|| invalid_input(format!("marker not found: {}", python::repr(&reference))))?
        }
    };
    let skip = after.saturating_add(usize::try_from(page.offset).unwrap_or(usize::MAX));
    let take = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let key = if of_snapshots { "manageable-snapshots" } else { "manageable-volumes" };
    Ok(call.json(|json| {
        json.object(|json| {
            json.key(key).array(|json| {
                for mut item in items.into_iter().skip(skip).take(take) {
                    if let Some(item) = item.as_object_mut().filter(|_| !detailed) {
                        DETAILS.iter().for_each(|key| drop(item.remove(*key)));
                    }
                    json.value(&item);
                }
            });
        });
    }))
}

/// By the keys of the page; by reference downwards where it names none.
fn order(page: &Page, a: &Value, b: &Value) -> Ordering {
    let by = |key: &str| match key {
        "size" => a["size"].as_i64().cmp(&b["size"].as_i64()),
        _ => a["reference"]["source-name"].as_str().cmp(&b["reference"]["source-name"].as_str()),
    };
    if page.sort.is_empty() {
        return by("reference").reverse();
    }
    let orders = page.sort.iter().map(|key| if key.ascending { by(&key.key) } else { by(&key.key).reverse() });
    orders.fold(Ordering::Equal, Ordering::then)
}

/// The one place that a request names.
fn place(clusters: bool, host: Option<&str>, cluster: Option<&str>) -> Result<Where> {
    let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    match (given(host), given(cluster).filter(|_| clusters)) {
        (Some(host), None) => Ok(Where::Host(host)),
        (None, Some(cluster)) => Ok(Where::Cluster(cluster)),
        _ if clusters => Err(invalid_input("One and only one of cluster and host must be set.")),
        _ => Err(invalid_input("Host field is missing.")),
    }
}

/// The name that a reference tells, as the file driver reads it.
fn file(reference: &Value) -> String {
    reference.get("source-name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn manage_volume(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    caller.enforce(&rules::MANAGE)?;
    let body = call.input("volume");
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let trimmed = |key: &str| text(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let new = NewManaged {
        place: place(call.at_least(16), text("host"), text("cluster"))?,
        file: file(&body["ref"]),
        name: trimmed("name"),
        description: trimmed("description"),
        volume_type: text("volume_type").map(str::to_owned),
        metadata: body.get("metadata").map(metadata::read).unwrap_or_default(),
        availability_zone: text("availability_zone").map(str::to_owned),
        bootable: body.get("bootable").is_some_and(schema::boolean),
    };
    let made = control::volume(&caller, &new)?;
    // This answer and that of snapshots have had the fields of the first version at every version since.
    let viewer = Viewer { version: FIRST, allowed: shown_after_change(&caller), links: &call.links };
    Ok(call.json(|json| json.object(|json| VOLUME.object(&made, &viewer, json.key("volume")))))
}

fn manage_snapshot(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let body = call.input("snapshot");
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let volume =
        Authorized::<VolumeRow>::load(&caller, text("volume_id").unwrap_or_default(), &[&snapshot_rules::MANAGE])?;
    let new = NewSnapshot {
        name: text("name").map(str::to_owned),
        description: text("description").map(str::to_owned),
        metadata: body.get("metadata").map(metadata::read).unwrap_or_default(),
        in_use: true,
        ..NewSnapshot::default()
    };
    let made = control::snapshot(&caller, &volume, &new, &file(&body["ref"]))?;
    let viewer = Viewer { version: FIRST, allowed: 0, links: &call.links };
    Ok(call.json(|json| json.object(|json| SNAPSHOT.object(&made, &viewer, json.key("snapshot")))))
}
