//! Metadata between the two forms that they have: nested, as they are kept, and flat, as the API shows them and takes
//! them (specification: flattened metadata).

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The nested form of flat metadata, as JSON text with sorted keys: a key `a.b` is an entry `b` of `a`. Where `a` has a
/// value of its own too, the entry wins; of a key that is given twice the last one does.
pub fn nest<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
    // Entries stand behind each other when a point is less than any other byte.
    let rank = |byte: u8| if byte == b'.' { 0 } else { u16::from(byte) + 1 };
    pairs.sort_by(|(one, _), (other, _)| one.bytes().map(rank).cmp(other.bytes().map(rank)));
    let mut out =
        String::with_capacity(pairs.iter().map(|(key, value)| key.len() + value.len() + 6).sum::<usize>() + 2);
    write_nested(&pairs, 0, &mut out);
    out
}

/// Writes the entries of one object: sorted keys without their first `above` bytes.
fn write_nested(pairs: &[(&str, &str)], above: usize, out: &mut String) {
    let split = |key: &'_ str| -> usize {
        let rest = key.get(above..).unwrap_or_default();
        rest.find('.').map_or(key.len(), |point| above + point)
    };
    out.push('{');
    let mut rest = pairs;
    while let Some((key, _)) = rest.first() {
        let name = key.get(above..split(key)).unwrap_or_default();
        let same = |key: &str| key.get(above..split(key)).unwrap_or_default() == name;
        let (group, after) = rest.split_at(rest.iter().take_while(|(key, _)| same(key)).count().max(1));
        if rest.len() < pairs.len() {
            out.push(',');
        }
        write_text(name, out);
        out.push(':');
        let nested = group.iter().position(|(key, _)| split(key) < key.len());
        match (nested, group.last()) {
            (Some(first), _) => {
                let below = above + name.len() + 1;
                write_nested(group.get(first..).unwrap_or_default(), below, out);
            }
            (None, last) => write_text(last.map_or("", |(_, value)| value), out),
        }
        rest = after;
    }
    out.push('}');
}

/// Writes a JSON text.
fn write_text(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        // Writing into a String can not fail.
        let _ = write!(out, "{}", Value::from(text));
        return;
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
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
        assert_eq!(
            nest([("a.b", "1"), ("a-x", "2"), ("a", "3"), ("a.a.c", "4")]),
            r#"{"a":{"a":{"c":"4"},"b":"1"},"a-x":"2"}"#
        );
        assert_eq!(
            nest([("a", "1"), ("a", "2"), ("b.", "\"3\n"), (".", "é")]),
            r#"{"":{"":"é"},"a":"2","b":{"":"\"3\n"}}"#
        );
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
