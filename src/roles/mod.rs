//! The roles of the executable and their wiring. Nothing else is decided here: a role opens what it needs and runs it.

pub mod alarms;
pub mod api;
pub mod assemble;
pub mod backup;
pub mod cli;
pub mod collector;
pub mod commands;
pub mod expire;
pub mod notify;
pub mod serve;
pub mod settings;
pub mod volume;

use std::process::ExitCode;
use std::sync::{Arc, mpsc};

use clap::Parser;

use crate::config::{Config, Sources};
use crate::error::{Error, Result};
use crate::gateway::launch::{self, Launch};
use crate::gateway::running;
use crate::service::log;
use crate::service::sd_notify;
use crate::service::signals::{self, Order};
use crate::sys::memory;

/// Runs the executable as it was started.
pub fn main() -> ExitCode {
    memory::keep_little();
    let outcome = match launch::detect() {
        // The arguments of a CGI program are words of the client's query (RFC 3875, section 4.4): they are never obeyed.
        Launch::Cgi => api::cgi(&cli::SourceArgs::default().sources()),
        launch => {
            let cli = cli::Cli::parse();
            let sources = cli.sources.sources();
            match cli.command {
                Some(command) => commands::run(&sources, command),
                None if launch == Launch::FastCgi => api::respond(&sources),
                None => Ok(cli::help()),
            }
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("hearth: {}", error.public());
            if let Some(cause) = error.cause() {
                eprintln!("hearth: cause: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The handler that the gateway calls.
fn handler(assembly: &Arc<assemble::Assembly>) -> Arc<crate::gateway::Handler> {
    let assembly = assembly.clone();
    Arc::new(move |request| assembly.app.handle(request))
}

/// What every role does first: logging as the configuration says. A one-shot process writes its own lines.
fn start_logging(config: &Config, role: &str, one_shot: bool) -> Result<log::Running> {
    let writer = if one_shot { log::Writer::Caller } else { log::Writer::Thread };
    log::start(config, role, writer, |line| line.push_str(&running::request_id()))
}

/// Hears signals from now on, so that one that comes during the start is heeded after it.
fn heed_signals() -> Result<mpsc::Receiver<Order>> {
    let (tell, told) = mpsc::channel();
    signals::listen(move |order| {
        // The receiver goes away only when the process ends.
        let _ = tell.send(order);
    })
    .map_err(Error::internal)?;
    Ok(told)
}

/// Waits until a signal asks this process to end; HUP opens the log again and takes over its levels.
fn until_told_to_stop(sources: &Sources, told: mpsc::Receiver<Order>) {
    for order in told {
        match order {
            Order::Stop => break,
            Order::Reload => match Config::load(sources).and_then(|config| log::reload(&config)) {
                Ok(()) => ::log::info!("the configuration was read again"),
                Err(error) => ::log::error!("the configuration stays as it was: {error}"),
            },
            Order::Replace => {
                ::log::warn!("this service is not replaced while it runs: stop it and start it again")
            }
        }
    }
    sd_notify::stopping();
}
