//! Reads samples, newest first, without sorting more than is asked for: series are taken by their newest sample, and
//! none is read whose newest sample is older than the oldest one that the answer will hold.

use serde_json::Value as Json;

use crate::database::{Connection, Engine, Value};
use crate::telemetry::model::{Filter, Level, Sample};
use crate::time::Timestamp;
use crate::{Error, Result};

use super::deadline::Deadline;
use super::ids::{self, Ids};
use super::metadata::{self, Memo};
use super::pieces::PIECE;
use super::record::MILLISECOND;
use super::remembered::Remembered;
use super::scope::Scope;
use super::sql;

/// Among so many series with the newest samples of all, those of a scope are looked for; before that, among a few times as
/// many as are wanted.
const RECENT: i64 = 2_000;
/// Samples that are read of a series at a time where their metadata have to be looked at.
const PAGE: i64 = 200;

/// Gives the newest `limit` samples that the filter means, newest first, some at a time.
///
/// # Errors
/// `Unavailable` where it takes too long, else what the database gives.
pub(super) fn newest(
    connection: &mut Connection,
    remembered: &Remembered,
    filter: &Filter,
    limit: usize,
    deadline: Deadline,
    give: &mut dyn FnMut(Vec<Sample>) -> Result<()>,
) -> Result<()> {
    let scope = Scope::of(filter);
    if filter.begin() >= filter.end() || limit == 0 {
        return Ok(());
    }
    if let Some(id) = &filter.message_id {
        let found = by_message(connection, id)?;
        let series = in_scope(connection, &scope, found.map(|row| row.series))?;
        let row = found.filter(|row| series && filter.spans(row.at));
        let mut memo = tests(filter);
        memo.learn(connection, row.iter().map(|row| row.metadata))?;
        let row = row.filter(|row| memo.known(row.metadata).is_some_and(|passes| *passes));
        return give(complete(connection, remembered, row.as_slice())?);
    }
    let mut search = Search { connection, filter, limit, deadline, found: Vec::new(), floor: filter.begin() };
    search.run(&scope)?;
    let Search { found, .. } = search;
    for piece in found.chunks(PIECE) {
        deadline.check()?;
        give(complete(connection, remembered, piece)?)?;
    }
    Ok(())
}

/// A row of `telemetry_sample`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    pub(super) series: i64,
    pub(super) at: Timestamp,
    pub(super) tick: i64,
    pub(super) origin: i64,
    pub(super) volume: f64,
    pub(super) delay: i64,
    pub(super) metadata: i64,
}

impl Row {
    /// The columns that [`Row::read`] reads, in their order.
    pub(super) const COLUMNS: &str = "x.series, x.at, x.tick, x.origin, x.volume, x.delay, x.metadata";

    pub(super) fn read(row: &crate::database::Row<'_>) -> Result<Self> {
        Ok(Self {
            series: row.int(0)?,
            at: Timestamp(row.int(1)?),
            tick: row.int(2)?,
            origin: row.int(3)?,
            volume: row.real(4)?,
            delay: row.int(5)?,
            metadata: row.int(6)?,
        })
    }

    fn recorded_at(&self) -> Timestamp {
        Timestamp(self.at.0.saturating_add(self.delay.saturating_mul(MILLISECOND)))
    }
}

/// A series that may hold samples of the answer.
struct Candidate {
    series: i64,
    newest: Timestamp,
    /// Whether each sample's metadata have to be looked at.
    look: bool,
}

/// The samples of a series, newest first, page by page.
pub(super) struct Pages {
    series: i64,
    /// The last sample that was read: time, tick, origin.
    last: (i64, i64, i64),
}

impl Pages {
    /// The samples before `end`.
    pub(super) fn new(series: i64, end: Timestamp) -> Self {
        Self { series, last: (end.0, i64::MIN, i64::MIN) }
    }

    /// The next samples that are not older than `floor`; none after the last one.
    pub(super) fn next(&mut self, connection: &mut Connection, floor: Timestamp) -> Result<Vec<Row>> {
        let sql = format!(
            "SELECT {} FROM telemetry_sample x WHERE x.series = ? AND x.at >= ? AND x.at <= ? \
             AND (x.at < ? OR x.tick < ? OR (x.tick = ? AND x.origin < ?)) \
             ORDER BY x.at DESC, x.tick DESC, x.origin DESC LIMIT ?",
            Row::COLUMNS
        );
        let (at, tick, origin) = self.last;
        let values = [self.series, floor.0, at, at, tick, tick, origin, PAGE].map(Value::Int);
        let rows = connection.rows(&sql, &values, Row::read)?;
        if let Some(last) = rows.last() {
            self.last = (last.at.0, last.tick, last.origin);
        }
        Ok(rows)
    }
}

