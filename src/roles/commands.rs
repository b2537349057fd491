//! What each command of the command line calls.

use std::io::{self, Write};
use std::process::ExitCode;

use super::cli::{Command, ConfigCommand, DbCommand, KeyCommand, PolicyCommand, QuotaCommand, TelemetryCommand};
use super::{alarms, api, assemble, backup, collector, expire, notify, serve, volume};
use crate::config::{Config, Sources};
use crate::error::{Error, Result};
use crate::operate::{audit, bench, config, db, doctor, key, openapi, policy, quota, routes};
use crate::telemetry::retention::Retention;
use crate::telemetry::store::Store;
use crate::time::Timestamp;

/// Runs a command.
///
/// # Errors
/// What the command gives.
pub fn run(sources: &Sources, command: Command) -> Result<ExitCode> {
    let out = &mut io::stdout().lock();
    match command {
        Command::Serve { listen, without_volume_service, without_backup_service, without_alarm_service } => serve::run(
            sources,
            &listen,
            serve::Roles {
                volume: !without_volume_service,
                backup: !without_backup_service,
                alarms: !without_alarm_service,
            },
        ),
        Command::Api { listen, way } => api::forced(sources, &listen, way),
        Command::Volume => volume::run(sources),
        Command::Backup => backup::run(sources),
        Command::Alarms => alarms::run(sources),
        Command::Collector => collector::run(sources),
        Command::Notify => notify::run(sources),
        Command::Audit { start_time, end_time, send_actions } => {
            let config = Config::load(sources)?;
            let database = assemble::block_storage_database(&config, 1, false)?;
            let period = audit::Period { start: start_time, end: end_time, actions: send_actions };
            audit::run(&config, &database, &period, out).map(|()| ExitCode::SUCCESS)
        }
        Command::Db(command) => database(&Config::load(sources)?, &command, out),
        Command::Config(command) => match command {
            ConfigCommand::Show { all } => config::show(sources, all, out).map(|()| ExitCode::SUCCESS),
            ConfigCommand::Sample => config::sample(out).map(|()| ExitCode::SUCCESS),
            ConfigCommand::Check => config::check(sources, out).map(code),
        },
        Command::Policy(command) => match command {
            PolicyCommand::Show => policy::show(&Config::load(sources)?, out).map(code),
            PolicyCommand::Sample => policy::sample(out).map(|()| ExitCode::SUCCESS),
            PolicyCommand::Matrix => policy::matrix(&Config::load(sources)?, out).map(|()| ExitCode::SUCCESS),
        },
        Command::Quota(command) => {
            let config = Config::load(sources)?;
            let database = assemble::block_storage_database(&config, 1, false)?;
            let (project, repair) = match &command {
                QuotaCommand::Check { project_id } => (project_id.as_deref(), false),
                QuotaCommand::Sync { project_id } => (project_id.as_deref(), true),
            };
            quota::run(&config, &database, project, repair, out).map(|wrong| code(repair || !wrong))
        }
        Command::Telemetry(TelemetryCommand::Expire { every: Some(seconds) }) => expire::run(sources, seconds),
        Command::Telemetry(TelemetryCommand::Expire { every: None }) => {
            let config = Config::load(sources)?;
            let store = Store::new(assemble::telemetry_database(&config, 1, false)?);
            let gone = Retention::of(&config)?.expire(&store, Timestamp::now(), || false)?;
            print(out, &format!("{gone}\n"))
        }
        Command::Key(KeyCommand::Master { file }) => key::make_master(&file, out).map(|()| ExitCode::SUCCESS),
        Command::Key(KeyCommand::Show { key_id }) => {
            let config = Config::load(sources)?;
            let database = assemble::block_storage_database(&config, 1, false)?;
            key::show(&config, &database, &key_id, out).map(|()| ExitCode::SUCCESS)
        }
        Command::Routes { service } => print(out, &routes::table(service.word())?),
        Command::Openapi { service, microversion } => {
            print(out, &openapi::text(service.word(), microversion.as_deref())?)
        }
        Command::Doctor => {
            let config = Config::load(sources)?;
            let telemetry = assemble::telemetry_database(&config, 1, false).ok();
            doctor::run(&config, &assemble::block_storage_database(&config, 1, false)?, telemetry.as_ref(), out)
        }
        Command::Bench(arguments) => bench::run(&arguments, out).map(|()| ExitCode::SUCCESS),
    }
}

/// Runs a command of `hearth db` on each database: Block Storage's, then Telemetry's.
fn database(config: &Config, command: &DbCommand, out: &mut dyn Write) -> Result<ExitCode> {
    let mut good = true;
    for (database, wanted) in assemble::every_database(config, 1, matches!(command, DbCommand::Sync))? {
        good &= match command {
            DbCommand::Sync => db::sync(config, &database, &wanted, out).map(|()| true),
            DbCommand::Version => db::version(&database, &wanted, out).map(|()| true),
            DbCommand::Check => db::check(&database, &wanted, out),
            DbCommand::Purge { .. } if !wanted.cinder => Ok(true),
            DbCommand::Purge { age_in_days } => db::purge(&database, *age_in_days, out).map(|()| true),
        }?;
    }
    Ok(code(good))
}

fn code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(out: &mut dyn Write, text: &str) -> Result<ExitCode> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map(|()| ExitCode::SUCCESS).map_err(|error| Error::unavailable("the output can not be written", error))
}
