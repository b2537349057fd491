//! How long a question may take as a whole. Each statement has the database's own limit; this one is over all of them.

use std::time::{Duration, Instant};

use crate::{Error, Result};

/// The end of the time that a question has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// From now on for so long.
    pub(super) fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    /// Whether there is time left.
    pub(super) fn check(self) -> Result<()> {
        match self.0 {
            Some(end) if Instant::now() > end => {
                Err(Error::unavailable("The question takes too long: ask for less.", "the deadline of a question"))
            }
            _ => Ok(()),
        }
    }
}
