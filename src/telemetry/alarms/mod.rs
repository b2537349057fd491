//! The alarm service: evaluates alarms and calls whom they tell. It works on Telemetry's database alone, by leases: any
//! number of processes may do the same work side by side. Not here: the API of alarms (`api/`, `control/`), and alarms on
//! events, which the store fires when an event comes.

pub mod composite;
pub mod evaluator;
pub mod notifier;
mod octavia;
pub mod promql;
pub mod sources;
pub mod verdict;
mod zaqar;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::config::{Config, alarms as options};
use crate::database::Database;
use crate::service::calls::Calls;
use crate::service::threads::contain;
use crate::telemetry::store::{Store, schema};
use crate::time::Timestamp;
use crate::{Error, Result};
use evaluator::{Clock, Evaluator};
use notifier::Notifier;
use sources::Sources;

/// The alarm service in this process.
pub struct Alarms {
    calls: Arc<Calls>,
    threads: Vec<JoinHandle<()>>,
}

impl Alarms {
    /// Begins the end: what is being evaluated or sent comes to its end.
    pub fn stop(&self) {
        self.calls.stop();
    }

    /// Waits for the end, after [`Alarms::stop`].
    pub fn wait(self) {
        for thread in self.threads {
            // A thread that panicked has told so.
            let _ = thread.join();
        }
    }
}

/// Starts the service on Telemetry's database.
///
/// # Errors
/// `Conflict` where the database lacks tables; `Invalid` for what the configuration says wrong; `Internal` where a thread
/// can not be started.
pub fn start(config: &Arc<Config>, database: &Database) -> Result<Alarms> {
    database.read(schema::require)?;
    let clock: Clock = Arc::new(Timestamp::now);
    let store = Arc::new(Store::new(database.clone()));
    let sources = Arc::new(Sources::open(config)?);
    let notifier = Arc::new(Notifier::open(config, store.clone(), clock.clone())?);
    let calls = Arc::new(Calls::default());
    let pause = config.seconds(&options::POLL_INTERVAL).max(Duration::from_millis(10));
    let mut service = Alarms { calls: calls.clone(), threads: Vec::new() };
    for at in 0..config.integer(&options::EVALUATOR_THREADS) {
        let evaluator = Evaluator::new(config, store.clone(), sources.clone(), clock.clone());
        let round = move || evaluator.round().map(|count| count > 0);
        service.threads.push(spawn(format!("evaluator-{at}"), calls.clone(), pause, round)?);
    }
    for at in 0..config.integer(&options::NOTIFIER_THREADS) {
        let notifier = notifier.clone();
        service.threads.push(spawn(format!("notifier-{at}"), calls.clone(), pause, move || notifier.round())?);
    }
    Ok(service)
}

/// A thread that works as long as there is something to do, and looks again after a pause.
fn spawn(
    name: String,
    calls: Arc<Calls>,
    pause: Duration,
    round: impl Fn() -> Result<bool> + Send + 'static,
) -> Result<JoinHandle<()>> {
    let work = move || {
        while !calls.is_stopping() {
            let found = match contain(std::panic::AssertUnwindSafe(&round)) {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    log::error!("alarms can not be looked at: {error}");
                    false
                }
                Err(panic) => {
                    log::error!("a defect in the alarm service: {panic}");
                    false
                }
            };
            if !found {
                calls.wait_for_stop(pause);
            }
        }
    };
    let thread = thread::Builder::new().name(name.clone()).spawn(work);
    thread.map_err(|error| Error::internal(format!("thread {name}: {error}")))
}
