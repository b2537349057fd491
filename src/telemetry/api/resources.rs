//! Resources: `/v2/resources` (specification: routes).

use super::{arguments, caller, samples, views};
use crate::error::Result;
use crate::rest::query::decode;
use crate::rest::{Answer, Call, Parameter, Reply, Route};
use crate::telemetry::Telemetry;
use crate::telemetry::control::{self, Taker};
use crate::telemetry::policy as rules;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] = &[
    Route::get("/resources", list)
        .rules(&[&rules::GET_RESOURCES])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("", &views::RESOURCE))
        .about("List resources with their newest metadata"),
    Route::get("/resources/{resource_id}", show)
        .rules(&[&rules::GET_RESOURCE])
        .reply(200, Answer::One("", &views::RESOURCE))
        .about("Show a resource"),
];

const LIST_PARAMETERS: &[Parameter] = &[
    Parameter::new(
        "q.field",
        "The field to test: user, project, resource, source, timestamp, search_offset, \
                               metadata.KEY",
    ),
    Parameter::new("q.op", "The operator: eq; for timestamp lt, le, gt, ge"),
    Parameter::new("q.value", "The value to compare with"),
    Parameter::new("q.type", "The type of the value: integer, float, string, boolean, datetime"),
    Parameter::new("limit", "At most so many items"),
    Parameter::new("meter_links", "0: without the links to the meters"),
];

fn list(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    arguments::check(&call.query, &["limit", "meter_links"])?;
    let (limit, query) = (arguments::limit(&call.query)?, arguments::items(&call.query));
    let links = arguments::integer(&call.query, "meter_links")?.unwrap_or(1) != 0;
    let give = |taker: &mut dyn Taker<_>| control::resources::list(&caller(call), &query, limit, links, taker);
    samples::list_given(call, &views::RESOURCE, give)
}

/// Ids may hold slashes, which clients quote twice: once for the path, once for what web servers make of it.
fn show(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let id = decode(call.path.value("resource_id"), false).into_owned();
    let resource = control::resources::show(&caller(call), &id)?;
    Ok(call.one("", &views::RESOURCE, &resource, 0))
}
