//! An alarm as it is posted (specification: alarms).

use serde_json::Value as Json;

use super::alarm_fields::{Object, missing};
use super::alarm_rules;
use crate::error::{Error, Result};
use crate::telemetry::control::alarms::Definition;
use crate::telemetry::control::refusals::invalid_input;
use crate::telemetry::model::alarm::{RuleType, Severity, State, TimeConstraint};
use crate::telemetry::model::cron::Cron;

/// The fields of an alarm besides those of its rule.
const FIELDS: [&str; 18] = [
    "alarm_id",
    "name",
    "description",
    "enabled",
    "ok_actions",
    "alarm_actions",
    "insufficient_data_actions",
    "repeat_actions",
    "type",
    "time_constraints",
    "project_id",
    "user_id",
    "timestamp",
    "state",
    "state_timestamp",
    "state_reason",
    "severity",
    "evaluate_timestamp",
];

/// A body as JSON.
///
/// # Errors
/// [`crate::Kind::Invalid`] where it is none, or there is none.
pub(super) fn json(bytes: &[u8], argument: &str) -> Result<Json> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::invalid(format!("Missing argument: \"{argument}\"")));
    }
    serde_json::from_slice(bytes).map_err(|cause| Error::invalid("Request is not in valid JSON format").because(cause))
}

/// Reads an alarm.
///
/// # Errors
/// [`crate::Kind::Invalid`] with the first thing that is wrong.
pub(super) fn read(body: &Json) -> Result<Definition> {
    let rules: Vec<String> = RuleType::ALL.into_iter().map(|kind| format!("{}_rule", kind.name())).collect();
    let known: Vec<&str> = FIELDS.into_iter().chain(rules.iter().map(String::as_str)).collect();
    let data = Object::open(body, body, "data", &known)?;
    let name = data.needed_text("name")?;
    let description = data.text("description")?.filter(|text| !text.is_empty());
    let enabled = data.flag("enabled")?.unwrap_or(true);
    let [ok_actions, alarm_actions, insufficient_data_actions] =
        ["ok_actions", "alarm_actions", "insufficient_data_actions"].map(|name| data.texts(name));
    let repeat_actions = data.flag("repeat_actions")?.unwrap_or(false);
    let kinds = RuleType::ALL.map(RuleType::name);
    let kind = data.word("type", &kinds)?.and_then(RuleType::parse).ok_or_else(|| missing("type"))?;
    let time_constraints = constraints(&data)?;
    let (project_id, user_id) = (data.text("project_id")?, data.text("user_id")?);
    let state = data.word("state", &State::ALL.map(State::name))?.and_then(State::parse).unwrap_or(State::Unknown);
    let severity = data.word("severity", &Severity::ALL.map(Severity::name))?;
    let mut rule = None;
    let mut named: Vec<&str> = Vec::new();
    for (other, field) in RuleType::ALL.into_iter().zip(&rules) {
        let Some(value) = data.value(field) else { continue };
        let read = alarm_rules::read(other, value, body, &format!("data.{field}"))?;
        named.push(field);
        if other == kind {
            rule = Some(read);
        }
    }
    let Some(rule) = rule else {
        let kind = kind.name();
        return Err(Error::invalid(format!("{kind}_rule must be set for {kind} type alarm")));
    };
    if let [one, other, ..] = named.as_slice() {
        return Err(Error::invalid(format!("{one} and {other} cannot be set at the same time")));
    }
    Ok(Definition {
        name,
        description,
        enabled,
        ok_actions: ok_actions?.unwrap_or_default(),
        alarm_actions: alarm_actions?.unwrap_or_default(),
        insufficient_data_actions: insufficient_data_actions?.unwrap_or_default(),
        repeat_actions,
        kind,
        rule,
        time_constraints,
        project_id,
        user_id,
        state,
        severity: severity.and_then(Severity::parse).unwrap_or(Severity::Low),
    })
}

fn constraints(data: &Object<'_>) -> Result<Vec<TimeConstraint>> {
    let items = data.list("time_constraints")?.unwrap_or_default();
    let one = |item: &Json| {
        let known = ["name", "description", "start", "duration", "timezone"];
        let item = Object::open(item, data.body, "data.time_constraints", &known)?;
        let name = item.needed_text("name")?;
        let start = item.needed_text("start")?;
        Cron::parse(&start).map_err(|reason| invalid_input("start", &start, &reason))?;
        let duration = item.integer("duration", 0, i64::MAX)?.ok_or_else(|| missing("duration"))?;
        let timezone = item.text("timezone")?.unwrap_or_default();
        let given = item.text("description")?.filter(|text| !text.is_empty());
        let description = given.unwrap_or_else(|| format!("Time constraint at {start} lasting for {duration} seconds"));
        if !timezone.is_empty() && jiff::tz::TimeZone::get(&timezone).is_err() {
            return Err(Error::invalid(format!("Timezone {timezone} is not valid")));
        }
        Ok(TimeConstraint { name, description, start, duration, timezone })
    };
    items.iter().map(one).collect()
}
