//! Metadata between the two forms that they have: nested, as they are kept, and flat, as the API shows them and takes
//! them (specification: flattened metadata).

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The nested form of flat metadata, as JSON text with sorted keys: a key `a.b` is an entry `b` of `a`. Where `a` has a
/// value of its own too, the entry wins.
pub fn nest<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut root = Map::new();
    let mut pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
    pairs.sort_by_key(|(key, _)| *key);
    for (key, value) in pairs {
        put(&mut root, key, value);
    }
    sorted(&Value::Object(root))
}

fn put(map: &mut Map<String, Value>, key: &str, value: &str) {
    let Some((top, rest)) = key.split_once('.') else {
        map.insert(key.to_owned(), Value::from(value));
        return;
    };
    let inner = map.entry(top).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

/// JSON text with the keys of each object sorted, so that equal values have one text.
pub fn sorted(value: &Value) -> String {
    let mut out = String::new();
    write_sorted(value, &mut out);
    out
}

fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                // Writing into a String can not fail.
                let _ = write!(out, "{}:", Value::from(key.as_str()));
                write_sorted(map.get(key).unwrap_or(&Value::Null), out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write_sorted(item, out);
            }
            out.push(']');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// The flat form of nested metadata: names joined, the first time by a point and then by colons, and every value as a
/// value of JSON, whose text is up to the caller. Lists are values.
pub fn flatten(body: &str) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    if let Ok(Value::Object(map)) = serde_json::from_str(body) {
        collect("", map, &mut flat);
    }
    flat
}

fn collect(above: &str, map: Map<String, Value>, flat: &mut Vec<(String, Value)>) {
    for (name, value) in map {
        let path = if above.is_empty() { name } else { format!("{above}.{name}") };
        match value {
            Value::Object(inner) => collect(&path, inner, flat),
            other => flat.push((path.replace('.', ":").replacen(':', ".", 1), other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{flatten, nest, sorted};
    use serde_json::{Value, json};

    #[test]
    fn points_in_keys_are_nesting() {
        assert_eq!(
            nest([("status", "ok"), ("a.b", "c"), ("size", "5")]),
            r#"{"a":{"b":"c"},"size":"5","status":"ok"}"#
        );
        assert_eq!(nest([("a.b", "c"), ("a", "x"), ("a.d.e", "f")]), r#"{"a":{"b":"c","d":{"e":"f"}}}"#);
        assert_eq!(nest([]), "{}");
    }

    #[test]
    fn the_first_separator_is_a_point_and_the_others_are_colons() {
        let flat = flatten(&json!({"a": {"b": {"c": 1}}, "d": [1, {"x": null}], "e:f": true}).to_string());
        let expected: Vec<(String, Value)> =
            vec![("a.b:c".into(), json!(1)), ("d".into(), json!([1, {"x": null}])), ("e.f".into(), json!(true))];
        assert_eq!(flat, expected);
        assert_eq!(flatten("[]"), []);
    }

    #[test]
    fn equal_values_have_one_text() {
        let (one, other) =
            (json!({"b": {"y": 1, "x": "\""}, "a": [null]}), json!({"a": [null], "b": {"x": "\"", "y": 1}}));
        assert_eq!(sorted(&one), sorted(&other));
        assert_eq!(sorted(&one), r#"{"a":[null],"b":{"x":"\"","y":1}}"#);
    }
}
