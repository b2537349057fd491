//! A service as a value: its routes, its dialect and its state. The two services differ in nothing else.

use arc_swap::ArcSwap;

use super::call::{Call, Reply, read_json};
use super::fault;
use super::links::Links;
use super::microversion::Microversion;
use super::platform::Platform;
use super::query::Query;
use super::route::{Method, Route};
use super::router::{Found, Router};
use crate::config::{Config, Opt};
use crate::error::{Error, Kind, Result};
use crate::gateway::{Request, Response, running};
use crate::identity::Context;

/// The microversion rule of a service (the API-WG's guideline: `OpenStack-API-Version: <word> <version>`).
#[derive(Debug)]
pub struct Versions {
    /// The service's word in the header.
    pub word: &'static str,
    /// The lowest version; also that of a request without the header.
    pub min: Microversion,
    /// The highest version.
    pub max: Microversion,
}

impl Versions {
    /// The version that the caller asks for; `echo` receives the one for the answer's header.
    ///
    /// # Errors
    /// `Invalid` for what is no version, `NotAcceptable` for one that is not served.
    pub fn negotiate(&self, request: &Request, echo: &mut Option<Microversion>) -> Result<Microversion> {
        let Some(header) = request.header("openstack-api-version") else {
            *echo = Some(self.min);
            return Ok(self.min);
        };
        let mine = header.split(',').map(str::trim).find_map(|part| part.strip_prefix(self.word));
        let text = mine.map(str::trim).unwrap_or_default();
        if text == "latest" {
            *echo = Some(self.max);
            return Ok(self.max);
        }
        let Some(version) = Microversion::parse(text) else {
            let shown = if mine.is_some() { text } else { header };
            return Err(Error::invalid(format!(
                "API Version String {shown} is of invalid format. Must be of format MajorNum.MinorNum."
            )));
        };
        if version >= self.min {
            *echo = Some(version);
        }
        if version.within(self.min, self.max) {
            return Ok(version);
        }
        let (min, max) = (self.min, self.max);
        Err(Error::new(
            Kind::NotAcceptable,
            format!("Version {version} is not supported by the API. Minimum is {min} and maximum is {max}."),
        ))
    }
}

/// How a service talks, apart from its routes.
pub struct Dialect {
    /// The path segment of the version with its slash: `/v3`.
    pub base: &'static str,
    /// Whether a project may stand between base and resource.
    pub project_in_path: bool,
    /// The microversion rule, where the service has one.
    pub versions: Option<Versions>,
    /// The service's form of an error.
    pub fault: fn(&Error) -> Response,
    /// What an URL that no row has is answered.
    pub unrouted: fn(&Request) -> Response,
    /// Whether a known path with another method is 405 with `Allow` (else it is unrouted).
    pub allow: bool,
    /// Answers that need no token, such as version documents; gets the path below the mount.
    pub front: fn(&Request, &str, &Links) -> Option<Response>,
    /// The caller of a request that needs no token because of something else; gets the path below the mount. `None`: the
    /// token decides.
    pub guest: fn(&Request, &str, &Config) -> Option<Context>,
    /// Puts an answer into the form that the request wants.
    pub represent: fn(&Request, Response) -> Response,
    /// The types of bodies that are read as JSON.
    pub content_types: &'static [&'static str],
    /// The option with the greatest length of a body in bytes.
    pub body_limit: &'static Opt,
    /// The value of `WWW-Authenticate` is sent on 401 where identity is Keystone's.
    pub challenge: bool,
}

/// A service with its state `S`.
pub struct Service<S: 'static> {
    /// Its name: `block-storage`, `metering`, `alarming`.
    pub name: &'static str,
    /// Its route rows.
    pub tables: &'static [&'static [Route<S>]],
    /// How it talks.
    pub dialect: &'static Dialect,
    /// What it keeps between requests.
    pub state: S,
    router: Router<S>,
    platform: ArcSwap<Platform>,
}

/// What the pipeline knows of a request before a service takes it.
pub struct Arrival<'a> {
    /// The path below the mount's prefix, still percent-encoded.
    pub path: &'a str,
    /// Scheme, authority and prefix as the client sees them.
    pub root: String,
    /// The request's own id, `req-<uuid>`.
    pub request_id: &'a str,
}

/// What a service's headers say of a request.
#[derive(Default)]
struct Told {
    /// Whether a row was found for it.
    routed: bool,
    /// The version that it is answered at.
    version: Option<Microversion>,
}

