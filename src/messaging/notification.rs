//! A notification in the forms of oslo.messaging 2.0: the message, and the envelopes in which it travels.

use serde_json::{Map, Value as Json, json};

use crate::database::outbox::Waiting;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// How grave it is what a notification tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Something happened.
    Info,
    /// Something failed.
    Error,
}

impl Priority {
    /// The word of the message; its small letters end the routing key.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Error => "ERROR",
        }
    }
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Who tells it: `<service>.<host>`.
    pub publisher_id: String,
    /// What happened, such as `volume.create.end`.
    pub event_type: String,
    /// How grave it is.
    pub priority: Priority,
    /// What is told.
    pub payload: Json,
}

impl Notification {
    /// The message, with an id of its own and the time.
    pub(super) fn message(&self) -> Json {
        let mut now = Vec::new();
        Timestamp::now().write(b' ', &mut now);
        json!({
            "message_id": uuid::Uuid::new_v4().to_string(),
            "publisher_id": self.publisher_id,
            "event_type": self.event_type,
            "priority": self.priority.word(),
            "payload": self.payload,
            "timestamp": String::from_utf8_lossy(&now),
        })
    }
}

/// How a message travels to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Envelope {
    /// As it is.
    One,
    /// As text in a message about it.
    Two,
}

/// The bytes that a listener of oslo.messaging reads: the message with its context, in its envelope.
///
/// # Errors
/// `Internal` where the row holds no JSON.
pub(super) fn body(waiting: &Waiting, envelope: Envelope) -> Result<String> {
    let broken = |error| Error::internal(format!("notification {}: {error}", waiting.id));
    let mut message: Map<String, Json> = serde_json::from_str(&waiting.message).map_err(broken)?;
    let context: Map<String, Json> = serde_json::from_str(&waiting.context).map_err(broken)?;
    // Listeners throw away what they have seen lately: a message that is sent again after a crash is the same one.
    let id = message.get("message_id").and_then(Json::as_str).unwrap_or_default().replace('-', "");
    message.insert("_unique_id".to_owned(), id.into());
    message.extend(context.into_iter().map(|(key, value)| (format!("_context_{key}"), value)));
    let message = Json::Object(message);
    Ok(match envelope {
        Envelope::One => message.to_string(),
        Envelope::Two => json!({"oslo.version": "2.0", "oslo.message": message.to_string()}).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> Waiting {
        let notification = Notification {
            publisher_id: "volume.h@b".to_owned(),
            event_type: "volume.create.end".to_owned(),
            priority: Priority::Info,
            payload: json!({"size": 1}),
        };
        Waiting {
            id: 1,
            event_type: notification.event_type.clone(),
            priority: "INFO".to_owned(),
            message: notification.message().to_string(),
            context: json!({"project_id": "p", "roles": ["admin"]}).to_string(),
            created_at: Timestamp(0),
        }
    }

    #[test]
    fn a_message_carries_its_context_and_the_same_id_each_time() {
        let waiting = waiting();
        let first: Json = serde_json::from_str(&body(&waiting, Envelope::One).unwrap()).unwrap();
        assert_eq!(body(&waiting, Envelope::One).unwrap(), first.to_string());
        assert_eq!(first["_context_project_id"], "p");
        assert_eq!(first["_context_roles"], json!(["admin"]));
        assert_eq!(first["payload"], json!({"size": 1}));
        assert_eq!(first["_unique_id"], first["message_id"].as_str().unwrap().replace('-', ""));
    }

    #[test]
    fn the_second_envelope_carries_the_first_as_text() {
        let waiting = waiting();
        let outer: Json = serde_json::from_str(&body(&waiting, Envelope::Two).unwrap()).unwrap();
        assert_eq!(outer["oslo.version"], "2.0");
        assert_eq!(outer["oslo.message"], body(&waiting, Envelope::One).unwrap());
    }

    #[test]
    fn a_row_that_is_no_json_is_an_error() {
        assert!(body(&Waiting { message: "{".to_owned(), ..waiting() }, Envelope::Two).is_err());
    }
}
