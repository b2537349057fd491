//! Lists of meters and resources, read off the states of series: a list of a hundred costs the same however many there
//! are. Series lie in the order of their resources, so that a list is a walk along that order. Where one step of it is the whole
//! list, one statement is: what else the list shows never changes, and is remembered.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::database::{Connection, Value};
use crate::telemetry::model::{Filter, Level, Meter, MeterType, ResourceState, SeriesState};
use crate::time::Timestamp;
use crate::{Error, Result};

use super::deadline::Deadline;
use super::hours::{self, Past};
use super::metadata::{self, Memo};
use super::remembered::Remembered;
use super::scope::{METER, Scope};
use super::{View, sql};

/// Resources that are read at a time: the most of them, and fewer where fewer are wanted. The numbers stand in the statements, so
/// that servers plan for them.
const AT_A_TIME: [usize; 3] = [100, 10, 1];

/// Gives the newest state of each meter of each resource, at most `limit`, some at a time; `None` where more than the `view` is needed.
///
/// # Errors
/// `Unavailable` where it takes too long, else what the database gives.
pub(super) fn meters(
    connection: &mut Connection,
    remembered: &Remembered,
    (filter, limit): (&Filter, usize),
    deadline: Deadline,
    view: View,
    give: &mut dyn FnMut(Vec<SeriesState>) -> Result<()>,
) -> Result<Option<()>> {
    if view == View::Statement && !filter.metadata.is_empty() {
        return Ok(None);
    }
    let Some(mut walk) = Walk::new(filter, limit, deadline, view) else { return Ok(None) };
    let mut memo = Memo::new(|body: &Json| metadata::passes(body, &filter.metadata));
    let mut left = limit;
    while left > 0 {
        let Some(group) = walk.next(connection)? else { return Ok(None) };
        if group.is_empty() {
            break;
        }
        let streams = remembered.streams(connection, group.iter().map(|series| series.stream))?;
        if !filter.metadata.is_empty() {
            memo.learn(connection, group.iter().map(|series| series.metadata))?;
        }
        let mut newest: HashMap<(i64, &Meter), &Series> = HashMap::new();
        let mut order = Vec::new();
        for series in &group {
            let Some(stream) = streams.get(&series.stream) else { continue };
            let place = newest.entry((series.resource, &stream.meter)).or_insert_with_key(|key| {
                order.push(*key);
                series
            });
            if (series.newest, series.recorded_at) >= (place.newest, place.recorded_at) {
                *place = series;
            }
        }
        let shown = order
            .iter()
            .filter_map(|key| newest.get(key))
            .filter(|series| filter.metadata.is_empty() || memo.known(series.metadata).is_some_and(|passes| *passes));
        let shown: Vec<&Series> = shown.copied().take(left).collect();
        left -= shown.len();
        let mut states = Vec::with_capacity(shown.len());
        let names = remembered.resources(connection, shown.iter().map(|series| series.resource))?;
        for series in shown {
            let (Some(stream), Some(name)) = (streams.get(&series.stream), names.get(&series.resource)) else {
                return view.lacks("a series refers to a row of the dictionary that is not there");
            };
            let (meter, resource_id) = (stream.meter.clone(), Some(name.to_string()));
            states.push(SeriesState { meter, resource_id, owner: Some(stream.owner.clone()) });
        }
        give(states)?;
    }
    Ok(Some(()))
}

