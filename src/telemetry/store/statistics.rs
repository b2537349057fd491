//! Computes statistics: moments of whole cells where all their samples belong to one bucket, and raw samples where they do
//! not. The answer is that of raw samples alone.
//!
//! Without conditions on resources or metadata, streams are enough, of which there are few; else series are read, a
//! thousand at a time. What remains to be known goes down from all time over days and hours to single samples.
//!
//! Where hours may be all that is left of samples (`hours.rs`), times in the question mean the beginnings of their hours, so that
//! every such hour counts once among ranges and periods that follow each other. Periods that would divide one are refused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::database::{Connection, Engine, Value};
use crate::telemetry::model::{Grouping, Level, Moments, Question};
use crate::time::Timestamp;
use crate::{Error, Result};

use super::deadline::Deadline;
use super::hours;
use super::metadata::{self, Memo};
use super::nodes::{Node, Nodes, hour_of, is_by_metadata, is_by_series, place, sums};
use super::pieces::{MANY, Turns};
use super::remembered::{Remembered, Stream};
use super::rollups::{self, MOMENTS, Rollups};
use super::samples;
use super::scope::Scope;
use super::sql;
use super::sums::{Sums, Verdict};

/// Series that are worked on at a time.
const AT_A_TIME: usize = 1_000;
/// Ranges of time that are asked for one by one; more are asked for as one.
const RANGES: usize = 16;

/// Answers a question.
///
/// # Errors
/// `Invalid` where the answer has too many rows, `Unavailable` where it takes too long, else what the database gives.
pub(super) fn statistics<'t>(
    connection: &mut Connection,
    remembered: &Remembered,
    question: &Question,
    deadline: Deadline,
    turns: Turns<'t>,
) -> Result<Sums<'t>> {
    let scope = Scope::of(&question.filter);
    let nothing = || sums(question, None, Timestamp(i64::MIN), turns);
    if question.filter.begin() >= question.filter.end() {
        return Ok(nothing());
    }
    let (streams, horizon) = streams(connection, remembered, &scope)?;
    let question = &in_whole_hours(question, horizon);
    if question.filter.begin() >= question.filter.end() {
        return Ok(nothing());
    }
    let by_series = is_by_series(question, &scope);
    let mut run = Run { connection, question, scope, streams, horizon, deadline, turns, nodes: Nodes::default() };
    if by_series { run.by_series() } else { run.by_stream() }
}

/// The streams of a scope, and the instant before which hours may be all that is left of their samples.
fn streams(
    connection: &mut Connection,
    remembered: &Remembered,
    scope: &Scope,
) -> Result<(HashMap<i64, Arc<Stream>>, Timestamp)> {
    let mut sql =
        "SELECT g.id, h.raw_from FROM telemetry_stream g LEFT JOIN telemetry_horizon h ON h.stream = g.id".to_owned();
    let mut values = Vec::new();
    scope.limit_streams(&mut sql, &mut values);
    let mut ids = Vec::new();
    let mut horizon = i64::MIN;
    connection.query(&sql, &values, |row| {
        ids.push(row.int(0)?);
        horizon = horizon.max(row.opt_int(1)?.unwrap_or(i64::MIN));
        Ok(())
    })?;
    Ok((remembered.streams(connection, ids)?, Timestamp(horizon)))
}

/// The question with the times before `horizon` at the beginnings of their hours.
fn in_whole_hours(question: &Question, horizon: Timestamp) -> Question {
    let mut question = question.clone();
    let whole = |at: Timestamp| hour_of(at, horizon);
    question.filter.from = question.filter.from.map(whole);
    question.filter.until = question.filter.until.map(whole);
    question.start = question.start.map(whole);
    question
}

/// A series whose samples differ in their metadata.
struct Mixed {
    stream: i64,
    resource: String,
}

/// What is left to be known of some nodes.
enum Left {
    /// Everything in the range.
    Everything,
    /// Only these cells of these nodes.
    Cells(Level, HashSet<(i64, i64)>),
}

impl Left {
    fn holds(&self, node: i64, at: Timestamp) -> bool {
        match self {
            Self::Everything => true,
            Self::Cells(level, cells) => cells.contains(&(node, level.cell(at))),
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Cells(_, cells) if cells.is_empty())
    }

