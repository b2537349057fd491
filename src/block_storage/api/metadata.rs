//! What the metadata routes of volumes and snapshots share: keys, bodies, the ETag (Block Storage API v3, "Volume
//! metadata", "Snapshot metadata").

use md5::{Digest, Md5};
use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::rest::python::repr;
use crate::rest::schema::{Check, Input, Schema};

/// What a key of a volume's metadata looks like.
pub const KEY_PATTERN: &str = "^[a-zA-Z0-9-_:. /]{1,255}$";
/// What a key of a snapshot's metadata looks like.
pub const KEY_PATTERN_WITHOUT_SLASH: &str = "^[a-zA-Z0-9-_:. ]{1,255}$";

/// Whether a text is a key of a volume's metadata.
pub fn is_key(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.' | b' ' | b'/'))
}

/// Whether a text is a key of a snapshot's metadata.
pub fn is_key_without_slash(text: &str) -> bool {
    is_key(text) && !text.contains('/')
}

const VALUE: Check = Check::Text(0, 255);
const VOLUMES: Check = Check::Map(KEY_PATTERN, is_key, &VALUE, false);
const SNAPSHOTS: Check = Check::Map(KEY_PATTERN_WITHOUT_SLASH, is_key_without_slash, &VALUE, false);

/// `{"metadata": {...}}` of a volume.
pub static VOLUME_ALL: Schema = Schema::strict(&[Input::new("metadata", VOLUMES).required()]);
/// `{"meta": {key: value}}` of a volume.
pub static VOLUME_ONE: Schema = Schema::strict(&[Input::new("meta", VOLUMES).required()]);
/// `{"metadata": {...}}` of a snapshot.
pub static SNAPSHOT_ALL: Schema = Schema::strict(&[Input::new("metadata", SNAPSHOTS).required()]);
/// `{"meta": {key: value}}` of a snapshot.
pub static SNAPSHOT_ONE: Schema = Schema::strict(&[Input::new("meta", SNAPSHOTS).required()]);

/// Names and values of a body that passed its schema, in the order of the body.
pub fn read(value: &Value) -> Vec<(String, String)> {
    let Some(map) = value.as_object() else { return Vec::new() };
    map.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The value of the only key of `{"meta": {key: value}}`, which must be the key of the path.
///
/// # Errors
/// [`Kind::Invalid`] where it is another one, or one of several.
pub fn read_one(meta: &Value, key: &str) -> Result<(String, String)> {
    let mut entries = read(meta);
    let wrong = match entries.len() {
        0 => Some("should be non-empty"),
        1 => None,
        _ => Some("has too many properties"),
    };
    if let Some(wrong) = wrong {
        let shown = repr(meta);
        return Err(Error::invalid(format!("Invalid input for field/attribute meta. Value: {shown}. {shown} {wrong}")));
    }
    entries.pop().filter(|(name, _)| name == key).ok_or_else(|| Error::invalid("Request body and URI mismatch"))
}

/// `{"metadata": {...}}` as Python writes it, with blanks and in ASCII: so the ETag, which is a digest of this text, is the
/// same behind every implementation of the API on one database.
pub fn body(metadata: &[(String, String)]) -> Vec<u8> {
    let mut text = String::from("{\"metadata\": {");
    for (at, (key, value)) in metadata.iter().enumerate() {
        text.push_str(if at == 0 { "" } else { ", " });
        quote(key, &mut text);
        text.push_str(": ");
        quote(value, &mut text);
    }
    text.push_str("}}");
    text.into_bytes()
}

/// Appends a text as a JSON string in ASCII.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(letter),
            _ => letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out.push('"');
}

/// The ETag of a metadata answer: the MD5 of its body, without quotation marks, as the service has always sent it.
pub fn etag(body: &[u8]) -> String {
    Md5::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks the caller's `If-Match` against the metadata as they are.
///
/// # Errors
/// [`Kind::PreconditionFailed`] where none of the caller's tags is the present one.
pub fn check_if_match(header: Option<&str>, metadata: &[(String, String)]) -> Result<()> {
    let Some(header) = header else { return Ok(()) };
    let current = etag(&body(metadata));
    let mut tags = header.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'));
    if tags.any(|tag| tag == "*" || tag == current) {
        return Ok(());
    }
    Err(Error::new(Kind::PreconditionFailed, "The metadata have changed."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{body, check_if_match, etag, is_key, is_key_without_slash, read_one};

    #[test]
    fn a_key_is_of_harmless_characters() {
        assert!(is_key("a/b: c.d-e_f9"));
        assert!(!is_key_without_slash("a/b"));
        assert!(!is_key("") && !is_key("é") && !is_key(&"k".repeat(256)) && !is_key("a\nb"));
    }

    #[test]
    fn one_key_must_be_the_key_of_the_path() {
        let said = |meta| read_one(&meta, "k").map_err(|error| error.public().to_owned());
        assert_eq!(said(json!({"k": "v"})), Ok(("k".into(), "v".into())));
        assert_eq!(said(json!({"x": "v"})), Err("Request body and URI mismatch".into()));
        let many = "Invalid input for field/attribute meta. Value: {'k': 'v', 'x': 'v'}. {'k': 'v', 'x': 'v'} has too many properties";
        assert_eq!(said(json!({"k": "v", "x": "v"})), Err(many.into()));
        assert!(said(json!({})).is_err());
    }

    #[test]
    fn the_tag_is_the_digest_of_the_text_that_python_writes() {
        let pairs = [("a/b".to_owned(), "\u{7f}é\u{1d11e}\"\n".to_owned()), ("k".to_owned(), String::new())];
        let text = r#"{"metadata": {"a/b": "\u007f\u00e9\ud834\udd1e\"\n", "k": ""}}"#;
        assert_eq!(String::from_utf8(body(&pairs)).unwrap(), text);
        assert_eq!(etag(text.as_bytes()), "7e99860f6b3a04f0f585044527eff4ef");
        assert!(check_if_match(Some("\"x\", W/\"7e99860f6b3a04f0f585044527eff4ef\""), &pairs).is_ok());
        assert!(check_if_match(Some("x"), &pairs).is_err());
        assert!(check_if_match(None, &pairs).is_ok());
    }
}
