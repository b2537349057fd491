//! The work that alarms make: which evaluator looks at which alarm, what it found, and the actions that are due because of
//! it. A transition is written together with its row of history and its actions, or not at all.

use serde_json::{Value as Json, json};

use super::chronicle::{Chronicle, Teller};
use super::rows;
use crate::Result;
use crate::database::{Connection, Transaction, Value};
use crate::service::fault;
use crate::telemetry::model::alarm::{Alarm, Change, State};
use crate::telemetry::model::dumps::dumps;
use crate::telemetry::model::trust_url;
use crate::time::Timestamp;

/// What becomes of an alarm by an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Refresh {
    /// Its state from now on, which may be the one that it has.
    pub state: State,
    /// Why.
    pub reason: String,
    /// Why, for programs.
    pub reason_data: Json,
    /// Whether history tells of it even if the state stays.
    pub always_record: bool,
}

/// What an evaluation ended with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluated {
    /// What becomes of the alarm; `None`: nothing.
    pub refresh: Option<Refresh>,
    /// The state that its rule had, where that is counted.
    pub counted: Option<State>,
}

/// How evaluations are written.
#[derive(Debug, Clone, Copy)]
pub struct Writing<'a> {
    /// Now.
    pub now: Timestamp,
    /// When the alarm is to be evaluated again.
    pub due: Timestamp,
    /// What is kept and told of transitions.
    pub chronicle: &'a Chronicle,
}

/// An action that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its number.
    pub id: i64,
    /// Id of the alarm.
    pub alarm_id: String,
    /// The URL.
    pub action: String,
    /// The server that is called.
    pub target: String,
    /// What to tell, as JSON text.
    pub body: String,
    /// How often it was tried before.
    pub attempts: i64,
}

/// Takes alarms that are due, at most `most`, for a time.
pub(super) fn candidates(connection: &mut Connection, now: Timestamp, most: i64) -> Result<Vec<Alarm>> {
    let sql = format!(
        "SELECT {} FROM telemetry_alarm WHERE enabled = ? AND due_at <= ? AND lease_until < ? AND type <> 'event' \
         ORDER BY due_at, alarm_id LIMIT ?",
        rows::ALARM
    );
    connection.rows(&sql, &[true.into(), now.0.into(), now.0.into(), most.into()], rows::alarm)
}

