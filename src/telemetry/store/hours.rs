//! Hours in the place of samples: what is left of samples that are kept no longer one by one. A row holds the moments of those
//! samples of one series in one hour that had the same metadata, so that whole hours are answered as if the samples were
//! still there, whatever is asked of them. Rollups of series and streams hold these samples on, as those that are there.

use std::collections::BTreeMap;

use super::rollups::{self, MOMENTS, MOMENTS_WIDTH};
use super::schema::{self, number};
use super::sql;
use crate::Result;
use crate::database::migrate::Step;
use crate::database::table::{Table, big_int};
use crate::database::{Connection, Row, Transaction, Value};
use crate::telemetry::model::Moments;
use crate::time::Timestamp;

const HOUR: Table = Table::new(
    "telemetry_hour",
    "series, cell, metadata",
    &[&[number("series"), number("cell"), number("metadata")], schema::MOMENTS],
)
.clustered();

/// The span of a series' hours, with arrival and metadata of the newest sample in them. `telemetry_series` tells the span of the
/// samples that are there.
const PAST: Table = Table::new(
    "telemetry_past",
    "series",
    &[&[
        big_int("series").required(),
        number("oldest_at"),
        number("newest_at"),
        number("recorded_at"),
        number("metadata"),
    ]],
);

/// From `raw_from` on all samples of a stream are there; before it there may be hours. `samples` is how many these hold.
const HORIZON: Table = Table::new(
    "telemetry_horizon",
    "stream",
    &[&[big_int("stream").required(), number("raw_from"), number("samples")]],
);

/// The tables.
pub(super) const STEP: Step = Step { tables: &[&HOUR, &PAST, &HORIZON], indexes: &[], partitioned: &[] };

/// What a row of hours is for: series, hour, metadata.
pub(super) type Key = (i64, i64, i64);

/// The times of a series without samples that are there: no range of time holds it, and whatever comes is newer and older.
pub(super) const EMPTY: (i64, i64) = (i64::MAX, i64::MIN);

/// The span of a series' hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) oldest: Timestamp,
    pub(super) newest: Timestamp,
    /// When the newest sample arrived.
    pub(super) recorded_at: Timestamp,
    /// The metadata of the newest sample.
    pub(super) metadata: i64,
}

impl Past {
    /// The columns that [`Past::read`] reads of `telemetry_past p`, in their order.
    pub(super) const COLUMNS: &str = "p.oldest_at, p.newest_at, p.recorded_at, p.metadata";

    /// Reads what an outer join has found, from `column` on.
    pub(super) fn read(row: &Row<'_>, column: usize) -> Result<Option<Self>> {
        let Some(oldest) = row.opt_int(column)? else { return Ok(None) };
        Ok(Some(Self {
            oldest: Timestamp(oldest),
            newest: Timestamp(row.int(column + 1)?),
            recorded_at: Timestamp(row.int(column + 2)?),
            metadata: row.int(column + 3)?,
        }))
    }

    /// Takes a later or an earlier span in.
    pub(super) fn join(&mut self, other: Self) {
        let oldest = self.oldest.min(other.oldest);
        if (other.newest, other.recorded_at) >= (self.newest, self.recorded_at) {
            *self = other;
        }
        self.oldest = oldest;
    }
}

/// Adds moments to hours. The caller holds the lock of their stream.
pub(super) fn add(tx: &mut Transaction<'_>, changes: &BTreeMap<Key, Moments>) -> Result<()> {
    let mut rows = changes.clone();
    let keys: Vec<Key> = changes.keys().copied().collect();
    let start = format!("SELECT series, cell, metadata, {MOMENTS} FROM telemetry_hour WHERE ");
    for chunk in sql::chunks(&keys, &[16, 4, 1]) {
        let statement = sql::repeat(&start, "(series = ? AND cell = ? AND metadata = ?)", " OR ", "", chunk.len());
        let values: Vec<Value<'_>> =
            chunk.iter().flat_map(|(a, b, c)| [(*a).into(), (*b).into(), (*c).into()]).collect();
        tx.query(&statement, &values, |row| {
            if let Some(moments) = rows.get_mut(&(row.int(0)?, row.int(1)?, row.int(2)?)) {
                moments.merge(&rollups::read(row, 3)?);
            }
            Ok(())
        })?;
    }
    let rows: Vec<(Key, Moments)> = rows.into_iter().collect();
    let start = format!("INSERT INTO telemetry_hour (series, cell, metadata, {MOMENTS}) VALUES ");
    let end = format!(" ON CONFLICT (series, cell, metadata) DO UPDATE SET {}", rollups::REPLACED);
    for chunk in sql::chunks(&rows, &[32, 8, 3, 1]) {
        let statement = sql::repeat(&start, &sql::marks(3 + MOMENTS_WIDTH), ", ", &end, chunk.len());
        let mut values = Vec::with_capacity(chunk.len() * (3 + MOMENTS_WIDTH));
        for ((series, cell, metadata), moments) in chunk {
            values.extend([Value::Int(*series), Value::Int(*cell), Value::Int(*metadata)]);
            rollups::push(moments, &mut values);
        }
        tx.execute(&statement, &values)?;
    }
    Ok(())
}

