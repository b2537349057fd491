//! Moments of whole cells of time, kept when samples are written. A stream has them for all time, for each day and for
//! each hour; a series has them for all time and for each day before its latest one, whose moments stand in the row of the
//! series itself. Every sample is in exactly one cell of each level, so that moments of cells and of raw samples add up
//! to the same exact answer.

use std::collections::BTreeMap;

use crate::Result;
use crate::database::{Connection, Row, Transaction, Value};
use crate::telemetry::model::{Exact, Level, Moments};
use crate::time::Timestamp;

use super::sql;

/// The columns of moments in their order, see `schema.rs`.
pub(super) const MOMENTS: &str = "samples, total, total_low, squares, squares_low, lowest, highest, first_at, last_at";
/// The number of those columns.
pub(super) const MOMENTS_WIDTH: usize = 9;

/// [`MOMENTS`] of a table by its short name, where others have columns of these names too.
pub(super) fn moments_of(table: &str) -> String {
    MOMENTS.split(", ").map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
}

/// A table of rollups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rollups {
    /// Of series.
    Series,
    /// Of streams.
    Streams,
}

impl Rollups {
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Series => "telemetry_series_rollup",
            Self::Streams => "telemetry_stream_rollup",
        }
    }
}

/// What a row is for: series or stream, level, cell.
pub(super) type Key = (i64, Level, i64);

/// What is to be added to rollups.
pub(super) type Changes = BTreeMap<Key, Moments>;

/// Reads moments that stand in a row from `column` on.
pub(super) fn read(row: &Row<'_>, column: usize) -> Result<Moments> {
    Ok(Moments {
        count: row.int(column)?,
        sum: Exact { high: row.real(column + 1)?, low: row.real(column + 2)? },
        squares: Exact { high: row.real(column + 3)?, low: row.real(column + 4)? },
        min: row.real(column + 5)?,
        max: row.real(column + 6)?,
        first: Timestamp(row.int(column + 7)?),
        last: Timestamp(row.int(column + 8)?),
    })
}

/// Appends the values of moments in the order of [`MOMENTS`]. Sums beyond the range of doubles are kept as the greatest
/// double: not every engine knows infinity.
pub(super) fn push(moments: &Moments, values: &mut Vec<Value<'_>>) {
    let real = |value: f64| Value::Real(if value.is_nan() { 0.0 } else { value.clamp(f64::MIN, f64::MAX) });
    values.push(moments.count.into());
    for part in [moments.sum.high, moments.sum.low, moments.squares.high, moments.squares.low, moments.min, moments.max]
    {
        values.push(real(part));
    }
    values.push(moments.first.0.into());
    values.push(moments.last.0.into());
}

/// Adds `changes` to the rollups. The caller holds the locks of the streams that they belong to.
pub(super) fn add(tx: &mut Transaction<'_>, rollups: Rollups, changes: &Changes) -> Result<()> {
    let mut found = Changes::new();
    let keys: Vec<Key> = changes.keys().copied().collect();
    let start = format!("SELECT node, level, cell, {MOMENTS} FROM {} WHERE ", rollups.table());
    for chunk in sql::chunks(&keys, &[16, 4, 1]) {
        let statement = sql::repeat(&start, ONE_OF, " OR ", "", chunk.len());
        let values: Vec<Value<'_>> = chunk.iter().flat_map(key_values).collect();
        tx.query(&statement, &values, |row| {
            let moments = read(row, 3)?;
            found.extend(key([row.int(0)?, row.int(1)?, row.int(2)?]).map(|key| (key, moments)));
            Ok(())
        })?;
    }
    add_to(tx, rollups, changes, &found)
}

/// The condition that a row is one that is asked for.
pub(super) const ONE_OF: &str = "(node = ? AND level = ? AND cell = ?)";

/// The values of [`ONE_OF`].
pub(super) fn key_values((node, level, cell): &Key) -> [Value<'static>; 3] {
    [(*node).into(), level.code().into(), (*cell).into()]
}

/// What a row with these numbers is for.
pub(super) fn key([node, code, cell]: [i64; 3]) -> Option<Key> {
    let level = [Level::All, Level::Day, Level::Hour].into_iter().find(|level| level.code() == code);
    level.map(|level| (node, level, cell))
}

/// As [`add`], where those of the rollups that are there were `found`.
pub(super) fn add_to(tx: &mut Transaction<'_>, rollups: Rollups, changes: &Changes, found: &Changes) -> Result<()> {
    let sum = |(key, change): (&Key, &Moments)| {
        let mut moments = *change;
        found.get(key).into_iter().for_each(|found| moments.merge(found));
        (*key, moments)
    };
    let rows: Vec<(Key, Moments)> = changes.iter().map(sum).collect();
    let start = format!("INSERT INTO {} (node, level, cell, {MOMENTS}) VALUES ", rollups.table());
    let end = format!(" ON CONFLICT (node, level, cell) DO UPDATE SET {REPLACED}");
    let marks = sql::marks(3 + MOMENTS_WIDTH);
    for chunk in sql::chunks(&rows, &[32, 8, 3, 1]) {
        let statement = sql::repeat(&start, &marks, ", ", &end, chunk.len());
        let mut values = Vec::with_capacity(chunk.len() * (3 + MOMENTS_WIDTH));
        for ((node, level, cell), moments) in chunk {
            values.extend([Value::Int(*node), Value::Int(level.code()), Value::Int(*cell)]);
            push(moments, &mut values);
        }
        tx.execute(&statement, &values)?;
    }
    Ok(())
}

/// Replaces moments that are there by those that are inserted.
pub(super) const REPLACED: &str = "samples = excluded.samples, total = excluded.total, \
     total_low = excluded.total_low, squares = excluded.squares, squares_low = excluded.squares_low, \
     lowest = excluded.lowest, highest = excluded.highest, first_at = excluded.first_at, last_at = excluded.last_at";

/// Calls `each` with node, cell and moments of every row of `level` whose node is in `nodes` and whose cell is in
/// `first..=last`.
pub(super) fn scan(
    connection: &mut Connection,
    rollups: Rollups,
    nodes: &[i64],
    level: Level,
    (first, last): (i64, i64),
    mut each: impl FnMut(i64, i64, &Moments) -> Result<()>,
) -> Result<()> {
    let start = format!(
        "SELECT node, cell, {MOMENTS} FROM {} WHERE level = ? AND cell BETWEEN ? AND ? AND node IN (",
        rollups.table()
    );
    for chunk in sql::chunks(nodes, &[100, 10, 1]) {
        let statement = sql::repeat(&start, "?", ", ", ")", chunk.len());
        let mut values = vec![Value::Int(level.code()), first.into(), last.into()];
        values.extend(chunk.iter().map(|node| Value::Int(*node)));
        connection.query(&statement, &values, |row| each(row.int(0)?, row.int(1)?, &read(row, 2)?))?;
    }
    Ok(())
}