    /// Ranges of time, with their ends outside, that hold everything that is left and lie within `from..until`.
    fn ranges(&self, (from, until): (Timestamp, Timestamp)) -> Vec<(Timestamp, Timestamp)> {
        let Self::Cells(level, cells) = self else { return vec![(from, until)] };
        let Some(length) = level.length() else { return vec![(from, until)] };
        let mut numbers: Vec<i64> = cells.iter().map(|(_, cell)| *cell).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for cell in numbers {
            match ranges.last_mut() {
                Some((_, end)) if *end == cell => *end += 1,
                _ => ranges.push((cell, cell + 1)),
            }
        }
        if let (true, Some(first), Some(last)) = (ranges.len() > RANGES, ranges.first(), ranges.last()) {
            ranges = vec![(first.0, last.1)];
        }
        let begin = |cell: i64| Timestamp(cell.saturating_mul(length));
        ranges.into_iter().map(|(first, end)| (begin(first).max(from), begin(end).min(until))).collect()
    }
}

struct Run<'a, 't> {
    connection: &'a mut Connection,
    question: &'a Question,
    scope: Scope,
    streams: HashMap<i64, Arc<Stream>>,
    /// Before it, hours may be all that is left of samples.
    horizon: Timestamp,
    deadline: Deadline,
    turns: Turns<'t>,
    nodes: Nodes,
}

