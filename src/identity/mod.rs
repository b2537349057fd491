//! Who calls, and what they may. Not here: which rule guards which route (the services' own tables), and how an error
//! becomes a reply (`rest/fault.rs`).

pub mod catalog;
mod context;
mod headers;
pub mod keystone;
pub mod noauth;
pub mod policy;
pub mod tls;

use std::sync::Arc;

pub use context::{Context, Identity, Secret};

use crate::config::{self, Config};
use crate::error::Result;
use crate::gateway::Request;

/// Finds out who sent a request.
pub trait Authenticate: Send + Sync {
    /// The caller of `request`.
    ///
    /// # Errors
    /// `Unauthenticated` where the credentials are missing or not valid, `Unavailable` where they can not be checked.
    fn context(&self, request: &Request) -> Result<Context>;

    /// Whether there is a project with this id, as far as the sender of `request` may know. Where nobody keeps projects, every
    /// one is there.
    ///
    /// # Errors
    /// `Forbidden` where the sender may not know, `Unauthenticated` and `Unavailable` as for the context.
    fn has_project(&self, _request: &Request, _project_id: &str) -> Result<bool> {
        Ok(true)
    }

    /// Value of the header `WWW-Authenticate` of a 401; `None` where there is nothing to tell.
    fn challenge(&self) -> Option<&str>;
}

/// The way of identifying callers that `auth_strategy` names.
///
/// # Errors
/// `Invalid` where an option that it needs is not set.
pub fn open(config: &Config) -> Result<Arc<dyn Authenticate>> {
    match config.text(&config::default::AUTH_STRATEGY) {
        "noauth" | "noauth_include_project_id" => Ok(Arc::new(noauth::Noauth::new(config))),
        _ => Ok(Arc::new(keystone::Keystone::new(config)?)),
    }
}
