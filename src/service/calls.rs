//! How the threads of a role wake each other: somebody calls because there may be work, or because the role stops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The calls within one role.
#[derive(Debug)]
pub struct Calls {
    stopping: AtomicBool,
    /// Whether somebody has called since the last look.
    called: Mutex<bool>,
    changed: Condvar,
}

impl Default for Calls {
    /// There may be work from the start.
    fn default() -> Self {
        Self { stopping: AtomicBool::new(false), called: Mutex::new(true), changed: Condvar::new() }
    }
}

impl Calls {
    /// Says that there may be work.
    pub fn call(&self) {
        *self.called.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until somebody calls, at most `timeout`. Several calls may be one.
    pub fn wait_for_call(&self, timeout: Duration) {
        let called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(called, timeout, |called| !*called);
        let (mut called, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *called = false;
    }

    /// Waits until the role stops, at most `timeout`.
    pub fn wait_for_stop(&self, timeout: Duration) {
        let called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(called, timeout, |_| !self.is_stopping()));
    }

    /// Says that the role stops.
    pub fn stop(&self) {
        let mut called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        self.stopping.store(true, Ordering::Release);
        *called = true;
        self.changed.notify_all();
    }

    /// Whether the role stops.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_comes_before_the_wait_is_not_lost_and_a_stop_ends_every_wait() {
        let calls = Calls::default();
        let long = Duration::from_secs(600);
        calls.wait_for_call(long);
        calls.call();
        calls.wait_for_call(long);
        calls.stop();
        calls.wait_for_call(long);
        calls.wait_for_stop(long);
        assert!(calls.is_stopping());
    }
}
