//! Reads posted samples in the old form, refusing what the service refuses, in its words (specification: old sample).

use std::borrow::Cow;

use super::tree::Tree;
use crate::error::{Error, Result};
use crate::rest::python::{repr, str_of};
use crate::telemetry::control::posting::{Instant, Posted};
use crate::telemetry::control::refusals::invalid_input;
use crate::time::Timestamp;

/// The samples of a body.
///
/// # Errors
/// [`crate::Kind::Invalid`] with the first thing that is wrong.
pub(super) fn read<'a>(tree: &'a Tree<'a>) -> Result<Vec<Posted<'a>>> {
    let items = match tree {
        Tree::List(items) if !items.is_empty() => items,
        Tree::List(_) | Tree::Null => return Err(nothing()),
        other => {
            let shown = repr(&other.to_value());
            return Err(invalid_input("samples", &shown, &format!("Value not a valid list: {shown}")));
        }
    };
    items.iter().map(|item| sample(item, tree)).collect()
}

/// The refusal of a body without samples.
pub(super) fn nothing() -> Error {
    Error::invalid("Samples should be included in request body")
}

fn sample<'a>(item: &'a Tree<'a>, whole: &Tree<'_>) -> Result<Posted<'a>> {
    let Tree::Object(pairs) = item else {
        return Err(invalid_input("samples", &str_of(&item.to_value()), &wrong_type("dict", item)));
    };
    let mut sample = Posted::default();
    let mut volume = None;
    let (mut name, mut kind, mut unit, mut resource) = (None, None, None, None);
    for (key, value) in pairs {
        match key.as_ref() {
            "counter_name" => name = text("counter_name", value)?,
            "counter_type" => kind = text("counter_type", value)?,
            "counter_unit" => unit = text("counter_unit", value)?,
            "counter_volume" => volume = number(value, whole)?,
            "resource_id" => resource = text("resource_id", value)?,
            "project_id" => sample.project_id = text("project_id", value)?,
            "user_id" => sample.user_id = text("user_id", value)?,
            "source" => sample.source = text("source", value)?,
            "message_id" => sample.message_id = text("message_id", value)?,
            "timestamp" => sample.timestamp = instant("timestamp", value, whole)?,
            // When it was stored is for the store to say.
            "recorded_at" => drop(instant("recorded_at", value, whole)?),
            "resource_metadata" => sample.metadata = metadata(value)?,
            other => return Err(Error::invalid(format!("Unknown attribute for argument samples: {other}"))),
        }
    }
    let missing = |field: &str| invalid_input(field, "None", "Mandatory field missing.");
    sample.counter_name = name.ok_or_else(|| missing("counter_name"))?;
    sample.counter_type = kind.ok_or_else(|| missing("counter_type"))?;
    sample.counter_unit = unit.ok_or_else(|| missing("counter_unit"))?;
    sample.counter_volume = volume.ok_or_else(|| missing("counter_volume"))?;
    sample.resource_id = resource.ok_or_else(|| missing("resource_id"))?;
    Ok(sample)
}

fn text<'a>(field: &str, value: &'a Tree<'a>) -> Result<Option<Cow<'a, str>>> {
    match value {
        Tree::Null => Ok(None),
        Tree::Text(text) => Ok(Some(Cow::Borrowed(text.as_ref()))),
        other => Err(invalid_input(field, &str_of(&other.to_value()), &wrong_type("str", other))),
    }
}

/// A number, or a text that is one.
fn number(value: &Tree<'_>, whole: &Tree<'_>) -> Result<Option<f64>> {
    let number = match value {
        Tree::Null => return Ok(None),
        Tree::Integer(number) => *number as f64,
        Tree::Real(number) => *number,
        Tree::Text(text) => {
            let refused = || whole_refused(whole, &format!("invalid literal for float(): {text}"));
            text.trim().parse().map_err(|_| refused())?
        }
        other => return Err(invalid_input("counter_volume", &str_of(&other.to_value()), &wrong_type("float", other))),
    };
    if number.is_finite() {
        return Ok(Some(number));
    }
    Err(invalid_input("counter_volume", &str_of(&value.to_value()), "Value should be a finite number."))
}

