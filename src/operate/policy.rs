//! `hearth policy show|sample|matrix`: the rules as they hold, a file to override them in, and which caller may what.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::config::{wrapped, written};
use crate::config::Config;
use crate::error::Result;
use crate::identity::policy::{self, Policy, Rule, Target};
use crate::identity::{Context, Identity};
use crate::{block_storage, telemetry};

/// Every rule of both services.
pub fn rules() -> Vec<&'static [Rule]> {
    let mut rules = block_storage::policies::ALL.to_vec();
    rules.extend_from_slice(telemetry::policy::ALL);
    rules
}

/// Each rule once, in the order of the tables.
fn each() -> Vec<&'static Rule> {
    let mut seen = BTreeSet::new();
    rules().into_iter().flatten().filter(|rule| seen.insert(rule.name)).collect()
}

/// Prints every rule as it holds, with the file that overrides it, and what is wrong with the files. Whether nothing is.
///
/// # Errors
/// `Invalid` where a policy file can not be read; `Internal` where the output can not be written.
pub fn show(config: &Config, out: &mut dyn Write) -> Result<bool> {
    let policy = policy::open(config, &rules())?;
    written(print_rules(&policy, out))?;
    Ok(policy.problems().is_empty())
}

fn print_rules(policy: &Policy, out: &mut dyn Write) -> io::Result<()> {
    let known = each();
    let mut names: Vec<&str> = known.iter().map(|rule| rule.name).collect();
    let mut added: Vec<&str> = policy.names().filter(|name| !names.contains(name)).collect();
    added.sort_unstable();
    names.append(&mut added);
    for name in names {
        if let Some(source) = policy.source(name) {
            let file = source.file.as_ref().map(|file| format!("  # {}", file.display())).unwrap_or_default();
            writeln!(out, "{}: {}{file}", quoted(name), quoted(&source.text))?;
        }
    }
    policy.problems().iter().try_for_each(|problem| writeln!(out, "# problem: {problem}"))
}

/// Prints a `policy.yaml` that holds every rule as a comment: what it allows, what it guards, its default.
///
/// # Errors
/// `Internal` where the output can not be written.
pub fn sample(out: &mut dyn Write) -> Result<()> {
    written(print_sample(out))
}

fn print_sample(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Rules of Hearth as they hold by default. Uncomment what you change, and only that.")?;
    for rule in each() {
        writeln!(out)?;
        for line in wrapped(rule.about) {
            writeln!(out, "# {line}")?;
        }
        for (method, path) in rule.operations {
            writeln!(out, "#   {method} {path}")?;
        }
        if !rule.scope.is_empty() {
            let scopes: Vec<&str> = rule.scope.iter().map(|scope| scope.word()).collect();
            writeln!(out, "# For tokens of the scopes: {}.", scopes.join(", "))?;
        }
        if let Some(former) = rule.deprecated {
            writeln!(out, "# Was {}: {}", quoted(former.name), quoted(former.check))?;
        }
        writeln!(out, "#{}: {}", quoted(rule.name), quoted(rule.check))?;
    }
    Ok(())
}

/// A caller of the matrix.
struct Persona {
    name: &'static str,
    roles: &'static [&'static str],
    /// Whether the caller's project is the object's.
    inside: bool,
    system: bool,
    service: bool,
}