/// The series of a scope with samples in the range of the filter, and their newest samples; the newest ones first.
pub(super) fn series_by_age(
    connection: &mut Connection,
    scope: &Scope,
    filter: &Filter,
) -> Result<Vec<(i64, Timestamp)>> {
    let mut sql =
        "SELECT s.id, s.newest_at FROM telemetry_series s WHERE s.newest_at >= ? AND s.oldest_at < ?".to_owned();
    let mut values = vec![Value::Int(filter.begin().0), filter.end().0.into()];
    scope.limit_series(&mut sql, &mut values);
    sql.push_str(" ORDER BY s.newest_at DESC");
    connection.rows(&sql, &values, |row| Ok((row.int(0)?, Timestamp(row.int(1)?))))
}

struct Search<'a> {
    connection: &'a mut Connection,
    filter: &'a Filter,
    limit: usize,
    deadline: Deadline,
    /// The newest samples so far, newest first, at most `limit`.
    found: Vec<Row>,
    /// Older samples are of no more use.
    floor: Timestamp,
}

impl Search<'_> {
    fn run(&mut self, scope: &Scope) -> Result<()> {
        let mut memo = tests(self.filter);
        let candidates = self.candidates(scope, &mut memo)?;
        // As many series, each with a sample at least as new as this: no older one gets into the answer.
        let enough = candidates.get(self.limit - 1).filter(|last| !last.look && self.filter.until.is_none());
        if let Some(last) = enough.filter(|_| candidates.iter().take(self.limit).all(|candidate| !candidate.look)) {
            self.floor = self.floor.max(last.newest);
        }
        let mut rest = candidates.as_slice();
        while let Some(first) = rest.first() {
            if first.newest < self.floor {
                break;
            }
            self.deadline.check()?;
            if first.look {
                self.look_through(first.series, &mut memo)?;
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let run = rest.iter().take_while(|candidate| !candidate.look && candidate.newest >= self.floor).count();
            let together = self.is_cheaper_together(first.newest);
            let sizes: &[usize] = if together { &[100, 10, 1] } else { &[16, 4, 1] };
            let size = sizes.iter().copied().find(|size| *size <= run).unwrap_or(1);
            let (chunk, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
            let ids: Vec<i64> = chunk.iter().map(|candidate| candidate.series).collect();
            let rows =
                if together { self.read_together(&ids)? } else { self.read(&ids, self.filter.end(), self.limit)? };
            self.keep(rows);
            rest = after;
        }
        Ok(())
    }

    /// Whether all samples since the floor are better read than the newest ones of each series apart. For a server each part
    /// of a statement costs as much as many rows; the samples of an hour are not too many for it, whoever makes them.
    fn is_cheaper_together(&self, newest: Timestamp) -> bool {
        let newest = newest.min(self.filter.end());
        self.connection.engine() != Engine::Sqlite
            && Level::Hour.length().is_some_and(|hour| newest.0.saturating_sub(self.floor.0) <= hour)
    }

    /// The newest samples of these series together.
    fn read_together(&mut self, series: &[i64]) -> Result<Vec<Row>> {
        let sql = format!(
            "SELECT {} FROM telemetry_sample x WHERE x.at >= ? AND x.at < ? AND x.series IN {} \
             ORDER BY x.at DESC, x.tick DESC, x.origin DESC LIMIT ?",
            Row::COLUMNS,
            sql::marks(series.len())
        );
        let mut values = vec![Value::Int(self.floor.0), self.filter.end().0.into()];
        values.extend(series.iter().map(|series| Value::Int(*series)));
        values.push(i64::try_from(self.limit).unwrap_or(i64::MAX).into());
        self.connection.rows(&sql, &values, Row::read)
    }

    /// The newest `limit` samples before `end` of each of these series.
    fn read(&mut self, series: &[i64], end: Timestamp, limit: usize) -> Result<Vec<Row>> {
        let (floor, limit) = (self.floor.0, i64::try_from(limit).unwrap_or(i64::MAX));
        let newest = |series: &str| {
            let columns = Row::COLUMNS;
            format!(
                "SELECT {columns} FROM telemetry_sample x WHERE x.series = {series} AND x.at >= ? AND x.at < ? \
                 ORDER BY x.at DESC, x.tick DESC, x.origin DESC LIMIT ?"
            )
        };
        let (statement, values): (String, Vec<Value<'_>>) = match self.connection.engine() {
            // Each part of a statement would be a plan over all partitions of its own.
            Engine::Postgres => {
                let each = sql::repeat("(VALUES ", "(CAST(? AS BIGINT))", ", ", ") AS v (series)", series.len());
                let newest = newest("v.series");
                let ids = series.iter().copied().map(Value::Int);
                let range = [floor, end.0, limit].map(Value::Int);
                (format!("SELECT one.* FROM {each} CROSS JOIN LATERAL ({newest}) AS one"), ids.chain(range).collect())
            }
            Engine::Sqlite | Engine::Mysql => {
                let part = format!("SELECT * FROM ({}) AS one", newest("?"));
                let values = series.iter().flat_map(|series| [*series, floor, end.0, limit].map(Value::Int));
                (sql::repeat("", &part, " UNION ALL ", "", series.len()), values.collect())
            }
        };
        self.connection.rows(&statement, &values, Row::read)
    }

    /// Reads a series page by page, keeping the samples whose metadata pass.
    fn look_through<F: FnMut(&Json) -> bool>(&mut self, series: i64, memo: &mut Memo<bool, F>) -> Result<()> {
        let mut pages = Pages::new(series, self.filter.end());
        loop {
            self.deadline.check()?;
            let rows = pages.next(self.connection, self.floor)?;
            if rows.is_empty() {
                return Ok(());
            }
            memo.learn(self.connection, rows.iter().map(|row| row.metadata))?;
            let passes = |row: &&Row| memo.known(row.metadata).is_some_and(|passes| *passes);
            let passing = rows.iter().filter(passes).copied().collect();
            self.keep(passing);
        }
    }

    fn keep(&mut self, rows: Vec<Row>) {
        self.found.extend(rows);
        self.found.sort_by_key(|row| std::cmp::Reverse((row.at, row.tick, row.origin)));
        self.found.truncate(self.limit);
        if let Some(last) = self.found.last().filter(|_| self.found.len() == self.limit) {
            self.floor = self.floor.max(last.at);
        }
    }

    /// The series that may hold samples of the answer, those with the newest samples first.
    fn candidates<F: FnMut(&Json) -> bool>(
        &mut self,
        scope: &Scope,
        memo: &mut Memo<bool, F>,
    ) -> Result<Vec<Candidate>> {
        let tested = !self.filter.metadata.is_empty();
        if self.filter.until.is_some() && !scope.is_of_a_resource() && !tested {
            self.floor = self.floor.max(self.hours_back(scope)?);
        }
        let columns = "SELECT s.id, s.newest_at, s.metadata, s.mixed";
        let mut rows: Option<Vec<(i64, Timestamp, i64, bool)>> = None;
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let read =
            |row: &crate::database::Row<'_>| Ok((row.int(0)?, Timestamp(row.int(1)?), row.int(2)?, row.int(3)? != 0));
        let mut range = String::from(" AND s.newest_at >= ?");
        let mut times = vec![Value::Int(self.floor.0)];
        if let Some(until) = self.filter.until {
            range.push_str(" AND s.oldest_at < ?");
            times.push(until.0.into());
        } else if !tested && !scope.is_of_a_resource() {
            let few = limit.saturating_mul(2);
            let steps = if scope.is_everything() { [limit; 2] } else { [few, RECENT.max(few)] };
            for recent in steps {
                let mut sql = format!(
                    "{columns} FROM (SELECT id, newest_at, metadata, mixed, stream, resource, project FROM telemetry_series \
                     ORDER BY newest_at DESC LIMIT ?) AS s WHERE 1 = 1{range}"
                );
                let mut values = vec![Value::Int(recent)];
                values.extend(times.iter().cloned());
                scope.limit_found_series(&mut sql, &mut values);
                sql.push_str(" ORDER BY s.newest_at DESC LIMIT ?");
                values.push(limit.into());
                let found = self.connection.rows(&sql, &values, read)?;
                rows = Some(found).filter(|found| found.len() >= self.limit || scope.is_everything());
                if rows.is_some() {
                    break;
                }
            }
        }
        let rows = match rows {
            Some(rows) => rows,
            None => {
                let mut sql = format!("{columns} FROM telemetry_series s WHERE 1 = 1{range}");
                let mut values = times;
                scope.limit_series(&mut sql, &mut values);
                sql.push_str(" ORDER BY s.newest_at DESC");
                if self.filter.until.is_none() && !tested {
                    sql.push_str(" LIMIT ?");
                    values.push(limit.into());
                }
                self.connection.rows(&sql, &values, read)?
            }
        };
        let mut candidates = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(1_000) {
            if tested {
                memo.learn(self.connection, chunk.iter().map(|(_, _, metadata, _)| *metadata))?;
            }
            let fits = |metadata| !tested || memo.known(metadata).is_some_and(|passes| *passes);
            for (series, newest, metadata, mixed) in chunk {
                let look = tested && *mixed;
                if look || fits(*metadata) {
                    candidates.push(Candidate { series: *series, newest: *newest, look });
                }
            }
        }
        Ok(candidates)
    }

    /// A time such that enough samples of the scope lie between it and the end of the range, found by the hours of the
    /// streams; the begin of the range where there are not enough. Hours of which not all samples may be there count for nothing.
    fn hours_back(&mut self, scope: &Scope) -> Result<Timestamp> {
        let Some(length) = Level::Hour.length() else { return Ok(self.filter.begin()) };
        let last = Level::Hour.cell(Timestamp(self.filter.end().0.saturating_sub(1)));
        let wanted = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let mut span = 24;
        let (mut end, mut count) = (last, 0_i64);
        // Ten steps reach back for a hundred thousand years.
        for _ in 0..10 {
            let begin = last.saturating_sub(span);
            let mut sql =
                "SELECT r.cell, SUM(r.samples) FROM telemetry_stream_rollup r \
                           LEFT JOIN telemetry_horizon h ON h.stream = r.node WHERE r.level = ? AND r.cell >= ? \
                           AND r.cell < ? AND (h.raw_from IS NULL OR r.first_at >= h.raw_from) AND r.node IN (SELECT g.id FROM telemetry_stream g"
                    .to_owned();
            let mut values = vec![Value::Int(Level::Hour.code()), begin.into(), end.into()];
            scope.limit_streams(&mut sql, &mut values);
            sql.push_str(") GROUP BY r.cell ORDER BY r.cell DESC");
            let mut found = None;
            self.connection.query(&sql, &values, |row| {
                count = count.saturating_add(row.int(1)?);
                if count >= wanted && found.is_none() {
                    found = Some(row.int(0)?);
                }
                Ok(())
            })?;
            if let Some(cell) = found {
                return Ok(Timestamp(cell.saturating_mul(length)));
            }
            if Timestamp(begin.saturating_mul(length)) < self.filter.begin() {
                break;
            }
            (end, span) = (begin, span * 8);
        }
        Ok(self.filter.begin())
    }
}

fn tests(filter: &Filter) -> Memo<bool, impl FnMut(&Json) -> bool> {
    Memo::new(|body: &Json| metadata::passes(body, &filter.metadata))
}

/// The row of a sample by its id.
fn by_message(connection: &mut Connection, id: &str) -> Result<Option<Row>> {
    let Some((tick, origin)) = ids::find(connection, id)? else { return Ok(None) };
    let sql = format!("SELECT {} FROM telemetry_sample x WHERE x.tick = ? AND x.origin = ?", Row::COLUMNS);
    connection.row(&sql, &[tick.into(), origin.into()], Row::read)
}

/// Whether a series is in the scope.
fn in_scope(connection: &mut Connection, scope: &Scope, series: Option<i64>) -> Result<bool> {
    let Some(series) = series else { return Ok(false) };
    let mut sql = "SELECT s.id FROM telemetry_series s WHERE s.id = ?".to_owned();
    let mut values = vec![Value::Int(series)];
    scope.limit_series(&mut sql, &mut values);
    Ok(connection.row(&sql, &values, |row| row.int(0))?.is_some())
}

/// The samples of rows, with everything that the dictionary knows of them, in the order of the rows.
pub(super) fn complete(connection: &mut Connection, remembered: &Remembered, rows: &[Row]) -> Result<Vec<Sample>> {
    let series = remembered.series(connection, rows.iter().map(|row| row.series))?;
    let bodies = remembered.metadata(connection, rows.iter().map(|row| row.metadata))?;
    let ids = Ids::read(connection, remembered, rows.iter().map(|row| (row.tick, row.origin)))?;
    let lost = || Error::internal("a sample refers to a row of the dictionary that is not there");
    rows.iter()
        .map(|row| {
            let id = ids.text(row.tick, row.origin)?;
            let of = series.get(&row.series).ok_or_else(lost)?;
            let (meter, owner, resource_id) =
                (of.stream.meter.clone(), of.stream.owner.clone(), of.resource.to_string());
            let metadata = bodies.get(&row.metadata).ok_or_else(lost)?.to_string();
            let (timestamp, recorded_at) = (row.at, row.recorded_at());
            Ok(Sample { id, meter, resource_id, owner, timestamp, recorded_at, volume: row.volume, metadata })
        })
        .collect()
}

/// Calls `each` with the rows of `start` whose number is one of `ids`, which may repeat.
pub(super) fn for_each_id(
    connection: &mut Connection,
    start: &str,
    ids: impl IntoIterator<Item = i64>,
    mut each: impl FnMut(&crate::database::Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut ids: Vec<i64> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    for chunk in sql::chunks(&ids, &[100, 10, 1]) {
        let statement = sql::repeat(start, &sql::marks(chunk.len()), "", "", 1);
        let values: Vec<Value<'_>> = chunk.iter().map(|id| Value::Int(*id)).collect();
        connection.query(&statement, &values, &mut each)?;
    }
    Ok(())
}
