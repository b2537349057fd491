//! Levels of logs: `/os-services/get-log` and `/os-services/set-log`, from version 3.32 on (Block Storage API v3,
//! "Services").

use serde_json::Value;

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::log_levels::{self as control, LogLevels, Whose};
use crate::block_storage::policies::services as rules;
use crate::error::Result;
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Check, Input, Reply, Route, Schema};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::put("/os-services/get-log", list)
        .since(32)
        .rules(&[&rules::UPDATE])
        .body(&LIST)
        .reply(200, Answer::Many("log_levels", &LEVELS))
        .about("Show from which level on services write lines to their logs"),
    Route::put("/os-services/set-log", set)
        .since(32)
        .rules(&[&rules::UPDATE])
        .body(&SET)
        .reply(202, Answer::Nothing)
        .about("Set from which level on services write lines to their logs"),
];

const BINARY: Input =
    Input::new("binary", Check::Choice(&["cinder-scheduler", "cinder-volume", "cinder-backup", "cinder-api", "", "*"]));
const SERVER: Input = Input::new("server", Check::Text(0, 255)).nullable();
const PREFIX: Input = Input::new("prefix", Check::Text(0, 255)).nullable();

static LIST: Schema = Schema::strict(&[BINARY, SERVER, PREFIX]);

static SET: Schema = Schema::strict(&[BINARY, SERVER, PREFIX, Input::new("level", Check::Text(0, 255)).nullable()]);

static LEVELS: View<LogLevels> = View {
    name: "LogLevels",
    fields: &[
        Field::new("host", Shape::Text, |item: &LogLevels, _, json| json.text(&item.host)),
        Field::new("binary", Shape::Text, |item: &LogLevels, _, json| json.text(&item.binary)),
        Field::new("levels", Shape::Map, |item: &LogLevels, _, json| {
            json.object(|json| item.levels.iter().for_each(|(target, level)| json.key(target).value(level)));
        }),
    ],
};

fn text<'a>(call: &'a Call<'_, BlockStorage>, name: &str) -> &'a str {
    call.body.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn whose<'a>(call: &'a Call<'_, BlockStorage>) -> Whose<'a> {
    Whose { binary: text(call, "binary"), server: text(call, "server"), prefix: text(call, "prefix") }
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::list(&caller(call), whose(call))?;
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("log_levels").array(|json| found.iter().for_each(|item| LEVELS.object(item, &viewer, json)));
        });
    }))
}

fn set(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::set(&caller(call), whose(call), text(call, "level"))?;
    Ok(call.done())
}
