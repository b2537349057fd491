//! The volume service: takes orders from the database and carries them out on its backends. Few threads with one task
//! each: `dispatch` takes orders and keeps them, the workers carry them out, `report` says that the service is up and
//! what there is room for, `tidy` removes what was deleted long ago, and an ear hears the doorbell.
//!
//! Every order is carried out in the same three steps: it is taken for a while; the driver does one repeatable thing; one
//! transaction writes the result and removes the order. A crash at any point leaves an order that is taken again.
//! Not here: what a caller may ask for (`control/`).

mod backends;
mod dispatch;
pub mod drivers;
mod events;
mod exports;
mod fixed_keys;
mod images;
mod luks;
mod offer;
mod placement;
mod qemu;
mod recovery;
mod report;
mod settings;
mod targets;
mod tidy;
mod work;

use std::sync::Arc;

use crate::block_storage::rpc::server::RunningRole;
use crate::config::Config;
use crate::database::{Connection, Database};
use crate::error::Result;
use crate::service::calls::Calls;

use backends::Backend;
use dispatch::Dispatcher;
pub use exports::Differences;
use settings::{Names, Settings};
pub(super) use work::format_of;

/// What all threads of one volume service share.
struct Shared {
    config: Arc<Config>,
    database: Database,
    settings: Settings,
    images: images::Settings,
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
    target: Option<Arc<dyn targets::Target>>,
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

    /// How the exports of the backend differ from those that the rows tell of.
    ///
    /// # Errors
    /// Where the target does not answer; those of the database.
    pub fn exports(&self, c: &mut Connection) -> Result<Differences> {
        match &self.target {
            Some(target) => exports::differences(c, &**target, self),
            None => Ok(Differences::default()),
        }
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
    let place = |backend: Backend| Place {
        host: backend.host,
        driver: backend.driver,
        target: backend.target,
        names: Names::read(config),
    };
    Ok(backends::open(config)?.into_iter().map(place).collect())
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
        settings: Settings::read(&config),
        images: images::Settings::read(&config),
        backends: backends::open(&config)?,
        config: config.clone(),
        database,
        owner: format!("{}-{}", std::process::id(), uuid::Uuid::new_v4()),
        calls: Calls::default(),
    });
    report::round(&shared, true);
    let dispatcher = Arc::new(Dispatcher::new(shared.clone()));
    let (workers, stop_timeout) = (shared.settings.workers, shared.settings.stop_timeout);
    RunningRole::start("volume", dispatcher, workers, stop_timeout, &config)
}
