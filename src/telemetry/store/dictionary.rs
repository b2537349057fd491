//! Numbers for what repeats: meters, resources, projects, owners, metadata, nodes of ids, streams and series. A number
//! is found in memory, else in the database, else made. Rows of the dictionary are never changed; where some are removed
//! another epoch begins (`epoch.rs`), in which nobody remembers what was before. So what one process remembers is right whatever
//! others do.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use md5::{Digest as _, Md5};

use crate::database::{Transaction, Value};
use crate::telemetry::model::{Batch, MessageId, Meter, Owner};
use crate::{Error, Result};

use super::epoch::{self, Epoch};
use super::{ids, sql};

/// Entries that one memory holds before it starts anew.
const REMEMBERED: usize = 20_000;
/// Bytes of metadata that are remembered before that memory starts anew.
const REMEMBERED_BYTES: usize = 4 << 20;

/// What a process remembers of the dictionary. Only what is committed gets here.
#[derive(Default)]
pub(super) struct Dictionary {
    known: Mutex<Known>,
}

/// Numbers by what they stand for.
#[derive(Default)]
struct Known {
    /// The epoch that all of them are of.
    epoch: i64,
    meters: Memory<Meter>,
    resources: Memory<String>,
    projects: Memory<String>,
    owners: Memory<Owner>,
    metadata: Memory<String>,
    metadata_bytes: usize,
    origins: Memory<(i64, i64)>,
    streams: Memory<(i64, i64)>,
    series: Memory<(i64, i64)>,
}

struct Memory<K>(HashMap<K, i64>);

impl<K> Default for Memory<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Memory<K> {
    fn put(&mut self, key: K, id: i64) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(key, id);
    }
}

/// The numbers of a batch, place by place, and what was learned on the way.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) meters: Vec<i64>,
    pub(super) resources: Vec<i64>,
    /// Owner and project.
    pub(super) owners: Vec<(i64, i64)>,
    pub(super) metadata: Vec<i64>,
    /// By node and era, see [`ids::origin`].
    pub(super) origins: HashMap<(i64, i64), i64>,
    /// By text, see [`MessageId::Text`].
    pub(super) messages: HashMap<String, i64>,
    /// The epoch that all of them are of.
    epoch: i64,
    learned: Learned,
}

#[derive(Default)]
struct Learned {
    meters: Vec<(Meter, i64)>,
    resources: Vec<(String, i64)>,
    projects: Vec<(String, i64)>,
    owners: Vec<(Owner, i64)>,
    metadata: Vec<(String, i64)>,
    origins: Vec<((i64, i64), i64)>,
    streams: Vec<((i64, i64), i64)>,
    series: Vec<((i64, i64), i64)>,
}

impl Dictionary {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the epoch that is, in which what was remembered of another one is forgotten. Comes first in a transaction.
    pub(super) fn enter(&self, tx: &mut Transaction<'_>) -> Result<Epoch> {
        let epoch = epoch::enter(tx)?;
        let mut known = self.known();
        if known.epoch != epoch.number {
            *known = Known { epoch: epoch.number, ..Known::default() };
        }
        Ok(epoch)
    }

