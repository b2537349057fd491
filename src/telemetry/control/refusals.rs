//! What requests are refused with, in the words of the service, which clients match on (specification: errors).

use crate::{Error, Kind};

/// A value of a field or an argument is not as it should be.
pub fn invalid_input(field: &str, value: &str, reason: &str) -> Error {
    Error::invalid(format!("Invalid input for field/attribute {field}. Value: '{value}'. {reason}"))
}

/// An argument that nobody knows, perhaps with what is wrong with it.
pub fn unknown_argument(name: &str, reason: &str) -> Error {
    let colon = if reason.is_empty() { "" } else { ": " };
    Error::invalid(format!("Unknown argument: \"{name}\"{colon}{reason}"))
}

/// The caller names a project that it may not see. The service answers this with 401, not 403.
pub fn not_authorized(project: &str) -> Error {
    Error::new(Kind::Unauthenticated, format!("Not Authorized to access project {project}"))
}

/// There is no such object, or none that the caller may see.
pub fn not_found(what: &str, id: &str) -> Error {
    Error::not_found(format!("{what} {id} Not Found"))
}
