//! The volume service: takes orders from the database and carries them out on its backends. Few threads with one task
//! each: `dispatch` takes orders and keeps them, the workers carry them out, `report` says that the service is up and
//! what there is room for, and an ear hears the doorbell.
//!
//! Every order is carried out in the same three steps: it is taken for a while; the driver does one repeatable thing; one
//! transaction writes the result and removes the order. A crash at any point leaves an order that is taken again.
//! Not here: what a caller may ask for (`control/`).

mod backends;
mod dispatch;
pub mod drivers;
mod events;
mod placement;
mod recovery;
mod report;
mod settings;
mod work;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::block_storage::rpc::{Doorbell, Ears};
use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::service::calls::Calls;

use backends::Backend;
use dispatch::Dispatcher;
use settings::{Names, Settings};
pub(super) use work::format_of;

/// What all threads of one volume service share.
struct Shared {
    database: Database,
    settings: Settings,
    backends: Vec<Backend>,
    /// The name under which this process has orders.
    owner: String,
    /// There may be orders, or the service stops.
    calls: Calls,
}

/// A backend of this host as an operator's command sees it: not taken, only looked at.
pub struct Place {
    /// `host@backend`.
    pub host: String,
    /// Its driver.
    pub driver: Arc<dyn drivers::Driver>,
    names: Names,
}

impl Place {
    /// The name of a volume on the backend, by the id of its disk.
    pub fn volume_name(&self, disk_id: &str) -> String {
        self.names.volume(disk_id)
    }

    /// Whether a volume or a snapshot may have this name.
    pub fn is_a_name(&self, name: &str) -> bool {
        self.names.fit(name)
    }

    /// The name of a snapshot on the backend.
    pub fn snapshot_name(&self, id: &str) -> String {
        self.names.snapshot(id)
    }
}

/// The backends that the configuration gives to this host.
///
/// # Errors
/// As [`start`], for the same configuration.
pub fn places(config: &Config) -> Result<Vec<Place>> {
    let place = |backend: Backend| Place { host: backend.host, driver: backend.driver, names: Names::read(config) };
    Ok(backends::open(config)?.into_iter().map(place).collect())
}

/// A volume service that runs in this process.
pub struct RunningRole {
    shared: Arc<Shared>,
    dispatcher: Arc<Dispatcher>,
    ears: Option<Arc<Ears>>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts the volume service: every backend that the configuration enables, on threads of this process. When it returns,
/// each backend that works has said so.
///
/// A backend that does not work, or that another process has, does not keep the service from starting: it is looked at
/// again with each report, and the service of the backend is down until then.
///
/// # Errors
/// `Invalid` where the configuration names a driver or an option that does not exist; `Internal` where a thread can not
/// be started.
pub fn start(config: Arc<Config>, database: Database) -> Result<RunningRole> {
    let shared = Arc::new(Shared {
        database,
        settings: Settings::read(&config),
        backends: backends::open(&config)?,
        owner: format!("{}-{}", std::process::id(), uuid::Uuid::new_v4()),
        calls: Calls::default(),
    });
    report::round(&shared, true);
    let dispatcher = Arc::new(Dispatcher::new(shared.clone()));
    let mut threads = Vec::new();
    for number in 1..=shared.settings.workers {
        let dispatcher = dispatcher.clone();
        threads.push(spawn(&format!("volume-worker-{number}"), move || dispatcher.work())?);
    }
    let taking = dispatcher.clone();
    threads.push(spawn("volume-dispatch", move || taking.run())?);
    let reporting = shared.clone();
    threads.push(spawn("volume-report", move || report::run(&reporting))?);
    let ears = match Doorbell::new(&config).listen() {
        Ok(ears) => Some(Arc::new(ears)),
        Err(error) => {
            log::warn!("the doorbell can not be heard, orders wait for the next look: {error}");
            None
        }
    };
    if let Some(ears) = ears.clone() {
        let shared = shared.clone();
        threads.push(spawn("volume-ear", move || listen(&shared, &ears))?);
    }
    Ok(RunningRole { shared, dispatcher, ears, threads })
}

impl RunningRole {
    /// Begins the end: no order is taken any more, those that were taken and not begun are given back.
    pub fn stop(&self) {
        self.shared.calls.stop();
        self.dispatcher.crew.stop();
        if let Some(ears) = &self.ears {
            ears.ring_own();
        }
    }

    /// Waits for the end of the orders that were begun, after [`RunningRole::stop`] for at most the configured time.
    /// What is not done by then is taken up again after the next start.
    pub fn wait(self) {
        let mut since = None;
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            if self.shared.calls.is_stopping() {
                let since = since.get_or_insert_with(Instant::now);
                if since.elapsed() > self.shared.settings.stop_timeout {
                    log::warn!("the volume service ends before its work: what is left is done after the next start");
                    return;
                }
            }
            self.dispatcher.crew.wait_for_end(Duration::from_millis(100));
        }
        for thread in self.threads {
            // A thread that panicked has told so.
            let _ = thread.join();
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.map_err(|error| Error::internal(format!("thread {name}: {error}")))
}

fn listen(shared: &Shared, ears: &Ears) {
    while !shared.calls.is_stopping() {
        match ears.wait() {
            Ok(()) => shared.calls.call(),
            Err(error) => {
                log::warn!("the doorbell fails, orders wait for the next look: {error}");
                return;
            }
        }
    }
}
