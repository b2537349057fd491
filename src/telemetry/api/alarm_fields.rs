//! Posted objects of alarming, read and refused as WSME does: by type, by range, by the list of what is known.

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::rest::python::{repr, str_of};
use crate::telemetry::control::refusals::invalid_input;

/// A posted object. A field that is null counts as left out.
pub(super) struct Object<'a> {
    map: &'a Map<String, Json>,
    /// What it is called in refusals of unknown fields: `data.threshold_rule`.
    path: String,
    /// The whole body: it stands in refusals of what can not be converted.
    pub(super) body: &'a Json,
}

/// What can not be converted is refused with the whole body.
pub(super) fn unconverted(body: &Json, reason: &str) -> Error {
    invalid_input("data", &str_of(body), reason)
}

fn wrong_type(wanted: &str, found: &Json) -> String {
    let found = match found {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float",
        Json::Number(_) => "int",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    };
    format!("Wrong type. Expected '<class '{wanted}'>', got '<class '{found}'>'")
}

impl<'a> Object<'a> {
    /// Opens an object that may have these fields and no others.
    pub(super) fn open(value: &'a Json, body: &'a Json, path: &str, known: &[&str]) -> Result<Self> {
        let Json::Object(map) = value else {
            return Err(invalid_input(path, &str_of(value), "Value should be an object."));
        };
        let mut strange: Vec<&str> = map.keys().map(String::as_str).filter(|key| !known.contains(key)).collect();
        strange.sort_unstable();
        match strange.as_slice() {
            [] => Ok(Self { map, path: path.to_owned(), body }),
            [one] => Err(Error::invalid(format!("Unknown attribute for argument {path}: {one}"))),
            several => Err(Error::invalid(format!("Unknown attributes for argument {path}: {}", several.join(", ")))),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn value(&self, name: &str) -> Option<&'a Json> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match self.value(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(invalid_input(name, &str_of(other), &wrong_type("str", other))),
        }
    }

    /// A text that must be there.
    pub(super) fn needed_text(&self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<&'a [Json]>> {
        match self.value(name) {
            None => Ok(None),
            Some(Json::Array(items)) => Ok(Some(items)),
            Some(other) => Err(unconverted(self.body, &format!("Value not a valid list: {}", str_of(other)))),
        }
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        let Some(items) = self.list(name)? else { return Ok(None) };
        let one = |item: &Json| match item {
            Json::String(text) => Ok(text.clone()),
            other => Err(invalid_input(name, &repr(&Json::from(items)), &wrong_type("str", other))),
        };
        items.iter().map(one).collect::<Result<_>>().map(Some)
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        let unclear =
            |value: &Json| unconverted(self.body, &format!("Value not an unambiguous boolean: {}", str_of(value)));
        match self.value(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            Some(Json::Number(number)) if number.is_i64() => Ok(Some(number.as_i64() != Some(0))),
            Some(value @ Json::String(text)) => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Ok(Some(true)),
                "false" | "f" | "no" | "n" | "off" | "0" => Ok(Some(false)),
                _ => Err(unclear(value)),
            },
            Some(other) => Err(unclear(other)),
        }
    }

    /// A finite number that must be there; a text that is one counts.
    pub(super) fn needed_number(&self, name: &str) -> Result<f64> {
        let value = self.value(name).ok_or_else(|| missing(name))?;
        let number = match value {
            Json::Number(number) => number.as_f64(),
            Json::Bool(truth) => Some(f64::from(u8::from(*truth))),
            Json::String(text) => {
                let refused = || unconverted(self.body, &format!("could not convert string to float: {}", repr(value)));
                Some(text.trim().parse().map_err(|_| refused())?)
            }
            other => return Err(invalid_input(name, &str_of(other), &wrong_type("float", other))),
        };
        let number = number.filter(|number| number.is_finite());
        number.ok_or_else(|| invalid_input(name, &str_of(value), "Value should be a finite number."))
    }

    /// A whole number within a range.
    pub(super) fn integer(&self, name: &str, low: i64, high: i64) -> Result<Option<i64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let number = match value {
            Json::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|real| real as i64)),
            Json::String(text) => {
                let reason = || format!("invalid literal for int() with base 10: {}", repr(value));
                Some(text.trim().parse().map_err(|_| unconverted(self.body, &reason()))?)
            }
            other => return Err(invalid_input(name, &str_of(other), &wrong_type("int", other))),
        };
        let number = number.unwrap_or(i64::MAX);
        let refused = |reason: String| invalid_input(name, &number.to_string(), &reason);
        if number < low {
            return Err(refused(format!("Value should be greater or equal to {low}")));
        }
        if number > high {
            return Err(refused(format!("Value should be lower or equal to {high}")));
        }
        Ok(Some(number))
    }

    /// One of some words.
    pub(super) fn word(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let found = value.as_str().and_then(|text| words.iter().copied().find(|word| *word == text));
        let reason = || format!("Value should be one of: {}", words.join(", "));
        found.map(Some).ok_or_else(|| invalid_input(name, &str_of(value), &reason()))
    }
}

/// The refusal of an object that lacks a field.
pub(super) fn missing(name: &str) -> Error {
    invalid_input(name, "None", "Mandatory field missing.")
}
