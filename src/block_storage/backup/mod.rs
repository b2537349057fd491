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
mod survey;
mod work;

use std::sync::Arc;

use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::rpc::server::RunningRole;
use crate::block_storage::volume::{Place, places};
use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::service::calls::Calls;

use dispatch::Dispatcher;
use repository::Folder;
use settings::Settings;
pub use survey::{Strays, Survey};

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
    let (workers, stop_timeout) = (shared.settings.workers, shared.settings.stop_timeout);
    RunningRole::start("backup", dispatcher, workers, stop_timeout, config)
}
