//! Which way the process was started: FastCGI, CGI, or by a person.

use std::net::IpAddr;

use super::listener::{self, PASSED_ON};

/// How the process was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// With a listening socket: on fd 0 (mod_fcgid, spawn-fcgi), by systemd, or from the process before this one.
    FastCgi,
    /// As a CGI program, for one request.
    Cgi,
    /// Neither: by a person or a script.
    Neither,
}

/// Finds out how the process was started, from its descriptors and its environment.
pub fn detect() -> Launch {
    let socket = listener::is_listening(rustix::stdio::stdin());
    let passed = std::env::var_os(PASSED_ON).is_some() || listener::systemd_descriptors() > 0;
    decide(socket, passed, std::env::var_os("GATEWAY_INTERFACE").is_some())
}

fn decide(listening_stdin: bool, passed_on: bool, gateway_interface: bool) -> Launch {
    if listening_stdin || passed_on {
        Launch::FastCgi
    } else if gateway_interface {
        Launch::Cgi
    } else {
        Launch::Neither
    }
}

/// The web servers that may connect over TCP, as `FCGI_WEB_SERVER_ADDRS` names them (specification section 3.2);
/// `None` where it is not set. What is no address is left out.
pub fn web_server_addrs() -> Option<Vec<IpAddr>> {
    let text = std::env::var("FCGI_WEB_SERVER_ADDRS").ok()?;
    Some(text.split(',').filter_map(|part| part.trim().parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::{Launch, decide};

    #[test]
    fn a_listening_socket_wins_over_the_environment() {
        for (stdin, passed, interface, expected) in [
            (true, false, false, Launch::FastCgi),
            (true, false, true, Launch::FastCgi),
            (false, true, false, Launch::FastCgi),
            (false, false, true, Launch::Cgi),
            (false, false, false, Launch::Neither),
        ] {
            assert_eq!(decide(stdin, passed, interface), expected);
        }
    }
}
