//! What is made of the values that a path finds: nothing, or what one of Ceilometer's plugins makes of them.

use serde_json::Value as Json;

use super::path::{Expression, split};
use crate::time::Timestamp;
use crate::{Error, Result};

/// A path with what is made of its values.
#[derive(Debug)]
pub(super) struct Source {
    path: Expression,
    plugin: Option<Plugin>,
}

#[derive(Debug)]
enum Plugin {
    /// A piece of each text.
    Split { separator: String, segment: i64, most: i64 },
    /// The seconds between the first two times.
    TimeDelta,
    /// Other values for some values.
    Map { values: Vec<(String, Json)>, default: Json, exact: bool },
    /// The sum of the flags whose value was found.
    BitField { initial: i64, flags: Vec<(Json, i64)> },
}

impl Source {
    /// Reads a path, a number, a list of paths, or an object with `fields` and perhaps `plugin`.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where it is none of these.
    pub(super) fn read(json: &Json) -> Result<Self> {
        let (fields, plugin) = match json {
            Json::Object(map) => {
                let fields = map
                    .get("fields")
                    .ok_or_else(|| Error::invalid("Required field in trait definition not specified: 'fields'"))?;
                (fields, map.get("plugin").map(Plugin::read).transpose()?)
            }
            other => (other, None),
        };
        Ok(Self { path: expression(fields)?, plugin })
    }

    /// All values, in order.
    pub(super) fn all(&self, root: &Json) -> Vec<Json> {
        let found = self.path.find(root);
        match &self.plugin {
            Some(plugin) => plugin.apply(found),
            None => found,
        }
    }

    /// The first value.
    pub(super) fn first(&self, root: &Json) -> Option<Json> {
        self.all(root).into_iter().next()
    }
}

fn expression(fields: &Json) -> Result<Expression> {
    match fields {
        Json::String(text) => Expression::parse(text),
        Json::Number(_) | Json::Bool(_) => Ok(Expression::Constant(fields.clone())),
        Json::Array(items) => items.iter().map(expression).collect::<Result<_>>().map(Expression::Any),
        other => Err(Error::invalid(format!("{other} is no path"))),
    }
}

impl Plugin {
    fn read(json: &Json) -> Result<Self> {
        let name = json.as_str().or_else(|| json.get("name").and_then(Json::as_str)).unwrap_or("");
        let parameter = |name: &str| json.get("parameters").and_then(|parameters| parameters.get(name));
        let integer = |name: &str, default: i64| parameter(name).and_then(Json::as_i64).unwrap_or(default);
        Ok(match name {
            "split" => Self::Split {
                separator: parameter("separator").and_then(Json::as_str).unwrap_or(".").to_owned(),
                segment: integer("segment", 0),
                most: parameter("max_split").and_then(Json::as_i64).unwrap_or(-1),
            },
            "timedelta" => Self::TimeDelta,
            "map" => {
                let exact = parameter("case_sensitive").and_then(Json::as_bool).unwrap_or(true);
                let values = parameter("values").and_then(Json::as_object);
                let values = values.ok_or_else(|| Error::invalid("The map plugin needs values"))?;
                let key = |key: &String| if exact { key.clone() } else { key.to_lowercase() };
                Self::Map {
                    values: values.iter().map(|(name, value)| (key(name), value.clone())).collect(),
                    default: parameter("default").cloned().unwrap_or(Json::Null),
                    exact,
                }
            }
            "bitfield" => {
                let flags = parameter("flags").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                let flag = |flag: &Json| Some((flag.get("value").cloned()?, flag.get("bit")?.as_u64()?));
                Self::BitField {
                    initial: integer("initial_bitfield", 0),
                    flags: flags
                        .iter()
                        .filter_map(flag)
                        .map(|(value, bit)| {
                            (value, 1_i64.checked_shl(u32::try_from(bit).unwrap_or(u32::MAX)).unwrap_or(0))
                        })
                        .collect(),
                }
            }
            other => return Err(Error::invalid(format!("there is no plugin '{other}'"))),
        })
    }

    fn apply(&self, found: Vec<Json>) -> Vec<Json> {
        match self {
            Self::Split { separator, segment, most } => {
                let piece = |value: &Json| split(value.as_str()?, separator, *segment, *most).map(Json::from);
                found.iter().filter_map(piece).collect()
            }
            Self::TimeDelta => {
                let time = |value: Option<&Json>| value.and_then(Json::as_str).and_then(Timestamp::parse);
                match (time(found.first()), time(found.get(1))) {
                    (Some(start), Some(end)) if found.len() == 2 => {
                        vec![Json::from(start.0.abs_diff(end.0) as f64 / 1e6)]
                    }
                    _ => Vec::new(),
                }
            }
            Self::Map { values, default, exact } => {
                let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let key = |value: &Json| if *exact { text(value) } else { text(value).to_lowercase() };
                let of = |value: &Json| {
                    let key = key(value);
                    values
                        .iter()
                        .find(|(name, _)| *name == key)
                        .map_or_else(|| default.clone(), |(_, value)| value.clone())
                };
                found.iter().map(of).filter(|value| !value.is_null()).collect()
            }
            Self::BitField { initial, flags } => {
                let set = flags.iter().filter(|(value, _)| found.contains(value));
                vec![Json::from(set.fold(*initial, |bits, (_, bit)| bits | bit))]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Source;
    use serde_json::{Value as Json, json};

    fn all(source: &Json) -> Json {
        let root =
            json!({"a": "x:y:z", "start": "2026-01-01T00:00:00", "end": "2026-01-01 00:00:01.5", "state": "ACTIVE"});
        Json::from(Source::read(source).unwrap().all(&root))
    }

    #[test]
    fn plugins_make_values_of_values() {
        for (source, found) in [
            (json!({"fields": ["b", "a"]}), json!(["x:y:z"])),
            (
                json!({"fields": "a", "plugin": {"name": "split", "parameters": {"segment": 1, "separator": ":"}}}),
                json!(["y"]),
            ),
            (
                json!({"fields": "a", "plugin": {"name": "split",
                    "parameters": {"segment": 1, "separator": ":", "max_split": 1}}}),
                json!(["y:z"]),
            ),
            (json!({"fields": ["start", "end"], "plugin": "timedelta"}), json!([1.5])),
            (json!({"fields": ["start"], "plugin": "timedelta"}), json!([])),
            (
                json!({"fields": "state", "plugin": {"name": "map",
                    "parameters": {"values": {"active": 1}, "default": 0, "case_sensitive": false}}}),
                json!([1]),
            ),
            (
                json!({"fields": "a", "plugin": {"name": "map", "parameters": {"values": {"b": 1}, "default": 7}}}),
                json!([7]),
            ),
            (
                json!({"fields": ["a", "state"], "plugin": {"name": "bitfield", "parameters": {"initial_bitfield": 1,
                    "flags": [{"path": "state", "bit": 3, "value": "ACTIVE"}, {"path": "a", "bit": 4, "value": "q"}]}}}),
                json!([9]),
            ),
        ] {
            assert_eq!(all(&source), found, "{source}");
        }
        for wrong in [json!({"plugin": "split"}), json!({"fields": "a", "plugin": "magic"}), json!(null)] {
            assert!(Source::read(&wrong).is_err(), "{wrong}");
        }
    }
}
