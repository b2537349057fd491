//! A crew: threads that carry out what one other thread takes for them, each thing by one thread. Not here: what the things
//! are, where they come from, and the threads themselves.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a crew has in its hands.
#[derive(Debug)]
pub struct Crew<T> {
    /// The number of a thing.
    id: fn(&T) -> i64,
    state: Mutex<State<T>>,
    /// There is something to begin, or the end has come.
    given: Condvar,
    /// A thread has come to its end, or to that of a thing.
    ended: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// Taken and not begun.
    waiting: VecDeque<T>,
    /// Begun and not ended.
    running: HashSet<i64>,
    stopped: bool,
}

impl<T> Crew<T> {
    /// A crew with nothing to do; `id` tells the number of a thing.
    pub fn new(id: fn(&T) -> i64) -> Self {
        let state = State { waiting: VecDeque::new(), running: HashSet::new(), stopped: false };
        Self { id, state: Mutex::new(state), given: Condvar::new(), ended: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the crew more to do.
    pub fn give(&self, things: Vec<T>) {
        self.state().waiting.extend(things);
        self.given.notify_all();
    }

    /// The next thing to carry out, which the thread that asks then begins; `None` when the crew stops.
    pub fn next(&self) -> Option<T> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(thing) = state.waiting.pop_front() {
                state.running.insert((self.id)(&thing));
                return Some(thing);
            }
            state = self.given.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says that a thing has ended.
    pub fn done(&self, id: i64) {
        self.state().running.remove(&id);
        self.ended.notify_all();
    }

    /// Says that a thread ends.
    pub fn leave(&self) {
        self.ended.notify_all();
    }

    /// Lets the threads end when they have ended what they do.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.given.notify_all();
    }

    /// The numbers of everything that the crew has.
    pub fn all(&self) -> HashSet<i64> {
        let state = self.state();
        state.running.iter().copied().chain(state.waiting.iter().map(self.id)).collect()
    }

    /// Whether anything was begun and has not ended.
    pub fn is_at_work(&self) -> bool {
        !self.state().running.is_empty()
    }

    /// Takes away what was not begun.
    pub fn take_back(&self) -> Vec<T> {
        self.state().waiting.drain(..).collect()
    }

    /// Waits until a thing or a thread ends, at most `timeout`.
    pub fn wait_for_end(&self, timeout: Duration) {
        drop(self.ended.wait_timeout(self.state(), timeout));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_begun_once_and_what_is_not_begun_comes_back() {
        let crew = Crew::new(|thing: &i64| *thing);
        crew.give(vec![1, 2, 3]);
        assert_eq!(crew.next(), Some(1));
        assert_eq!(crew.all(), HashSet::from([1, 2, 3]));
        assert!(crew.is_at_work());
        crew.stop();
        assert_eq!(crew.next(), None);
        assert_eq!(crew.take_back(), [2, 3]);
        crew.done(1);
        assert!(!crew.is_at_work() && crew.all().is_empty());
    }
}