impl<'t> Run<'_, 't> {
    fn by_stream(&mut self) -> Result<Sums<'t>> {
        let ids = sorted(self.streams.keys().copied());
        let mut whole: HashMap<i64, Moments> = HashMap::with_capacity(ids.len());
        rollups::scan(self.connection, Rollups::Streams, &ids, Level::All, (0, 0), |node, _, moments| {
            whole.insert(node, *moments);
            Ok(())
        })?;
        let first = whole.values().map(|moments| moments.first).min();
        let mut sums = sums(self.question, first, self.horizon, self.turns);
        if first.is_none() && self.question.start.is_none() {
            return Ok(sums);
        }
        let mut nodes = HashMap::with_capacity(ids.len());
        let mut split = Vec::new();
        for id in ids {
            let Some(stream) = self.streams.get(&id) else { continue };
            let node = self.nodes.node(self.question, &mut sums, stream, None, None);
            let moments = whole.get(&id).copied().unwrap_or_default();
            if sums.offer(place(&node), &moments)? == Verdict::Split {
                split.push(id);
            }
            nodes.insert(id, node);
        }
        self.descend(&mut sums, Rollups::Streams, &nodes, &split)?;
        Ok(sums)
    }

    fn by_series(&mut self) -> Result<Sums<'t>> {
        let filter = &self.question.filter;
        let (tests, groupings) = (&filter.metadata, &self.question.groupings);
        let by_metadata = is_by_metadata(self.question);
        // Of a body: the values of the groupings by metadata, in their order; `None` where a test fails.
        let mut memo = Memo::new(|body: &Json| metadata::passes(body, tests).then(|| values_of(body, groupings)));
        let (ids, first) = self.series_ids(by_metadata, &mut memo)?;
        let mut sums = sums(self.question, first, self.horizon, self.turns);
        if first.is_none() && self.question.start.is_none() {
            return Ok(sums);
        }
        if ids.len() > MANY {
            sums.take_turn();
        }
        for chunk in ids.chunks(AT_A_TIME) {
            self.deadline.check()?;
            let (mut nodes, mut mixed) = (HashMap::with_capacity(chunk.len()), HashMap::new());
            for row in self.series(chunk)? {
                if by_metadata && row.mixed {
                    mixed.insert(row.id, Mixed { stream: row.stream, resource: row.resource });
                    continue;
                }
                let values = if by_metadata {
                    memo.learn(self.connection, [row.metadata])?;
                    let Some(Some(values)) = memo.known(row.metadata) else { continue };
                    Some(values.clone())
                } else {
                    None
                };
                let Some(stream) = self.streams.get(&row.stream) else { continue };
                let mut node = self.nodes.node(self.question, &mut sums, stream, Some(&row.resource), values);
                node.open = Some((row.open_day, row.open));
                nodes.insert(row.id, node);
            }
            let ids = sorted(nodes.keys().copied());
            let mut whole: HashMap<i64, Moments> = HashMap::with_capacity(ids.len());
            rollups::scan(self.connection, Rollups::Series, &ids, Level::All, (0, 0), |node, _, moments| {
                whole.insert(node, *moments);
                Ok(())
            })?;
            let mut split = Vec::new();
            for id in ids {
                let Some(node) = nodes.get(&id) else { continue };
                let mut moments = whole.get(&id).copied().unwrap_or_default();
                node.open.iter().for_each(|(_, open)| moments.merge(open));
                if sums.offer(place(node), &moments)? == Verdict::Split {
                    split.push(id);
                }
            }
            self.descend(&mut sums, Rollups::Series, &nodes, &split)?;
            self.mixed(&mut sums, &mixed, &mut memo)?;
        }
        Ok(sums)
    }

    /// The numbers of the series in the scope, and the time of the earliest sample that counts where it is needed.
    fn series_ids<F: FnMut(&Json) -> Option<Vec<Option<String>>>>(
        &mut self,
        by_metadata: bool,
        memo: &mut Memo<Option<Vec<Option<String>>>, F>,
    ) -> Result<(Vec<i64>, Option<Timestamp>)> {
        let mut sql = "SELECT s.id, s.oldest_at, s.metadata, s.mixed, p.oldest_at FROM telemetry_series s \
                       LEFT JOIN telemetry_past p ON p.series = s.id WHERE ((s.newest_at >= ? AND s.oldest_at < ?) \
                       OR (p.newest_at >= ? AND p.oldest_at < ?))"
            .to_owned();
        let (begin, end) = (self.question.filter.begin().0, self.question.filter.end().0);
        let mut values = [begin, end, begin, end].map(Value::Int).to_vec();
        self.scope.limit_series(&mut sql, &mut values);
        sql.push_str(" ORDER BY s.id");
        let rows = self.connection.rows(&sql, &values, |row| {
            let oldest = row.int(1)?.min(row.opt_int(4)?.unwrap_or(i64::MAX));
            Ok((row.int(0)?, Timestamp(oldest), row.int(2)?, row.int(3)? != 0))
        })?;
        let needed = self.question.period.is_some() && self.question.start.is_none();
        let mut first = rows.first().map(|(_, oldest, ..)| *oldest).filter(|_| !needed);
        if needed {
            for chunk in rows.chunks(AT_A_TIME) {
                memo.learn(self.connection, chunk.iter().filter(|_| by_metadata).map(|(_, _, metadata, _)| *metadata))?;
                for (id, oldest, metadata, mixed) in chunk {
                    let found = match (by_metadata, *mixed) {
                        (true, true) => self.first_of_mixed(*id, memo)?,
                        (true, false) if !matches!(memo.known(*metadata), Some(Some(_))) => None,
                        _ => Some(*oldest),
                    };
                    first = first.into_iter().chain(found).min();
                }
            }
        }
        Ok((rows.into_iter().map(|(id, ..)| id).collect(), first))
    }

    /// The time of the earliest sample of a series whose metadata passes.
    fn first_of_mixed<T: Clone, F: FnMut(&Json) -> Option<T>>(
        &mut self,
        series: i64,
        memo: &mut Memo<Option<T>, F>,
    ) -> Result<Option<Timestamp>> {
        self.deadline.check()?;
        let sql = "SELECT metadata, MIN(at) FROM telemetry_sample WHERE series = ? AND at < ? GROUP BY metadata";
        let end = self.question.filter.end();
        let values = [series.into(), end.0.into()];
        let mut rows = self.connection.rows(sql, &values, |row| Ok((row.int(0)?, Timestamp(row.int(1)?))))?;
        let hours = (i64::MIN, Level::Hour.cell(Timestamp(end.0.saturating_sub(1))));
        hours::scan(self.connection, &[series], hours, |_, metadata, moments| {
            rows.push((metadata, moments.first));
            Ok(())
        })?;
        memo.learn(self.connection, rows.iter().map(|(metadata, _)| *metadata))?;
        Ok(rows.iter().filter(|(metadata, _)| matches!(memo.known(*metadata), Some(Some(_)))).map(|(_, at)| *at).min())
    }

    fn series(&mut self, ids: &[i64]) -> Result<Vec<SeriesRow>> {
        let mut rows = Vec::with_capacity(ids.len());
        let columns = format!(
            "SELECT s.id, s.stream, r.name, s.metadata, s.mixed, s.open_day, {MOMENTS} FROM telemetry_series s \
             JOIN telemetry_resource r ON r.id = s.resource WHERE s.id IN "
        );
        for chunk in sql::chunks(ids, &[100, 10, 1]) {
            let statement = sql::repeat(&columns, &sql::marks(chunk.len()), "", "", 1);
            self.connection.query(&statement, &ints(chunk), |row| {
                rows.push(SeriesRow {
                    id: row.int(0)?,
                    stream: row.int(1)?,
                    resource: row.string(2)?,
                    metadata: row.int(3)?,
                    mixed: row.int(4)? != 0,
                    open_day: row.int(5)?,
                    open: rollups::read(row, 6)?,
                });
                Ok(())
            })?;
        }
        Ok(rows)
    }

    /// Adds what the nodes `split` hold in the range, from the longest cells to single samples.
    fn descend(&mut self, sums: &mut Sums, rollups: Rollups, nodes: &HashMap<i64, Node>, split: &[i64]) -> Result<()> {
        if split.is_empty() {
            return Ok(());
        }
        let levels: &[Level] = if rollups == Rollups::Streams { &[Level::Day, Level::Hour] } else { &[Level::Day] };
        let pays = |level: &&Level| match (sums.buckets(), level.length()) {
            (Some(buckets), Some(length)) => buckets.length >= length,
            _ => true,
        };
        let levels: Vec<Level> = levels.iter().filter(pays).copied().collect();
        let mut left = Left::Everything;
        for level in levels {
            self.deadline.check()?;
            let mut cells = HashSet::new();
            for (from, until) in left.ranges(sums.range()) {
                let range = (level.cell(from), level.cell(Timestamp(until.0.saturating_sub(1))));
                rollups::scan(self.connection, rollups, split, level, range, |id, cell, moments| {
                    if let Some(node) = nodes.get(&id).filter(|_| left.holds(id, moments.first))
                        && sums.offer(place(node), moments)? == Verdict::Split
                    {
                        cells.insert((id, cell));
                    }
                    Ok(())
                })?;
            }
            if level == Level::Day {
                for id in split {
                    if let Some(node) = nodes.get(id)
                        && let Some((day, open)) = &node.open
                        && sums.offer(place(node), open)? == Verdict::Split
                    {
                        cells.insert((*id, *day));
                    }
                }
            }
            left = Left::Cells(level, cells);
            if left.is_nothing() {
                return Ok(());
            }
        }
        let nodes_left: Vec<i64> = match &left {
            Left::Everything => split.to_vec(),
            Left::Cells(_, cells) => sorted(cells.iter().map(|(node, _)| *node)),
        };
        let by_series = "SELECT series, at, volume FROM telemetry_sample WHERE at >= ? AND at < ? AND series IN ";
        let by_stream = "SELECT s.stream, x.at, x.volume FROM telemetry_series s JOIN telemetry_sample x \
                         ON x.series = s.id WHERE x.at >= ? AND x.at < ? AND s.stream IN ";
        // MariaDB and MySQL would read all samples of a series that they find themselves, whatever their time.
        let apart = rollups == Rollups::Streams && self.connection.engine() == Engine::Mysql;
        let streams = if apart { self.series_of(&nodes_left)? } else { HashMap::new() };
        let node_of = |id: i64| streams.get(&id).copied().unwrap_or(id);
        let (start, rollups, nodes_left) = match rollups {
            Rollups::Streams if apart => (by_series, Rollups::Series, sorted(streams.keys().copied())),
            Rollups::Streams => (by_stream, rollups, nodes_left),
            Rollups::Series => (by_series, rollups, nodes_left),
        };
        for (from, until) in left.ranges(sums.range()) {
            for chunk in sql::chunks(&nodes_left, &[100, 10, 1]) {
                self.deadline.check()?;
                let statement = sql::repeat(start, &sql::marks(chunk.len()), "", "", 1);
                let mut values = vec![Value::Int(from.0), Value::Int(until.0)];
                values.extend(ints(chunk));
                let mut last: Option<(i64, &Node)> = None;
                self.connection.query(&statement, &values, |row| {
                    let (id, at) = (node_of(row.int(0)?), Timestamp(row.int(1)?));
                    if !left.holds(id, at) {
                        return Ok(());
                    }
                    let node = match last {
                        Some((last, node)) if last == id => node,
                        _ => {
                            nodes.get(&id).ok_or_else(|| Error::internal("samples of a node that was not asked for"))?
                        }
                    };
                    last = Some((id, node));
                    sums.add(place(node), at, row.real(2)?)
                })?;
            }
        }
        let (from, until) = sums.range();
        if from >= self.horizon {
            return Ok(());
        }
        for (from, until) in left.ranges((from, until.min(self.horizon))) {
            self.deadline.check()?;
            let range = hours_between(from, until);
            let mut each = |id: i64, moments: &Moments| match nodes.get(&id) {
                Some(node) if left.holds(id, moments.first) => whole(sums.offer(place(node), moments)?, self.horizon),
                _ => Ok(()),
            };
            match rollups {
                Rollups::Series => {
                    hours::scan(self.connection, &nodes_left, range, |id, _, hour| each(node_of(id), hour))?;
                }
                Rollups::Streams => hours::scan_streams(self.connection, &nodes_left, range, each)?,
            }
        }
        Ok(())
    }

    /// All series of streams, each with its stream.
    fn series_of(&mut self, streams: &[i64]) -> Result<HashMap<i64, i64>> {
        let mut found = HashMap::new();
        samples::for_each_id(
            self.connection,
            "SELECT id, stream FROM telemetry_series WHERE stream IN ",
            streams.iter().copied(),
            |row| {
                found.insert(row.int(0)?, row.int(1)?);
                Ok(())
            },
        )?;
        Ok(found)
    }

    /// Adds the samples of series whose metadata changes, one by one, and their hours.
    fn mixed<F: FnMut(&Json) -> Option<Vec<Option<String>>>>(
        &mut self,
        sums: &mut Sums,
        mixed: &HashMap<i64, Mixed>,
        memo: &mut Memo<Option<Vec<Option<String>>>, F>,
    ) -> Result<()> {
        let (from, until) = sums.range();
        let range = [Value::Int(from.0), Value::Int(until.0)];
        for id in sorted(mixed.keys().copied()) {
            self.deadline.check()?;
            let Some(series) = mixed.get(&id) else { continue };
            let sql = "SELECT DISTINCT metadata FROM telemetry_sample WHERE at >= ? AND at < ? AND series = ?";
            let mut values = range.to_vec();
            values.push(id.into());
            let mut bodies = self.connection.rows(sql, &values, |row| row.int(0))?;
            let mut hours: Vec<(i64, Moments)> = Vec::new();
            if from < self.horizon {
                hours::scan(self.connection, &[id], hours_between(from, until), |_, metadata, moments| {
                    hours.push((metadata, *moments));
                    Ok(())
                })?;
                bodies = sorted(bodies.into_iter().chain(hours.iter().map(|(metadata, _)| *metadata)));
            }
            let mut places: HashMap<i64, Node> = HashMap::new();
            for chunk in bodies.chunks(AT_A_TIME) {
                memo.learn(self.connection, chunk.iter().copied())?;
                for body in chunk {
                    let Some(Some(by_metadata)) = memo.known(*body) else { continue };
                    let by_metadata = Some(by_metadata.clone());
                    if let Some(stream) = self.streams.get(&series.stream) {
                        let resource = Some(series.resource.as_str());
                        places.insert(*body, self.nodes.node(self.question, sums, stream, resource, by_metadata));
                    }
                }
            }
            let sql = "SELECT at, volume, metadata FROM telemetry_sample WHERE at >= ? AND at < ? AND series = ?";
            self.connection.query(sql, &values, |row| match places.get(&row.int(2)?) {
                Some(node) => sums.add(place(node), Timestamp(row.int(0)?), row.real(1)?),
                None => Ok(()),
            })?;
            for (metadata, hour) in hours {
                if let Some(node) = places.get(&metadata) {
                    whole(sums.offer(place(node), &hour)?, self.horizon)?;
                }
            }
        }
        Ok(())
    }
}