/// Widens the span of a series' hours.
pub(super) fn widen(tx: &mut Transaction<'_>, series: i64, past: Past) -> Result<()> {
    let find = format!("SELECT {} FROM telemetry_past p WHERE p.series = ?", Past::COLUMNS);
    let mut whole = past;
    if let Some(mut found) = tx.row(&find, &[series.into()], |row| Past::read(row, 0))?.flatten() {
        found.join(past);
        whole = found;
    }
    let set = "INSERT INTO telemetry_past (series, oldest_at, newest_at, recorded_at, metadata) VALUES (?, ?, ?, ?, ?) \
               ON CONFLICT (series) DO UPDATE SET oldest_at = excluded.oldest_at, newest_at = excluded.newest_at, \
               recorded_at = excluded.recorded_at, metadata = excluded.metadata";
    let (span, metadata) = ([whole.oldest.0, whole.newest.0, whole.recorded_at.0], whole.metadata);
    let [oldest, newest, recorded_at] = span.map(Value::Int);
    tx.execute(set, &[series.into(), oldest, newest, recorded_at, metadata.into()]).map(|_| ())
}

/// Writes down the span of a series' hours once those before `end` have gone.
pub(super) fn shorten(tx: &mut Transaction<'_>, series: i64, past: Past, end: i64) -> Result<()> {
    if past.newest.0 < end {
        return tx.execute("DELETE FROM telemetry_past WHERE series = ?", &[series.into()]).map(|_| ());
    }
    let find = "SELECT cell FROM telemetry_hour WHERE series = ? ORDER BY series, cell LIMIT 1";
    let Some(cell) = tx.row(find, &[series.into()], |row| row.int(0))? else { return Ok(()) };
    let find = "SELECT MIN(first_at) FROM telemetry_hour WHERE series = ? AND cell = ?";
    let oldest = tx.row(find, &[series.into(), cell.into()], |row| row.opt_int(0))?.flatten();
    let set = "UPDATE telemetry_past SET oldest_at = ? WHERE series = ?";
    tx.execute(set, &[oldest.into(), series.into()]).map(|_| ())
}

/// Moves the horizon of a stream up to `raw_from`, with so many samples more behind it.
pub(super) fn move_horizon(tx: &mut Transaction<'_>, stream: i64, raw_from: i64, samples: u64) -> Result<()> {
    let more = i64::try_from(samples).unwrap_or(i64::MAX);
    let find = "SELECT raw_from, samples FROM telemetry_horizon WHERE stream = ?";
    let (was, count) = tx.row(find, &[stream.into()], |row| Ok((row.int(0)?, row.int(1)?)))?.unwrap_or((raw_from, 0));
    let set = "INSERT INTO telemetry_horizon (stream, raw_from, samples) VALUES (?, ?, ?) \
               ON CONFLICT (stream) DO UPDATE SET raw_from = excluded.raw_from, samples = excluded.samples";
    tx.execute(set, &[stream.into(), raw_from.max(was).into(), count.saturating_add(more).into()]).map(|_| ())
}

/// Takes samples that have gone with their hours off the number behind a stream's horizon, which goes with the last of them.
pub(super) fn gone(tx: &mut Transaction<'_>, stream: i64, samples: u64) -> Result<()> {
    let less = i64::try_from(samples).unwrap_or(i64::MAX);
    let set = "UPDATE telemetry_horizon SET samples = samples - ? WHERE stream = ?";
    tx.execute(set, &[less.into(), stream.into()])?;
    let end = "DELETE FROM telemetry_horizon WHERE stream = ? AND samples <= 0";
    tx.execute(end, &[stream.into()]).map(|_| ())
}

/// Calls `each` with series, metadata and moments of the hours `first..=last` of series.
pub(super) fn scan(
    connection: &mut Connection,
    series: &[i64],
    (first, last): (i64, i64),
    mut each: impl FnMut(i64, i64, &Moments) -> Result<()>,
) -> Result<()> {
    let start =
        format!("SELECT series, metadata, {MOMENTS} FROM telemetry_hour WHERE cell BETWEEN ? AND ? AND series IN ");
    for chunk in sql::chunks(series, &[100, 10, 1]) {
        let statement = sql::repeat(&start, &sql::marks(chunk.len()), "", "", 1);
        let mut values = vec![Value::Int(first), Value::Int(last)];
        values.extend(chunk.iter().map(|id| Value::Int(*id)));
        connection.query(&statement, &values, |row| each(row.int(0)?, row.int(1)?, &rollups::read(row, 2)?))?;
    }
    Ok(())
}

/// As [`scan`], with the hours of all series of streams, and the numbers of the streams.
pub(super) fn scan_streams(
    connection: &mut Connection,
    streams: &[i64],
    (first, last): (i64, i64),
    mut each: impl FnMut(i64, &Moments) -> Result<()>,
) -> Result<()> {
    // A series has columns of the same names.
    let start = format!(
        "SELECT g.stream, {MOMENTS} FROM (SELECT id, stream FROM telemetry_series) AS g \
         JOIN telemetry_hour h ON h.series = g.id WHERE h.cell BETWEEN ? AND ? AND g.stream IN "
    );
    for chunk in sql::chunks(streams, &[100, 10, 1]) {
        let statement = sql::repeat(&start, &sql::marks(chunk.len()), "", "", 1);
        let mut values = vec![Value::Int(first), Value::Int(last)];
        values.extend(chunk.iter().map(|id| Value::Int(*id)));
        connection.query(&statement, &values, |row| each(row.int(0)?, &rollups::read(row, 1)?))?;
    }
    Ok(())
}
