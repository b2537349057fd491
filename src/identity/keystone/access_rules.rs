//! The access rules of application credentials: which requests of which service a token is good for.

use serde::Deserialize;

/// One rule: a request that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct AccessRule {
    service: String,
    method: String,
    path: String,
}

impl AccessRule {
    pub(super) fn allows(&self, service: &str, method: &str, path: &str) -> bool {
        self.service == service && self.method == method && matches(&self.path, path)
    }
}

/// What a pattern is made of.
enum Piece {
    Byte(u8),
    /// One byte that is no slash.
    One,
    /// Any number of bytes that are no slashes.
    Some,
    /// Anything.
    All,
}

/// Whether `path` is of the form `pattern`: `{name}` and `*` stand for a segment or a part of it that is not empty, `**`
/// for anything. Takes time in proportion to both lengths, whatever the pattern.
fn matches(pattern: &str, path: &str) -> bool {
    let pieces = pieces(pattern);
    // The places before which the pattern may stand after the bytes so far.
    let mut places = vec![false; pieces.len() + 1];
    reach(&pieces, &mut places, 0);
    for byte in path.bytes() {
        let mut next = vec![false; places.len()];
        for (place, piece) in pieces.iter().enumerate().filter(|(place, _)| places.get(*place) == Some(&true)) {
            match piece {
                Piece::Byte(own) if *own == byte => reach(&pieces, &mut next, place + 1),
                Piece::One if byte != b'/' => reach(&pieces, &mut next, place + 1),
                Piece::Some if byte != b'/' => reach(&pieces, &mut next, place),
                Piece::All => reach(&pieces, &mut next, place),
                _ => {}
            }
        }
        places = next;
    }
    places.last() == Some(&true)
}

/// Marks a place, and those behind it that are reached without a byte.
fn reach(pieces: &[Piece], places: &mut [bool], from: usize) {
    for place in from.. {
        match places.get_mut(place) {
            Some(reached) if !*reached => *reached = true,
            _ => return,
        }
        if !matches!(pieces.get(place), Some(Piece::Some | Piece::All)) {
            return;
        }
    }
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let named = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(_, behind)| behind);
        if let Some(behind) = rest.strip_prefix("**") {
            pieces.push(Piece::All);
            rest = behind;
        } else if let Some(behind) = named.or_else(|| rest.strip_prefix('*')) {
            pieces.extend([Piece::One, Piece::Some]);
            rest = behind;
        } else {
            let (letter, behind) = rest.split_at(letter.len_utf8());
            pieces.extend(letter.bytes().map(Piece::Byte));
            rest = behind;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_names_stand_for_segments_and_double_stars_for_anything() {
        for (pattern, path, expected) in [
            ("/v3/volumes", "/v3/volumes", true),
            ("/v3/volumes", "/v3/volumes/", false),
            ("/v3/*/volumes", "/v3/abc/volumes", true),
            ("/v3/*/volumes", "/v3//volumes", false),
            ("/v3/*/volumes", "/v3/a/b/volumes", false),
            ("/v3/{project_id}/volumes/{volume_id}", "/v3/a/volumes/b", true),
            ("/v3/**", "/v3/a/volumes/b", true),
            ("/v3/**", "/v3/", true),
            ("/v3/**/b", "/v3/a/volumes/b", true),
            ("/v3/vol*", "/v3/volumes", true),
            ("/v3/vol*", "/v3/vol", false),
            ("/v3/ü*/b", "/v3/üx/b", true),
            ("/**/**/**/**/**/**/**/**/x", &"/a".repeat(5000), false),
            ("", "", true),
            ("", "/", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}
