//! Answers complex queries of alarms and of their history. The database narrows, by what must hold in any case, and sorts;
//! the expression is looked at row by row, so that the answer is the same on every engine.

use serde_json::Value as Json;

use super::super::complex::{Known, expression_of};
use super::super::deadline::Deadline;
use super::lists::{self, Condition, What};
use super::rows;
use crate::Result;
use crate::database::{Connection, Row};
use crate::telemetry::model::alarm::{Alarm, Change};
use crate::telemetry::model::expression::{Comparison, Expression, Operand, Truth};

/// How many rows are read at a time.
const AT_A_TIME: i64 = 1_000;

/// A question: attributes are named as on the wire.
pub struct Question {
    /// What must hold.
    pub expression: Expression<&'static str>,
    /// Keys of the order, each with whether the smallest comes first; the newest first where there are none.
    pub order: Vec<(String, bool)>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Columns that an index helps to find, by their names on the wire.
const FOUND_BY: &[(&str, &str)] = &[
    ("project_id", "project_id = ?"),
    ("user_id", "user_id = ?"),
    ("alarm_id", "alarm_id = ?"),
    ("type", "type = ?"),
    ("state", "state = ?"),
    ("name", "name = ?"),
    ("event_id", "event_id = ?"),
    ("on_behalf_of", "on_behalf_of = ?"),
];

fn narrowed(expression: &Expression<&'static str>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for condition in expression.conditions() {
        let Expression::Compare(field, Comparison::Equal, Operand::Text(text)) = condition else { continue };
        if let Some((_, sql)) = FOUND_BY.iter().find(|(name, _)| name == field) {
            conditions.push((*sql, text.clone().into()));
        }
    }
    conditions
}

pub(super) fn alarms(connection: &mut Connection, question: &Question, deadline: Deadline) -> Result<Vec<Alarm>> {
    query(connection, What::Alarms, question, deadline, rows::alarm, of_alarm)
}

pub(super) fn changes(connection: &mut Connection, question: &Question, deadline: Deadline) -> Result<Vec<Change>> {
    query(connection, What::Changes, question, deadline, rows::change, of_change)
}

fn query<T>(
    connection: &mut Connection,
    what: What,
    question: &Question,
    deadline: Deadline,
    read: fn(&Row<'_>) -> Result<T>,
    value: for<'a> fn(&str, &'a T) -> Known<'a>,
) -> Result<Vec<T>> {
    let (filter, mut params) = lists::conditions(&narrowed(&question.expression));
    let order = lists::order_by(what, &question.order)?;
    let sql = format!("SELECT {} FROM {}{filter}{order} LIMIT ? OFFSET ?", what.columns(), what.table());
    let most = question.limit.unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut offset = 0_i64;
    loop {
        deadline.check()?;
        params.extend([AT_A_TIME.into(), offset.into()]);
        let page = connection.rows(&sql, &params, read)?;
        params.truncate(params.len().saturating_sub(2));
        let whole = i64::try_from(page.len()).unwrap_or(i64::MAX) == AT_A_TIME;
        for item in page {
            if expression_of(&question.expression, &|field: &&'static str| value(field, &item)) == Truth::Yes {
                found.push(item);
            }
            if found.len() >= most {
                return Ok(found);
            }
        }
        if !whole {
            return Ok(found);
        }
        offset = offset.saturating_add(AT_A_TIME);
    }
}

static TRUE: Json = Json::Bool(true);
static FALSE: Json = Json::Bool(false);

fn truth(value: bool) -> Known<'static> {
    Known::Json(if value { &TRUE } else { &FALSE })
}

fn optional(text: Option<&str>) -> Known<'_> {
    text.map_or(Known::Nothing, Known::Text)
}

fn of_alarm<'a>(field: &str, alarm: &'a Alarm) -> Known<'a> {
    match field {
        "alarm_id" => Known::Text(&alarm.id),
        "name" => Known::Text(&alarm.name),
        "description" => Known::Text(&alarm.description),
        "enabled" => truth(alarm.enabled),
        "repeat_actions" => truth(alarm.repeat_actions),
        "type" => Known::Text(alarm.kind.name()),
        "state" => Known::Text(alarm.state.name()),
        "state_reason" => Known::Text(&alarm.state_reason),
        "severity" => Known::Text(alarm.severity.name()),
        "user_id" => optional(alarm.user_id.as_deref()),
        "project_id" => optional(alarm.project_id.as_deref()),
        "timestamp" => Known::Time(alarm.timestamp.0),
        "state_timestamp" => Known::Time(alarm.state_timestamp.0),
        "evaluate_timestamp" => Known::Time(alarm.evaluated_at.0),
        // Lists and rules are no values to compare with.
        _ => Known::Nothing,
    }
}

fn of_change<'a>(field: &str, change: &'a Change) -> Known<'a> {
    match field {
        "event_id" => Known::Text(&change.event_id),
        "alarm_id" => Known::Text(&change.alarm_id),
        "type" => Known::Text(&change.kind),
        "detail" => Known::Text(&change.detail),
        "user_id" => optional(change.user_id.as_deref()),
        "project_id" => optional(change.project_id.as_deref()),
        "on_behalf_of" => optional(change.on_behalf_of.as_deref()),
        "severity" => optional(change.severity.as_deref()),
        "timestamp" => Known::Time(change.timestamp.0),
        _ => Known::Nothing,
    }
}
