//! Metering and alarming in one process, without a socket. Callers are told by the headers that Keystone's middleware
//! would set: `X-Roles`, `X-User-Id`, `X-Project-Id`.

use std::sync::Arc;

use hearth::config::Config;
use hearth::database::{Database, Engine};
use hearth::gateway::{Body, Params, Request, ResponseBody};
use hearth::identity::{Authenticate, Context, Identity};
use hearth::rest::pipeline::{App, Mount};
use hearth::rest::platform::Platform;
use hearth::telemetry::store::schema;
use hearth::telemetry::{self, policy};
use hearth::{Error, Kind, Result};
use serde_json::Value as Json;

use crate::scratch;

/// Believes the headers. A request with `X-Nobody` has no valid token.
struct Headers;

impl Authenticate for Headers {
    fn context(&self, request: &Request) -> Result<Context> {
        if request.header("x-nobody").is_some() {
            return Err(Error::new(Kind::Unauthenticated, "The request you have made requires authentication."));
        }
        let text = |name| request.header(name).unwrap_or("").to_owned();
        let identity = Identity {
            user_id: text("x-user-id"),
            project_id: text("x-project-id"),
            roles: text("x-roles").split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect(),
            is_admin_project: true,
            ..Identity::default()
        };
        Ok(Context::new(Arc::new(identity), request))
    }

    fn challenge(&self) -> Option<&str> {
        None
    }
}

/// A caller, as the headers that make one.
pub(crate) type Caller = &'static [(&'static str, &'static str)];

pub(crate) const ADMIN: Caller = &[("X-Roles", "admin"), ("X-User-Id", "root"), ("X-Project-Id", "operators")];
pub(crate) const MEMBER: Caller = &[("X-Roles", "member,reader"), ("X-User-Id", "u1"), ("X-Project-Id", "p1")];
pub(crate) const READER: Caller = &[("X-Roles", "reader"), ("X-User-Id", "u3"), ("X-Project-Id", "p1")];
pub(crate) const STRANGER: Caller = &[("X-Roles", "member,reader"), ("X-User-Id", "u2"), ("X-Project-Id", "p2")];

/// The services with an empty database.
pub(crate) struct Services {
    app: App,
    /// Where everything lies.
    pub(crate) database: Database,
}

impl Services {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With these lines in the configuration file.
    pub(crate) fn with(lines: &str) -> Self {
        Self::on(Engine::Sqlite, lines)
    }

    /// On this engine, with these lines in the configuration file.
    pub(crate) fn on(engine: Engine, lines: &str) -> Self {
        Self::over(scratch::database(engine), lines)
    }

    /// Over this database, with these lines in the configuration file.
    pub(crate) fn over(database: Database, lines: &str) -> Self {
        schema::sync(&database).expect("the tables are made");
        let config = Arc::new(Config::from_text(&format!("[DEFAULT]\nauth_strategy = noauth\n{lines}")).unwrap());
        let policy = Arc::new(hearth::identity::policy::open(&config, policy::ALL).unwrap());
        let platform = Arc::new(Platform { config, policy, authenticate: Arc::new(Headers) });
        let mount = |prefix: &str, endpoint| Mount { prefix: prefix.to_owned(), port: 0, endpoint };
        let app = App::new(vec![
            mount("/metering", Arc::new(telemetry::metering(platform.clone(), database.clone()))),
            mount("/alarming", Arc::new(telemetry::alarming(platform, database.clone()))),
        ]);
        Self { app, database }
    }

    pub(crate) fn get(&self, caller: Caller, url: &str) -> Answer {
        self.send("GET", url, caller, &[], None)
    }

    pub(crate) fn post(&self, caller: Caller, url: &str, body: &Json) -> Answer {
        let json = [("Content-Type", "application/json")];
        self.send("POST", url, caller, &json, Some(body.to_string().as_bytes()))
    }

    /// Any request; `url` begins with the service's prefix.
    pub(crate) fn send(
        &self,
        method: &str,
        url: &str,
        caller: &[(&str, &str)],
        more: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        self.answer(method, url, "", caller.iter().chain(more), body)
    }

    /// A request without a token from an address.
    pub(crate) fn from(
        &self,
        method: &str,
        url: &str,
        address: &str,
        more: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        self.answer(method, url, address, [("X-Nobody", "1")].iter().chain(more), body)
    }

    fn answer<'h>(
        &self,
        method: &str,
        url: &str,
        address: &str,
        headers: impl Iterator<Item = &'h (&'h str, &'h str)>,
        body: Option<&[u8]>,
    ) -> Answer {
        let mut params = Params::default();
        let mut push = |name: &str, value: &str| params.push(name.as_bytes(), value.as_bytes());
        push("REQUEST_METHOD", method);
        push("REQUEST_URI", url);
        push("QUERY_STRING", url.split_once('?').map_or("", |(_, query)| query));
        push("HTTP_HOST", "localhost:28777");
        push("REQUEST_SCHEME", "http");
        if !address.is_empty() {
            push("REMOTE_ADDR", address);
        }
        for (name, value) in headers {
            let name = name.to_ascii_uppercase().replace('-', "_");
            let http = if name.starts_with("CONTENT_") { "" } else { "HTTP_" };
            push(&format!("{http}{name}"), value);
        }
        let request = Request { params, body: Body::Whole(body.unwrap_or_default().to_vec()) };
        let response = self.app.handle(request);
        let is_spooled = matches!(response.body, ResponseBody::Spooled(_));
        let mut bytes = Vec::new();
        response.body.write_to(&mut bytes).expect("the whole body");
        let headers = response.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Answer {
            status: response.status,
            is_spooled,
            headers,
            json: serde_json::from_slice(&bytes).unwrap_or_default(),
            text: String::from_utf8(bytes).unwrap(),
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether a part of the body lay in a file.
    pub(crate) is_spooled: bool,
    pub(crate) headers: Vec<(String, String)>,
    /// The body, where it is JSON; null where it is not.
    pub(crate) json: Json,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The text of WSME's errors.
    pub(crate) fn fault(&self) -> &str {
        self.json["error_message"]["faultstring"].as_str().unwrap_or_else(|| panic!("no fault in {}", self.text))
    }
}
