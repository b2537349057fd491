//! Reads published samples as nearly all are: of the right types. They go from the text into their fields, with no tree of values
//! in between, and metadata stay the text that they are. What is to be refused, or to be looked at more closely, is left to
//! [`super::published`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::posted_quickly::{Text, opt_text};
use crate::telemetry::control::posting::Published;
use crate::time::Timestamp;

/// The samples of a body that is a list; `None` where one of them is not as nearly all are.
pub(super) fn read(body: &[u8]) -> Option<Vec<Published<'_>>> {
    // Checked as a whole, which is much quicker than each text by itself.
    let samples: Vec<Sample<'_>> = serde_json::from_str(std::str::from_utf8(body).ok()?).ok()?;
    Some(samples.into_iter().map(|Sample(sample)| sample).collect())
}

struct Sample<'a>(Published<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Sample<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields).map(Self)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Published<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sample")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut name, mut kind, mut resource_id, mut id) = (None, None, None, None);
        let (mut unit, mut project_id, mut user_id, mut source) = (None, None, None, None);
        let (mut volume, mut timestamp, mut metadata) = (None, None, Cow::Borrowed("{}"));
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "name" => name = opt_text(&mut map)?,
                "type" => kind = opt_text(&mut map)?,
                "unit" => unit = opt_text(&mut map)?,
                "resource_id" => resource_id = opt_text(&mut map)?,
                "project_id" => project_id = opt_text(&mut map)?,
                "user_id" => user_id = opt_text(&mut map)?,
                "source" => source = opt_text(&mut map)?,
                "id" => id = opt_text(&mut map)?,
                "volume" => volume = Some(map.next_value::<f64>()?).filter(|volume| volume.is_finite()),
                "timestamp" => {
                    let Text(text) = map.next_value()?;
                    timestamp = Some(Timestamp::parse(&text).ok_or_else(|| A::Error::custom("a time"))?);
                }
                "resource_metadata" => {
                    let text = map.next_value::<&RawValue>()?.get();
                    let is_object = text.starts_with('{');
                    metadata = is_object.then_some(Cow::Borrowed(text)).ok_or_else(|| A::Error::custom("metadata"))?;
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        let missing = || A::Error::custom("a field");
        Ok(Published {
            name: name.ok_or_else(missing)?,
            kind: kind.ok_or_else(missing)?,
            unit: unit.unwrap_or_default(),
            volume: volume.ok_or_else(missing)?,
            resource_id: resource_id.ok_or_else(missing)?,
            project_id: project_id.filter(|id| !id.is_empty()),
            user_id: user_id.filter(|id| !id.is_empty()),
            source: source.unwrap_or_default(),
            timestamp: timestamp.ok_or_else(missing)?,
            metadata,
            id: id.ok_or_else(missing)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{published, tree::Tree};
    use crate::telemetry::control::posting::Published;

    const SAMPLE: &str = r#"{"id": "i", "name": "cpu", "type": "gauge", "unit": "ns", "volume": 1, "resource_id": "r",
        "timestamp": "2015-01-01T10:00:00"}"#;

    fn with(more: &str) -> String {
        SAMPLE.replace("\"ns\"", &format!("\"ns\", {more}"))
    }

    /// With metadata as values, since their texts may differ in spaces.
    fn values(samples: Vec<Published<'_>>) -> Vec<(Published<'_>, serde_json::Value)> {
        let mut values = Vec::new();
        for sample in samples {
            let metadata = serde_json::from_str(&sample.metadata).unwrap();
            values.push((Published { metadata: "".into(), ..sample }, metadata));
        }
        values
    }

    #[test]
    fn what_is_read_quickly_is_what_the_closer_look_finds() {
        for (body, quick) in [
            (SAMPLE.to_owned(), true),
            (
                with(r#""project_id": "", "user_id": "u", "source": null, "monotonic_time": null, "user_name": [1]"#),
                true,
            ),
            (with(r#""project_id": "p\\u0041", "timestamp": "2015-01-01 10:00:00.5+02:00", "volume": 2.5"#), true),
            (with(r#""resource_metadata": {"a": {"b": [1, "\u0041", null]},  "c": 1.5}"#), true),
            (SAMPLE.replace("\"ns\"", "null"), true),
            (with(r#""name": null, "name": "disk""#), true),
            (with(r#""resource_metadata": null"#), false),
        ] {
            let body = format!("[{body}, {SAMPLE}]");
            let tree = Tree::read(body.as_bytes()).unwrap();
            let found = super::read(body.as_bytes());
            assert_eq!(found.is_some(), quick, "{body}");
            let looked = published::read(&tree).unwrap();
            assert_eq!(values(found.unwrap_or_else(|| looked.clone())), values(looked), "{body}");
        }
        assert_eq!(super::read(b"[]"), Some(Vec::new()));
    }

    #[test]
    fn what_is_refused_is_never_read_quickly() {
        for body in [
            "{}".to_owned(),
            "[1]".to_owned(),
            "[{}]".to_owned(),
            format!("[{SAMPLE}"),
            format!("[{SAMPLE}] 1"),
            format!("[{}]", SAMPLE.replace("\"r\"", "null")),
            format!("[{}]", SAMPLE.replace("\"i\"", "5")),
            format!("[{}]", SAMPLE.replace(": 1,", ": true,")),
            format!("[{}]", SAMPLE.replace(": 1,", ": \"1\",")),
            format!("[{}]", SAMPLE.replace(": 1,", ": null,")),
            format!("[{}]", SAMPLE.replace("2015", "yesterday")),
            format!("[{}]", with(r#""resource_metadata": []"#)),
            format!("[{}]", with(r#""resource_metadata": {"a": }"#)),
            format!("[{}]", with(r#""unit": 5"#)),
        ] {
            assert!(super::read(body.as_bytes()).is_none(), "{body}");
            let refused = Tree::read(body.as_bytes()).map(|tree| published::read(&tree).is_err());
            assert!(refused.unwrap_or(true), "{body}");
        }
    }
}