fn instant<'a>(field: &str, value: &'a Tree<'a>, whole: &Tree<'_>) -> Result<Option<Instant<'a>>> {
    let text = match value {
        Tree::Null => return Ok(None),
        Tree::Text(text) => text.trim(),
        other => return Err(invalid_input(field, &str_of(&other.to_value()), &wrong_type("datetime", other))),
    };
    let at = Timestamp::parse(text).ok_or_else(|| whole_refused(whole, "Unknown string format"))?;
    Ok(Some(Instant { at, text: echo(text, at) }))
}

/// A time in ISO form with the offset that it came with.
pub(super) fn echo(text: &str, at: Timestamp) -> Cow<'_, str> {
    if text.len() == 19 && text.as_bytes().get(10) == Some(&b'T') {
        return Cow::Borrowed(text);
    }
    let clock = text.get(10..).unwrap_or("");
    let sign = clock.rfind(['+', '-']);
    let (offset, shift) = match sign.and_then(|sign| clock.get(sign..)) {
        Some(offset) => {
            let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
            let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<i64>().ok());
            let seconds = part(0, 2).unwrap_or(0) * 3_600 + part(2, 4).unwrap_or(0) * 60;
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let hours = digits.get(0..2).unwrap_or("00");
            let shown = format!("{}{hours}:{}", if sign < 0 { '-' } else { '+' }, digits.get(2..4).unwrap_or("00"));
            (shown, sign * seconds)
        }
        None if clock.ends_with(['Z', 'z']) => ("+00:00".to_owned(), 0),
        None => (String::new(), 0),
    };
    Cow::Owned(at.plus_seconds(shift).iso_short() + &offset)
}

fn metadata<'a>(value: &'a Tree<'a>) -> Result<Vec<(Cow<'a, str>, Cow<'a, str>)>> {
    let pairs = match value {
        Tree::Null => return Ok(Vec::new()),
        Tree::Object(pairs) => pairs,
        other => {
            let reason = wrong_type("dict", other);
            return Err(invalid_input("resource_metadata", &str_of(&other.to_value()), &reason));
        }
    };
    pairs
        .iter()
        .map(|(key, entry)| match entry {
            Tree::Text(text) => Ok((Cow::Borrowed(key.as_ref()), Cow::Borrowed(text.as_ref()))),
            Tree::Null => Ok((Cow::Borrowed(key.as_ref()), Cow::Borrowed("None"))),
            other => Err(invalid_input("resource_metadata", &repr(&value.to_value()), &wrong_type("str", other))),
        })
        .collect()
}

fn wrong_type(wanted: &str, found: &Tree<'_>) -> String {
    format!("Wrong type. Expected '<class '{wanted}'>', got '<class '{}'>'", found.python_type())
}

/// What can not be converted is refused with the whole list.
fn whole_refused(whole: &Tree<'_>, reason: &str) -> Error {
    invalid_input("samples", &repr(&whole.to_value()), reason)
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, echo};

    #[test]
    fn times_are_repeated_with_their_offsets() {
        for (text, echoed) in [
            ("2015-01-01T10:00:00", "2015-01-01T10:00:00"),
            ("2015-01-01 10:00:00.5", "2015-01-01T10:00:00.500000"),
            ("2015-01-01T10:00:00Z", "2015-01-01T10:00:00+00:00"),
            ("2015-01-01T10:00:00.123456+02:00", "2015-01-01T10:00:00.123456+02:00"),
            ("2015-01-01T10:00:00-0330", "2015-01-01T10:00:00-03:30"),
            ("2015-01-01", "2015-01-01T00:00:00"),
        ] {
            assert_eq!(echo(text, Timestamp::parse(text).unwrap()), echoed, "{text}");
        }
    }
}
