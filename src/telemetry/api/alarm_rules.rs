//! The rules of alarms as they are posted: what each kind may and must say, with what is filled in (specification: alarms).

use serde_json::{Value as Json, json};

use super::alarm_fields::Object;
use crate::error::{Error, Result};
use crate::rest::python::{repr, str_of};
use crate::telemetry::model::alarm::RuleType;

/// The operators of comparisons.
const COMPARISONS: &[&str] = &["lt", "le", "eq", "ne", "ge", "gt"];
/// Seconds of a year: the longest period.
const YEAR: i64 = 31_536_000;
/// The most periods of a rule on statistics of ours.
const MOST_PERIODS: i64 = 1_000;
/// How deep composite rules may nest, and how many rules there may be in one.
const DEPTH: usize = 16;
const MOST_LEAVES: usize = 100;

/// Reads a rule that is posted at `path`.
///
/// # Errors
/// [`crate::Kind::Invalid`] with the first thing that is wrong.
pub(super) fn read(kind: RuleType, value: &Json, body: &Json, path: &str) -> Result<Json> {
    let open = |known: &[&str]| Object::open(value, body, path, known);
    match kind {
        RuleType::Event => event(&open(&["event_type", "query"])?),
        RuleType::Threshold => threshold(&open(&[
            "meter_name",
            "query",
            "period",
            "comparison_operator",
            "threshold",
            "statistic",
            "evaluation_periods",
            "exclude_outliers",
        ])?),
        RuleType::Combination => {
            let rule = open(&["operator", "alarm_ids"])?;
            let operator = rule.word("operator", &["and", "or"])?.unwrap_or("and");
            let ids = rule.texts("alarm_ids")?.ok_or_else(|| super::alarm_fields::missing("alarm_ids"))?;
            Ok(json!({"operator": operator, "alarm_ids": ids}))
        }
        RuleType::Prometheus => {
            let rule = open(&["comparison_operator", "threshold", "query"])?;
            Ok(json!({
                "comparison_operator": comparison(&rule)?,
                "threshold": rule.needed_number("threshold")?,
                "query": rule.needed_text("query")?,
            }))
        }
        RuleType::LoadBalancer => {
            let rule = open(&["pool_id", "stack_id", "autoscaling_group_id"])?;
            Ok(json!({
                "pool_id": rule.needed_text("pool_id")?,
                "stack_id": rule.needed_text("stack_id")?,
                "autoscaling_group_id": rule.needed_text("autoscaling_group_id")?,
            }))
        }
        RuleType::GnocchiResources => gnocchi(value, body, path, &["metric", "resource_id", "resource_type"]),
        RuleType::GnocchiByResources => gnocchi(value, body, path, &["metric", "query", "resource_type"]),
        RuleType::GnocchiByMetrics => gnocchi(value, body, path, &["metrics"]),
        RuleType::Composite => {
            let mut leaves = 0;
            composite(value, body, path, DEPTH, &mut leaves)
        }
    }
}

