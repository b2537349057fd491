//! `hearth serve`: HTTP/1.1 on loopback with every role in one process, for development and simple testing.

use std::process::ExitCode;
use std::sync::Arc;

use super::assemble::{self, Assembly};
use super::settings::{listeners, settings};
use crate::block_storage::{backup, volume};
use crate::config::{Config, Sources};
use crate::error::{Error, Result};
use crate::gateway::{Protocol, Server};
use crate::messaging::{self, Mailbox, Postman};
use crate::telemetry;
use crate::telemetry::alarms::{self, Alarms};

/// Where it listens if nothing says otherwise.
pub const ADDRESS: &str = "127.0.0.1:8776";
/// Connections to each database.
const POOL_SIZE: u32 = 16;

/// Connections of the alarm service.
const ALARMS_POOL_SIZE: u32 = 4;

/// Which services run beside the API.
#[derive(Debug, Clone, Copy)]
pub struct Roles {
    /// The volume service.
    pub volume: bool,
    /// The backup service.
    pub backup: bool,
    /// The alarm service.
    pub alarms: bool,
}

/// Serves until told to stop, with the services that are wanted beside it. The tables are there (`hearth db sync`).
///
/// # Errors
/// What assembling the services gives, and an address that can not be used.
pub fn run(sources: &Sources, listen: &[String], roles: Roles) -> Result<ExitCode> {
    let assembly = Arc::new(Assembly::open(sources, POOL_SIZE)?);
    let _log = super::start_logging(&assembly.config, "hearth-serve", false)?;
    let listeners = listeners(&assembly.config, listen, Protocol::Http, Some(ADDRESS))?;
    let server =
        Server::new(settings(&assembly.config)?, super::handler(&assembly), listeners).map_err(Error::internal)?;
    let (config, database) = (&assembly.config, &assembly.database);
    let postman = messaging::start(config, database, Mailbox::STORAGE, assemble::telemetry_listener(config)?)?;
    let samples = assemble::telemetry_database(config, 1, false)?;
    let expirer = telemetry::retention::start(config, samples, telemetry::retention::EVERY)?;
    let volumes = if roles.volume { Some(volume::start(config.clone(), database.clone())?) } else { None };
    let backups = if roles.backup { Some(backup::start(config, database.clone())?) } else { None };
    let alarms = if roles.alarms { start_alarms(config) } else { None };
    let outcome = super::api::serve(&assembly, server);
    if let Some((role, postman)) = alarms {
        role.stop();
        role.wait();
        postman.stop();
        postman.wait();
    }
    if let Some(role) = backups {
        role.stop();
        role.wait();
    }
    if let Some(role) = volumes {
        role.stop();
        role.wait();
    }
    if let Some(expirer) = expirer {
        expirer.stop();
    }
    postman.stop();
    postman.wait();
    outcome
}

/// The alarm service with the delivery of its notifications, where Telemetry has a database: many who try volumes have none.
fn start_alarms(config: &Arc<Config>) -> Option<(Alarms, Postman)> {
    let started = assemble::telemetry_database(config, ALARMS_POOL_SIZE, false).and_then(|database| {
        let role = alarms::start(config, &database)?;
        let listener = assemble::telemetry_listener(config)?;
        Ok((role, messaging::start(config, &database, Mailbox::ALARMS, listener)?))
    });
    started.map_err(|error| log::warn!("alarms are not evaluated: {error}")).ok()
}
