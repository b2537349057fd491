//! The pauses between attempts to reach a broker, which grow: options of `[oslo_messaging_rabbit]`.

use std::time::Duration;

use crate::config::{Config, notifications as options};

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    first: Duration,
    longer_by: Duration,
    longest: Duration,
}

impl Pauses {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            first: config.seconds(&options::RETRY_INTERVAL).max(Duration::from_millis(10)),
            longer_by: config.seconds(&options::RETRY_BACKOFF),
            longest: config.seconds(&options::INTERVAL_MAX),
        }
    }

    /// The pause after so many failures, one after the other.
    pub fn after(&self, failures: u64) -> Duration {
        let times = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_add(self.longer_by.saturating_mul(times)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_one() {
        let pauses = Pauses::of(&Config::from_text("").unwrap());
        let seconds: Vec<u64> = [1, 2, 3, 100, u64::MAX].map(|failures| pauses.after(failures).as_secs()).to_vec();
        assert_eq!(seconds, [1, 3, 5, 30, 30]);
    }
}
