//! Events: which of them a query means and who may see them (specification: events, scoping), and their way in.

use serde_json::{Map, Value as Json};

use super::Caller;
use super::posting::check_name;
use super::refusals::{not_authorized, not_found};
use super::simple_query::{Item, unconverted, unknown_type};
use crate::config::telemetry::MAX_LIMIT;
use crate::telemetry::definitions::{Definitions, Notification};
use crate::telemetry::model::expression::Comparison;
use crate::telemetry::model::{Event, EventFilter, Trait, TraitDescription, TraitTest, TraitValue, Whose};
use crate::telemetry::notices;
use crate::telemetry::policy::{GET_EVENT, GET_EVENTS, PUBLISH};
use crate::time::Timestamp;
use crate::{Error, Kind, Result};

/// The oldest events that the query means.
///
/// # Errors
/// [`Kind::Forbidden`], [`Kind::Invalid`] where the query makes no sense, those of the store.
pub fn list(caller: &Caller<'_>, query: &[Item], limit: Option<i64>) -> Result<Vec<Event>> {
    caller.enforce(&GET_EVENTS)?;
    let whose = whose(caller)?;
    let limit = caller.limit(limit)?;
    caller.telemetry.store.events(&EventFilter { whose, ..understand(query)? }, limit)
}

/// One event by its message id, that the caller may see.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::Forbidden`], those of the store.
pub fn show(caller: &Caller<'_>, id: &str) -> Result<Event> {
    caller.enforce(&GET_EVENT)?;
    let filter = EventFilter { whose: whose(caller)?, message_id: Some(id.to_owned()), ..EventFilter::default() };
    let found = caller.telemetry.store.events(&filter, 1)?;
    found.into_iter().next().ok_or_else(|| not_found("Event", id))
}

/// Names of the types that there are events of.
///
/// # Errors
/// [`Kind::Unauthenticated`] for who may not see all projects, those of the store.
pub fn types(caller: &Caller<'_>, limit: Option<i64>) -> Result<Vec<String>> {
    needs_all_projects(caller)?;
    caller.telemetry.store.event_types(most(caller, limit)?)
}

/// There is nothing to show of one type, but to who may ask.
///
/// # Errors
/// [`Kind::NotFound`]; as [`types`].
pub fn show_type(caller: &Caller<'_>) -> Result<()> {
    needs_all_projects(caller)?;
    Err(Error::not_found("The resource could not be found."))
}

/// The traits that events of a type have.
///
/// # Errors
/// As [`types`].
pub fn trait_descriptions(caller: &Caller<'_>, event_type: &str, limit: Option<i64>) -> Result<Vec<TraitDescription>> {
    needs_all_projects(caller)?;
    caller.telemetry.store.trait_descriptions(event_type, most(caller, limit)?)
}

/// The values of one trait of events of a type.
///
/// # Errors
/// As [`types`].
pub fn traits(caller: &Caller<'_>, event_type: &str, name: &str, limit: Option<i64>) -> Result<Vec<Trait>> {
    needs_all_projects(caller)?;
    caller.telemetry.store.traits(event_type, name, most(caller, limit)?)
}

/// Stores published events, all or none; those whose id is stored already are left out.
///
/// # Errors
/// [`Kind::Forbidden`], [`Kind::Invalid`] with the first thing that is wrong, those of the store.
pub fn publish(caller: &Caller<'_>, events: &[Event]) -> Result<()> {
    caller.enforce(&PUBLISH)?;
    for event in events {
        check_name("message_id", &event.message_id)?;
        check_name("event_type", &event.event_type)?;
        for one in &event.traits {
            check_name("traits", &one.name)?;
        }
        for name in ["project_id", "user_id"] {
            check_name(name, event.text(name).unwrap_or(""))?;
        }
    }
    let store = &caller.telemetry.store;
    store.record_events(events)?;
    // Before the agent is told that they are stored: who sends them again has alarms told again rather than never.
    store.events_arrived(events, &notices::chronicle(caller.config)).map(|_| ())
}

/// The events of bare payloads of notifications of one type, which tell neither an id nor a time: each is a new one of now.
///
/// # Errors
/// [`Kind::Invalid`] where a definition of the configuration can not be understood.
pub fn of_payloads(caller: &Caller<'_>, event_type: &str, payloads: Vec<Json>) -> Result<Vec<Event>> {
    let definitions = match caller.telemetry.definitions.get() {
        Some(definitions) => definitions,
        None => {
            let loaded = Definitions::load(caller.config)?;
            caller.telemetry.definitions.get_or_init(|| loaded)
        }
    };
    let now = Timestamp::now();
    let mut ids = caller.telemetry.message_ids.take(now, payloads.len());
    let mut events = Vec::with_capacity(payloads.len());
    for payload in payloads {
        let mut message = Map::new();
        let id = ids.next().ok_or_else(|| Error::internal("there are fewer ids than payloads"))?;
        message.insert("message_id".to_owned(), id.text().into());
        message.insert("timestamp".to_owned(), now.iso().into());
        message.insert("event_type".to_owned(), event_type.into());
        message.insert("payload".to_owned(), payload);
        events.extend(definitions.event(&Notification::new(&message, Json::Null)?));
    }
    Ok(events)
}

