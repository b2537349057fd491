//! Lists of alarms and of their history: the simple query, the order, the page, and whose they may be.

use std::collections::BTreeSet;

use super::super::Caller;
use super::super::refusals::{invalid_input, not_authorized, unknown_argument};
use super::super::simple_query::{Item, list as names, shown, truth};
use crate::database::Value;
use crate::telemetry::model::alarm::{Alarm, Change};
use crate::telemetry::policy as rows;
use crate::telemetry::store::alarms::{Condition, Page, What};
use crate::time::Timestamp;
use crate::{Error, Result};

/// What is asked of a list.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The simple query.
    pub query: Vec<Item>,
    /// Keys, each perhaps with a direction after a colon.
    pub sort: Vec<String>,
    /// At most so many.
    pub limit: Option<i64>,
    /// Id of the last item of the page before.
    pub marker: Option<String>,
}

/// The fields by which alarms are found, sorted.
const FIELDS: [&str; 10] = [
    "all_projects",
    "enabled",
    "name",
    "project_id",
    "repeat_actions",
    "severity",
    "state",
    "timestamp",
    "type",
    "user_id",
];

/// A set as Python prints it.
fn set<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: BTreeSet<&str> = texts.into_iter().collect();
    format!("{{'{}'}}", texts.into_iter().collect::<Vec<_>>().join("', '"))
}

/// The alarms that are asked for.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Unauthenticated`] for another's project, [`crate::Kind::Invalid`], those of
/// the store.
pub fn list(caller: &Caller<'_>, wanted: Wanted) -> Result<Vec<Alarm>> {
    caller.enforce(&rows::GET_ALARMS)?;
    let query = &wanted.query;
    if query.iter().any(|item| !FIELDS.contains(&item.field())) {
        let fields = set(query.iter().map(Item::field));
        let reason = format!("only fields {} are allowed", set(FIELDS));
        return Err(invalid_input("field", &fields, &reason));
    }
    if query.iter().any(|item| item.op() != "eq") {
        let reason = "only operations {'eq'} are allowed";
        return Err(invalid_input("op", &set(query.iter().map(Item::op)), reason));
    }
    let value = |item: &Item| item.value.clone().unwrap_or_default();
    let named = |name: &str| query.iter().find(|item| item.field() == name);
    let everywhere = match named("all_projects") {
        Some(item) => boolean(item)?,
        None => false,
    };
    let mut page = page(What::Alarms, &wanted)?;
    let own = &caller.context.project_id;
    if everywhere {
        caller.enforce(&rows::GET_ALARMS_OF_ALL_PROJECTS)?;
    } else if let Some(asked) = named("project_id") {
        if !caller.context.is_admin && value(asked) != *own {
            return Err(not_authorized(&value(asked)));
        }
    } else {
        page.conditions.push(("project_id = ?", own.clone().into()));
    }
    for item in query.iter().filter(|item| item.field() != "all_projects") {
        let (sql, value): (&'static str, Value<'static>) = match item.field() {
            "enabled" => ("enabled = ?", boolean(item)?.into()),
            "repeat_actions" => ("repeat_actions = ?", boolean(item)?.into()),
            "timestamp" => ("at = ?", instant(&value(item))?.0.into()),
            "name" => ("name = ?", value(item).into()),
            "project_id" => ("project_id = ?", value(item).into()),
            "severity" => ("severity = ?", value(item).into()),
            "state" => ("state = ?", value(item).into()),
            "type" => ("type = ?", value(item).into()),
            _ => ("user_id = ?", value(item).into()),
        };
        page.conditions.push((sql, value));
    }
    caller.telemetry.store.alarms(&page)
}

fn boolean(item: &Item) -> Result<bool> {
    let value = item.value.as_deref().unwrap_or("");
    truth(value).ok_or_else(|| {
        Error::invalid(format!("Unable to convert the value {value} to the expected data type boolean."))
    })
}

fn instant(text: &str) -> Result<Timestamp> {
    Timestamp::parse(text).ok_or_else(|| invalid_input("timestamp", text, "invalid timestamp format"))
}

