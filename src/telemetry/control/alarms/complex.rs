//! Complex queries of alarms and of their history, held to the caller's project.

use serde_json::Value as Json;

use super::super::Caller;
use super::super::complex_query::{Named, Query, expression, invalid_filter, order_of};
use crate::identity::policy::Rule;
use crate::telemetry::model::alarm::{Alarm, Change};
use crate::telemetry::model::expression::{Comparison, Expression, Operand};
use crate::telemetry::policy as rows;
use crate::telemetry::store::alarms::Question;
use crate::{Error, Result};

/// A query as it came.
pub type Complex<'a> = Query<'a>;

/// What alarms are asked by.
const ALARM: &[&str] = &[
    "alarm_id",
    "type",
    "enabled",
    "name",
    "description",
    "timestamp",
    "user_id",
    "project_id",
    "state",
    "state_timestamp",
    "state_reason",
    "ok_actions",
    "alarm_actions",
    "insufficient_data_actions",
    "repeat_actions",
    "rule",
    "time_constraints",
    "severity",
    "evaluate_timestamp",
];

/// What changes are asked by.
const CHANGE: &[&str] =
    &["event_id", "alarm_id", "type", "detail", "user_id", "project_id", "on_behalf_of", "severity", "timestamp"];

fn field(fields: &[&'static str], name: &str) -> Option<&'static str> {
    let name = match name {
        "user" => "user_id",
        "project" => "project_id",
        other => other,
    };
    fields.iter().copied().find(|field| *field == name)
}

fn is_time(name: &str) -> bool {
    matches!(name, "timestamp" | "state_timestamp" | "evaluate_timestamp")
}

#[derive(Debug, Clone)]
struct OfAlarm(&'static str);

impl Named for OfAlarm {
    fn named(name: &str) -> Option<Self> {
        field(ALARM, name).map(Self)
    }

    fn is_time(&self) -> bool {
        is_time(self.0)
    }

    fn is_project(&self) -> bool {
        self.0 == "project_id"
    }
}

#[derive(Debug, Clone)]
struct OfChange(&'static str);

impl Named for OfChange {
    fn named(name: &str) -> Option<Self> {
        field(CHANGE, name).map(Self)
    }

    fn is_time(&self) -> bool {
        is_time(self.0)
    }

    fn is_project(&self) -> bool {
        self.0 == "on_behalf_of"
    }
}

/// The same expression over names.
fn by_name<A>(expression: Expression<A>, name: fn(A) -> &'static str) -> Expression<&'static str> {
    let all = |parts: Vec<Expression<A>>| parts.into_iter().map(|part| by_name(part, name)).collect();
    match expression {
        Expression::And(parts) => Expression::And(all(parts)),
        Expression::Or(parts) => Expression::Or(all(parts)),
        Expression::Not(part) => Expression::Not(Box::new(by_name(*part, name))),
        Expression::Compare(attribute, comparison, operand) => {
            Expression::Compare(name(attribute), comparison, operand)
        }
        Expression::In(attribute, operands) => Expression::In(name(attribute), operands),
        Expression::Matches(attribute, pattern) => Expression::Matches(name(attribute), pattern),
    }
}

fn question<A: Named>(
    caller: &Caller<'_>,
    query: &Complex<'_>,
    rule: &Rule,
    (fields, project): (&'static [&'static str], &'static str),
    name: fn(A) -> &'static str,
) -> Result<Question> {
    caller.enforce(rule)?;
    let own = caller.limited_to();
    let mut parts = Vec::new();
    if let Some(own) = own {
        parts.push(Expression::Compare(project, Comparison::Equal, Operand::Text(own.to_owned())));
    }
    if let Some(text) = query.filter {
        let json: Json = serde_json::from_str(text).map_err(|error| invalid_filter(&error.to_string()))?;
        parts.push(by_name(expression::<A>(&json, own)?, name));
    }
    let order = match query.order_by {
        Some(text) => order_of(text, |name| field(fields, name).map(str::to_owned))?,
        None => Vec::new(),
    };
    let limit = match query.limit {
        Some(limit) if limit <= 0 => return Err(Error::invalid("Limit should be positive")),
        limit => limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
    };
    Ok(Question { expression: Expression::And(parts), order, limit })
}

/// The alarms that a query means.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Unauthenticated`] where it names a project that the caller may not see,
/// [`crate::Kind::Invalid`] where it makes no sense, those of the store.
pub fn alarms(caller: &Caller<'_>, query: &Complex<'_>) -> Result<Vec<Alarm>> {
    let question =
        question::<OfAlarm>(caller, query, &rows::QUERY_ALARM, (ALARM, "project_id"), |attribute| attribute.0)?;
    caller.telemetry.store.query_alarms(&question)
}

/// The changes of alarms that a query means.
///
/// # Errors
/// As [`alarms`].
pub fn changes(caller: &Caller<'_>, query: &Complex<'_>) -> Result<Vec<Change>> {
    let name = |attribute: OfChange| attribute.0;
    let question = question::<OfChange>(caller, query, &rows::QUERY_ALARM_HISTORY, (CHANGE, "on_behalf_of"), name)?;
    caller.telemetry.store.query_alarm_changes(&question)
}
