//! What a rule means for its owner: which samples and alarms it may look at, how it is described (specification: alarms).

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::super::Caller;
use super::super::refusals::{invalid_input, not_authorized};
use super::super::simple_query::{self, Item};
use crate::telemetry::model::alarm::RuleType;
use crate::{Error, Result};

/// The ways in which Gnocchi puts measures together, each of them also for rates (`rate:mean`).
const AGGREGATIONS: [&str; 10] = ["mean", "sum", "last", "max", "min", "std", "median", "first", "count", "nunique"];
/// The types of values in queries of events.
const TYPES: [&str; 5] = ["string", "integer", "float", "boolean", ""];
/// How many alarms are looked at for a circle of combinations.
const MOST_COMBINED: usize = 1_000;

fn texts<'r>(rule: &'r Json, name: &str) -> impl Iterator<Item = &'r str> {
    rule.get(name).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn text<'r>(rule: &'r Json, name: &str) -> &'r str {
    rule.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// The items of a rule's query.
pub fn items(rule: &Json) -> Vec<Item> {
    let part = |item: &Json, name: &str| item.get(name).and_then(Json::as_str).map(str::to_owned);
    let item = |item: &Json| Item {
        field: part(item, "field"),
        op: part(item, "op"),
        value: part(item, "value"),
        kind: part(item, "type"),
    };
    rule.get("query").and_then(Json::as_array).map(|all| all.iter().map(item).collect()).unwrap_or_default()
}

/// Checks what can be checked without knowing whose rule it is.
pub(super) fn check(kind: RuleType, rule: &Json) -> Result<()> {
    match kind {
        RuleType::Event => items(rule).iter().try_for_each(check_event_item),
        RuleType::Threshold => simple_query::of_rule(&items(rule)).map(|_| ()),
        RuleType::Combination => {
            let ids: HashSet<&str> = texts(rule, "alarm_ids").collect();
            if ids.len() > 1 {
                return Ok(());
            }
            Err(Error::invalid("Alarm combination rule should contain at least two different alarm ids."))
        }
        RuleType::Composite => leaves(rule).into_iter().try_for_each(|(kind, leaf)| check(kind, leaf)),
        RuleType::GnocchiByResources => {
            let query = text(rule, "query");
            let parsed: Result<Json, _> = serde_json::from_str(query);
            parsed.map_err(|_| invalid_input("rule/query", query, ""))?;
            check_aggregation(rule)
        }
        RuleType::GnocchiResources | RuleType::GnocchiByMetrics => check_aggregation(rule),
        RuleType::LoadBalancer | RuleType::Prometheus => Ok(()),
    }
}

fn check_aggregation(rule: &Json) -> Result<()> {
    let method = text(rule, "aggregation_method");
    let plain = method.strip_prefix("rate:").unwrap_or(method);
    let percentile = || plain.strip_suffix("pct").and_then(|number| number.parse::<u8>().ok());
    if AGGREGATIONS.contains(&plain) || percentile().is_some_and(|number| (1..100).contains(&number)) {
        return Ok(());
    }
    let known = AGGREGATIONS.map(|name| format!("'{name}'")).join(", ");
    Err(Error::invalid(format!("aggregation_method should be in [{known}] not {method}")))
}

fn check_event_item(item: &Item) -> Result<()> {
    simple_query::check_value(item)?;
    let field = item.field.as_deref().unwrap_or("");
    let named = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '\'' | ',' | '_' | '-');
    if !field.chars().all(named) {
        let text = "does not match regular expression ^[a-zA-Z.',0-9_-]*$ for dictionary value @ data['field']";
        return Err(Error::invalid(format!("Query value or traits invalid: {text}")));
    }
    if !TYPES.contains(&item.kind.as_deref().unwrap_or("")) {
        let text =
            "value must be one of ['', 'boolean', 'float', 'integer', 'string'] for dictionary value @ data['value']";
        return Err(Error::invalid(format!("Query value or traits invalid: {text}")));
    }
    Ok(())
}

/// The rules in a composite one, each with its kind.
pub fn leaves(rule: &Json) -> Vec<(RuleType, &Json)> {
    if let Some(kind) = rule.get("type").and_then(Json::as_str).and_then(RuleType::parse) {
        return vec![(kind, rule)];
    }
    let parts = rule.as_object().into_iter().flat_map(|map| map.values()).filter_map(Json::as_array).flatten();
    parts.flat_map(leaves).collect()
}

/// The rule as it is kept: held to the project that it is for, where the caller may not look at others or makes it for
/// another one. `own` is the id of the alarm where it exists already.
pub(super) fn settle(
    caller: &Caller<'_>,
    kind: RuleType,
    mut rule: Json,
    project_id: Option<&str>,
    own: Option<&str>,
) -> Result<Json> {
    let limit = match caller.limited_to() {
        Some(limited) => Some(limited),
        None => project_id.filter(|project| *project != caller.context.project_id),
    };
    if kind == RuleType::Composite {
        settle_leaves(&mut rule, limit)?;
        return Ok(rule);
    }
    if kind == RuleType::Combination {
        check_combination(caller, &rule, own)?;
    }
    settle_one(kind, &mut rule, limit)?;
    Ok(rule)
}

