//! Writes samples: the rows themselves, the newest state of their series, and the rollups, all in one transaction.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::Result;
use crate::database::{Transaction, Value};
use crate::telemetry::model::{Batch, Level, MessageId, Moments};
use crate::time::Timestamp;

use super::dictionary::{Dictionary, Numbers};
use super::epoch;
use super::rollups::{self, Changes, MOMENTS, MOMENTS_WIDTH, Rollups};
use super::{ids, sql};

/// Samples that were written.
pub(super) struct Written {
    /// How many of each batch were new.
    pub(super) stored: Vec<usize>,
    /// What the dictionary may remember once the transaction is committed.
    pub(super) numbers: Vec<Numbers>,
}

/// Writes the samples of `batches`. Those whose id is stored already are left out where `look` says to look for them; else they fail as
/// `Duplicate`.
///
/// The streams are locked first, in order, so that two transactions never work on the same series, stream or rollup.
pub(super) fn record(
    tx: &mut Transaction<'_>,
    dictionary: &Dictionary,
    batches: &[Batch],
    look: bool,
) -> Result<Written> {
    let mut work = Work::default();
    let mut all_numbers = Vec::with_capacity(batches.len());
    let epoch = dictionary.enter(tx)?;
    for (at, batch) in batches.iter().enumerate() {
        let mut numbers = dictionary.resolve(tx, &epoch, batch)?;
        work.take(tx, dictionary, &mut numbers, at, batch)?;
        all_numbers.push(numbers);
    }
    epoch::touch(tx, epoch, all_numbers.iter().flat_map(Numbers::met))?;
    work.lock(tx)?;
    work.find_series(tx, dictionary, &mut all_numbers)?;
    if look && batches.iter().any(|batch| batch.may_repeat) {
        work.leave_out_repeated(tx)?;
    }
    work.rows.sort_by_key(|row| (row.batch, row.series, row.at));
    work.advance();
    work.write_series(tx, &mut all_numbers)?;
    work.write_samples(tx)?;
    work.write_rollups(tx)?;
    let mut stored = vec![0; batches.len()];
    for row in &work.rows {
        if let Some(count) = stored.get_mut(row.batch) {
            *count += 1;
        }
    }
    Ok(Written { stored, numbers: all_numbers })
}

/// One sample, in numbers.
struct Row {
    /// Place in [`Work::series`].
    series: usize,
    batch: usize,
    at: Timestamp,
    recorded_at: Timestamp,
    tick: i64,
    origin: i64,
    volume: f64,
    metadata: i64,
}

/// A series that the batches touch, with its state as it was and as it becomes.
struct Series {
    id: Option<i64>,
    stream: i64,
    resource: i64,
    project: i64,
    /// The first batch that names it.
    batch: usize,
    state: Option<State>,
    changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    oldest: Timestamp,
    newest: Timestamp,
    /// When the newest sample arrived.
    recorded_at: Timestamp,
    metadata: i64,
    mixed: bool,
    open_day: i64,
    open: Moments,
}

impl State {
    /// Reads [`STATE`] and moments from `column` on.
    fn read(row: &crate::database::Row<'_>, column: usize) -> Result<Self> {
        Ok(Self {
            oldest: Timestamp(row.int(column)?),
            newest: Timestamp(row.int(column + 1)?),
            recorded_at: Timestamp(row.int(column + 2)?),
            metadata: row.int(column + 3)?,
            mixed: row.int(column + 4)? != 0,
            open_day: row.int(column + 5)?,
            open: rollups::read(row, column + 6)?,
        })
    }
}

#[derive(Default)]
struct Work {
    rows: Vec<Row>,
    series: Vec<Series>,
    /// Places of series by stream and resource.
    places: HashMap<(i64, i64), usize>,
    /// Changes of rollups of series, with places instead of numbers.
    series_changes: Changes,
    stream_changes: Changes,
    /// The rollups of streams that will change, where they were read with the states of series.
    rollups: Option<Changes>,
}

