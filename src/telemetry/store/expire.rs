//! Removes what is too old. Samples go by whole days (UTC), in one transaction for each day of each stream with its
//! rollups and hours, so that every answer stays exactly that of the samples that are there; events go some hundred at a time.
//! Rows of the dictionary that nothing names any more go after them (`sweep.rs`).

use std::collections::BTreeMap;

use crate::Result;
use crate::database::{Connection, Transaction, Value};
use crate::telemetry::model::{Level, Moments};
use crate::time::Timestamp;

use super::hours::{self, Past};
use super::rollups::{self, Changes, Rollups};
use super::{Store, sql};

/// Events that one transaction removes.
const EVENTS_AT_ONCE: i64 = 500;
/// Rows of the history of alarms that one transaction removes.
const HISTORY_AT_ONCE: u64 = 100;

impl Store {
    /// Removes the samples of whole days before the instants that `before` tells for the names of meters (`None`: all are
    /// kept), until `stopping`; how many went.
    ///
    /// # Errors
    /// What the database gives; what was removed before stays removed.
    pub fn expire_samples(
        &self,
        before: impl Fn(&str) -> Option<Timestamp>,
        stopping: impl Fn() -> bool,
    ) -> Result<u64> {
        let (mut gone, mut marked) = (0, false);
        let mut streams = self.database.read(oldest_of_streams)?;
        streams.extend(self.database.read(oldest_hours_of_streams)?);
        streams.sort_unstable();
        // The oldest of all comes first.
        streams.dedup_by_key(|(stream, ..)| *stream);
        for (stream, meter, oldest) in streams {
            let Some(before) = before(&meter) else { continue };
            // The day of the limit itself stays whole.
            let end = Level::Day.cell(before);
            let mut next = Some(oldest);
            while let Some(oldest) = next.filter(|oldest| Level::Day.cell(*oldest) < end) {
                if stopping() {
                    return Ok(gone);
                }
                if !marked {
                    self.sweep_is_due()?;
                    marked = true;
                }
                let day = Level::Day.cell(oldest);
                let (removed, rest) = self.database.write(|tx| expire_day(tx, stream, day))?;
                gone += removed;
                next = rest.filter(|rest| *rest > oldest);
            }
        }
        Ok(gone)
    }

    /// Removes the events before an instant, until `stopping`; how many went.
    ///
    /// # Errors
    /// As [`Store::expire_samples`].
    pub fn expire_events(&self, before: Timestamp, stopping: impl Fn() -> bool) -> Result<u64> {
        let mut gone = 0;
        while !stopping() {
            let removed = self.database.write(|tx| expire_events(tx, before))?;
            gone += removed;
            if removed == 0 {
                break;
            }
        }
        Ok(gone)
    }

    /// Removes the history of alarms before an instant, at most `most` rows of it, until `stopping`; how many went.
    ///
    /// # Errors
    /// As [`Store::expire_samples`].
    pub fn expire_alarm_history(
        &self,
        before: Timestamp,
        most: Option<u64>,
        stopping: impl Fn() -> bool,
    ) -> Result<u64> {
        let mut gone = 0;
        while !stopping() {
            let room = most.map_or(HISTORY_AT_ONCE, |most| most.saturating_sub(gone).min(HISTORY_AT_ONCE));
            let removed = self.database.write(|tx| expire_history(tx, before, room))?;
            gone += removed;
            if removed == 0 {
                break;
            }
        }
        Ok(gone)
    }
}

/// Each stream with the name of its meter and the time of its oldest sample that is there.
pub(super) fn oldest_of_streams(connection: &mut Connection) -> Result<Vec<(i64, String, Timestamp)>> {
    let statement = "SELECT g.id, m.name, MIN(s.oldest_at) FROM telemetry_series s JOIN telemetry_stream g ON g.id = s.stream \
                     JOIN telemetry_meter m ON m.id = g.meter GROUP BY g.id, m.name ORDER BY g.id";
    connection.rows(statement, &[], |row| Ok((row.int(0)?, row.string(1)?, Timestamp(row.int(2)?))))
}

