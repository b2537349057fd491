//! What the alarming service has besides alarms: quotas, counts of evaluations, capabilities (specification: routes).

use super::alarm_fields::{Object, missing};
use super::alarm_views::{self as views, Quotas};
use super::{alarm_body, arguments, caller, samples};
use crate::error::Result;
use crate::rest::{Answer, Call, Parameter, Reply, Route};
use crate::telemetry::Telemetry;
use crate::telemetry::control::alarms as control;
use crate::telemetry::policy as rules;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] = &[
    Route::get("/quotas", quotas)
        .rules(&[&rules::GET_QUOTAS])
        .query(&[Parameter::new("project_id", "The project; the caller's own where it is left out")])
        .reply(200, Answer::One("", &views::QUOTAS))
        .about("Show the alarm quotas of a project"),
    Route::post("/quotas", set_quotas)
        .rules(&[&rules::UPDATE_QUOTAS])
        .raw()
        .reply(201, Answer::One("", &views::QUOTAS))
        .about("Set the alarm quotas of a project"),
    Route::delete("/quotas/{project_id}", delete_quotas)
        .rules(&[&rules::DELETE_QUOTAS])
        .reply(204, Answer::Nothing)
        .about("Set the alarm quotas of a project back to the defaults"),
    Route::get("/metrics", metrics)
        .rules(&[&rules::GET_METRICS, &rules::GET_METRICS_OF_ALL_PROJECTS])
        .query(&[Parameter::new("all_projects", "Alarms of all projects")])
        .reply(200, Answer::One("", &views::METRICS))
        .about("Show how often alarms were evaluated to which state"),
    Route::get("/capabilities", show).reply(200, Answer::Free).about("Show what the service can do"),
    // aodhclient asks with a slash at the end.
    Route::get("/capabilities/", show).reply(200, Answer::Free).about("Show what the service can do"),
];

const API: [&str; 4] =
    ["alarms:query:simple", "alarms:query:complex", "alarms:history:query:simple", "alarms:history:query:complex"];

fn show(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("api").object(|json| API.iter().for_each(|name| json.key(name).bool(true)));
            json.key("alarm_storage").object(|json| json.key("storage:production_ready").bool(true));
        });
    }))
}

fn quotas(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let asked = call.query.last("project_id").filter(|id| !id.is_empty());
    let project_id = asked.unwrap_or(&call.context.project_id).to_owned();
    let most = control::quota(&caller(call), &project_id)?;
    Ok(call.one("", &views::QUOTAS, &Quotas { project_id, alarms: Some(most) }, 0))
}

fn set_quotas(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    samples::check_content_type(call)?;
    let body = alarm_body::json(&std::mem::take(&mut call.bytes), "body")?;
    let quotas = Object::open(&body, &body, "body", &["project_id", "quotas"])?;
    let project_id = quotas.needed_text("project_id")?;
    let mut most = None;
    for item in quotas.list("quotas")?.unwrap_or_default() {
        let quota = Object::open(item, &body, "body.quotas", &["resource", "limit"])?;
        quota.word("resource", &["alarms"])?.ok_or_else(|| missing("resource"))?;
        most = Some(quota.integer("limit", -1, i64::from(i32::MAX))?.ok_or_else(|| missing("limit"))?);
    }
    let alarms = control::set_quota(&caller(call), &project_id, most)?;
    Ok(call.one("", &views::QUOTAS, &Quotas { project_id, alarms }, 0))
}

fn delete_quotas(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    control::delete_quota(&caller(call), call.path.value("project_id"))?;
    Ok(call.done())
}

fn metrics(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let all = arguments::flag(&call.query, "all_projects")?;
    let counted = control::counts(&caller(call), all)?;
    Ok(call.one("", &views::METRICS, &counted, 0))
}
