//! Reads the events that the HTTP publisher of Ceilometer's agents posts: a list of them, or one alone (specification:
//! HTTP publisher).

use serde_json::Value as Json;

use super::tree::Tree;
use crate::error::{Error, Result};
use crate::rest::python::{repr, str_of};
use crate::telemetry::control::refusals::invalid_input;
use crate::telemetry::model::metadata::sorted;
use crate::telemetry::model::{Event, Trait, TraitKind, TraitValue};
use crate::time::Timestamp;

/// The events of a body. Keys that are not known are read over, as agents of later releases add some.
///
/// # Errors
/// [`crate::Kind::Invalid`] with the first thing that is wrong.
pub(super) fn read(tree: &Tree<'_>) -> Result<Vec<Event>> {
    match tree {
        Tree::List(items) => items.iter().map(event).collect(),
        one => Ok(vec![event(one)?]),
    }
}

/// The bare payloads of a publisher with `raw_only`.
///
/// # Errors
/// As [`read`].
pub(super) fn payloads(tree: &Tree<'_>) -> Result<Vec<Json>> {
    let items = match tree {
        Tree::List(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let payload = |item: &Tree<'_>| match item {
        Tree::Object(_) => Ok(item.to_value()),
        _ => Err(Error::invalid("Payloads should be included in request body")),
    };
    items.iter().map(payload).collect()
}

fn event(item: &Tree<'_>) -> Result<Event> {
    let Tree::Object(pairs) = item else {
        return Err(Error::invalid("Events should be included in request body"));
    };
    let find = |name: &str| pairs.iter().rev().find(|(key, _)| key == name).map_or(&Tree::Null, |(_, value)| value);
    let text = |name: &str| match find(name) {
        Tree::Text(text) if !text.is_empty() => Ok(text.clone().into_owned()),
        Tree::Null | Tree::Text(_) => Err(invalid_input(name, "None", "Mandatory field missing.")),
        other => Err(invalid_input(name, &str_of(&other.to_value()), "Wrong type. Expected '<class 'str'>'")),
    };
    let time = text("generated")?;
    let generated =
        Timestamp::parse(&time).ok_or_else(|| invalid_input("generated", &time, "invalid timestamp format"))?;
    let traits = match find("traits") {
        Tree::Null => Vec::new(),
        Tree::List(items) => items.iter().filter_map(|item| one(item).transpose()).collect::<Result<_>>()?,
        other => {
            return Err(invalid_input("traits", &str_of(&other.to_value()), "Wrong type. Expected '<class 'list'>'"));
        }
    };
    let raw = match find("raw") {
        Tree::Null => None,
        Tree::Object(pairs) if pairs.is_empty() => None,
        other => Some(sorted(&other.to_value())),
    };
    Ok(Event { message_id: text("message_id")?, event_type: text("event_type")?, generated, traits, raw })
}

/// A trait, `[name, type, value]`; one without a value is none.
fn one(item: &Tree<'_>) -> Result<Option<Trait>> {
    let strange = || invalid_input("traits", &repr(&item.to_value()), "A trait is a name, a type and a value.");
    let Tree::List(parts) = item else { return Err(strange()) };
    let [Tree::Text(name), Tree::Integer(code), value] = parts.as_slice() else { return Err(strange()) };
    if matches!(value, Tree::Null) || *code == 0 {
        return Ok(None);
    }
    let kind = TraitKind::of_code(*code).ok_or_else(strange)?;
    let value = match (kind, value) {
        (TraitKind::Text, value) => Some(TraitValue::Text(str_of(&value.to_value()))),
        (TraitKind::Integer, Tree::Integer(value)) => Some(TraitValue::Integer(*value)),
        (TraitKind::Integer, Tree::Bool(value)) => Some(TraitValue::Integer(i64::from(*value))),
        (TraitKind::Integer, Tree::Text(text)) => text.trim().parse().ok().map(TraitValue::Integer),
        (TraitKind::Float, Tree::Integer(value)) => Some(TraitValue::Float(*value as f64)),
        (TraitKind::Float, Tree::Real(value)) => finite(*value),
        (TraitKind::Float, Tree::Text(text)) => text.trim().parse().ok().and_then(finite),
        (TraitKind::Time, Tree::Text(text)) => Timestamp::parse(text).map(TraitValue::Time),
        _ => None,
    };
    let value = value.ok_or_else(|| {
        let reason = format!("The value of a trait should be a {}.", kind.name());
        invalid_input("traits", &repr(&Json::from(vec![Json::from(name.as_ref()), value_of(parts)])), &reason)
    })?;
    Ok(Some(Trait { name: name.clone().into_owned(), value }))
}

fn value_of(parts: &[Tree<'_>]) -> Json {
    parts.last().map_or(Json::Null, Tree::to_value)
}

fn finite(value: f64) -> Option<TraitValue> {
    value.is_finite().then_some(TraitValue::Float(value))
}

#[cfg(test)]
mod tests {
    use super::{Tree, read};

    #[test]
    fn what_is_no_event_is_refused_with_what_is_wrong() {
        for (body, text) in [
            ("5", "Events should be included in request body"),
            (r#"{"event_type": "a", "generated": "2015-01-01"}"#, "field/attribute message_id"),
            (r#"{"message_id": "a", "generated": "2015-01-01"}"#, "field/attribute event_type"),
            (r#"{"message_id": "a", "event_type": "a", "generated": "soon"}"#, "field/attribute generated"),
            (
                r#"[{"message_id": "a", "event_type": "a", "generated": "2015-01-01", "traits": [["size", 2, "x"]]}]"#,
                "The value of a trait should be a integer.",
            ),
            (
                r#"[{"message_id": "a", "event_type": "a", "generated": "2015-01-01", "traits": [["size", 9, 1]]}]"#,
                "A trait is a name, a type and a value.",
            ),
        ] {
            let error = read(&Tree::read(body.as_bytes()).unwrap()).unwrap_err();
            assert!(error.public().contains(text), "{body}: {}", error.public());
        }
    }

    #[test]
    fn a_trait_without_a_value_is_none() {
        let body = r#"{"message_id": "a", "event_type": "a", "generated": "2015-01-01",
            "traits": [["a", 1, null], ["b", 0, "x"], ["c", 1, 5], ["d", 3, 2]], "raw": {}, "later": 1}"#;
        let events = read(&Tree::read(body.as_bytes()).unwrap()).unwrap();
        let names: Vec<&str> = events[0].traits.iter().map(|one| one.name.as_str()).collect();
        assert_eq!((names, events[0].text("c"), &events[0].raw), (vec!["c", "d"], Some("5"), &None));
    }
}
