//! Connections to Glance: where it is, with which tokens it is asked, and that it is asked again where it does not answer.

use std::cell::{Cell, RefCell};
use std::thread;
use std::time::Duration;

use serde_json::Value as Json;
use ureq::RequestExt as _;
use ureq::http::{Method, Request, Response};
use ureq::{Body, SendBody};

use super::errors::unavailable;
use crate::block_storage::model::image::{Access, Token};
use crate::config::{Config, default, glance as options, keystone_authtoken};
use crate::error::{Error, Result};
use crate::identity::keystone::ServiceUser;
use crate::identity::{Context, Secret, catalog, tls};
use crate::service::threads::about_to_wait;

/// Most bytes of an answer that is no data: a list of a page of images has some ten thousand.
const LONGEST_ANSWER: u64 = 4 << 20;
/// The pause before a question is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// The slowest rate at which data may arrive, in bytes a second: less counts as no answer.
const LEAST_RATE: u64 = 256 << 10;

/// Glance for one caller.
pub(super) struct Session {
    agent: ureq::Agent,
    pub(super) access: Access,
    /// The server that is asked.
    at: Cell<usize>,
    service: Option<ServiceUser>,
    service_token: RefCell<Option<Secret>>,
    request_id: String,
    pub(super) retries: i64,
    timeout: Option<Duration>,
}

/// An answer that was read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// What is sent besides a question's path.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'static str, &'a str)],
    pub(super) headers: &'a [(&'static str, &'a str)],
    /// Bytes of data that the question or its answer has.
    pub(super) data_bytes: u64,
}

impl Session {
    pub(super) fn of_caller(config: &Config, context: &Context) -> Result<Self> {
        let keystone = config.text(&default::AUTH_STRATEGY) == "keystone";
        let token = context.auth_token.as_ref().filter(|_| keystone).map(|token| Token::new(token.reveal()));
        let session = Self::open(config, Access { servers: Vec::new(), token }, &context.request_id)?;
        let servers = match config.list(&options::GLANCE_API_SERVERS) {
            [] => vec![session.in_catalogue(config)?],
            servers => shuffled(servers.iter().map(|server| base(server)).collect()),
        };
        Ok(Self { access: Access { servers, ..session.access }, ..session })
    }

    pub(super) fn open(config: &Config, access: Access, request_id: &str) -> Result<Self> {
        let files = [&options::GLANCE_CA_CERTIFICATES_FILE, &options::GLANCE_CERTFILE, &options::GLANCE_KEYFILE];
        let files = files.map(|opt| config.opt_text(opt));
        let tls = tls::config(config.boolean(&options::GLANCE_API_INSECURE), files).map_err(unavailable)?;
        let timeout = Some(config.seconds(&options::GLANCE_REQUEST_TIMEOUT)).filter(|span| !span.is_zero());
        let agent = tls::client(tls).timeout_connect(timeout).timeout_recv_response(timeout).build().new_agent();
        Ok(Self {
            agent,
            access,
            at: Cell::new(0),
            service: ServiceUser::open(config).map_err(unavailable)?,
            service_token: RefCell::new(None),
            request_id: request_id.to_owned(),
            retries: config.integer(&options::GLANCE_NUM_RETRIES),
            timeout,
        })
    }

    /// Where Glance is, as the caller's catalogue says.
    fn in_catalogue(&self, config: &Config) -> Result<String> {
        let token = self.access.token.as_ref().ok_or_else(|| unavailable("[DEFAULT] glance_api_servers is not set"))?;
        let info = config.text(&options::GLANCE_CATALOG_INFO);
        let mut parts = info.split(':');
        let (Some(kind), Some(_), Some(interface), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let text = "Failed to parse the configuration option 'glance_catalog_info', must be in the form \
                        <service_type>:<service_name>:<endpoint_type>";
            return Err(Error::internal(text));
        };
        let interface = interface.strip_suffix("URL").unwrap_or(interface);
        let keystone = config.opt_text(&keystone_authtoken::AUTH_URL);
        let keystone = keystone.ok_or_else(|| unavailable("nobody says where Keystone is"))?.trim_end_matches('/');
        let url = format!("{}/v3/auth/catalog", keystone.trim_end_matches("/v3"));
        about_to_wait();
        let request = self.agent.get(&url).header("Accept", "application/json").header("X-Auth-Token", token.reveal());
        let failed = |error: ureq::Error| unavailable(format!("{url}: {error}"));
        let mut response = request.call().map_err(failed)?;
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec().map_err(failed)?;
        let catalog: Json = serde_json::from_slice(&body).map_err(|error| unavailable(format!("{url}: {error}")))?;
        let found = catalog::endpoint(&catalog, kind, interface, config.opt_text(&options::REGION_NAME));
        found.map(|url| base(&url)).ok_or_else(|| unavailable("there is none in the caller's catalogue"))
    }

    /// Asks, again where nobody answers; the answer is read whole.
    pub(super) fn send(
        &self,
        what: &str,
        method: &str,
        path: &str,
        query: &[(&'static str, &str)],
        body: Option<&Json>,
    ) -> Result<Answer> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| Error::internal(error.to_string()))?;
        let headers = if body.is_some() { &[("Content-Type", "application/json")][..] } else { &[] };
        let text = body.map(Json::to_string).unwrap_or_default();
        let question = Question { method, path, query, headers, data_bytes: 0 };
        self.again(what, || {
            let mut bytes = text.as_bytes();
            let length = text.len() as u64;
            let response = self.ask(&question, body.is_some().then_some((&mut bytes, length)))?;
            whole(response)
        })
    }

