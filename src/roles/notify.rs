//! `hearth notify`: only the delivery of notifications, for a host without a volume or a backup service of Hearth's.

use std::process::ExitCode;

use super::assemble;
use crate::config::{Config, Sources};
use crate::error::{Error, Result};
use crate::messaging::{self, Mailbox, Outbox};

/// Connections to the database.
const POOL_SIZE: u32 = 4;

/// Delivers until told to stop.
///
/// # Errors
/// `Invalid` where no driver is configured; what reading the configuration and opening the database give.
pub fn run(sources: &Sources) -> Result<ExitCode> {
    let signals = super::heed_signals()?;
    let config = Config::load(sources)?;
    let _log = super::start_logging(&config, "hearth-notify", false)?;
    if !Outbox::of(&config).is_open() {
        return Err(Error::invalid("[oslo_messaging_notifications] driver is not set: there is nothing to deliver"));
    }
    let database = assemble::block_storage_database(&config, POOL_SIZE, false)?;
    let postman = messaging::start(&config, &database, Mailbox::STORAGE, assemble::telemetry_listener(&config)?)?;
    crate::service::sd_notify::ready();
    super::until_told_to_stop(sources, signals);
    postman.stop();
    postman.wait();
    Ok(ExitCode::SUCCESS)
}
