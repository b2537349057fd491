//! Moves between statuses as conditional UPDATEs: a move happens for exactly one of those who ask for it.

use crate::block_storage::model::status::{From, Status, Transition};
use crate::database::Value;

/// How the work of a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It failed.
    Failed,
}

impl Outcome {
    /// Where the move ends; `None` where the object ends with it.
    pub(super) fn of<S: Status, G>(self, transition: &Transition<S, G>) -> Option<S> {
        match self {
            Self::Done => transition.done,
            Self::Failed => transition.failed,
        }
    }
}

/// Appends `, status = ...` of a move.
pub(super) fn set_status<S: Status, G>(rule: &Transition<S, G>, sql: &mut String, params: &mut Vec<Value<'_>>) {
    let Some(to) = rule.to else { return };
    if rule.instead.is_empty() {
        sql.push_str(", status = ?");
    } else {
        sql.push_str(", status = CASE status");
        for (from, to) in rule.instead {
            sql.push_str(" WHEN ? THEN ?");
            params.extend([from.name().into(), to.name().into()]);
        }
        sql.push_str(" ELSE ? END");
    }
    params.push(to.name().into());
}

/// Appends `AND status IN (...)` with the statuses in which an object is while a move lasts.
pub(super) fn during_condition<S: Status, G>(rule: &Transition<S, G>, sql: &mut String, params: &mut Vec<Value<'_>>) {
    sql.push_str(&format!(" AND status IN ({})", marks(rule.during().count())));
    params.extend(rule.during().map(|status| Value::from(status.name())));
}

/// Appends `AND status IN (...)` with its parameters.
pub(super) fn from_condition<S: Status>(from: From<S>, sql: &mut String, params: &mut Vec<Value<'_>>) {
    let (words, list) = match from {
        From::Any => return,
        From::Only(list) => (" AND status IN (", list),
        From::Except(list) => (" AND status NOT IN (", list),
    };
    sql.push_str(words);
    for (at, status) in list.iter().enumerate() {
        sql.push_str(if at == 0 { "?" } else { ", ?" });
        params.push(status.name().into());
    }
    sql.push(')');
}

/// Appends `, column = ?` for each column.
pub(super) fn set_columns<'v>(columns: &'v [(&str, Value<'v>)], sql: &mut String, params: &mut Vec<Value<'v>>) {
    for (column, value) in columns {
        sql.push_str(", ");
        sql.push_str(column);
        sql.push_str(" = ?");
        params.push(Value::from(value));
    }
}

/// `?, ?, ?`: as many marks as there are values, at least one.
pub(super) fn marks(count: usize) -> String {
    let mut text = String::with_capacity(count * 3);
    for at in 0..count.max(1) {
        text.push_str(if at == 0 { "?" } else { ", ?" });
    }
    text
}
