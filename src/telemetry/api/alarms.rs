//! Alarms and their history: `/v2/alarms`, `/v2/query/alarms` (specification: routes). Metering serves them under its own
//! name too, as it did while they were its own.

use serde_json::Value as Json;

use super::{alarm_body, alarm_views as views, arguments, caller, complex_query, samples};
use crate::error::{Error, Result};
use crate::rest::{Answer, Call, Parameter, Reply, Route};
use crate::telemetry::Telemetry;
use crate::telemetry::control::alarms::{self as control, Wanted};
use crate::telemetry::model::alarm::State;
use crate::telemetry::policy as rules;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] = &[
    Route::get("/alarms", list)
        .rules(&[&rules::GET_ALARMS, &rules::GET_ALARMS_OF_ALL_PROJECTS])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("", &views::ALARM))
        .about("List alarms, newest first"),
    Route::post("/alarms", create)
        .rules(&[&rules::CREATE_ALARM])
        .raw()
        .reply(201, Answer::One("", &views::ALARM))
        .about("Create an alarm"),
    Route::get("/alarms/{alarm_id}", show)
        .rules(&[&rules::GET_ALARM])
        .reply(200, Answer::One("", &views::ALARM))
        .about("Show an alarm"),
    Route::put("/alarms/{alarm_id}", update)
        .rules(&[&rules::CHANGE_ALARM])
        .raw()
        .reply(200, Answer::One("", &views::ALARM))
        .about("Write a definition over an alarm"),
    Route::delete("/alarms/{alarm_id}", delete)
        .rules(&[&rules::DELETE_ALARM])
        .reply(204, Answer::Nothing)
        .about("Delete an alarm with its history"),
    Route::get("/alarms/{alarm_id}/state", state)
        .rules(&[&rules::GET_ALARM_STATE])
        .reply(200, Answer::Free)
        .about("Show the state of an alarm"),
    Route::put("/alarms/{alarm_id}/state", set_state)
        .rules(&[&rules::CHANGE_ALARM_STATE])
        .raw()
        .reply(200, Answer::Free)
        .about("Set the state of an alarm"),
    Route::get("/alarms/{alarm_id}/history", history)
        .rules(&[&rules::ALARM_HISTORY])
        .query(HISTORY_PARAMETERS)
        .reply(200, Answer::Many("", &views::CHANGE))
        .about("List what happened to an alarm, newest first"),
    Route::post("/query/alarms", query)
        .rules(&[&rules::QUERY_ALARM])
        .raw()
        .reply(200, Answer::Many("", &views::ALARM))
        .about("Search alarms by an expression"),
    Route::post("/query/alarms/history", query_history)
        .rules(&[&rules::QUERY_ALARM_HISTORY])
        .raw()
        .reply(200, Answer::Many("", &views::CHANGE))
        .about("Search the history of alarms by an expression"),
];

const LIST_PARAMETERS: &[Parameter] = &[
    Parameter::new(
        "q.field",
        "The field to test: all_projects, enabled, name, project_id, repeat_actions, severity, state, timestamp, type, \
         user_id",
    ),
    Parameter::new("q.op", "The operator: eq"),
    Parameter::new("q.value", "The value to compare with"),
    Parameter::new("q.type", "The type of the value: integer, float, string, boolean, datetime"),
    Parameter::new("sort", "A key, perhaps with :asc or :desc; may be repeated"),
    Parameter::new("limit", "At most so many items"),
    Parameter::new("marker", "Id of the last item of the page before"),
];

const HISTORY_PARAMETERS: &[Parameter] = &[
    Parameter::new("q.field", "The field to test: project, search_offset, severity, timestamp, type, user"),
    Parameter::new("q.op", "The operator: eq; for timestamp lt, le, gt, ge"),
    Parameter::new("q.value", "The value to compare with"),
    Parameter::new("q.type", "The type of the value: integer, float, string, boolean, datetime"),
    Parameter::new("sort", "A key, perhaps with :asc or :desc; may be repeated"),
    Parameter::new("limit", "At most so many items"),
    Parameter::new("marker", "Id of the last item of the page before"),
];

fn wanted(call: &Call<'_, Telemetry>) -> Result<Wanted> {
    arguments::check(&call.query, &["sort", "limit", "marker"])?;
    let query = arguments::items(&call.query);
    for item in &query {
        for (name, part) in [("field", &item.field), ("value", &item.value)] {
            if part.is_none() {
                return Err(super::alarm_fields::missing(name));
            }
        }
    }
    Ok(Wanted {
        query,
        sort: arguments::texts(&call.query, "sort"),
        limit: arguments::limit(&call.query)?,
        marker: call.query.last("marker").map(str::to_owned),
    })
}

/// The body as JSON; `argument` is what the service calls it where there is none.
fn body(call: &mut Call<'_, Telemetry>, argument: &str) -> Result<Json> {
    samples::check_content_type(call)?;
    alarm_body::json(&std::mem::take(&mut call.bytes), argument)
}

fn list(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let alarms = control::list(&caller(call), wanted(call)?)?;
    Ok(samples::list_of(call, &views::ALARM, &alarms))
}

fn create(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let definition = alarm_body::read(&body(call, "data")?)?;
    let alarm = control::create(&caller(call), definition)?;
    let location = format!("{}/v2/alarms/{}", call.links.root, alarm.id);
    Ok(call.one("", &views::ALARM, &alarm, 0).header("Location", location))
}

fn show(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let alarm = control::show(&caller(call), call.path.value("alarm_id"))?;
    Ok(call.one("", &views::ALARM, &alarm, 0))
}

fn update(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let definition = alarm_body::read(&body(call, "data")?)?;
    let alarm = control::update(&caller(call), call.path.value("alarm_id"), definition)?;
    Ok(call.one("", &views::ALARM, &alarm, 0))
}

fn delete(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    control::delete(&caller(call), call.path.value("alarm_id"))?;
    Ok(call.done())
}

fn state(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let state = control::state(&caller(call), call.path.value("alarm_id"))?;
    Ok(call.json(|json| json.text(state.name())))
}

fn set_state(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let body = body(call, "state")?;
    let state = body.as_str().and_then(State::parse).ok_or_else(|| Error::invalid("state invalid"))?;
    let state = control::set_state(&caller(call), call.path.value("alarm_id"), state)?;
    Ok(call.json(|json| json.text(state.name())))
}

fn history(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let wanted = wanted(call)?;
    let changes = control::list_history(&caller(call), call.path.value("alarm_id"), wanted)?;
    Ok(samples::list_of(call, &views::CHANGE, &changes))
}

fn query(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let body = complex_query::body(call)?;
    let tree = complex_query::parse(&body)?;
    let found = control::query(&caller(call), &complex_query::read(&tree)?)?;
    Ok(samples::list_of(call, &views::ALARM, &found))
}

fn query_history(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let body = complex_query::body(call)?;
    let tree = complex_query::parse(&body)?;
    let found = control::query_history(&caller(call), &complex_query::read(&tree)?)?;
    Ok(samples::list_of(call, &views::CHANGE, &found))
}
