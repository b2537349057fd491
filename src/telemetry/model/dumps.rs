//! JSON as Python's `json.dumps` writes it: with a blank after commas and colons, and nothing but ASCII. History tells of
//! changes in such texts, and clients compare them.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// The text of a value.
pub fn dumps(value: &Json) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Json, out: &mut String) {
    match value {
        Json::Object(map) => {
            out.push('{');
            for (at, (key, value)) in map.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                text(key, out);
                out.push_str(": ");
                write(value, out);
            }
            out.push('}');
        }
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                write(item, out);
            }
            out.push(']');
        }
        Json::String(string) => text(string, out),
        other => {
            // Writing into a String can not fail.
            let _ = write!(out, "{other}");
        }
    }
}

fn text(string: &str, out: &mut String) {
    for letter in Json::from(string).to_string().chars() {
        if letter.is_ascii() {
            out.push(letter);
            continue;
        }
        let mut units = [0; 2];
        for unit in letter.encode_utf16(&mut units) {
            // Writing into a String can not fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::dumps;
    use serde_json::json;

    #[test]
    fn texts_are_those_of_python() {
        let value = json!({"a": [1, 2.0, null, true], "b": {"c": "\u{e9}\u{1f600}\"\n"}, "d": []});
        let expected = r#"{"a": [1, 2.0, null, true], "b": {"c": "\u00e9\ud83d\ude00\"\n"}, "d": []}"#;
        assert_eq!(dumps(&value), expected);
    }
}
