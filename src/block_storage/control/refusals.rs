//! The openings of Cinder's sentences for what is wrong. Clients match on them.

use std::fmt::Display;

use crate::error::Error;

/// The request itself is wrong.
pub fn invalid_input(reason: impl Display) -> Error {
    Error::invalid(format!("Invalid input received: {reason}"))
}

/// The volume is in a state that does not allow it.
pub fn invalid_volume(reason: impl Display) -> Error {
    Error::invalid_state(format!("Invalid volume: {reason}"))
}

/// The snapshot is in a state that does not allow it.
pub fn invalid_snapshot(reason: impl Display) -> Error {
    Error::invalid_state(format!("Invalid snapshot: {reason}"))
}

/// The group is in a state that does not allow it.
pub fn invalid_group(reason: impl Display) -> Error {
    Error::invalid_state(format!("Invalid Group: {reason}"))
}

/// The backup is in a state that does not allow it.
pub fn invalid_backup(reason: impl Display) -> Error {
    Error::invalid_state(format!("Invalid backup: {reason}"))
}

/// Texts as Python prints a list of them: `['a', 'b']`.
pub fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = texts.into_iter().map(|text| format!("'{text}'")).collect();
    format!("[{}]", quoted.join(", "))
}
