//! The old attachment protocol: actions on the volume itself (Block Storage API v3, "Volume actions").

use serde_json::Value;

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::Authorized;
use crate::block_storage::control::volume_connections::{self as control, Attached};
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::{volume_actions as rules, volumes as volume_rules};
use crate::error::{Error, Result};
use crate::identity::policy::Rule;
use crate::rest::schema::{Check, Input, Schema};
use crate::rest::{Answer, Call, Reply, Route, python};

const PATH: &str = "/volumes/{volume_id}/action";

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::action(PATH, "os-attach", attach)
        .rules(&[&volume_rules::GET, &rules::ATTACH])
        .body(&ATTACH)
        .about("Note that a volume is attached, in the old protocol"),
    Route::action(PATH, "os-detach", detach)
        .rules(&[&volume_rules::GET, &rules::DETACH])
        .body(&DETACH)
        .about("Note that a volume is no longer attached, in the old protocol"),
    Route::action(PATH, "os-initialize_connection", initialize)
        .rules(&[&volume_rules::GET, &rules::INITIALIZE_CONNECTION])
        .body(&INITIALIZE)
        .reply(200, Answer::Free)
        .about("Make a volume reachable for a host, in the old protocol"),
    Route::action(PATH, "os-terminate_connection", terminate)
        .rules(&[&volume_rules::GET, &rules::TERMINATE_CONNECTION, &rules::UNRESERVE])
        .body(&TERMINATE)
        .about("Make a volume unreachable for a host, in the old protocol"),
    Route::action(PATH, "os-force_detach", force_detach)
        .rules(&[
            &volume_rules::GET,
            &rules::FORCE_DETACH,
            &rules::TERMINATE_CONNECTION,
            &rules::UNRESERVE,
            &rules::DETACH,
        ])
        .body(&FORCE_DETACH)
        .about("End a connection and an attachment whatever state they are in"),
];

const CONNECTOR: Check = Check::Types(&["string", "object", "null"]);

const fn action(name: &'static str, fields: &'static Schema) -> Input {
    Input::new(name, Check::Object(fields)).required()
}

static ATTACH: Schema = Schema::strict(&[action(
    "os-attach",
    &Schema::strict(&[
        Input::new("instance_uuid", Check::Uuid),
        Input::new("mountpoint", Check::Text(1, 255)).required(),
        Input::new("host_name", Check::Text(0, 255)),
        Input::new("mode", Check::Choice(&["rw", "ro"])),
    ]),
)]);
static DETACH: Schema =
    Schema::strict(&[
        action("os-detach", &Schema::strict(&[Input::new("attachment_id", Check::Uuid).nullable()])).nullable()
    ]);
static INITIALIZE: Schema = Schema::strict(&[action(
    "os-initialize_connection",
    &Schema::strict(&[Input::new("connector", Check::Types(&["object", "string"])).required()]),
)]);
static TERMINATE: Schema = Schema::strict(&[action(
    "os-terminate_connection",
    &Schema::strict(&[Input::new("connector", CONNECTOR).required()]),
)]);
static FORCE_DETACH: Schema = Schema::strict(&[action(
    "os-force_detach",
    &Schema::strict(&[
        Input::new("connector", CONNECTOR),
        Input::new("attachment_id", Check::Text(0, 65_535)).nullable(),
    ]),
)]);

fn load(call: &Call<'_, BlockStorage>, rules: &[&Rule]) -> Result<Authorized<Volume>> {
    Authorized::<Volume>::load(&caller(call), call.path.value("volume_id"), rules)
}

/// The connector of a body; null and what is no object say nothing.
fn connector(body: &Value) -> Option<&Value> {
    body.get("connector").filter(|value| value.is_object())
}

fn attach(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("os-attach");
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let new = Attached {
        instance_uuid: text("instance_uuid"),
        host_name: text("host_name"),
        mountpoint: text("mountpoint").unwrap_or_default(),
        mode: text("mode").unwrap_or_else(|| "rw".to_owned()),
    };
    if new.instance_uuid.is_none() && new.host_name.is_none() {
        let value = python::str_of(body);
        return Err(Error::invalid(format!(
            "Invalid input for field/attribute os-attach. Value: {value}. {value} is not valid under any of the given \
             schemas"
        )));
    }
    let volume = load(call, &[&rules::ATTACH])?;
    control::attach(&caller(call), &volume, &new)?;
    Ok(call.done())
}

fn detach(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let id = call.input("os-detach").get("attachment_id").and_then(Value::as_str);
    let volume = load(call, &[&rules::DETACH])?;
    control::detach(&caller(call), &volume, id)?;
    Ok(call.done())
}

fn initialize(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("os-initialize_connection");
    let connector = connector(body).cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let volume = load(call, &[&rules::INITIALIZE_CONNECTION])?;
    let mut connection = control::initialize(&caller(call), &volume, &connector)?;
    let multipath = connector.get("enforce_multipath").cloned().unwrap_or(Value::Bool(false));
    if let Some(connection) = connection.as_object_mut() {
        connection.insert("enforce_multipath".to_owned(), multipath);
    }
    Ok(call.json(|json| json.object(|json| json.key("connection_info").value(&connection))))
}

fn terminate(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let connector = connector(call.input("os-terminate_connection"));
    let volume = load(call, &[&rules::TERMINATE_CONNECTION, &rules::UNRESERVE])?;
    control::terminate(&caller(call), &volume, connector)?;
    Ok(call.done())
}

fn force_detach(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("os-force_detach");
    let id = body.get("attachment_id").and_then(Value::as_str);
    let all = [&rules::FORCE_DETACH, &rules::TERMINATE_CONNECTION, &rules::UNRESERVE, &rules::DETACH];
    let volume = load(call, &all)?;
    let caller = caller(call);
    control::terminate(&caller, &volume, connector(body))?;
    control::detach(&caller, &volume, id)?;
    Ok(call.done())
}
