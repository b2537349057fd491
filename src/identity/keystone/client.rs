//! Asking Keystone: the service user's own token, and what the tokens of others are worth. Blocking, over kept
//! connections, from any number of threads. Not here: what is remembered of the answers, and what they mean to a request.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::cache::Flights;
use super::token::Token;
use crate::config::{Config, keystone_authtoken as options};
use crate::error::{Error, Result};
use crate::identity::Secret;
use crate::service::threads::about_to_wait;
use crate::time::Timestamp;

/// What the caller learns while Keystone can not be asked.
pub(super) const UNAVAILABLE: &str = "The Keystone service is temporarily unavailable.";

/// Most bytes of an answer: tokens without a catalogue have a few thousand.
const LONGEST_ANSWER: u64 = 1 << 20;

/// How long before its end the service's own token is replaced.
const RENEWAL_SECONDS: i64 = 60;

/// How long nobody asks after Keystone let somebody wait in vain: else every worker would wait for it.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks Keystone in the name of the service user.
pub(super) struct Client {
    agent: ureq::Agent,
    /// With `/v3`, without a slash at its end.
    base: String,
    /// The body of a request for a token of its own.
    credentials: Value,
    retries: i64,
    own: Mutex<Option<OwnToken>>,
    renewals: Flights<(), Result<OwnToken>>,
    paused_until: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct OwnToken {
    text: Secret,
    expires_at: Timestamp,
}

/// An answer of Keystone.
struct Answer {
    status: u16,
    subject: Option<String>,
    body: Vec<u8>,
}

impl Client {
    /// A client as `[keystone_authtoken]` says.
    ///
    /// # Errors
    /// `Invalid` where an option is missing or a file can not be read.
    pub(super) fn new(config: &Config) -> Result<Self> {
        let base = base(required(config, &options::AUTH_URL)?);
        let connect = config.seconds(&options::HTTP_CONNECT_TIMEOUT);
        let whole = config.seconds(&options::HTTP_REQUEST_TIMEOUT);
        let some = |span: Duration| (!span.is_zero()).then_some(span);
        let agent = ureq::Agent::config_builder()
            // Neither the operator's shell nor, with CGI, a request's header Proxy decides whom secrets are sent to.
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(256)
            .max_idle_connections_per_host(256)
            .timeout_connect(some(connect))
            .timeout_global(some(whole))
            .user_agent(concat!("hearth/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls(config)?)
            .build()
            .new_agent();
        Ok(Self {
            agent,
            base,
            credentials: credentials(config)?,
            retries: config.integer(&options::HTTP_REQUEST_MAX_RETRIES),
            own: Mutex::new(None),
            renewals: Flights::new(),
            paused_until: Mutex::new(None),
        })
    }

    /// Where Keystone is asked, with `/v3`.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// What a token is worth; `None` where Keystone does not vouch for it. With `allow_expired` also after its end, as
    /// long as Keystone remembers it.
    ///
    /// # Errors
    /// `Unavailable` where Keystone does not answer, or does not answer this service.
    pub(super) fn validate(&self, token: &str, allow_expired: bool) -> Result<Option<Token>> {
        let url = format!("{}/auth/tokens?nocatalog{}", self.base, if allow_expired { "&allow_expired=1" } else { "" });
        let mut own = self.own_token(None)?;
        for again in [true, false] {
            let answer = self.send(|| {
                let request = self.agent.get(&url).header("Accept", "application/json");
                let request = request.header("OpenStack-Identity-Access-Rules", "1.0");
                request.header("X-Auth-Token", own.text.reveal()).header("X-Subject-Token", token).call()
            })?;
            match answer.status {
                200 => return Token::read(&answer.body).map(Some).map_err(unreadable),
                404 => return Ok(None),
                401 if again => own = self.own_token(Some(&own))?,
                status => return Err(refused("check a token", status, &answer.body)),
            }
        }
        Ok(None)
    }

    /// Whether there is a project with this id, as far as the owner of `token` may know.
    ///
    /// # Errors
    /// `Forbidden` where the owner may not know, `Unauthenticated` where the token is worth nothing, `Unavailable` where
    /// Keystone does not answer.
    pub(super) fn has_project(&self, token: &str, id: &str) -> Result<bool> {
        let url = format!("{}/projects/{id}", self.base);
        let answer = self
            .send(|| self.agent.get(&url).header("Accept", "application/json").header("X-Auth-Token", token).call())?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            401 => Err(super::unauthenticated("Keystone does not take the token any more")),
            403 => Err(Error::forbidden("You are not authorized to perform this operation.")),
            status => Err(refused("look for a project", status, &answer.body)),
        }
    }

    /// The service's own token.
    ///
    /// # Errors
    /// `Unavailable` where Keystone does not answer, or gives none.
    pub(super) fn token(&self) -> Result<Secret> {
        self.own_token(None).map(|own| own.text)
    }

    /// The service's own token; another than `stale` where Keystone no longer takes that one.
    fn own_token(&self, stale: Option<&OwnToken>) -> Result<OwnToken> {
        let fresh = |own: &&OwnToken| {
            let known = stale.is_some_and(|stale| stale.text == own.text);
            !known && Timestamp::now().plus_seconds(RENEWAL_SECONDS) < own.expires_at
        };
        let kept = || self.own.lock().unwrap_or_else(PoisonError::into_inner).as_ref().filter(fresh).cloned();
        if let Some(own) = kept() {
            return Ok(own);
        }
        let renew = || {
            // Another thread may have come between.
            if let Some(own) = kept() {
                return Ok(own);
            }
            let own = self.authenticate()?;
            *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(own.clone());
            Ok(own)
        };
        self.renewals.join(&(), renew, || Err(unavailable("the thread that asked for a token of its own panicked")))
    }

    fn authenticate(&self) -> Result<OwnToken> {
        let url = format!("{}/auth/tokens?nocatalog", self.base);
        let answer =
            self.send(|| self.agent.post(&url).header("Accept", "application/json").send_json(&self.credentials))?;
        match (answer.status, answer.subject) {
            (201, Some(text)) => {
                let expires_at = Token::read(&answer.body).map_err(unreadable)?.expires_at;
                Ok(OwnToken { text: Secret::new(text), expires_at })
            }
            (status, _) => Err(refused("give this service a token", status, &answer.body)),
        }
    }

    /// Sends a request, again where the connection was lost before an answer came: each of them may be repeated.
    fn send(&self, request: impl Fn() -> Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer> {
        let paused_until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        if paused_until.is_some_and(|until| Instant::now() < until) {
            return Err(unavailable("it did not answer a moment ago"));
        }
        about_to_wait();
        let mut left = self.retries;
        loop {
            match request().and_then(answer) {
                Ok(answer) => return Ok(answer),
                Err(error) if left > 0 && lost(&error) => left -= 1,
                Err(error) => {
                    if matches!(error, ureq::Error::Timeout(_)) {
                        let until = Instant::now() + PAUSE;
                        *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
                    }
                    return Err(unavailable(format!("{}: {error}", self.base)));
                }
            }
        }
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let status = response.status().as_u16();
    let subject = response.headers().get("X-Subject-Token").and_then(|text| text.to_str().ok()).map(str::to_owned);
    let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec()?;
    Ok(Answer { status, subject, body })
}

/// Whether a connection broke that stood before: a server that starts anew drops those that are kept.
fn lost(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        ureq::Error::Io(error) => {
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        }
        ureq::Error::Protocol(_) => true,
        _ => false,
    }
}

fn unavailable(cause: impl std::fmt::Display) -> Error {
    Error::unavailable(UNAVAILABLE, format!("Keystone can not be asked: {cause}"))
}

fn unreadable(error: Error) -> Error {
    unavailable(error.cause().unwrap_or("its answer can not be read").to_owned())
}

fn refused(what: &str, status: u16, body: &[u8]) -> Error {
    let text = String::from_utf8_lossy(body.get(..body.len().min(300)).unwrap_or(body));
    let hint = match status {
        401 => "; are the credentials in [keystone_authtoken] right?",
        403 => "; has the service user the role admin or service?",
        _ => "",
    };
    unavailable(format!("it refuses to {what} with status {status}{hint} {text}"))
}

/// `auth_url` with `/v3`, whether or not it names a version.
fn base(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let url = url.strip_suffix("/v3").or_else(|| url.strip_suffix("/v2.0")).unwrap_or(url);
    format!("{}/v3", url.trim_end_matches('/'))
}

fn required<'a>(config: &'a Config, opt: &crate::config::Opt) -> Result<&'a str> {
    let missing = || Error::invalid(format!("[{}] {} is needed for auth_strategy = keystone", opt.section, opt.name));
    config.opt_text(opt).ok_or_else(missing)
}

/// The body of `POST /v3/auth/tokens`, as keystoneauth's plugins of the same options send it.
fn credentials(config: &Config) -> Result<Value> {
    let text = |opt| config.opt_text(opt);
    let domain = |id, name| {
        let own = text(id).map(|id| json!({"id": id})).or_else(|| text(name).map(|name| json!({"name": name})));
        let default = || {
            let id = text(&options::DEFAULT_DOMAIN_ID).map(|id| json!({"id": id}));
            id.or_else(|| text(&options::DEFAULT_DOMAIN_NAME).map(|name| json!({"name": name})))
        };
        own.or_else(default).unwrap_or_else(|| json!({"id": "default"}))
    };
    let user = || match text(&options::USER_ID) {
        Some(id) => Ok(json!({"id": id})),
        None => {
            let name = required(config, &options::USERNAME)?;
            Ok::<_, Error>(
                json!({"name": name, "domain": domain(&options::USER_DOMAIN_ID, &options::USER_DOMAIN_NAME)}),
            )
        }
    };
    if config.text(&options::AUTH_TYPE) == "v3applicationcredential" {
        let secret = required(config, &options::APPLICATION_CREDENTIAL_SECRET)?;
        let credential = match text(&options::APPLICATION_CREDENTIAL_ID) {
            Some(id) => json!({"id": id, "secret": secret}),
            None => {
                let name = required(config, &options::APPLICATION_CREDENTIAL_NAME)?;
                json!({"name": name, "secret": secret, "user": user()?})
            }
        };
        let identity = json!({"methods": ["application_credential"], "application_credential": credential});
        return Ok(json!({"auth": {"identity": identity}}));
    }
    let mut user = user()?;
    if let Some(user) = user.as_object_mut() {
        user.insert("password".to_owned(), json!(required(config, &options::PASSWORD)?));
    }
    let project_domain = domain(&options::PROJECT_DOMAIN_ID, &options::PROJECT_DOMAIN_NAME);
    let scope = match (text(&options::PROJECT_ID), text(&options::PROJECT_NAME), text(&options::SYSTEM_SCOPE)) {
        (Some(id), _, _) => json!({"project": {"id": id}}),
        (None, Some(name), _) => json!({"project": {"name": name, "domain": project_domain}}),
        (None, None, Some(_)) => json!({"system": {"all": true}}),
        (None, None, None) => return Err(needs_scope()),
    };
    Ok(json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}))
}

