//! `hearth collector`: takes samples and events by UDP and from RabbitMQ.

use std::process::ExitCode;

use super::assemble;
use crate::config::{Config, Sources};
use crate::error::Result;
use crate::telemetry::{ingest, retention};

/// Connections to Telemetry's database.
const POOL_SIZE: u32 = 8;

/// Listens until told to stop; what is too old is removed meanwhile.
///
/// # Errors
/// What reading the configuration, opening the database and starting the service give.
pub fn run(sources: &Sources) -> Result<ExitCode> {
    let signals = super::heed_signals()?;
    let config = Config::load(sources)?;
    let _log = super::start_logging(&config, "hearth-collector", false)?;
    let database = assemble::telemetry_database(&config, POOL_SIZE, false)?;
    let service = ingest::start(&config, &database)?;
    let expirer = retention::start(&config, database, retention::EVERY)?;
    crate::service::sd_notify::ready();
    super::until_told_to_stop(sources, signals);
    service.stop();
    service.wait();
    if let Some(expirer) = expirer {
        expirer.stop();
    }
    Ok(ExitCode::SUCCESS)
}
