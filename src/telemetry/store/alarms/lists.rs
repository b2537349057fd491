//! Lists of alarms and of changes: by conditions, in an order, page by page.

use super::rows;
use crate::database::{Connection, Row, Value};
use crate::telemetry::model::alarm::{Alarm, Change};
use crate::{Error, Result};

/// What is listed.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// Alarms.
    Alarms,
    /// Changes of alarms.
    Changes,
}

/// Where a severity stands among severities.
const SEVERITY: &str = "CASE severity WHEN 'low' THEN 1 WHEN 'moderate' THEN 2 WHEN 'critical' THEN 3 ELSE 0 END";

impl What {
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Alarms => "telemetry_alarm",
            Self::Changes => "telemetry_alarm_change",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Alarms => "alarm_id",
            Self::Changes => "event_id",
        }
    }

    /// What makes an order whole: of two changes at one time the later one was written later.
    fn last_key(self) -> &'static str {
        match self {
            Self::Alarms => "alarm_id",
            Self::Changes => "id",
        }
    }

    pub(super) fn columns(self) -> &'static str {
        match self {
            Self::Alarms => rows::ALARM,
            Self::Changes => rows::CHANGE,
        }
    }

    /// The names by which a list can be sorted.
    pub const fn sort_keys(self) -> &'static [&'static str] {
        match self {
            Self::Alarms => &[
                "alarm_id",
                "enabled",
                "name",
                "type",
                "severity",
                "timestamp",
                "user_id",
                "project_id",
                "state",
                "repeat_actions",
                "state_timestamp",
            ],
            Self::Changes => {
                &["event_id", "alarm_id", "on_behalf_of", "project_id", "user_id", "type", "timestamp", "severity"]
            }
        }
    }

    /// What is sorted by for a name of [`What::sort_keys`], and for those that only expressions know.
    fn sort_expression(self, key: &str) -> Option<&'static str> {
        Some(match (self, key) {
            (_, "severity") => SEVERITY,
            (_, "timestamp") => "at",
            (_, "user_id") => "COALESCE(user_id, '')",
            (_, "project_id") => "COALESCE(project_id, '')",
            (_, "alarm_id") => "alarm_id",
            (_, "type") => "type",
            (Self::Alarms, "enabled") => "enabled",
            (Self::Alarms, "name") => "name",
            (Self::Alarms, "state") => "state",
            (Self::Alarms, "repeat_actions") => "repeat_actions",
            (Self::Alarms, "state_timestamp") => "state_at",
            (Self::Alarms, "evaluate_timestamp") => "evaluated_at",
            (Self::Alarms, "description") => "description",
            (Self::Alarms, "state_reason") => "state_reason",
            (Self::Changes, "event_id") => "event_id",
            (Self::Changes, "on_behalf_of") => "COALESCE(on_behalf_of, '')",
            (Self::Changes, "detail") => "detail",
            _ => return None,
        })
    }
}

/// A condition on a column: `column = ?`, `at >= ?`, and so on.
pub type Condition = (&'static str, Value<'static>);

/// Which part of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// All of them hold.
    pub conditions: Vec<Condition>,
    /// Names of [`What::sort_keys`], each with whether the smallest comes first; the newest first where there are none.
    pub sort: Vec<(String, bool)>,
    /// At most so many.
    pub limit: Option<i64>,
    /// Id of the last item of the page before.
    pub marker: Option<String>,
}

/// An order as SQL: expressions, each with whether the smallest comes first.
fn order(what: What, sort: &[(String, bool)]) -> Result<Vec<(&'static str, bool)>> {
    let mut order = Vec::with_capacity(sort.len() + 2);
    for (key, ascending) in sort {
        let expression = what.sort_expression(key);
        let expression = expression.ok_or_else(|| Error::invalid(format!("'{key}' is no key of an order")))?;
        order.push((expression, *ascending));
    }
    if order.is_empty() {
        order.push(("at", false));
    }
    let ascending = order.last().is_some_and(|(_, ascending)| *ascending);
    order.push((what.last_key(), ascending));
    Ok(order)
}

pub(super) fn order_by(what: What, sort: &[(String, bool)]) -> Result<String> {
    let keys: Vec<String> = order(what, sort)?.iter().map(|(key, up)| direction(key, *up)).collect();
    Ok(format!(" ORDER BY {}", keys.join(", ")))
}

fn direction(key: &str, ascending: bool) -> String {
    format!("{key} {}", if ascending { "ASC" } else { "DESC" })
}

/// `WHERE` with all conditions.
pub(super) fn conditions(conditions: &[Condition]) -> (String, Vec<Value<'static>>) {
    let mut sql = " WHERE 1 = 1".to_owned();
    for (condition, _) in conditions {
        sql.push_str(" AND ");
        sql.push_str(condition);
    }
    (sql, conditions.iter().map(|(_, value)| value.clone()).filter(|value| !value.is_null()).collect())
}

/// One page of a list.
fn page<T>(
    connection: &mut Connection,
    what: What,
    page: &Page,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let order = order(what, &page.sort)?;
    let (mut filter, mut values) = conditions(&page.conditions);
    if let Some(marker) = &page.marker {
        let keys: Vec<&str> = order.iter().map(|(key, _)| *key).collect();
        let find = format!("SELECT {} FROM {} {filter} AND {} = ?", keys.join(", "), what.table(), what.id());
        let mut params = values.clone();
        params.push(marker.clone().into());
        let read =
            |row: &Row<'_>| (0..keys.len()).map(|at| Ok(row.value(at)?.into_owned())).collect::<Result<Vec<_>>>();
        let at = connection.row(&find, &params, read)?;
        let at = at.ok_or_else(|| Error::invalid(format!("Marker {marker} not found.")))?;
        let mut after = Vec::with_capacity(order.len());
        for (place, (key, ascending)) in order.iter().enumerate() {
            let equal: String = keys.iter().take(place).map(|key| format!("{key} = ? AND ")).collect();
            after.push(format!("({equal}{key} {} ?)", if *ascending { ">" } else { "<" }));
            values.extend(at.iter().take(place + 1).map(text_again));
        }
        filter.push_str(&format!(" AND ({})", after.join(" OR ")));
    }
    let keys: Vec<String> = order.iter().map(|(key, up)| direction(key, *up)).collect();
    let mut sql = format!("SELECT {} FROM {}{filter} ORDER BY {}", what.columns(), what.table(), keys.join(", "));
    if let Some(limit) = page.limit {
        sql.push_str(" LIMIT ?");
        values.push(limit.into());
    }
    connection.rows(&sql, &values, read)
}

/// A cell as a parameter: cells of text arrive as bytes.
fn text_again(value: &Value<'static>) -> Value<'static> {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        other => other.clone(),
    }
}

pub(super) fn alarms(connection: &mut Connection, wanted: &Page) -> Result<Vec<Alarm>> {
    page(connection, What::Alarms, wanted, rows::alarm)
}

pub(super) fn changes(connection: &mut Connection, wanted: &Page) -> Result<Vec<Change>> {
    page(connection, What::Changes, wanted, rows::change)
}
