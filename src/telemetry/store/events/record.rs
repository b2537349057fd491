//! Writes events: the rows themselves, then their traits by type, all in one transaction.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::dictionary::{digest, find_or_make, project_id};
use super::super::sql;
use crate::database::{Database, Transaction, Value};
use crate::telemetry::model::{Event, TraitValue};
use crate::{Error, Kind, Result};

/// Tries while another process stores events of the same ids.
const TRIES: u32 = 4;
/// Entries that the memory holds before it starts anew.
const REMEMBERED: usize = 20_000;

/// Writes events.
#[derive(Default)]
pub(in super::super) struct Recorder {
    known: Mutex<Numbers>,
}

/// Numbers of types and traits. Their rows are never changed, so what is remembered is right whatever others do; only
/// what is committed is.
#[derive(Debug, Clone, Default)]
struct Numbers {
    types: HashMap<String, i64>,
    traits: HashMap<(String, i64), i64>,
    /// Traits of types.
    pairs: HashSet<(i64, i64)>,
}

impl Recorder {
    /// Stores events, and returns how many were new when they are committed.
    pub(super) fn record(&self, database: &Database, events: &[Event]) -> Result<usize> {
        let mut tries = 0;
        loop {
            tries += 1;
            let written = database.write(|tx| {
                let mut learned = Numbers::default();
                let count = self.write(tx, &mut learned, events)?;
                Ok((count, learned))
            });
            match written {
                Ok((count, learned)) => {
                    self.remember(learned);
                    return Ok(count);
                }
                // Another process stored events of the same ids meanwhile: now they are seen and left out.
                Err(error) if error.kind() == Kind::Duplicate && tries < TRIES => {}
                Err(error) if error.kind() == Kind::Duplicate => {
                    let cause = error.cause().unwrap_or_default();
                    return Err(Error::unavailable("The events could not be stored now.", cause));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Numbers> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, learned: Numbers) {
        let mut known = self.known();
        if known.types.len() + known.traits.len() + known.pairs.len() > REMEMBERED {
            *known = Numbers::default();
        }
        known.types.extend(learned.types);
        known.traits.extend(learned.traits);
        known.pairs.extend(learned.pairs);
    }

    fn write(&self, tx: &mut Transaction<'_>, learned: &mut Numbers, events: &[Event]) -> Result<usize> {
        let mut seen = stored_ids(tx, events)?;
        let (mut texts, mut numbers, mut reals, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for event in events {
            if !seen.insert(event.message_id.clone()) {
                continue;
            }
            count += 1;
            let kind = self.type_number(tx, learned, &event.event_type)?;
            let project = event.text("project_id").map(|project| project_id(tx, project)).transpose()?;
            let insert = "INSERT INTO telemetry_event (message_id, type, generated, project, user_id, raw) \
                          VALUES (?, ?, ?, ?, ?, ?)";
            let values = [
                event.message_id.as_str().into(),
                kind.into(),
                event.generated.0.into(),
                project.unwrap_or(0).into(),
                event.text("user_id").into(),
                event.raw.as_deref().into(),
            ];
            let id = tx.insert_id(insert, &values)?;
            let mut last = HashMap::with_capacity(event.traits.len());
            for one in &event.traits {
                last.insert((one.name.as_str(), one.value.kind().code()), &one.value);
            }
            let mut sorted: Vec<_> = last.into_iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            for ((name, code), value) in sorted {
                let number = self.trait_number(tx, learned, kind, name, code)?;
                match value {
                    TraitValue::Text(text) => texts.push((id, number, text.as_bytes())),
                    TraitValue::Integer(value) => numbers.push((id, number, *value)),
                    TraitValue::Time(at) => numbers.push((id, number, at.0)),
                    TraitValue::Float(value) => reals.push((id, number, *value)),
                }
            }
        }
        write_texts(tx, &texts)?;
        write_values(tx, "INSERT INTO telemetry_event_number (event, trait, value) VALUES ", &numbers)?;
        write_values(tx, "INSERT INTO telemetry_event_real (event, trait, value) VALUES ", &reals)?;
        Ok(count)
    }

    fn type_number(&self, tx: &mut Transaction<'_>, learned: &mut Numbers, name: &str) -> Result<i64> {
        let known = self.known().types.get(name).or_else(|| learned.types.get(name)).copied();
        if let Some(id) = known {
            return Ok(id);
        }
        let key = [name.into()];
        let find = "SELECT id FROM telemetry_event_type WHERE name = ?";
        let id = find_or_make(tx, (find, &key), ("INSERT INTO telemetry_event_type (name) VALUES (?)", &key))?;
        learned.types.insert(name.to_owned(), id);
        Ok(id)
    }

    /// The number of a trait, which events of the type `event_type` now have had.
    fn trait_number(
        &self,
        tx: &mut Transaction<'_>,
        learned: &mut Numbers,
        event_type: i64,
        name: &str,
        code: i64,
    ) -> Result<i64> {
        let key = (name.to_owned(), code);
        let known = self.known().traits.get(&key).or_else(|| learned.traits.get(&key)).copied();
        let id = match known {
            Some(id) => id,
            None => {
                let find = "SELECT id FROM telemetry_trait WHERE name = ? AND kind = ?";
                let make = "INSERT INTO telemetry_trait (name, kind) VALUES (?, ?)";
                let values = [name.into(), code.into()];
                let id = find_or_make(tx, (find, &values), (make, &values))?;
                learned.traits.insert(key, id);
                id
            }
        };
        let pair = (event_type, id);
        if !self.known().pairs.contains(&pair) && learned.pairs.insert(pair) {
            let find = "SELECT trait FROM telemetry_event_type_trait WHERE type = ? AND trait = ?";
            let make = "INSERT INTO telemetry_event_type_trait (type, trait) VALUES (?, ?)";
            let values = [event_type.into(), id.into()];
            find_or_make(tx, (find, &values), (make, &values))?;
        }
        Ok(id)
    }
}

/// The ids of events that are stored already.
fn stored_ids(tx: &mut Transaction<'_>, events: &[Event]) -> Result<HashSet<String>> {
    let ids: Vec<&str> = events.iter().map(|event| event.message_id.as_str()).collect();
    let mut seen = HashSet::with_capacity(ids.len());
    for chunk in sql::chunks(&ids, &[100, 10, 1]) {
        let start = "SELECT message_id FROM telemetry_event WHERE message_id IN ";
        let statement = sql::repeat(start, &sql::marks(chunk.len()), "", "", 1);
        let marks: Vec<Value<'_>> = chunk.iter().map(|id| Value::from(*id)).collect();
        tx.query(&statement, &marks, |row| {
            seen.insert(row.string(0)?);
            Ok(())
        })?;
    }
    Ok(seen)
}

fn write_texts(tx: &mut Transaction<'_>, texts: &[(i64, i64, &[u8])]) -> Result<()> {
    let start = "INSERT INTO telemetry_event_text (event, trait, digest, value) VALUES ";
    for chunk in sql::chunks(texts, &[64, 16, 4, 1]) {
        let mut values = Vec::with_capacity(chunk.len() * 4);
        for (event, number, text) in chunk {
            values.extend([Value::Int(*event), (*number).into(), digest(text, 0), Value::from(*text)]);
        }
        tx.execute(&sql::repeat(start, &sql::marks(4), ", ", "", chunk.len()), &values)?;
    }
    Ok(())
}

fn write_values<'v, T: Copy + Into<Value<'v>>>(
    tx: &mut Transaction<'_>,
    start: &str,
    rows: &[(i64, i64, T)],
) -> Result<()> {
    for chunk in sql::chunks(rows, &[64, 16, 4, 1]) {
        let mut values = Vec::with_capacity(chunk.len() * 3);
        for (event, number, value) in chunk {
            values.extend([Value::Int(*event), (*number).into(), (*value).into()]);
        }
        tx.execute(&sql::repeat(start, &sql::marks(3), ", ", "", chunk.len()), &values)?;
    }
    Ok(())
}
