//! What is kept of a set of samples: enough for every aggregate but cardinality, and two of them make one. The unit of
//! rollups and of statistics (specification: statistics).

use super::exact::Exact;
use crate::time::Timestamp;

/// Count, sums, extremes and times of a set of samples that is not empty once something was added.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Number of samples.
    pub count: i64,
    /// Sum of the volumes.
    pub sum: Exact,
    /// Sum of the squares of the volumes.
    pub squares: Exact,
    /// The smallest volume.
    pub min: f64,
    /// The greatest volume.
    pub max: f64,
    /// Time of the earliest sample.
    pub first: Timestamp,
    /// Time of the latest sample.
    pub last: Timestamp,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            count: 0,
            sum: Exact::default(),
            squares: Exact::default(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            first: Timestamp(i64::MAX),
            last: Timestamp(i64::MIN),
        }
    }
}

impl Moments {
    /// Takes one sample in.
    pub fn add(&mut self, at: Timestamp, volume: f64) {
        self.count += 1;
        self.sum = self.sum.plus(volume);
        self.squares = self.squares.and(Exact::square(volume));
        self.min = self.min.min(volume);
        self.max = self.max.max(volume);
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }

    /// Takes another set in.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum = self.sum.and(other.sum);
        self.squares = self.squares.and(other.squares);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The mean of the volumes; not a number where there is none.
    pub fn mean(&self) -> f64 {
        self.sum.over(self.count as f64).value()
    }

    /// The standard deviation of the population (not of a sample of it); not a number where there is none, or where
    /// the squares leave the range of doubles.
    pub fn deviation(&self) -> f64 {
        // Equal samples do not deviate, whatever the last bits of their squares say.
        if self.count > 0 && self.min == self.max {
            return 0.0;
        }
        let count = self.count as f64;
        let spread = self.squares.minus(self.sum.squared().over(count)).over(count).value();
        if spread < 0.0 { 0.0 } else { spread.sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Moments, Timestamp};

    fn of(samples: &[(i64, f64)]) -> Moments {
        let mut moments = Moments::default();
        for (at, volume) in samples {
            moments.add(Timestamp(*at), *volume);
        }
        moments
    }

    #[test]
    fn two_halves_make_the_whole() {
        let samples = [(5, 2.5), (1, -1.0), (9, 4.0), (9, 4.0), (-3, 0.1)];
        let mut halves = of(&samples[..2]);
        halves.merge(&of(&samples[2..]));
        assert_eq!(halves, of(&samples));
        assert_eq!((halves.count, halves.min, halves.max), (5, -1.0, 4.0));
        assert_eq!((halves.first, halves.last), (Timestamp(-3), Timestamp(9)));
        assert_eq!(halves.mean(), 1.92);
    }

    #[test]
    fn the_deviation_is_that_of_the_population() {
        assert_eq!(
            of(&[(0, 2.0), (0, 4.0), (0, 4.0), (0, 4.0), (0, 5.0), (0, 5.0), (0, 7.0), (0, 9.0)]).deviation(),
            2.0
        );
        assert_eq!(of(&[(0, 1e9), (0, 1e9 + 2.0)]).deviation(), 1.0);
        assert_eq!(of(&[(0, 0.1), (0, 0.1), (0, 0.1)]).deviation(), 0.0);
        assert!(of(&[]).deviation().is_nan());
    }

    #[test]
    fn an_empty_set_changes_nothing() {
        let mut moments = of(&[(1, 1.0)]);
        moments.merge(&Moments::default());
        assert_eq!(moments, of(&[(1, 1.0)]));
        assert!(Moments::default().is_empty());
    }
}
