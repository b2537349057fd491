//! What each command of the command line calls.

use std::io::{self, Write};
use std::process::ExitCode;

use super::cli::{Cli, Command, DbCommand};
use super::{api, assemble, serve, volume};
use crate::block_storage::store::tables;
use crate::config::{Config, Sources};
use crate::database::migrate::Wanted;
use crate::database::orders;
use crate::error::Result;
use crate::operate::{bench, db};

/// What Block Storage's database holds: Cinder's tables and ours.
const BLOCK_STORAGE: Wanted<'_> = Wanted { cinder: true, components: &[&orders::PLATFORM, &tables::COMPONENT] };

/// Runs a command.
///
/// # Errors
/// What the command gives.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let sources = cli.sources.sources();
    let out = &mut io::stdout().lock();
    match cli.command {
        Command::Serve { listen, without_volume_service } => serve::run(&sources, &listen, !without_volume_service),
        Command::Api { listen, way } => api::forced(&sources, &listen, way),
        Command::Volume => volume::run(&sources),
        Command::Db(command) => database(&sources, &command, out),
        Command::Bench(arguments) => bench::run(&arguments, out).map(|()| ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

fn database(sources: &Sources, command: &DbCommand, out: &mut dyn Write) -> Result<ExitCode> {
    let config = Config::load(sources)?;
    let database = assemble::block_storage_database(&config, 1, matches!(command, DbCommand::Sync))?;
    let good = match command {
        DbCommand::Sync => db::sync(&database, &BLOCK_STORAGE, out).map(|()| true),
        DbCommand::Version => db::version(&database, &BLOCK_STORAGE, out).map(|()| true),
        DbCommand::Check => db::check(&database, &BLOCK_STORAGE, out),
        DbCommand::Purge { age_in_days } => db::purge(&database, *age_in_days, out).map(|()| true),
    }?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