impl Work {
    /// Turns the points of a batch into rows.
    fn take(
        &mut self,
        tx: &mut Transaction<'_>,
        dictionary: &Dictionary,
        numbers: &mut Numbers,
        batch_at: usize,
        batch: &Batch,
    ) -> Result<()> {
        let mut streams: HashMap<(usize, usize), i64> = HashMap::new();
        self.rows.reserve(batch.points.len());
        let strange = || crate::Error::internal("a sample names something that its batch does not hold");
        for point in &batch.points {
            let (owner, project) = *numbers.owners.get(point.owner).ok_or_else(strange)?;
            let stream = match streams.get(&(point.meter, point.owner)) {
                Some(stream) => *stream,
                None => {
                    let meter = *numbers.meters.get(point.meter).ok_or_else(strange)?;
                    let stream = dictionary.stream(tx, numbers, meter, (owner, project))?;
                    streams.insert((point.meter, point.owner), stream);
                    stream
                }
            };
            let resource = *numbers.resources.get(point.resource).ok_or_else(strange)?;
            let metadata = *numbers.metadata.get(point.metadata).ok_or_else(strange)?;
            let series = &mut self.series;
            let place = *self.places.entry((stream, resource)).or_insert_with(|| {
                let (id, state, changed) = (None, None, false);
                series.push(Series { id, stream, resource, project, batch: batch_at, state, changed });
                series.len() - 1
            });
            let (tick, origin) = match &point.id {
                MessageId::Clock { tick, node } => {
                    let origin = *numbers.origins.get(&(*node, ids::era(*tick))).ok_or_else(strange)?;
                    (ids::tick(*tick, origin), origin)
                }
                MessageId::Halves { high, low } => (*high, *low),
                MessageId::Text(text) => (numbers.messages.get(text).copied().ok_or_else(strange)?, 0),
            };
            let (at, volume, recorded_at) = (point.at, point.volume, batch.recorded_at);
            self.rows.push(Row { series: place, batch: batch_at, at, recorded_at, tick, origin, volume, metadata });
        }
        Ok(())
    }

    /// Locks the streams in the order of their numbers.
    fn lock(&self, tx: &mut Transaction<'_>) -> Result<()> {
        let streams: BTreeSet<i64> = self.series.iter().map(|series| series.stream).collect();
        let streams: Vec<i64> = streams.into_iter().collect();
        for chunk in sql::chunks(&streams, &[16, 4, 1]) {
            let statement = sql::repeat(
                "SELECT id FROM telemetry_stream WHERE id IN ",
                &sql::marks(chunk.len()),
                "",
                " ORDER BY id FOR UPDATE",
                1,
            );
            tx.query(&statement, &ints(chunk), |_| Ok(()))?;
        }
        Ok(())
    }

    /// Reads the states of the series that exist.
    fn find_series(
        &mut self,
        tx: &mut Transaction<'_>,
        dictionary: &Dictionary,
        numbers: &mut [Numbers],
    ) -> Result<()> {
        for series in &mut self.series {
            if let Some(numbers) = numbers.get_mut(series.batch) {
                series.id = dictionary.series(tx, numbers, series.stream, series.resource)?;
            }
        }
        let ids: Vec<i64> = self.series.iter().filter_map(|series| series.id).collect();
        let mut states: HashMap<i64, State> = HashMap::with_capacity(ids.len());
        self.states_and_rollups(tx, &ids, &mut states)?;
        // One that vanished since it was remembered may have been made anew by another process: under another number.
        let mut anew = Vec::new();
        for series in self.series.iter_mut().filter(|series| series.id.is_some_and(|id| !states.contains_key(&id))) {
            if let Some(numbers) = numbers.get_mut(series.batch) {
                series.id = dictionary.series_anew(tx, numbers, series.stream, series.resource)?;
                anew.extend(series.id);
            }
        }
        states_of(tx, &anew, &mut states)?;
        for series in &mut self.series {
            series.state = series.id.and_then(|id| states.get(&id).copied());
        }
        Ok(())
    }

    /// Reads the states of series, and with them the rollups of streams that will change: few samples, which are stored one by one,
    /// need both by one statement, since each statement costs a server more than its rows.
    fn states_and_rollups(
        &mut self,
        tx: &mut Transaction<'_>,
        ids: &[i64],
        states: &mut HashMap<i64, State>,
    ) -> Result<()> {
        let cells = |row: &Row| {
            let stream = self.series.get(row.series).map(|series| series.stream);
            let levels = [Level::All, Level::Day, Level::Hour];
            let at = row.at;
            stream.into_iter().flat_map(move |stream| levels.map(|level| (stream, level, level.cell(at))))
        };
        let keys: BTreeSet<rollups::Key> = self.rows.iter().take(MOST_FEW).flat_map(cells).collect();
        let size = FEW.into_iter().find(|(series, cells)| ids.len() <= *series && keys.len() <= *cells);
        let (Some((series, cells)), Some(id), Some(key)) = (size, ids.first(), keys.first()) else {
            return states_of(tx, ids, states);
        };
        if self.rows.len() > MOST_FEW {
            return states_of(tx, ids, states);
        }
        let start = format!(
            "SELECT 0, id, {STATE}, {MOMENTS} FROM telemetry_series WHERE id IN {} UNION ALL \
             SELECT 1, node, level, cell, 0, 0, 0, 0, {MOMENTS} FROM telemetry_stream_rollup WHERE ",
            sql::marks(series)
        );
        let statement = sql::repeat(&start, rollups::ONE_OF, " OR ", "", cells);
        let ids = ids.iter().chain(std::iter::repeat(id)).take(series).copied().map(Value::Int);
        let keys = keys.iter().chain(std::iter::repeat(key)).take(cells).flat_map(rollups::key_values);
        let values: Vec<Value<'_>> = ids.chain(keys).collect();
        let mut found = Changes::new();
        tx.query(&statement, &values, |row| {
            if row.int(0)? == 0 {
                states.insert(row.int(1)?, State::read(row, 2)?);
            } else {
                let moments = rollups::read(row, 8)?;
                found.extend(rollups::key([row.int(1)?, row.int(2)?, row.int(3)?]).map(|key| (key, moments)));
            }
            Ok(())
        })?;
        self.rollups = Some(found);
        Ok(())
    }