/// Whose events the caller may see: its own, or those of its project and of none.
fn whose(caller: &Caller<'_>) -> Result<Whose> {
    let (project_id, user_id) = (caller.context.project_id.clone(), caller.context.user_id.clone());
    if project_id.is_empty() || user_id.is_empty() {
        return Err(Error::new(Kind::Forbidden, "RBAC Authorization Failed"));
    }
    Ok(match caller.limited_to() {
        Some(_) => Whose::User { project_id, user_id },
        None => Whose::ProjectOrNone(project_id),
    })
}

fn needs_all_projects(caller: &Caller<'_>) -> Result<()> {
    caller.limited_to().map_or(Ok(()), |own| Err(not_authorized(own)))
}

/// The limit of a list that has none by itself.
fn most(caller: &Caller<'_>, limit: Option<i64>) -> Result<usize> {
    caller.limit(Some(limit.unwrap_or_else(|| caller.config.integer(&MAX_LIMIT))))
}

/// The operators, with the words for them.
const OPERATORS: [(&str, Comparison); 6] = [
    ("lt", Comparison::Less),
    ("le", Comparison::AtMost),
    ("eq", Comparison::Equal),
    ("ne", Comparison::Unequal),
    ("ge", Comparison::AtLeast),
    ("gt", Comparison::Greater),
];

fn understand(query: &[Item]) -> Result<EventFilter> {
    let mut filter = EventFilter::default();
    for item in query {
        let (field, value) = (item.field(), item.value.as_deref().unwrap_or(""));
        let Some((_, comparison)) = OPERATORS.iter().find(|(name, _)| *name == item.op()) else {
            let names = OPERATORS.map(|(name, _)| format!("'{name}'")).join(", ");
            return Err(Error::invalid(format!(
                "Operator {} is not supported. The supported operators are: ({names})",
                item.op()
            )));
        };
        match field {
            "event_type" => filter.event_type = Some(only(item, "eq", value)?.to_owned()),
            "message_id" => filter.message_id = Some(only(item, "eq", value)?.to_owned()),
            "start_timestamp" => filter.from = Some(time(field, only(item, "ge", value)?)?),
            "end_timestamp" => filter.to = Some(time(field, only(item, "le", value)?)?),
            name => filter.traits.push(TraitTest {
                name: name.to_owned(),
                comparison: *comparison,
                value: typed(item, value)?,
            }),
        }
    }
    Ok(filter)
}

/// The value of a field that has one operator; an item without any means that one.
fn only<'v>(item: &Item, operator: &str, value: &'v str) -> Result<&'v str> {
    let given = item.op.as_deref().unwrap_or("");
    if given.is_empty() || given == operator {
        return Ok(value);
    }
    let field = item.field();
    Err(Error::invalid(format!(
        "Operator {given} is not supported. Only `{operator}' operator is available for field {field}"
    )))
}

fn time(field: &str, value: &str) -> Result<Timestamp> {
    Timestamp::parse(value).ok_or_else(|| super::refusals::invalid_input(field, value, "invalid timestamp format"))
}

/// The value of a test of a trait; a text where no type is named.
fn typed(item: &Item, value: &str) -> Result<TraitValue> {
    let kind = item.kind.as_deref().unwrap_or("");
    let converted = match kind {
        "" | "string" => Some(TraitValue::Text(value.to_owned())),
        "integer" => value.trim().parse().ok().map(TraitValue::Integer),
        "float" => value.trim().parse().ok().filter(|real: &f64| real.is_finite()).map(TraitValue::Float),
        "datetime" => Timestamp::parse(value).map(TraitValue::Time),
        _ => return Err(unknown_type(kind, &["integer", "float", "string", "datetime"])),
    };
    converted.ok_or_else(|| unconverted(value, kind))
}

#[cfg(test)]
mod tests {
    use super::{Comparison, EventFilter, Item, Timestamp, TraitValue, understand};

    fn item(field: &str, op: &str, value: &str, kind: &str) -> Item {
        let text = |text: &str| Some(text.to_owned());
        Item { field: text(field), op: text(op), value: text(value), kind: text(kind) }
    }

    #[test]
    fn fields_of_events_have_one_operator_and_traits_have_all() {
        let filter = understand(&[
            item("event_type", "eq", "a", ""),
            item("start_timestamp", "", "1970-01-01T00:00:01+00:00", ""),
            item("end_timestamp", "le", "1970-01-01T00:00:02", ""),
            item("size", "gt", "5", "integer"),
        ])
        .unwrap();
        assert_eq!((filter.event_type.as_deref(), filter.from), (Some("a"), Some(Timestamp(1_000_000))));
        assert_eq!(filter.to, Some(Timestamp(2_000_000)));
        assert_eq!(
            (filter.traits[0].comparison, &filter.traits[0].value),
            (Comparison::Greater, &TraitValue::Integer(5))
        );
        for (wrong, text) in [
            (
                item("event_type", "ne", "a", ""),
                "Operator ne is not supported. Only `eq' operator is available for field event_type",
            ),
            (
                item("start_timestamp", "le", "2015-01-01", ""),
                "Operator le is not supported. Only `ge' operator is available for field start_timestamp",
            ),
            (
                item("size", "like", "5", ""),
                "Operator like is not supported. The supported operators are: ('lt', 'le', 'eq', 'ne', 'ge', 'gt')",
            ),
            (item("size", "eq", "5x", "integer"), "Unable to convert the value 5x to the expected data type integer."),
        ] {
            assert_eq!(understand(&[wrong]).unwrap_err().public(), text);
        }
        assert_eq!(understand(&[]).unwrap(), EventFilter::default());
    }
}
