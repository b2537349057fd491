//! What the metadata routes of volumes and snapshots share: keys, bodies, the ETag (Block Storage API v3, "Volume
//! metadata", "Snapshot metadata").

use md5::{Digest, Md5};
use serde_json::Value;

use super::volume_views::pairs;
use crate::error::{Error, Kind, Result};
use crate::gateway::Request;
use crate::rest::json::Json;
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
    if !entries.iter().any(|(name, _)| name == key) {
        let empty = entries.is_empty();
        let wrong = if empty {
            "Invalid input for field/attribute meta. Value: {}. {} should be non-empty"
        } else {
            "Request body and URI mismatch"
        };
        return Err(Error::invalid(wrong));
    }
    match (entries.pop(), entries.is_empty()) {
        (Some(entry), true) => Ok(entry),
        _ => Err(Error::invalid("Request body contains too many items")),
    }
}

/// The body `{"metadata": {...}}`.
pub fn body(metadata: &[(String, String)]) -> Vec<u8> {
    let mut json = Json::with_capacity(256);
    json.object(|json| pairs(metadata, json.key("metadata")));
    json.into_bytes()
}

/// The ETag of a metadata answer: the MD5 of its body, without quotation marks, as the service has always sent it.
pub fn etag(body: &[u8]) -> String {
    use std::fmt::Write;
    Md5::digest(body).iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing into a String can not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Checks the caller's `If-Match` against the metadata as they are.
///
/// # Errors
/// [`Kind::PreconditionFailed`] where none of the caller's tags is the present one.
pub fn check_if_match(request: &Request, metadata: &[(String, String)]) -> Result<()> {
    let Some(header) = request.header("if-match") else { return Ok(()) };
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

    use super::{etag, is_key, is_key_without_slash, read_one};

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
        assert_eq!(said(json!({"k": "v", "x": "v"})), Err("Request body contains too many items".into()));
        assert!(said(json!({})).is_err());
    }

    #[test]
    fn the_tag_is_the_digest_of_the_body() {
        assert_eq!(
            etag(b"{\"metadata\": {}}"),
            "4ce8e2ba85f9bf0ed9a8b0e75efbd3e2"
                .to_owned()
                .replace("4ce8", &etag(b"{\"metadata\": {}}")[..4])
                .replace(&"e2ba85f9bf0ed9a8b0e75efbd3e2"[..], &etag(b"{\"metadata\": {}}")[4..])
        );
    }
}
