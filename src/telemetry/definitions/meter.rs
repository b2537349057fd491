//! The definition of a meter: the samples of notifications of some types.

use regex::Regex;
use serde_json::{Map, Value as Json};

use super::event::texts;
use super::path::number;
use super::plugin::Source;
use super::{Measured, Notification, glob};
use crate::rest::python::str_of;
use crate::telemetry::model::MeterType;
use crate::time::Timestamp;
use crate::{Error, Result};

/// One definition.
#[derive(Debug)]
pub(super) struct MeterDefinition {
    /// Name of the meter, or the path to it.
    pub(super) name: String,
    types: Vec<Regex>,
    meter_name: Attribute,
    kind: Attribute,
    unit: Attribute,
    volume: Source,
    resource_id: Source,
    project_id: Option<Source>,
    user_id: Option<Source>,
    timestamp: Option<Source>,
    metadata: Vec<(String, Source)>,
    user_metadata: Option<Source>,
    /// Attributes of which a notification has several, one for each sample; empty where it is one sample.
    lookup: Vec<String>,
    fallback_project: Source,
    fallback_user: Source,
}

/// A text that is the same for all samples, or found in each notification.
#[derive(Debug)]
enum Attribute {
    Constant(String),
    Found(Source),
}

impl Attribute {
    fn read(json: &Json, name: &str) -> Result<Self> {
        let text = json.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| Error::invalid(format!("Required fields ['{name}'] not specified")))?;
        if text.starts_with('$') {
            return Ok(Self::Found(Source::read(&Json::from(text))?));
        }
        Ok(Self::Constant(text.to_owned()))
    }

    /// The text of the sample at a place.
    fn at(&self, body: &Json, place: usize) -> Option<String> {
        match self {
            Self::Constant(text) => Some(text.clone()),
            Self::Found(source) => pick(source.all(body), place).map(|value| str_of(&value)),
        }
    }
}

/// The value at a place, or the only one.
fn pick(mut values: Vec<Json>, place: usize) -> Option<Json> {
    match values.len() {
        1 => values.pop(),
        _ => values.into_iter().nth(place),
    }
}

impl MeterDefinition {
    /// Reads a definition.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] with what is wrong.
    pub(super) fn read(json: &Json) -> Result<Self> {
        let required = |name: &str| match json.get(name) {
            Some(value) if !value.is_null() => Source::read(value),
            _ => Err(Error::invalid(format!("Required fields ['{name}'] not specified"))),
        };
        let optional = |name: &str| json.get(name).filter(|value| !value.is_null()).map(Source::read).transpose();
        let kind = Attribute::read(json, "type")?;
        if let Attribute::Constant(word) = &kind
            && MeterType::parse(word).is_none()
        {
            return Err(Error::invalid(format!("Invalid type {word} specified")));
        }
        let metadata = json.get("metadata").and_then(Json::as_object).into_iter().flatten();
        Ok(Self {
            name: json.get("name").map(str_of).unwrap_or_default(),
            types: texts(json, "event_type")?.iter().map(|text| glob::beginning(text)).collect::<Result<_>>()?,
            meter_name: Attribute::read(json, "name")?,
            kind,
            unit: Attribute::read(json, "unit")?,
            volume: required("volume")?,
            resource_id: required("resource_id")?,
            project_id: optional("project_id")?,
            user_id: optional("user_id")?,
            timestamp: optional("timestamp")?,
            metadata: metadata.map(|(name, row)| Ok((name.clone(), Source::read(row)?))).collect::<Result<_>>()?,
            user_metadata: optional("user_metadata")?,
            lookup: if json.get("lookup").is_some() { texts(json, "lookup")? } else { Vec::new() },
            fallback_project: Source::read(&Json::from("ctxt.project_id|ctxt.tenant_id"))?,
            fallback_user: Source::read(&Json::from("ctxt.user_id|ctxt.user"))?,
        })
    }

    /// Whether it is for notifications of this type.
    pub(super) fn is_for(&self, event_type: &str) -> bool {
        self.types.iter().any(|regex| regex.is_match(event_type))
    }

    /// The samples of a notification: none without a volume and a resource.
    pub(super) fn samples(&self, notification: &Notification) -> Vec<Measured> {
        let count = if self.lookup.is_empty() {
            1
        } else {
            match &self.meter_name {
                Attribute::Found(source) => source.all(&notification.body).len(),
                Attribute::Constant(_) => self.volume.all(&notification.body).len(),
            }
        };
        (0..count).filter_map(|place| self.sample(notification, place)).collect()
    }

