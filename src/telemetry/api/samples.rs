//! Samples in the new form: `/v2/samples` (specification: routes).

use super::tree::Tree;
use super::{arguments, caller, published, published_quickly, views};
use crate::error::{Error, Kind, Result};
use crate::rest::query::decode;
use crate::rest::{Answer, Call, Json, Parameter, Reply, Route, Shown, View};
use crate::telemetry::Telemetry;
use crate::telemetry::control::refusals::unknown_argument;
use crate::telemetry::control::{self, Taker, posting};
use crate::telemetry::policy as rules;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] = &[
    Route::get("/samples", list)
        .rules(&[&rules::GET_SAMPLES])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("", &views::SAMPLE))
        .about("List samples of all meters, newest first"),
    Route::post("/samples", publish)
        .rules(&[&rules::PUBLISH, &rules::CREATE_SAMPLES])
        .raw()
        .reply(201, Answer::Nothing)
        .about("Store samples that an agent's HTTP publisher sends"),
    Route::get("/samples/{sample_id}", show)
        .rules(&[&rules::GET_SAMPLE])
        .reply(200, Answer::One("", &views::SAMPLE))
        .about("Show a sample"),
];

pub(super) const LIST_PARAMETERS: &[Parameter] = &[
    Parameter::new(
        "q.field",
        "The field to test: user, project, resource, meter, source, message_id, timestamp, \
                               search_offset, metadata.KEY",
    ),
    Parameter::new("q.op", "The operator: eq; for timestamp lt, le, gt, ge"),
    Parameter::new("q.value", "The value to compare with"),
    Parameter::new("q.type", "The type of the value: integer, float, string, boolean, datetime"),
    Parameter::new("limit", "At most so many items"),
];

/// The answer with a bare list.
pub(super) fn list_of<T>(call: &Call<'_, Telemetry>, view: &View<T>, items: &[T]) -> Reply {
    let viewer = call.viewer(0);
    let shown = view.shown(&viewer);
    call.json(|json| {
        json.array(|json| {
            for item in items {
                shown.object(item, json);
                json.relieve();
            }
        });
    })
}

/// The answer with a bare list of what `give` gives.
pub(super) fn list_given<T>(
    call: &Call<'_, Telemetry>,
    view: &View<T>,
    give: impl FnOnce(&mut dyn Taker<T>) -> Result<()>,
) -> Result<Reply> {
    let viewer = call.viewer(0);
    let mut written = Written { shown: view.shown(&viewer), json: Json::default() };
    written.begin();
    give(&mut written)?;
    let mut json = written.json;
    json.end_array();
    Ok(call.written(json))
}

/// A list that is written while it is given.
struct Written<'v, T: 'static> {
    shown: Shown<'v, T>,
    json: Json,
}

impl<T> Taker<T> for Written<'_, T> {
    fn begin(&mut self) {
        self.json = Json::with_capacity(1024);
        self.json.begin_array();
    }

    fn take(&mut self, items: Vec<T>) -> Result<()> {
        for item in items {
            self.shown.object(&item, &mut self.json);
            self.json.relieve();
        }
        Ok(())
    }
}

/// Refuses bodies that are not JSON. One without a type, or of a form, is a list of arguments to the service.
pub(super) fn check_content_type(call: &Call<'_, Telemetry>) -> Result<()> {
    let header = call.request.header("content-type").unwrap_or("");
    let kind = header.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case("application/json") || call.bytes.is_empty() {
        return Ok(());
    }
    if !kind.is_empty() && !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Error::new(Kind::UnsupportedMedia, format!("Unknown mimetype: {kind}")));
    }
    let body = String::from_utf8_lossy(&call.bytes);
    let argument = body.split('&').next().and_then(|pair| pair.split('=').next()).unwrap_or("");
    Err(unknown_argument(&decode(argument, true), ""))
}

fn list(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    arguments::check(&call.query, &["limit"])?;
    let (query, limit) = (arguments::items(&call.query), arguments::limit(&call.query)?);
    list_given(call, &views::SAMPLE, |taker| control::samples::list(&caller(call), None, &query, limit, taker))
}

fn show(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let sample = control::samples::show(&caller(call), call.path.value("sample_id"))?;
    Ok(call.one("", &views::SAMPLE, &sample, 0))
}

fn publish(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    check_content_type(call)?;
    let body = std::mem::take(&mut call.bytes);
    match published_quickly::read(&body) {
        Some(samples) => posting::publish(&caller(call), &samples)?,
        None => {
            let tree = Tree::read(&body).map_err(posting::not_json)?;
            posting::publish(&caller(call), &published::read(&tree)?)?;
        }
    }
    Ok(call.done())
}