    /// Drops rows whose id is stored already, and all but the first of rows with one id.
    fn leave_out_repeated(&mut self, tx: &mut Transaction<'_>) -> Result<()> {
        let ticks: Vec<i64> = self.rows.iter().map(|row| row.tick).collect();
        let mut seen: HashSet<(i64, i64)> = HashSet::with_capacity(self.rows.len());
        for chunk in sql::chunks(&ticks, &[100, 10, 1]) {
            let start = "SELECT tick, origin FROM telemetry_sample WHERE tick IN ";
            let statement = sql::repeat(start, &sql::marks(chunk.len()), "", "", 1);
            tx.query(&statement, &ints(chunk), |row| {
                seen.insert((row.int(0)?, row.int(1)?));
                Ok(())
            })?;
        }
        self.rows.retain(|row| seen.insert((row.tick, row.origin)));
        Ok(())
    }

    /// Moves the states on and collects what changes in rollups.
    fn advance(&mut self) {
        for row in &self.rows {
            let Some(series) = self.series.get_mut(row.series) else { continue };
            let place = i64::try_from(row.series).unwrap_or(i64::MAX);
            let hour = Level::Hour.cell(row.at);
            self.stream_changes.entry((series.stream, Level::Hour, hour)).or_default().add(row.at, row.volume);
            series.changed = true;
            let day = Level::Day.cell(row.at);
            let state = series.state.get_or_insert_with(|| State {
                oldest: row.at,
                newest: row.at,
                recorded_at: row.recorded_at,
                metadata: row.metadata,
                mixed: false,
                open_day: day,
                open: Moments::default(),
            });
            state.oldest = state.oldest.min(row.at);
            state.mixed |= state.metadata != row.metadata;
            if (row.at, row.recorded_at) >= (state.newest, state.recorded_at) {
                (state.newest, state.recorded_at, state.metadata) = (row.at, row.recorded_at, row.metadata);
            }
            if day > state.open_day {
                let closed = std::mem::take(&mut state.open);
                self.series_changes.entry((place, Level::Day, state.open_day)).or_default().merge(&closed);
                self.series_changes.entry((place, Level::All, 0)).or_default().merge(&closed);
                state.open_day = day;
            }
            if day == state.open_day {
                state.open.add(row.at, row.volume);
            } else {
                self.series_changes.entry((place, Level::Day, day)).or_default().add(row.at, row.volume);
                self.series_changes.entry((place, Level::All, 0)).or_default().add(row.at, row.volume);
            }
        }
        let hours: Vec<_> = self.stream_changes.iter().map(|(key, moments)| (*key, *moments)).collect();
        for ((stream, _, _), moments) in hours {
            let day = Level::Day.cell(moments.first);
            self.stream_changes.entry((stream, Level::Day, day)).or_default().merge(&moments);
            self.stream_changes.entry((stream, Level::All, 0)).or_default().merge(&moments);
        }
    }

    /// Writes the states, which gives new series their numbers.
    fn write_series(&mut self, tx: &mut Transaction<'_>, numbers: &mut [Numbers]) -> Result<()> {
        let columns = format!("stream, resource, project, {STATE}, {MOMENTS}");
        let insert = format!("INSERT INTO telemetry_series ({columns}) VALUES {}", sql::marks(9 + MOMENTS_WIDTH));
        let mut known = Vec::new();
        for series in self.series.iter_mut().filter(|series| series.changed) {
            let Some(state) = series.state else { continue };
            if series.id.is_some() {
                known.push((&*series, state));
                continue;
            }
            let mut values = Vec::with_capacity(9 + MOMENTS_WIDTH);
            push_series(series, &state, &mut values);
            let id = tx.insert_id(&insert, &values)?;
            series.id = Some(id);
            if let Some(numbers) = numbers.get_mut(series.batch) {
                numbers.learn_series(series.stream, series.resource, id);
            }
        }
        let upsert = format!("INSERT INTO telemetry_series (id, {columns}) VALUES ");
        let marks = sql::marks(10 + MOMENTS_WIDTH);
        for chunk in sql::chunks(&known, &[32, 8, 1]) {
            let statement = sql::repeat(&upsert, &marks, ", ", ADVANCE, chunk.len());
            let mut values = Vec::with_capacity(chunk.len() * (10 + MOMENTS_WIDTH));
            for (series, state) in chunk {
                values.push(series.id.into());
                push_series(series, state, &mut values);
            }
            tx.execute(&statement, &values)?;
        }
        Ok(())
    }

