//! `hearth alarms`: evaluates alarms, calls whom they tell, and delivers the notifications about them.

use std::process::ExitCode;
use std::sync::Arc;

use super::assemble;
use crate::config::{Config, Sources};
use crate::error::Result;
use crate::messaging::{self, Mailbox};
use crate::telemetry::{alarms, retention};

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
    let postman = messaging::start(&config, &database, Mailbox::ALARMS, assemble::telemetry_listener(&config)?)?;
    let expirer = retention::start(&config, database, retention::EVERY)?;
    crate::service::sd_notify::ready();
    super::until_told_to_stop(sources, signals);
    service.stop();
    service.wait();
    if let Some(expirer) = expirer {
        expirer.stop();
    }
    // Last of all: what was just found is told too.
    postman.stop();
    postman.wait();
    Ok(ExitCode::SUCCESS)
}