/// The numbers of the hours that hold instants of a range that is not empty.
fn hours_between(from: Timestamp, until: Timestamp) -> (i64, i64) {
    (Level::Hour.cell(from), Level::Hour.cell(Timestamp(until.0.saturating_sub(1))))
}

/// Refuses a question that divides an hour which is all that is left of its samples.
fn whole(verdict: Verdict, horizon: Timestamp) -> Result<()> {
    match verdict {
        Verdict::Split => Err(Error::invalid(format!(
            "The samples before {} are kept by the hour: ask for a period of whole hours, or for a later time.",
            horizon.iso_short()
        ))),
        Verdict::Added | Verdict::Outside => Ok(()),
    }
}

struct SeriesRow {
    id: i64,
    stream: i64,
    resource: String,
    metadata: i64,
    mixed: bool,
    open_day: i64,
    open: Moments,
}

/// The values of those groupings that are by metadata: texts as they are, other values as JSON, nothing where there is none.
fn values_of(body: &Json, groupings: &[Grouping]) -> Vec<Option<String>> {
    let value = |by: &Grouping| match by {
        Grouping::Metadata(key) => Some(match metadata::entry(body, key) {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        }),
        _ => None,
    };
    groupings.iter().filter_map(value).collect()
}

fn sorted(ids: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn ints(values: &[i64]) -> Vec<Value<'static>> {
    values.iter().map(|value| Value::Int(*value)).collect()
}
