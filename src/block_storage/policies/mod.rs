//! The policy rules of Block Storage as Cinder 29 has them by default, one file per noun. Not here: which route checks
//! which rule (`api/`), and the language of rules (`identity/policy`).

pub mod attachments;
pub mod backups;
pub mod base;
pub mod group_types;
pub mod groups;
pub mod messages;
pub mod qos_specs;
pub mod quotas;
pub mod services;
pub mod snapshots;
pub mod transfers;
pub mod types;
pub mod volume_actions;
pub mod volumes;

use crate::identity::policy::Rule;

/// An administrator.
const ADMIN: &str = "rule:admin_api";
/// Whoever is in the project, whatever the role: what most rules demanded before readers and members were told apart.
const OWNER: &str = "rule:admin_or_owner";
/// Everybody with a token: what some rules demanded before.
const ANYBODY: &str = "";

/// A rule for whoever may read in the project.
const fn reader(name: &'static str) -> Rule {
    Rule::new(name, "rule:xena_system_admin_or_project_reader")
}

/// A rule for whoever may write in the project.
const fn member(name: &'static str) -> Rule {
    Rule::new(name, "rule:xena_system_admin_or_project_member")
}

/// A rule for administrators.
const fn admin(name: &'static str) -> Rule {
    Rule::new(name, ADMIN)
}

/// Every rule, by file; the first are those that both services share.
pub const ALL: &[&[Rule]] = &[
    crate::identity::policy::SHARED,
    base::ROWS,
    volumes::ROWS,
    volume_actions::ROWS,
    snapshots::ROWS,
    attachments::ROWS,
    backups::ROWS,
    groups::ROWS,
    group_types::ROWS,
    types::ROWS,
    qos_specs::ROWS,
    quotas::ROWS,
    services::ROWS,
    transfers::ROWS,
    messages::ROWS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::policy::{Options, Policy, Target};
    use crate::identity::{Context, Identity};

    const PROJECT: &str = "0a1d7e94c3b84f6f9d52e8a6b7c4f310";

    /// Rows of a table of facts, without its comments.
    fn facts(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
    }

    /// The callers of `answers.tsv`, in its order.
    fn callers() -> Vec<Context> {
        let caller = |roles: &[&str], project: &str, system: Option<&str>, domain: Option<&str>| {
            let identity = Identity {
                user_id: "u1".to_owned(),
                project_id: project.to_owned(),
                system_scope: system.map(str::to_owned),
                domain_id: domain.map(str::to_owned),
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
                is_admin_project: true,
                ..Identity::default()
            };
            Context { identity: identity.into(), ..Context::default() }
        };
        let other = "99999999999999999999999999999999";
        vec![
            caller(&["admin", "manager", "member", "reader"], PROJECT, None, None),
            caller(&["member", "reader"], PROJECT, None, None),
            caller(&["reader"], PROJECT, None, None),
            caller(&[], PROJECT, None, None),
            caller(&["admin", "member", "reader"], other, None, None),
            caller(&["member", "reader"], other, None, None),
            caller(&["admin", "member", "reader"], "", Some("all"), None),
            caller(&["reader"], "", Some("all"), None),
            caller(&["admin", "member", "reader"], "", None, Some("default")),
            caller(&["service"], other, None, None),
        ]
    }

    #[test]
    fn rules_are_those_of_cinder() {
        let mut rows: Vec<Vec<&str>> = ALL
            .iter()
            .copied()
            .flatten()
            .map(|rule| {
                let (name, check) = rule.deprecated.map_or(("", ""), |former| (former.name, former.check));
                vec![rule.name, rule.check, name, if check.is_empty() && !name.is_empty() { "@" } else { check }]
            })
            .collect();
        rows.sort();
        let facts: Vec<Vec<&str>> = facts(include_str!("../../../tests/data/policy/rules.tsv")).collect();
        assert_eq!(rows.len(), facts.len());
        for (row, fact) in rows.iter().zip(&facts) {
            assert_eq!(row, fact);
        }
    }

    #[test]
    fn every_rule_answers_every_caller_as_oslo_policy_does() {
        let target = Target { user_id: Some("u1"), domain_id: Some("default"), ..Target::project(PROJECT) };
        for (column, enforce_new_defaults) in [(1, true), (2, false)] {
            let policy = Policy::with(ALL, &Options { enforce_new_defaults, ..Options::default() }).unwrap();
            assert_eq!(policy.problems(), [""; 0]);
            let mut callers = callers();
            callers.iter_mut().for_each(|caller| policy.decide_admin(caller));
            let mut compared = 0;
            for fact in facts(include_str!("../../../tests/data/policy/answers.tsv")) {
                let rule = ALL.iter().copied().flatten().find(|rule| rule.name == fact[0]).unwrap();
                let sign = |caller| if policy.allows(rule, caller, &target) { '+' } else { '-' };
                assert_eq!(callers.iter().map(sign).collect::<String>(), fact[column], "{}", rule.name);
                compared += 1;
            }
            assert_eq!(compared, 167);
        }
    }

    #[test]
    fn no_rule_is_kept_for_a_scope_as_in_cinder() {
        assert!(ALL.iter().copied().flatten().all(|rule| rule.scope.is_empty()));
    }

    #[test]
    fn an_operators_file_means_what_it_means_to_oslo_policy() {
        let folder = std::env::temp_dir().join(format!("hearth-policy-facts-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("policy.yaml");
        let target = Target { user_id: Some("u1"), domain_id: Some("default"), ..Target::project(PROJECT) };
        let mut compared = 0;
        for fact in facts(include_str!("../../../tests/data/policy/overrides.tsv")) {
            std::fs::write(&file, fact[0]).unwrap();
            let rule = ALL.iter().copied().flatten().find(|rule| rule.name == fact[1]).unwrap();
            for (column, enforce_new_defaults) in [(2, true), (3, false)] {
                let options = Options { files: vec![file.clone()], enforce_new_defaults, ..Options::default() };
                let policy = Policy::with(ALL, &options).unwrap();
                // Those of the project and of another one.
                let mut callers = callers();
                callers.truncate(6);
                callers.iter_mut().for_each(|caller| policy.decide_admin(caller));
                let sign = |caller| if policy.allows(rule, caller, &target) { '+' } else { '-' };
                assert_eq!(callers.iter().map(sign).collect::<String>(), fact[column], "{}: {}", fact[0], fact[1]);
                compared += 1;
            }
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(compared > 800, "{compared}");
    }

    #[test]
    fn every_rule_says_what_it_allows_and_names_are_unique() {
        let mut names = std::collections::HashSet::new();
        for rule in ALL.iter().copied().flatten() {
            assert!(rule.about.ends_with('.'), "{} needs a sentence", rule.name);
            assert!(names.insert(rule.name), "{} is there twice", rule.name);
        }
    }
}
