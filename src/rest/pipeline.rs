//! One request from top to bottom: request id, panic boundary, health check, mount, service, access-log line.

use std::sync::Arc;
use std::time::Instant;

use super::links;
use super::service::{Arrival, Endpoint};
use crate::config;
use crate::error::Error;
use crate::gateway::{Request, Response, running};
use crate::service::health::{self, Question};
use crate::service::threads;

/// Path of the health document, below every mount and beside them.
const HEALTHCHECK: &str = "/healthcheck";

/// A service at its places.
pub struct Mount {
    /// The path before the service's own, with its slash and none at the end: `/volume`. Empty: none.
    pub prefix: String,
    /// The port on which the service stands without a prefix; 0 for none.
    pub port: u16,
    /// The service.
    pub endpoint: Arc<dyn Endpoint>,
}

/// Every service of one process: the gateway's handler.
pub struct App {
    mounts: Vec<Mount>,
}

impl App {
    /// The services at their places.
    pub fn new(mounts: Vec<Mount>) -> Self {
        Self { mounts }
    }

    /// The services at their places.
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// Answers one request. Never panics: a panic below is a 500 for this request.
    pub fn handle(&self, mut request: Request) -> Response {
        let started = log::log_enabled!(target: "access", log::Level::Info).then(Instant::now);
        let request_id = request_id();
        running::set_request_id(&request_id);
        let path = request.path().into_owned();
        let response = threads::contain(|| self.route(&mut request, &path, &request_id));
        let response = response.unwrap_or_else(|panic| {
            log::error!("a handler panicked: {panic}");
            self.fault(&request, &path, &Error::internal("a handler panicked"))
        });
        if let Some(started) = started {
            access(&request, &path, &response, started);
        }
        response.header("x-openstack-request-id", request_id)
    }

    fn route(&self, request: &mut Request, path: &str, request_id: &str) -> Response {
        let Some((mount, prefix, below)) = self.mount(request, path) else {
            let health =
                self.mounts.first().filter(|_| path == HEALTHCHECK).and_then(|mount| health(&mount.endpoint, request));
            return health.unwrap_or_else(|| not_found(request));
        };
        if below == HEALTHCHECK
            && let Some(document) = health(&mount.endpoint, request)
        {
            return document;
        }
        let platform = mount.endpoint.platform();
        let config = &platform.config;
        let root = links::root(
            request,
            prefix,
            config.opt_text(&config::default::PUBLIC_ENDPOINT),
            config.boolean(&config::oslo_middleware::ENABLE_PROXY_HEADERS_PARSING),
        );
        mount.endpoint.serve(request, Arrival { path: below, root, request_id })
    }

    /// The service of a request with its prefix and the path below: the one that the web server names
    /// (`HEARTH_SERVICE`), else the one whose prefix the path has, else the one whose port it came to, else the only one.
    fn mount<'s, 'p>(&'s self, request: &Request, path: &'p str) -> Option<(&'s Mount, &'s str, &'p str)> {
        let below = |mount: &Mount| {
            let rest = path.strip_prefix(mount.prefix.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then_some(rest)
        };
        let prefixed = |mount: &'s Mount| match below(mount) {
            Some(rest) if !mount.prefix.is_empty() => {
                (mount, mount.prefix.as_str(), if rest.is_empty() { "/" } else { rest })
            }
            _ => (mount, "", path),
        };
        if let Some(name) = request.param("HEARTH_SERVICE") {
            return self.mounts.iter().find(|mount| mount.endpoint.name() == name).map(prefixed);
        }
        let by_prefix = self.mounts.iter().find(|mount| !mount.prefix.is_empty() && below(mount).is_some());
        if let Some(mount) = by_prefix {
            return Some(prefixed(mount));
        }
        let port = request.param("SERVER_PORT").and_then(|port| port.parse::<u16>().ok()).unwrap_or(0);
        let by_port = self.mounts.iter().find(|mount| mount.port != 0 && mount.port == port);
        let only = || if self.mounts.len() == 1 { self.mounts.first() } else { None };
        by_port.or_else(only).map(|mount| (mount, "", path))
    }

    fn fault(&self, request: &Request, path: &str, error: &Error) -> Response {
        match self.mount(request, path) {
            Some((mount, ..)) => mount.endpoint.fault(error),
            None => Response::new(500, "text/plain; charset=UTF-8", error.public().as_bytes()),
        }
    }
}

/// oslo's health document, where the configuration lets this client have it.
fn health(endpoint: &Arc<dyn Endpoint>, request: &Request) -> Option<Response> {
    let question = Question {
        method: request.method(),
        accept: request.header("accept"),
        source: request.param("REMOTE_ADDR").and_then(|address| address.parse().ok()),
        port: request.param("SERVER_PORT").and_then(|port| port.parse().ok()).unwrap_or(0),
        proxied: request.params.iter().any(|(name, _)| name.starts_with(b"HTTP_X_FORWARDED")),
    };
    let answer = health::answer(&endpoint.platform().config, &question)?;
    Some(Response::new(answer.status, answer.content_type, answer.body))
}

/// The page of an URL that no service has: as JSON for those who ask for it, else plain.
pub fn not_found(request: &Request) -> Response {
    if request.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        let body = r#"{"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}"#;
        return Response::new(404, "application/json", body);
    }
    Response::new(404, "text/plain; charset=UTF-8", "404 Not Found\n\nThe resource could not be found.\n\n   ")
}

fn request_id() -> String {
    let mut text = String::with_capacity(40);
    text.push_str("req-");
    text.push_str(uuid::Uuid::new_v4().hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    text
}

fn access(request: &Request, path: &str, response: &Response, started: Instant) {
    let bytes = response.body.length().map_or(-1, |length| i64::try_from(length).unwrap_or(i64::MAX));
    log::info!(
        target: "access",
        "{} \"{} {}{}{}\" status: {} len: {bytes} microseconds: {}",
        request.param("REMOTE_ADDR").unwrap_or("-"),
        request.method(),
        path,
        if request.query().is_empty() { "" } else { "?" },
        request.query(),
        response.status,
        started.elapsed().as_micros(),
    );
}
