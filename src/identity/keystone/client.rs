//! Asking Keystone: the service user's own token, and what the tokens of others are worth. Blocking, over kept
//! connections, from any number of threads. Not here: what is remembered of the answers, and what they mean to a request.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::tls::TlsConfig;

use super::cache::Flights;
use super::token::Token;
use crate::config::{Config, Opt, keystone_authtoken as options};
use crate::error::{Error, Result};
use crate::identity::{Secret, tls};
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
    user_id: String,
    expires_at: Timestamp,
}

/// An answer of Keystone.
pub(super) struct Answer {
    pub(super) status: u16,
    subject: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// `Unavailable` where it is none.
    pub(super) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).map_err(unavailable)
    }
}

impl Client {
    /// A client as `[keystone_authtoken]` says.
    ///
    /// # Errors
    /// `Invalid` where an option is missing or a file can not be read.
    pub(super) fn new(config: &Config) -> Result<Self> {
        Self::of(&Section { config, name: options::AUTH_URL.section })
    }

    /// A client as another section of the same options says.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub(super) fn of(section: &Section<'_>) -> Result<Self> {
        let config = section.config;
        let base = base(section.required(&options::AUTH_URL)?);
        let connect = config.seconds(&section.own(&options::HTTP_CONNECT_TIMEOUT));
        let whole = config.seconds(&options::HTTP_REQUEST_TIMEOUT);
        let some = |span: Duration| (!span.is_zero()).then_some(span);
        let agent = tls::client(tls(section)?)
            // What is asked most; a connection that was lost costs another try (see [`Self::send`]).
            .max_idle_connections(256)
            .max_idle_connections_per_host(256)
            .timeout_connect(some(connect))
            .timeout_global(some(whole))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            base,
            credentials: credentials(section)?,
            retries: config.integer(&section.own(&options::HTTP_REQUEST_MAX_RETRIES)),
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

    /// The text of the service's own token; another than `stale` where somebody no longer takes that one.
    ///
    /// # Errors
    /// As [`Client::validate`].
    pub(super) fn own(&self, stale: Option<&Secret>) -> Result<Secret> {
        let stale =
            stale.map(|text| OwnToken { text: text.clone(), user_id: String::new(), expires_at: Timestamp::now() });
        self.own_token(stale.as_ref()).map(|own| own.text)
    }

    /// The id of the service's own user.
    ///
    /// # Errors
    /// As [`Client::validate`].
    pub(super) fn own_id(&self) -> Result<String> {
        self.own_token(None).map(|own| own.user_id)
    }

    /// A token of the service's own user in the scope of a trust; `None` where Keystone gives none because of that trust.
    ///
    /// # Errors
    /// As [`Client::validate`].
    pub(super) fn trusted(&self, trust: &str) -> Result<Option<Secret>> {
        let mut credentials = self.credentials.clone();
        if let Some(auth) = credentials.get_mut("auth").and_then(Value::as_object_mut) {
            auth.insert("scope".to_owned(), json!({"OS-TRUST:trust": {"id": trust}}));
        }
        let url = format!("{}/auth/tokens?nocatalog", self.base);
        let answer =
            self.send(|| self.agent.post(&url).header("Accept", "application/json").send_json(&credentials))?;
        match (answer.status, answer.subject) {
            (201, Some(text)) => Ok(Some(Secret::new(text))),
            (401 | 403 | 404, _) => {
                // Whoever gets no token of its own either has other troubles.
                self.authenticate()?;
                Ok(None)
            }
            (status, _) => Err(refused("give this service a token of a trust", status, &answer.body)),
        }
    }