/// Gives each meter once, at most `limit`, without resource and owner; `None` as of [`meters`].
///
/// # Errors
/// As [`meters`].
pub(super) fn unique_meters(
    connection: &mut Connection,
    remembered: &Remembered,
    (filter, limit): (&Filter, usize),
    deadline: Deadline,
    view: View,
    give: &mut dyn FnMut(Vec<SeriesState>) -> Result<()>,
) -> Result<Option<()>> {
    let scope = Scope::of(filter);
    let bare = |meter: Meter| SeriesState { meter, resource_id: None, owner: None };
    if scope.is_of_a_resource() || !filter.metadata.is_empty() {
        let mut unique: Vec<SeriesState> = Vec::new();
        let mut keep = |states: Vec<SeriesState>| {
            for state in states {
                if unique.len() < limit && !unique.iter().any(|known| known.meter == state.meter) {
                    unique.push(bare(state.meter));
                }
            }
            Ok(())
        };
        let all = meters(connection, remembered, (filter, usize::MAX), deadline, view, &mut keep)?;
        return all.map(|()| give(unique)).transpose();
    }
    let mut sql = format!("SELECT DISTINCT m.id, m.name, m.type, m.unit FROM telemetry_stream g{METER}");
    let mut values = Vec::new();
    scope.limit_streams_of_meters(&mut sql, &mut values);
    sql.push_str(" ORDER BY m.id LIMIT ?");
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let rows = connection.rows(&sql, &values, |row| {
        let kind = MeterType::parse(row.text(2)?).ok_or_else(|| Error::internal("a meter of an unknown type"))?;
        Ok(bare(Meter { name: row.string(1)?, kind, unit: row.string(3)? }))
    })?;
    give(rows).map(Some)
}

/// Gives resources with samples that the filter means, at most `limit`, some at a time. First and last sample, owner and metadata
/// are those of these samples; the meters are all that the resource has, with `meters`. `None` as of [`meters`].
///
/// # Errors
/// As [`meters`].
pub(super) fn resources(
    connection: &mut Connection,
    remembered: &Remembered,
    (filter, limit, meters): (&Filter, usize, bool),
    deadline: Deadline,
    view: View,
    give: &mut dyn FnMut(Vec<ResourceState>) -> Result<()>,
) -> Result<Option<()>> {
    let Some(mut walk) = Walk::new(filter, limit, deadline, view) else { return Ok(None) };
    let all_time = filter.from.is_none() && filter.until.is_none() && filter.metadata.is_empty();
    // Then all series of a resource are met on the walk, and their states are enough.
    let met = all_time && walk.scope.has_all_meters();
    if view == View::Statement && !(all_time && (met || !meters)) {
        return Ok(None);
    }
    let mut memo = Memo::new(|body: &Json| metadata::passes(body, &filter.metadata));
    let mut left = limit;
    while left > 0 {
        let Some(group) = walk.next(connection)? else { return Ok(None) };
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
        spans.truncate(left);
        left -= spans.len();
        let mut states = Vec::with_capacity(spans.len());
        let streams = group.iter().filter(|_| met && meters).map(|series| series.stream);
        let streams = remembered.streams(connection, streams.chain(spans.iter().map(|span| span.stream)))?;
        let mut names = if meters && !met { walk.names(connection, &spans)? } else { HashMap::new() };
        if meters && met {
            for series in &group {
                let stream = streams.get(&series.stream);
                names.entry(series.resource).or_default().extend(stream.map(|stream| stream.meter.name.clone()));
            }
        }
        let known = remembered.resources(connection, spans.iter().map(|span| span.resource))?;
        let bodies = remembered.metadata(connection, spans.iter().map(|span| span.metadata))?;
        for span in spans {
            let (Some(stream), Some(name), Some(body)) =
                (streams.get(&span.stream), known.get(&span.resource), bodies.get(&span.metadata))
            else {
                return view.lacks("a series refers to a row of the dictionary that is not there");
            };
            let mut meters = names.remove(&span.resource).unwrap_or_default();
            meters.sort_unstable();
            meters.dedup();
            states.push(ResourceState {
                resource_id: name.to_string(),
                owner: stream.owner.clone(),
                first_sample: span.first,
                last_sample: span.last,
                metadata: body.to_string(),
                meters,
            });
        }
        give(states)?;
    }
    Ok(Some(()))
}

/// The state of a series.
#[derive(Debug, Clone)]
struct Series {
    id: i64,
    stream: i64,
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
    /// The stream of the newest sample.
    stream: i64,
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
            stream: series.stream,
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
        let (resource, recorded_at, stream) = (series.resource, series.recorded_at, series.stream);
        let one = Span { resource, first, last, recorded_at, stream, metadata };
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
    /// Resources of a step.
    step: usize,
    deadline: Deadline,
    view: View,
}

