//! Rows of alarms and of their history, between the database and plain values.

use serde_json::{Value as Json, json};

use crate::database::{Row, Transaction, Value};
use crate::telemetry::model::alarm::{Alarm, Change, RuleType, Severity, State, TimeConstraint};
use crate::time::Timestamp;
use crate::{Error, Result};

/// The columns that [`alarm`] reads.
pub(super) const ALARM: &str = "alarm_id, name, description, enabled, type, rule, state, state_reason, severity, user_id, \
    project_id, at, state_at, evaluated_at, ok_actions, alarm_actions, insufficient_data_actions, repeat_actions, \
    time_constraints, version";

/// The columns that [`change`] reads.
pub(super) const CHANGE: &str = "event_id, alarm_id, type, detail, user_id, project_id, on_behalf_of, severity, at, id";

pub(super) fn alarm(row: &Row<'_>) -> Result<Alarm> {
    let unknown = |what: &str| Error::internal(format!("an alarm with an unknown {what}"));
    Ok(Alarm {
        id: row.string(0)?,
        name: row.string(1)?,
        description: row.string(2)?,
        enabled: row.bool(3)?,
        kind: RuleType::parse(row.text(4)?).ok_or_else(|| unknown("type"))?,
        rule: parsed(row.text(5)?)?,
        state: State::parse(row.text(6)?).ok_or_else(|| unknown("state"))?,
        state_reason: row.string(7)?,
        severity: Severity::parse(row.text(8)?).ok_or_else(|| unknown("severity"))?,
        user_id: row.opt_string(9)?,
        project_id: row.opt_string(10)?,
        timestamp: Timestamp(row.int(11)?),
        state_timestamp: Timestamp(row.int(12)?),
        evaluated_at: Timestamp(row.int(13)?),
        ok_actions: texts(row.text(14)?)?,
        alarm_actions: texts(row.text(15)?)?,
        insufficient_data_actions: texts(row.text(16)?)?,
        repeat_actions: row.bool(17)?,
        time_constraints: constraints(&parsed(row.text(18)?)?),
        version: row.int(19)?,
    })
}

pub(super) fn change(row: &Row<'_>) -> Result<Change> {
    Ok(Change {
        event_id: row.string(0)?,
        alarm_id: row.string(1)?,
        kind: row.string(2)?,
        detail: row.string(3)?,
        user_id: row.opt_string(4)?,
        project_id: row.opt_string(5)?,
        on_behalf_of: row.opt_string(6)?,
        severity: row.opt_string(7)?,
        timestamp: Timestamp(row.int(8)?),
    })
}

fn parsed(text: &str) -> Result<Json> {
    serde_json::from_str(text).map_err(Error::internal)
}

fn texts(text: &str) -> Result<Vec<String>> {
    serde_json::from_str(text).map_err(Error::internal)
}

fn constraints(json: &Json) -> Vec<TimeConstraint> {
    let one = |item: &Json| {
        let text = |name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        TimeConstraint {
            name: text("name"),
            description: text("description"),
            start: text("start"),
            duration: item.get("duration").and_then(Json::as_i64).unwrap_or(0),
            timezone: text("timezone"),
        }
    };
    json.as_array().map(|items| items.iter().map(one).collect()).unwrap_or_default()
}

/// Time constraints as JSON.
pub fn constraints_json(constraints: &[TimeConstraint]) -> Json {
    let one = |c: &TimeConstraint| {
        json!({"name": c.name, "description": c.description, "start": c.start, "duration": c.duration,
            "timezone": c.timezone})
    };
    constraints.iter().map(one).collect()
}

/// The values of what an alarm's definition and state are, in the order of [`ALARM`] without id and version.
fn values(alarm: &Alarm) -> Vec<Value<'_>> {
    let list = |urls: &[String]| Value::from(json!(urls).to_string());
    vec![
        (&alarm.name).into(),
        (&alarm.description).into(),
        alarm.enabled.into(),
        alarm.kind.name().into(),
        alarm.rule.to_string().into(),
        alarm.state.name().into(),
        (&alarm.state_reason).into(),
        alarm.severity.name().into(),
        (&alarm.user_id).into(),
        (&alarm.project_id).into(),
        alarm.timestamp.0.into(),
        alarm.state_timestamp.0.into(),
        alarm.evaluated_at.0.into(),
        list(&alarm.ok_actions),
        list(&alarm.alarm_actions),
        list(&alarm.insufficient_data_actions),
        alarm.repeat_actions.into(),
        constraints_json(&alarm.time_constraints).to_string().into(),
    ]
}

/// Writes a new alarm, which is due at once.
pub(super) fn insert(tx: &mut Transaction<'_>, alarm: &Alarm) -> Result<()> {
    let sql = format!(
        "INSERT INTO telemetry_alarm ({ALARM}, due_at, lease_until, counted_ok, counted_alarm, counted_unknown) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0)"
    );
    let mut params = vec![Value::from(&alarm.id)];
    params.extend(values(alarm));
    params.extend([Value::from(alarm.version), Value::from(alarm.timestamp.0)]);
    tx.execute(&sql, &params).map(|_| ())
}

/// Writes an alarm over itself, where nobody has changed it since it was read. It is due at once, whoever evaluates it.
pub(super) fn update(tx: &mut Transaction<'_>, alarm: &Alarm) -> Result<bool> {
    let sql = "UPDATE telemetry_alarm SET name = ?, description = ?, enabled = ?, type = ?, rule = ?, state = ?, \
               state_reason = ?, severity = ?, user_id = ?, project_id = ?, at = ?, state_at = ?, evaluated_at = ?, \
               ok_actions = ?, alarm_actions = ?, insufficient_data_actions = ?, repeat_actions = ?, \
               time_constraints = ?, due_at = ?, version = version + 1 WHERE alarm_id = ? AND version = ?";
    let mut params = values(alarm);
    params.extend([Value::from(alarm.timestamp.0), Value::from(&alarm.id), Value::from(alarm.version)]);
    Ok(tx.execute(sql, &params)? == 1)
}

/// Writes a row of history.
pub(super) fn record(tx: &mut Transaction<'_>, change: &Change) -> Result<()> {
    let sql = "INSERT INTO telemetry_alarm_change (event_id, alarm_id, type, detail, user_id, project_id, on_behalf_of, \
               severity, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let params = [
        (&change.event_id).into(),
        (&change.alarm_id).into(),
        (&change.kind).into(),
        (&change.detail).into(),
        (&change.user_id).into(),
        (&change.project_id).into(),
        (&change.on_behalf_of).into(),
        (&change.severity).into(),
        change.timestamp.0.into(),
    ];
    tx.execute(sql, &params).map(|_| ())
}
