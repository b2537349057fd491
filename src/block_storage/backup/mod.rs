//! The backup service: takes orders from the database and copies volumes into backups, and backups into volumes. It is
//! built as the volume service is: one thread takes orders, others carry them out, one says that the service is up, an ear
//! hears the doorbell. It reads and writes the files of the backends that this host's configuration names.
//!
//! An order that a crash has broken off is taken again after the next start and begun anew; what it had written is removed
//! first. Not here: what a caller may ask for (`control/`).

mod dispatch;
mod events;
mod report;
mod repository;
mod settings;
mod work;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::rpc::{Doorbell, Ears};
use crate::block_storage::volume::{Place, places};
use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::service::calls::Calls;

use dispatch::Dispatcher;
use repository::Folder;
use settings::Settings;

/// What all threads of one backup service share.
struct Shared {
    database: Database,
    settings: Settings,
    folder: Folder,
    /// The backends whose volumes can be reached.
    places: Vec<Place>,
    state: report::Standing,
    /// The name under which this process has orders.
    owner: String,
    calls: Calls,
}

impl Shared {
    /// Where a volume lies.
    fn place_of(&self, volume: &Volume) -> Result<&Place> {
        let backend = service_host(volume.host.as_deref().unwrap_or_default());
        self.places.iter().find(|place| place.host == backend).ok_or_else(|| {
            Error::unavailable(
                "The backup service can not reach the volume's backend.",
                format!("{backend:?} is none of the backends that this host's configuration enables"),
            )
        })
    }
}

/// A backup service that runs in this process.
pub struct RunningRole {
    shared: Arc<Shared>,
    dispatcher: Arc<Dispatcher>,
    ears: Option<Arc<Ears>>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts the backup service on threads of this process. When it returns, it has said that it is up, if it is.
///
/// A folder that can not be used, or that another process of the same host has, does not keep the service from starting:
/// it is looked at again with each report, and the service is down until then.
///
/// # Errors
/// `Invalid` where the configuration names a driver or an option that does not exist; `Internal` where a thread can not
/// be started.
pub fn start(config: &Config, database: Database) -> Result<RunningRole> {
    let settings = Settings::read(config)?;
    let shared = Arc::new(Shared {
        database,
        folder: Folder::new(settings.path.clone()),
        places: places(config)?,
        state: report::Standing::default(),
        owner: format!("{}-{}", std::process::id(), uuid::Uuid::new_v4()),
        calls: Calls::default(),
        settings,
    });
    report::round(&shared);
    let dispatcher = Arc::new(Dispatcher::new(shared.clone()));
    let mut threads = Vec::new();
    for number in 1..=shared.settings.workers {
        let dispatcher = dispatcher.clone();
        threads.push(spawn(&format!("backup-worker-{number}"), move || dispatcher.work())?);
    }
    let taking = dispatcher.clone();
    threads.push(spawn("backup-dispatch", move || taking.run())?);
    let reporting = shared.clone();
    threads.push(spawn("backup-report", move || report::run(&reporting))?);
    let ears = match Doorbell::new(config).listen() {
        Ok(ears) => Some(Arc::new(ears)),
        Err(error) => {
            log::warn!("the doorbell can not be heard, orders wait for the next look: {error}");
            None
        }
    };
    if let Some(ears) = ears.clone() {
        let shared = shared.clone();
        threads.push(spawn("backup-ear", move || listen(&shared, &ears))?);
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
    /// What is not done by then is begun anew after the next start.
    pub fn wait(self) {
        let mut since = None;
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            if self.shared.calls.is_stopping() {
                let since = since.get_or_insert_with(Instant::now);
                if since.elapsed() > self.shared.settings.stop_timeout {
                    log::warn!("the backup service ends before its work: what is left is done after the next start");
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
