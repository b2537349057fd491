//! What readers remember of the dictionary: rows that never change, by their numbers. A number is given once and on no engine again,
//! also where its row is removed, so that what is remembered of one is right for as long as anything names it, in whatever epoch.
//! What is not there is not remembered, for it may come. `docs/decisions/telemetry.md` tells more.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::database::{Connection, Row};
use crate::telemetry::model::{Meter, MeterType, Owner};
use crate::{Error, Result};

use super::samples::for_each_id;

/// Bytes that are remembered of each table, about: 2 MiB in all.
const STREAM_BYTES: usize = 384 << 10;
const RESOURCE_BYTES: usize = 384 << 10;
const METADATA_BYTES: usize = 1 << 20;
const SERIES_BYTES: usize = 256 << 10;
const CLOCK_BYTES: usize = 32 << 10;
const SCOPE_BYTES: usize = 32 << 10;
/// Bytes of an entry beside its text, about: its place in the table, which is half empty, and its count of references.
const ENTRY: usize = 80;

/// What a stream is of.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) meter: Meter,
    pub(super) owner: Owner,
}

/// What a series is of.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) stream: Arc<Stream>,
    pub(super) resource: Arc<str>,
}

/// Rows of the dictionary that were read.
#[derive(Default)]
pub(super) struct Remembered {
    rows: Mutex<Rows>,
}

/// Rows of each table by their numbers.
struct Rows {
    streams: Shelf<Arc<Stream>>,
    resources: Shelf<Arc<str>>,
    metadata: Shelf<Arc<str>>,
    /// Stream and resource of series.
    series: Shelf<(i64, i64)>,
    /// Node and era of clocks.
    clocks: Shelf<(i64, i64)>,
    /// Series that were in a scope, which is a guess of those that are.
    scopes: Shelf<Arc<[i64]>, String>,
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            streams: Shelf::of(STREAM_BYTES),
            resources: Shelf::of(RESOURCE_BYTES),
            metadata: Shelf::of(METADATA_BYTES),
            series: Shelf::of(SERIES_BYTES),
            clocks: Shelf::of(CLOCK_BYTES),
            scopes: Shelf::of(SCOPE_BYTES),
        }
    }
}

/// What is remembered of one kind, until it is too much and starts anew.
struct Shelf<T, K = i64> {
    rows: HashMap<K, T>,
    bytes: usize,
    most: usize,
}

impl<T: Clone, K: Eq + Hash> Shelf<T, K> {
    fn of(most: usize) -> Self {
        Self { rows: HashMap::new(), bytes: 0, most }
    }

    fn put(&mut self, key: K, row: &T, bytes: usize) {
        let bytes = bytes + ENTRY;
        if bytes > self.most {
            return;
        }
        if self.bytes + bytes > self.most {
            *self = Self::of(self.most);
        }
        if self.rows.insert(key, row.clone()).is_none() {
            self.bytes += bytes;
        }
    }
}

