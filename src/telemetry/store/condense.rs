//! Puts samples that are old enough together by the hour (`hours.rs`), some thousand in a transaction. Rollups hold them on,
//! so that every statistic of whole hours stays what it was.

use std::collections::BTreeMap;

use super::Store;
use super::expire;
use super::hours::{self, Past};
use super::record::MILLISECOND;
use crate::Result;
use crate::database::{Connection, Transaction};
use crate::service::fault;
use crate::telemetry::model::{Level, Moments};
use crate::time::Timestamp;

/// Samples that one transaction puts together; a few more where some are of the same instant.
const AT_ONCE: usize = 2_000;

impl Store {
    /// Puts the samples of whole days before the instants that `before` tells for the names of meters (`None`: all are
    /// kept) together by the hour, until `stopping`; how many.
    ///
    /// # Errors
    /// What the database gives; what was done before stays done.
    pub fn condense_samples(
        &self,
        before: impl Fn(&str) -> Option<Timestamp>,
        stopping: impl Fn() -> bool,
    ) -> Result<u64> {
        let (mut condensed, mut marked) = (0, false);
        for (stream, meter, oldest) in self.database.read(expire::oldest_of_streams)? {
            let Some(before) = before(&meter) else { continue };
            // The day of the limit itself stays as it is.
            let end = expire::begin_of(Level::Day.cell(before));
            if oldest.0 >= end {
                continue;
            }
            let all = self.database.read(|connection| series_before(connection, stream, end))?;
            let mut rest = all.as_slice();
            while !rest.is_empty() {
                if stopping() {
                    return Ok(condensed);
                }
                if !marked {
                    self.sweep_is_due()?;
                    marked = true;
                }
                let (samples, done) = self.database.write(|tx| condense(tx, stream, end, rest))?;
                condensed += samples;
                rest = rest.get(done..).unwrap_or_default();
            }
        }
        Ok(condensed)
    }
}

/// The series of a stream with samples before an instant.
fn series_before(connection: &mut Connection, stream: i64, end: i64) -> Result<Vec<i64>> {
    let find = "SELECT id FROM telemetry_series WHERE stream = ? AND oldest_at < ? ORDER BY id";
    connection.rows(find, &[stream.into(), end.into()], |row| row.int(0))
}

/// A sample that is about to go.
struct Row {
    at: i64,
    volume: f64,
    recorded_at: i64,
    metadata: i64,
}

/// Puts samples of the first of `series` together; how many, and how many of the series have none left before `end`.
fn condense(tx: &mut Transaction<'_>, stream: i64, end: i64, series: &[i64]) -> Result<(u64, usize)> {
    // Whoever writes samples of the stream holds this lock too.
    tx.query("SELECT id FROM telemetry_stream WHERE id = ? FOR UPDATE", &[stream.into()], |_| Ok(()))?;
    let (mut changes, mut samples, mut done) = (BTreeMap::new(), 0, 0);
    for id in series {
        let room = AT_ONCE.saturating_sub(samples);
        if room == 0 {
            break;
        }
        let (rows, until) = oldest(tx, *id, end, room)?;
        take(tx, *id, end, &rows, until)?;
        for row in &rows {
            let key = (*id, Level::Hour.cell(Timestamp(row.at)), row.metadata);
            changes.entry(key).or_insert_with(Moments::default).add(Timestamp(row.at), row.volume);
        }
        samples += rows.len();
        if until < end {
            break;
        }
        done += 1;
    }
    hours::add(tx, &changes)?;
    let samples = u64::try_from(samples).unwrap_or(u64::MAX);
    hours::move_horizon(tx, stream, end, samples)?;
    fault::point("telemetry.condense.before_commit");
    Ok((samples, done))
}

/// The oldest samples of a series, about `most` of those before `end`; and an instant before which there are no others.
fn oldest(tx: &mut Transaction<'_>, series: i64, end: i64, most: usize) -> Result<(Vec<Row>, i64)> {
    let read = |row: &crate::database::Row<'_>| {
        let (at, delay) = (row.int(0)?, row.int(2)?);
        let recorded_at = at.saturating_add(delay.saturating_mul(MILLISECOND));
        Ok(Row { at, volume: row.real(1)?, recorded_at, metadata: row.int(3)? })
    };
    let columns = "SELECT at, volume, delay, metadata FROM telemetry_sample WHERE series = ? AND at < ?";
    let some = format!("{columns} ORDER BY series, at LIMIT ?");
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = tx.rows(&some, &[series.into(), end.into(), limit.saturating_add(1).into()], read)?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok((rows, end)) };
    if rows.len() <= most {
        return Ok((rows, end));
    }
    // Samples of one instant go together, or nobody could tell which of them have gone.
    let until = if first.at < last.at { last.at } else { last.at.saturating_add(1) };
    if first.at < last.at {
        rows.retain(|row| row.at < until);
    } else {
        rows = tx.rows(columns, &[series.into(), until.into()], read)?;
    }
    Ok((rows, until))
}

/// Removes these samples of a series, all of them before `until`, and writes down what there is of it now.
fn take(tx: &mut Transaction<'_>, series: i64, end: i64, rows: &[Row], until: i64) -> Result<()> {
    let Some(newest) = rows.iter().max_by_key(|row| (row.at, row.recorded_at)) else { return Ok(()) };
    let first = rows.iter().map(|row| row.at).min().unwrap_or(newest.at);
    let mut past = Past {
        oldest: Timestamp(first),
        newest: Timestamp(newest.at),
        recorded_at: Timestamp(newest.recorded_at),
        metadata: newest.metadata,
    };
    let remove = "DELETE FROM telemetry_sample WHERE series = ? AND at < ?";
    tx.execute(remove, &[series.into(), until.into()])?;
    let find = "SELECT newest_at, recorded_at, metadata FROM telemetry_series WHERE id = ?";
    let state = tx.row(find, &[series.into()], |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)))?;
    // Of samples of one instant, and to the microsecond, the series knows which is the newest.
    if let Some((_, recorded_at, metadata)) = state.filter(|(at, ..)| *at == newest.at && until >= end) {
        (past.recorded_at, past.metadata) = (Timestamp(recorded_at), metadata);
    }
    expire::shorten(tx, &[series])?;
    hours::widen(tx, series, past)
}
