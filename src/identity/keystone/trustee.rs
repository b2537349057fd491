//! The user of `[keystone_authtoken]` as one whom callers trust (Keystone's trusts): it acts for them after their tokens have
//! ended. And what the catalogue says to it. Not here: what it does for them, and which trusts there are.

use serde_json::{Value, json};

use super::client::Client;
use crate::config::{Config, keystone_authtoken as options};
use crate::error::{Error, Result};
use crate::identity::{Context, Secret, catalog};

/// Acts for those who trust it. Asks nobody before it is told to.
pub struct Trustee(Client);

impl Trustee {
    /// The user of `[keystone_authtoken]`; `None` where callers are not identified by a Keystone.
    ///
    /// # Errors
    /// `Invalid` where an option is missing or a file can not be read.
    pub fn open(config: &Config) -> Result<Option<Self>> {
        let keystone = config.text(&crate::config::default::AUTH_STRATEGY) == "keystone";
        if keystone { Self::of(config) } else { Ok(None) }
    }

    /// As [`Trustee::open`], however callers are identified: for asking other services as itself.
    ///
    /// # Errors
    /// As [`Trustee::open`].
    pub fn of(config: &Config) -> Result<Option<Self>> {
        let known = config.opt_text(&options::AUTH_URL).is_some();
        if known { Client::new(config).map(|client| Some(Self(client))) } else { Ok(None) }
    }

    /// Its own token; another than `stale` where somebody no longer takes that one.
    ///
    /// # Errors
    /// `Unavailable` where Keystone gives none.
    pub fn own(&self, stale: Option<&Secret>) -> Result<Secret> {
        self.0.own(stale)
    }

    /// Lets a caller trust this user with all roles of its token in its project, until `mark`, an instant so far away that it means
    /// nothing but that this trust can be found by it. The id of the trust.
    ///
    /// # Errors
    /// `Forbidden` where Keystone does not let the caller trust anybody, as with the token of an application credential;
    /// `Unauthenticated` where the token is worth nothing any more; `Unavailable` where Keystone does not answer.
    pub fn make(&self, caller: &Context, mark: &str) -> Result<String> {
        let token = caller.auth_token.clone().unwrap_or_default();
        let roles: Vec<Value> = caller.roles.iter().map(|role| json!({"name": role})).collect();
        let body = json!({"trust": {
            "trustor_user_id": caller.user_id, "trustee_user_id": self.0.own_id()?, "project_id": caller.project_id,
            "impersonation": true, "roles": roles, "expires_at": mark,
        }});
        let answer = self.0.ask("POST", "/OS-TRUST/trusts", &token, Some(&body))?;
        match answer.status {
            201 => {
                let id = answer.json()?.pointer("/trust/id").and_then(Value::as_str).map(str::to_owned);
                id.ok_or_else(|| super::client::unavailable("it tells no id of a trust"))
            }
            401 => Err(super::unauthenticated("Keystone does not take the token any more")),
            400 | 403 | 404 => {
                log::info!("Keystone refuses a trust: {}", String::from_utf8_lossy(&answer.body));
                Err(Error::forbidden("Keystone does not let the caller trust this service."))
            }
            status => Err(super::client::refused("make a trust", status, &answer.body)),
        }
    }

    /// A token to act for somebody; `None` where the trust is gone, or whoever made it.
    ///
    /// # Errors
    /// `Unavailable` where Keystone does not answer.
    pub fn token(&self, trust: &str) -> Result<Option<Secret>> {
        self.0.trusted(trust)
    }

    /// Ends a trust in the name of who made it. One that is gone is fine.
    ///
    /// # Errors
    /// `Unavailable` where Keystone does not answer, or does not do so.
    pub fn end(&self, trust: &str) -> Result<()> {
        let path = format!("/OS-TRUST/trusts/{trust}");
        let Some(token) = self.token(trust)? else { return Ok(()) };
        let answer = self.0.ask("DELETE", &path, &token, None)?;
        match answer.status {
            204 | 404 => Ok(()),
            status => Err(super::client::refused("end a trust", status, &answer.body)),
        }
    }

    /// The trust that ends at `mark`.
    ///
    /// # Errors
    /// `Unavailable` where Keystone does not answer.
    pub fn find(&self, mark: &str) -> Result<Option<String>> {
        let path = format!("/OS-TRUST/trusts?trustee_user_id={}", self.0.own_id()?);
        let answer = self.as_itself("GET", &path)?;
        let found = answer.json()?;
        let trusts = found.get("trusts").and_then(Value::as_array).into_iter().flatten();
        let mut marked = trusts.filter(|trust| trust.get("expires_at").and_then(Value::as_str) == Some(mark));
        Ok(marked.find_map(|trust| trust.get("id").and_then(Value::as_str)).map(str::to_owned))
    }

    /// Where a service of a kind, such as `metric`, answers.
    ///
    /// # Errors
    /// `Unavailable` where Keystone does not answer.
    pub fn endpoint(&self, kind: &str, interface: &str, region: Option<&str>) -> Result<Option<String>> {
        let catalogue = self.as_itself("GET", "/auth/catalog")?.json()?;
        let found = catalog::endpoint(&catalogue, kind, interface, region);
        Ok(found.map(|url| url.trim_end_matches('/').to_owned()))
    }

    /// Asks with its own token.
    fn as_itself(&self, method: &'static str, path: &str) -> Result<super::client::Answer> {
        let own = self.own(None)?;
        let mut answer = self.0.ask(method, path, &own, None)?;
        if answer.status == 401 {
            answer = self.0.ask(method, path, &self.own(Some(&own))?, None)?;
        }
        match answer.status {
            200 => Ok(answer),
            status => Err(super::client::refused(&format!("answer {path}"), status, &answer.body)),
        }
    }
}
