//! Events: `/v2/events` (specification: routes).

use super::tree::Tree;
use super::{arguments, caller, published_events, samples, views};
use crate::error::{Error, Result};
use crate::rest::query::decode;
use crate::rest::{Answer, Call, Parameter, Reply, Route};
use crate::telemetry::Telemetry;
use crate::telemetry::control::events;
use crate::telemetry::policy as rules;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] = &[
    Route::get("/events", list)
        .rules(&[&rules::GET_EVENTS])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("", &views::EVENT))
        .about("List events, oldest first"),
    Route::post("/events", publish)
        .rules(&[&rules::PUBLISH])
        .query(&[Parameter::new("event_type", "What the bare payloads of a publisher with raw_only are about")])
        .raw()
        .reply(201, Answer::Nothing)
        .about("Store events that an agent's HTTP publisher sends"),
    Route::get("/events/{message_id}", show)
        .rules(&[&rules::GET_EVENT])
        .reply(200, Answer::One("", &views::EVENT))
        .about("Show an event"),
];

const LIST_PARAMETERS: &[Parameter] = &[
    Parameter::new("q.field", "event_type, message_id, start_timestamp, end_timestamp, or the name of a trait"),
    Parameter::new(
        "q.op",
        "The operator: eq; for start_timestamp ge; for end_timestamp le; for traits lt, le, eq, ne, ge, gt",
    ),
    Parameter::new("q.value", "The value to compare with"),
    Parameter::new("q.type", "The type of a trait: string, integer, float, datetime"),
    Parameter::new("limit", "At most so many items"),
];

fn list(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    arguments::check(&call.query, &["limit"])?;
    let (query, limit) = (arguments::items(&call.query), arguments::limit(&call.query)?);
    let events = events::list(&caller(call), &query, limit)?;
    Ok(samples::list_of(call, &views::EVENT, &events))
}

fn show(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let id = decode(call.path.value("message_id"), false).into_owned();
    let event = events::show(&caller(call), &id)?;
    Ok(call.one("", &views::EVENT, &event, 0))
}

fn publish(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    samples::check_content_type(call)?;
    let body = std::mem::take(&mut call.bytes);
    let tree =
        Tree::read(&body).map_err(|cause| Error::invalid("Request is not in valid JSON format").because(cause))?;
    let caller = caller(call);
    let events = match call.query.last("event_type").filter(|name| !name.is_empty()) {
        Some(event_type) => events::of_payloads(&caller, event_type, published_events::payloads(&tree)?)?,
        None => published_events::read(&tree)?,
    };
    events::publish(&caller, &events)?;
    Ok(call.done())
}
