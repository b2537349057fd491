//! Agents that publish without a token: Ceilometer's HTTP publisher knows basic authentication and nothing else. None is
//! admitted unless the configuration says so, and none may do anything but publish.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::config::Config;
use crate::config::telemetry::{PUBLISHER_NETWORKS, PUBLISHERS};
use crate::gateway::Request;
use crate::identity::{Context, Identity};
use crate::service::health::holds;

/// The role that a publisher has, and no other.
const ROLE: &str = "telemetry_publisher";
/// Where agents publish.
const PATHS: [&str; 2] = ["/v2/samples", "/v2/events"];

/// The caller of a request that publishes with a password of the configuration, or from a network of it.
pub(super) fn admit(request: &Request, path: &str, config: &Config) -> Option<Context> {
    if request.method() != "POST" || !PATHS.contains(&path) || request.header("x-auth-token").is_some() {
        return None;
    }
    let name = match request.header("authorization") {
        Some(header) => with_password(header, config)?,
        None => from_network(request, config)?,
    };
    let identity = Identity { user_id: name, roles: vec![ROLE.to_owned()], ..Identity::default() };
    Some(Context::new(Arc::new(identity), request))
}

/// The name of the publisher whose password the header has.
fn with_password(header: &str, config: &Config) -> Option<String> {
    let (scheme, text) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let given = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (name, password) = given.split_once(':')?;
    // Digests are compared, so that the time tells nothing of how much of a password was right.
    let digest = Sha256::digest(given.as_bytes());
    let known = config.list(&PUBLISHERS).iter().any(|publisher| Sha256::digest(publisher.as_bytes()) == digest);
    (known && !name.is_empty() && !password.is_empty()).then(|| name.to_owned())
}

/// The address of a request that comes from a network whose agents need no password, and through no proxy.
fn from_network(request: &Request, config: &Config) -> Option<String> {
    let proxied =
        request.params.iter().any(|(name, _)| name.starts_with(b"HTTP_X_FORWARDED") || name == b"HTTP_FORWARDED");
    let address: IpAddr = request.param("REMOTE_ADDR")?.parse().ok()?;
    let networks = config.list(&PUBLISHER_NETWORKS);
    (!proxied && networks.iter().any(|network| holds(network, address))).then(|| address.to_string())
}
