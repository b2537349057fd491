//! The gateway's settings and listeners, as the configuration, the command line and the environment name them.

use std::net::SocketAddr;

use crate::config::{Config, gateway as opt};
use crate::error::{Error, Result};
use crate::gateway::{Listener, Network, Protocol, Settings, launch};
use crate::identity::noauth;

/// The settings of `config`.
///
/// # Errors
/// `Invalid` for an address that is none.
pub fn settings(config: &Config) -> Result<Settings> {
    let count = |opt| usize::try_from(config.integer(opt)).unwrap_or(0);
    let path = |opt| config.opt_text(opt).filter(|path| !path.is_empty()).map(str::to_owned);
    let network = |text: &String| {
        Network::parse(text).ok_or_else(|| {
            Error::invalid(format!("[hearth] status_allowed_from: {text} is neither an address nor a network"))
        })
    };
    Ok(Settings {
        workers: count(&opt::WORKERS),
        queue: count(&opt::QUEUE),
        params_limit: count(&opt::PARAMS_LIMIT),
        request_timeout: Some(config.seconds(&opt::REQUEST_TIMEOUT)).filter(|time| !time.is_zero()),
        max_requests: u64::try_from(config.integer(&opt::MAX_REQUESTS)).ok().filter(|count| *count > 0),
        retry_after_s: u32::try_from(config.integer(&opt::RETRY_AFTER)).unwrap_or(1),
        drain_timeout: config.seconds(&opt::DRAIN_TIMEOUT),
        status_path: path(&opt::STATUS_PATH),
        ping_path: path(&opt::PING_PATH),
        allowed: config.list(&opt::STATUS_ALLOWED).iter().map(network).collect::<Result<_>>()?,
        web_server_addrs: launch::web_server_addrs(),
        ..Settings::default()
    })
}

/// The sockets of a responder: those that `named` or `[hearth] listen` name, else those that were handed over, else
/// `fallback`. Without authentication, only sockets that no other machine reaches.
///
/// # Errors
/// `Invalid` for an address that is none, where nothing is left to listen on, or where noauth would be open to others;
/// `Unavailable` where the kernel refuses.
pub fn listeners(
    config: &Config,
    named: &[String],
    protocol: Protocol,
    fallback: Option<&str>,
) -> Result<Vec<Listener>> {
    let configured = if named.is_empty() { config.list(&opt::LISTEN) } else { named };
    let handed = if named.is_empty() { handed_over(protocol)? } else { Vec::new() };
    let listeners = match (handed.is_empty(), configured, fallback) {
        (false, ..) => handed,
        (true, [], Some(fallback)) => vec![listener(config, fallback, protocol)?],
        (true, names, _) => names.iter().map(|name| listener(config, name, protocol)).collect::<Result<_>>()?,
    };
    if listeners.is_empty() {
        return Err(Error::invalid(
            "there is nothing to listen on: set [hearth] listen, or --listen, or hand over a socket",
        ));
    }
    let places: Vec<noauth::Listener> = listeners
        .iter()
        .map(|listener| listener.address().map_or(noauth::Listener::Local, noauth::Listener::Tcp))
        .collect();
    // A FastCGI socket that was handed over speaks only with web servers; who may reach those is theirs to say.
    if protocol == Protocol::Http || !named.is_empty() {
        noauth::refuse_on_the_network(config, &places)?;
    }
    Ok(listeners)
}

/// The sockets of systemd or of the process before this one, else the one on file descriptor 0.
fn handed_over(protocol: Protocol) -> Result<Vec<Listener>> {
    if launch::detect() != launch::Launch::FastCgi {
        return Ok(Vec::new());
    }
    let refused = |error| Error::unavailable("the socket that was handed over can not be used", error);
    let inherited = Listener::inherited(protocol).map_err(refused)?;
    if !inherited.is_empty() {
        return Ok(inherited);
    }
    Ok(vec![Listener::from_stdin().map_err(refused)?.speaking(protocol)])
}

/// An address with its port, or the path of a unix socket.
fn listener(config: &Config, name: &str, protocol: Protocol) -> Result<Listener> {
    let refused = |error| Error::unavailable(format!("{name}: can not listen there"), error);
    if name.contains('/') {
        let mode = u32::from_str_radix(config.text(&opt::SOCKET_MODE), 8)
            .map_err(|_| Error::invalid("[hearth] socket_mode: octal digits, such as 0660"))?;
        return Listener::unix(name, mode, protocol).map_err(refused);
    }
    let address: SocketAddr = name
        .parse()
        .map_err(|_| Error::invalid(format!("{name}: neither an address with a port nor the path of a socket")))?;
    Listener::tcp(address, protocol).map_err(refused)
}