/// Takes those that nobody else took meanwhile.
pub(super) fn claim(
    tx: &mut Transaction<'_>,
    candidates: &[Alarm],
    owner: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Alarm>> {
    let sql = "UPDATE telemetry_alarm SET lease_owner = ?, lease_until = ? \
               WHERE alarm_id = ? AND version = ? AND due_at <= ? AND lease_until < ?";
    let mut mine = Vec::with_capacity(candidates.len());
    for alarm in candidates {
        let params =
            [owner.into(), until.0.into(), (&alarm.id).into(), alarm.version.into(), now.0.into(), now.0.into()];
        if tx.execute(sql, &params)? == 1 {
            mine.push(alarm.clone());
        }
    }
    Ok(mine)
}

/// Writes what an evaluation found, where the alarm is still held and as it was; else only lets go of it.
pub(super) fn complete(
    tx: &mut Transaction<'_>,
    alarm: &Alarm,
    owner: &str,
    evaluated: &Evaluated,
    writing: &Writing<'_>,
) -> Result<bool> {
    let count = match evaluated.counted {
        Some(State::Ok) => ", counted_ok = counted_ok + 1",
        Some(State::Alarm) => ", counted_alarm = counted_alarm + 1",
        Some(State::Unknown) => ", counted_unknown = counted_unknown + 1",
        None => "",
    };
    let sql = format!(
        "UPDATE telemetry_alarm SET evaluated_at = ?, due_at = ?, lease_owner = NULL, lease_until = 0{count} \
         WHERE alarm_id = ? AND lease_owner = ? AND version = ?"
    );
    let params = [writing.now.0.into(), writing.due.0.into(), (&alarm.id).into(), owner.into(), alarm.version.into()];
    if tx.execute(&sql, &params)? == 0 {
        let release =
            "UPDATE telemetry_alarm SET lease_owner = NULL, lease_until = 0 WHERE alarm_id = ? AND lease_owner = ?";
        tx.execute(release, &[(&alarm.id).into(), owner.into()])?;
        return Ok(false);
    }
    if let Some(refresh) = &evaluated.refresh {
        transition(tx, alarm, refresh, writing)?;
    }
    fault::point("alarm.before_commit");
    Ok(true)
}

/// Writes a transition of an alarm that the caller has locked as it is.
pub(super) fn transition(
    tx: &mut Transaction<'_>,
    alarm: &Alarm,
    refresh: &Refresh,
    writing: &Writing<'_>,
) -> Result<()> {
    let changes = alarm.state != refresh.state;
    if changes || refresh.always_record {
        let since = if changes { writing.now } else { alarm.state_timestamp };
        tx.execute(
            "UPDATE telemetry_alarm SET state = ?, state_reason = ?, state_at = ?, version = version + 1 \
             WHERE alarm_id = ?",
            &[refresh.state.name().into(), (&refresh.reason).into(), since.0.into(), (&alarm.id).into()],
        )?;
        if writing.chronicle.record_history {
            let detail = dumps(&json!({"state": refresh.state.name(), "transition_reason": refresh.reason}));
            let change = Change {
                event_id: uuid::Uuid::new_v4().to_string(),
                alarm_id: alarm.id.clone(),
                kind: "state transition".to_owned(),
                detail,
                user_id: None,
                project_id: None,
                on_behalf_of: alarm.project_id.clone(),
                severity: Some(alarm.severity.name().to_owned()),
                timestamp: writing.now,
            };
            writing.chronicle.record(tx, &change, Teller::Evaluator)?;
        }
    } else if !alarm.repeat_actions {
        return Ok(());
    }
    let body = json!({
        "alarm_name": alarm.name,
        "alarm_id": alarm.id,
        "severity": alarm.severity.name(),
        "previous": alarm.state.name(),
        "current": refresh.state.name(),
        "reason": refresh.reason,
        "reason_data": refresh.reason_data,
    })
    .to_string();
    for action in alarm.actions(refresh.state) {
        let sql = "INSERT INTO telemetry_alarm_action (alarm_id, action, target, body, made_at, attempts, due_at, lease_until) \
                   VALUES (?, ?, ?, ?, ?, 0, ?, 0)";
        let params = [
            (&alarm.id).into(),
            action.into(),
            target(action).into(),
            (&body).into(),
            writing.now.0.into(),
            writing.now.0.into(),
        ];
        tx.execute(sql, &params)?;
    }
    Ok(())
}

/// The server of a URL: its scheme and what stands before the path.
fn target(action: &str) -> String {
    let action = &trust_url::scrubbed(action);
    let after = action.find("://").map_or(0, |at| at + 3);
    let end = action.get(after..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(action.len(), |at| after + at);
    // Two servers with one beginning of this length share their turns, which does no harm.
    action.get(..end).unwrap_or(action).to_ascii_lowercase().chars().take(200).collect()
}

/// Takes actions that are due, at most `most`, none of them of servers in `busy`.
pub(super) fn due_actions(
    connection: &mut Connection,
    now: Timestamp,
    busy: &[String],
    most: i64,
) -> Result<Vec<Action>> {
    let mut sql = "SELECT id, alarm_id, action, target, body, attempts FROM telemetry_alarm_action \
                   WHERE due_at <= ? AND lease_until < ?"
        .to_owned();
    let mut params: Vec<Value<'_>> = vec![now.0.into(), now.0.into()];
    if !busy.is_empty() {
        sql.push_str(&format!(" AND target NOT IN ({})", vec!["?"; busy.len()].join(", ")));
        params.extend(busy.iter().map(Value::from));
    }
    sql.push_str(" ORDER BY due_at, id LIMIT ?");
    params.push(most.into());
    connection.rows(&sql, &params, |row| {
        Ok(Action {
            id: row.int(0)?,
            alarm_id: row.string(1)?,
            action: row.string(2)?,
            target: row.string(3)?,
            body: row.string(4)?,
            attempts: row.int(5)?,
        })
    })
}

/// Takes one action, where nobody else did.
pub(super) fn claim_action(
    tx: &mut Transaction<'_>,
    action: &Action,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE telemetry_alarm_action SET lease_owner = ?, lease_until = ?, attempts = attempts + 1 \
               WHERE id = ? AND attempts = ? AND lease_until < ?";
    let params = [owner.into(), until.0.into(), action.id.into(), action.attempts.into(), now.0.into()];
    Ok(tx.execute(sql, &params)? == 1)
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_server_is_what_stands_before_the_path() {
        for (url, server) in [
            ("http://Host:80/a/b?c", "http://host:80"),
            ("https://host", "https://host"),
            ("https://host?x=/y", "https://host"),
            ("log://", "log://"),
            ("trust+http://t1:delete@Host/a", "trust+http://host"),
            ("test:x", "test:x"),
        ] {
            assert_eq!(target(url), server);
        }
    }
}
