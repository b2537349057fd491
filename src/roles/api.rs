//! `hearth api`, and what a web server starts: a FastCGI responder, or a CGI program for one request.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::assemble::Assembly;
use super::cli::Way;
use super::settings::{listeners, settings};
use crate::config::{self, Sources};
use crate::error::{Error, Result};
use crate::gateway::{Protocol, Server, cgi as gateway_cgi};
use crate::service::signals::{self, Order};

/// Time beyond the drain time after which a responder that was told to stop ends, whatever still runs.
const ABORT_AFTER_DRAIN: Duration = Duration::from_secs(30);

/// Is a FastCGI responder on the sockets that were handed over.
///
/// # Errors
/// As [`run`].
pub fn respond(sources: &Sources) -> Result<ExitCode> {
    run(sources, &[], Protocol::FastCgi, "hearth-api")
}

/// Serves in the way that the operator forces.
///
/// # Errors
/// As [`run`].
pub fn forced(sources: &Sources, listen: &[String], way: Option<Way>) -> Result<ExitCode> {
    match way {
        Some(Way::Cgi) => cgi(sources),
        Some(Way::Http) => run(sources, listen, Protocol::Http, "hearth-api"),
        Some(Way::Fastcgi) | None => run(sources, listen, Protocol::FastCgi, "hearth-api"),
    }
}

/// Answers one request from the environment and standard input.
///
/// # Errors
/// What assembling the services gives, and a web server that does not take the answer.
pub fn cgi(sources: &Sources) -> Result<ExitCode> {
    gateway_cgi::clean_environment();
    let assembly = Arc::new(Assembly::open(sources, 1)?);
    let _log = super::start_logging(&assembly.config, "hearth-cgi", true)?;
    gateway_cgi::run(&*super::handler(&assembly))
        .map_err(|error| Error::unavailable("the web server went away", error))?;
    Ok(ExitCode::SUCCESS)
}

/// Serves on the sockets until told to stop.
///
/// # Errors
/// What assembling the services gives, and sockets that can not be used.
pub fn run(sources: &Sources, listen: &[String], protocol: Protocol, role: &str) -> Result<ExitCode> {
    let config = config::Config::load(sources)?;
    let pool = u32::try_from(config.integer(&config::gateway::WORKERS)).unwrap_or(8);
    let assembly = Arc::new(Assembly::open(sources, pool)?);
    let _log = super::start_logging(&assembly.config, role, false)?;
    let listeners =
        listeners(&assembly.config, listen, protocol, (protocol == Protocol::Http).then_some(super::serve::ADDRESS))?;
    serve(
        &assembly,
        Server::new(settings(&assembly.config)?, super::handler(&assembly), listeners).map_err(Error::internal)?,
    )
}

/// Runs a server, and does what signals ask for.
///
/// # Errors
/// Where a thread can not be started.
pub fn serve(assembly: &Arc<Assembly>, server: Server) -> Result<ExitCode> {
    let (controller, assembly) = (server.controller(), assembly.clone());
    signals::listen(move |order| match order {
        Order::Stop => {
            controller.stop();
            controller.abort_after(controller.settings().drain_timeout + ABORT_AFTER_DRAIN);
        }
        Order::Replace => {
            if let Err(error) = controller.replace() {
                log::error!("no fresh executable could be started, this one goes on: {error}");
            }
        }
        Order::Reload => match assembly.reload().and_then(|config| Ok((settings(&config)?, config))) {
            Ok((settings, config)) => {
                controller.reload(settings);
                match crate::service::log::reload(&config) {
                    Ok(()) => log::info!("the configuration was read again"),
                    Err(error) => log::error!("the log stays as it was: {error}"),
                }
            }
            Err(error) => log::error!("the configuration stays as it was: {error}"),
        },
    })
    .map_err(Error::internal)?;
    server.run().map_err(Error::internal)?;
    Ok(ExitCode::SUCCESS)
}
