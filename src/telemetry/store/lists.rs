//! Lists of meters and resources, read off the states of series: a list of a hundred costs the same however many there
//! are. Series lie in the order of their resources, so that a list is a walk along that order.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::database::{Connection, Value};
use crate::telemetry::model::{Filter, Level, Meter, MeterType, ResourceState, SeriesState};
use crate::time::Timestamp;
use crate::{Error, Result};

use super::deadline::Deadline;
use super::hours::{self, Past};
use super::metadata::{self, Memo};
use super::samples;
use super::scope::Scope;
use super::sql;

/// Resources that are read at a time.
const AT_A_TIME: usize = 100;

/// The newest state of each meter of each resource, at most `limit`.
///
/// # Errors
/// `Unavailable` where it takes too long, else what the database gives.
pub(super) fn meters(
    connection: &mut Connection,
    filter: &Filter,
    limit: usize,
    deadline: Deadline,
) -> Result<Vec<SeriesState>> {
    let mut walk = Walk::new(connection, filter, deadline)?;
    let mut memo = Memo::new(|body: &Json| metadata::passes(body, &filter.metadata));
    let mut states = Vec::new();
    while states.len() < limit {
        let group = walk.next(connection)?;
        if group.is_empty() {
            break;
        }
        let ids = group.iter().map(|series| series.id);
        let mut known = samples::series_of(connection, ids)?;
        if !filter.metadata.is_empty() {
            memo.learn(connection, group.iter().map(|series| series.metadata))?;
        }
        let mut newest: HashMap<(i64, Meter), &Series> = HashMap::new();
        let mut order = Vec::new();
        for series in &group {
            let Some((meter, ..)) = known.get(&series.id) else { continue };
            let place = newest.entry((series.resource, meter.clone())).or_insert_with_key(|key| {
                order.push(key.clone());
                series
            });
            if (series.newest, series.recorded_at) >= (place.newest, place.recorded_at) {
                *place = series;
            }
        }
        for key in order {
            let Some(series) = newest.get(&key) else { continue };
            let passes = filter.metadata.is_empty() || memo.known(series.metadata).is_some_and(|passes| *passes);
            if let Some((meter, resource_id, owner)) = known.remove(&series.id).filter(|_| passes) {
                states.push(SeriesState { meter, resource_id: Some(resource_id), owner: Some(owner) });
            }
        }
    }
    states.truncate(limit);
    Ok(states)
}

/// Each meter once, at most `limit`, without resource and owner.
///
/// # Errors
/// As [`meters`].
pub(super) fn unique_meters(
    connection: &mut Connection,
    filter: &Filter,
    limit: usize,
    deadline: Deadline,
) -> Result<Vec<SeriesState>> {
    let scope = Scope::of(connection, filter)?;
    if scope.nothing {
        return Ok(Vec::new());
    }
    let bare = |meter: Meter| SeriesState { meter, resource_id: None, owner: None };
    if scope.resource.is_some() || !filter.metadata.is_empty() {
        let mut unique: Vec<SeriesState> = Vec::new();
        for state in meters(connection, filter, usize::MAX, deadline)? {
            if unique.len() < limit && !unique.iter().any(|known| known.meter == state.meter) {
                unique.push(bare(state.meter));
            }
        }
        return Ok(unique);
    }
    let mut sql = "SELECT DISTINCT m.id, m.name, m.type, m.unit FROM telemetry_stream g".to_owned();
    let mut values = Vec::new();
    scope.limit_streams(&mut sql, &mut values);
    sql.push_str(" ORDER BY m.id LIMIT ?");
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    connection.rows(&sql, &values, |row| {
        let kind = MeterType::parse(row.text(2)?).ok_or_else(|| Error::internal("a meter of an unknown type"))?;
        Ok(bare(Meter { name: row.string(1)?, kind, unit: row.string(3)? }))
    })
}

