//! The complex query: JSON in a text as an expression over samples, held to the caller's project (specification: complex
//! query). Refusals begin with the service's words; the rest of them names what is wrong instead of repeating a schema.

use std::sync::Arc;

use serde_json::Value;

use super::refusals::not_authorized;
use super::{Caller, Taker};
use crate::telemetry::model::expression::{Attribute, Comparison, Expression, Operand, Pattern};
use crate::telemetry::model::{Filter, Sample};
use crate::telemetry::policy::QUERY_SAMPLE;
use crate::telemetry::store::Order;
use crate::time::Timestamp;
use crate::{Error, Result};

/// A query as it came: filter and order are JSON in texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// Which samples.
    pub filter: Option<&'a str>,
    /// In which order.
    pub order_by: Option<&'a str>,
    /// How many.
    pub limit: Option<i64>,
}

/// The most bytes of memory that one regular expression may take.
const PATTERN_BYTES: usize = 1 << 20;

/// Gives the samples that a query means.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Unauthenticated`] where it names a project that the caller may not see,
/// [`crate::Kind::Invalid`] where it makes no sense, those of the store.
pub fn samples(caller: &Caller<'_>, query: &Query<'_>, taker: &mut dyn Taker<Sample>) -> Result<()> {
    caller.enforce(&QUERY_SAMPLE)?;
    let own = caller.limited_to();
    let expression = match query.filter {
        Some(text) => {
            let json: Value = serde_json::from_str(text).map_err(|error| invalid_filter(&error.to_string()))?;
            expression::<Attribute>(&json, own)?
        }
        None => Expression::And(Vec::new()),
    };
    let order = match query.order_by {
        Some(text) => order(text)?,
        None => Vec::new(),
    };
    let limit = caller.limit(query.limit)?;
    let mut filter = narrowed(&expression);
    if let Some(own) = own {
        filter.project_id = Some(Some(own.to_owned()));
    }
    caller.telemetry.store.query(&filter, &expression, &order, limit, taker)
}

/// What the expression demands of every sample, as a filter: it saves the store from reading what can not be meant.
fn narrowed(expression: &Expression) -> Filter {
    let mut filter = Filter::default();
    for condition in expression.conditions() {
        let Expression::Compare(attribute, comparison, operand) = condition else { continue };
        match (attribute, comparison, operand) {
            (Attribute::Meter, Comparison::Equal, Operand::Text(text)) => filter.meter = Some(text.clone()),
            (Attribute::Resource, Comparison::Equal, Operand::Text(text)) => filter.resource_id = Some(text.clone()),
            (Attribute::Source, Comparison::Equal, Operand::Text(text)) => filter.source = Some(text.clone()),
            (Attribute::User, Comparison::Equal, Operand::Text(text)) => filter.user_id = Some(Some(text.clone())),
            (Attribute::Project, Comparison::Equal, Operand::Text(text)) => {
                filter.project_id = Some(Some(text.clone()));
            }
            (Attribute::Timestamp, Comparison::Greater | Comparison::AtLeast, Operand::Time(at)) => {
                filter.from = filter.from.max(Some(*at));
            }
            (Attribute::Timestamp, Comparison::Less | Comparison::AtMost, Operand::Time(at)) => {
                let end = Timestamp(at.0.saturating_add(1));
                filter.until = Some(filter.until.map_or(end, |until| until.min(end)));
            }
            _ => {}
        }
    }
    filter
}

pub(super) fn invalid_filter(what: &str) -> Error {
    Error::invalid(format!("Filter expression not valid: {what}"))
}

/// The only key of an object, and its value.
pub(super) fn only(json: &Value) -> Option<(&str, &Value)> {
    let map = json.as_object().filter(|map| map.len() == 1)?;
    map.iter().next().map(|(key, value)| (key.as_str(), value))
}

/// An attribute that expressions name.
pub(super) trait Named: Sized + Clone {
    /// The attribute of a name on the wire.
    fn named(name: &str) -> Option<Self>;
    /// Whether it is a time.
    fn is_time(&self) -> bool;
    /// Whether it says to which project something belongs.
    fn is_project(&self) -> bool;
}

impl Named for Attribute {
    fn named(name: &str) -> Option<Self> {
        Self::parse(name)
    }

    fn is_time(&self) -> bool {
        matches!(self, Self::Timestamp | Self::RecordedAt)
    }

