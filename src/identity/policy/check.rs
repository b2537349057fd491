//! The tree of a rule and the asking of it, which makes nothing on the heap. Not here: where trees come from.

use std::fmt;

use super::Target;
use crate::identity::Context;

/// How deep rules may refer to each other: deeper is refused. Circles are cut when rules are loaded.
const DEPTH: usize = 64;

/// What a rule demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    /// `@`
    True,
    /// `!`
    False,
    Not(Box<Check>),
    And(Box<[Check]>),
    Or(Box<[Check]>),
    /// `rule:name`, until the rules are linked.
    Named(String),
    /// The same, by its place among the rules.
    Rule(usize),
    /// `role:name`
    Role(Box<[Part]>),
    /// `left:right`
    Compare(Left, Box<[Part]>),
}

/// The left side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    Literal(String),
    Credential(Credential),
    /// A credential that callers do not have: never equal to anything.
    Unknown,
}

/// A part of the right side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// `%(name)s`: an attribute of the target.
    Attribute(String),
}

/// What rules may know of a caller: the names that oslo.context gives to policy, and Cinder's `is_admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    UserId,
    UserDomainId,
    SystemScope,
    DomainId,
    ProjectId,
    ProjectDomainId,
    Roles,
    IsAdmin,
    IsAdminProject,
    ServiceUserId,
    ServiceUserDomainId,
    ServiceProjectId,
    ServiceProjectDomainId,
    ServiceRoles,
}

const CREDENTIALS: [(&str, Credential); 15] = [
    ("user_id", Credential::UserId),
    ("user_domain_id", Credential::UserDomainId),
    ("system_scope", Credential::SystemScope),
    ("system", Credential::SystemScope),
    ("domain_id", Credential::DomainId),
    ("project_id", Credential::ProjectId),
    ("project_domain_id", Credential::ProjectDomainId),
    ("roles", Credential::Roles),
    ("is_admin", Credential::IsAdmin),
    ("is_admin_project", Credential::IsAdminProject),
    ("service_user_id", Credential::ServiceUserId),
    ("service_user_domain_id", Credential::ServiceUserDomainId),
    ("service_project_id", Credential::ServiceProjectId),
    ("service_project_domain_id", Credential::ServiceProjectDomainId),
    ("service_roles", Credential::ServiceRoles),
];

impl Credential {
    pub(super) fn named(name: &str) -> Option<Self> {
        CREDENTIALS.iter().find(|(candidate, _)| *candidate == name).map(|(_, credential)| *credential)
    }

    fn name(self) -> &'static str {
        CREDENTIALS.iter().find(|(_, credential)| *credential == self).map_or("?", |(name, _)| name)
    }
}

impl Check {
    /// Whether `context` may do to `target` what this check guards. `rules` are all trees, for references.
    pub(super) fn allows(&self, rules: &[Check], context: &Context, target: &Target<'_>) -> bool {
        self.holds(rules, context, target, 0)
    }

    fn holds(&self, rules: &[Self], context: &Context, target: &Target<'_>, depth: usize) -> bool {
        match self {
            Self::True => true,
            Self::False | Self::Named(_) => false,
            Self::Not(check) => !check.holds(rules, context, target, depth),
            Self::And(checks) => checks.iter().all(|check| check.holds(rules, context, target, depth)),
            Self::Or(checks) => checks.iter().any(|check| check.holds(rules, context, target, depth)),
            Self::Rule(place) => match rules.get(*place) {
                Some(check) if depth < DEPTH => check.holds(rules, context, target, depth + 1),
                _ => false,
            },
            Self::Role(parts) => context.roles.iter().any(|role| same_role(parts, role, target)),
            Self::Compare(left, parts) => compare(left, parts, context, target),
        }
    }

    /// Calls `visit` for each check of the tree.
    pub(super) fn visit(&mut self, visit: &mut impl FnMut(&mut Self)) {
        visit(self);
        match self {
            Self::Not(check) => check.visit(visit),
            Self::And(checks) | Self::Or(checks) => checks.iter_mut().for_each(|check| check.visit(visit)),
            _ => {}
        }
    }

    /// The places of the rules that this one refers to itself.
    pub(super) fn references(&self, into: &mut Vec<usize>) {
        match self {
            Self::Rule(place) => into.push(*place),
            Self::Not(check) => check.references(into),
            Self::And(checks) | Self::Or(checks) => checks.iter().for_each(|check| check.references(into)),
            _ => {}
        }
    }
}

fn compare(left: &Left, parts: &[Part], context: &Context, target: &Target<'_>) -> bool {
    let flag = |value: bool| same(parts, if value { "True" } else { "False" }, target);
    // An absent credential is the text None, as in Python, but only where the rule says None itself: two absent values
    // are not the same project.
    let text = |value: Option<&str>| match value.filter(|value| !value.is_empty()) {
        Some(value) => same(parts, value, target),
        None => matches!(parts, [Part::Text(text)] if text == "None"),
    };
    let any = |values: &[String]| values.iter().any(|value| same(parts, value, target));
    let service = context.service.as_deref();
    match left {
        Left::Unknown => false,
        Left::Literal(literal) => same(parts, literal, target),
        Left::Credential(credential) => match credential {
            Credential::UserId => text(Some(&context.user_id)),
            Credential::UserDomainId => text(context.user_domain_id.as_deref()),
            Credential::SystemScope => text(context.system_scope.as_deref()),
            Credential::DomainId => text(context.domain_id.as_deref()),
            Credential::ProjectId => text(Some(&context.project_id)),
            Credential::ProjectDomainId => text(context.project_domain_id.as_deref()),
            Credential::Roles => any(&context.roles),
            Credential::IsAdmin => flag(context.is_admin),
            Credential::IsAdminProject => flag(context.is_admin_project),
            Credential::ServiceUserId => text(service.map(|service| service.user_id.as_str())),
            Credential::ServiceUserDomainId => text(service.and_then(|service| service.user_domain_id.as_deref())),
            Credential::ServiceProjectId => text(service.map(|service| service.project_id.as_str())),
            Credential::ServiceProjectDomainId => {
                text(service.and_then(|service| service.project_domain_id.as_deref()))
            }
            Credential::ServiceRoles => any(context.service_roles()),
        },
    }
}

