//! The typed value of an option: text read once, when the configuration is loaded. Not here: where the text comes from.

use std::time::Duration;

use super::opt::OptKind;

/// A value as code reads it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Neither a file nor a default sets it.
    Unset,
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<String>),
    Seconds(Duration),
}

impl Value {
    /// Reads `text` as an option of `kind`; the texts of a repeated option come as several.
    ///
    /// # Errors
    /// What is wrong with the text, without the text itself, which may be a secret.
    pub(super) fn read(kind: &OptKind, texts: &[String]) -> Result<Self, String> {
        // As in oslo.config the last of several assignments holds.
        let text = texts.last().map_or("", String::as_str);
        let number = text.trim();
        let wrong = || Err(format!("is not {}", kind.allowed()));
        match *kind {
            OptKind::MultiText => Ok(Self::List(texts.iter().filter(|text| !text.is_empty()).cloned().collect())),
            OptKind::MultiChoice(words) => {
                let texts: Vec<String> = texts.iter().map(|text| text.trim().to_owned()).collect();
                let given: Vec<String> = texts.into_iter().filter(|text| !text.is_empty()).collect();
                match given.iter().all(|text| words.contains(&text.as_str())) {
                    true => Ok(Self::List(given)),
                    false => wrong(),
                }
            }
            OptKind::List => Ok(Self::List(list(text))),
            _ if number.is_empty() => Ok(Self::Unset),
            OptKind::Text | OptKind::Path => Ok(Self::Text(text.to_owned())),
            OptKind::Integer { min, max } => match number.parse::<i64>() {
                Ok(value) if (min..=max).contains(&value) => Ok(Self::Integer(value)),
                _ => wrong(),
            },
            OptKind::Float { min, max } => match number.parse::<f64>() {
                Ok(value) if (min..=max).contains(&value) => Ok(Self::Float(value)),
                _ => wrong(),
            },
            OptKind::Boolean => boolean(number).map_or_else(wrong, |value| Ok(Self::Boolean(value))),
            OptKind::Choice(words) => match words.iter().find(|word| **word == number) {
                Some(word) => Ok(Self::Text((*word).to_owned())),
                None => wrong(),
            },
            OptKind::Seconds => match number.parse::<f64>().map(Duration::try_from_secs_f64) {
                Ok(Ok(span)) => Ok(Self::Seconds(span)),
                _ => wrong(),
            },
        }
    }
}

/// The words that oslo.config takes for on and off.
fn boolean(word: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|candidate| candidate.eq_ignore_ascii_case(word));
    if is(["true", "1", "on", "yes"]) {
        Some(true)
    } else if is(["false", "0", "off", "no"]) {
        Some(false)
    } else {
        None
    }
}

/// Texts between commas; commas at the end do not count.
fn list(text: &str) -> Vec<String> {
    match text.trim().trim_end_matches(',') {
        "" => Vec::new(),
        text => text.split(',').map(|part| part.trim().to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: OptKind, text: &str) -> Result<Value, String> {
        Value::read(&kind, &[text.to_owned()])
    }

    #[test]
    fn each_kind_takes_what_oslo_config_takes() {
        assert_eq!(read(OptKind::Boolean, "Yes"), Ok(Value::Boolean(true)));
        assert_eq!(read(OptKind::Boolean, "OFF"), Ok(Value::Boolean(false)));
        assert_eq!(read(OptKind::Integer { min: 0, max: 9 }, " 7 "), Ok(Value::Integer(7)));
        assert_eq!(read(OptKind::Seconds, "1.5"), Ok(Value::Seconds(Duration::from_millis(1500))));
        let list = |texts: &[&str]| Ok(Value::List(texts.iter().map(|text| (*text).to_owned()).collect()));
        assert_eq!(read(OptKind::List, "a, b ,,c,,"), list(&["a", "b", "", "c"]));
        assert_eq!(read(OptKind::List, ""), list(&[]));
        let several = ["x".to_owned(), "y,z".to_owned()];
        assert_eq!(Value::read(&OptKind::MultiText, &several), list(&["x", "y,z"]));
        assert_eq!(Value::read(&OptKind::Text, &several), Ok(Value::Text("y,z".to_owned())));
    }

    #[test]
    fn a_value_that_is_not_allowed_is_refused_with_what_is() {
        let refusal = |kind, text| read(kind, text).unwrap_err();
        assert_eq!(refusal(OptKind::Integer { min: 1, max: i64::MAX }, "0"), "is not a whole number, 1 or more");
        assert_eq!(refusal(OptKind::Choice(&["noauth", "keystone"]), "x"), "is not one of noauth, keystone");
        assert_eq!(refusal(OptKind::Boolean, "maybe"), "is not true or false");
        for text in ["-1", "inf", "NaN", "1e300"] {
            assert_eq!(refusal(OptKind::Seconds, text), "is not a number of seconds, 0 or more");
        }
        assert_eq!(refusal(OptKind::Float { min: 0.0, max: 1.0 }, "NaN"), "is not a number from 0 to 1");
    }
}
