//! The definition of an event: the traits of notifications of some types.

use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::Notification;
use super::glob::Globs;
use super::path::number;
use super::plugin::Source;
use crate::rest::python::str_of;
use crate::telemetry::model::{Trait, TraitKind, TraitValue};
use crate::time::Timestamp;
use crate::{Error, Result};

/// The most characters of a trait's text: longer ones are cut, as agents cut them.
const LONGEST_TEXT: usize = 255;

/// One definition.
#[derive(Debug)]
pub(super) struct EventDefinition {
    types: Globs,
    /// The default traits and those of the definition, which come in the place of default ones of the same name.
    traits: Vec<TraitDefinition>,
}

#[derive(Debug)]
struct TraitDefinition {
    name: String,
    kind: TraitKind,
    source: Source,
}

/// The traits that every event has.
static DEFAULTS: LazyLock<Vec<TraitDefinition>> = LazyLock::new(|| defaults().unwrap_or_default());

fn defaults() -> Result<Vec<TraitDefinition>> {
    let rows = [
        ("service", json!("publisher_id")),
        ("request_id", json!("ctxt.request_id")),
        ("project_id", json!(["payload.tenant_id", "ctxt.project_id"])),
        ("user_id", json!(["payload.user_id", "ctxt.user_id"])),
        ("tenant_id", json!(["payload.tenant_id", "ctxt.project_id"])),
    ];
    rows.iter().map(|(name, fields)| TraitDefinition::read(name, &json!({"fields": fields}))).collect()
}

/// The traits of a notification that no definition names.
pub(super) fn default_traits(notification: &Notification) -> Vec<Trait> {
    DEFAULTS.iter().filter_map(|definition| definition.of(&notification.body)).collect()
}

impl EventDefinition {
    /// Reads a definition.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] with what is wrong.
    pub(super) fn read(json: &Json) -> Result<Self> {
        let types = texts(json, "event_type")?;
        let mut traits = defaults()?;
        let own = json.get("traits").ok_or_else(|| Error::invalid("Required field traits not specified"))?;
        for (name, row) in own.as_object().into_iter().flatten() {
            let definition = TraitDefinition::read(name, row)?;
            match traits.iter_mut().find(|known| known.name == *name) {
                Some(known) => *known = definition,
                None => traits.push(definition),
            }
        }
        Ok(Self { types: Globs::read(&types)?, traits })
    }

    /// Whether it is for notifications of this type.
    pub(super) fn is_for(&self, event_type: &str) -> bool {
        self.types.hold(event_type)
    }

    /// The traits of a notification.
    pub(super) fn traits(&self, notification: &Notification) -> Vec<Trait> {
        self.traits.iter().filter_map(|definition| definition.of(&notification.body)).collect()
    }
}

/// A text or a list of texts.
pub(super) fn texts(json: &Json, name: &str) -> Result<Vec<String>> {
    let strange = || Error::invalid(format!("Required field {name} not specified"));
    match json.get(name) {
        Some(Json::String(text)) if !text.is_empty() => Ok(vec![text.clone()]),
        Some(Json::Array(items)) if !items.is_empty() => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(strange)).collect()
        }
        _ => Err(strange()),
    }
}

impl TraitDefinition {
    fn read(name: &str, row: &Json) -> Result<Self> {
        let kind = match row.get("type").and_then(Json::as_str).unwrap_or("text") {
            "text" | "string" => TraitKind::Text,
            "int" | "integer" => TraitKind::Integer,
            "float" => TraitKind::Float,
            "datetime" => TraitKind::Time,
            other => return Err(Error::invalid(format!("Invalid trait type '{other}' for trait {name}"))),
        };
        Ok(Self { name: name.to_owned(), kind, source: Source::read(row)? })
    }

    /// The trait of a notification; `None` where it has no such value, or one that is not of the type.
    fn of(&self, body: &Json) -> Option<Trait> {
        let value = self.source.first(body)?;
        let value = match self.kind {
            TraitKind::Text => TraitValue::Text(str_of(&value).chars().take(LONGEST_TEXT).collect()),
            TraitKind::Integer => TraitValue::Integer(integer(&value)?),
            TraitKind::Float => TraitValue::Float(number(&value)?),
            TraitKind::Time => TraitValue::Time(Timestamp::parse(value.as_str()?)?),
        };
        Some(Trait { name: self.name.clone(), value })
    }
}

fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::Bool(truth) => Some(i64::from(*truth)),
        Json::String(text) => text.trim().parse().ok(),
        // Fractions are cut off; numbers that no integer has are none.
        other => other.as_i64().or_else(|| {
            let whole = other.as_f64()?.trunc();
            (whole.abs() < 9.2e18).then_some(whole as i64)
        }),
    }
}
