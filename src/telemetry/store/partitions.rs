//! Samples by months on PostgreSQL: a partition for each month (UTC), made some months ahead; one without a lower end, for
//! whatever is older; and the rest, for what no partition takes. `docs/decisions/telemetry.md` tells why it is so.

use std::fmt;
use std::time::Duration;

use super::Store;
use super::schema::SAMPLE_PARTITIONS as SAMPLES;
use crate::database::partitions::Partition;
use crate::database::{Engine, Transaction};
use crate::service::fault;
use crate::time::{Civil, Timestamp};
use crate::{Error, Kind, Result};

/// Months for which there are partitions: that of now, and those after it.
const AHEAD: i64 = 3;
/// Bytes of rows that are read while everybody waits: some tenths of a second.
const LITTLE: i64 = 64 << 20;
/// Bytes of an empty partition that are worth to be given back.
const MUCH: i64 = 1 << 20;
/// The number of the lock that one process has at a time while it changes partitions.
const LOCK: i64 = 0x4865_6172_7469;

/// How long others may wait for a change of partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Half a second: what would take longer is put off.
    Short,
    /// As long as it takes to read all samples that are in no partition, and to move a million of them.
    Long,
}

impl Patience {
    /// The most rows that are moved.
    const fn rows(self) -> i64 {
        match self {
            Self::Short => 10_000,
            Self::Long => 1_000_000,
        }
    }

    /// The longest waits for a lock, and for a statement.
    const fn limits(self) -> (Duration, Option<Duration>) {
        match self {
            Self::Short => (Duration::from_millis(500), Some(Duration::from_secs(10))),
            Self::Long => (Duration::from_secs(5), None),
        }
    }
}

/// What became of partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The names of those that were made.
    pub made: Vec<String>,
    /// Why some were not made. Samples are stored all the same.
    pub put_off: Option<PutOff>,
}

/// Why partitions were not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOff {
    /// Others were using the samples, or about to make them, too.
    InUse,
    /// So many samples are in no partition that others would have to wait while these are read.
    TooMany,
    /// Too many samples are in no partition and not of the months to come: far in the future, if time was kept.
    Scattered,
}

impl fmt::Display for PutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InUse => "the samples were in use",
            Self::TooMany => {
                "many samples are in no partition: run 'hearth db sync', which gives them one while others wait"
            }
            Self::Scattered => "more than a million samples that are in no partition have times that are far apart",
        })
    }
}

impl Store {
    /// The partitions, the oldest first, and the bytes of the samples that are in none of them; nothing where the engine has none.
    ///
    /// # Errors
    /// What the database gives.
    pub fn partitions(&self) -> Result<Option<(Vec<Partition>, i64)>> {
        if self.database.engine() != Engine::Postgres {
            return Ok(None);
        }
        self.database.read(|connection| Ok(Some((SAMPLES.list(connection)?, SAMPLES.rest_bytes(connection)?))))
    }

    /// Makes the partitions of the month of `now` and of the next ones, where the engine has some. Several processes may do so at
    /// once.
    ///
    /// # Errors
    /// What the database gives, such as that this user may make no tables.
    pub fn keep_partitions(&self, now: Timestamp, patience: Patience) -> Result<Kept> {
        if self.database.engine() != Engine::Postgres {
            return Ok(Kept::default());
        }
        let month = month_of(now);
        if missing(&self.database.read(|connection| SAMPLES.list(connection))?, month).is_empty() {
            return Ok(Kept::default());
        }
        self.database.write(|tx| arrange(tx, month, patience)).or_else(|error| match is_wait(&error) {
            true => Ok(Kept { made: Vec::new(), put_off: Some(PutOff::InUse) }),
            false => Err(error),
        })
    }

    /// Gives back the room of partitions before the month of `now` that have no samples any more, until `stopping`; the names
    /// of those that were emptied or removed.
    ///
    /// # Errors
    /// As [`Store::keep_partitions`]; what was given back before stays so.
    pub fn drop_partitions(&self, now: Timestamp, stopping: impl Fn() -> bool) -> Result<Vec<String>> {
        let mut gone = Vec::new();
        if self.database.engine() != Engine::Postgres {
            return Ok(gone);
        }
        let past = begin_of(month_of(now));
        let mut below: Option<Partition> = None;
        let all = self.database.read(|connection| SAMPLES.list(connection))?;
        for partition in all.into_iter().filter(|partition| partition.until <= past) {
            if stopping() {
                break;
            }
            // What is older than all that is kept has its place in the first one, so that nothing is ever without a partition.
            let first =
                below.filter(|below| below.from == i64::MIN && below.until == partition.from && below.bytes <= LITTLE);
            let pays = first.is_some() || partition.bytes >= MUCH;
            if !pays {
                below = Some(partition);
                continue;
            }
            let outcome = self.database.write(|tx| give_back(tx, &partition, first.as_ref()));
            below = match outcome {
                Ok(Some(larger)) => {
                    gone.push(partition.name);
                    Some(larger)
                }
                Ok(None) => Some(partition),
                Err(error) if is_wait(&error) => Some(partition),
                Err(error) => return Err(error),
            };
        }
        Ok(gone)
    }
}

