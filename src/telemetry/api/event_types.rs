//! Types of events and their traits: `/v2/event_types`, for who may see all projects (specification: routes, scoping).

use super::{arguments, caller, samples, views};
use crate::error::{Error, Kind, Result};
use crate::rest::{Answer, Call, Parameter, Reply, Route};
use crate::telemetry::Telemetry;
use crate::telemetry::control::events;
use crate::telemetry::policy as rules;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] = &[
    Route::get("/event_types", list)
        .rules(&[&rules::SEGREGATION])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Free)
        .about("List the types of events"),
    Route::get("/event_types/{event_type}", show)
        .rules(&[&rules::SEGREGATION])
        .reply(200, Answer::Nothing)
        .about("Answer 404: a type has nothing but its traits"),
    Route::get("/event_types/{event_type}/traits", list_traits)
        .rules(&[&rules::SEGREGATION])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("", &views::TRAIT_DESCRIPTION))
        .about("List the traits of events of a type"),
    Route::get("/event_types/{event_type}/traits/{trait_name}", list_values)
        .rules(&[&rules::SEGREGATION])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("", &views::TRAIT))
        .about("List the values of one trait of events of a type"),
];

const LIST_PARAMETERS: &[Parameter] = &[Parameter::new("limit", "At most so many items")];

fn list(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let limit = limit(call)?;
    match events::types(&caller(call), limit) {
        Ok(names) => Ok(call.json(|json| json.array(|json| names.iter().for_each(|name| json.text(name))))),
        Err(error) => refused(error),
    }
}

fn show(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    // Whatever type it is.
    let _ = call.path.value("event_type");
    match events::show_type(&caller(call)) {
        Ok(()) => Ok(call.done()),
        Err(error) => refused(error),
    }
}

fn list_traits(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let limit = limit(call)?;
    match events::trait_descriptions(&caller(call), call.path.value("event_type"), limit) {
        Ok(found) => Ok(samples::list_of(call, &views::TRAIT_DESCRIPTION, &found)),
        Err(error) => refused(error),
    }
}

fn list_values(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let limit = limit(call)?;
    let (event_type, name) = (call.path.value("event_type"), call.path.value("trait_name"));
    match events::traits(&caller(call), event_type, name, limit) {
        Ok(found) => Ok(samples::list_of(call, &views::TRAIT, &found)),
        Err(error) => refused(error),
    }
}

fn limit(call: &Call<'_, Telemetry>) -> Result<Option<i64>> {
    arguments::check(&call.query, &["limit"])?;
    arguments::limit(&call.query)
}

/// The refusal of who may not see all projects: here it comes from the code in front of the service, in its form.
fn refused(error: Error) -> Result<Reply> {
    if error.kind() != Kind::Unauthenticated {
        return Err(error);
    }
    let text = "This server could not verify that you are authorized to access the document you requested. Either you \
                supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply \
                the credentials required.";
    let message = format!("401 Unauthorized\n\n{text}\n\n {}  ", error.public());
    Ok(Reply::value(401, &serde_json::json!({"error_message": message})))
}