/// Resources with samples that the filter means, at most `limit`. First and last sample, owner and metadata are those of
/// these samples; the meters are all that the resource has, with `meters`.
///
/// # Errors
/// As [`meters`].
pub(super) fn resources(
    connection: &mut Connection,
    filter: &Filter,
    limit: usize,
    meters: bool,
    deadline: Deadline,
) -> Result<Vec<ResourceState>> {
    let mut walk = Walk::new(connection, filter, deadline)?;
    let mut memo = Memo::new(|body: &Json| metadata::passes(body, &filter.metadata));
    let mut states = Vec::new();
    while states.len() < limit {
        let group = walk.next(connection)?;
        if group.is_empty() {
            break;
        }
        let mut spans: Vec<Span> = Vec::new();
        for series in &group {
            let Some(span) = span(connection, filter, series, &mut memo, deadline)? else { continue };
            match spans.last_mut().filter(|last| last.resource == span.resource) {
                Some(last) => last.join(span),
                None => spans.push(span),
            }
        }
        spans.truncate(limit - states.len());
        let names = if meters { walk.names(connection, &spans)? } else { HashMap::new() };
        let known = samples::series_of(connection, spans.iter().map(|span| span.series))?;
        let bodies = "SELECT id, body FROM telemetry_metadata WHERE id IN ";
        let bodies = samples::texts(connection, bodies, spans.iter().map(|span| span.metadata))?;
        for span in spans {
            let lost = || Error::internal("a series refers to a row of the dictionary that is not there");
            let (_, resource_id, owner) = known.get(&span.series).cloned().ok_or_else(lost)?;
            states.push(ResourceState {
                resource_id,
                owner,
                first_sample: span.first,
                last_sample: span.last,
                metadata: bodies.get(&span.metadata).cloned().ok_or_else(lost)?,
                meters: names.get(&span.resource).cloned().unwrap_or_default(),
            });
        }
    }
    Ok(states)
}

/// The state of a series.
#[derive(Debug, Clone)]
struct Series {
    id: i64,
    resource: i64,
    oldest: Timestamp,
    newest: Timestamp,
    recorded_at: Timestamp,
    metadata: i64,
    mixed: bool,
    /// Whether hours are left of some of its samples.
    hours: bool,
}

/// What a resource shows: the range of its samples, and the newest of them.
struct Span {
    resource: i64,
    first: Timestamp,
    last: Timestamp,
    /// When the newest sample arrived.
    recorded_at: Timestamp,
    /// The series of the newest sample.
    series: i64,
    metadata: i64,
}

impl Span {
    fn join(&mut self, other: Self) {
        let first = self.first.min(other.first);
        if (other.last, other.recorded_at) >= (self.last, self.recorded_at) {
            *self = other;
        }
        self.first = first;
    }
}

/// The samples of a series that the filter means, without reading them where the state is enough.
fn span<F: FnMut(&Json) -> bool>(
    connection: &mut Connection,
    filter: &Filter,
    series: &Series,
    memo: &mut Memo<bool, F>,
    deadline: Deadline,
) -> Result<Option<Span>> {
    let tested = !filter.metadata.is_empty();
    if tested && !series.mixed {
        memo.learn(connection, [series.metadata])?;
        if !memo.known(series.metadata).is_some_and(|passes| *passes) {
            return Ok(None);
        }
    }
    let inside = filter.spans(series.oldest) && filter.spans(series.newest);
    if inside && !(tested && series.mixed) {
        return Ok(Some(Span {
            resource: series.resource,
            first: series.oldest,
            last: series.newest,
            recorded_at: series.recorded_at,
            series: series.id,
            metadata: series.metadata,
        }));
    }
    deadline.check()?;
    let sql = "SELECT metadata, MIN(at), MAX(at) FROM telemetry_sample WHERE series = ? AND at >= ? AND at < ? \
               GROUP BY metadata ORDER BY MAX(at)";
    let values = [Value::Int(series.id), filter.begin().0.into(), filter.end().0.into()];
    let mut rows =
        connection.rows(sql, &values, |row| Ok((row.int(0)?, Timestamp(row.int(1)?), Timestamp(row.int(2)?))))?;
    if series.hours {
        let last = Level::Hour.cell(Timestamp(filter.end().0.saturating_sub(1)));
        let range = (Level::Hour.cell(filter.begin()), last);
        hours::scan(connection, &[series.id], range, |_, metadata, moments| {
            // Of an hour that the range divides nobody knows where its samples between the first and the last one lie.
            if moments.last >= filter.begin() && moments.first < filter.end() {
                rows.push((metadata, moments.first, moments.last));
            }
            Ok(())
        })?;
        rows.sort_by_key(|(.., last)| *last);
    }
    if tested {
        memo.learn(connection, rows.iter().map(|(metadata, ..)| *metadata))?;
    }
    let mut span: Option<Span> = None;
    for (metadata, first, last) in rows {
        if tested && !memo.known(metadata).is_some_and(|passes| *passes) {
            continue;
        }
        let (resource, recorded_at) = (series.resource, series.recorded_at);
        let one = Span { resource, first, last, recorded_at, series: series.id, metadata };
        match &mut span {
            Some(span) => span.join(one),
            None => span = Some(one),
        }
    }
    Ok(span)
}

