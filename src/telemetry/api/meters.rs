//! Meters and their samples in the old form: `/v2/meters` (specification: routes).

use super::tree::Tree;
use super::{arguments, caller, posted, posted_quickly, samples, views};
use crate::error::Result;
use crate::rest::{Answer, Call, Parameter, Reply, Route};
use crate::telemetry::Telemetry;
use crate::telemetry::control::posting::{self, Filled, Posted};
use crate::telemetry::control::{self, Taker};
use crate::telemetry::model::MessageId;
use crate::telemetry::policy as rules;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] = &[
    Route::get("/meters", list)
        .rules(&[&rules::GET_METERS])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("", &views::METER))
        .about("List meters, one for each resource"),
    // The service takes a slash at the end for a meter without a name, which limits nothing.
    Route::get("/meters/", list_samples)
        .rules(&[&rules::GET_SAMPLES])
        .query(samples::LIST_PARAMETERS)
        .reply(200, Answer::Many("", &views::OLD_SAMPLE))
        .about("List samples of all meters in the old form, newest first"),
    Route::get("/meters/{meter_name}", list_samples)
        .rules(&[&rules::GET_SAMPLES])
        .query(samples::LIST_PARAMETERS)
        .reply(200, Answer::Many("", &views::OLD_SAMPLE))
        .about("List samples of a meter in the old form, newest first"),
    Route::post("/meters/{meter_name}", post)
        .rules(&[&rules::CREATE_SAMPLES])
        .query(&[Parameter::new("direct", "Accepted; samples are always stored before the answer")])
        .raw()
        .reply(201, Answer::Many("", &views::OLD_SAMPLE))
        .about("Post samples of a meter"),
];

const LIST_PARAMETERS: &[Parameter] = &[
    Parameter::new("q.field", "The field to test: user, project, resource, source, metadata.KEY"),
    Parameter::new("q.op", "The operator: eq"),
    Parameter::new("q.value", "The value to compare with"),
    Parameter::new("q.type", "The type of the value: integer, float, string, boolean, datetime"),
    Parameter::new("limit", "At most so many items"),
    Parameter::new("unique", "Each meter once, without resource and owner"),
];

fn list(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    arguments::check(&call.query, &["limit", "unique"])?;
    let (limit, unique) = (arguments::limit(&call.query)?, arguments::flag(&call.query, "unique")?);
    let query = arguments::items(&call.query);
    samples::list_given(call, &views::METER, |taker| control::meters::list(&caller(call), &query, limit, unique, taker))
}

fn list_samples(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    arguments::check(&call.query, &["limit"])?;
    let meter = Some(call.path.value("meter_name")).filter(|name| !name.is_empty());
    let (query, limit) = (arguments::items(&call.query), arguments::limit(&call.query)?);
    let give = |taker: &mut dyn Taker<_>| control::samples::list(&caller(call), meter, &query, limit, taker);
    samples::list_given(call, &views::OLD_SAMPLE, give)
}

fn post(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    arguments::check(&call.query, &["direct"])?;
    samples::check_content_type(call)?;
    let body = std::mem::take(&mut call.bytes);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(posted::nothing());
    }
    let answer = |samples: &[Posted<'_>]| -> Result<Reply> {
        let filled = posting::post(&caller(call), call.path.value("meter_name"), samples)?;
        Ok(call.json(|json| {
            // Ids and owners are more than what the answer leaves out.
            json.reserve(body.len() + samples.len() * 160);
            json.array(|json| {
                samples.iter().zip(&filled.samples).for_each(|(one, own)| write(one, own, &filled, json))
            });
        }))
    };
    if let Some(samples) = posted_quickly::read(&body) {
        return answer(&samples);
    }
    let tree = Tree::read(&body).map_err(posting::not_json)?;
    answer(&posted::read(&tree)?)
}

/// Writes a posted sample as it came, with what was filled in.
fn write(sample: &Posted<'_>, (owner, id): &(usize, MessageId), filled: &Filled, json: &mut crate::rest::Json) {
    let owner = filled.owners.get(*owner);
    json.object(|json| {
        json.name("source").opt_text(owner.map(|owner| owner.source.as_str()));
        json.name("counter_name").text(&sample.counter_name);
        json.name("counter_type").text(&sample.counter_type);
        json.name("counter_unit").text(&sample.counter_unit);
        json.name("counter_volume").real(sample.counter_volume);
        json.name("user_id").opt_text(owner.and_then(|owner| owner.user_id.as_deref()));
        json.name("project_id").opt_text(owner.and_then(|owner| owner.project_id.as_deref()));
        json.name("resource_id").text(&sample.resource_id);
        json.name("timestamp").text(sample.timestamp.as_ref().map_or(&filled.now, |instant| instant.text.as_ref()));
        json.name("resource_metadata").object(|json| {
            for (key, value) in &sample.metadata {
                json.key(key).text(value);
            }
        });
        json.name("message_id").text(&id.text());
    });
}