    /// Does something again where nobody answers, each time with the next server.
    pub(super) fn again(&self, what: &str, mut action: impl FnMut() -> Result<Answer, ureq::Error>) -> Result<Answer> {
        let mut left = self.retries;
        let mut renewed = false;
        loop {
            let server = self.server()?;
            let told = match action() {
                Ok(answer) if answer.status == 401 && !renewed && self.renew()? => {
                    renewed = true;
                    continue;
                }
                Ok(answer) if answer.status != 503 || left <= 0 => return Ok(answer),
                Ok(answer) => format!("it answers {}", answer.status),
                Err(error) if left <= 0 => return Err(unavailable(format!("{server}: {error}"))),
                Err(error) => error.to_string(),
            };
            log::warn!("Error contacting glance server '{server}' for '{what}', retrying: {told}");
            left -= 1;
            self.next_server();
        }
    }

    /// Waits a moment before the next server is asked.
    pub(super) fn next_server(&self) {
        self.at.set(self.at.get().wrapping_add(1));
        thread::sleep(PAUSE);
    }

    /// Sends one question, with what `content` reads, once.
    pub(super) fn ask(
        &self,
        question: &Question<'_>,
        content: Option<(&mut dyn std::io::Read, u64)>,
    ) -> Result<Response<Body>, ureq::Error> {
        about_to_wait();
        let server = self.server().map_err(|error| ureq::Error::BadUri(error.to_string()))?;
        let mut url = format!("{server}{}", question.path);
        for (at, (name, value)) in question.query.iter().enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            encode(value, &mut url);
        }
        let mut request = Request::builder().method(question.method.clone()).uri(url);
        request = request.header("Accept", "*/*").header("X-OpenStack-Request-ID", &self.request_id);
        if let Some(token) = &self.access.token {
            request = request.header("X-Auth-Token", token.reveal());
        }
        if let Some(token) = self.service_token().map_err(|error| ureq::Error::BadUri(error.to_string()))? {
            request = request.header("X-Service-Token", token.reveal());
        }
        for (name, value) in question.headers {
            request = request.header(*name, *value);
        }
        let rate = |bytes: u64| Duration::from_secs(bytes / LEAST_RATE);
        let data = self.timeout.map(|timeout| timeout + rate(question.data_bytes));
        match content {
            Some((content, length)) => {
                let body = SendBody::from_reader(content);
                let request = request.header("Content-Length", length).body(body).map_err(ureq::Error::Http)?;
                request.with_agent(&self.agent).configure().timeout_send_body(data).build().run()
            }
            None => {
                let request = request.body(()).map_err(ureq::Error::Http)?;
                request.with_agent(&self.agent).configure().timeout_recv_body(data).build().run()
            }
        }
    }

    fn server(&self) -> Result<&str> {
        let servers = &self.access.servers;
        let server = self.at.get().checked_rem(servers.len()).and_then(|at| servers.get(at));
        server.map(String::as_str).ok_or_else(|| unavailable("nobody says where it is"))
    }

    /// The token of this service itself, where it is to be sent.
    fn service_token(&self) -> Result<Option<Secret>> {
        let Some(service) = &self.service else { return Ok(None) };
        if self.service_token.borrow().is_none() {
            *self.service_token.borrow_mut() = Some(service.token(None)?);
        }
        Ok(self.service_token.borrow().clone())
    }

    /// Gets another service token, where Glance may not take the old one any more.
    pub(super) fn renew(&self) -> Result<bool> {
        let Some(service) = &self.service else { return Ok(false) };
        let stale = self.service_token.borrow().clone();
        *self.service_token.borrow_mut() = Some(service.token(stale.as_ref())?);
        Ok(true)
    }
}

/// Reads an answer whole.
pub(super) fn whole(mut response: Response<Body>) -> Result<Answer, ureq::Error> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec()?;
    Ok(Answer { status, body })
}

/// An address with a scheme and without a version.
fn base(server: &str) -> String {
    let server = server.trim().trim_end_matches('/');
    let server = if server.contains("//") { server.to_owned() } else { format!("http://{server}") };
    let unversioned = server.rsplit_once('/').filter(|(_, last)| {
        last.strip_prefix('v').is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
    });
    unversioned.map_or_else(|| server.clone(), |(rest, _)| rest.to_owned())
}

/// In random order, so that all servers are asked equally often.
fn shuffled(mut servers: Vec<String>) -> Vec<String> {
    let random = uuid::Uuid::new_v4().as_u128();
    let count = servers.len() as u128;
    if let Some(first) = random.checked_rem(count).and_then(|first| usize::try_from(first).ok()) {
        servers.rotate_left(first);
    }
    servers
}

/// Appends a text percent-encoded.
fn encode(text: &str, url: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_leave_out_the_scheme_and_have_a_version() {
        for (given, wanted) in [
            ("glance:9292", "http://glance:9292"),
            ("https://glance/", "https://glance"),
            ("https://glance/image/v2", "https://glance/image"),
            ("http://h/video", "http://h/video"),
        ] {
            assert_eq!(base(given), wanted);
        }
    }

    #[test]
    fn names_are_encoded() {
        let mut url = String::new();
        encode("a b&c=ü/", &mut url);
        assert_eq!(url, "a%20b%26c%3D%C3%BC%2F");
    }

    #[test]
    fn every_server_may_come_first() {
        let servers = vec!["a".to_owned(), "b".to_owned()];
        let firsts: std::collections::HashSet<String> =
            (0..200).filter_map(|_| shuffled(servers.clone()).into_iter().next()).collect();
        assert_eq!(firsts.len(), 2);
    }
}