/// A service without the type of its state, as the pipeline mounts it.
pub trait Endpoint: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Answers one request.
    fn serve(&self, request: &mut Request, arrival: Arrival<'_>) -> Response;
    /// The platform that it stands on now.
    fn platform(&self) -> std::sync::Arc<Platform>;
    /// Stands on another platform from the next request on.
    fn replace_platform(&self, platform: std::sync::Arc<Platform>);
    /// The service's form of an error, for errors outside of it.
    fn fault(&self, error: &Error) -> Response;
}

impl<S: Send + Sync> Service<S> {
    /// The service over these rows.
    pub fn new(
        name: &'static str,
        tables: &'static [&'static [Route<S>]],
        dialect: &'static Dialect,
        state: S,
        platform: std::sync::Arc<Platform>,
    ) -> Self {
        Self { name, tables, dialect, state, router: Router::new(tables), platform: ArcSwap::new(platform) }
    }

    /// Everything between the mount and the handler, in the order in which Cinder checks: token, path, version, body,
    /// action, project, schema.
    fn answer(&self, request: &mut Request, path: &str, mut links: Links, told: &mut Told) -> Result<Response> {
        let platform = self.platform.load();
        let guest = (self.dialect.guest)(request, path, &platform.config);
        let (project, path) = self.split(path);
        if let Some(project) = project {
            links.project = ["/", project].concat();
        }
        let mut context = guest.map_or_else(|| platform.authenticate.context(request), Ok)?;
        platform.policy.decide_admin(&mut context);
        running::set_project(&context.project_id);
        let path = path.strip_suffix(".json").unwrap_or(path);
        let (found, method) = match (self.router.find(path), Method::parse(request.method())) {
            (Some(found), Some(method)) if found.with_method(method).next().is_some() => (found, method),
            (Some(found), _) if self.dialect.allow => return Ok(self.not_allowed(&found, request)),
            _ => return Ok((self.dialect.unrouted)(request)),
        };
        told.routed = true;
        let version = match &self.dialect.versions {
            Some(versions) => versions.negotiate(request, &mut told.version)?,
            None => Microversion::MAX,
        };
        let (route, body) = self.choose(&found, method, version, request, &platform)?;
        running::set_route(route.path);
        if project.is_some_and(|project| project != context.project_id) {
            return Err(Error::invalid("Malformed request url"));
        }
        if let Some(schema) = route.body {
            super::schema::check(schema, &body, version)?;
        }
        let bytes = if route.raw { self.read_bytes(request, &platform)? } else { Vec::new() };
        let mut call = Call {
            state: &self.state,
            platform: &platform,
            context: &context,
            version,
            route,
            path: found.values(route),
            query: Query::parse(request.query()),
            body,
            bytes,
            links,
            request,
        };
        (route.handler)(&mut call).map(finish)
    }

    /// The project segment, if there is one, and the path below it.
    fn split<'p>(&self, path: &'p str) -> (Option<&'p str>, &'p str) {
        let Some(rest) = path.strip_prefix(self.dialect.base) else { return (None, "") };
        let Some(below) = rest.strip_prefix('/').filter(|_| self.dialect.project_in_path) else { return (None, rest) };
        let end = below.find('/').unwrap_or(below.len());
        let (segment, after) = below.split_at(end);
        let like_an_id = !segment.is_empty() && segment.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        if like_an_id { (Some(segment), after) } else { (None, rest) }
    }

    /// The row for this method and version, and the body, read if the row wants one.
    fn choose(
        &self,
        found: &Found<'_, S>,
        method: Method,
        version: Microversion,
        request: &mut Request,
        platform: &Platform,
    ) -> Result<(&'static Route<S>, serde_json::Value)> {
        let mut rows = found.with_method(method);
        let actions = rows.next().is_some_and(|route| !route.action.is_empty());
        let fits = |route: &&Route<S>| version.within(route.since, route.until);
        let gone = || Error::not_found("The resource could not be found.");
        if !actions {
            let route = found.with_method(method).find(fits).ok_or_else(gone)?;
            let body = if route.body.is_some() { self.read_body(request, platform)? } else { None };
            return Ok((route, body.unwrap_or_default()));
        }
        let body = self.read_body(request, platform)?;
        let name = match &body {
            None => "None",
            Some(serde_json::Value::Object(map)) if map.len() == 1 => map.keys().next().map_or("", String::as_str),
            Some(_) => return Err(Error::invalid("Malformed request body")),
        };
        let mut named = found.with_method(method).filter(|route| route.action == name).peekable();
        if named.peek().is_none() {
            return Err(Error::invalid(format!(
                "There is no such action: {name}. Verify the request body and Content-Type header and try again."
            )));
        }
        let route = named.find(fits).ok_or_else(gone)?;
        Ok((route, body.unwrap_or_default()))
    }

    /// The body as it comes.
    fn read_bytes(&self, request: &mut Request, platform: &Platform) -> Result<Vec<u8>> {
        let limit = usize::try_from(platform.config.integer(self.dialect.body_limit)).unwrap_or(usize::MAX);
        request.body.read_to_end(limit).map_err(|error| match error.kind() {
            std::io::ErrorKind::FileTooLarge => Error::new(Kind::TooLarge, "Request is too large."),
            _ => Error::invalid("The request's body did not arrive whole.").because(error),
        })
    }

    /// The body as JSON; `None` where there is none, or where its type is not told.
    fn read_body(&self, request: &mut Request, platform: &Platform) -> Result<Option<serde_json::Value>> {
        let bytes = self.read_bytes(request, platform)?;
        let content_type = request.header("content-type").unwrap_or("");
        let content_type = content_type.split(';').next().unwrap_or("").trim();
        if bytes.is_empty() || content_type.is_empty() {
            return Ok(None);
        }
        if !self.dialect.content_types.iter().any(|known| known.eq_ignore_ascii_case(content_type)) {
            return Err(Error::new(Kind::UnsupportedMedia, "Unsupported Content-Type"));
        }
        read_json(&bytes)
    }

    fn not_allowed(&self, found: &Found<'_, S>, request: &Request) -> Response {
        let names: Vec<&str> = found.methods().into_iter().map(Method::name).collect();
        let text = format!("The method {} is not allowed for this resource.", request.method());
        let error = Error::new(Kind::MethodNotAllowed, text);
        (self.dialect.fault)(&error).header("Allow", names.join(", "))
    }
}

