//! Answers complex queries. What an expression says of meters, resources and owners is decided once for each series; only
//! series of which it is not decided are read sample by sample. So the answer is the same on every engine.

use std::cmp::Ordering;

use serde_json::Value as Json;

use crate::database::Connection;
use crate::telemetry::model::expression::{Attribute, Comparison, Expression, Operand, Truth};
use crate::telemetry::model::{Filter, Meter, Owner, Sample};
use crate::{Error, Result};

use super::deadline::Deadline;
use super::metadata;
use super::remembered::Remembered;
use super::samples::{self, Pages};
use super::scope::Scope;

/// Samples more than are asked for that are found before all of them are sorted, at least.
const LEAST_SORTED: usize = 200;

/// A key of the order of an answer, and whether the smallest comes first.
pub type Order = (Attribute, bool);

/// The samples that filter and expression mean, in this order; newest first where it is empty.
///
/// # Errors
/// `Unavailable` where it takes too long, else what the database gives.
pub(super) fn query(
    connection: &mut Connection,
    remembered: &Remembered,
    filter: &Filter,
    expression: &Expression,
    order: &[Order],
    limit: usize,
    deadline: Deadline,
) -> Result<Vec<Sample>> {
    let scope = Scope::of(filter);
    if filter.begin() >= filter.end() || limit == 0 {
        return Ok(Vec::new());
    }
    let newest_first = [(Attribute::Timestamp, false)];
    let order = if order.is_empty() { &newest_first[..] } else { order };
    let by_time = order.first() == Some(&newest_first[0]);
    let mut found: Vec<Sample> = Vec::new();
    let mut floor = filter.begin();
    // To sort for each page would take most of the time where there are many series.
    let enough = limit.saturating_add((limit / 4).max(LEAST_SORTED));
    'series: for chunk in samples::series_by_age(connection, &scope, filter)?.chunks(1_000) {
        let known = remembered.series(connection, chunk.iter().map(|(series, _)| *series))?;
        for (series, newest) in chunk {
            deadline.check()?;
            if *newest < floor {
                break 'series;
            }
            let Some(of) = known.get(series) else { continue };
            let (meter, resource, owner) = (&of.stream.meter, &of.resource, &of.stream.owner);
            let truth = expression_of(expression, &|attribute| of_series(attribute, meter, resource, owner));
            if matches!(truth, Truth::No | Truth::Neither) {
                continue;
            }
            let mut pages = Pages::new(*series, filter.end());
            loop {
                deadline.check()?;
                let rows = pages.next(connection, floor)?;
                if rows.is_empty() {
                    break;
                }
                for sample in samples::complete(connection, remembered, &rows)? {
                    if truth == Truth::Yes || holds(expression, &sample)? {
                        found.push(sample);
                    }
                }
                if found.len() >= enough {
                    found.sort_by(|a, b| compare(order, a, b));
                    found.truncate(limit);
                    if let Some(last) = found.last().filter(|_| by_time) {
                        floor = floor.max(last.timestamp);
                    }
                }
            }
        }
    }
    found.sort_by(|a, b| compare(order, a, b));
    found.truncate(limit);
    Ok(found)
}

/// The value of an attribute.
pub(super) enum Known<'a> {
    /// It is not known without the sample.
    Later,
    Nothing,
    Text(&'a str),
    Number(f64),
    Time(i64),
    Json(&'a Json),
}

fn of_series<'a>(attribute: &Attribute, meter: &'a Meter, resource: &'a str, owner: &'a Owner) -> Known<'a> {
    let optional = |text: &'a Option<String>| text.as_deref().map_or(Known::Nothing, Known::Text);
    match attribute {
        Attribute::Source => Known::Text(&owner.source),
        Attribute::Meter => Known::Text(&meter.name),
        Attribute::Type => Known::Text(meter.kind.name()),
        Attribute::Unit => Known::Text(&meter.unit),
        Attribute::User => optional(&owner.user_id),
        Attribute::Project => optional(&owner.project_id),
        Attribute::Resource => Known::Text(resource),
        Attribute::Signature => Known::Nothing,
        _ => Known::Later,
    }
}

fn of_sample<'a>(attribute: &Attribute, sample: &'a Sample, body: &'a Json) -> Known<'a> {
    match attribute {
        Attribute::Volume => Known::Number(sample.volume),
        Attribute::Timestamp => Known::Time(sample.timestamp.0),
        Attribute::RecordedAt => Known::Time(sample.recorded_at.0),
        Attribute::MessageId => Known::Text(&sample.id),
        Attribute::AllMetadata => Known::Text(&sample.metadata),
        Attribute::Metadata(key) => metadata::entry(body, key).map_or(Known::Nothing, Known::Json),
        other => of_series(other, &sample.meter, &sample.resource_id, &sample.owner),
    }
}

fn holds(expression: &Expression, sample: &Sample) -> Result<bool> {
    let body: Json = serde_json::from_str(&sample.metadata).map_err(Error::internal)?;
    Ok(expression_of(expression, &|attribute| of_sample(attribute, sample, &body)) == Truth::Yes)
}

