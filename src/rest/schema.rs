//! Request schemas as tables of plain values: rows say what a body may hold at which version; one checker reads them and
//! answers in the words of Python's `jsonschema`, which clients of Cinder match on.

use serde_json::{Map, Value};

use super::microversion::Microversion;
use super::python::{self, repr, str_of};
use crate::error::{Error, Result};

/// An object of a request's body.
#[derive(Debug)]
pub struct Schema {
    /// The keys that it may hold.
    pub fields: &'static [Input],
    /// What becomes of other keys.
    pub extra: Extra,
    /// The least number of keys, with the first version that asks for it.
    pub min_fields: (usize, Microversion),
}

impl Schema {
    /// An object with these keys and no others.
    pub const fn strict(fields: &'static [Input]) -> Self {
        Self { fields, extra: Extra::Refuse(Microversion::MIN), min_fields: (0, Microversion::MIN) }
    }

    /// An object with these keys, and any others, which are ignored.
    pub const fn open(fields: &'static [Input]) -> Self {
        Self { fields, extra: Extra::Ignore, min_fields: (0, Microversion::MIN) }
    }

    /// The same, refusing other keys from version 3.`minor` on.
    #[must_use]
    pub const fn strict_since(mut self, minor: u16) -> Self {
        self.extra = Extra::Refuse(Microversion::new(3, minor));
        self
    }

    /// The same, with at least `count` keys from version 3.`minor` on.
    #[must_use]
    pub const fn at_least(mut self, count: usize, minor: u16) -> Self {
        self.min_fields = (count, Microversion::new(3, minor));
        self
    }
}

/// What becomes of keys that no row names.
#[derive(Debug, Clone, Copy)]
pub enum Extra {
    /// They are ignored.
    Ignore,
    /// They are an error from this version on, and ignored before it.
    Refuse(Microversion),
    /// Each value must pass this check (the key is checked by the handler).
    Check(&'static Check),
}

/// One key of an object.
#[derive(Debug)]
pub struct Input {
    /// The key.
    pub name: &'static str,
    /// What its value must be.
    pub check: Check,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// First version that knows the key; before it the key is one of the others.
    pub since: Microversion,
    /// Last version that knows the key.
    pub until: Microversion,
}

impl Input {
    /// A key that may be there.
    pub const fn new(name: &'static str, check: Check) -> Self {
        let (since, until) = (Microversion::MIN, Microversion::MAX);
        Self { name, check, required: false, nullable: false, since, until }
    }

    /// The same key, which must be there.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same key, which may be null.
    #[must_use]
    pub const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The same key, from version 3.`minor` on.
    #[must_use]
    pub const fn since(mut self, minor: u16) -> Self {
        self.since = Microversion::new(3, minor);
        self
    }

