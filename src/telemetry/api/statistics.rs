//! Statistics: `/v2/meters/{meter_name}/statistics` (specification: statistics).

use super::{arguments, caller, samples, views};
use crate::error::Result;
use crate::rest::{Answer, Call, Parameter, Reply, Route};
use crate::telemetry::Telemetry;
use crate::telemetry::control::refusals::{invalid_input, unknown_argument};
use crate::telemetry::control::statistics::{Request, compute};
use crate::telemetry::policy as rules;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] = &[Route::get("/meters/{meter_name}/statistics", statistics)
    .rules(&[&rules::COMPUTE_STATISTICS])
    .query(PARAMETERS)
    .reply(200, Answer::Many("", &views::STATISTIC))
    .about("Compute statistics of the samples of a meter")];

const PARAMETERS: &[Parameter] = &[
    Parameter::new(
        "q.field",
        "The field to test: user, project, resource, source, message_id, timestamp, \
                               search_offset, metadata.KEY",
    ),
    Parameter::new("q.op", "The operator: eq; for timestamp lt, le, gt, ge"),
    Parameter::new("q.value", "The value to compare with"),
    Parameter::new("q.type", "The type of the value: integer, float, string, boolean, datetime"),
    Parameter::new("groupby", "user_id, project_id, resource_id, source, resource_metadata.KEY; may be repeated"),
    Parameter::new("period", "Seconds of each row"),
    Parameter::new("aggregate.func", "max, min, sum, avg, count, stddev, cardinality; may be repeated"),
    Parameter::new(
        "aggregate.param",
        "The parameter of each function, in the same order; for cardinality resource_id, \
                                       user_id, project_id",
    ),
];

/// The names of the arguments besides those of the query.
const ARGUMENTS: [&str; 5] = ["groupby", "period", "aggregate", "aggregate.func", "aggregate.param"];

fn statistics(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    arguments::check(&call.query, &ARGUMENTS)?;
    if let Some(value) = call.query.last("aggregate") {
        let reason = "Value should be given as aggregate.func and aggregate.param.";
        return Err(invalid_input("aggregate", value, reason));
    }
    let functions = arguments::texts(&call.query, "aggregate.func");
    let parameters = arguments::texts(&call.query, "aggregate.param");
    if parameters.len() > functions.len() {
        return Err(unknown_argument("aggregate.param", "there are more parameters than functions"));
    }
    let aggregates: Vec<_> =
        functions.into_iter().enumerate().map(|(at, name)| (name, parameters.get(at).cloned())).collect();
    let request = Request {
        meter: call.path.value("meter_name"),
        query: &arguments::items(&call.query),
        period: arguments::integer(&call.query, "period")?,
        group_by: &arguments::texts(&call.query, "groupby"),
        aggregates: &aggregates,
    };
    samples::list_given(call, &views::STATISTIC, |taker| compute(&caller(call), &request, taker))
}