impl Walk {
    /// A walk for so many resources at least; `None` where it is not likely to be of one step and the view holds no more.
    fn new(filter: &Filter, limit: usize, deadline: Deadline, view: View) -> Option<Self> {
        let scope = Scope::of(filter);
        // Fewer than that are there, and so the walk ends with its first step.
        let limit = if scope.is_of_a_resource() { limit.min(2) } else { limit };
        let fitting = AT_A_TIME.into_iter().rev().find(|step| limit <= *step);
        if view == View::Statement && fitting.is_none() {
            return None;
        }
        let [most, ..] = AT_A_TIME;
        let step = fitting.filter(|_| filter.metadata.is_empty()).unwrap_or(most);
        Some(Self { scope, from: filter.begin(), until: filter.end(), after: i64::MIN, step, deadline, view })
    }

    /// All series of the next resources, in the order of resources; none after the last one. `None` where the view holds no more.
    fn next(&mut self, connection: &mut Connection) -> Result<Option<Vec<Series>>> {
        self.deadline.check()?;
        if self.after == i64::MAX {
            return Ok(Some(Vec::new()));
        }
        if self.view == View::Statement && self.after > i64::MIN {
            return Ok(None);
        }
        // The resources come first in the join: engines know that they are few.
        let mut sql = format!(
            "SELECT s.id, s.resource, s.oldest_at, s.newest_at, s.recorded_at, s.metadata, s.mixed, s.stream, {} FROM \
             (SELECT DISTINCT s.resource FROM telemetry_series s{} WHERE s.resource > ?",
            Past::COLUMNS,
            if self.is_of_all_time() { "" } else { " LEFT JOIN telemetry_past p ON p.series = s.id" }
        );
        let mut values = vec![Value::Int(self.after)];
        self.limit_spans(&mut sql, &mut values);
        self.scope.limit_series(&mut sql, &mut values);
        sql.push_str(&format!(
            " ORDER BY s.resource LIMIT {}) AS d CROSS JOIN telemetry_series s \
             LEFT JOIN telemetry_past p ON p.series = s.id WHERE s.resource = d.resource",
            self.step
        ));
        self.limit_spans(&mut sql, &mut values);
        self.scope.limit_found_series(&mut sql, &mut values);
        sql.push_str(" ORDER BY s.resource, s.stream");
        let (mut found, mut resources) = (Vec::new(), 0);
        connection.query(&sql, &values, |row| {
            // A series without samples that are there has an empty span.
            let mut span = Past {
                oldest: Timestamp(row.int(2)?),
                newest: Timestamp(row.int(3)?),
                recorded_at: Timestamp(row.int(4)?),
                metadata: row.int(5)?,
            };
            let past = Past::read(row, 8)?;
            past.into_iter().for_each(|past| span.join(past));
            let resource = row.int(1)?;
            resources += usize::from(resource != self.after);
            self.after = resource;
            if span.oldest > span.newest {
                return Ok(());
            }
            found.push(Series {
                id: row.int(0)?,
                stream: row.int(7)?,
                resource,
                oldest: span.oldest,
                newest: span.newest,
                recorded_at: span.recorded_at,
                metadata: span.metadata,
                mixed: row.int(6)? != 0,
                hours: past.is_some(),
            });
            Ok(())
        })?;
        if resources < self.step {
            self.after = i64::MAX;
        } else if found.is_empty() {
            return self.next(connection);
        }
        Ok(Some(found))
    }

    fn is_of_all_time(&self) -> bool {
        self.from.0 == i64::MIN && self.until.0 == i64::MAX
    }

    /// Appends that a series has samples or hours in the range.
    fn limit_spans(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        if self.is_of_all_time() {
            return;
        }
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
            self.scope.limit_found_project(&mut sql, &mut values);
            sql.push_str(" ORDER BY s.resource, m.name");
            connection.query(&sql, &values, |row| {
                names.entry(row.int(0)?).or_default().push(row.string(1)?);
                Ok(())
            })?;
        }
        Ok(names)
    }
}
