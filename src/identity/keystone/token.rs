//! What Keystone's answer says of a token. Not here: asking for it.

use std::sync::Arc;

use serde::Deserialize;

use super::access_rules::AccessRule;
use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::time::Timestamp;

/// A token that Keystone vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) identity: Arc<Identity>,
    pub(super) expires_at: Timestamp,
    /// What an application credential is restricted to; `None` where it is not.
    pub(super) access_rules: Option<Vec<AccessRule>>,
}

#[derive(Deserialize)]
struct Document {
    token: Body,
}

#[derive(Deserialize)]
struct Body {
    user: Owner,
    expires_at: String,
    #[serde(default)]
    project: Option<Owner>,
    #[serde(default)]
    domain: Option<Named>,
    #[serde(default)]
    system: Option<System>,
    #[serde(default)]
    roles: Vec<Named>,
    #[serde(default = "yes")]
    is_admin_project: bool,
    #[serde(default)]
    application_credential: Option<ApplicationCredential>,
}

#[derive(Deserialize)]
struct Owner {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    domain: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct System {
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct ApplicationCredential {
    #[serde(default)]
    access_rules: Option<Vec<AccessRule>>,
}

/// Keystone names an admin project only where one is configured; without, every project counts.
fn yes() -> bool {
    true
}

impl Token {
    /// Reads the body of `GET` or `POST /v3/auth/tokens`.
    ///
    /// # Errors
    /// `Internal` where it is not what Keystone documents.
    pub(super) fn read(body: &[u8]) -> Result<Self> {
        let wrong = |reason: String| Error::internal(format!("Keystone's answer can not be read: {reason}"));
        let Document { token } = serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
        let expires_at =
            Timestamp::parse(&token.expires_at).ok_or_else(|| wrong("expires_at is no time".to_owned()))?;
        let (user_domain_id, user_domain_name) = split(token.user.domain);
        let (project_id, project_name, project_domain) = match token.project {
            Some(project) => (project.id, project.name, project.domain),
            None => (String::new(), None, None),
        };
        let (project_domain_id, project_domain_name) = split(project_domain);
        let (domain_id, domain_name) = split(token.domain);
        let identity = Identity {
            user_id: token.user.id,
            user_name: token.user.name,
            user_domain_id,
            user_domain_name,
            project_id,
            project_name,
            project_domain_id,
            project_domain_name,
            domain_id,
            domain_name,
            system_scope: token.system.filter(|system| system.all).map(|_| "all".to_owned()),
            roles: token.roles.into_iter().filter_map(|role| role.name).collect(),
            is_admin_project: token.is_admin_project,
        };
        if identity.user_id.is_empty() {
            return Err(wrong("the user has no id".to_owned()));
        }
        let access_rules = token.application_credential.and_then(|credential| credential.access_rules);
        Ok(Self { identity: Arc::new(identity), expires_at, access_rules })
    }
}

fn split(named: Option<Named>) -> (Option<String>, Option<String>) {
    named.map_or((None, None), |named| (named.id, named.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_every_scope_are_read() {
        let read = |rest: &str| {
            let body = format!(
                r#"{{"token": {{"user": {{"id": "u", "name": "n", "domain": {{"id": "default", "name": "Default"}}, "password_expires_at": null}},
                   "methods": ["password"], "audit_ids": ["x"], "expires_at": "2026-11-22T19:38:14.000000Z", "issued_at": "x"{rest}}}}}"#
            );
            Token::read(body.as_bytes()).unwrap()
        };
        let project = read(
            r#", "project": {"id": "p", "name": "pn", "domain": {"id": "d", "name": "dn"}}, "is_domain": false,
               "roles": [{"id": "1", "name": "member"}, {"id": "2", "name": "reader"}]"#,
        );
        let identity = &project.identity;
        assert_eq!((identity.user_id.as_str(), identity.project_id.as_str()), ("u", "p"));
        assert_eq!(identity.project_domain_name.as_deref(), Some("dn"));
        assert_eq!(identity.roles, ["member", "reader"]);
        assert!(identity.is_admin_project && identity.system_scope.is_none() && project.access_rules.is_none());
        assert_eq!(project.expires_at, Timestamp::parse("2026-11-22T19:38:14").unwrap());
        let system = read(r#", "system": {"all": true}, "roles": []"#);
        assert_eq!((system.identity.system_scope.as_deref(), system.identity.project_id.as_str()), (Some("all"), ""));
        let domain = read(r#", "domain": {"id": "d", "name": "dn"}, "is_admin_project": false"#);
        assert_eq!(domain.identity.domain_id.as_deref(), Some("d"));
        assert!(!domain.identity.is_admin_project);
        let restricted = read(
            r#", "application_credential": {"id": "c", "name": "c", "restricted": true,
               "access_rules": [{"id": "r", "service": "volumev3", "method": "GET", "path": "/v3/**"}]}"#,
        );
        assert_eq!(restricted.access_rules.map(|rules| rules.len()), Some(1));
    }

    #[test]
    fn answers_that_are_no_tokens_are_refused() {
        let user = r#""user": {"id": "u"}"#;
        for body in [
            "",
            "{}",
            "[]",
            r#"{"error": {"code": 404}}"#,
            &format!(r#"{{"token": {{{user}}}}}"#),
            &format!(r#"{{"token": {{{user}, "expires_at": "soon"}}}}"#),
            r#"{"token": {"user": {"id": ""}, "expires_at": "2026-11-22T19:38:14.000000Z"}}"#,
        ] {
            assert!(Token::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
