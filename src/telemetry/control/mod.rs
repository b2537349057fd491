//! What requests mean: who may see what, which samples a query means, what is filled in. Not here: how a request is read
//! and an answer written (`api/`).

pub mod alarms;
pub mod complex_query;
pub mod events;
pub mod message_ids;
pub mod meters;
pub mod posting;
pub mod refusals;
pub mod resources;
pub mod samples;
pub mod simple_query;
pub mod statistics;

use crate::Result;
use crate::config::{Config, telemetry as options};
use crate::identity::Context;
use crate::identity::policy::{Policy, Rule, Target};
use crate::telemetry::Telemetry;
use crate::telemetry::policy::SEGREGATION;
pub use crate::telemetry::store::Taker;

/// Who calls, and what the service knows while it answers.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// What the service keeps between requests.
    pub telemetry: &'a Telemetry,
    /// The rules.
    pub policy: &'a Policy,
    /// Who calls.
    pub context: &'a Context,
    /// The configuration.
    pub config: &'a Config,
}

impl<'a> Caller<'a> {
    /// Whether the rule lets the caller do what it guards.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`].
    pub fn enforce(&self, rule: &Rule) -> Result<()> {
        self.policy.check(rule, self.context, &Target::own(self.context))
    }

    /// The only project that the caller may see; `None` for who may see all.
    pub fn limited_to(&self) -> Option<&'a str> {
        let free = self.policy.allows(&SEGREGATION, self.context, &Target::own(self.context));
        (!free).then_some(self.context.project_id.as_str())
    }

    /// The number of items of a list: what the request asks for, else the default; never above the operator's maximum.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where it is not above 0.
    pub fn limit(&self, asked: Option<i64>) -> Result<usize> {
        let limit = asked.unwrap_or_else(|| self.config.integer(&options::DEFAULT_API_RETURN_LIMIT));
        if limit <= 0 {
            return Err(crate::Error::invalid("Limit must be positive"));
        }
        let most = self.config.integer(&options::MAX_LIMIT);
        Ok(usize::try_from(limit.min(most)).unwrap_or(usize::MAX))
    }
}