impl<S: Send + Sync> Endpoint for Service<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn serve(&self, request: &mut Request, arrival: Arrival<'_>) -> Response {
        let response = self.serve_plainly(request, arrival);
        (self.dialect.represent)(request, response)
    }

    fn platform(&self) -> std::sync::Arc<Platform> {
        self.platform.load_full()
    }

    fn replace_platform(&self, platform: std::sync::Arc<Platform>) {
        self.platform.store(platform);
    }

    fn fault(&self, error: &Error) -> Response {
        (self.dialect.fault)(error)
    }
}

impl<S: Send + Sync> Service<S> {
    /// The answer in the form of its own.
    fn serve_plainly(&self, request: &mut Request, arrival: Arrival<'_>) -> Response {
        let links = Links { root: arrival.root, version: self.dialect.base, project: String::new() };
        if let Some(response) = (self.dialect.front)(request, arrival.path, &links) {
            return response;
        }
        let mut told = Told::default();
        let response = match self.answer(request, arrival.path, links, &mut told) {
            Ok(response) => response,
            Err(error) => {
                report(&error);
                let response = self.fault(&error);
                match self.platform.load().authenticate.challenge() {
                    Some(challenge) if error.kind() == Kind::Unauthenticated && self.dialect.challenge => {
                        response.header("WWW-Authenticate", challenge.to_owned())
                    }
                    _ => response,
                }
            }
        };
        let Some(versions) = self.dialect.versions.as_ref().filter(|_| told.routed) else { return response };
        let response = response.header("x-compute-request-id", arrival.request_id.to_owned());
        match told.version {
            Some(version) => response
                .header("OpenStack-API-Version", format!("{} {version}", versions.word))
                .header("Vary", "OpenStack-API-Version"),
            None => response,
        }
    }
}

/// One log line where an error becomes a reply: loud where the service is at fault, quiet where the caller is.
fn report(error: &Error) {
    if fault::status(error.kind()) >= 500 {
        log::error!("{error}");
    } else {
        log::debug!("{error}");
    }
}

fn finish(reply: Reply) -> Response {
    let mut headers = Vec::with_capacity(reply.headers.len() + 6);
    headers.push(("Content-Type".into(), reply.content_type.into()));
    headers.extend(reply.headers);
    Response { status: reply.status, headers, body: reply.body }
}
