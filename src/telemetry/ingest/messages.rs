//! Samples and events as agents send them by UDP and by message brokers, signed (specification: the metering message).

use serde_json::{Map, Value as Json};

use super::signature;
use crate::rest::python::str_of;
use crate::telemetry::model::metadata::sorted;
use crate::telemetry::model::{Event, Meter, MeterType, Owner, Trait, TraitKind, TraitValue};
use crate::time::Timestamp;
use crate::{Error, Result};

/// A sample on its way in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Incoming {
    pub(super) meter: Meter,
    pub(super) owner: Owner,
    pub(super) resource_id: String,
    pub(super) at: Timestamp,
    /// Finite.
    pub(super) volume: f64,
    /// An object.
    pub(super) metadata: Json,
    pub(super) id: String,
}

/// Whether a message was signed with `secret`.
pub(super) fn is_signed(message: &Json, secret: &str) -> bool {
    message.as_object().is_some_and(|message| signature::is_valid(message, secret))
}

/// A sample of a metering message. Names that are not known are read over, as agents of later releases add some.
///
/// # Errors
/// [`crate::Kind::Invalid`] with what is wrong.
pub(super) fn sample(message: &Json, default_source: &str) -> Result<Incoming> {
    let message = object(message)?;
    let text = |name: &str| required(message, name).map(str_of);
    let (kind, time) = (text("counter_type")?, text("timestamp")?);
    let kind = MeterType::parse(&kind).ok_or_else(|| Error::invalid(format!("counter_type is {kind}")))?;
    let at = Timestamp::parse(&time).ok_or_else(|| Error::invalid(format!("timestamp is {time}")))?;
    let volume = match required(message, "counter_volume")? {
        Json::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Json::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    let volume = volume.filter(|volume| volume.is_finite());
    let metadata = match message.get("resource_metadata") {
        None | Some(Json::Null) => Json::Object(Map::new()),
        Some(Json::Object(map)) => Json::Object(map.clone()),
        Some(_) => return Err(Error::invalid("resource_metadata is no object")),
    };
    Ok(Incoming {
        meter: Meter { name: text("counter_name")?, kind, unit: optional(message, "counter_unit").unwrap_or_default() },
        owner: Owner {
            project_id: optional(message, "project_id"),
            user_id: optional(message, "user_id"),
            source: optional(message, "source").unwrap_or_else(|| default_source.to_owned()),
        },
        resource_id: text("resource_id")?,
        at,
        volume: volume.ok_or_else(|| Error::invalid("counter_volume is no finite number"))?,
        metadata,
        id: text("message_id")?,
    })
}

/// An event of a message of events.
///
/// # Errors
/// As [`sample`].
pub(super) fn event(message: &Json) -> Result<Event> {
    let message = object(message)?;
    let text = |name: &str| required(message, name).map(str_of);
    let time = text("generated")?;
    let generated = Timestamp::parse(&time).ok_or_else(|| Error::invalid(format!("generated is {time}")))?;
    let traits = match message.get("traits") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(items)) => items.iter().filter_map(|item| one(item).transpose()).collect::<Result<_>>()?,
        Some(_) => return Err(Error::invalid("traits is no list")),
    };
    let raw = message.get("raw").filter(|raw| raw.as_object().is_some_and(|raw| !raw.is_empty())).map(sorted);
    Ok(Event { message_id: text("message_id")?, event_type: text("event_type")?, generated, traits, raw })
}

/// A trait, `[name, type, value]`; one without a value is none.
fn one(item: &Json) -> Result<Option<Trait>> {
    let strange = || Error::invalid(format!("{item} is no trait"));
    let Some([Json::String(name), code, value]) = item.as_array().map(Vec::as_slice) else { return Err(strange()) };
    let code = code.as_i64().ok_or_else(strange)?;
    if code == 0 || value.is_null() {
        return Ok(None);
    }
    let finite = |number: f64| number.is_finite().then_some(TraitValue::Float(number));
    let value = match (TraitKind::of_code(code).ok_or_else(strange)?, value) {
        (TraitKind::Text, value) => Some(TraitValue::Text(str_of(value))),
        (TraitKind::Integer, Json::Bool(truth)) => Some(TraitValue::Integer(i64::from(*truth))),
        (TraitKind::Integer, Json::String(text)) => text.trim().parse().ok().map(TraitValue::Integer),
        (TraitKind::Integer, value) => value.as_i64().map(TraitValue::Integer),
        (TraitKind::Float, Json::String(text)) => text.trim().parse().ok().and_then(finite),
        (TraitKind::Float, value) => value.as_f64().and_then(finite),
        (TraitKind::Time, value) => value.as_str().and_then(Timestamp::parse).map(TraitValue::Time),
    };
    Ok(Some(Trait { name: name.clone(), value: value.ok_or_else(strange)? }))
}

fn object(message: &Json) -> Result<&Map<String, Json>> {
    message.as_object().ok_or_else(|| Error::invalid("it is no object"))
}

fn required<'m>(message: &'m Map<String, Json>, name: &str) -> Result<&'m Json> {
    let there = message.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""));
    there.ok_or_else(|| Error::invalid(format!("it has no {name}")))
}

fn optional(message: &Map<String, Json>, name: &str) -> Option<String> {
    required(message, name).ok().map(str_of)
}
