//! Block Storage (Cinder v3): layers are folders, nouns are file names, and the path of a change is the same name in each
//! folder: `api/volumes.rs`, `control/volumes.rs`, `store/volumes.rs`.

pub mod api;
pub mod backup;
pub mod compute;
pub mod control;
pub mod dialect;
pub mod glance;
pub mod key_store;
pub mod model;
pub mod notices;
pub mod policies;
pub mod rpc;
pub mod scheduler;
pub mod store;
pub mod volume;

use std::sync::Arc;

use crate::database::Database;
use crate::rest::platform::Platform;
use crate::rest::service::Service;

pub use api::ROUTES;
use rpc::Doorbell;

/// What the service keeps between requests.
#[derive(Debug, Clone)]
pub struct BlockStorage {
    /// Where everything lies.
    pub database: Database,
    /// Wakes the volume services of this host.
    pub doorbell: Doorbell,
}

/// The service over a database.
pub fn service(platform: Arc<Platform>, database: Database) -> Service<BlockStorage> {
    let doorbell = Doorbell::new(&platform.config);
    Service::new("block-storage", ROUTES, &dialect::DIALECT, BlockStorage { database, doorbell }, platform)
}