/// Whether a transaction was given up because others would have had to wait, see [`at_once`].
fn is_wait(error: &Error) -> bool {
    error.kind() == Kind::Conflict
}

/// A failure that the transaction would be repeated for, as one that it is not.
fn at_once<T>(outcome: Result<T>) -> Result<T> {
    outcome.map_err(|error| match error.kind() {
        Kind::Transient | Kind::Unavailable => Error::conflict("The samples are in use."),
        _ => error,
    })
}

/// Makes what is missing, where others need not wait longer than is meant.
fn arrange(tx: &mut Transaction<'_>, month: i64, patience: Patience) -> Result<Kept> {
    let put_off = |why| Ok(Kept { made: Vec::new(), put_off: Some(why) });
    match patience {
        Patience::Short if !begin_alone(tx)? => return put_off(PutOff::InUse),
        Patience::Short => at_once(SAMPLES.hold(tx))?,
        Patience::Long => {
            let (lock, statement) = patience.limits();
            SAMPLES.limit(tx, lock, statement)?;
            tx.query("SELECT pg_advisory_xact_lock(?)", &[LOCK.into()], |_| Ok(()))?;
            SAMPLES.hold(tx)?;
        }
    }
    let all = SAMPLES.list(tx)?;
    if patience == Patience::Short && SAMPLES.rest_bytes(tx)? > LITTLE {
        return put_off(PutOff::TooMany);
    }
    let most = patience.rows();
    let count = |tx: &mut Transaction<'_>, inside, range| SAMPLES.count(tx, inside, range, most + 1);
    let mut dense = None;
    for (_, range) in missing(&all, month) {
        if count(tx, true, range)? > most {
            dense = Some(range.1);
        }
    }
    let mut made = Vec::new();
    if all.is_empty() || dense.is_some() {
        // Whatever is there stays where it is, up to the end of the last range that has many samples.
        let until = dense.unwrap_or(begin_of(month));
        let below = all.iter().map(|partition| partition.until).filter(|end| *end < until).max();
        let range = (below.unwrap_or(i64::MIN), until);
        let outside = count(tx, false, range)?;
        if outside > most {
            return put_off(if patience == Patience::Long { PutOff::Scattered } else { PutOff::TooMany });
        }
        let name = name_until(until);
        SAMPLES.close(tx, &name, range, outside > 0)?;
        made.push(name);
    }
    for (name, range) in missing(&SAMPLES.list(tx)?, month) {
        let moving = count(tx, true, range)? > 0;
        SAMPLES.part_off(tx, &name, range, moving)?;
        made.push(name);
    }
    fault::point("telemetry.partitions.before_commit");
    Ok(Kept { made, put_off: None })
}

/// Gives back the room of a partition that may be empty: to the `first` one, where that is next to it; else it stays, empty. The
/// partition that is there in its place; nothing where it is not empty any more, or others have changed partitions meanwhile.
fn give_back(tx: &mut Transaction<'_>, partition: &Partition, first: Option<&Partition>) -> Result<Option<Partition>> {
    if !begin_alone(tx)? {
        return Ok(None);
    }
    let known = |all: &[Partition], wanted: &Partition| {
        all.iter().any(|one| (&one.name, one.from, one.until) == (&wanted.name, wanted.from, wanted.until))
    };
    let all = SAMPLES.list(tx)?;
    if !known(&all, partition) || first.is_some_and(|first| !known(&all, first)) {
        return Ok(None);
    }
    if !at_once(SAMPLES.is_empty(tx, partition))? {
        return Ok(None);
    }
    // Who writes late samples waits from here on, everybody else only once it is known to be empty still.
    at_once(SAMPLES.freeze(tx, partition))?;
    if !at_once(SAMPLES.is_empty(tx, partition))? {
        return Ok(None);
    }
    at_once(SAMPLES.hold(tx))?;
    let left = match first {
        Some(first) => {
            let name = name_until(partition.until);
            SAMPLES.give(tx, partition, first, &name)?;
            Partition { name, from: first.from, until: partition.until, bytes: first.bytes }
        }
        None => {
            SAMPLES.clear(tx, partition)?;
            Partition { bytes: 0, ..partition.clone() }
        }
    };
    fault::point("telemetry.partitions.before_drop");
    Ok(Some(left))
}

