//! Statistics by one statement, where that is all they need: the rollups of whole cells that are few, or the samples of one resource
//! that are few. One statement is one unchanging view by itself. What it turns out to be not enough for is left to `statistics.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Result;
use crate::database::{Connection, Guesses, Value};
use crate::telemetry::model::cell::SECOND;
use crate::telemetry::model::{Level, Question};
use crate::time::Timestamp;

use super::nodes::{Node, Nodes, by_resource, is_by_metadata, is_by_series, place, sums};
use super::pieces::Turns;
use super::remembered::{Remembered, Series};
use super::rollups::{self, moments_of};
use super::scope::Scope;
use super::sql;
use super::sums::{Sums, Verdict};

/// Rows that are read at once; where there are more, they are worked on one by one as they come.
const MOST: usize = 5_000;
/// The same of series.
const MOST_SERIES: usize = 1_000;
/// The longest range of time of which samples are read, in microseconds: eight days. Days of rollups are quicker beyond it.
const LONGEST: i64 = 8 * 24 * 3_600 * SECOND;

/// The answer to a question; `None` where that needs more than one statement.
///
/// # Errors
/// `Invalid` where the answer has too many rows, else what the database gives.
pub(super) fn statistics<'t>(
    connection: &mut Connection,
    remembered: &Remembered,
    guesses: &Guesses,
    question: &Question,
    turns: Turns<'t>,
) -> Result<Option<Sums<'t>>> {
    let filter = &question.filter;
    if filter.begin() >= filter.end() {
        return Ok(Some(sums(question, None, Timestamp(i64::MIN), turns)));
    }
    let scope = Scope::of(filter);
    if is_by_metadata(question) {
        return Ok(None);
    }
    let all_time = filter.from.is_none() && filter.until.is_none();
    if is_by_series(question, &scope) {
        return match question.period {
            None if all_time => by_series(connection, remembered, &scope, question, turns),
            _ if scope.is_of_a_resource() => by_samples(connection, remembered, &scope, question, turns),
            _ => Ok(None),
        };
    }
    let Some(level) = fitting(question) else { return Ok(None) };
    // Where periods begin with the first sample, they fit the cells or not, and most likely as they did the last time.
    let guess = format!("statistics {:?} {:?}", filter.meter, question.period);
    if level != Level::All && guesses.holds(&guess) {
        return Ok(None);
    }
    let found = by_stream(connection, remembered, &scope, question, level, turns)?;
    guesses.found(&guess, found.is_none());
    Ok(found)
}

/// The longest cells that no edge of a question divides, as far as can be told before.
fn fitting(question: &Question) -> Option<Level> {
    let filter = &question.filter;
    let Some(period) = question.period.map(|period| period.saturating_mul(SECOND)) else {
        let edges = [filter.from, filter.until];
        let levels: &[Level] = if edges == [None; 2] { &[Level::All] } else { &[Level::Day, Level::Hour] };
        return levels.iter().copied().find(|level| holds_whole(*level, edges.into_iter().flatten().map(|at| at.0)));
    };
    if question.start.is_none() && filter.from.is_some() {
        return None;
    }
    let edges = [filter.from, filter.until, question.start].into_iter().flatten().map(|at| at.0);
    [Level::Day, Level::Hour].into_iter().find(|level| holds_whole(*level, edges.clone().chain([period])))
}

/// Whether all of the instants and lengths are whole numbers of cells.
fn holds_whole(level: Level, mut edges: impl Iterator<Item = i64>) -> bool {
    level.length().is_none_or(|length| edges.all(|edge| edge.rem_euclid(length) == 0))
}

