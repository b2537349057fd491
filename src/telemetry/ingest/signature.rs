//! Signatures of samples and events (specification: signature): HMAC-SHA256 over names and values in the order of the names, each
//! value as Python prints it, for that is what agents sign.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value as Json};
use sha2::Sha256;

use crate::rest::python::str_of;

/// The name of the signature among what it signs.
const NAME: &str = "message_signature";

/// Whether a message was signed with `secret`; every message was with an empty one.
pub(super) fn is_valid(message: &Map<String, Json>, secret: &str) -> bool {
    if secret.is_empty() {
        return true;
    }
    let given = message.get(NAME).and_then(Json::as_str).and_then(from_hex);
    let (Some(given), Ok(mut mac)) = (given, Hmac::<Sha256>::new_from_slice(secret.as_bytes())) else { return false };
    sign("", message, &mut |text| mac.update(text.as_bytes()));
    mac.verify_slice(&given).is_ok()
}

/// Tells `update` what is signed, piece by piece. Names of objects in objects are joined by colons.
fn sign(above: &str, map: &Map<String, Json>, update: &mut impl FnMut(&str)) {
    for (name, value) in sorted(map) {
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}:{name}") };
        match value {
            Json::Object(inner) => sign(&path, inner, update),
            _ if path == NAME => {}
            other => {
                update(&path);
                match other {
                    Json::Array(_) => {
                        let mut text = String::new();
                        encoded(other, &mut text);
                        update(&text);
                    }
                    other => update(&str_of(other)),
                }
            }
        }
    }
}

fn sorted(map: &Map<String, Json>) -> Vec<(&String, &Json)> {
    let mut pairs: Vec<(&String, &Json)> = map.iter().collect();
    pairs.sort_unstable_by_key(|(name, _)| *name);
    pairs
}

/// Agents turn the texts in lists into bytes before they print them.
fn encoded(value: &Json, out: &mut String) {
    match value {
        Json::String(text) => bytes_repr(text, out),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                encoded(item, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            out.push('{');
            for (at, (name, value)) in sorted(map).into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                bytes_repr(name, out);
                out.push_str(": ");
                encoded(value, out);
            }
            out.push('}');
        }
        other => out.push_str(&str_of(other)),
    }
}

/// The bytes of a text as `repr()` prints them.
fn bytes_repr(text: &str, out: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push('b');
    out.push(mark);
    for byte in text.bytes() {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte if char::from(byte) == mark => {
                out.push('\\');
                out.push(mark);
            }
            b' '..=b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push(mark);
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Ceilometer's own `compute_signature`.
    const SIGNED: [(&str, &str); 2] = [
        (
            r#"{"source": "openstack", "counter_name": "cpu", "counter_type": "cumulative", "counter_unit": "ns",
            "counter_volume": 1.0, "user_id": null, "project_id": "p", "resource_id": "r", "timestamp": "2026-11-22T13:45:00",
            "resource_metadata": {"z": true, "a": {"b": [1, 2.5, null, "it's", "\"'", "é\n", {"k": ["x"], "a": 1e-07}],
            "c": {}}, "e": 1e+16, "f": [], "n": -0.0}, "message_id": "m", "monotonic_time": null}"#,
            "e4800becbe9e268b6170216193d96eb3a03d0c80f38614e32708f7dce36798e9",
        ),
        (
            r#"{"message_id": "m", "event_type": "volume.create.end", "generated": "2026-11-22T13:45:01", "traits":
            [["size", 2, 5], ["rate", 3, 1.5], ["created_at", 4, "2026-11-22T13:44:00"], ["name", 1, "x"]], "raw": {}}"#,
            "b483b9fcd5571950735fa54eb8fd783d2f1f012ba624620b03334f9820d07c49",
        ),
    ];

    #[test]
    fn a_signature_is_that_of_the_agents() {
        for (message, signature) in SIGNED {
            let mut message: Map<String, Json> = serde_json::from_str(message).unwrap();
            assert!(!is_valid(&message, "secret"), "it has none");
            assert!(is_valid(&message, ""), "none is asked for");
            message.insert(NAME.to_owned(), signature.into());
            assert!(is_valid(&message, "secret"), "{message:?}");
            assert!(!is_valid(&message, "another"));
            message.insert("message_id".to_owned(), "n".into());
            assert!(!is_valid(&message, "secret"), "it was changed");
        }
    }

    #[test]
    fn what_is_no_signature_is_none() {
        let mut message = Map::new();
        for wrong in [Json::Null, "".into(), "zz".into(), "abc".into(), 5.into(), "E4".into()] {
            message.insert(NAME.to_owned(), wrong);
            assert!(!is_valid(&message, "secret"), "{message:?}");
        }
    }
}