    /// The numbers of everything that the batch names.
    pub(super) fn resolve(&self, tx: &mut Transaction<'_>, epoch: &Epoch, batch: &Batch) -> Result<Numbers> {
        let mut numbers = Numbers { epoch: epoch.number, ..Numbers::default() };
        let known = self.known();
        for meter in &batch.meters {
            let id = match known.meters.0.get(meter) {
                Some(id) => *id,
                None => {
                    let id = meter_id(tx, meter)?;
                    numbers.learned.meters.push((meter.clone(), id));
                    id
                }
            };
            numbers.meters.push(id);
        }
        numbers.resources = names(tx, &RESOURCES, &batch.resources, &known.resources, &mut numbers.learned.resources)?;
        let projects: Vec<String> = batch.owners.iter().filter_map(|owner| owner.project_id.clone()).collect();
        let project_ids = names(tx, &PROJECTS, &projects, &known.projects, &mut numbers.learned.projects)?;
        let mut project_ids = project_ids.into_iter();
        for owner in &batch.owners {
            let project = owner.project_id.as_ref().and_then(|_| project_ids.next()).unwrap_or(0);
            let id = match known.owners.0.get(owner) {
                Some(id) => *id,
                None => {
                    let id = owner_id(tx, owner, project)?;
                    numbers.learned.owners.push((owner.clone(), id));
                    id
                }
            };
            numbers.owners.push((id, project));
        }
        let mut strange: Vec<&String> =
            batch.metadata.iter().filter(|body| !known.metadata.0.contains_key(*body)).collect();
        // Whoever stores the same at the same time does so in the same order, or both would wait for each other.
        strange.sort_unstable();
        strange.dedup();
        let mut found: HashMap<&String, i64> = HashMap::with_capacity(strange.len());
        for body in strange {
            let id = metadata_id(tx, body)?;
            found.insert(body, id);
            numbers.learned.metadata.push((body.clone(), id));
        }
        for body in &batch.metadata {
            let id = known.metadata.0.get(body).or_else(|| found.get(body));
            numbers.metadata.push(*id.ok_or_else(|| Error::internal("metadata have no number"))?);
        }
        for point in &batch.points {
            match &point.id {
                MessageId::Clock { tick, node } => {
                    let key = (*node, ids::era(*tick));
                    if numbers.origins.contains_key(&key) {
                        continue;
                    }
                    let origin = match known.origins.0.get(&key) {
                        Some(origin) => *origin,
                        None => {
                            let origin = ids::origin(tx, key.0, key.1)?;
                            numbers.learned.origins.push((key, origin));
                            origin
                        }
                    };
                    numbers.origins.insert(key, origin);
                }
                MessageId::Text(text) if !numbers.messages.contains_key(text) => {
                    let id = number(tx, &MESSAGES, text.as_str().into())?;
                    numbers.messages.insert(text.clone(), id);
                }
                _ => {}
            }
        }
        Ok(numbers)
    }

    /// The number of the stream of `meter` and `owner`.
    pub(super) fn stream(
        &self,
        tx: &mut Transaction<'_>,
        numbers: &mut Numbers,
        meter: i64,
        (owner, project): (i64, i64),
    ) -> Result<i64> {
        if let Some(id) = self.known().streams.0.get(&(meter, owner)) {
            return Ok(*id);
        }
        let find = "SELECT id FROM telemetry_stream WHERE meter = ? AND owner = ?";
        let make = "INSERT INTO telemetry_stream (meter, owner, project) VALUES (?, ?, ?)";
        let key = [meter.into(), owner.into()];
        let id = find_or_make(tx, (find, &key), (make, &[meter.into(), owner.into(), project.into()]))?;
        numbers.learned.streams.push(((meter, owner), id));
        Ok(id)
    }

    /// The number of a series, if the series exists. A new one is made with its first sample, see [`Numbers::learn_series`].
    pub(super) fn series(
        &self,
        tx: &mut Transaction<'_>,
        numbers: &mut Numbers,
        stream: i64,
        resource: i64,
    ) -> Result<Option<i64>> {
        if let Some(id) = self.known().series.0.get(&(stream, resource)) {
            return Ok(Some(*id));
        }
        self.series_anew(tx, numbers, stream, resource)
    }

    /// The number of a series as the database has it now.
    pub(super) fn series_anew(
        &self,
        tx: &mut Transaction<'_>,
        numbers: &mut Numbers,
        stream: i64,
        resource: i64,
    ) -> Result<Option<i64>> {
        let find = "SELECT id FROM telemetry_series WHERE resource = ? AND stream = ?";
        let id = tx.row(find, &[resource.into(), stream.into()], |row| row.int(0))?;
        if let Some(id) = id {
            numbers.learn_series(stream, resource, id);
        }
        Ok(id)
    }

