//! The service that takes samples and events from elsewhere than the API: by UDP (`udp.rs`) and from RabbitMQ (`queues.rs`).
//! Any number of processes may read the same queues.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::keeper::Keeper;
use super::queues::Reader;
use super::udp;
use crate::config::{Config, collector as options};
use crate::database::Database;
use crate::service::calls::Calls;
use crate::telemetry::store::schema;
use crate::{Error, Result};

/// The service in this process.
pub struct Collector {
    calls: Arc<Calls>,
    threads: Vec<JoinHandle<()>>,
}

impl Collector {
    /// Begins the end: what was read is stored.
    pub fn stop(&self) {
        self.calls.stop();
    }

    /// Waits for the end, after [`Collector::stop`].
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
/// `Conflict` where the database lacks tables; `Invalid` for what the configuration says wrong; `Unavailable` for an address that
/// can not be listened on; `Internal` where a thread can not be started.
pub fn start(config: &Config, database: &Database) -> Result<Collector> {
    database.read(schema::require)?;
    let keeper = Arc::new(Keeper::new(config, database.clone())?);
    let chosen = config.list(&options::COLLECT);
    let mut service = Collector { calls: Arc::default(), threads: Vec::new() };
    let readers = Reader::all(config, &keeper)?;
    if chosen.is_empty() || chosen.iter().any(|one| one == "udp") {
        service.threads.extend(udp::start(config, &keeper, &service.calls)?);
    }
    for (at, reader) in readers.into_iter().enumerate() {
        let (name, calls) = (format!("queues-{at}"), service.calls.clone());
        let thread = thread::Builder::new().name(name.clone()).spawn(move || reader.run(&calls));
        service.threads.push(thread.map_err(|error| Error::internal(format!("thread {name}: {error}")))?);
    }
    Ok(service)
}
