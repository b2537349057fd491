//! What a handler sees of a request, and what it gives back.

use std::borrow::Cow;

use serde_json::Value;

use super::json::Json;
use super::links::Links;
use super::microversion::Microversion;
use super::platform::Platform;
use super::query::Query;
use super::route::Route;
use super::router::PathValues;
use super::view::{View, Viewer};
use crate::error::{Error, Result};
use crate::gateway::{Request, ResponseBody};
use crate::identity::Context;
use crate::identity::policy::{Rule, Target};

/// One request, checked and ready to be handled.
pub struct Call<'a, S: 'static> {
    /// What the service keeps between requests.
    pub state: &'a S,
    /// Configuration, policy and identity as they were when the request came.
    pub platform: &'a Platform,
    /// Who calls.
    pub context: &'a Context,
    /// The version that the caller asked for.
    pub version: Microversion,
    /// The row that matched.
    pub route: &'static Route<S>,
    /// The values of the path's variables.
    pub path: PathValues<'a>,
    /// The query.
    pub query: Query,
    /// The body, which passed the row's schema; null where the row reads none.
    pub body: Value,
    /// The body as it came, where the row's handler reads it itself; else empty.
    pub bytes: Vec<u8>,
    /// Makes links.
    pub links: Links,
    /// The request as it came, without its body.
    pub request: &'a Request,
}

impl<S> Call<'_, S> {
    /// Whether the caller asked for version 3.`minor` or a later one.
    pub fn at_least(&self, minor: u16) -> bool {
        self.version >= Microversion::new(3, minor)
    }

    /// The object under the body's only or outermost key `name`; null where there is none.
    pub fn input(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&Value::Null)
    }

    /// Checks a policy rule against the caller's own project: for rules without an object.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`] with the rule's name.
    pub fn enforce(&self, rule: &Rule) -> Result<()> {
        self.platform.policy.check(rule, self.context, &self.own())
    }

    /// The caller's own project and user as the target of a rule.
    pub fn own(&self) -> Target<'_> {
        Target::own(self.context)
    }

    /// A viewer that sees the attributes whose bits are in `allowed`.
    pub fn viewer(&self, allowed: u32) -> Viewer<'_> {
        Viewer { version: self.version, allowed, links: &self.links }
    }

    /// `{"<envelope>": <item>}` with the row's status of success; the bare item where the envelope is empty.
    pub fn one<T>(&self, envelope: &str, view: &View<T>, item: &T, allowed: u32) -> Reply {
        let viewer = self.viewer(allowed);
        self.json(|json| {
            if envelope.is_empty() {
                view.object(item, &viewer, json);
            } else {
                json.object(|json| view.object(item, &viewer, json.key(envelope)));
            }
        })
    }

    /// A reply with the row's status of success and the JSON that `fill` writes.
    pub fn json(&self, fill: impl FnOnce(&mut Json)) -> Reply {
        let mut json = Json::with_capacity(1024);
        fill(&mut json);
        self.written(json)
    }

    /// A reply with the row's status of success and this JSON.
    pub fn written(&self, json: Json) -> Reply {
        Reply { status: self.route.success, headers: Vec::new(), body: json.into_body(), content_type: JSON }
    }

    /// A reply with the row's status of success and no body.
    pub fn done(&self) -> Reply {
        Reply::empty(self.route.success)
    }
}

const JSON: &str = "application/json";

/// What a handler answers.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers beside those that every answer carries.
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The body.
    pub body: ResponseBody,
    /// The body's type.
    pub content_type: &'static str,
}

impl Reply {
    /// No body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: ResponseBody::Bytes(Vec::new()), content_type: JSON }
    }

    /// A JSON value.
    pub fn value(status: u16, value: &Value) -> Self {
        let mut json = Json::with_capacity(256);
        json.value(value);
        Self { status, headers: Vec::new(), body: json.into_body(), content_type: JSON }
    }

    /// The same reply with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((Cow::Borrowed(name), value.into()));
        self
    }
}

/// Reads a body of JSON; an empty one is `None`.
///
/// # Errors
/// [`crate::Kind::Invalid`] where it is no JSON.
pub fn read_json(bytes: &[u8]) -> Result<Option<Value>> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    serde_json::from_slice(bytes).map(Some).map_err(|cause| Error::invalid("Malformed request body").because(cause))
}
