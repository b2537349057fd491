//! Turns: what takes much memory, and no less time when more do it at once than there are processors, is done by few at a time.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::service::threads::{self, lock};

/// Turns that are taken and given back.
#[derive(Debug)]
pub(super) struct Turns {
    free: Mutex<usize>,
    given_back: Condvar,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
}

impl Turns {
    /// So many turns at once, at least one.
    fn new(most: usize) -> Self {
        Self { free: Mutex::new(most.max(1)), given_back: Condvar::new() }
    }

    /// As many turns as this machine has processors for the process.
    pub(super) fn one_for_each_processor() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// Takes a turn, and waits for it where all are taken. Whoever has one must not wait for another.
    pub(super) fn take(&self) -> Turn<'_> {
        let mut free = lock(&self.free);
        if *free == 0 {
            threads::about_to_wait();
        }
        while *free == 0 {
            free = self.given_back.wait(free).unwrap_or_else(PoisonError::into_inner);
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
    fn no_more_have_a_turn_than_there_are_and_everybody_gets_one() {
        let (turns, having, done) = (Turns::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
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
