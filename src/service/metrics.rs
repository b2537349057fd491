//! Counts and latencies, and how Prometheus reads them (text format 0.0.4). Where the figures come from is not its affair.

use std::fmt::Write;
use std::time::Duration;

/// Upper bounds of the latency classes, in microseconds; a last class without a bound follows.
pub const BOUNDS_US: [u64; 13] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000];

/// How long something took, as counts by class.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Histogram {
    classes: [u64; BOUNDS_US.len() + 1],
    sum_us: u64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(count) = self.classes.get_mut(class) {
            *count += 1;
        }
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.classes.iter_mut().zip(&other.classes) {
            *count += more;
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// The mean in microseconds; 0 where nothing was counted.
    pub fn mean_us(&self) -> u64 {
        self.sum_us.checked_div(self.count()).unwrap_or(0)
    }

    /// The bound in microseconds below which at least `percent` of all durations lie; `None` where that is the class
    /// without a bound, or where nothing was counted.
    pub fn bound_us(&self, percent: u64) -> Option<u64> {
        let wanted = (self.count() * percent).div_ceil(100);
        let mut seen = 0;
        let mut sums = self.classes.iter().map(|count| {
            seen += count;
            seen
        });
        let class = sums.position(|sum| sum >= wanted && sum > 0)?;
        BOUNDS_US.get(class).copied()
    }

    /// Appends the samples of a Prometheus histogram in seconds. `labels` is empty or like `route="/v3"`.
    pub fn write_prometheus(&self, out: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut sum = 0;
        for (count, bound) in self.classes.iter().zip(BOUNDS_US) {
            sum += count;
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{}\"}} {sum}", seconds(bound));
        }
        let count = self.count();
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "{name}_sum{braces} {}\n{name}_count{braces} {count}", seconds(self.sum_us));
    }
}

/// Microseconds as seconds in decimal digits, without digits that say nothing.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Appends the two comment lines that start a Prometheus metric.
pub fn write_prometheus_head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label's value with what must be escaped.
pub fn label_value(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{Histogram, label_value};
    use std::time::Duration;

    #[test]
    fn a_histogram_counts_by_class_and_tells_bounds() {
        let mut histogram = Histogram::default();
        for us in [50, 100, 101, 900, 6_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        assert_eq!((histogram.count(), histogram.mean_us()), (5, 1_200_230));
        assert_eq!(histogram.bound_us(40), Some(100));
        assert_eq!(histogram.bound_us(80), Some(1_000));
        assert_eq!(histogram.bound_us(100), None);
        assert_eq!(Histogram::default().bound_us(50), None);
        let mut text = String::new();
        histogram.write_prometheus(&mut text, "t", "route=\"/\"");
        assert!(text.contains("t_bucket{route=\"/\",le=\"0.0001\"} 2\n"), "{text}");
        assert!(text.contains("t_bucket{route=\"/\",le=\"+Inf\"} 5\nt_sum{route=\"/\"} 6.001151\n"), "{text}");
    }

    #[test]
    fn merged_histograms_count_together() {
        let (mut a, mut b) = (Histogram::default(), Histogram::default());
        a.observe(Duration::from_millis(1));
        b.observe(Duration::from_millis(3));
        a.merge(&b);
        assert_eq!((a.count(), a.mean_us()), (2, 2_000));
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(label_value("a\"b\\c\n"), "a\\\"b\\\\c\\n");
    }
}
