//! A line of the log that others could cause as often as they like: it is written once a minute at the most.

use std::time::{Duration, Instant};

/// The shortest time between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// When the line was last written, and how often it would have been since.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    written: Option<Instant>,
    held_back: u64,
}

impl Seldom {
    /// Writes a warning, where none was written for a minute.
    pub(super) fn warn(&mut self, what: &str) {
        if self.written.is_some_and(|at| at.elapsed() < PAUSE) {
            self.held_back += 1;
            return;
        }
        let more = std::mem::take(&mut self.held_back);
        match more {
            0 => log::warn!("{what} (told once a minute)"),
            more => log::warn!("{what} ({more} more since this was last told)"),
        }
        self.written = Some(Instant::now());
    }
}