    /// Remembers what was learned, once it is committed.
    pub(super) fn remember(&self, numbers: Numbers) {
        let mut known = self.known();
        let known = &mut *known;
        if known.epoch != numbers.epoch {
            return;
        }
        let learned = numbers.learned;
        for (key, id) in learned.metadata {
            known.metadata_bytes += key.len();
            if known.metadata_bytes > REMEMBERED_BYTES {
                known.metadata_bytes = key.len();
                known.metadata.0.clear();
            }
            known.metadata.put(key, id);
        }
        learned.meters.into_iter().for_each(|(key, id)| known.meters.put(key, id));
        learned.resources.into_iter().for_each(|(key, id)| known.resources.put(key, id));
        learned.projects.into_iter().for_each(|(key, id)| known.projects.put(key, id));
        learned.owners.into_iter().for_each(|(key, id)| known.owners.put(key, id));
        learned.origins.into_iter().for_each(|(key, id)| known.origins.put(key, id));
        learned.streams.into_iter().for_each(|(key, id)| known.streams.put(key, id));
        learned.series.into_iter().for_each(|(key, id)| known.series.put(key, id));
    }
}

impl Numbers {
    /// The metadata that this process did not know before.
    pub(super) fn met(&self) -> impl Iterator<Item = i64> {
        self.learned.metadata.iter().map(|(_, id)| *id)
    }

    /// Takes note of a series.
    pub(super) fn learn_series(&mut self, stream: i64, resource: i64, id: i64) {
        self.learned.series.push(((stream, resource), id));
    }
}

/// A table of the dictionary whose rows are an id and one value.
struct Values {
    find: &'static str,
    find_many: &'static str,
    make: &'static str,
}

const RESOURCES: Values = Values {
    find: "SELECT id FROM telemetry_resource WHERE name = ?",
    find_many: "SELECT name, id FROM telemetry_resource WHERE name IN ",
    make: "INSERT INTO telemetry_resource (name) VALUES (?)",
};
const PROJECTS: Values = Values {
    find: "SELECT id FROM telemetry_project WHERE name = ?",
    find_many: "SELECT name, id FROM telemetry_project WHERE name IN ",
    make: "INSERT INTO telemetry_project (name) VALUES (?)",
};
const MESSAGES: Values = Values {
    find: "SELECT id FROM telemetry_message WHERE name = ?",
    find_many: "",
    make: "INSERT INTO telemetry_message (name) VALUES (?)",
};

/// The numbers of many names, place by place: those in memory, those in the database in few statements, and new ones.
fn names(
    tx: &mut Transaction<'_>,
    values: &Values,
    wanted: &[String],
    known: &Memory<String>,
    learned: &mut Vec<(String, i64)>,
) -> Result<Vec<i64>> {
    let mut strange: Vec<&str> =
        wanted.iter().filter(|name| !known.0.contains_key(*name)).map(String::as_str).collect();
    strange.sort_unstable();
    strange.dedup();
    let mut found: HashMap<String, i64> = HashMap::new();
    for chunk in sql::chunks(&strange, &[100, 10, 1]) {
        let statement = sql::repeat(values.find_many, &sql::marks(chunk.len()), "", "", 1);
        let marks: Vec<Value<'_>> = chunk.iter().map(|name| Value::from(*name)).collect();
        tx.query(&statement, &marks, |row| {
            found.insert(row.string(0)?, row.int(1)?);
            Ok(())
        })?;
    }
    for name in strange {
        let id = match found.get(name) {
            Some(id) => *id,
            None => number(tx, values, name.into())?,
        };
        found.insert(name.to_owned(), id);
        learned.push((name.to_owned(), id));
    }
    let number = |name: &String| known.0.get(name).or_else(|| found.get(name)).copied();
    wanted.iter().map(|name| number(name).ok_or_else(|| Error::internal("a name has no number"))).collect()
}

