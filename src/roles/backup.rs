//! `hearth backup`: the backup service of a storage host.

use std::process::ExitCode;

use super::assemble;
use crate::block_storage::backup;
use crate::config::{Config, Sources};
use crate::error::Result;
use crate::messaging::{self, Mailbox};

/// Connections of the backup service to the database.
const POOL_SIZE: u32 = 8;

/// Takes orders from the database until told to stop.
///
/// # Errors
/// What reading the configuration, opening the database and starting the service give.
pub fn run(sources: &Sources) -> Result<ExitCode> {
    let signals = super::heed_signals()?;
    let config = Config::load(sources)?;
    let _log = super::start_logging(&config, "hearth-backup", false)?;
    let database = assemble::block_storage_database(&config, POOL_SIZE, false)?;
    let postman = messaging::start(&config, &database, Mailbox::STORAGE, assemble::telemetry_listener(&config)?)?;
    let role = backup::start(&config, database)?;
    crate::service::sd_notify::ready();
    super::until_told_to_stop(sources, signals);
    role.stop();
    role.wait();
    // Last of all: what was just done is told too.
    postman.stop();
    postman.wait();
    Ok(ExitCode::SUCCESS)
}