/// A walk over the series of a scope, resource by resource.
struct Walk {
    scope: Scope,
    from: Timestamp,
    until: Timestamp,
    /// The last resource that was read.
    after: i64,
    deadline: Deadline,
}

impl Walk {
    fn new(connection: &mut Connection, filter: &Filter, deadline: Deadline) -> Result<Self> {
        let scope = Scope::of(connection, filter)?;
        let after = if scope.nothing { i64::MAX } else { i64::MIN };
        Ok(Self { scope, from: filter.begin(), until: filter.end(), after, deadline })
    }

    /// All series of the next resources, in the order of resources; none after the last one.
    fn next(&mut self, connection: &mut Connection) -> Result<Vec<Series>> {
        self.deadline.check()?;
        if self.after == i64::MAX {
            return Ok(Vec::new());
        }
        let mut sql =
            "SELECT DISTINCT s.resource FROM telemetry_series s LEFT JOIN telemetry_past p ON p.series = s.id \
                       WHERE s.resource > ?"
                .to_owned();
        let mut values = vec![Value::Int(self.after)];
        self.limit_spans(&mut sql, &mut values);
        self.scope.limit_series(&mut sql, &mut values);
        sql.push_str(" ORDER BY s.resource LIMIT ?");
        values.push(i64::try_from(AT_A_TIME).unwrap_or(i64::MAX).into());
        let resources = connection.rows(&sql, &values, |row| row.int(0))?;
        self.after = resources.last().copied().filter(|_| resources.len() == AT_A_TIME).unwrap_or(i64::MAX);
        let mut found = Vec::new();
        let columns = format!(
            "SELECT s.id, s.resource, s.oldest_at, s.newest_at, s.recorded_at, s.metadata, s.mixed, {} \
             FROM telemetry_series s LEFT JOIN telemetry_past p ON p.series = s.id WHERE s.resource IN ",
            Past::COLUMNS
        );
        for chunk in sql::chunks(&resources, &[100, 10, 1]) {
            let mut sql = sql::repeat(&columns, &sql::marks(chunk.len()), "", "", 1);
            let mut values: Vec<Value<'static>> = chunk.iter().map(|id| Value::Int(*id)).collect();
            self.limit_spans(&mut sql, &mut values);
            self.scope.limit_found_series(&mut sql, &mut values);
            sql.push_str(" ORDER BY s.resource, s.stream");
            connection.query(&sql, &values, |row| {
                // A series without samples that are there has an empty span.
                let mut span = Past {
                    oldest: Timestamp(row.int(2)?),
                    newest: Timestamp(row.int(3)?),
                    recorded_at: Timestamp(row.int(4)?),
                    metadata: row.int(5)?,
                };
                let past = Past::read(row, 7)?;
                past.into_iter().for_each(|past| span.join(past));
                found.push(Series {
                    id: row.int(0)?,
                    resource: row.int(1)?,
                    oldest: span.oldest,
                    newest: span.newest,
                    recorded_at: span.recorded_at,
                    metadata: span.metadata,
                    mixed: row.int(6)? != 0,
                    hours: past.is_some(),
                });
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Appends that a series has samples or hours in the range.
    fn limit_spans(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        sql.push_str(" AND ((s.newest_at >= ? AND s.oldest_at < ?) OR (p.newest_at >= ? AND p.oldest_at < ?))");
        values.extend([self.from.0, self.until.0, self.from.0, self.until.0].map(Value::Int));
    }

    /// The names of all meters of resources, sorted; of a project's own where the scope is a project's.
    fn names(&self, connection: &mut Connection, spans: &[Span]) -> Result<HashMap<i64, Vec<String>>> {
        let resources: Vec<i64> = spans.iter().map(|span| span.resource).collect();
        let mut names: HashMap<i64, Vec<String>> = HashMap::new();
        for chunk in sql::chunks(&resources, &[100, 10, 1]) {
            let mut sql = sql::repeat(
                "SELECT DISTINCT s.resource, m.name FROM telemetry_series s JOIN telemetry_stream g ON g.id = s.stream \
                 JOIN telemetry_meter m ON m.id = g.meter WHERE s.resource IN ",
                &sql::marks(chunk.len()),
                "",
                "",
                1,
            );
            let mut values: Vec<Value<'static>> = chunk.iter().map(|id| Value::Int(*id)).collect();
            if let Some(project) = self.scope.project {
                sql.push_str(" AND s.project + 0 = ?");
                values.push(project.into());
            }
            sql.push_str(" ORDER BY s.resource, m.name");
            connection.query(&sql, &values, |row| {
                names.entry(row.int(0)?).or_default().push(row.string(1)?);
                Ok(())
            })?;
        }
        Ok(names)
    }
}