const fn persona(name: &'static str, roles: &'static [&'static str]) -> Persona {
    Persona { name, roles, inside: true, system: false, service: false }
}

/// Roles as Keystone gives them: the implied ones with them.
const PERSONAS: &[Persona] = &[
    persona("admin", &["admin", "manager", "member", "reader"]),
    persona("member", &["member", "reader"]),
    persona("reader", &["reader"]),
    persona("no-role", &[]),
    Persona { inside: false, ..persona("stranger", &["member", "reader"]) },
    Persona { inside: false, ..persona("other-admin", &["admin", "manager", "member", "reader"]) },
    Persona { inside: false, system: true, ..persona("system-admin", &["admin", "manager", "member", "reader"]) },
    Persona { inside: false, system: true, ..persona("system-reader", &["reader"]) },
    Persona { inside: false, service: true, ..persona("service", &["service"]) },
];

const OWNER: &str = "owner";

impl Persona {
    fn context(&self) -> Context {
        let identity = Identity {
            user_id: if self.inside { OWNER } else { "stranger" }.to_owned(),
            project_id: match (self.inside, self.system) {
                (true, _) => OWNER.to_owned(),
                (false, true) => String::new(),
                (false, false) => "stranger".to_owned(),
            },
            system_scope: self.system.then(|| "all".to_owned()),
            roles: self.roles.iter().map(|role| (*role).to_owned()).collect(),
            is_admin_project: true,
            ..Identity::default()
        };
        let identity = std::sync::Arc::new(identity);
        let service = self.service.then(|| std::sync::Arc::clone(&identity));
        Context { identity, service, service_token: self.service, ..Context::default() }
    }
}

/// Prints which caller may do what to an object of the first callers' project, as tab-separated columns: the rule, then
/// `yes` or `-` for each caller that the head line names.
///
/// # Errors
/// `Invalid` where a policy file can not be read; `Internal` where the output can not be written.
pub fn matrix(config: &Config, out: &mut dyn Write) -> Result<()> {
    let policy = policy::open(config, &rules())?;
    written(print_matrix(&policy, out))
}

fn print_matrix(policy: &Policy, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<&str> = PERSONAS.iter().map(|persona| persona.name).collect();
    writeln!(out, "rule\t{}", names.join("\t"))?;
    let mut callers: Vec<Context> = PERSONAS.iter().map(Persona::context).collect();
    callers.iter_mut().for_each(|caller| policy.decide_admin(caller));
    let target = Target { user_id: Some(OWNER), ..Target::project(OWNER) };
    for rule in each() {
        let cell = |caller| if policy.allows(rule, caller, &target) { "yes" } else { "-" };
        let cells: Vec<&str> = callers.iter().map(cell).collect();
        writeln!(out, "{}\t{}", rule.name, cells.join("\t"))?;
    }
    Ok(())
}

/// A text between the quotation marks of YAML and JSON.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn with_file(name: &str, content: &str) -> Policy {
        let path = std::env::temp_dir().join(format!("hearth-policy-{}-{name}.yaml", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Policy::load(&rules(), Some(&path)).unwrap()
    }

    #[test]
    fn the_matrix_has_a_line_for_every_rule_and_says_what_the_policy_says() {
        let matrix = text(|out| print_matrix(&Policy::load(&rules(), None).unwrap(), out));
        assert_eq!(matrix.lines().count(), each().len() + 1);
        assert!(matrix.contains("\nvolume:create\tyes\tyes\t-\t-\t-\tyes\tyes\t-\t-\n"), "{matrix}");
        assert!(matrix.contains("\nvolume:get\tyes\tyes\tyes\t-\t-\tyes\tyes\t-\t-\n"));
        assert!(matrix.contains("\nclusters:get\tyes\t-\t-\t-\t-\tyes\tyes\t-\t-\n"));
    }

    #[test]
    fn the_sample_overrides_nothing_and_states_the_defaults_when_it_is_uncommented() {
        let sample = text(|out| print_sample(out));
        let commented = with_file("commented", &sample);
        assert!(each().iter().all(|rule| commented.source(rule.name).is_some_and(|source| source.file.is_none())));
        let set: String = sample
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("#\"").map_or(line.to_owned(), |rest| format!("\"{rest}"))))
            .collect();
        let set = with_file("set", &set);
        assert_eq!(set.problems(), [""; 0]);
        for rule in each() {
            let source = set.source(rule.name).unwrap();
            assert_eq!((source.text.as_str(), source.file.is_some()), (rule.check, true), "{}", rule.name);
        }
    }

    #[test]
    fn overrides_are_shown_with_their_file_and_faulty_ones_as_problems() {
        let policy = with_file(
            "faulty",
            "\"volume:get\": \"role:observer\"\n\"volume:delete\": \"role:\\\"x\"\n\"volume:create\": \"rule:nowhere\"\n",
        );
        let shown = text(|out| print_rules(&policy, out));
        assert!(shown.contains("\"volume:get\": \"role:observer\"  # /"), "{shown}");
        assert!(shown.contains("# problem: ") && shown.contains("rule:nowhere does not exist"), "{shown}");
    }
}
