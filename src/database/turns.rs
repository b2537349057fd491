//! Turns: what takes much memory, and no less time when more do it at once than there are processors, is done by few at a time.
//! It is a matter of memory alone, so nobody waits long for those who take long.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::service::threads::{self, lock};

/// The longest that anybody waits for a turn: whoever has one may be at work until its deadline.
const PATIENCE: Duration = Duration::from_secs(2);

/// Turns that are taken and given back.
#[derive(Debug)]
pub(super) struct Turns {
    /// Below zero where some who would have waited too long went on without one.
    free: Mutex<isize>,
    given_back: Condvar,
    patience: Duration,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
}

impl Turns {
    /// So many turns at once, at least one.
    fn new(most: usize) -> Self {
        let most = isize::try_from(most.max(1)).unwrap_or(isize::MAX);
        Self { free: Mutex::new(most), given_back: Condvar::new(), patience: PATIENCE }
    }

    /// As many turns as this machine has processors for the process.
    pub(super) fn one_for_each_processor() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// Takes a turn, and waits for it where all are taken, for two seconds at most. Whoever has one must not wait for another.
    pub(super) fn take(&self) -> Turn<'_> {
        let mut free = lock(&self.free);
        if *free <= 0 {
            threads::about_to_wait();
            let waited = self.given_back.wait_timeout_while(free, self.patience, |free| *free <= 0);
            free = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *free -= 1;
        Turn { turns: self }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.turns.free) += 1;
        self.turns.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Turns;

    #[test]
    fn who_waits_too_long_goes_on_and_nobody_counts_twice() {
        let turns = Turns { patience: std::time::Duration::ZERO, ..Turns::new(1) };
        let (first, second) = (turns.take(), turns.take());
        assert_eq!(*turns.free.lock().unwrap(), -1);
        drop((first, second));
        assert_eq!(*turns.free.lock().unwrap(), 1);
    }

    #[test]
    fn no_more_have_a_turn_than_there_are_and_everybody_gets_one() {
        let turns = Turns { patience: std::time::Duration::from_secs(600), ..Turns::new(2) };
        let (having, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let turn = turns.take();
                        assert!(having.fetch_add(1, Ordering::SeqCst) < 2);
                        std::thread::yield_now();
                        having.fetch_sub(1, Ordering::SeqCst);
                        drop(turn);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 400);
    }
}
