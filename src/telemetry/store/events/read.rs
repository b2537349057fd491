//! Reads events: first the rows that a filter means, in the order of an index, then the traits of those rows.

use std::collections::HashMap;

use super::super::deadline::Deadline;
use super::super::dictionary::digest;
use super::super::sql;
use crate::database::{Connection, Value};
use crate::telemetry::model::expression::Comparison;
use crate::telemetry::model::{Event, EventFilter, Trait, TraitDescription, TraitKind, TraitTest, TraitValue, Whose};
use crate::time::Timestamp;
use crate::{Error, Result};

/// The oldest events that the filter means.
///
/// # Errors
/// `Unavailable` where it takes too long, else what the database gives.
pub(super) fn events(
    connection: &mut Connection,
    filter: &EventFilter,
    limit: usize,
    deadline: Deadline,
) -> Result<Vec<Event>> {
    let Some((conditions, values)) = conditions(connection, filter)? else { return Ok(Vec::new()) };
    let Some(scopes) = scopes(connection, &filter.whose)? else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    // Each scope is a walk along an index of its own; together they are in order once they are sorted.
    for (condition, more) in &scopes {
        let statement = format!(
            "SELECT e.id, e.type, e.message_id, e.generated, e.raw FROM telemetry_event e \
             WHERE 1 = 1{condition}{conditions} ORDER BY e.generated, e.id LIMIT ?"
        );
        let mut values: Vec<Value<'static>> = more.iter().chain(&values).cloned().collect();
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        connection.query(&statement, &values, |row| {
            rows.push(Found {
                id: row.int(0)?,
                kind: row.int(1)?,
                message_id: row.string(2)?,
                generated: Timestamp(row.int(3)?),
                raw: row.opt_string(4)?,
            });
            Ok(())
        })?;
        deadline.check()?;
    }
    if scopes.len() > 1 {
        rows.sort_unstable_by_key(|row| (row.generated, row.id));
        rows.truncate(limit);
    }
    complete(connection, rows, deadline)
}

/// A row of an event.
struct Found {
    id: i64,
    kind: i64,
    message_id: String,
    generated: Timestamp,
    raw: Option<String>,
}

type Condition = (&'static str, Vec<Value<'static>>);

/// Whose events, as conditions of which one has to hold; `None` where there are none of them.
fn scopes(connection: &mut Connection, whose: &Whose) -> Result<Option<Vec<Condition>>> {
    let mut project = |name: &str| {
        let find = "SELECT id FROM telemetry_project WHERE name = ?";
        connection.row(find, &[name.into()], |row| row.int(0))
    };
    let of = " AND e.project = ?";
    Ok(match whose {
        Whose::All => Some(vec![("", Vec::new())]),
        Whose::ProjectOrNone(name) => {
            let mut scopes: Vec<Condition> = vec![(of, vec![Value::Int(0)])];
            scopes.extend(project(name)?.map(|number| (of, vec![Value::Int(number)])));
            Some(scopes)
        }
        Whose::User { project_id, user_id } => project(project_id)?.map(|number| {
            vec![(" AND e.project = ? AND e.user_id = ?", vec![Value::Int(number), Value::from(user_id.clone())])]
        }),
    })
}

/// All other conditions, each after ` AND `; `None` where the filter names what there is none of.
fn conditions(connection: &mut Connection, filter: &EventFilter) -> Result<Option<(String, Vec<Value<'static>>)>> {
    let (mut sql, mut values) = (String::new(), Vec::new());
    let mut put = |condition: &str, value: Value<'static>| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(name) = &filter.event_type {
        let Some(number) = type_number(connection, name)? else { return Ok(None) };
        put("e.type = ?", number.into());
    }
    if let Some(id) = &filter.message_id {
        put("e.message_id = ?", Value::from(id.clone()));
    }
    if let Some(from) = filter.from {
        put("e.generated >= ?", from.0.into());
    }
    if let Some(to) = filter.to {
        put("e.generated <= ?", to.0.into());
    }
    for test in &filter.traits {
        let find = "SELECT id FROM telemetry_trait WHERE name = ? AND kind = ?";
        let key = [test.name.as_str().into(), test.value.kind().code().into()];
        let Some(number) = connection.row(find, &key, |row| row.int(0))? else { return Ok(None) };
        limit_by(test, number, &mut sql, &mut values);
    }
    Ok(Some((sql, values)))
}