/// As [`oldest_of_streams`], for samples of which hours are left.
fn oldest_hours_of_streams(connection: &mut Connection) -> Result<Vec<(i64, String, Timestamp)>> {
    let statement = "SELECT g.id, m.name, MIN(p.oldest_at) FROM telemetry_past p \
                     JOIN telemetry_series s ON s.id = p.series JOIN telemetry_stream g ON g.id = s.stream \
                     JOIN telemetry_meter m ON m.id = g.meter GROUP BY g.id, m.name ORDER BY g.id";
    connection.rows(statement, &[], |row| Ok((row.int(0)?, row.string(1)?, Timestamp(row.int(2)?))))
}

/// Where a day begins.
pub(super) fn begin_of(day: i64) -> i64 {
    day.saturating_mul(Level::Day.length().unwrap_or(i64::MAX))
}

/// A series that is older than a day.
struct Old {
    id: i64,
    /// Its newest sample, whether it is there or in an hour.
    newest: i64,
    /// Its hours.
    past: Option<Past>,
}

/// Removes the samples and hours of a stream up to the end of a day; how many samples went, and the time of the oldest one that
/// is left.
fn expire_day(tx: &mut Transaction<'_>, stream: i64, day: i64) -> Result<(u64, Option<Timestamp>)> {
    let end = begin_of(day.saturating_add(1));
    // Whoever writes samples of the stream holds this lock too.
    tx.query("SELECT id FROM telemetry_stream WHERE id = ? FOR UPDATE", &[stream.into()], |_| Ok(()))?;
    let find = format!(
        "SELECT s.id, s.newest_at, {} FROM telemetry_series s LEFT JOIN telemetry_past p ON p.series = s.id \
         WHERE s.stream = ? AND (s.oldest_at < ? OR p.oldest_at < ?)",
        Past::COLUMNS
    );
    let touched = tx.rows(&find, &[stream.into(), end.into(), end.into()], |row| {
        let past = Past::read(row, 2)?;
        let newest = row.int(1)?.max(past.map_or(i64::MIN, |past| past.newest.0));
        Ok(Old { id: row.int(0)?, newest, past })
    })?;
    let all: Vec<i64> = touched.iter().map(|old| old.id).collect();
    let (mut removed, mut of_hours) = (0, 0);
    let hour = Level::Hour.cell(Timestamp(end.saturating_sub(1)));
    for chunk in sql::chunks(&all, &[100, 10, 1]) {
        removed += run(tx, "DELETE FROM telemetry_sample WHERE at < ? AND series IN ", Some(end), chunk)?;
        hours::scan(tx, chunk, (i64::MIN, hour), |_, _, moments| {
            of_hours += u64::try_from(moments.count).unwrap_or(0);
            Ok(())
        })?;
        run(tx, "DELETE FROM telemetry_hour WHERE cell <= ? AND series IN ", Some(hour), chunk)?;
        let days = "DELETE FROM telemetry_series_rollup WHERE level = 1 AND cell <= ? AND node IN ";
        run(tx, days, Some(day), chunk)?;
        run(tx, "DELETE FROM telemetry_series_rollup WHERE level = 0 AND node IN ", None, chunk)?;
    }
    let empty: Vec<i64> = touched.iter().filter(|old| old.newest < end).map(|old| old.id).collect();
    for chunk in sql::chunks(&empty, &[100, 10, 1]) {
        run(tx, "DELETE FROM telemetry_series WHERE id IN ", None, chunk)?;
        run(tx, "DELETE FROM telemetry_past WHERE series IN ", None, chunk)?;
    }
    let rest: Vec<i64> = touched.iter().filter(|old| old.newest >= end).map(|old| old.id).collect();
    shorten(tx, &rest)?;
    for old in touched.iter().filter(|old| old.newest >= end) {
        if let Some(past) = old.past.filter(|past| past.oldest.0 < end) {
            hours::shorten(tx, old.id, past, end)?;
        }
    }
    if of_hours > 0 {
        hours::gone(tx, stream, of_hours)?;
    }
    total(tx, Rollups::Series, &rest, day)?;
    for (level, cell) in [(Level::Hour, hour), (Level::Day, day), (Level::All, 0)] {
        let statement = "DELETE FROM telemetry_stream_rollup WHERE node = ? AND level = ? AND cell <= ?";
        tx.execute(statement, &[stream.into(), level.code().into(), cell.into()])?;
    }
    total(tx, Rollups::Streams, &[stream], day)?;
    let oldest = "SELECT MIN(oldest_at) FROM telemetry_series WHERE stream = ?";
    let past =
        "SELECT MIN(p.oldest_at) FROM telemetry_series s JOIN telemetry_past p ON p.series = s.id WHERE s.stream = ?";
    let mut left = None;
    for find in [oldest, past] {
        let found = tx.row(find, &[stream.into()], |row| row.opt_int(0))?.flatten();
        left = left.into_iter().chain(found).min();
    }
    Ok((removed + of_hours, left.map(Timestamp)))
}

