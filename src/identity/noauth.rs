//! No authentication, in Cinder's own form: the token `user:project` says who calls, any other token or none means the
//! configured user and project. For development, single machines and tests: everybody is an administrator.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::headers::Headers;
use super::{Authenticate, Context, Identity};
use crate::config::{Config, hearth};
use crate::error::{Error, Result};
use crate::gateway::Request;

/// Believes what a token says.
#[derive(Debug)]
pub struct Noauth {
    fallback: Arc<Identity>,
}

impl Noauth {
    /// With the user and the project of the configuration for requests that name none.
    pub fn new(config: &Config) -> Self {
        let fallback = Identity {
            user_id: config.text(&hearth::NOAUTH_USER_ID).to_owned(),
            project_id: config.text(&hearth::NOAUTH_PROJECT_ID).to_owned(),
            roles: config.list(&hearth::NOAUTH_ROLES).to_vec(),
            is_admin_project: true,
            ..Identity::default()
        };
        Self { fallback: Arc::new(fallback) }
    }
}

impl Authenticate for Noauth {
    fn context(&self, request: &Request) -> Result<Context> {
        let headers = Headers::of(request);
        let named = headers.token.and_then(|token| token.split_once(':')).filter(|(user, _)| !user.is_empty());
        let identity = match named {
            Some((user, project)) => Arc::new(Identity {
                user_id: user.to_owned(),
                project_id: if project.is_empty() { user } else { project }.to_owned(),
                ..Identity::clone(&self.fallback)
            }),
            None => Arc::clone(&self.fallback),
        };
        let is_admin = identity.roles.iter().any(|role| role == "admin");
        Ok(Context { is_admin, ..Context::with(identity, &headers) })
    }

    fn challenge(&self) -> Option<&str> {
        None
    }
}

/// Where a process takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// A unix socket, a pipe, or CGI: whoever reaches it is on this machine.
    Local,
    /// An address and a port.
    Tcp(SocketAddr),
}

/// Refuses to start without authentication where another machine could reach a listener.
///
/// # Errors
/// `Invalid` with the listener and the option that allows it all the same.
pub fn refuse_on_the_network(config: &Config, listeners: &[Listener]) -> Result<()> {
    if config.text(&crate::config::default::AUTH_STRATEGY) == "keystone" || config.boolean(&hearth::NOAUTH_ANYWHERE) {
        return Ok(());
    }
    let reachable = listeners.iter().find_map(|listener| match listener {
        Listener::Tcp(address) if !is_loopback(address.ip()) => Some(address),
        _ => None,
    });
    match reachable {
        None => Ok(()),
        Some(address) => Err(Error::invalid(format!(
            "auth_strategy = noauth makes everybody an administrator, and other machines can reach {address}. Listen on \
             loopback or on a unix socket, use auth_strategy = keystone, or set [hearth] noauth_anywhere = true"
        ))),
    }
}

/// Loopback, also as an IPv4 address inside an IPv6 one.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Body, Params};

    fn context(token: Option<&str>) -> Context {
        let mut params = Params::default();
        if let Some(token) = token {
            params.push(b"HTTP_X_AUTH_TOKEN", token.as_bytes());
        }
        let config =
            Config::from_text("auth_strategy = noauth\n[hearth]\nnoauth_user_id = u0\nnoauth_project_id = p0").unwrap();
        Noauth::new(&config).context(&Request { params, body: Body::Whole(Vec::new()) }).unwrap()
    }

    #[test]
    fn the_token_says_who_calls() {
        for (token, user, project) in [
            (Some("ann:abc"), "ann", "abc"),
            (Some("ann:"), "ann", "ann"),
            (Some("ann:a:b"), "ann", "a:b"),
            (Some(":abc"), "u0", "p0"),
            (Some("gAAAAAB"), "u0", "p0"),
            (Some(""), "u0", "p0"),
            (None, "u0", "p0"),
        ] {
            let context = context(token);
            assert_eq!((context.user_id.as_str(), context.project_id.as_str()), (user, project), "{token:?}");
            assert!(context.is_admin && context.has_role("reader"));
        }
    }

    #[test]
    fn listeners_that_others_reach_are_refused_unless_forced() {
        let listeners = |text: &str| [Listener::Local, Listener::Tcp(text.parse().unwrap())];
        let noauth = Config::from_text("auth_strategy = noauth").unwrap();
        for local in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(refuse_on_the_network(&noauth, &listeners(local)).is_ok(), "{local}");
        }
        for reachable in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:10.0.0.1]:80"] {
            assert!(refuse_on_the_network(&noauth, &listeners(reachable)).is_err(), "{reachable}");
        }
        let forced = Config::from_text("auth_strategy = noauth\n[hearth]\nnoauth_anywhere = true").unwrap();
        assert!(refuse_on_the_network(&forced, &listeners("0.0.0.0:80")).is_ok());
        let keystone = Config::from_text("").unwrap();
        assert!(refuse_on_the_network(&keystone, &listeners("0.0.0.0:80")).is_ok());
    }
}