    /// Writes the rows in the order of their ids, so that the index of ids grows at its end where ids have clocks, and two who
    /// store the same ids meet at the first one.
    fn write_samples(&mut self, tx: &mut Transaction<'_>) -> Result<()> {
        self.rows.sort_unstable_by_key(|row| (row.tick, row.origin));
        let start = "INSERT INTO telemetry_sample (series, at, tick, origin, volume, delay, metadata) VALUES ";
        let values = |row: &Row| {
            let series = self.series.get(row.series).and_then(|series| series.id);
            let delay = row.recorded_at.0.saturating_sub(row.at.0).div_euclid(MILLISECOND);
            let [at, tick, origin, delay, metadata] =
                [row.at.0, row.tick, row.origin, delay, row.metadata].map(Value::Int);
            [series.into(), at, tick, origin, Value::Real(row.volume), delay, metadata]
        };
        tx.insert_rows(start, "", self.rows.iter().map(values))
    }

    fn write_rollups(&mut self, tx: &mut Transaction<'_>) -> Result<()> {
        let mut changes = Changes::new();
        for ((place, level, cell), moments) in std::mem::take(&mut self.series_changes) {
            let series = usize::try_from(place).ok().and_then(|place| self.series.get(place));
            if let Some(id) = series.and_then(|series| series.id) {
                changes.insert((id, level, cell), moments);
            }
        }
        rollups::add(tx, Rollups::Series, &changes)?;
        match &self.rollups {
            Some(found) => rollups::add_to(tx, Rollups::Streams, &self.stream_changes, found),
            None => rollups::add(tx, Rollups::Streams, &self.stream_changes),
        }
    }
}

/// Reads the states of series that are there.
fn states_of(tx: &mut Transaction<'_>, ids: &[i64], states: &mut HashMap<i64, State>) -> Result<()> {
    let columns = format!("SELECT id, {STATE}, {MOMENTS} FROM telemetry_series WHERE id IN ");
    for chunk in sql::chunks(ids, &[100, 10, 1]) {
        let statement = sql::repeat(&columns, &sql::marks(chunk.len()), "", "", 1);
        tx.query(&statement, &ints(chunk), |row| {
            states.insert(row.int(0)?, State::read(row, 1)?);
            Ok(())
        })?;
    }
    Ok(())
}

/// Samples that are few, and the numbers of series and of rollups that are read together for them.
const MOST_FEW: usize = 8;
const FEW: [(usize, usize); 3] = [(1, 3), (4, 6), (8, 12)];

/// Microseconds in a millisecond, the unit of `delay`.
pub(super) const MILLISECOND: i64 = 1_000;

const STATE: &str = "oldest_at, newest_at, recorded_at, metadata, mixed, open_day";

/// `telemetry_series` is found by its number; what never changes is given because an INSERT needs it.
const ADVANCE: &str = " ON CONFLICT (id) DO UPDATE SET oldest_at = excluded.oldest_at, newest_at = excluded.newest_at, \
     recorded_at = excluded.recorded_at, metadata = excluded.metadata, mixed = excluded.mixed, \
     open_day = excluded.open_day, samples = excluded.samples, total = excluded.total, total_low = excluded.total_low, \
     squares = excluded.squares, squares_low = excluded.squares_low, lowest = excluded.lowest, \
     highest = excluded.highest, first_at = excluded.first_at, last_at = excluded.last_at";

fn push_series(series: &Series, state: &State, values: &mut Vec<Value<'_>>) {
    values.extend([Value::Int(series.stream), series.resource.into(), series.project.into()]);
    values.extend([Value::Int(state.oldest.0), state.newest.0.into(), state.recorded_at.0.into()]);
    values.extend([Value::Int(state.metadata), i64::from(state.mixed).into(), state.open_day.into()]);
    rollups::push(&state.open, values);
}

fn ints(values: &[i64]) -> Vec<Value<'static>> {
    values.iter().map(|value| Value::Int(*value)).collect()
}