/// A table that rows are read of.
struct Source<T> {
    shelf: fn(&mut Rows) -> &mut Shelf<T>,
    /// The statement, which ends with a list of numbers; the first column is the number.
    find: &'static str,
    /// The row, and its bytes.
    read: fn(&Row<'_>) -> Result<(T, usize)>,
}

const STREAMS: Source<Arc<Stream>> = Source {
    shelf: |rows| &mut rows.streams,
    find: "SELECT g.id, m.name, m.type, m.unit, o.user_id, p.name, o.source FROM telemetry_stream g \
           JOIN telemetry_meter m ON m.id = g.meter JOIN telemetry_owner o ON o.id = g.owner \
           LEFT JOIN telemetry_project p ON p.id = g.project WHERE g.id IN ",
    read: |row| {
        let kind = MeterType::parse(row.text(2)?).ok_or_else(|| Error::internal("a meter of an unknown type"))?;
        let meter = Meter { name: row.string(1)?, kind, unit: row.string(3)? };
        let owner = Owner { user_id: row.opt_string(4)?, project_id: row.opt_string(5)?, source: row.string(6)? };
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let texts = meter.name.len() + meter.unit.len() + owner.source.len();
        let bytes = size_of::<Stream>() + texts + length(&owner.user_id) + length(&owner.project_id);
        Ok((Arc::new(Stream { meter, owner }), bytes))
    },
};

const RESOURCES: Source<Arc<str>> = Source {
    shelf: |rows| &mut rows.resources,
    find: "SELECT id, name FROM telemetry_resource WHERE id IN ",
    read: text,
};

const METADATA: Source<Arc<str>> = Source {
    shelf: |rows| &mut rows.metadata,
    find: "SELECT id, body FROM telemetry_metadata WHERE id IN ",
    read: text,
};

const SERIES: Source<(i64, i64)> = Source {
    shelf: |rows| &mut rows.series,
    find: "SELECT id, stream, resource FROM telemetry_series WHERE id IN ",
    read: pair,
};

const CLOCKS: Source<(i64, i64)> = Source {
    shelf: |rows| &mut rows.clocks,
    find: "SELECT id, node, era FROM telemetry_clock WHERE id IN ",
    read: pair,
};

fn text(row: &Row<'_>) -> Result<(Arc<str>, usize)> {
    let text = row.text(1)?;
    Ok((Arc::from(text), text.len()))
}

fn pair(row: &Row<'_>) -> Result<((i64, i64), usize)> {
    Ok(((row.int(1)?, row.int(2)?), 0))
}

impl Remembered {
    /// Meters and owners of streams, by number. Here as everywhere: what is not there is left out, and numbers may repeat.
    pub(super) fn streams(
        &self,
        connection: &mut Connection,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<HashMap<i64, Arc<Stream>>> {
        self.find(connection, &STREAMS, ids)
    }

    /// Names of resources.
    pub(super) fn resources(
        &self,
        connection: &mut Connection,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<HashMap<i64, Arc<str>>> {
        self.find(connection, &RESOURCES, ids)
    }

    /// Metadata, as JSON text.
    pub(super) fn metadata(
        &self,
        connection: &mut Connection,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<HashMap<i64, Arc<str>>> {
        self.find(connection, &METADATA, ids)
    }

    /// What series are of.
    pub(super) fn series(
        &self,
        connection: &mut Connection,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<HashMap<i64, Series>> {
        let pairs = self.find(connection, &SERIES, ids)?;
        let streams = self.streams(connection, pairs.values().map(|(stream, _)| *stream))?;
        let resources = self.resources(connection, pairs.values().map(|(_, resource)| *resource))?;
        let known = pairs.into_iter().filter_map(|(id, (stream, resource))| {
            let (stream, resource) = (streams.get(&stream).cloned()?, resources.get(&resource).cloned()?);
            Some((id, Series { stream, resource }))
        });
        Ok(known.collect())
    }

    /// Node and era of clocks.
    pub(super) fn clocks(
        &self,
        connection: &mut Connection,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<HashMap<i64, (i64, i64)>> {
        self.find(connection, &CLOCKS, ids)
    }

    /// The series that were found in a scope the last time; others may be in it now.
    pub(super) fn guess(&self, scope: &str) -> Option<Arc<[i64]>> {
        self.rows().scopes.rows.get(scope).cloned()
    }

    /// Remembers the series of a scope for the next guess.
    pub(super) fn found(&self, scope: String, series: Arc<[i64]>) {
        let bytes = scope.len() + size_of_val(&*series);
        self.rows().scopes.put(scope, &series, bytes);
    }

    fn find<T: Clone>(
        &self,
        connection: &mut Connection,
        source: &Source<T>,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<HashMap<i64, T>> {
        let mut found = HashMap::new();
        let mut strange = Vec::new();
        {
            let mut rows = self.rows();
            let shelf = (source.shelf)(&mut rows);
            for id in ids {
                match shelf.rows.get(&id) {
                    Some(row) => drop(found.insert(id, row.clone())),
                    None => strange.push(id),
                }
            }
        }
        if strange.is_empty() {
            return Ok(found);
        }
        let mut read = Vec::new();
        for_each_id(connection, source.find, strange, |row| {
            read.push((row.int(0)?, (source.read)(row)?));
            Ok(())
        })?;
        let mut rows = self.rows();
        let shelf = (source.shelf)(&mut rows);
        for (id, (row, bytes)) in read {
            shelf.put(id, &row, bytes);
            found.insert(id, row);
        }
        Ok(found)
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{ENTRY, Shelf};

    #[test]
    fn a_shelf_holds_what_was_put_last_and_no_more_than_it_may() {
        let mut shelf = Shelf::of(3 * (ENTRY + 10));
        for number in 0..4 {
            shelf.put(number, &number, 10);
            assert_eq!(shelf.rows.get(&number), Some(&number));
            assert!(shelf.bytes <= shelf.most);
        }
        assert_eq!((shelf.rows.len(), shelf.bytes), (1, ENTRY + 10));
        shelf.put(3, &3, 10);
        shelf.put(5, &5, 4 * ENTRY);
        assert_eq!((shelf.rows.len(), shelf.bytes), (1, ENTRY + 10));
    }
}