/// Appends the condition of a test. Equal values are few, and found by their index; others are looked at event by event.
fn limit_by(test: &TraitTest, number: i64, sql: &mut String, values: &mut Vec<Value<'static>>) {
    let (table, value): (_, Value<'static>) = match &test.value {
        TraitValue::Text(text) => ("telemetry_event_text", Value::from(text.clone().into_bytes())),
        TraitValue::Integer(value) => ("telemetry_event_number", Value::Int(*value)),
        TraitValue::Time(at) => ("telemetry_event_number", Value::Int(at.0)),
        TraitValue::Float(value) => ("telemetry_event_real", Value::Real(*value)),
    };
    if test.comparison == Comparison::Equal {
        sql.push_str(&format!(" AND e.id IN (SELECT t.event FROM {table} t WHERE t.trait = ?"));
        values.push(number.into());
        if let TraitValue::Text(text) = &test.value {
            sql.push_str(" AND t.digest = ?");
            values.push(digest(text.as_bytes(), 0));
        }
        sql.push_str(" AND t.value = ?)");
        values.push(value);
        return;
    }
    let sign = match test.comparison {
        Comparison::Equal => "=",
        Comparison::Unequal => "<>",
        Comparison::Less => "<",
        Comparison::AtMost => "<=",
        Comparison::Greater => ">",
        Comparison::AtLeast => ">=",
    };
    sql.push_str(&format!(
        " AND EXISTS (SELECT 1 FROM {table} t WHERE t.event = e.id AND t.trait = ? AND t.value {sign} ?)"
    ));
    values.extend([number.into(), value]);
}

fn type_number(connection: &mut Connection, name: &str) -> Result<Option<i64>> {
    connection.row("SELECT id FROM telemetry_event_type WHERE name = ?", &[name.into()], |row| row.int(0))
}

/// The events of rows, with the names of their types and with their traits.
fn complete(connection: &mut Connection, rows: Vec<Found>, deadline: Deadline) -> Result<Vec<Event>> {
    let mut types: HashMap<i64, String> = HashMap::new();
    let mut traits: HashMap<i64, Vec<(i64, Cell)>> = HashMap::new();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    for table in TABLES {
        for chunk in sql::chunks(&ids, &[100, 10, 1]) {
            deadline.check()?;
            let start = format!("SELECT event, trait, value FROM {} WHERE event IN ", table.name);
            let statement = sql::repeat(&start, &sql::marks(chunk.len()), "", "", 1);
            connection.query(&statement, &ints(chunk), |row| {
                let cell = table.read(row, 2)?;
                traits.entry(row.int(0)?).or_default().push((row.int(1)?, cell));
                Ok(())
            })?;
        }
    }
    let names = descriptions(connection, traits.values().flatten().map(|(number, _)| *number))?;
    for chunk in sql::chunks(&unique(rows.iter().map(|row| row.kind)), &[100, 10, 1]) {
        let start = "SELECT id, name FROM telemetry_event_type WHERE id IN ";
        connection.query(&sql::repeat(start, &sql::marks(chunk.len()), "", "", 1), &ints(chunk), |row| {
            types.insert(row.int(0)?, row.string(1)?);
            Ok(())
        })?;
    }
    let lost = || Error::internal("an event refers to a row that is not there");
    rows.into_iter()
        .map(|row| {
            let mut own = Vec::new();
            for (number, cell) in traits.remove(&row.id).unwrap_or_default() {
                let description = names.get(&number).ok_or_else(lost)?;
                own.push(Trait { name: description.name.clone(), value: cell.value(description.kind)? });
            }
            own.sort_by(|one, other| {
                (&one.name, one.value.kind().code()).cmp(&(&other.name, other.value.kind().code()))
            });
            Ok(Event {
                message_id: row.message_id,
                event_type: types.get(&row.kind).cloned().ok_or_else(lost)?,
                generated: row.generated,
                traits: own,
                raw: row.raw,
            })
        })
        .collect()
}

/// A table of traits.
struct ValueTable {
    name: &'static str,
    kinds: &'static [TraitKind],
}

const TABLES: [ValueTable; 3] = [
    ValueTable { name: "telemetry_event_text", kinds: &[TraitKind::Text] },
    ValueTable { name: "telemetry_event_number", kinds: &[TraitKind::Integer, TraitKind::Time] },
    ValueTable { name: "telemetry_event_real", kinds: &[TraitKind::Float] },
];

impl ValueTable {
    fn read(&self, row: &crate::database::Row<'_>, column: usize) -> Result<Cell> {
        Ok(match self.kinds {
            [TraitKind::Text, ..] => {
                Cell::Text(String::from_utf8(row.bytes(column)?.to_vec()).map_err(Error::internal)?)
            }
            [TraitKind::Float, ..] => Cell::Real(row.real(column)?),
            _ => Cell::Number(row.int(column)?),
        })
    }
}

