//! The simple query: `q.field`, `q.op`, `q.value`, `q.type` as a filter of samples, held to the caller's project
//! (specification: simple query, scoping).

use crate::telemetry::model::{Filter, MetadataTest, MetadataValue};
use crate::time::Timestamp;
use crate::{Error, Result};

use super::Caller;
use super::refusals::{invalid_input, not_authorized, unknown_argument};

/// One item of a query, as it came. Parts that were left out are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// The field to test.
    pub field: Option<String>,
    /// The operator; `eq` where it is left out.
    pub op: Option<String>,
    /// The value to compare with.
    pub value: Option<String>,
    /// The type of the value, for metadata.
    pub kind: Option<String>,
}

impl Item {
    pub(super) fn field(&self) -> &str {
        self.field.as_deref().unwrap_or("")
    }

    pub(super) fn op(&self) -> &str {
        self.op.as_deref().filter(|op| !op.is_empty()).unwrap_or("eq")
    }

    /// The value, where it limits anything.
    fn value(&self) -> Option<&str> {
        self.value.as_deref().filter(|value| !value.is_empty())
    }
}

/// What a list can be asked by, besides user, project, resource, source and metadata.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    /// The names of all fields, sorted, as they stand in the text of a refusal.
    pub names: &'static [&'static str],
    /// Whether there may be times.
    pub times: bool,
}

/// Fields of samples and of statistics.
pub const SAMPLES: Fields = Fields {
    names: &["message_id", "meter", "project", "resource", "search_offset", "source", "timestamp", "user"],
    times: true,
};
/// Fields of resources.
pub const RESOURCES: Fields =
    Fields { names: &["project", "resource", "search_offset", "source", "timestamp", "user"], times: true };
/// Fields of meters.
pub const METERS: Fields = Fields { names: &["project", "resource", "source", "unique", "user"], times: false };

/// A query, understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Understood {
    /// The samples that are meant.
    pub filter: Filter,
    /// The begin of the range of time with the search offset: where periods begin.
    pub start: Option<Timestamp>,
    /// The range of time as the caller gave it, to which durations are cut.
    pub range: (Option<Timestamp>, Option<Timestamp>),
}

/// Understands a query.
///
/// # Errors
/// [`crate::Kind::Unauthenticated`] where it names a project that the caller may not see, [`crate::Kind::Invalid`] where
/// it makes no sense.
pub fn understand(caller: &Caller<'_>, items: &[Item], fields: &Fields) -> Result<Understood> {
    let own = caller.limited_to();
    for item in items.iter().filter(|item| matches!(item.field(), "project" | "project_id")) {
        let named = item.value.as_deref().unwrap_or("");
        if own.is_some_and(|own| own != named) {
            return Err(not_authorized(named));
        }
    }
    check_times(items, fields)?;
    let mut understood = Understood::default();
    for item in items.iter().filter(|item| !matches!(item.field(), "timestamp" | "search_offset")) {
        apply(&mut understood.filter, items, item, fields)?;
    }
    if let Some(own) = own {
        understood.filter.project_id = Some(Some(own.to_owned()));
    }
    times(&mut understood, items)?;
    Ok(understood)
}

/// The samples that the query of an alarm's rule means: whoever made it was held to what it may see.
///
/// # Errors
/// [`crate::Kind::Invalid`] where it makes no sense.
pub fn of_rule(items: &[Item]) -> Result<Filter> {
    let fields = Fields { times: false, ..SAMPLES };
    check_times(items, &fields)?;
    let mut filter = Filter::default();
    items.iter().try_for_each(|item| apply(&mut filter, items, item, &fields))?;
    Ok(filter)
}

/// Refuses a value that is not of the type that its item names.
///
/// # Errors
/// [`crate::Kind::Invalid`].
pub fn check_value(item: &Item) -> Result<()> {
    typed(item).map(|_| ())
}

/// Whether times are allowed, and have operators that they can have.
fn check_times(items: &[Item], fields: &Fields) -> Result<()> {
    for (name, ops) in [("timestamp", &["lt", "le", "gt", "ge"][..]), ("search_offset", &["eq"][..])] {
        for item in items.iter().filter(|item| item.field() == name) {
            if !fields.times {
                return Err(unknown_argument(name, "not valid for this resource"));
            }
            if !ops.contains(&item.op()) {
                return Err(invalid_input("op", item.op(), &format!("unimplemented operator for {name}")));
            }
        }
    }
    let has = |name: &str| items.iter().any(|item| item.field() == name);
    if has("search_offset") && !has("timestamp") {
        let reason = "search_offset cannot be used without timestamp";
        return Err(invalid_input("field", "search_offset", reason));
    }
    Ok(())
}

