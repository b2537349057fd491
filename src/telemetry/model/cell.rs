//! Time in pieces: cells, which are the fixed pieces of rollups, and buckets, which are those that a caller asks for with
//! `period` (specification: statistics).

use crate::time::Timestamp;

/// Microseconds in one second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in one hour.
const HOUR: i64 = 3_600 * SECOND;

/// The length of a rollup's cells. Cells begin at 1970-01-01T00:00:00 and at every multiple of their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// One cell for all time.
    All,
    /// One cell a day.
    Day,
    /// One cell an hour.
    Hour,
}

impl Level {
    /// The number that stands for it in the store.
    pub const fn code(self) -> i64 {
        match self {
            Self::All => 0,
            Self::Day => 1,
            Self::Hour => 2,
        }
    }

    /// Microseconds of one cell; `None` where there is only one.
    pub const fn length(self) -> Option<i64> {
        match self {
            Self::All => None,
            Self::Day => Some(24 * HOUR),
            Self::Hour => Some(HOUR),
        }
    }

    /// The number of the cell that holds `at`.
    pub fn cell(self, at: Timestamp) -> i64 {
        self.length().map_or(0, |length| at.0.div_euclid(length))
    }
}

/// The pieces of `period`: the first begins at `start`, each is `length` long, and there is no last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets {
    /// Where the first one begins.
    pub start: Timestamp,
    /// Microseconds, above 0.
    pub length: i64,
}

impl Buckets {
    /// The number of the bucket that holds `at`; negative before `start`.
    pub fn number(self, at: Timestamp) -> i64 {
        let since = i128::from(at.0) - i128::from(self.start.0);
        i64::try_from(since.div_euclid(i128::from(self.length.max(1)))).unwrap_or(i64::MAX)
    }

    /// Where a bucket begins, which is where the one before it ends.
    pub fn begin(self, number: i64) -> Timestamp {
        Timestamp(self.start.0.saturating_add(number.saturating_mul(self.length)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, Level, Timestamp};

    #[test]
    fn cells_before_1970_are_as_long_as_all_others() {
        assert_eq!(Level::Day.cell(Timestamp(-1)), -1);
        assert_eq!(Level::Day.cell(Timestamp(0)), 0);
        assert_eq!(Level::Hour.cell(Timestamp(3_599_999_999)), 0);
        assert_eq!(Level::Hour.cell(Timestamp(3_600_000_000)), 1);
        assert_eq!(Level::All.cell(Timestamp(i64::MIN)), 0);
    }

    #[test]
    fn a_bucket_holds_its_begin_and_not_its_end() {
        let buckets = Buckets { start: Timestamp(5), length: 10 };
        for (at, number) in [(4, -1), (5, 0), (14, 0), (15, 1), (i64::MAX, 922_337_203_685_477_580)] {
            assert_eq!(buckets.number(Timestamp(at)), number, "{at}");
        }
        assert_eq!(buckets.begin(1), Timestamp(15));
        assert_eq!(Buckets { start: Timestamp(i64::MIN), length: 1 }.number(Timestamp(i64::MAX)), i64::MAX);
    }
}
