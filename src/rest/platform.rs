//! What both services stand on, as one value that a reload replaces whole.

use std::sync::Arc;

use crate::config::Config;
use crate::error::Result;
use crate::identity::Authenticate;
use crate::identity::policy::Policy;

/// Configuration, policy and identity at one moment.
pub struct Platform {
    /// The configuration.
    pub config: Arc<Config>,
    /// The rules, with the operator's overrides.
    pub policy: Arc<Policy>,
    /// Who turns a token into a context.
    pub authenticate: Arc<dyn Authenticate>,
}

impl Platform {
    /// The platform that `config` describes, with the policy rules of `rules`.
    ///
    /// # Errors
    /// What reading the policy file or opening the identity service gives.
    pub fn open(config: Arc<Config>, rules: &[&'static [crate::identity::policy::Rule]]) -> Result<Self> {
        let policy = Arc::new(crate::identity::policy::open(&config, rules)?);
        let authenticate = crate::identity::open(&config)?;
        Ok(Self { config, policy, authenticate })
    }

    /// The same platform with the policy rules of another service.
    ///
    /// # Errors
    /// What reading the policy file gives.
    pub fn with_rules(&self, rules: &[&'static [crate::identity::policy::Rule]]) -> Result<Self> {
        let policy = Arc::new(crate::identity::policy::open(&self.config, rules)?);
        Ok(Self { config: self.config.clone(), policy, authenticate: self.authenticate.clone() })
    }
}