/// Puts one item that is no time into the filter.
fn apply(filter: &mut Filter, items: &[Item], item: &Item, fields: &Fields) -> Result<()> {
    let field = item.field();
    let key = match field {
        "user_id" => "user",
        "project_id" => "project",
        "resource_id" => "resource",
        other => other,
    };
    let entry = field.strip_prefix("metadata.").or_else(|| field.strip_prefix("resource_metadata."));
    if entry.is_none() && !fields.names.contains(&key) {
        let reason = format!("unrecognized field in query: {}, valid keys: {}", shown(items), list(fields.names));
        return Err(unknown_argument(key, &reason));
    }
    if item.op() != "eq" {
        return Err(invalid_input("op", item.op(), &format!("unimplemented operator for {field}")));
    }
    if let Some(entry) = entry {
        let value = typed(item)?;
        filter.metadata.push(MetadataTest { key: entry.to_owned(), value });
        return Ok(());
    }
    let Some(value) = item.value() else { return Ok(()) };
    let or_none = || Some((value != "None").then(|| value.to_owned()));
    match key {
        "user" => filter.user_id = or_none(),
        "project" => filter.project_id = or_none(),
        "resource" => filter.resource_id = Some(value.to_owned()),
        "source" => filter.source = Some(value.to_owned()),
        "meter" => filter.meter = Some(value.to_owned()),
        "message_id" => filter.message_id = Some(value.to_owned()),
        _ => {}
    }
    Ok(())
}

/// The types that a value may have.
const TYPES: [&str; 5] = ["integer", "float", "string", "boolean", "datetime"];

/// The value of a test of metadata, in the type that is named, else in the one that the text looks like.
fn typed(item: &Item) -> Result<MetadataValue> {
    let value = item.value.as_deref().unwrap_or("");
    let kind = item.kind.as_deref().unwrap_or("");
    let converted = match kind {
        "" => return Ok(guessed(value)),
        "integer" => value.trim().parse().ok().map(MetadataValue::Integer),
        "float" => value.trim().parse().ok().map(MetadataValue::Float),
        "string" => Some(MetadataValue::Text(value.to_owned())),
        "boolean" => truth(value).map(MetadataValue::Boolean),
        // Metadata hold no times: a time is compared with texts, in the form in which the service writes times.
        "datetime" => Timestamp::parse(value).map(|at| MetadataValue::Text(at.iso_short())),
        _ => return Err(unknown_type(kind, &TYPES)),
    };
    converted.ok_or_else(|| unconverted(value, kind))
}

/// The refusal of a type that is none of `known`.
pub(super) fn unknown_type(kind: &str, known: &[&str]) -> Error {
    let known = list(known);
    Error::invalid(format!("The data type {kind} is not supported. The supported data type list is: {known}"))
}

/// The refusal of a value that is none of its type.
pub(super) fn unconverted(value: &str, kind: &str) -> Error {
    Error::invalid(format!("Unable to convert the value {value} to the expected data type {kind}."))
}

/// A value without a type: a literal of Python where it is one, else a text.
fn guessed(value: &str) -> MetadataValue {
    let inner = |quote| value.strip_prefix(quote)?.strip_suffix(quote).filter(|inner: &&str| !inner.contains(quote));
    if let Some(text) = inner('\'').or_else(|| inner('"')).filter(|text| !text.contains('\\')) {
        return MetadataValue::Text(text.to_owned());
    }
    let numeric = value.trim().starts_with(|letter: char| letter.is_ascii_digit() || matches!(letter, '-' | '+' | '.'));
    match value {
        "True" => MetadataValue::Boolean(true),
        "False" => MetadataValue::Boolean(false),
        _ if numeric => {
            let text = value.trim();
            let integer = text.parse().ok().map(MetadataValue::Integer);
            let real = || text.parse().ok().filter(|real: &f64| real.is_finite()).map(MetadataValue::Float);
            integer.or_else(real).unwrap_or_else(|| MetadataValue::Text(value.to_owned()))
        }
        _ => MetadataValue::Text(value.to_owned()),
    }
}