/// What is known of an expression, where `value` knows the attributes.
pub(super) fn expression_of<'a, A>(expression: &Expression<A>, value: &dyn Fn(&A) -> Known<'a>) -> Truth {
    match expression {
        Expression::And(parts) => parts.iter().fold(Truth::Yes, |truth, part| truth.and(expression_of(part, value))),
        Expression::Or(parts) => parts.iter().fold(Truth::No, |truth, part| truth.or(expression_of(part, value))),
        Expression::Not(part) => expression_of(part, value).negated(),
        Expression::Compare(attribute, comparison, operand) => against(&value(attribute), *comparison, operand),
        Expression::In(attribute, operands) => {
            let known = value(attribute);
            let one = |operand| against(&known, Comparison::Equal, operand);
            operands.iter().fold(Truth::No, |truth, operand| truth.or(one(operand)))
        }
        Expression::Matches(attribute, pattern) => match value(attribute) {
            Known::Later => Truth::Unknown,
            Known::Text(text) => Truth::of((pattern.0)(text)),
            Known::Json(Json::String(text)) => Truth::of((pattern.0)(text)),
            Known::Nothing | Known::Json(_) => Truth::Neither,
            Known::Number(number) => Truth::of((pattern.0)(&number.to_string())),
            Known::Time(at) => Truth::of((pattern.0)(&crate::time::Timestamp(at).iso_short())),
        },
    }
}

/// Compares a value with an operand. Entries of metadata compare within their type only; other attributes take the
/// operand for what they are.
fn against(known: &Known<'_>, comparison: Comparison, operand: &Operand) -> Truth {
    let number = |operand: &Operand| match operand {
        Operand::Integer(number) => Some(*number as f64),
        Operand::Float(number) => Some(*number),
        Operand::Boolean(truth) => Some(f64::from(u8::from(*truth))),
        Operand::Text(text) => text.trim().parse().ok(),
        Operand::Time(_) => None,
    };
    let ordering: Option<Ordering> = match known {
        Known::Later => return Truth::Unknown,
        Known::Nothing => None,
        Known::Text(text) => match operand {
            Operand::Text(other) => Some((*text).cmp(other.as_str())),
            Operand::Integer(other) => Some((*text).cmp(other.to_string().as_str())),
            Operand::Float(other) => Some((*text).cmp(other.to_string().as_str())),
            Operand::Boolean(_) | Operand::Time(_) => None,
        },
        Known::Number(value) => number(operand).and_then(|other| value.partial_cmp(&other)),
        Known::Time(at) => match operand {
            Operand::Time(other) => Some(at.cmp(&other.0)),
            _ => None,
        },
        Known::Json(json) => match (json, operand) {
            (Json::String(text), Operand::Text(other)) => Some(text.cmp(other)),
            (Json::Bool(truth), Operand::Boolean(other)) => Some(truth.cmp(other)),
            (Json::Number(value), Operand::Integer(other)) => value.as_i64().map(|value| value.cmp(other)),
            (Json::Number(value), Operand::Float(other)) if value.is_f64() => {
                value.as_f64().and_then(|value| value.partial_cmp(other))
            }
            _ => None,
        },
    };
    ordering.map_or(Truth::Neither, |ordering| Truth::of(comparison.holds(ordering)))
}

/// The order of two samples. Nothing comes before everything else; what is equal in all keys is in the order of ids.
fn compare(order: &[Order], a: &Sample, b: &Sample) -> Ordering {
    let key = |attribute: &Attribute| {
        let text = |a: &str, b: &str| a.cmp(b);
        match attribute {
            Attribute::Volume => a.volume.total_cmp(&b.volume),
            Attribute::Timestamp => a.timestamp.cmp(&b.timestamp),
            Attribute::RecordedAt => a.recorded_at.cmp(&b.recorded_at),
            Attribute::MessageId => text(&a.id, &b.id),
            Attribute::AllMetadata => text(&a.metadata, &b.metadata),
            Attribute::Source => text(&a.owner.source, &b.owner.source),
            Attribute::Meter => text(&a.meter.name, &b.meter.name),
            Attribute::Type => text(a.meter.kind.name(), b.meter.kind.name()),
            Attribute::Unit => text(&a.meter.unit, &b.meter.unit),
            Attribute::User => a.owner.user_id.cmp(&b.owner.user_id),
            Attribute::Project => a.owner.project_id.cmp(&b.owner.project_id),
            Attribute::Resource => text(&a.resource_id, &b.resource_id),
            Attribute::Signature | Attribute::Metadata(_) => Ordering::Equal,
        }
    };
    let ordered = order.iter().map(|(attribute, ascending)| {
        let ordering = key(attribute);
        if *ascending { ordering } else { ordering.reverse() }
    });
    ordered.fold(Ordering::Equal, Ordering::then).then_with(|| a.id.cmp(&b.id))
}
