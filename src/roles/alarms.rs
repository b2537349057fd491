//! `hearth alarms`: evaluates alarms and calls whom they tell.

use std::process::ExitCode;
use std::sync::Arc;

use super::assemble;
use crate::config::{Config, Sources};
use crate::error::Result;
use crate::telemetry::alarms;

/// Connections to Telemetry's database.
const POOL_SIZE: u32 = 8;

/// Works until told to stop.
///
/// # Errors
/// What reading the configuration, opening the database and starting the service give.
pub fn run(sources: &Sources) -> Result<ExitCode> {
    let signals = super::heed_signals()?;
    let config = Arc::new(Config::load(sources)?);
    let _log = super::start_logging(&config, "hearth-alarms", false)?;
    let database = assemble::telemetry_database(&config, POOL_SIZE, false)?;
    let service = alarms::start(&config, &database)?;
    crate::service::sd_notify::ready();
    super::until_told_to_stop(sources, signals);
    service.stop();
    service.wait();
    Ok(ExitCode::SUCCESS)
}