/// Begins a change for which others wait but shortly; whether nobody else is at one.
fn begin_alone(tx: &mut Transaction<'_>) -> Result<bool> {
    let (lock, statement) = Patience::Short.limits();
    SAMPLES.limit(tx, lock, statement)?;
    let alone = "SELECT 1 WHERE pg_try_advisory_xact_lock(?)";
    Ok(tx.row(alone, &[LOCK.into()], |_| Ok(()))?.is_some())
}

/// The partitions that there are to be and are not, with their ranges: of months, and of what lies between the last partition and
/// them.
fn missing(all: &[Partition], month: i64) -> Vec<(String, (i64, i64))> {
    let has = |month: &i64| {
        let (from, until) = range_of(*month);
        all.iter().any(|partition| partition.from <= from && until <= partition.until)
    };
    let months = (month..month + AHEAD).filter(|month| !has(month));
    let mut missing: Vec<_> = months.map(|month| (name_of(month), range_of(month))).collect();
    if let Some((_, (begin, _))) = missing.first().cloned() {
        let below = all.iter().map(|partition| partition.until).filter(|end| *end <= begin).max();
        if let Some(below) = below.filter(|below| *below < begin) {
            missing.insert(0, (name_until(begin), (below, begin)));
        }
    }
    missing
}

/// The number of a month, counted from the year 0.
fn month_of(at: Timestamp) -> i64 {
    let Civil { year, month, .. } = at.civil();
    year * 12 + month - 1
}

/// The first instant of a month.
fn begin_of(month: i64) -> i64 {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    let civil = Civil { year, month, day: 1, hour: 0, minute: 0, second: 0, micros: 0 };
    Timestamp::from_civil(&civil).map_or(i64::MAX, |at| at.0)
}

fn range_of(month: i64) -> (i64, i64) {
    (begin_of(month), begin_of(month + 1))
}

/// `telemetry_sample_2026_12`.
fn name_of(month: i64) -> String {
    format!("{}_{:04}_{:02}", SAMPLES.table.name, month.div_euclid(12), month.rem_euclid(12) + 1)
}

/// `telemetry_sample_until_2026_12`: what is before that month.
fn name_until(until: i64) -> String {
    let Civil { year, month, .. } = Timestamp(until).civil();
    format!("{}_until_{year:04}_{month:02}", SAMPLES.table.name)
}

#[cfg(test)]
mod tests {
    use super::{begin_of, missing, month_of, name_of, name_until, range_of};
    use crate::database::partitions::Partition;
    use crate::time::Timestamp;

    #[test]
    fn months_follow_each_other_without_gaps() {
        let december = month_of(Timestamp::parse("2026-12-31T23:59:59.999999").unwrap());
        assert_eq!(range_of(december).1, Timestamp::parse("2027-01-01").unwrap().0);
        assert_eq!(
            (name_of(december), name_of(december + 1)),
            ("telemetry_sample_2026_12".into(), "telemetry_sample_2027_01".into())
        );
        assert_eq!(name_until(begin_of(december)), "telemetry_sample_until_2026_12");
        assert!((0..3000).all(|month| month_of(Timestamp(begin_of(month))) == month));
    }

    #[test]
    fn months_are_missing_that_no_partition_holds() {
        let partition =
            |from, until| Partition { name: String::new(), from: begin_of(from), until: begin_of(until), bytes: 0 };
        let names =
            |all: &[Partition], month| missing(all, month).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let months = |months: &[i64]| months.iter().copied().map(name_of).collect::<Vec<_>>();
        assert_eq!(names(&[], 100), months(&[100, 101, 102]));
        assert_eq!(names(&[partition(90, 101)], 100), months(&[101, 102]));
        assert_eq!(names(&[partition(90, 101), partition(102, 103)], 100), months(&[101]));
        let gap = missing(&[partition(90, 98)], 100);
        assert_eq!(gap.first(), Some(&(name_until(begin_of(100)), (begin_of(98), begin_of(100)))));
        assert_eq!(gap.len(), 4);
    }
}
