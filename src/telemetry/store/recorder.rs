//! Takes batches from many threads and commits those that wait together in one transaction. A call returns when its own
//! batch is committed, so what is acknowledged is durable. There is no thread of its own: the first caller writes for all
//! that came while the write before was going on.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::database::Database;
use crate::service::threads;
use crate::telemetry::model::Batch;
use crate::{Error, Kind, Result};

use super::dictionary::Dictionary;
use super::record;

/// Samples after which no further batch joins a transaction.
const TOGETHER: usize = 5_000;
/// Tries while other processes store samples of the same ids.
const TRIES: u32 = 5;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Samples that are stored now and were not before.
    pub stored: usize,
}

/// Writes batches.
pub(super) struct Recorder {
    dictionary: Dictionary,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Arc<Ticket>>,
    /// Whether a thread writes, or has been told to.
    led: bool,
}

/// One caller's place in the queue.
struct Ticket {
    batch: Mutex<Option<Batch>>,
    samples: usize,
    turn: Mutex<Turn>,
    changed: Condvar,
}

enum Turn {
    Waits,
    Leads,
    Done(Result<Recorded>),
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self { dictionary: Dictionary::default(), queue: Mutex::default() }
    }

    /// Stores a batch whole or not at all, and returns when it is committed.
    pub(super) fn record(&self, database: &Database, batch: Batch) -> Result<Recorded> {
        let samples = batch.points.len();
        let ticket = Arc::new(Ticket {
            batch: Mutex::new(Some(batch)),
            samples,
            turn: Mutex::new(Turn::Waits),
            changed: Condvar::new(),
        });
        let mut queue = lock(&self.queue);
        queue.waiting.push(Arc::clone(&ticket));
        if !queue.led {
            queue.led = true;
            *lock(&ticket.turn) = Turn::Leads;
        }
        drop(queue);
        match ticket.wait() {
            Some(result) => result,
            None => self.lead(database, &ticket),
        }
    }

    /// Writes for everybody who waits, this caller among them, and hands the lead on.
    fn lead(&self, database: &Database, own: &Arc<Ticket>) -> Result<Recorded> {
        let mut led = Led { recorder: self, tickets: self.draw() };
        let batches: Vec<Batch> = led.tickets.iter().filter_map(|ticket| lock(&ticket.batch).take()).collect();
        let result = self.write(database, &batches);
        for (at, ticket) in led.tickets.drain(..).enumerate() {
            let done = match &result {
                Ok(stored) => Ok(Recorded { stored: stored.get(at).copied().unwrap_or(0) }),
                Err(error) => Err(error.clone()),
            };
            ticket.tell(Turn::Done(done));
        }
        drop(led);
        own.wait().unwrap_or_else(|| Err(Error::internal("a batch was told to be written twice")))
    }

    /// The tickets that are written together: from the front, as many as fit.
    fn draw(&self) -> Vec<Arc<Ticket>> {
        let mut queue = lock(&self.queue);
        let mut samples = 0;
        let fits = queue.waiting.iter().position(|ticket| {
            samples += ticket.samples;
            samples > TOGETHER
        });
        let count = fits.unwrap_or(queue.waiting.len()).clamp(1, queue.waiting.len().max(1)).min(queue.waiting.len());
        queue.waiting.drain(..count).collect()
    }

    fn write(&self, database: &Database, batches: &[Batch]) -> Result<Vec<usize>> {
        let mut tries = 0;
        loop {
            tries += 1;
            // Few samples come twice, and the index of ids tells when one does: only then each id is looked for.
            let written = database.write(|tx| record::record(tx, &self.dictionary, batches, tries > 1));
            match written {
                Ok(written) => {
                    written.numbers.into_iter().for_each(|numbers| self.dictionary.remember(numbers));
                    return Ok(written.stored);
                }
                // They came before, or another process stored them meanwhile: now they are seen and left out.
                Err(error) if error.kind() == Kind::Duplicate && tries < TRIES => {}
                Err(error) if error.kind() == Kind::Duplicate => {
                    let cause = error.cause().unwrap_or_default();
                    return Err(Error::unavailable("The samples could not be stored now.", cause));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Hands the lead on when the leader is done, also where it panics.
struct Led<'a> {
    recorder: &'a Recorder,
    tickets: Vec<Arc<Ticket>>,
}

impl Drop for Led<'_> {
    fn drop(&mut self) {
        for ticket in &self.tickets {
            ticket.tell(Turn::Done(Err(Error::internal("the thread that wrote this batch broke off"))));
        }
        let mut queue = lock(&self.recorder.queue);
        match queue.waiting.first() {
            Some(next) => next.tell(Turn::Leads),
            None => queue.led = false,
        }
    }
}

impl Ticket {
    fn tell(&self, turn: Turn) {
        *lock(&self.turn) = turn;
        self.changed.notify_all();
    }

    /// The result once it is there; `None` where this caller has to lead.
    fn wait(&self) -> Option<Result<Recorded>> {
        let mut turn = lock(&self.turn);
        loop {
            match std::mem::replace(&mut *turn, Turn::Waits) {
                Turn::Done(result) => return Some(result),
                Turn::Leads => return None,
                Turn::Waits => {
                    threads::about_to_wait();
                    turn = self.changed.wait(turn).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