/// By cells of streams.
fn by_stream<'t>(
    connection: &mut Connection,
    remembered: &Remembered,
    scope: &Scope,
    question: &Question,
    level: Level,
    turns: Turns<'t>,
) -> Result<Option<Sums<'t>>> {
    let mut sql = format!(
        "SELECT r.node, {} FROM telemetry_stream g JOIN telemetry_stream_rollup r \
         ON r.node = g.id AND r.level = ? AND r.cell BETWEEN ? AND ?",
        moments_of("r")
    );
    let (begin, end) = (question.filter.begin(), question.filter.end());
    let (first, last) = (level.cell(begin), level.cell(Timestamp(end.0.saturating_sub(1))));
    let mut values = vec![Value::Int(level.code()), first.into(), last.into()];
    scope.limit_streams(&mut sql, &mut values);
    limit(&mut sql, MOST);
    let cells = connection.rows(&sql, &values, |row| Ok((row.int(0)?, rollups::read(row, 1)?)))?;
    if cells.len() > MOST {
        return Ok(None);
    }
    let first = cells.iter().map(|(_, moments)| moments.first).min();
    if question.period.is_some() && question.start.is_none() && !holds_whole(level, first.iter().map(|at| at.0)) {
        // Periods that begin there divide cells.
        return Ok(None);
    }
    let mut sums = sums(question, first, Timestamp(i64::MIN), turns);
    let streams = remembered.streams(connection, cells.iter().map(|(id, _)| *id))?;
    let mut nodes = Nodes::default();
    let node = |(id, stream): (&i64, &Arc<_>)| (*id, nodes.node(question, &mut sums, stream, None, None));
    let known: HashMap<i64, Node> = streams.iter().map(node).collect();
    for (id, moments) in &cells {
        let Some(node) = known.get(id) else { return Ok(None) };
        if sums.offer(place(node), moments)? == Verdict::Split {
            return Ok(None);
        }
    }
    Ok(Some(sums))
}

/// By all samples of series.
fn by_series<'t>(
    connection: &mut Connection,
    remembered: &Remembered,
    scope: &Scope,
    question: &Question,
    turns: Turns<'t>,
) -> Result<Option<Sums<'t>>> {
    let mut sql = format!(
        "SELECT s.stream, s.resource, {}, {} FROM telemetry_series s LEFT JOIN telemetry_series_rollup a \
         ON a.node = s.id AND a.level = ? AND a.cell = ? WHERE 1 = 1",
        moments_of("s"),
        moments_of("a")
    );
    let mut values = vec![Value::Int(Level::All.code()), Value::Int(0)];
    scope.limit_series(&mut sql, &mut values);
    limit(&mut sql, MOST_SERIES);
    let mut rows = Vec::new();
    connection.query(&sql, &values, |row| {
        // The latest day stands in the row of the series.
        let mut moments = rollups::read(row, 2)?;
        let closed = 2 + rollups::MOMENTS_WIDTH;
        if row.opt_int(closed)?.is_some() {
            moments.merge(&rollups::read(row, closed)?);
        }
        rows.push((row.int(0)?, row.int(1)?, moments));
        Ok(())
    })?;
    if rows.len() > MOST_SERIES {
        return Ok(None);
    }
    let first = rows.iter().map(|(.., moments)| moments.first).min();
    let mut sums = sums(question, first, Timestamp(i64::MIN), turns);
    let streams = remembered.streams(connection, rows.iter().map(|(stream, ..)| *stream))?;
    let named = rows.iter().filter(|_| by_resource(question)).map(|(_, resource, _)| *resource);
    let names = remembered.resources(connection, named)?;
    let mut nodes = Nodes::default();
    for (stream, resource, moments) in &rows {
        let name = names.get(resource);
        let Some(stream) = streams.get(stream).filter(|_| name.is_some() || !by_resource(question)) else {
            // It was removed since, with its resource.
            return Ok(None);
        };
        let node = nodes.node(question, &mut sums, stream, name.map(AsRef::as_ref), None);
        if sums.offer(place(&node), moments)? == Verdict::Split {
            return Ok(None);
        }
    }
    Ok(Some(sums))
}