fn page(what: What, wanted: &Wanted) -> Result<Page> {
    if let Some(limit) = wanted.limit.filter(|limit| *limit < 0) {
        return Err(invalid_input("limit", &limit.to_string(), "it should be a positive integer."));
    }
    let mut sort = Vec::with_capacity(wanted.sort.len());
    for text in &wanted.sort {
        let (key, direction) = text.split_once(':').unwrap_or((text, ""));
        let keys = what.sort_keys();
        if !keys.contains(&key) || !matches!(direction, "" | "asc" | "desc") {
            let known = format!("('{}')", keys.join("', '"));
            let reason = format!(
                "the sort parameter should be a pair of sort key and sort dir combined with ':', or only sort key \
                 specified and sort dir will be default 'asc', the supported sort keys are: {known}"
            );
            return Err(invalid_input("sort", text, &reason));
        }
        sort.push((key.to_owned(), direction != "desc"));
    }
    let marker = wanted.marker.clone().filter(|marker| !marker.is_empty());
    // Without a limit the service lists everything, and takes 0 for that too.
    Ok(Page { conditions: Vec::new(), sort, limit: wanted.limit.filter(|limit| *limit > 0), marker })
}

/// The fields by which changes are found, sorted.
const CHANGE_FIELDS: [&str; 6] = ["project", "search_offset", "severity", "timestamp", "type", "user"];

/// The history of an alarm.
///
/// # Errors
/// As [`list`], and [`crate::Kind::NotFound`].
pub fn history(caller: &Caller<'_>, id: &str, wanted: Wanted) -> Result<Vec<Change>> {
    super::found(caller, id, &rows::ALARM_HISTORY)?;
    let own = caller.limited_to();
    let query = &wanted.query;
    for item in query.iter().filter(|item| matches!(item.field(), "project" | "project_id")) {
        let named = item.value.as_deref().unwrap_or("");
        if own.is_some_and(|own| own != named) {
            return Err(not_authorized(named));
        }
    }
    check_times(query)?;
    let mut page = page(What::Changes, &wanted)?;
    page.conditions.push(("alarm_id = ?", id.to_owned().into()));
    if let Some(own) = own {
        page.conditions.push(("on_behalf_of = ?", own.to_owned().into()));
    }
    let offset = match query.iter().find(|item| item.field() == "search_offset") {
        None => 0,
        Some(item) => {
            let value = item.value.as_deref().unwrap_or("");
            let minutes: Option<i64> = value.trim().parse().ok();
            let micros = minutes.and_then(|minutes| minutes.checked_mul(60_000_000));
            micros.ok_or_else(|| invalid_input("search_offset", value, "unable to convert to int"))?
        }
    };
    for item in query {
        let value = item.value.clone().unwrap_or_default();
        let key = match item.field() {
            "user_id" => "user",
            "project_id" => "project",
            other => other,
        };
        let condition: Condition = match key {
            "search_offset" => continue,
            "timestamp" => time_condition(item.op(), instant(&value)?, offset),
            _ if !CHANGE_FIELDS.contains(&key) => {
                let items = shown(query);
                let reason = format!("unrecognized field in query: {items}, valid keys: {}", names(&CHANGE_FIELDS));
                return Err(unknown_argument(key, &reason));
            }
            _ if item.op() != "eq" => {
                return Err(invalid_input("op", item.op(), &format!("unimplemented operator for {}", item.field())));
            }
            "user" => ("user_id = ?", value.into()),
            "project" => ("project_id = ?", value.into()),
            "severity" => ("severity = ?", value.into()),
            _ => ("type = ?", value.into()),
        };
        page.conditions.push(condition);
    }
    caller.telemetry.store.alarm_changes(&page)
}

fn time_condition(op: &str, at: Timestamp, offset: i64) -> Condition {
    let (sql, shift) = match op {
        "gt" => ("at > ?", offset.saturating_neg()),
        "ge" => ("at >= ?", offset.saturating_neg()),
        "le" => ("at <= ?", offset),
        _ => ("at < ?", offset),
    };
    (sql, at.0.saturating_add(shift).into())
}

fn check_times(query: &[Item]) -> Result<()> {
    for (name, ops) in [("timestamp", &["lt", "le", "gt", "ge"][..]), ("search_offset", &["eq"][..])] {
        if let Some(item) = query.iter().find(|item| item.field() == name && !ops.contains(&item.op())) {
            return Err(invalid_input("op", item.op(), &format!("unimplemented operator for {name}")));
        }
    }
    let has = |name: &str| query.iter().any(|item| item.field() == name);
    if has("search_offset") && !has("timestamp") {
        return Err(invalid_input("field", "search_offset", "search_offset cannot be used without timestamp"));
    }
    Ok(())
}
