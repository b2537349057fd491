//! What is written of changes of alarms that callers make.

use serde_json::{Map, Value as Json, json};

use super::super::Caller;
use crate::telemetry::model::alarm::{Alarm, Change};
use crate::telemetry::model::dumps::dumps;
use crate::telemetry::model::trust_url::scrubbed;
use crate::telemetry::store::alarms::constraints_json;
use crate::time::Timestamp;

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The definition was written over.
    Rule,
    /// The state was set.
    State,
}

/// Fields that change with every definition, and tell nothing.
const UNTOLD: [&str; 2] = ["timestamp", "state_timestamp"];

/// The first row of an alarm's history.
pub(super) fn creation(caller: &Caller<'_>, alarm: &Alarm) -> Change {
    let on_behalf_of = own(&caller.context.project_id);
    row(caller, alarm, "creation", &Json::Object(everything(alarm)), alarm.timestamp, on_behalf_of)
}

/// What is told of a deletion.
pub(super) fn deletion(caller: &Caller<'_>, alarm: &Alarm) -> Change {
    let on_behalf_of = own(&caller.context.project_id);
    row(caller, alarm, "deletion", &json!({"state": alarm.state.name()}), Timestamp::now(), on_behalf_of)
}

/// The row of a change, where something changed.
pub(super) fn change(caller: &Caller<'_>, old: &Alarm, new: &Alarm, kind: Kind) -> Option<Change> {
    let (name, detail, at) = match kind {
        Kind::State => {
            let detail = json!({"state": new.state.name(), "state_reason": new.state_reason});
            ("state transition", detail, new.state_timestamp)
        }
        Kind::Rule => {
            let before = everything(old);
            let changed: Map<String, Json> = everything(new)
                .into_iter()
                .filter(|(key, value)| !UNTOLD.contains(&key.as_str()) && before.get(key) != Some(value))
                .collect();
            if changed.is_empty() {
                return None;
            }
            ("rule change", Json::Object(changed), new.timestamp)
        }
    };
    Some(row(caller, new, name, &detail, at, new.project_id.clone()))
}

fn own(id: &str) -> Option<String> {
    (!id.is_empty()).then(|| id.to_owned())
}

fn row(
    caller: &Caller<'_>,
    alarm: &Alarm,
    kind: &str,
    detail: &Json,
    timestamp: Timestamp,
    on_behalf_of: Option<String>,
) -> Change {
    Change {
        event_id: uuid::Uuid::new_v4().to_string(),
        alarm_id: alarm.id.clone(),
        kind: kind.to_owned(),
        detail: dumps(detail),
        user_id: own(&caller.context.user_id),
        project_id: own(&caller.context.project_id),
        on_behalf_of,
        severity: Some(alarm.severity.name().to_owned()),
        timestamp,
    }
}

/// All that an alarm is, as history shows it: without its trust.
fn everything(alarm: &Alarm) -> Map<String, Json> {
    let actions = |actions: &[String]| -> Vec<String> { actions.iter().map(|action| scrubbed(action)).collect() };
    let json = json!({
        "alarm_id": alarm.id,
        "type": alarm.kind.name(),
        "enabled": alarm.enabled,
        "name": alarm.name,
        "description": alarm.description,
        "timestamp": alarm.timestamp.iso_short(),
        "user_id": alarm.user_id,
        "project_id": alarm.project_id,
        "state": alarm.state.name(),
        "state_timestamp": alarm.state_timestamp.iso_short(),
        "state_reason": alarm.state_reason,
        "ok_actions": actions(&alarm.ok_actions),
        "alarm_actions": actions(&alarm.alarm_actions),
        "insufficient_data_actions": actions(&alarm.insufficient_data_actions),
        "repeat_actions": alarm.repeat_actions,
        "time_constraints": constraints_json(&alarm.time_constraints),
        "severity": alarm.severity.name(),
        "rule": alarm.rule,
    });
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}
