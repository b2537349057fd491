//! Metadata as filters and groups see it: the entries of a JSON text by their paths, and which numbers of the
//! dictionary stand for metadata with certain entries (specification: simple query).

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::database::{Connection, Value};
use crate::telemetry::model::{MetadataTest, MetadataValue};
use crate::{Error, Result};

use super::sql;

/// The entry of `body` at `path`: names joined by points, places in lists in brackets. A name may hold points itself.
pub(super) fn entry<'a>(body: &'a Json, path: &str) -> Option<&'a Json> {
    if path.is_empty() {
        return (!matches!(body, Json::Object(_) | Json::Array(_))).then_some(body);
    }
    match body {
        Json::Object(map) => map.iter().find_map(|(name, inner)| {
            let rest = path.strip_prefix(name.as_str())?;
            match rest.as_bytes().first() {
                None => entry(inner, ""),
                Some(b'.') => entry(inner, rest.get(1..)?),
                Some(b'[') => entry(inner, rest),
                Some(_) => None,
            }
        }),
        Json::Array(list) => {
            let (place, rest) = path.strip_prefix('[')?.split_once(']')?;
            let inner = list.get(place.parse::<usize>().ok()?)?;
            entry(inner, rest.strip_prefix('.').unwrap_or(rest))
        }
        _ => None,
    }
}

/// Whether all tests hold of `body`. Values of another type than the test's are never equal to it.
pub(super) fn passes(body: &Json, tests: &[MetadataTest]) -> bool {
    tests.iter().all(|test| match (entry(body, &test.key), &test.value) {
        (Some(Json::String(found)), MetadataValue::Text(wanted)) => found == wanted,
        (Some(Json::Bool(found)), MetadataValue::Boolean(wanted)) => found == wanted,
        (Some(Json::Number(found)), MetadataValue::Integer(wanted)) => found.as_i64() == Some(*wanted),
        (Some(Json::Number(found)), MetadataValue::Float(wanted)) => found.is_f64() && found.as_f64() == Some(*wanted),
        _ => false,
    })
}

/// Entries that a [`Memo`] holds before it starts anew.
const REMEMBERED: usize = 50_000;

/// What is worked out of metadata, by number, each only once.
pub(super) struct Memo<T, F: FnMut(&Json) -> T> {
    known: HashMap<i64, T>,
    work_out: F,
}

impl<T: Clone, F: FnMut(&Json) -> T> Memo<T, F> {
    /// Works out `work_out` of each body.
    pub(super) fn new(work_out: F) -> Self {
        Self { known: HashMap::new(), work_out }
    }

    /// Reads the bodies of those numbers that are new.
    pub(super) fn learn(&mut self, connection: &mut Connection, numbers: impl IntoIterator<Item = i64>) -> Result<()> {
        let mut strange: Vec<i64> = numbers.into_iter().collect();
        strange.sort_unstable();
        strange.dedup();
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        strange.retain(|number| !self.known.contains_key(number));
        for chunk in sql::chunks(&strange, &[100, 10, 1]) {
            let start = "SELECT id, body FROM telemetry_metadata WHERE id IN ";
            let statement = sql::repeat(start, &sql::marks(chunk.len()), "", "", 1);
            let marks: Vec<Value<'_>> = chunk.iter().map(|number| Value::Int(*number)).collect();
            connection.query(&statement, &marks, |row| {
                let body: Json = serde_json::from_str(row.text(1)?).map_err(Error::internal)?;
                self.known.insert(row.int(0)?, (self.work_out)(&body));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// What was worked out; `None` of a number that was not learned.
    pub(super) fn known(&self, number: i64) -> Option<&T> {
        self.known.get(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, MetadataTest, MetadataValue, entry, passes};

    #[test]
    fn entries_are_found_by_their_paths() {
        let body = serde_json::json!({"a": {"b": [1, {"c": "x"}]}, "d.e": true, "f": null, "d": {"e": 5}});
        assert_eq!(entry(&body, "a.b[0]"), Some(&Json::from(1)));
        assert_eq!(entry(&body, "a.b[1].c"), Some(&Json::from("x")));
        assert_eq!(entry(&body, "d.e"), Some(&Json::Bool(true)));
        assert_eq!(entry(&body, "f"), Some(&Json::Null));
        for path in ["a", "a.b", "a.b[2]", "a.b[x]", "ab", "", "d", "[0]", "a.b[0]c"] {
            assert_eq!(entry(&body, path), None, "{path}");
        }
    }

    #[test]
    fn values_are_compared_within_their_type() {
        let body = serde_json::json!({"text": "5", "whole": 5, "real": 5.0, "truth": true});
        let holds = |key: &str, value| passes(&body, &[MetadataTest { key: key.to_owned(), value }]);
        assert!(holds("text", MetadataValue::Text("5".into())));
        assert!(holds("whole", MetadataValue::Integer(5)));
        assert!(holds("real", MetadataValue::Float(5.0)));
        assert!(holds("truth", MetadataValue::Boolean(true)));
        assert!(!holds("text", MetadataValue::Integer(5)));
        assert!(!holds("whole", MetadataValue::Float(5.0)));
        assert!(!holds("whole", MetadataValue::Text("5".into())));
        assert!(!holds("absent", MetadataValue::Text("".into())));
        assert!(passes(&body, &[]));
    }
}
