//! The token of its own that this service sends along with the caller's. Not here: to whom.

use super::client::{Client, Section};
use crate::config::{Config, service_user};
use crate::error::Result;
use crate::identity::Secret;

/// Gets tokens of the user of `[service_user]`.
pub struct ServiceUser(Client);

impl ServiceUser {
    /// The user of `[service_user]`; `None` where its token is not to be sent. Asks nobody yet.
    ///
    /// # Errors
    /// `Invalid` where an option is missing or a file can not be read.
    pub fn open(config: &Config) -> Result<Option<Self>> {
        let keystone = config.text(&crate::config::default::AUTH_STRATEGY) == "keystone";
        if !keystone || !config.boolean(&service_user::SEND_SERVICE_USER_TOKEN) {
            return Ok(None);
        }
        Client::of(&Section { config, name: service_user::SECTION }).map(|client| Some(Self(client)))
    }

    /// Its token; another than `stale` where somebody no longer takes that one.
    ///
    /// # Errors
    /// `Unavailable` where Keystone does not give one.
    pub fn token(&self, stale: Option<&Secret>) -> Result<Secret> {
        self.0.own(stale)
    }
}