/// Whether the parts, put together, are `value`. An attribute that the target lacks makes them no text at all.
fn same(parts: &[Part], value: &str, target: &Target<'_>) -> bool {
    let mut rest = value;
    for part in parts {
        let part = match part {
            Part::Text(text) => text.as_str(),
            Part::Attribute(name) => match target.attribute(name) {
                Some(text) => text,
                None => return false,
            },
        };
        match rest.strip_prefix(part) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    rest.is_empty()
}

/// The same for roles, in any case.
fn same_role(parts: &[Part], role: &str, target: &Target<'_>) -> bool {
    if let [Part::Text(text)] = parts
        && text.is_ascii()
    {
        return text.eq_ignore_ascii_case(role);
    }
    let mut rest = role.chars().flat_map(char::to_lowercase);
    for part in parts {
        let part = match part {
            Part::Text(text) => text.as_str(),
            Part::Attribute(name) => match target.attribute(name) {
                Some(text) => text,
                None => return false,
            },
        };
        if !part.chars().flat_map(char::to_lowercase).all(|letter| rest.next() == Some(letter)) {
            return false;
        }
    }
    rest.next().is_none()
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, checks: &[Self], word: &str| {
            for (place, check) in checks.iter().enumerate() {
                write!(f, "{}{check}", if place == 0 { "(" } else { word })?;
            }
            f.write_str(")")
        };
        match self {
            Self::True => f.write_str("@"),
            Self::False => f.write_str("!"),
            Self::Not(check) => write!(f, "not {check}"),
            Self::And(checks) => list(f, checks, " and "),
            Self::Or(checks) => list(f, checks, " or "),
            Self::Named(name) => write!(f, "rule:{name}"),
            Self::Rule(place) => write!(f, "rule #{place}"),
            Self::Role(parts) => write!(f, "role:{}", Parts(parts)),
            Self::Compare(left, parts) => match left {
                Left::Literal(text) if matches!(text.as_str(), "True" | "False" | "None") => {
                    write!(f, "{text}:{}", Parts(parts))
                }
                Left::Literal(text) => write!(f, "'{text}':{}", Parts(parts)),
                Left::Credential(credential) => write!(f, "{}:{}", credential.name(), Parts(parts)),
                Left::Unknown => write!(f, "?:{}", Parts(parts)),
            },
        }
    }
}

struct Parts<'a>(&'a [Part]);

impl fmt::Display for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('%', "%%")),
            Part::Attribute(name) => write!(f, "%({name})s"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;
    use crate::identity::Identity;

    fn allows(text: &str, context: &Context) -> bool {
        let target = Target {
            project_id: Some("p"),
            user_id: Some("u"),
            domain_id: None,
            more: &[("kind", "disk"), ("role", "OPERATOR"), ("empty", "")],
        };
        parse(text).unwrap().allows(&[], context, &target)
    }

    #[test]
    fn credentials_literals_and_attributes_are_compared_as_texts() {
        let identity = Identity {
            user_id: "u".to_owned(),
            project_id: "p".to_owned(),
            system_scope: None,
            roles: vec!["Reader".to_owned(), "Öffner".to_owned(), "operator".to_owned()],
            is_admin_project: true,
            ..Identity::default()
        };
        let service = Identity { user_id: "s".to_owned(), roles: vec!["service".to_owned()], ..Identity::default() };
        let context = Context { identity: identity.into(), service: Some(service.into()), ..Context::default() };
        for text in [
            "role:reader",
            "role:öffner",
            "role:%(role)s",
            "roles:Reader",
            "project_id:%(project_id)s",
            "user_id:%(user_id)s",
            "is_admin:False",
            "is_admin_project:True",
            "'disk':%(kind)s",
            "service_roles:service",
            "service_user_id:s",
            "system_scope:None",
            "domain_id:None",
            "1:1",
            "None:None",
            "not role:admin and (role:x or @)",
        ] {
            assert!(allows(text, &context), "{text}");
        }
        for text in [
            "role:read",
            "roles:reader",
            "project_id:%(project_id)sx",
            "project_id:%(nothing)s",
            "project_id:",
            "is_admin:True",
            "system_scope:all",
            "domain_id:%(domain_id)s",
            "service_project_id:%(empty)s",
            "unknown:None",
            "'x':%(kind)s",
            "2:1",
            "rule:nowhere",
            "!",
            "role:%(nothing)s",
        ] {
            assert!(!allows(text, &context), "{text}");
        }
        assert!(allows("project_id:None", &Context::default()), "an absent credential is None");
        assert!(!allows("project_id:%(empty)s", &Context::default()), "but no absent attribute");
    }
}