/// By the samples of a resource, where all of the range are there.
///
/// Servers find samples along their index where the statement has the numbers of their series, and not where it looks for these. So
/// they are those of the last time, and the statement tells which they are now. Where that is not so, it is asked once more.
fn by_samples<'t>(
    connection: &mut Connection,
    remembered: &Remembered,
    scope: &Scope,
    question: &Question,
    turns: Turns<'t>,
) -> Result<Option<Sums<'t>>> {
    let (Some(from), Some(until)) = (question.filter.from, question.filter.until) else { return Ok(None) };
    if until.0.saturating_sub(from.0) > LONGEST || question.start.is_none() && question.period.is_some() {
        return Ok(None);
    }
    let mut find = "SELECT s.id FROM telemetry_series s WHERE 1 = 1".to_owned();
    let mut named = Vec::new();
    scope.limit_series(&mut find, &mut named);
    let key = format!("{named:?}{find}");
    let mut guess = match remembered.guess(&key) {
        Some(guess) => guess,
        None => {
            let mut series = connection.rows(&find, &named, |row| row.int(0))?;
            series.sort_unstable();
            series.into()
        }
    };
    let mut sql = "SELECT s.id, (SELECT MAX(h.raw_from) FROM telemetry_horizon h \
                   JOIN telemetry_stream g ON g.id = h.stream"
        .to_owned();
    let mut values = Vec::new();
    scope.limit_streams(&mut sql, &mut values);
    sql.push_str("), NULL FROM telemetry_series s WHERE 1 = 1");
    scope.limit_series(&mut sql, &mut values);
    sql.push_str(" UNION ALL SELECT series, at, volume FROM telemetry_sample WHERE at >= ? AND at < ? AND series IN ");
    values.extend([Value::Int(from.0), until.0.into()]);
    for _ in 0..2 {
        let Some(places) = [1, 4, 16].into_iter().find(|places| guess.len() <= *places) else { return Ok(None) };
        let mut sql = format!("{sql}{}", sql::marks(places));
        limit(&mut sql, MOST);
        let padded = guess.iter().copied().chain(std::iter::repeat(guess.first().copied().unwrap_or(0)));
        let values: Vec<Value<'_>> = values.iter().cloned().chain(padded.take(places).map(Value::Int)).collect();
        let (mut series, mut horizon) = (Vec::new(), i64::MIN);
        let mut rows: Vec<(i64, Timestamp, f64)> = Vec::new();
        connection.query(&sql, &values, |row| {
            match row.opt_real(2)? {
                Some(volume) => rows.push((row.int(0)?, Timestamp(row.int(1)?), volume)),
                None => {
                    series.push(row.int(0)?);
                    horizon = horizon.max(row.opt_int(1)?.unwrap_or(i64::MIN));
                }
            }
            Ok(())
        })?;
        if rows.len() + series.len() > MOST {
            return Ok(None);
        }
        series.sort_unstable();
        if *series != *guess {
            guess = series.into();
            continue;
        }
        remembered.found(key, guess);
        // Before that instant hours may be left of samples, and count too.
        if from.0 < horizon || question.start.is_some_and(|start| start.0 < horizon) {
            return Ok(None);
        }
        return of_samples(connection, remembered, question, &rows, turns);
    }
    // Series come faster than they are found.
    Ok(None)
}

fn of_samples<'t>(
    connection: &mut Connection,
    remembered: &Remembered,
    question: &Question,
    rows: &[(i64, Timestamp, f64)],
    turns: Turns<'t>,
) -> Result<Option<Sums<'t>>> {
    let first = rows.iter().map(|(_, at, _)| *at).min();
    let mut sums = sums(question, first, Timestamp(i64::MIN), turns);
    let known = remembered.series(connection, rows.iter().map(|(series, ..)| *series))?;
    let mut nodes = Nodes::default();
    let node = |(id, of): (&i64, &Series)| (*id, nodes.node(question, &mut sums, &of.stream, Some(&of.resource), None));
    let known: HashMap<i64, Node> = known.iter().map(node).collect();
    for (series, at, volume) in rows {
        let Some(node) = known.get(series) else { return Ok(None) };
        sums.add(place(node), *at, *volume)?;
    }
    Ok(Some(sums))
}

/// Appends that so many rows are enough, and one to tell that there are more.
fn limit(sql: &mut String, most: usize) {
    sql.push_str(&format!(" LIMIT {}", most + 1));
}
