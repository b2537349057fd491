//! Values as Python prints and reads them: the error texts of the services carry them, and clients match on those texts;
//! filters of lists carry them, because clients send what Python printed.

use std::iter::Peekable;
use std::str::Chars;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// How deep lists and dictionaries may stand in each other.
const DEPTH: usize = 16;

/// Reads a literal as Python writes it (`{'a': 1}`), or JSON, which differs only in `true`, `false` and `null`: lists and
/// tuples, dictionaries, texts in either kind of quotes, numbers, and the three names. `None` for anything else.
pub fn literal(text: &str) -> Option<Value> {
    let mut letters = text.chars().peekable();
    let value = read(&mut letters, DEPTH)?;
    blanks(&mut letters);
    if letters.next().is_some() { None } else { Some(value) }
}

/// Reads a dictionary whose keys and values are texts or numbers, all as texts, as filters come in a query. `None` for
/// anything else.
pub fn dictionary(text: &str) -> Option<Vec<(String, String)>> {
    let Value::Object(map) = literal(text)? else { return None };
    map.into_iter()
        .map(|(key, value)| if value.is_array() || value.is_object() { None } else { Some((key, str_of(&value))) })
        .collect()
}

/// Reads base 64 as Python's `b64decode` does: what is not of its alphabet is skipped, and what follows the padding too.
/// `None` where the last group of letters is not whole.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    let (mut letters, mut pads) = (Vec::with_capacity(text.len()), 0);
    for letter in text.bytes() {
        let open = letters.len() % 4;
        match letter {
            b'=' if open >= 2 => {
                pads += 1;
                if open + pads >= 4 {
                    return GeneralPurpose::new(&STANDARD, CONFIG).decode(letters).ok();
                }
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => {
                letters.push(letter);
                pads = 0;
            }
            _ => {}
        }
    }
    if letters.len().is_multiple_of(4) { GeneralPurpose::new(&STANDARD, CONFIG).decode(letters).ok() } else { None }
}

fn blanks(letters: &mut Peekable<Chars<'_>>) {
    while letters.next_if(|letter| letter.is_ascii_whitespace()).is_some() {}
}

fn read(letters: &mut Peekable<Chars<'_>>, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    blanks(letters);
    match *letters.peek()? {
        '{' => {
            let mut map = Map::new();
            items(letters, '}', |letters| {
                let key = str_of(&read(letters, depth)?);
                blanks(letters);
                letters.next_if_eq(&':')?;
                map.insert(key, read(letters, depth)?);
                Some(())
            })?;
            Some(Value::Object(map))
        }
        open @ ('[' | '(') => {
            let mut list = Vec::new();
            items(letters, if open == '[' { ']' } else { ')' }, |letters| {
                list.push(read(letters, depth)?);
                Some(())
            })?;
            Some(Value::Array(list))
        }
        '\'' | '"' => read_text(letters).map(Value::String),
        _ => read_word(letters),
    }
}

/// The items between the mark that is next and `end`; a comma may follow the last one.
fn items(
    letters: &mut Peekable<Chars<'_>>,
    end: char,
    mut item: impl FnMut(&mut Peekable<Chars<'_>>) -> Option<()>,
) -> Option<()> {
    letters.next()?;
    loop {
        blanks(letters);
        if letters.next_if_eq(&end).is_some() {
            return Some(());
        }
        item(letters)?;
        blanks(letters);
        if letters.next_if_eq(&',').is_none() {
            return letters.next_if_eq(&end).map(|_| ());
        }
    }
}

fn read_text(letters: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mark = letters.next()?;
    let mut text = String::new();
    loop {
        match letters.next()? {
            letter if letter == mark => return Some(text),
            '\\' => match letters.next()? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'u' => {
                    let digits: String = letters.by_ref().take(4).collect();
                    text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                other => text.push(other),
            },
            letter => text.push(letter),
        }
    }
}

fn read_word(letters: &mut Peekable<Chars<'_>>) -> Option<Value> {
    let mut word = String::new();
    while let Some(letter) =
        letters.next_if(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.' | '_'))
    {
        word.push(letter);
    }
    match word.as_str() {
        "None" | "null" => Some(Value::Null),
        "True" | "true" => Some(Value::Bool(true)),
        "False" | "false" => Some(Value::Bool(false)),
        _ => match word.parse::<i64>() {
            Ok(number) => Some(Value::from(number)),
            Err(_) => serde_json::Number::from_f64(word.parse().ok()?).map(Value::Number),
        },
    }
}

/// A value as `str()` prints it.
pub fn str_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// A value as `repr()` prints it.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => out.push_str(&float_repr(float)),
            _ => out.push_str(&number.to_string()),
        },
        Value::String(text) => quote(text, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (at, (key, value)) in map.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                quote(key, out);
                out.push_str(": ");
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// A number with a fraction as `repr()` prints it: the shortest digits that read back the same, with an exponent of two digits
/// or more below 1e-4 and from 1e16 on.
pub fn float_repr(number: f64) -> String {
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        exponent @ -4..16 => {
            let plain = number.to_string();
            if exponent < 0 || plain.contains('.') { plain } else { plain + ".0" }
        }
        exponent => format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

/// Python prefers single quotes, and takes double ones where the text has a single quote and no double one.
fn quote(text: &str, out: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(mark);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter == mark => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter < ' ' || letter == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push(mark);
}

#[cfg(test)]
mod tests {
    use super::{base64, dictionary, literal, repr};
    use serde_json::json;

    #[test]
    fn prints_as_python_does() {
        assert_eq!(
            repr(&json!([null, true, 1, 1.5, "it's", "\"'", "a\n\u{1}é"])),
            r#"[None, True, 1, 1.5, "it's", '"\'', 'a\n\x01é']"#
        );
        assert_eq!(repr(&json!({"k": {"a": []}})), "{'k': {'a': []}}");
    }

    #[test]
    fn numbers_are_printed_as_python_does() {
        for (number, printed) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-1.5e-7, "-1.5e-07"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(repr(&json!(number)), printed);
        }
    }

    #[test]
    fn reads_what_python_and_what_json_write() {
        assert_eq!(literal("{'a': [1, (2.5, None),], \"b\": True} "), Some(json!({"a": [1, [2.5, null]], "b": true})));
        assert_eq!(literal(r#"{"a": null, "b": "x\u00e9\"y"}"#), Some(json!({"a": null, "b": "xé\"y"})));
        for wrong in ["{", "{'a'}", "{'a': }", "[1 2]", "'a", "{'a': 1} x", "open('x')", "nan", "", &"[".repeat(5000)] {
            assert_eq!(literal(wrong), None, "{wrong}");
        }
        let pairs = vec![("k".to_owned(), "v".to_owned()), ("n".to_owned(), "1".to_owned())];
        assert_eq!(dictionary("{'k': 'v', 'n': 1}"), Some(pairs));
        assert_eq!(dictionary("{'k': ['v']}"), None);
        assert_eq!(dictionary("'k'"), None);
    }

    #[test]
    fn reads_base_64_as_python_does() {
        for (text, bytes) in
            [("YQ==", "a"), ("YW\nI=", "ab"), ("YW-Jj", "abc"), ("YQ==YQ==", "a"), ("=YWJj", "abc"), ("é", "")]
        {
            assert_eq!(base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for wrong in ["y", "YQ", "YQ=", "YWJjZ"] {
            assert_eq!(base64(wrong), None, "{wrong}");
        }
    }
}