/// The number of a project.
pub(super) fn project_id(tx: &mut Transaction<'_>, name: &str) -> Result<i64> {
    number(tx, &PROJECTS, name.into())
}

fn number(tx: &mut Transaction<'_>, values: &Values, key: Value<'_>) -> Result<i64> {
    let key = [key];
    find_or_make(tx, (values.find, &key), (values.make, &key))
}

fn meter_id(tx: &mut Transaction<'_>, meter: &Meter) -> Result<i64> {
    let key = [meter.name.as_str().into(), meter.kind.name().into(), meter.unit.as_str().into()];
    let find = "SELECT id FROM telemetry_meter WHERE name = ? AND type = ? AND unit = ?";
    find_or_make(tx, (find, &key), ("INSERT INTO telemetry_meter (name, type, unit) VALUES (?, ?, ?)", &key))
}

fn owner_id(tx: &mut Transaction<'_>, owner: &Owner, project: i64) -> Result<i64> {
    let mut text = Vec::new();
    for part in [owner.project_id.as_deref(), owner.user_id.as_deref(), Some(owner.source.as_str())] {
        text.push(u8::from(part.is_some()));
        text.extend_from_slice(&part.map_or(0, str::len).to_le_bytes());
        text.extend_from_slice(part.unwrap_or("").as_bytes());
    }
    let digest = digest(&text, 0);
    let find = "SELECT id FROM telemetry_owner WHERE digest = ?";
    let make = "INSERT INTO telemetry_owner (digest, project, user_id, source) VALUES (?, ?, ?, ?)";
    let values = [digest.clone(), project.into(), owner.user_id.as_deref().into(), owner.source.as_str().into()];
    find_or_make(tx, (find, &[digest]), (make, &values))
}

/// Metadata with the same digest and another text take the next salt: whoever makes such texts gets no one else's.
fn metadata_id(tx: &mut Transaction<'_>, body: &str) -> Result<i64> {
    let find = "SELECT id, body FROM telemetry_metadata WHERE digest = ?";
    let make = "INSERT INTO telemetry_metadata (digest, body) VALUES (?, ?)";
    for salt in 0..8 {
        let digest = digest(body.as_bytes(), salt);
        let same = |tx: &mut Transaction<'_>, find: &str| {
            tx.row(find, std::slice::from_ref(&digest), |row| Ok((row.int(0)?, row.text(1)? == body)))
        };
        let mut found = same(tx, find)?;
        if found.is_none() {
            tx.insert_if_absent(make, &[digest.clone(), body.into()])?;
            found = same(tx, find)?;
        }
        match found {
            Some((id, true)) => return Ok(id),
            Some((_, false)) => {}
            None => return Err(Error::internal("metadata was stored and is not there")),
        }
    }
    Err(Error::internal("eight different metadata have one digest"))
}

/// The first number that `find` answers; where there is none, `make` makes it, unless another process just did.
pub(super) fn find_or_make(
    tx: &mut Transaction<'_>,
    find: (&str, &[Value<'_>]),
    make: (&str, &[Value<'_>]),
) -> Result<i64> {
    if let Some(id) = tx.row(find.0, find.1, |row| row.int(0))? {
        return Ok(id);
    }
    tx.insert_if_absent(make.0, make.1)?;
    let made = tx.row(find.0, find.1, |row| row.int(0))?;
    made.ok_or_else(|| Error::internal("a row of the dictionary was stored and is not there"))
}

pub(super) fn digest(text: &[u8], salt: u8) -> Value<'static> {
    let mut digest = Md5::new();
    digest.update([salt]);
    digest.update(text);
    Value::from(digest.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::{Memory, REMEMBERED};

    #[test]
    fn a_memory_that_is_full_starts_anew() {
        let mut memory = Memory::default();
        for key in 0..=REMEMBERED {
            memory.put(key, 1);
        }
        assert_eq!(memory.0.len(), 1);
    }
}