/// A value without the type of its trait.
enum Cell {
    Text(String),
    Number(i64),
    Real(f64),
}

impl Cell {
    fn value(self, kind: TraitKind) -> Result<TraitValue> {
        Ok(match (self, kind) {
            (Self::Text(text), TraitKind::Text) => TraitValue::Text(text),
            (Self::Number(value), TraitKind::Integer) => TraitValue::Integer(value),
            (Self::Number(value), TraitKind::Time) => TraitValue::Time(Timestamp(value)),
            (Self::Real(value), TraitKind::Float) => TraitValue::Float(value),
            _ => return Err(Error::internal("a trait lies in the table of another type")),
        })
    }
}

/// Names and types of traits by their numbers.
fn descriptions(
    connection: &mut Connection,
    numbers: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, TraitDescription>> {
    let mut found = HashMap::new();
    for chunk in sql::chunks(&unique(numbers), &[100, 10, 1]) {
        let start = "SELECT id, name, kind FROM telemetry_trait WHERE id IN ";
        connection.query(&sql::repeat(start, &sql::marks(chunk.len()), "", "", 1), &ints(chunk), |row| {
            found.insert(row.int(0)?, TraitDescription { name: row.string(1)?, kind: kind(row.int(2)?)? });
            Ok(())
        })?;
    }
    Ok(found)
}

fn kind(code: i64) -> Result<TraitKind> {
    TraitKind::of_code(code).ok_or_else(|| Error::internal("a trait of an unknown type"))
}

/// The types that there are events of, sorted.
///
/// # Errors
/// As [`events`].
pub(super) fn event_types(connection: &mut Connection, limit: usize) -> Result<Vec<String>> {
    let statement = "SELECT y.name FROM telemetry_event_type y \
                     WHERE EXISTS (SELECT 1 FROM telemetry_event e WHERE e.type = y.id) ORDER BY y.name LIMIT ?";
    connection.rows(statement, &[i64::try_from(limit).unwrap_or(i64::MAX).into()], |row| row.string(0))
}

/// The traits that events of a type had, sorted by name.
///
/// # Errors
/// As [`events`].
pub(super) fn trait_descriptions(
    connection: &mut Connection,
    event_type: &str,
    limit: usize,
) -> Result<Vec<TraitDescription>> {
    let Some(number) = type_number(connection, event_type)? else { return Ok(Vec::new()) };
    let statement = "SELECT d.name, d.kind FROM telemetry_event_type_trait p JOIN telemetry_trait d ON d.id = p.trait \
                     WHERE p.type = ? AND EXISTS (SELECT 1 FROM telemetry_event e WHERE e.type = p.type) \
                     ORDER BY d.name, d.kind LIMIT ?";
    let values = [number.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    connection.rows(statement, &values, |row| Ok(TraitDescription { name: row.string(0)?, kind: kind(row.int(1)?)? }))
}

/// The values of the traits of one name of events of a type.
///
/// # Errors
/// As [`events`].
pub(super) fn traits(
    connection: &mut Connection,
    event_type: &str,
    name: &str,
    limit: usize,
    deadline: Deadline,
) -> Result<Vec<Trait>> {
    let Some(number) = type_number(connection, event_type)? else { return Ok(Vec::new()) };
    let find = "SELECT id, kind FROM telemetry_trait WHERE name = ? ORDER BY kind";
    let mut found = Vec::new();
    for (id, code) in connection.rows(find, &[name.into()], |row| Ok((row.int(0)?, row.int(1)?)))? {
        deadline.check()?;
        let kind = kind(code)?;
        let Some(table) = TABLES.iter().find(|table| table.kinds.contains(&kind)) else { continue };
        let statement = format!(
            "SELECT t.value FROM telemetry_event e JOIN {} t ON t.event = e.id AND t.trait = ? WHERE e.type = ? \
             ORDER BY e.generated, e.id LIMIT ?",
            table.name
        );
        let left = i64::try_from(limit.saturating_sub(found.len())).unwrap_or(i64::MAX);
        connection.query(&statement, &[id.into(), number.into(), left.into()], |row| {
            found.push(Trait { name: name.to_owned(), value: table.read(row, 0)?.value(kind)? });
            Ok(())
        })?;
    }
    Ok(found)
}

fn unique(numbers: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut numbers: Vec<i64> = numbers.into_iter().collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn ints(values: &[i64]) -> Vec<Value<'static>> {
    values.iter().map(|value| Value::Int(*value)).collect()
}
