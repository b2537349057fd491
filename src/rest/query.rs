//! The query of a URL: pairs in the order in which they came, percent-decoded.

use std::borrow::Cow;

/// The pairs of a query such as `limit=10&sort=name%3Aasc`.
#[derive(Debug, Default, Clone)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query without its question mark (`application/x-www-form-urlencoded`). Text that is not UTF-8 after decoding
    /// keeps replacement characters. A pair without `=` has an empty value.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true).into_owned(), decode(value, true).into_owned())
        });
        Self { pairs: pairs.collect() }
    }

    /// The last value given for `name`: what WebOb's dict-like access answers, so what clients of Cinder see.
    pub fn last(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value given for `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every pair, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The query's text with every `name` taken out and `name=value` put at the end.
    pub fn with(&self, name: &str, value: &str) -> String {
        let kept = self.pairs().filter(|(key, _)| *key != name);
        let mut text = String::new();
        for (key, value) in kept.chain([(name, value)]) {
            if !text.is_empty() {
                text.push('&');
            }
            encode(key, &mut text);
            text.push('=');
            encode(value, &mut text);
        }
        text
    }
}

/// Undoes percent-encoding (RFC 3986 section 2.1); `+` is a blank where `form` says so. A `%` without two hexadecimal
/// digits stands for itself, as in Python's `unquote`.
pub fn decode(text: &str, form: bool) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || (form && byte == b'+')) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
                continue;
            }
            (b'+', _, _) if form => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Appends `text` percent-encoded for a query, as Python's `urlencode` does (a blank becomes `+`).
pub fn encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

/// Reads the texts that oslo.utils calls true and false, in any case (`bool_from_string`, strict). `None` for all others.
pub fn boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text.trim()));
    if is(&["1", "t", "true", "on", "y", "yes"]) {
        Some(true)
    } else if is(&["0", "f", "false", "off", "n", "no"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Query, decode};

    #[test]
    fn reads_and_writes_pairs() {
        let query = Query::parse("limit=2&name=a+b%20%C3%A9&flag&limit=3&&x=%zz");
        assert_eq!(query.last("limit"), Some("3"));
        assert_eq!(query.all("limit").collect::<Vec<_>>(), ["2", "3"]);
        assert_eq!(query.last("name"), Some("a b é"));
        assert_eq!(query.last("flag"), Some(""));
        assert_eq!(query.last("x"), Some("%zz"));
        assert_eq!(query.with("limit", "9"), "name=a+b+%C3%A9&flag=&x=%25zz&limit=9");
    }

    #[test]
    fn a_plus_is_a_blank_only_in_forms() {
        assert_eq!(decode("a+b", false), "a+b");
        assert_eq!(decode("a+b", true), "a b");
    }
}
