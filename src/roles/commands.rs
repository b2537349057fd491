//! What each command of the command line calls.

use std::process::ExitCode;

use super::cli::{Cli, Command, DbCommand};
use super::{api, assemble, serve};
use crate::config::{Config, Sources};
use crate::error::Result;

/// Runs a command.
///
/// # Errors
/// What the command gives.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let sources = cli.sources.sources();
    match cli.command {
        Command::Serve { listen, without_volume_service } => serve::run(&sources, &listen, !without_volume_service),
        Command::Api { listen, way } => api::forced(&sources, &listen, way),
        Command::Db(command) => database(&sources, &command),
        Command::Bench(arguments) => {
            crate::operate::bench::run(&arguments, &mut std::io::stdout()).map(|()| ExitCode::SUCCESS)
        }
        _ => Ok(ExitCode::FAILURE),
    }
}

fn database(sources: &Sources, _command: &DbCommand) -> Result<ExitCode> {
    let config = Config::load(sources)?;
    let database = assemble::block_storage_database(&config, 1, true)?;
    crate::database::migrate::sync(
        &database,
        &crate::database::migrate::Wanted { cinder: true, components: &[&crate::database::orders::PLATFORM] },
    )?;
    Ok(ExitCode::SUCCESS)
}
