//! What is kept and told of what happens to alarms: a row of history, and a notification in Aodh's form
//! (`alarm.creation`, `alarm.rule_change`, `alarm.state_transition`, `alarm.deletion`) for the rest of the cloud. Both are written
//! in the transaction of the change.

use serde_json::{Value as Json, json};

use super::rows;
use crate::Result;
use crate::database::Transaction;
use crate::messaging::{Notification, Outbox, Priority};
use crate::telemetry::model::alarm::Change;

/// The type of notifications about transitions.
pub(super) const TRANSITION: &str = "alarm.state_transition";

/// What is kept and told, and to whom.
#[derive(Debug, Clone, Default)]
pub struct Chronicle {
    /// Whether history is kept. Without it nothing is told but deletions.
    pub record_history: bool,
    /// Who hears of it.
    pub outbox: Outbox,
}

/// Who tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Teller {
    /// The API, in a request.
    Api,
    /// The service that evaluates.
    Evaluator,
}

impl Chronicle {
    /// Keeps and tells a change, after the statement that locks its alarm.
    pub(super) fn record(&self, tx: &mut Transaction<'_>, change: &Change, teller: Teller) -> Result<()> {
        if !self.record_history {
            return Ok(());
        }
        rows::record(tx, change)?;
        self.tell(tx, change, teller)
    }

    /// Only tells it.
    pub(super) fn tell(&self, tx: &mut Transaction<'_>, change: &Change, teller: Teller) -> Result<()> {
        if !self.outbox.is_open() {
            return Ok(());
        }
        self.outbox.put(tx, &notification(change, teller), &json!({}))
    }
}

fn notification(change: &Change, teller: Teller) -> Notification {
    let text = || Json::from(change.detail.as_str());
    // The API's are objects, the evaluator's JSON in a text: so listeners know them.
    let (publisher_id, detail) = match teller {
        Teller::Api => ("aodh.api", serde_json::from_str(&change.detail).unwrap_or_else(|_| text())),
        Teller::Evaluator => ("aodh.evaluator", text()),
    };
    Notification {
        publisher_id: publisher_id.to_owned(),
        event_type: format!("alarm.{}", change.kind.replace(' ', "_")),
        priority: Priority::Info,
        payload: json!({
            "event_id": change.event_id,
            "alarm_id": change.alarm_id,
            "type": change.kind,
            "detail": detail,
            "user_id": change.user_id,
            "project_id": change.project_id,
            "on_behalf_of": change.on_behalf_of,
            "timestamp": change.timestamp.iso(),
            "severity": change.severity,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn details_are_objects_where_a_caller_made_the_change_and_texts_where_the_evaluator_did() {
        let change = Change {
            event_id: "e".to_owned(),
            alarm_id: "a".to_owned(),
            kind: "state transition".to_owned(),
            detail: r#"{"state": "ok"}"#.to_owned(),
            user_id: None,
            project_id: None,
            on_behalf_of: Some("p".to_owned()),
            severity: Some("low".to_owned()),
            timestamp: Timestamp(1_500_000),
        };
        let told = notification(&change, Teller::Evaluator);
        assert_eq!((told.publisher_id.as_str(), told.event_type.as_str()), ("aodh.evaluator", TRANSITION));
        assert_eq!(told.payload["detail"], change.detail);
        assert_eq!(told.payload["timestamp"], "1970-01-01T00:00:01.500000");
        let told = notification(&change, Teller::Api);
        assert_eq!((told.publisher_id.as_str(), &told.payload["detail"]), ("aodh.api", &json!({"state": "ok"})));
    }
}
