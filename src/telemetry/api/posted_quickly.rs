//! Reads posted samples as nearly all are: of the right types, without a key that nobody knows. They go from the text into
//! their fields, with no tree of values in between. What is to be refused, or to be looked at more closely, is left to
//! [`super::posted`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::posted::echo;
use crate::telemetry::control::posting::{Instant, Posted};
use crate::time::Timestamp;

/// The samples of a body; `None` where one of them is not as nearly all are.
pub(super) fn read(body: &[u8]) -> Option<Vec<Posted<'_>>> {
    // Checked as a whole, which is much quicker than each text by itself.
    let Samples(samples) = serde_json::from_str(std::str::from_utf8(body).ok()?).ok()?;
    (!samples.is_empty()).then_some(samples)
}

struct Samples<'a>(Vec<Posted<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Samples<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(List).map(Self)
    }
}

struct List;

impl<'de> Visitor<'de> for List {
    type Value = Vec<Posted<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("samples")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut samples = Vec::new();
        while let Some(Sample(sample)) = seq.next_element()? {
            samples.push(sample);
        }
        Ok(samples)
    }
}

struct Sample<'a>(Posted<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Sample<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields).map(Self)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Posted<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sample")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut sample = Posted::default();
        let (mut name, mut kind, mut unit, mut volume, mut resource) = (false, false, false, false, false);
        while let Some(Text(key)) = map.next_key()? {
            let text = |given: &mut bool, field: &mut Cow<'de, str>, map: &mut A| -> Result<(), A::Error> {
                *given = true;
                map.next_value().map(|Text(text)| *field = text)
            };
            match key.as_ref() {
                "counter_name" => text(&mut name, &mut sample.counter_name, &mut map)?,
                "counter_type" => text(&mut kind, &mut sample.counter_type, &mut map)?,
                "counter_unit" => text(&mut unit, &mut sample.counter_unit, &mut map)?,
                "resource_id" => text(&mut resource, &mut sample.resource_id, &mut map)?,
                "counter_volume" => (sample.counter_volume, volume) = (map.next_value()?, true),
                "project_id" => sample.project_id = opt_text(&mut map)?,
                "user_id" => sample.user_id = opt_text(&mut map)?,
                "source" => sample.source = opt_text(&mut map)?,
                "message_id" => sample.message_id = opt_text(&mut map)?,
                "timestamp" => {
                    let Text(Cow::Borrowed(text)) = map.next_value()? else { return Err(A::Error::custom("escapes")) };
                    let at = Timestamp::parse(text).ok_or_else(|| A::Error::custom("a time"))?;
                    sample.timestamp = Some(Instant { at, text: echo(text.trim(), at) });
                }
                "resource_metadata" => sample.metadata = map.next_value::<Pairs<'_>>()?.0,
                _ => return Err(A::Error::custom("a key")),
            }
        }
        if name && kind && unit && volume && resource && sample.counter_volume.is_finite() {
            return Ok(sample);
        }
        Err(A::Error::custom("a field"))
    }
}

pub(super) fn opt_text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
    Ok(map.next_value::<Option<Text<'de>>>()?.map(|Text(text)| text))
}

/// A text, borrowed where it has no escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Letters).map(Self)
    }
}

struct Letters;

impl<'de> Visitor<'de> for Letters {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Flat metadata whose values are texts.
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries).map(Self)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(Cow<'de, str>, Cow<'de, str>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((Text(key), Text(value))) = map.next_entry()? {
            pairs.push((key, value));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{posted, tree::Tree};

    #[test]
    fn what_is_read_quickly_is_what_the_closer_look_finds() {
        let sample = r#"{"counter_name": "cpu", "counter_type": "gauge", "counter_unit": "ns", "counter_volume": 1, "resource_id": "r"}"#;
        let with = |more: &str| sample.replace("\"ns\"", &format!("\"ns\", {more}"));
        for (body, quick) in [
            (sample.to_owned(), true),
            (with(r#""timestamp": " 2015-01-01T10:00:00 ", "user_id": null, "project_id": "p", "source": "s""#), true),
            (with(r#""timestamp": "2015-01-01 10:00:00.5+02:00", "resource_id": "z", "message_id": "m""#), true),
            (with(r#""resource_metadata": {"a.b": "c", "a\\u0041": "\\n", "a.b": "d"}"#), true),
            (with(r#""counter_volume": "7""#), false),
            (with(r#""resource_metadata": null"#), false),
            (with(r#""resource_metadata": {"a": null}"#), false),
            (with(r#""recorded_at": "2015-01-01T10:00:00""#), false),
            (with(r#""timestamp": null"#), false),
        ] {
            let body = format!("[{body}, {sample}]");
            let tree = Tree::read(body.as_bytes()).unwrap();
            let found = super::read(body.as_bytes());
            assert_eq!(found.is_some(), quick, "{body}");
            assert_eq!(found.unwrap_or_else(|| posted::read(&tree).unwrap()), posted::read(&tree).unwrap(), "{body}");
        }
    }

    #[test]
    fn what_is_refused_is_never_read_quickly() {
        let sample = r#"{"counter_name": "cpu", "counter_type": "gauge", "counter_unit": "ns", "counter_volume": 1, "resource_id": "r"}"#;
        let with = |more: &str| sample.replace("\"ns\"", &format!("\"ns\", {more}"));
        for body in [
            "[]".to_owned(),
            "{}".to_owned(),
            "[1]".to_owned(),
            "[{}]".to_owned(),
            format!("[{sample}"),
            format!("[{sample}] 1"),
            format!("[{}]", sample.replace("\"ns\"", "null")),
            format!("[{}]", sample.replace("\"ns\"", "5")),
            format!("[{}]", sample.replace(": 1,", ": true,")),
            format!("[{}]", sample.replace(": 1,", ": null,")),
            format!("[{}]", with(r#""timestamp": "yesterday""#)),
            format!("[{}]", with(r#""colour": "red""#)),
            format!("[{}]", with(r#""resource_metadata": {"a": 5}"#)),
            format!("[{}]", with(r#""resource_metadata": ["a"]"#)),
        ] {
            assert!(super::read(body.as_bytes()).is_none(), "{body}");
            let refused = Tree::read(body.as_bytes()).map(|tree| posted::read(&tree).is_err());
            assert!(refused.unwrap_or(true), "{body}");
        }
    }
}
