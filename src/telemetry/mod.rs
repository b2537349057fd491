//! Telemetry: meters, samples, resources and statistics (Ceilometer v2), and alarms (Aodh v2).

pub mod alarms;
pub mod api;
pub mod control;
pub mod definitions;
pub mod ingest;
pub mod model;
pub mod notices;
pub mod policy;
pub mod retention;
pub mod store;

use std::sync::{Arc, OnceLock};

use crate::database::Database;
use crate::rest::platform::Platform;
use crate::rest::service::Service;

pub use api::{ALARMING, ALARMING_ROUTES, METERING, METERING_ROUTES};
use control::message_ids::MessageIds;
use definitions::Definitions;
use store::Store;

/// What the service keeps between requests.
pub struct Telemetry {
    /// Where samples lie.
    pub store: Store,
    /// Makes the ids of posted samples.
    pub message_ids: MessageIds,
    /// What notifications mean, once somebody published one.
    pub definitions: OnceLock<Definitions>,
}

impl Telemetry {
    fn new(database: Database) -> Self {
        Self { store: Store::new(database), message_ids: MessageIds::default(), definitions: OnceLock::new() }
    }
}

/// Metering (Ceilometer v2) over a database, which is opened with the first request.
pub fn metering(platform: Arc<Platform>, database: Database) -> Service<Telemetry> {
    Service::new("metering", METERING_ROUTES, &api::METERING, Telemetry::new(database), platform)
}

/// Alarming (Aodh v2) over a database, which is opened with the first request.
pub fn alarming(platform: Arc<Platform>, database: Database) -> Service<Telemetry> {
    Service::new("alarming", ALARMING_ROUTES, &api::ALARMING, Telemetry::new(database), platform)
}