fn comparison(rule: &Object<'_>) -> Result<&'static str> {
    Ok(rule.word("comparison_operator", COMPARISONS)?.unwrap_or("eq"))
}

fn threshold(rule: &Object<'_>) -> Result<Json> {
    let meter = rule.needed_text("meter_name")?;
    let query = query(rule)?.unwrap_or_default();
    let period = rule.integer("period", 1, YEAR)?.unwrap_or(60);
    let comparison = comparison(rule)?;
    let threshold = rule.needed_number("threshold")?;
    let statistic = rule.word("statistic", &["max", "min", "avg", "sum", "count"])?.unwrap_or("avg");
    let periods = rule.integer("evaluation_periods", 1, MOST_PERIODS)?.unwrap_or(1);
    Ok(json!({
        "meter_name": meter,
        "evaluation_periods": periods,
        "period": period,
        "statistic": statistic,
        "threshold": threshold,
        "query": query,
        "comparison_operator": comparison,
        "exclude_outliers": rule.flag("exclude_outliers")?.unwrap_or(false),
    }))
}

fn event(rule: &Object<'_>) -> Result<Json> {
    let kind = rule.text("event_type")?.filter(|kind| !kind.is_empty()).unwrap_or_else(|| "*".to_owned());
    Ok(json!({"event_type": kind, "query": query(rule)?.unwrap_or_default()}))
}

/// The items of a query: field, operator, value, and a type where one is named.
fn query(rule: &Object<'_>) -> Result<Option<Vec<Json>>> {
    let Some(items) = rule.list("query")? else { return Ok(None) };
    let one = |item: &Json| {
        let path = format!("{}.query", rule.path());
        let item = Object::open(item, rule.body, &path, &["field", "op", "value", "type"])?;
        let field = item.needed_text("field")?;
        let op = item.word("op", COMPARISONS)?.unwrap_or("eq");
        let mut read = json!({"field": field, "op": op, "value": item.needed_text("value")?});
        if let (Some(kind), Some(map)) = (item.text("type")?, read.as_object_mut()) {
            map.insert("type".to_owned(), kind.into());
        }
        Ok(read)
    };
    items.iter().map(one).collect::<Result<_>>().map(Some)
}

/// A rule on measures in Gnocchi, with these fields besides those that all such rules have.
fn gnocchi(value: &Json, body: &Json, path: &str, own: &[&str]) -> Result<Json> {
    let common = ["comparison_operator", "threshold", "aggregation_method", "evaluation_periods", "granularity"];
    let known: Vec<&str> = common.iter().chain(own).copied().collect();
    let rule = Object::open(value, body, path, &known)?;
    let mut read = json!({
        "comparison_operator": comparison(&rule)?,
        "threshold": rule.needed_number("threshold")?,
        "aggregation_method": rule.needed_text("aggregation_method")?,
        "evaluation_periods": rule.integer("evaluation_periods", 1, 100)?.unwrap_or(1),
        "granularity": rule.integer("granularity", 1, YEAR)?.unwrap_or(60),
    });
    for name in own {
        let value = match *name {
            "metrics" => rule.texts(name)?.map(Json::from).ok_or_else(|| super::alarm_fields::missing(name))?,
            _ => rule.needed_text(name)?.into(),
        };
        if let Some(map) = read.as_object_mut() {
            map.insert((*name).to_owned(), value);
        }
    }
    Ok(read)
}

fn composite(value: &Json, body: &Json, path: &str, depth: usize, leaves: &mut usize) -> Result<Json> {
    let strange = || {
        Error::invalid(format!(
            "Invalid input composite rule: {}, it should be a dict with an \"and\" or \"or\" as key, and the value of dict \
             should be a list of basic threshold rules or sub composite rules, can be nested.",
            str_of(value)
        ))
    };
    let map = value.as_object().ok_or_else(strange)?;
    if let (1, Some((key, inner))) = (map.len(), map.iter().next()) {
        if key != "and" && key != "or" {
            return Err(Error::invalid("Threshold rules should be combined with \"and\" or \"or\""));
        }
        let parts = inner.as_array().filter(|parts| !parts.is_empty()).ok_or_else(strange)?;
        let deeper = depth.checked_sub(1).ok_or_else(|| Error::invalid("The composite rule nests too deep"))?;
        let parts: Vec<Json> =
            parts.iter().map(|part| composite(part, body, path, deeper, leaves)).collect::<Result<_>>()?;
        return Ok(json!({ key: parts }));
    }
    let kind = map.get("type").filter(|kind| !kind.is_null() && kind.as_str() != Some(""));
    let kind = kind.ok_or_else(|| Error::invalid("type must be set in every rule"))?;
    let known = kind.as_str().and_then(RuleType::parse).filter(|kind| kind.is_leaf());
    let Some(known) = known else {
        let mut names: Vec<&str> =
            RuleType::ALL.into_iter().filter(|kind| kind.is_leaf()).map(RuleType::name).collect();
        names.sort_unstable();
        return Err(Error::invalid(format!(
            "Unsupported sub-rule type :{} in composite rule, should be one of: {}",
            str_of(kind),
            repr(&Json::from(names))
        )));
    };
    *leaves += 1;
    if *leaves > MOST_LEAVES {
        return Err(Error::invalid(format!("The composite rule has more than {MOST_LEAVES} rules in it")));
    }
    let mut own = map.clone();
    own.remove("type");
    let mut read = read(known, &Json::Object(own), body, path)?;
    if let Some(map) = read.as_object_mut() {
        map.insert("type".to_owned(), known.name().into());
    }
    Ok(read)
}
