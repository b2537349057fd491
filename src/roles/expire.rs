//! `hearth telemetry expire --every`: removes what is too old, again and again, for hosts with neither a collector nor cron.

use std::process::ExitCode;
use std::time::Duration;

use super::assemble;
use crate::config::{Config, Sources};
use crate::error::{Error, Result};
use crate::telemetry::retention;

/// Works until told to stop, with so many seconds between.
///
/// # Errors
/// `Invalid` where everything is kept for ever; what reading the configuration and opening the database give.
pub fn run(sources: &Sources, seconds: u32) -> Result<ExitCode> {
    let signals = super::heed_signals()?;
    let config = Config::load(sources)?;
    let _log = super::start_logging(&config, "hearth-expire", false)?;
    let database = assemble::telemetry_database(&config, 1, false)?;
    let Some(expirer) = retention::start(&config, database, Duration::from_secs(u64::from(seconds)))? else {
        return Err(Error::invalid(
            "everything is kept for ever: set [database] metering_time_to_live, event_time_to_live or alarm_history_time_to_live, \
             or [hearth_telemetry] raw_time_to_live",
        ));
    };
    crate::service::sd_notify::ready();
    super::until_told_to_stop(sources, signals);
    expirer.stop();
    Ok(ExitCode::SUCCESS)
}
