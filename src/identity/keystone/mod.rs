//! Identity by Keystone's tokens, with the rules of keystonemiddleware: `X-Auth-Token` says who calls, `X-Service-Token`
//! on whose behalf. Checked tokens are remembered for a while, so that most requests ask nobody.
//! Not here: what the caller may do (`policy`).

mod access_rules;
mod cache;
mod client;
mod service_user;
mod token;
mod trustee;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::headers::Headers;
use super::{Authenticate, Context, Secret};
use crate::config::{Config, keystone_authtoken as options};
use crate::error::{Error, Kind, Result};
use crate::gateway::Request;
use crate::time::Timestamp;
use cache::{Cache, Flights, Key};
use client::Client;
pub use service_user::ServiceUser;
use token::Token;
pub use trustee::Trustee;

/// Identity by Keystone's tokens.
pub struct Keystone {
    client: Client,
    known: Cache<Arc<Token>>,
    /// Tokens that Keystone does not vouch for; with the second part, not even as expired ones. Apart from the others, so
    /// that nobody can push those out by guessing.
    refused: Cache<bool>,
    flights: Flights<(Key, bool), Result<Option<Arc<Token>>>>,
    /// Zero: nothing is remembered.
    cache_time: Duration,
    refused_time: Duration,
    service_roles: Vec<String>,
    service_roles_required: bool,
    service_type: Option<String>,
    delay_decision: bool,
    challenge: String,
}

/// A token of the service user of `[keystone_authtoken]`, asked for anew.
///
/// # Errors
/// `Invalid` where an option is missing or a file can not be read; `Unavailable` where Keystone gives none.
pub fn own_token(config: &Config) -> Result<Secret> {
    Client::new(config)?.own(None)
}

impl Keystone {
    /// Identity as `[keystone_authtoken]` says. Asks nobody yet.
    ///
    /// # Errors
    /// `Invalid` where an option is missing or a file can not be read.
    pub fn new(config: &Config) -> Result<Self> {
        let client = Client::new(config)?;
        let uri = config.opt_text(&options::WWW_AUTHENTICATE_URI).unwrap_or_else(|| client.base());
        let challenge = format!("Keystone uri=\"{uri}\"");
        let cache_time = Duration::from_secs(u64::try_from(config.integer(&options::TOKEN_CACHE_TIME)).unwrap_or(0));
        let size = usize::try_from(config.integer(&options::TOKEN_CACHE_SIZE)).unwrap_or(1);
        Ok(Self {
            client,
            known: Cache::new(size),
            refused: Cache::new(size / 4),
            flights: Flights::new(),
            cache_time,
            refused_time: config.seconds(&options::REFUSED_CACHE_TIME).min(cache_time),
            service_roles: config.list(&options::SERVICE_TOKEN_ROLES).to_vec(),
            service_roles_required: config.boolean(&options::SERVICE_TOKEN_ROLES_REQUIRED),
            service_type: config.opt_text(&options::SERVICE_TYPE).map(str::to_owned),
            delay_decision: config.boolean(&options::DELAY_AUTH_DECISION),
            challenge,
        })
    }

    /// What a token is worth now; `None` where it is worth nothing.
    fn token(&self, text: &str, allow_expired: bool) -> Result<Option<Arc<Token>>> {
        // Tokens are words of ASCII; anything else could not even be sent to Keystone.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(None);
        }
        let token = if self.cache_time.is_zero() {
            // Nobody waits for an answer that was asked for before: it may come from before a revocation.
            self.client.validate(text, allow_expired)?.map(Arc::new)
        } else {
            self.remembered(text, allow_expired)?
        };
        Ok(token.filter(|token| allow_expired || Timestamp::now() < token.expires_at))
    }

    fn remembered(&self, text: &str, allow_expired: bool) -> Result<Option<Arc<Token>>> {
        let key = Key::of(text);
        let find = || {
            let now = Instant::now();
            let known = self.known.value(&key, now).map(Some);
            known.or_else(|| {
                self.refused.value(&key, now).filter(|even_expired| *even_expired || !allow_expired).map(|_| None)
            })
        };
        if let Some(found) = find() {
            return Ok(found);
        }
        let ask = || {
            // Another thread may have landed between the look and the start.
            if let Some(found) = find() {
                return Ok(found);
            }
            let token = self.client.validate(text, allow_expired)?.map(Arc::new);
            match &token {
                Some(token) => self.known.keep(key, Arc::clone(token), Instant::now() + self.cache_time),
                None => self.refused.keep(key, allow_expired, Instant::now() + self.refused_time),
            }
            Ok(token)
        };
        let failed = || Err(Error::unavailable(client::UNAVAILABLE, "the thread that asked Keystone panicked"));
        self.flights.join(&(key, allow_expired), ask, failed)
    }

    fn identify(&self, request: &Request) -> Result<Context> {
        let headers = Headers::of(request);
        let mut service = None;
        let mut is_service = false;
        if let Some(text) = headers.service_token {
            let token = self.token(text, false)?.ok_or_else(|| unauthenticated("the service token is not valid"))?;
            is_service = token.identity.roles.iter().any(|role| self.service_roles.contains(role));
            if !is_service && self.service_roles_required {
                return Err(unauthenticated("the service token has none of service_token_roles"));
            }
            service = Some(Arc::clone(&token.identity));
        }
        let text = headers.token.ok_or_else(|| unauthenticated("there is no token"))?;
        // A service may finish with a token that ended meanwhile what it began for its owner.
        let token = self.token(text, is_service)?.ok_or_else(|| unauthenticated("the token is not valid"))?;
        self.check_access_rules(&token, request, service.is_some())?;
        Ok(Context { service, service_token: is_service, ..Context::with(Arc::clone(&token.identity), &headers) })
    }

    fn check_access_rules(&self, token: &Token, request: &Request, for_service: bool) -> Result<()> {
        let Some(rules) = &token.access_rules else { return Ok(()) };
        let Some(service) = &self.service_type else {
            log::warn!("a token with access rules is refused: [keystone_authtoken] service_type is not set");
            return Err(unauthenticated("the token has access rules"));
        };
        // What a service asks for on the way is not what the user asked for.
        let path = request.path();
        if for_service || rules.iter().any(|rule| rule.allows(service, request.method(), &path)) {
            Ok(())
        } else {
            Err(unauthenticated("the token's access rules do not allow the request"))
        }
    }
}

impl Authenticate for Keystone {
    fn context(&self, request: &Request) -> Result<Context> {
        self.identify(request).map_err(|error| {
            if error.kind() != Kind::Unavailable {
                return error;
            }
            log::error!("{error}");
            // A delayed decision falls to the services, and both refuse whoever they do not know.
            if self.delay_decision { unauthenticated("Keystone can not be asked") } else { error }
        })
    }

    fn has_project(&self, request: &Request, project_id: &str) -> Result<bool> {
        let token = Headers::of(request).token.ok_or_else(|| unauthenticated("there is no token"))?;
        // Anything else is no id of Keystone's, and might be another URL.
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if project_id.is_empty() || !project_id.bytes().all(is_id) {
            return Ok(false);
        }
        self.client.has_project(token, project_id)
    }

    fn challenge(&self) -> Option<&str> {
        Some(&self.challenge)
    }
}

fn unauthenticated(cause: &'static str) -> Error {
    Error::new(Kind::Unauthenticated, "The request you have made requires authentication.").because(cause)
}