    fn is_project(&self) -> bool {
        *self == Self::Project
    }
}

/// Reads an expression; a caller who is limited to one project may not compare the project with another.
pub(super) fn expression<A: Named>(json: &Value, own: Option<&str>) -> Result<Expression<A>> {
    let strange = || invalid_filter(&format!("{json} is no expression"));
    let (operator, inner) = only(json).ok_or_else(strange)?;
    let word = operator.to_ascii_lowercase();
    if matches!(word.as_str(), "and" | "or") {
        let parts = inner.as_array().filter(|parts| parts.len() >= 2).ok_or_else(strange)?;
        let parts = parts.iter().map(|part| expression(part, own)).collect::<Result<_>>()?;
        return Ok(if word == "and" { Expression::And(parts) } else { Expression::Or(parts) });
    }
    if word == "not" {
        return Ok(Expression::Not(Box::new(expression(inner, own)?)));
    }
    let (name, value) = only(inner).ok_or_else(strange)?;
    let attribute = A::named(name).ok_or_else(strange)?;
    if let (true, Some(own)) = (attribute.is_project(), own)
        && value.as_str() != Some(own)
    {
        return Err(not_authorized(value.as_str().unwrap_or(&value.to_string())));
    }
    if word == "in" {
        let values = value.as_array().filter(|values| !values.is_empty()).ok_or_else(strange)?;
        let values = values.iter().filter(|value| !value.is_boolean());
        let operands: Vec<Operand> = values.map(|value| operand(&attribute, value)).collect::<Result<_>>()?;
        return Ok(Expression::In(attribute, operands));
    }
    if word == "=~" {
        let text = value.as_str().ok_or_else(strange)?;
        return Ok(Expression::Matches(attribute, pattern(text)?));
    }
    let comparison = Comparison::parse(&word).ok_or_else(strange)?;
    Ok(Expression::Compare(attribute.clone(), comparison, operand(&attribute, value)?))
}

/// A value to compare an attribute with. Times are read as times.
fn operand<A: Named>(attribute: &A, value: &Value) -> Result<Operand> {
    if attribute.is_time() {
        let text = value.as_str().unwrap_or("");
        let unread = || Error::invalid(format!("Failed to parse the timestamp value {}", plain(value)));
        return Timestamp::parse(text).map(Operand::Time).ok_or_else(unread);
    }
    match value {
        Value::String(text) => Ok(Operand::Text(text.clone())),
        Value::Bool(truth) => Ok(Operand::Boolean(*truth)),
        Value::Number(number) => Ok(match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Operand::Integer(integer),
            (None, real) => Operand::Float(real.unwrap_or(f64::NAN)),
        }),
        other => Err(invalid_filter(&format!("{other} is no value"))),
    }
}

/// A text without its quotes, another value as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A regular expression, which takes time in proportion to the text, whatever it is.
fn pattern(text: &str) -> Result<Pattern> {
    let regex = regex::RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
    let regex = regex.map_err(|error| invalid_filter(&format!("'{text}' is no regular expression: {error}")))?;
    Ok(Pattern(Arc::new(move |text: &str| regex.is_match(text))))
}

fn order(text: &str) -> Result<Vec<Order>> {
    order_of(text, |name| Attribute::parse(name).filter(|attribute| !matches!(attribute, Attribute::Metadata(_))))
}

/// Reads an order: keys, each with whether the smallest comes first.
pub(super) fn order_of<K>(text: &str, key: impl Fn(&str) -> Option<K>) -> Result<Vec<(K, bool)>> {
    let invalid = |what: &str| Error::invalid(format!("Order-by expression not valid: {what}"));
    let json: Value = serde_json::from_str(text).map_err(|error| invalid(&error.to_string()))?;
    let items = json.as_array().ok_or_else(|| invalid(&format!("{json} is no list")))?;
    items
        .iter()
        .map(|item| {
            let (name, direction) = only(item).ok_or_else(|| invalid(&format!("{item} is no key with a direction")))?;
            let key = key(name).ok_or_else(|| invalid(&format!("'{name}' is no key of an order")))?;
            match direction.as_str().map(str::to_ascii_lowercase).as_deref() {
                Some("asc") => Ok((key, true)),
                Some("desc") => Ok((key, false)),
                _ => Err(invalid(&format!("{} does not match 'asc' or 'desc'", plain(direction)))),
            }
        })
        .collect()
}
