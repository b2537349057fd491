//! Reads the samples that the HTTP publisher of Ceilometer's agents posts: a list of them, or one alone
//! (specification: HTTP publisher).

use std::borrow::Cow;

use super::tree::Tree;
use crate::error::{Error, Result};
use crate::rest::python::str_of;
use crate::telemetry::control::posting::Published;
use crate::telemetry::control::refusals::invalid_input;
use crate::time::Timestamp;

/// The samples of a body. Keys that are not known are read over, as agents of later releases add some.
///
/// # Errors
/// [`crate::Kind::Invalid`] with the first thing that is wrong.
pub(super) fn read<'a>(tree: &'a Tree<'a>) -> Result<Vec<Published<'a>>> {
    match tree {
        Tree::List(items) => items.iter().map(sample).collect(),
        one => Ok(vec![sample(one)?]),
    }
}

fn sample<'a>(item: &'a Tree<'a>) -> Result<Published<'a>> {
    let Tree::Object(pairs) = item else {
        return Err(Error::invalid("Samples should be included in request body"));
    };
    let find = |name: &str| pairs.iter().rev().find(|(key, _)| key == name).map_or(&Tree::Null, |(_, value)| value);
    let opt_text = |name: &str| match find(name) {
        Tree::Null => Ok(None),
        Tree::Text(text) => Ok(Some(Cow::Borrowed(text.as_ref()))),
        other => Err(invalid_input(name, &str_of(&other.to_value()), "Wrong type. Expected '<class 'str'>'")),
    };
    let text = |name: &str| opt_text(name)?.ok_or_else(|| invalid_input(name, "None", "Mandatory field missing."));
    let time = text("timestamp")?;
    let timestamp =
        Timestamp::parse(&time).ok_or_else(|| invalid_input("timestamp", &time, "invalid timestamp format"))?;
    let volume = match find("volume") {
        Tree::Integer(number) => *number as f64,
        Tree::Real(number) if number.is_finite() => *number,
        other => {
            let reason = "Value should be a finite number.";
            return Err(invalid_input("volume", &str_of(&other.to_value()), reason));
        }
    };
    let metadata = match find("resource_metadata") {
        Tree::Null => Cow::Borrowed("{}"),
        object @ Tree::Object(_) => Cow::Owned(object.to_value().to_string()),
        other => {
            let reason = "Wrong type. Expected '<class 'dict'>'";
            return Err(invalid_input("resource_metadata", &str_of(&other.to_value()), reason));
        }
    };
    Ok(Published {
        name: text("name")?,
        kind: text("type")?,
        unit: opt_text("unit")?.unwrap_or_default(),
        volume,
        resource_id: text("resource_id")?,
        project_id: opt_text("project_id")?.filter(|id| !id.is_empty()),
        user_id: opt_text("user_id")?.filter(|id| !id.is_empty()),
        source: opt_text("source")?.unwrap_or_default(),
        timestamp,
        metadata,
        id: text("id")?,
    })
}