fn settle_leaves(rule: &mut Json, limit: Option<&str>) -> Result<()> {
    if let Some(kind) = rule.get("type").and_then(Json::as_str).and_then(RuleType::parse) {
        return settle_one(kind, rule, limit);
    }
    let parts = rule.as_object_mut().into_iter().flat_map(|map| map.values_mut());
    parts.filter_map(Json::as_array_mut).flatten().try_for_each(|part| settle_leaves(part, limit))
}

fn settle_one(kind: RuleType, rule: &mut Json, limit: Option<&str>) -> Result<()> {
    let Some(project) = limit else { return Ok(()) };
    match kind {
        RuleType::Threshold => {
            let asked: Vec<Item> = items(rule);
            let mut named = asked.iter().filter(|item| matches!(item.field.as_deref(), Some("project" | "project_id")));
            let mut held = false;
            for item in named.by_ref() {
                let value = item.value.as_deref().unwrap_or("");
                if value != project {
                    return Err(not_authorized(value));
                }
                held = true;
            }
            if let Some(query) = rule.get_mut("query").and_then(Json::as_array_mut).filter(|_| !held) {
                query.push(json!({"field": "project_id", "op": "eq", "value": project}));
            }
        }
        RuleType::GnocchiByResources => {
            let asked: Json = serde_json::from_str(text(rule, "query")).unwrap_or_default();
            let own = json!({"or": [{"=": {"created_by_project_id": project}}, {"=": {"project_id": project}}]});
            // Whoever reads a rule and writes it back sends what it was held to.
            let held = asked.pointer("/and/0") == Some(&own);
            if let Some(query) = rule.get_mut("query").filter(|_| !held) {
                *query = json!({"and": [own, asked]}).to_string().into();
            }
        }
        RuleType::Prometheus => {
            if let Some(map) = rule.as_object_mut() {
                map.insert(SCOPE.to_owned(), project.into());
            }
        }
        _ => {}
    }
    Ok(())
}

/// The part of a rule for Prometheus that holds it to a project. It is not shown.
pub const SCOPE: &str = "scope_to_project";

/// A rule as it is shown.
pub fn shown(rule: &Json) -> Json {
    match rule {
        Json::Object(map) => {
            map.iter().filter(|(key, _)| *key != SCOPE).map(|(key, value)| (key.clone(), shown(value))).collect()
        }
        Json::Array(items) => items.iter().map(shown).collect(),
        other => other.clone(),
    }
}

/// Whether all alarms of a combination are there for the caller, and none of them depends on the alarm itself.
fn check_combination(caller: &Caller<'_>, rule: &Json, own: Option<&str>) -> Result<()> {
    let project = caller.limited_to();
    let mut waiting: Vec<String> = Vec::new();
    for id in texts(rule, "alarm_ids") {
        if Some(id) == own {
            return Err(Error::invalid(format!("Cannot specify alarm {id} itself in combination rule")));
        }
        if caller.telemetry.store.alarm(id, project)?.is_none() {
            let place = project.map(|project| format!(" in project {project}")).unwrap_or_default();
            return Err(Error::not_found(format!("Alarm {id} not found{place}")));
        }
        waiting.push(id.to_owned());
    }
    let Some(own) = own else { return Ok(()) };
    let mut seen: HashSet<String> = HashSet::new();
    while let Some(id) = waiting.pop() {
        if id == own {
            return Err(Error::invalid(format!("The combination depends on alarm {own} itself")));
        }
        if seen.len() >= MOST_COMBINED || !seen.insert(id.clone()) {
            continue;
        }
        if let Some(alarm) = caller.telemetry.store.alarm(&id, None)?.filter(|a| a.kind == RuleType::Combination) {
            waiting.extend(texts(&alarm.rule, "alarm_ids").map(str::to_owned));
        }
    }
    Ok(())
}

/// What an alarm is for, where its owner does not say.
pub(super) fn description(kind: RuleType, rule: &Json) -> String {
    match kind {
        RuleType::Event => format!("Alarm when {} event occurred.", text(rule, "event_type")),
        RuleType::Threshold => format!(
            "Alarm when {} is {} a {} of {} over {} seconds",
            text(rule, "meter_name"),
            text(rule, "comparison_operator"),
            text(rule, "statistic"),
            rule.get("threshold").unwrap_or(&Json::Null),
            rule.get("period").unwrap_or(&Json::Null)
        ),
        RuleType::Combination => {
            let joiner = format!(" {} ", text(rule, "operator"));
            format!("Combined state of alarms {}", texts(rule, "alarm_ids").collect::<Vec<_>>().join(&joiner))
        }
        other => format!("{} alarm rule", other.name()),
    }
}