    /// Sends a request with a token.
    ///
    /// # Errors
    /// `Unavailable` where Keystone does not answer.
    pub(super) fn ask(&self, method: &str, path: &str, token: &Secret, body: Option<&Value>) -> Result<Answer> {
        let text = body.map(Value::to_string).unwrap_or_default();
        self.send(|| {
            let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
            let request = request.header("Accept", "application/json").header("X-Auth-Token", token.reveal());
            let request = request.header("Content-Type", "application/json").body(text.clone());
            self.agent.run(request.map_err(ureq::Error::Http)?)
        })
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
                let token = Token::read(&answer.body).map_err(unreadable)?;
                let user_id = token.identity.user_id.clone();
                Ok(OwnToken { text: Secret::new(text), user_id, expires_at: token.expires_at })
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

pub(super) fn unavailable(cause: impl std::fmt::Display) -> Error {
    Error::unavailable(UNAVAILABLE, format!("Keystone can not be asked: {cause}"))
}

fn unreadable(error: Error) -> Error {
    unavailable(error.cause().unwrap_or("its answer can not be read").to_owned())
}

pub(super) fn refused(what: &str, status: u16, body: &[u8]) -> Error {
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

/// The options of credentials in one section.
pub(super) struct Section<'a> {
    pub(super) config: &'a Config,
    pub(super) name: &'static str,
}

impl<'a> Section<'a> {
    /// The option of the same name in this section.
    fn own(&self, opt: &Opt) -> Opt {
        Opt { section: self.name, ..*opt }
    }

    fn text(&self, opt: &Opt) -> Option<&'a str> {
        self.config.opt_text(&self.own(opt))
    }

    fn required(&self, opt: &Opt) -> Result<&'a str> {
        let what =
            if self.name == options::AUTH_URL.section { "auth_strategy = keystone" } else { "a token of its own" };
        self.text(opt).ok_or_else(|| Error::invalid(format!("[{}] {} is needed for {what}", self.name, opt.name)))
    }
}

/// The body of `POST /v3/auth/tokens`, as keystoneauth's plugins of the same options send it.
fn credentials(section: &Section<'_>) -> Result<Value> {
    let text = |opt: &Opt| section.text(opt);
    let domain = |id: &Opt, name: &Opt| {
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
            let name = section.required(&options::USERNAME)?;
            Ok::<_, Error>(
                json!({"name": name, "domain": domain(&options::USER_DOMAIN_ID, &options::USER_DOMAIN_NAME)}),
            )
        }
    };
    if section.config.text(&section.own(&options::AUTH_TYPE)) == "v3applicationcredential" {
        let secret = section.required(&options::APPLICATION_CREDENTIAL_SECRET)?;
        let credential = match text(&options::APPLICATION_CREDENTIAL_ID) {
            Some(id) => json!({"id": id, "secret": secret}),
            None => {
                let name = section.required(&options::APPLICATION_CREDENTIAL_NAME)?;
                json!({"name": name, "secret": secret, "user": user()?})
            }
        };
        let identity = json!({"methods": ["application_credential"], "application_credential": credential});
        return Ok(json!({"auth": {"identity": identity}}));
    }
    let mut user = user()?;
    if let Some(user) = user.as_object_mut() {
        user.insert("password".to_owned(), json!(section.required(&options::PASSWORD)?));
    }
    let project_domain = domain(&options::PROJECT_DOMAIN_ID, &options::PROJECT_DOMAIN_NAME);
    let scope = match (text(&options::PROJECT_ID), text(&options::PROJECT_NAME), text(&options::SYSTEM_SCOPE)) {
        (Some(id), _, _) => json!({"project": {"id": id}}),
        (None, Some(name), _) => json!({"project": {"name": name, "domain": project_domain}}),
        (None, None, Some(_)) => json!({"system": {"all": true}}),
        (None, None, None) => {
            let text = format!("[{}] project_name, project_id or system_scope is needed for a token", section.name);
            return Err(Error::invalid(text));
        }
    };
    Ok(json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}))
}

fn tls(section: &Section<'_>) -> Result<TlsConfig> {
    let insecure = section.config.boolean(&section.own(&options::INSECURE));
    let files = [&options::CAFILE, &options::CERTFILE, &options::KEYFILE].map(|opt| section.text(opt));
    crate::identity::tls::config(insecure, files)
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
        let with = |text: &str| {
            let config = Config::from_text(&format!("[service_user]\n{text}")).unwrap();
            credentials(&Section { config: &config, name: "service_user" })
        };
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