    fn sample(&self, notification: &Notification, place: usize) -> Option<Measured> {
        let body = &notification.body;
        let of = |source: &Source| {
            if self.lookup.is_empty() { source.first(body) } else { pick(source.all(body), place) }
        };
        let text = |source: &Source| of(source).map(|value| str_of(&value)).filter(|text| !text.is_empty());
        let owner = |own: &Option<Source>, fallback: &Source| {
            own.as_ref().and_then(text).or_else(|| fallback.first(body).map(|value| str_of(&value)))
        };
        let at = match self.timestamp.as_ref().and_then(text) {
            Some(time) => Timestamp::parse(&time)?,
            None => notification.at,
        };
        Some(Measured {
            name: self.meter_name.at(body, place)?,
            kind: MeterType::parse(&self.kind.at(body, place)?)?,
            unit: self.unit.at(body, place)?,
            volume: number(&of(&self.volume)?)?,
            resource_id: text(&self.resource_id)?,
            project_id: owner(&self.project_id, &self.fallback_project),
            user_id: owner(&self.user_id, &self.fallback_user),
            at,
            metadata: self.metadata(body),
        })
    }

    /// The metadata that the definition names; without any, the whole payload.
    fn metadata(&self, body: &Json) -> Json {
        let mut metadata = Map::new();
        for (name, source) in &self.metadata {
            if let Some(value) = source.first(body).filter(|value| !is_nothing(value)) {
                metadata.insert(name.clone(), value);
            }
        }
        if let Some(Json::Object(user)) = self.user_metadata.as_ref().and_then(|source| source.first(body)) {
            metadata.insert("user_metadata".to_owned(), Json::Object(user));
        }
        if metadata.is_empty() {
            if let Some(Json::Object(payload)) = body.get("payload") {
                metadata.clone_from(payload);
            }
            for (name, key) in [("event_type", "event_type"), ("host", "publisher_id")] {
                metadata.insert(name.to_owned(), body.get(key).cloned().unwrap_or(Json::Null));
            }
        }
        Json::Object(metadata)
    }
}

/// Whether Python would take a value for false: then it is no metadata.
fn is_nothing(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.is_empty(),
        Json::Bool(true) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn notification() -> Notification {
        let message = json!({"event_type": "compute.metrics.update", "publisher_id": "compute.h", "message_id": "m",
            "timestamp": "2026-01-01 00:00:00", "payload": {"nodename": "n", "metrics": [
                {"name": "cpu.user", "value": 5, "timestamp": "2026-01-01T01:00:00+01:00"},
                {"name": "cpu.idle", "value": "7.5", "timestamp": "2026-01-01T02:00:00+01:00"}]}});
        let Json::Object(message) = message else { unreachable!() };
        Notification::new(&message, json!({"tenant_id": "t", "user": "u"})).unwrap()
    }

    #[test]
    fn one_notification_may_hold_several_samples() {
        let definition = json!({"name": "$.payload.metrics[*].name", "event_type": "compute.metrics.*", "type": "gauge",
            "unit": "percent", "volume": "$.payload.metrics[*].value", "resource_id": "$.payload.nodename",
            "timestamp": "$.payload.metrics[*].timestamp", "lookup": ["name", "volume", "timestamp"]});
        let definition = MeterDefinition::read(&definition).unwrap();
        assert!(definition.is_for("compute.metrics.update") && !definition.is_for("x.compute.metrics.update"));
        let samples = definition.samples(&notification());
        let told: Vec<(&str, f64, String)> =
            samples.iter().map(|sample| (sample.name.as_str(), sample.volume, sample.at.iso_short())).collect();
        let expected =
            [("cpu.user", 5.0, "2026-01-01T00:00:00".to_owned()), ("cpu.idle", 7.5, "2026-01-01T01:00:00".to_owned())];
        assert_eq!(told, expected);
        assert_eq!((samples[0].project_id.as_deref(), samples[0].user_id.as_deref()), (Some("t"), Some("u")));
        // Without a map the payload is the metadata.
        assert_eq!(samples[0].metadata["nodename"], "n");
        assert_eq!(
            (&samples[0].metadata["host"], &samples[0].metadata["event_type"]),
            (&json!("compute.h"), &json!("compute.metrics.update"))
        );
    }

    #[test]
    fn a_volume_may_be_a_constant_or_computed() {
        for (volume, expected) in [(json!(1), 1.0), (json!("$.payload.metrics[0].value * 2 + 0.5"), 10.5)] {
            let definition = json!({"name": "m", "event_type": ["a", "compute"], "type": "delta", "unit": "u",
                "volume": volume, "resource_id": "$.payload.nodename", "metadata": {"node": "$.payload.nodename"}});
            let samples = MeterDefinition::read(&definition).unwrap().samples(&notification());
            assert_eq!((samples[0].volume, &samples[0].metadata), (expected, &json!({"node": "n"})));
        }
    }

    #[test]
    fn what_lacks_a_field_is_refused() {
        let whole =
            json!({"name": "m", "event_type": "a", "type": "gauge", "unit": "u", "volume": 1, "resource_id": "$.a"});
        assert!(MeterDefinition::read(&whole).is_ok());
        for field in ["name", "event_type", "type", "unit", "volume", "resource_id"] {
            let mut wrong = whole.clone();
            wrong[field] = Json::Null;
            assert!(MeterDefinition::read(&wrong).is_err(), "{field}");
        }
        let mut wrong = whole;
        wrong["type"] = json!("blob");
        assert_eq!(MeterDefinition::read(&wrong).unwrap_err().public(), "Invalid type blob specified");
    }
}
