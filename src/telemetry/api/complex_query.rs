//! The complex query of samples: `/v2/query/samples` (specification: complex query).

use super::tree::Tree;
use super::{caller, samples, views};
use crate::error::{Error, Result};
use crate::rest::python::{repr, str_of};
use crate::rest::{Answer, Call, Reply, Route};
use crate::telemetry::Telemetry;
use crate::telemetry::control::complex_query::{self, Query};
use crate::telemetry::control::refusals::invalid_input;
use crate::telemetry::policy as rules;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] = &[Route::post("/query/samples", query)
    .rules(&[&rules::QUERY_SAMPLE])
    .raw()
    .reply(200, Answer::Many("", &views::SAMPLE))
    .about("Search samples by an expression")];

fn query(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    let body = body(call)?;
    let tree = parse(&body)?;
    let query = read(&tree)?;
    samples::list_given(call, &views::SAMPLE, |taker| complex_query::samples(&caller(call), &query, taker))
}

/// The body of a complex query; an empty one asks for everything.
pub(super) fn body(call: &mut Call<'_, Telemetry>) -> Result<Vec<u8>> {
    samples::check_content_type(call)?;
    let body = std::mem::take(&mut call.bytes);
    Ok(if body.iter().all(u8::is_ascii_whitespace) { b"{}".to_vec() } else { body })
}

/// Reads a body as JSON.
pub(super) fn parse(body: &[u8]) -> Result<Tree<'_>> {
    Tree::read(body).map_err(|cause| Error::invalid("Request is not in valid JSON format").because(cause))
}

/// Reads a complex query.
pub(super) fn read<'a>(tree: &'a Tree<'a>) -> Result<Query<'a>> {
    let Tree::Object(pairs) = tree else {
        let shown = repr(&tree.to_value());
        return Err(invalid_input("body", &shown, "Value should be an object."));
    };
    let mut query = Query::default();
    for (key, value) in pairs {
        match key.as_ref() {
            "filter" => query.filter = text("filter", value)?,
            "orderby" => query.order_by = text("orderby", value)?,
            "limit" => query.limit = integer(value)?,
            other => return Err(Error::invalid(format!("Unknown attribute for argument body: {other}"))),
        }
    }
    Ok(query)
}

fn text<'a>(field: &str, value: &'a Tree<'a>) -> Result<Option<&'a str>> {
    match value {
        Tree::Null => Ok(None),
        Tree::Text(text) => Ok(Some(text)),
        other => {
            let reason = format!("Wrong type. Expected '<class 'str'>', got '<class '{}'>'", other.python_type());
            Err(invalid_input(field, &str_of(&other.to_value()), &reason))
        }
    }
}

fn integer(value: &Tree<'_>) -> Result<Option<i64>> {
    let refused = || invalid_input("limit", &str_of(&value.to_value()), "unable to convert to int");
    match value {
        Tree::Null => Ok(None),
        Tree::Integer(number) => Ok(Some(*number)),
        Tree::Text(text) => text.trim().parse().map(Some).map_err(|_| refused()),
        _ => Err(refused()),
    }
}