/// Runs a statement that ends with a list of numbers.
fn run(tx: &mut Transaction<'_>, start: &str, first: Option<i64>, ids: &[i64]) -> Result<u64> {
    let values: Vec<Value<'_>> = first.into_iter().chain(ids.iter().copied()).map(Value::Int).collect();
    tx.execute(&sql::repeat(start, &sql::marks(ids.len()), "", "", 1), &values)
}

/// Writes down the oldest sample that is there of series now, or that there is none.
pub(super) fn shorten(tx: &mut Transaction<'_>, series: &[i64]) -> Result<()> {
    for id in series {
        // One at a time, which is a look at the first sample in the order of the key.
        let find = "SELECT at FROM telemetry_sample WHERE series = ? ORDER BY series, at LIMIT 1";
        if let Some(oldest) = tx.row(find, &[(*id).into()], |row| row.int(0))? {
            let set = "UPDATE telemetry_series SET oldest_at = ? WHERE id = ?";
            tx.execute(set, &[oldest.into(), (*id).into()])?;
        } else {
            let (oldest, newest) = hours::EMPTY;
            let set = "UPDATE telemetry_series SET oldest_at = ?, newest_at = ? WHERE id = ?";
            tx.execute(set, &[oldest.into(), newest.into(), (*id).into()])?;
        }
    }
    Ok(())
}

/// Makes the moments of all time anew from those of the days after `day`.
fn total(tx: &mut Transaction<'_>, rollups: Rollups, nodes: &[i64], day: i64) -> Result<()> {
    let mut totals: BTreeMap<i64, Moments> = BTreeMap::new();
    let after = (day.saturating_add(1), i64::MAX);
    rollups::scan(tx, rollups, nodes, Level::Day, after, |node, _, moments| {
        totals.entry(node).or_default().merge(moments);
        Ok(())
    })?;
    let changes: Changes = totals.into_iter().map(|(node, moments)| ((node, Level::All, 0), moments)).collect();
    rollups::add(tx, rollups, &changes)
}

fn expire_events(tx: &mut Transaction<'_>, before: Timestamp) -> Result<u64> {
    let find = "SELECT id FROM telemetry_event WHERE generated < ? ORDER BY generated, id LIMIT ?";
    let ids = tx.rows(find, &[before.0.into(), EVENTS_AT_ONCE.into()], |row| row.int(0))?;
    let mut removed = 0;
    for chunk in sql::chunks(&ids, &[100, 10, 1]) {
        for start in [
            "DELETE FROM telemetry_event_text WHERE event IN ",
            "DELETE FROM telemetry_event_number WHERE event IN ",
            "DELETE FROM telemetry_event_real WHERE event IN ",
        ] {
            run(tx, start, None, chunk)?;
        }
        removed += run(tx, "DELETE FROM telemetry_event WHERE id IN ", None, chunk)?;
    }
    Ok(removed)
}

fn expire_history(tx: &mut Transaction<'_>, before: Timestamp, most: u64) -> Result<u64> {
    let find = "SELECT id FROM telemetry_alarm_change WHERE at < ? ORDER BY at, id LIMIT ?";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let ids = tx.rows(find, &[before.0.into(), most.into()], |row| row.int(0))?;
    let mut removed = 0;
    for chunk in sql::chunks(&ids, &[100, 10, 1]) {
        removed += run(tx, "DELETE FROM telemetry_alarm_change WHERE id IN ", None, chunk)?;
    }
    Ok(removed)
}