/// The texts that count as a boolean.
pub(super) fn truth(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// Reads the range of time. Of two items with one direction the last counts.
fn times(understood: &mut Understood, items: &[Item]) -> Result<()> {
    let mut offset = 0_i64;
    let (mut start, mut end) = (None, None);
    for item in items {
        let Some(value) = item.value() else { continue };
        match (item.field(), item.op()) {
            ("search_offset", _) => {
                let minutes: Option<i64> = value.trim().parse().ok();
                let micros = minutes.and_then(|minutes| minutes.checked_mul(60_000_000));
                offset = micros.ok_or_else(|| invalid_input("search_offset", value, "unable to convert to int"))?;
            }
            ("timestamp", op) => {
                let at = Timestamp::parse(value)
                    .ok_or_else(|| invalid_input("timestamp", value, "invalid timestamp format"))?;
                match op {
                    "gt" => start = Some((at, 1)),
                    "ge" => start = Some((at, 0)),
                    "le" => end = Some((at, 1)),
                    _ => end = Some((at, 0)),
                }
            }
            _ => {}
        }
    }
    let shift = |at: Timestamp, by: i64| Timestamp(at.0.saturating_add(by));
    understood.range = (start.map(|(at, _)| at), end.map(|(at, _)| at));
    understood.start = start.map(|(at, _)| shift(at, offset.saturating_neg()));
    understood.filter.from = start.map(|(at, open)| shift(shift(at, offset.saturating_neg()), open));
    understood.filter.until = end.map(|(at, closed)| shift(shift(at, offset), closed));
    Ok(())
}

/// The items as a refusal shows them.
pub(super) fn shown(items: &[Item]) -> String {
    let part = |part: &Option<String>| part.as_ref().map_or("Unset".to_owned(), |text| format!("'{text}'"));
    let one = |item: &Item| {
        let kind = item.kind.as_deref().unwrap_or("Unset");
        format!("<Query {} {} {} {kind}>", part(&item.field), item.op(), part(&item.value))
    };
    format!("[{}]", items.iter().map(one).collect::<Vec<_>>().join(", "))
}

pub(super) fn list(names: &[&str]) -> String {
    format!("['{}']", names.join("', '"))
}

#[cfg(test)]
mod tests {
    use super::{Item, MetadataValue, guessed, shown, typed};

    #[test]
    fn a_value_without_a_type_is_what_it_looks_like() {
        assert_eq!(guessed("5"), MetadataValue::Integer(5));
        assert_eq!(guessed("-5.0"), MetadataValue::Float(-5.0));
        assert_eq!(guessed("True"), MetadataValue::Boolean(true));
        for (text, inner) in
            [("'5'", "5"), ("\"a b\"", "a b"), ("active", "active"), ("5x", "5x"), ("", ""), ("inf", "inf")]
        {
            assert_eq!(guessed(text), MetadataValue::Text(inner.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_value_with_a_type_is_converted_or_refused() {
        let item = |value: &str, kind: &str| Item {
            value: Some(value.to_owned()),
            kind: Some(kind.to_owned()),
            ..Item::default()
        };
        assert_eq!(typed(&item("5", "string")).unwrap(), MetadataValue::Text("5".to_owned()));
        assert_eq!(typed(&item("5", "float")).unwrap(), MetadataValue::Float(5.0));
        assert_eq!(typed(&item("yes", "boolean")).unwrap(), MetadataValue::Boolean(true));
        for (value, kind) in [("zz", "integer"), ("5.5", "integer"), ("maybe", "boolean"), ("soon", "datetime")] {
            let text = typed(&item(value, kind)).unwrap_err().public().to_owned();
            assert_eq!(text, format!("Unable to convert the value {value} to the expected data type {kind}."));
        }
        assert!(typed(&item("5", "bogus")).unwrap_err().public().starts_with("The data type bogus is not supported."));
    }

    #[test]
    fn items_are_shown_with_what_was_left_out() {
        let item = Item { field: Some("bogus".to_owned()), value: Some("1".to_owned()), ..Item::default() };
        assert_eq!(shown(&[item]), "[<Query 'bogus' eq '1' Unset>]");
    }
}
