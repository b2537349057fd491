//! The only place that turns a domain error into a status, and into the forms in which the services write errors.

use serde_json::json;

use crate::error::{Error, Kind};
use crate::gateway::Response;

/// The status of an error.
pub fn status(kind: Kind) -> u16 {
    match kind {
        Kind::Invalid | Kind::InvalidState => 400,
        Kind::Unauthenticated => 401,
        Kind::Forbidden => 403,
        Kind::NotFound => 404,
        Kind::MethodNotAllowed => 405,
        Kind::NotAcceptable => 406,
        Kind::Conflict | Kind::Duplicate => 409,
        Kind::PreconditionFailed => 412,
        Kind::OverQuota | Kind::TooLarge => 413,
        Kind::UnsupportedMedia => 415,
        Kind::Internal => 500,
        Kind::NotImplemented => 501,
        Kind::Transient | Kind::Unavailable => 503,
    }
}

/// Block Storage's envelope: `{"itemNotFound": {"code": 404, "message": "..."}}`. Over quota carries `Retry-After: 0`, and
/// a failed precondition has no body. 406 keeps the name `computeFault` that clients see from the Python service.
pub fn block_storage(error: &Error) -> Response {
    let code = status(error.kind());
    let name = match code {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    };
    match error.kind() {
        Kind::PreconditionFailed => Response::new(code, "application/json", ""),
        Kind::OverQuota | Kind::TooLarge => {
            let body = json!({name: {"code": code, "message": error.public(), "retryAfter": "0"}});
            Response::new(code, "application/json", body.to_string()).header("Retry-After", "0")
        }
        _ => Response::new(
            code,
            "application/json",
            json!({name: {"code": code, "message": error.public()}}).to_string(),
        ),
    }
}

/// Metering's envelope. What its own code refuses is WSME's `{"error_message": {"debuginfo": null, "faultcode": "Client",
/// "faultstring": "..."}}`; what the code in front of it refuses is `{"error_message": "405 Method Not Allowed..."}`.
pub fn metering(error: &Error) -> Response {
    let code = status(error.kind());
    let text = error.public();
    let message = match error.kind() {
        Kind::MethodNotAllowed => format!("405 Method Not Allowed\n\n{text} \n\n "),
        Kind::NotAcceptable => format!("406 Not Acceptable\n\n{text} \n\n "),
        Kind::Forbidden => {
            "403 Forbidden\n\nAccess was denied to this resource.\n\n RBAC Authorization Failed  ".to_owned()
        }
        Kind::OverQuota => return alarming(error),
        _ => {
            let body = json!({"error_message": wsme(code, text)});
            return Response::new(code, "application/json", body.to_string());
        }
    };
    Response::new(code, "application/json", json!({"error_message": message}).to_string())
}

/// Alarming's envelope: WSME's for everything. What is refused for its number, or by the operator, is forbidden.
pub fn alarming(error: &Error) -> Response {
    let code = if error.kind() == Kind::OverQuota { 403 } else { status(error.kind()) };
    let text = if error.kind() == Kind::Forbidden { "RBAC Authorization Failed" } else { error.public() };
    Response::new(code, "application/json", json!({"error_message": wsme(code, text)}).to_string())
}

fn wsme(code: u16, text: &str) -> serde_json::Value {
    json!({"debuginfo": null, "faultcode": if code < 500 { "Client" } else { "Server" }, "faultstring": text})
}
