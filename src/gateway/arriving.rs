//! A request's body that arrives while its handler runs: a bounded buffer between the polling thread, which never waits,
//! and the handler, which does.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::service::threads::{about_to_wait, lock};

/// The buffer. The polling thread fills it; above its window the connection is not read.
pub(super) struct Arriving {
    state: Mutex<State>,
    changed: Condvar,
    window: usize,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    end: Option<Result<(), io::ErrorKind>>,
    /// The reader is gone: what comes is dropped.
    dropped: bool,
    /// The connection is not read because of this body.
    pausing: bool,
}

impl Arriving {
    pub(super) fn new(window: usize, first: Vec<u8>) -> Self {
        let state = State { bytes: first.into(), ..State::default() };
        Self { state: Mutex::new(state), changed: Condvar::new(), window }
    }

    /// Adds bytes, and stops reading from the connection where too many wait. Pausing and going on are told under the
    /// lock, so that they reach the connection in the order in which they were decided.
    pub(super) fn push(&self, bytes: &[u8], connection: &Connection) {
        let mut state = lock(&self.state);
        if state.dropped || state.end.is_some() {
            return;
        }
        state.bytes.extend(bytes);
        if state.bytes.len() > self.window && !state.pausing {
            state.pausing = true;
            connection.pause_reading();
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The body has ended, whole or not. Only the first call counts.
    pub(super) fn end(&self, how: Result<(), io::ErrorKind>) {
        lock(&self.state).end.get_or_insert(how);
        self.changed.notify_one();
    }
}

/// The handler's side of an [`Arriving`] body.
pub(super) struct Reader {
    pub(super) body: Arc<Arriving>,
    pub(super) connection: Arc<Connection>,
    /// What the peer waits for before it sends anything.
    pub(super) go_ahead: Option<&'static [u8]>,
    pub(super) timeout: Duration,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if let Some(bytes) = self.go_ahead.take() {
            self.connection.send(bytes)?;
        }
        let mut state = lock(&self.body.state);
        let deadline = Instant::now() + self.timeout;
        while state.bytes.is_empty() {
            match state.end {
                Some(Ok(())) => return Ok(0),
                Some(Err(kind)) => return Err(kind.into()),
                None => {}
            }
            drop(state);
            about_to_wait();
            state = lock(&self.body.state);
            if state.bytes.is_empty() && state.end.is_none() {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                state = self.body.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        let count = state.bytes.read(into)?;
        if state.pausing && state.bytes.len() <= self.body.window / 2 {
            state.pausing = false;
            self.connection.resume_reading();
        }
        Ok(count)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = lock(&self.body.state);
        state.dropped = true;
        state.bytes = VecDeque::new();
        if std::mem::take(&mut state.pausing) {
            self.connection.resume_reading();
        }
    }
}