fn needs_scope() -> Error {
    Error::invalid(
        "[keystone_authtoken] project_name, project_id or system_scope is needed for auth_strategy = keystone",
    )
}

fn tls(config: &Config) -> Result<TlsConfig> {
    let mut tls = TlsConfig::builder().disable_verification(config.boolean(&options::INSECURE));
    if let Some(path) = config.opt_text(&options::CAFILE) {
        let (certificates, _) = pem(path)?;
        tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
    }
    if let Some(path) = config.opt_text(&options::CERTFILE) {
        let (certificates, key) = pem(path)?;
        let key = match config.opt_text(&options::KEYFILE) {
            Some(path) => pem(path)?.1,
            None => key,
        };
        let key =
            key.ok_or_else(|| Error::invalid("[keystone_authtoken] keyfile: there is no private key for certfile"))?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&certificates, key)));
    }
    Ok(tls.build())
}

/// The certificates and the first private key of a PEM file.
fn pem(path: &str) -> Result<(Vec<Certificate<'static>>, Option<PrivateKey<'static>>)> {
    let text = std::fs::read(path).map_err(|error| Error::invalid(format!("{path} can not be read")).because(error))?;
    let (mut certificates, mut key) = (Vec::new(), None);
    for item in parse_pem(&text) {
        match item.map_err(|error| Error::invalid(format!("{path} is no PEM file")).because(error))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            PemItem::PrivateKey(own) => key = key.or(Some(own)),
            _ => {}
        }
    }
    Ok((certificates, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_in_auth_url_may_be_left_out() {
        for url in ["http://h:5000", "http://h:5000/", "http://h:5000/v3", "http://h:5000/v3/", "http://h:5000/v2.0"] {
            assert_eq!(base(url), "http://h:5000/v3");
        }
        assert_eq!(base("https://h/identity/"), "https://h/identity/v3");
    }

    #[test]
    fn credentials_are_those_of_keystoneauths_plugins() {
        let with = |text: &str| credentials(&Config::from_text(&format!("[keystone_authtoken]\n{text}")).unwrap());
        let password = with(
            "username = cinder\npassword = s\nuser_domain_name = D\nproject_name = service\nproject_domain_id = default",
        );
        assert_eq!(
            password.unwrap(),
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user": {"name": "cinder", "domain": {"name": "D"}, "password": "s"}}},
                "scope": {"project": {"name": "service", "domain": {"id": "default"}}}
            }})
        );
        let system = with("user_id = u\npassword = s\nsystem_scope = all").unwrap();
        assert_eq!(system["auth"]["scope"], json!({"system": {"all": true}}));
        let credential = with(
            "auth_type = v3applicationcredential\napplication_credential_id = i\napplication_credential_secret = s",
        );
        assert_eq!(
            credential.unwrap(),
            json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"id": "i", "secret": "s"}}}})
        );
        assert!(with("username = cinder\npassword = s").unwrap_err().public().contains("project_name"));
        assert!(with("username = cinder").unwrap_err().public().contains("password"));
    }
}
