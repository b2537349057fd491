//! Latencies in buckets whose width is at most a 32nd of their value: a fixed size, however many are counted.

/// Buckets of one power of two.
const STEPS: usize = 32;
/// Values up to 2^36 microseconds, which is longer than a day.
const POWERS: usize = 32;

/// How often which latency was seen, in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Latencies {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { counts: vec![0; STEPS * POWERS], total: 0, longest: 0 }
    }

    /// Counts one.
    pub(super) fn add(&mut self, micros: u64) {
        let index = bucket(micros).min(self.counts.len() - 1);
        self.counts[index] += 1;
        self.total += 1;
        self.longest = self.longest.max(micros);
    }

    /// Counts all of another.
    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// The latency that `percent` of all (0 to 100) did not exceed, to within 3 %; 0 where none was counted.
    pub(super) fn percentile(&self, percent: f64) -> u64 {
        let rank = (self.total as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return highest(index).min(self.longest);
            }
        }
        self.longest
    }

    /// The longest.
    pub(super) fn longest(&self) -> u64 {
        self.longest
    }

    /// How many were counted.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

/// Below [`STEPS`] a bucket for each value; above, [`STEPS`] equal buckets for each doubling.
fn bucket(micros: u64) -> usize {
    let steps = STEPS as u64;
    if micros < steps {
        return micros as usize;
    }
    let shift = micros.ilog2() - steps.ilog2();
    (u64::from(shift) * steps + (micros >> shift)) as usize
}

/// The highest value of a bucket.
fn highest(index: usize) -> u64 {
    if index < 2 * STEPS {
        return index as u64;
    }
    let shift = index / STEPS - 1;
    let step = (index % STEPS + STEPS) as u64;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_is_at_most_a_32nd_too_high() {
        for value in (0..5000).chain([123_456, 7_654_321, 3_600_000_000]) {
            let top = highest(bucket(value));
            assert!(top >= value && top <= value + value / 32, "{value} is told as {top}");
            assert!(bucket(value + 1) >= bucket(value));
        }
    }

    #[test]
    fn percentiles_of_one_to_a_thousand_are_what_they_should_be() {
        let (mut odd, mut even) = (Latencies::new(), Latencies::new());
        for value in 1..=1000_u64 {
            if value % 2 == 1 { odd.add(value) } else { even.add(value) }
        }
        odd.merge(&even);
        assert_eq!((odd.total(), odd.longest()), (1000, 1000));
        for (percent, exact) in [(50.0, 500), (90.0, 900), (99.0, 990), (100.0, 1000)] {
            let told = odd.percentile(percent);
            assert!(told >= exact && told <= exact + exact / 32, "p{percent} is told as {told}");
        }
    }

    #[test]
    fn nothing_counted_and_endless_waits_are_told_without_a_panic() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.percentile(99.0), 0);
        latencies.add(u64::MAX);
        assert_eq!(latencies.longest(), u64::MAX);
    }
}