    /// The same key, up to version 3.`minor`.
    #[must_use]
    pub const fn until(mut self, minor: u16) -> Self {
        self.until = Microversion::new(3, minor);
        self
    }
}

/// What a value must be.
#[derive(Debug)]
pub enum Check {
    /// Anything.
    Any,
    /// A text of `min..=max` characters.
    Text(usize, usize),
    /// A text of `min..=max` characters that is not blank where `min > 0`, counted after outer blanks are cut.
    Stripped(usize, usize),
    /// As [`Check::Stripped`], where a text that is none is told by this name and with its length, and not as jsonschema
    /// would (Cinder's `name_non_mandatory_remove_white_spaces` and the like).
    Named(&'static str, usize, usize),
    /// A name of 1 to 255 characters, counted after outer blanks are cut, with words of its own for one that is none
    /// (Cinder's `name_skip_leading_trailing_spaces`).
    Name,
    /// A text of `min..=max` characters for which the function holds; the text is the pattern of the message.
    Pattern(usize, usize, &'static str, fn(&str) -> bool),
    /// A text that is a UUID, with or without hyphens.
    Uuid,
    /// A text in base 64, as far as Python reads it.
    Base64,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A boolean, or one of the texts that OpenStack calls boolean.
    Boolean,
    /// A JSON integer of `min..=max`.
    Integer(i64, i64),
    /// A JSON integer of `min..=max`, or a text of decimal digits.
    Digits(i64, i64),
    /// An object by its own rows.
    Object(&'static Schema),
    /// An object with free keys: the pattern and the test of a key, and the check of a value (null where `true`).
    Map(&'static str, fn(&str) -> bool, &'static Check, bool),
    /// A list of at least so many items, all different where `true`.
    List(&'static Check, usize, bool),
    /// Whatever one of these takes.
    AnyOf(&'static [Check]),
    /// Anything of one of these JSON types.
    Types(&'static [&'static str]),
    /// Null.
    Null,
}

/// The texts that count as a boolean, as Cinder's schemas list them.
pub const TRUE_TEXTS: [&str; 13] = ["True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t", "T"];
/// The texts that count as false.
pub const FALSE_TEXTS: [&str; 13] =
    ["False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f", "F"];

/// A text of at most 255 characters without control characters, line separators and other marks that can not be seen.
pub const PRINTABLE: Check =
    Check::Pattern(0, 255, "^[^\\x00-\\x1f\\x7f-\\x9f\\xad\\u2028\\u2029\\ufeff]*$", is_printable);

fn is_printable(text: &str) -> bool {
    !text.chars().any(|letter| letter.is_control() || matches!(letter, '\u{ad}' | '\u{2028}' | '\u{2029}' | '\u{feff}'))
}

/// Reads a value that passed [`Check::Boolean`].
pub fn boolean(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::String(text) => super::query::boolean(text).unwrap_or(false),
        _ => false,
    }
}

/// Reads a value that passed [`Check::Digits`] or [`Check::Integer`]; `None` for null and for numbers beyond 64 bits.
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Checks a body against its schema at one version.
///
/// # Errors
/// [`crate::Kind::Invalid`] with the text that Cinder gives for the first thing that is wrong.
pub fn check(schema: &Schema, body: &Value, version: Microversion) -> Result<()> {
    object(schema, body, version).map_err(|failure| match failure.field {
        Some(field) if !failure.whole => Error::invalid(format!(
            "Invalid input for field/attribute {field}. Value: {}. {}",
            failure.value, failure.message
        )),
        _ => Error::invalid(failure.message),
    })
}

/// What is wrong, and with which field.
struct Failure {
    field: Option<String>,
    value: String,
    message: String,
    /// The message says all by itself.
    whole: bool,
}

impl Failure {
    fn new(value: &Value, message: String) -> Self {
        Self { field: None, value: str_of(value), message, whole: false }
    }

    /// The failure of a value that is told by this message alone.
    fn whole(message: String) -> Self {
        Self { field: None, value: String::new(), message, whole: true }
    }

    /// The failure of a value that might have been null too: `jsonschema` names the types that it takes, and of several
    /// whole schemas says only that none fits.
    fn or_null(mut self, check: &Check, value: &Value) -> Self {
        match check {
            _ if self.field.is_some() || self.whole => {}
            Check::Uuid | Check::Boolean => {
                self.message = format!("{} is not valid under any of the given schemas", repr(value));
            }
            _ if self.message.contains(" is not of type '") => self.message.push_str(", 'null'"),
            _ => {}
        }
        self
    }

    /// The failure of a value inside `field`, where no field further in is known.
    fn inside(mut self, field: &str) -> Self {
        self.field.get_or_insert_with(|| field.to_owned());
        self
    }
}

fn object(schema: &Schema, value: &Value, version: Microversion) -> Result<(), Failure> {
    let Value::Object(map) = value else {
        return Err(Failure::new(value, format!("{} is not of type 'object'", repr(value))));
    };
    let known =
        |name: &str| schema.fields.iter().find(|field| field.name == name && version.within(field.since, field.until));
    for (name, value) in map {
        match known(name) {
            Some(field) if field.nullable && value.is_null() => {}
            Some(field) => one(&field.check, value, version)
                .map_err(|failure| if field.nullable { failure.or_null(&field.check, value) } else { failure })
                .map_err(|failure| failure.inside(name))?,
            None => {
                if let Extra::Check(check) = schema.extra {
                    one(check, value, version).map_err(|failure| failure.inside(name))?;
                }
            }
        }
    }
    for field in schema.fields {
        if field.required && version.within(field.since, field.until) && !map.contains_key(field.name) {
            return Err(Failure::new(value, format!("'{}' is a required property", field.name)));
        }
    }
    if let Extra::Refuse(since) = schema.extra
        && version >= since
    {
        let unknown: Vec<&str> = map.keys().map(String::as_str).filter(|name| known(name).is_none()).collect();
        if !unknown.is_empty() {
            return Err(Failure::new(value, unexpected(&unknown)));
        }
    }
    let (least, since) = schema.min_fields;
    if version >= since && map.len() < least {
        let wrong = if least == 1 { "should be non-empty" } else { "does not have enough properties" };
        return Err(Failure::new(value, format!("{} {wrong}", repr(value))));
    }
    Ok(())
}

fn unexpected(names: &[&str]) -> String {
    let list: Vec<String> = names.iter().map(|name| repr(&Value::from(*name))).collect();
    let were = if names.len() == 1 { "was" } else { "were" };
    format!("Additional properties are not allowed ({} {were} unexpected)", list.join(", "))
}

fn one(check: &Check, value: &Value, version: Microversion) -> Result<(), Failure> {
    let fail = |message: String| Err(Failure::new(value, message));
    let wrong_type = |name: &str| Err(Failure::new(value, format!("{} is not of type {name}", repr(value))));
    match check {
        Check::Any => Ok(()),
        Check::Null if value.is_null() => Ok(()),
        Check::Null => wrong_type("'null'"),
        Check::Text(min, max) => match value {
            Value::String(text) => length(value, text.chars().count(), *min, *max),
            _ => wrong_type("'string'"),
        },
        Check::Stripped(min, max) => match value {
            Value::String(text) => length(value, text.trim().chars().count(), *min, *max),
            _ => wrong_type("'string'"),
        },
        Check::Named(name, min, max) => match value {
            Value::String(text) => named(name, text, *min, *max),
            _ => wrong_type("'string'"),
        },
        Check::Name => match value {
            Value::String(text) => called(text),
            _ => wrong_type("'string'"),
        },
        Check::Pattern(min, max, pattern, holds) => match value {
            Value::String(text) => {
                length(value, text.chars().count(), *min, *max)?;
                if holds(text) { Ok(()) } else { fail(format!("{} does not match '{pattern}'", repr(value))) }
            }
            _ => wrong_type("'string'"),
        },
        Check::Uuid => match value {
            Value::String(text) if uuid::Uuid::try_parse(text).is_ok() => Ok(()),
            Value::String(_) => fail(format!("{} is not a 'uuid'", repr(value))),
            _ => wrong_type("'string'"),
        },
        Check::Base64 => match value {
            Value::String(text) => {
                length(value, text.len(), 1, usize::MAX)?;
                let reads = python::base64(text).is_some();
                if reads { Ok(()) } else { fail(format!("{} is not a 'base64'", repr(value))) }
            }
            _ => wrong_type("'string'"),
        },
        Check::Choice(choices) => match value {
            Value::String(text) if choices.contains(&text.as_str()) => Ok(()),
            _ => {
                let list: Vec<String> = choices.iter().map(|choice| repr(&Value::from(*choice))).collect();
                fail(format!("{} is not one of [{}]", repr(value), list.join(", ")))
            }
        },
        Check::Boolean => match value {
            Value::Bool(_) => Ok(()),
            Value::String(text) if TRUE_TEXTS.contains(&text.as_str()) || FALSE_TEXTS.contains(&text.as_str()) => {
                Ok(())
            }
            Value::String(_) => fail(format!("{} is not one of {}", repr(value), boolean_choices())),
            _ => wrong_type("'boolean', 'string'"),
        },
        Check::Integer(min, max) => match value {
            Value::Number(number) if number.is_i64() || number.is_u64() => range(value, number.as_i64(), *min, *max),
            _ => wrong_type("'integer'"),
        },
        Check::Digits(min, max) => match value {
            Value::Number(number) if number.is_i64() || number.is_u64() => range(value, number.as_i64(), *min, *max),
            Value::String(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                range(value, text.parse().ok(), *min, *max)
            }
            Value::String(_) => fail(format!("{} does not match '^[0-9]+$'", repr(value))),
            _ => wrong_type("'integer', 'string'"),
        },
        Check::Object(schema) => object(schema, value, version),
        Check::Map(pattern, key, check, nullable) => map(value, version, pattern, *key, check, *nullable),
        Check::List(check, min, unique) => list(value, version, check, *min, *unique),
        Check::Types(names) if names.contains(&type_of(value)) => Ok(()),
        Check::Types(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
            wrong_type(&names.join(", "))
        }
        Check::AnyOf(checks) => {
            if checks.iter().any(|check| one(check, value, version).is_ok()) {
                Ok(())
            } else {
                fail(format!("{} is not valid under any of the given schemas", repr(value)))
            }
        }
    }
}

/// The name of a value's type in JSON Schema.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn length(value: &Value, count: usize, min: usize, max: usize) -> Result<(), Failure> {
    let wrong = match count {
        0 if min == 1 => "should be non-empty",
        count if count < min => "is too short",
        count if count > max => "is too long",
        _ => return Ok(()),
    };
    Err(Failure::new(value, format!("{} {wrong}", repr(value))))
}

/// Where a text must be there at all, an empty one is none.
fn named(name: &str, text: &str, min: usize, max: usize) -> Result<(), Failure> {
    if text.is_empty() && min > 0 {
        return Err(Failure::whole(format!("The '{name}' can not be None.")));
    }
    let wrong = match text.trim().chars().count() {
        count if count < min => format!("{count} characters, less than {min}."),
        count if count > max => format!("{count} characters, more than {max}."),
        _ => return Ok(()),
    };
    Err(Failure::whole(format!("Invalid input received: {name} has {wrong}")))
}

fn called(text: &str) -> Result<(), Failure> {
    let wrong = match text.trim().chars().count() {
        _ if text.is_empty() => "None",
        0 => "empty",
        1..=255 => return Ok(()),
        _ => "greater than 255 characters",
    };
    Err(Failure::whole(format!("An invalid 'name' value was provided. The 'name' can not be {wrong}.")))
}

/// `number` is `None` beyond 64 bits.
fn range(value: &Value, number: Option<i64>, min: i64, max: i64) -> Result<(), Failure> {
    match number {
        Some(number) if number < min => {
            Err(Failure::new(value, format!("{} is less than the minimum of {min}", str_of(value))))
        }
        Some(number) if number <= max => Ok(()),
        _ => Err(Failure::new(value, format!("{} is greater than the maximum of {max}", str_of(value)))),
    }
}

fn map(
    value: &Value,
    version: Microversion,
    pattern: &str,
    key: fn(&str) -> bool,
    check: &Check,
    nullable: bool,
) -> Result<(), Failure> {
    let Value::Object(entries) = value else {
        return Err(Failure::new(value, format!("{} is not of type 'object'", repr(value))));
    };
    for (name, value) in entries.iter().filter(|(name, _)| key(name)) {
        if !(nullable && value.is_null()) {
            one(check, value, version)
                .map_err(|failure| if nullable { failure.or_null(check, value) } else { failure })
                .map_err(|failure| failure.inside(name))?;
        }
    }
    let unknown: Vec<String> = strange_keys(entries, key);
    match unknown.as_slice() {
        [] => Ok(()),
        names => {
            let does = if names.len() == 1 { "does" } else { "do" };
            let message = format!("{} {does} not match any of the regexes: '{pattern}'", names.join(", "));
            Err(Failure::new(value, message))
        }
    }
}

fn strange_keys(entries: &Map<String, Value>, key: fn(&str) -> bool) -> Vec<String> {
    entries.keys().filter(|name| !key(name)).map(|name| repr(&Value::from(name.as_str()))).collect()
}

fn list(value: &Value, version: Microversion, check: &Check, min: usize, unique: bool) -> Result<(), Failure> {
    let Value::Array(items) = value else {
        return Err(Failure::new(value, format!("{} is not of type 'array'", repr(value))));
    };
    for (at, item) in items.iter().enumerate() {
        one(check, item, version).map_err(|failure| failure.inside(&at.to_string()))?;
    }
    if items.len() < min {
        let wrong = if min == 1 { "should be non-empty" } else { "is too short" };
        return Err(Failure::new(value, format!("{} {wrong}", repr(value))));
    }
    if unique && items.iter().enumerate().any(|(at, item)| items[..at].contains(item)) {
        return Err(Failure::new(value, format!("{} has non-unique elements", repr(value))));
    }
    Ok(())
}

fn boolean_choices() -> String {
    let quoted = |texts: &[&str]| texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", ");
    format!("[True, {}, False, {}]", quoted(&TRUE_TEXTS[..12]), quoted(&FALSE_TEXTS[..12]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Check, Input, Schema, check, one};
    use crate::rest::microversion::Microversion;

    const INNER: Schema = Schema::open(&[
        Input::new("size", Check::Digits(1, 100)).nullable(),
        Input::new("name", Check::Text(0, 5)),
        Input::new("flag", Check::Boolean),
        Input::new("group_id", Check::Uuid).since(13),
        Input::new(
            "metadata",
            Check::Map("^[a-z]{1,255}$", |key| key.bytes().all(|b| b.is_ascii_lowercase()), &Check::Text(0, 3), false),
        ),
    ])
    .strict_since(53);
    const BODY: Schema = Schema::strict(&[Input::new("volume", Check::Object(&INNER)).required()]);

    fn said(body: serde_json::Value, minor: u16) -> String {
        check(&BODY, &body, Microversion::new(3, minor))
            .map_or_else(|error| error.public().to_owned(), |()| "fine".to_owned())
    }

    #[test]
    fn good_bodies_pass() {
        assert_eq!(
            said(json!({"volume": {"size": "7", "name": "é", "flag": "yes", "x": 1, "metadata": {"a": ""}}}), 0),
            "fine"
        );
        assert_eq!(said(json!({"volume": {"size": null, "group_id": 5}}), 0), "fine");
    }

    #[test]
    fn each_failure_has_the_words_that_clients_know() {
        let cases = [
            (json!({}), "'volume' is a required property"),
            (json!([]), "[] is not of type 'object'"),
            (json!({"volume": {}, "x": 1}), "Additional properties are not allowed ('x' was unexpected)"),
            (
                json!({"volume": {"size": 0}}),
                "Invalid input for field/attribute size. Value: 0. 0 is less than the minimum of 1",
            ),
            (
                json!({"volume": {"size": true}}),
                "Invalid input for field/attribute size. Value: True. True is not of type 'integer', 'string', 'null'",
            ),
            (
                json!({"volume": {"size": "1x"}}),
                "Invalid input for field/attribute size. Value: 1x. '1x' does not match '^[0-9]+$'",
            ),
            (
                json!({"volume": {"name": "toolong"}}),
                "Invalid input for field/attribute name. Value: toolong. 'toolong' is too long",
            ),
            (
                json!({"volume": {"group_id": "x"}}),
                "Invalid input for field/attribute group_id. Value: x. 'x' is not a 'uuid'",
            ),
            (
                json!({"volume": {"metadata": {"A": "b"}}}),
                "Invalid input for field/attribute metadata. Value: {'A': 'b'}. 'A' does not match any of the regexes: '^[a-z]{1,255}$'",
            ),
            (
                json!({"volume": {"y": 1}}),
                "Invalid input for field/attribute volume. Value: {'y': 1}. Additional properties are not allowed ('y' was unexpected)",
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(said(body, 53), expected);
        }
    }
    #[test]
    fn some_names_are_told_in_words_of_their_own() {
        let said = |check: Check, value: &str| one(&check, &json!(value), Microversion::MAX).err().map(|it| it.message);
        let long = "x".repeat(256);
        assert_eq!(said(Check::Name, &format!(" {} ", &long[1..])), None);
        assert_eq!(said(Check::Named("name", 0, 255), ""), None);
        for (check, value, expected) in [
            (Check::Name, "", "An invalid 'name' value was provided. The 'name' can not be None."),
            (Check::Name, " ", "An invalid 'name' value was provided. The 'name' can not be empty."),
            (
                Check::Name,
                &long,
                "An invalid 'name' value was provided. The 'name' can not be greater than 255 characters.",
            ),
            (Check::Named("zone", 1, 255), "", "The 'zone' can not be None."),
            (Check::Named("zone", 1, 255), " ", "Invalid input received: zone has 0 characters, less than 1."),
            (Check::Named("zone", 1, 255), &long, "Invalid input received: zone has 256 characters, more than 255."),
        ] {
            assert_eq!(said(check, value).as_deref(), Some(expected));
        }
    }
}
