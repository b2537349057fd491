//! Who calls, as the layers above see it. Not here: how that was found out.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::headers::Headers;
use crate::gateway::{Request, running};

/// What a token says of its owner. Shared by all requests with the same token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Id of the user.
    pub user_id: String,
    /// Name of the user, where it is known.
    pub user_name: Option<String>,
    /// Id of the user's domain.
    pub user_domain_id: Option<String>,
    /// Name of the user's domain.
    pub user_domain_name: Option<String>,
    /// Id of the project that the token is for; empty in the scope of a domain or of the system, or in none.
    pub project_id: String,
    /// Name of that project.
    pub project_name: Option<String>,
    /// Id of the project's domain.
    pub project_domain_id: Option<String>,
    /// Name of the project's domain.
    pub project_domain_name: Option<String>,
    /// Id of the domain that the token is for.
    pub domain_id: Option<String>,
    /// Name of that domain.
    pub domain_name: Option<String>,
    /// `all` in the scope of the system.
    pub system_scope: Option<String>,
    /// Names of the roles, implied ones among them.
    pub roles: Vec<String>,
    /// Whether the project is Keystone's admin project; true where Keystone names none.
    pub is_admin_project: bool,
}

/// A text that must not be shown. Formatting it writes `****`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: only to be sent to who may know it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// The caller of one request. Fields of [`Identity`] are read as if they were its own.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Who calls.
    pub identity: Arc<Identity>,
    /// The service on whose behalf the call comes (`X-Service-Token`), where its token is valid.
    pub service: Option<Arc<Identity>>,
    /// Whether that token has one of `service_token_roles`: only then does the call have a service's privileges.
    pub service_token: bool,
    /// Whether the caller is an administrator: what the rule `context_is_admin` says, see [`super::policy::Policy::decide_admin`].
    pub is_admin: bool,
    /// The caller's token, to ask other services with.
    pub auth_token: Option<Secret>,
    /// Id of this request.
    pub request_id: String,
    /// Id that the caller gave to everything it does for one request of its own.
    pub global_request_id: Option<String>,
    /// Address of the client.
    pub remote_address: Option<String>,
    /// Quota class, where the caller names one.
    pub quota_class: Option<String>,
}

impl Deref for Context {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl Context {
    /// The context of a request whose sender is known to be `identity`.
    pub fn new(identity: Arc<Identity>, request: &Request) -> Self {
        Self::with(identity, &Headers::of(request))
    }

    pub(super) fn with(identity: Arc<Identity>, headers: &Headers<'_>) -> Self {
        Self {
            identity,
            service: None,
            service_token: false,
            is_admin: false,
            auth_token: headers.token.map(Secret::new),
            request_id: running::request_id(),
            global_request_id: headers.global_request_id.map(str::to_owned),
            remote_address: headers.remote_address.map(str::to_owned),
            quota_class: None,
        }
    }

    /// Whether one of the roles is `name`, in any case.
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.eq_ignore_ascii_case(name))
    }

    /// Roles of the service on whose behalf the call comes.
    pub fn service_roles(&self) -> &[String] {
        self.service.as_ref().map_or(&[], |service| &service.roles)
    }

    /// The same caller with every right, for what the service itself does during the call.
    #[must_use]
    pub fn elevated(&self) -> Self {
        let mut identity = Identity::clone(&self.identity);
        if !self.has_role("admin") {
            identity.roles.push("admin".to_owned());
        }
        Self { identity: Arc::new(identity), is_admin: true, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_formatted() {
        let context = Context { auth_token: Some(Secret::new("gAAAA-secret")), ..Context::default() };
        assert!(!format!("{context:?}").contains("gAAAA"));
        assert_eq!(context.auth_token.unwrap().reveal(), "gAAAA-secret");
    }
}
