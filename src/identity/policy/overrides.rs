//! The operator's files, and how they and the default rules become one set of trees. Not here: the language itself.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use yaml_rust2::{Yaml, YamlLoader};

use super::check::Check;
use super::parse::{parse, parse_lists};
use super::{Options, Policy, Rule, Source};
use crate::error::{Error, Result};

/// One rule of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Override {
    name: String,
    check: Written,
    file: PathBuf,
}

/// What a rule of a file demands, in one of the two forms.
#[derive(Debug, Clone, PartialEq)]
enum Written {
    Text(String),
    Lists(Vec<Vec<String>>),
}

impl Written {
    fn parse(&self) -> Result<Check, String> {
        match self {
            Self::Text(text) => parse(text),
            Self::Lists(lists) => parse_lists(lists),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Lists(lists) => format!("{lists:?}"),
        }
    }
}

/// The files of a policy folder in the order of their names, hidden ones left out.
pub(super) fn files_of(dir: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| Error::invalid(format!("{}: the folder can not be read", dir.display())).because(error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_file() && !hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads the rules of all files, later ones over earlier ones.
pub(super) fn read(files: &[PathBuf]) -> Result<Vec<Override>> {
    let mut rules: Vec<Override> = Vec::new();
    for file in files {
        let unreadable =
            |error| Error::invalid(format!("{}: the policy file can not be read", file.display())).because(error);
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        for rule in rules_of(&text, file)? {
            rules.retain(|earlier| earlier.name != rule.name);
            rules.push(rule);
        }
    }
    Ok(rules)
}

/// The rules of one file: a mapping of names to texts or lists. JSON is YAML.
fn rules_of(text: &str, file: &Path) -> Result<Vec<Override>> {
    let wrong = |reason: String| Error::invalid(format!("{}: {reason}", file.display()));
    let documents = YamlLoader::load_from_str(text).map_err(|error| wrong(format!("no YAML: {error}")))?;
    let mapping = match documents.into_iter().next() {
        // A file of comments alone, such as the sample, overrides nothing.
        None | Some(Yaml::Null | Yaml::BadValue) => return Ok(Vec::new()),
        Some(Yaml::Hash(mapping)) => mapping,
        Some(_) => return Err(wrong("a policy file maps names of rules to what they demand".to_owned())),
    };
    let mut rules = Vec::with_capacity(mapping.len());
    for (name, value) in mapping {
        let Yaml::String(name) = name else {
            return Err(wrong(format!("{name:?} is no name of a rule")));
        };
        let check =
            written(value).ok_or_else(|| wrong(format!("{name}: neither a text nor a list of lists of texts")))?;
        rules.push(Override { name, check, file: file.to_owned() });
    }
    Ok(rules)
}

fn written(value: Yaml) -> Option<Written> {
    match value {
        Yaml::String(text) => Some(Written::Text(text)),
        Yaml::Null => Some(Written::Text(String::new())),
        Yaml::Array(outer) => {
            let inner = |value| match value {
                Yaml::String(text) => Some(vec![text]),
                Yaml::Array(texts) => texts.into_iter().map(Yaml::into_string).collect(),
                _ => None,
            };
            outer.into_iter().map(inner).collect::<Option<_>>().map(Written::Lists)
        }
        _ => None,
    }
}

/// Puts default rules and overrides together.
pub(super) fn assemble(rows: &[&'static [Rule]], overrides: Vec<Override>, options: &Options) -> Policy {
    let mut policy = Policy {
        places: HashMap::new(),
        checks: Vec::new(),
        sources: Vec::new(),
        enforce_scope: options.enforce_scope,
        problems: Vec::new(),
    };
    for rule in &overrides {
        let check = rule.check.parse().unwrap_or_else(|reason| {
            policy.problems.push(format!(
                "{}: {}: {reason}; the rule refuses everything",
                rule.file.display(),
                rule.name
            ));
            Check::False
        });
        add(&mut policy, &rule.name, check, Source { text: rule.check.text(), file: Some(rule.file.clone()) });
    }
    for rule in rows.iter().copied().flatten() {
        if policy.places.contains_key(rule.name) {
            continue;
        }
        let (check, source) = default(rule, &overrides, options, &mut policy.problems);
        add(&mut policy, rule.name, check, source);
    }
    link(&mut policy, &options.default_rule);
    cut_circles(&mut policy);
    policy
}

fn add(policy: &mut Policy, name: &str, check: Check, source: Source) {
    policy.places.insert(name.to_owned(), policy.checks.len());
    policy.checks.push(check);
    policy.sources.push(source);
}

/// What a rule demands that no file names.
fn default(rule: &Rule, overrides: &[Override], options: &Options, problems: &mut Vec<String>) -> (Check, Source) {
    let mut read = |text: &str| {
        parse(text).unwrap_or_else(|reason| {
            problems.push(format!("{}: {reason}; the rule refuses everything", rule.name));
            Check::False
        })
    };
    let own = Source { text: rule.check.to_owned(), file: None };
    let Some(former) = rule.deprecated else { return (read(rule.check), own) };
    let renamed = overrides.iter().find(|other| former.name != rule.name && other.name == former.name);
    if let Some(other) = renamed {
        // The sample file of a release that renamed a rule maps the old name to the new one: that says nothing new.
        let says_nothing = other.check == Written::Text(former.check.to_owned())
            || other.check == Written::Text(format!("rule:{}", rule.name));
        if !says_nothing {
            let check = Check::Named(former.name.to_owned());
            problems.push(format!("{}: {} is now called {}", other.file.display(), former.name, rule.name));
            return (check, Source { text: other.check.text(), file: Some(other.file.clone()) });
        }
    }
    if options.enforce_new_defaults || former.check == rule.check {
        return (read(rule.check), own);
    }
    let check = Check::Or(Box::new([read(rule.check), read(former.check)]));
    let former = if former.check.is_empty() { "@" } else { former.check };
    (check, Source { text: format!("({}) or ({former})", rule.check), file: None })
}

/// Replaces names by places. What does not exist is the default rule, or refuses everything.
fn link(policy: &mut Policy, default_rule: &str) {
    let fallback = policy.places.get(default_rule).copied();
    let names = by_place(policy);
    for (place, check) in policy.checks.iter_mut().enumerate() {
        check.visit(&mut |check| {
            let Check::Named(name) = check else { return };
            *check = match policy.places.get(name).copied().or(fallback) {
                Some(place) => Check::Rule(place),
                None => {
                    let referring = names.get(place).map_or("", String::as_str);
                    policy.problems.push(format!("{referring}: rule:{name} does not exist; it refuses everything"));
                    Check::False
                }
            };
        });
    }
}

fn by_place(policy: &Policy) -> Vec<String> {
    let mut names = vec![String::new(); policy.checks.len()];
    for (name, place) in &policy.places {
        if let Some(slot) = names.get_mut(*place) {
            slot.clone_from(name);
        }
    }
    names
}

/// Rules that lead back to themselves refuse everything.
fn cut_circles(policy: &mut Policy) {
    let references: Vec<Vec<usize>> = policy
        .checks
        .iter()
        .map(|check| {
            let mut places = Vec::new();
            check.references(&mut places);
            places
        })
        .collect();
    let leads_back = |start: usize| {
        let mut seen = vec![false; references.len()];
        let mut open = references.get(start).cloned().unwrap_or_default();
        while let Some(place) = open.pop() {
            if place == start {
                return true;
            }
            match seen.get_mut(place) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            open.extend(references.get(place).into_iter().flatten());
        }
        false
    };
    let circular: Vec<usize> = (0..references.len()).filter(|place| leads_back(*place)).collect();
    let names = by_place(policy);
    for place in circular {
        if let (Some(check), Some(name)) = (policy.checks.get_mut(place), names.get(place)) {
            *check = Check::False;
            policy.problems.push(format!("{name}: refers to itself in a circle; it refuses everything"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::policy::{Scope, Target};
    use crate::identity::{Context, Identity};

    const ADMIN: Rule = Rule::new("admin", "role:admin");
    const SEE: Rule = Rule::new("thing:see", "role:reader and project_id:%(project_id)s").formerly("");
    const MAKE: Rule = Rule::new("thing:make", "rule:admin").deprecated("thing:do", "role:member");
    const SYSTEM: Rule = Rule::new("thing:tune", "role:reader").scope(&[Scope::System]);
    const ROWS: &[Rule] = &[ADMIN, SEE, MAKE, SYSTEM];

    fn policy(text: &str, options: Options) -> Policy {
        assemble(&[ROWS], rules_of(text, Path::new("policy.yaml")).unwrap(), &options)
    }

    fn caller(role: &str) -> Context {
        let identity = Identity {
            user_id: "u".to_owned(),
            project_id: "p".to_owned(),
            roles: vec![role.to_owned()],
            ..Identity::default()
        };
        Context { identity: identity.into(), ..Context::default() }
    }

    fn allows(policy: &Policy, rule: &Rule, role: &str) -> bool {
        policy.allows(rule, &caller(role), &Target::project("p"))
    }

    #[test]
    fn a_file_overrides_rules_and_adds_some_for_others_to_refer_to() {
        let text = "'thing:see': 'rule:observer or rule:admin'\nobserver: role:observer\n";
        let policy = policy(text, Options::default());
        assert!(
            allows(&policy, &SEE, "Observer") && allows(&policy, &SEE, "admin") && !allows(&policy, &SEE, "reader")
        );
        assert_eq!(policy.source("thing:see").unwrap().file.as_deref(), Some(Path::new("policy.yaml")));
        assert_eq!(policy.problems(), [""; 0]);
    }

    #[test]
    fn json_lists_and_empty_rules_are_read_too() {
        let text =
            r#"{"thing:see": [["role:a", "role:b"], ["role:c"], "role:d"], "thing:make": "", "admin": [], "x": null}"#;
        let policy = policy(text, Options::default());
        assert!(allows(&policy, &SEE, "c") && allows(&policy, &SEE, "d") && !allows(&policy, &SEE, "a"));
        assert!(allows(&policy, &MAKE, "x") && allows(&policy, &ADMIN, "x"));
        for nothing in ["", "# only a comment\n", "---\n"] {
            assert!(rules_of(nothing, Path::new("p")).unwrap().is_empty());
        }
        for wrong in ["- a\n", "a: 1\n", "a: {b: c}\n", "a: [[1]]\n", "a: 'b\n"] {
            assert!(rules_of(wrong, Path::new("p")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_rule_was_before_counts_beside_it_only_where_the_new_defaults_are_not_enforced() {
        let old = |enforce_new_defaults| policy("", Options { enforce_new_defaults, ..Options::default() });
        assert!(!allows(&old(true), &SEE, "none") && allows(&old(false), &SEE, "none"));
        assert!(!allows(&old(true), &MAKE, "member") && allows(&old(false), &MAKE, "member"));
        assert_eq!(old(false).source("thing:see").unwrap().text, format!("({}) or (@)", SEE.check));
        let overridden =
            policy("'thing:see': role:admin\n", Options { enforce_new_defaults: false, ..Options::default() });
        assert!(!allows(&overridden, &SEE, "none"));
    }

    #[test]
    fn an_override_under_a_former_name_holds_for_the_new_one_and_is_told() {
        let renamed = policy("'thing:do': role:maker\n", Options::default());
        assert!(allows(&renamed, &MAKE, "maker") && !allows(&renamed, &MAKE, "admin"));
        assert_eq!(renamed.problems(), ["policy.yaml: thing:do is now called thing:make"]);
        for nothing_new in ["'thing:do': role:member\n", "'thing:do': 'rule:thing:make'\n"] {
            assert!(!allows(&policy(nothing_new, Options::default()), &MAKE, "member"));
        }
        let both = policy("'thing:do': role:maker\n'thing:make': role:x\n", Options::default());
        assert!(allows(&both, &MAKE, "x") && !allows(&both, &MAKE, "maker"));
    }

    #[test]
    fn rules_that_can_not_be_read_do_not_exist_or_run_in_circles_refuse_everything_and_are_told() {
        let text = "'thing:see': 'role:admin or'\n'thing:make': 'rule:nowhere or role:admin'\n\
                    a: 'rule:b or role:admin'\nb: 'not rule:c'\nc: 'rule:a'\nadmin: 'http://h/x'\n";
        let policy = policy(text, Options::default());
        assert!(!allows(&policy, &SEE, "admin") && allows(&policy, &MAKE, "admin") && !allows(&policy, &MAKE, "x"));
        assert!(!allows(&policy, &ADMIN, "admin"));
        assert!(!allows(&policy, &Rule::new("a", ""), "admin"), "no matter what stands beside the circle");
        let mut problems = policy.problems().to_vec();
        problems.sort();
        assert_eq!(
            problems,
            [
                "a: refers to itself in a circle; it refuses everything",
                "b: refers to itself in a circle; it refuses everything",
                "c: refers to itself in a circle; it refuses everything",
                "policy.yaml: admin: 'http://h/x' asks another server, which Hearth does not do; the rule refuses everything",
                "policy.yaml: thing:see: a check is missing at the end; the rule refuses everything",
                "thing:make: rule:nowhere does not exist; it refuses everything",
            ]
        );
        let with_default = super::tests::policy("'thing:make': 'rule:nowhere'\ndefault: role:x\n", Options::default());
        assert!(allows(&with_default, &MAKE, "x") && with_default.problems().is_empty());
    }

    #[test]
    fn a_rule_for_another_scope_refuses_the_token_where_scopes_are_enforced() {
        let mut identity = Identity::clone(&caller("reader").identity);
        identity.system_scope = Some("all".to_owned());
        let system = Context { identity: identity.into(), ..Context::default() };
        let enforcing = policy("", Options::default());
        assert!(enforcing.allows(&SYSTEM, &system, &Target::default()) && !allows(&enforcing, &SYSTEM, "reader"));
        assert!(allows(&policy("", Options { enforce_scope: false, ..Options::default() }), &SYSTEM, "reader"));
    }

    #[test]
    fn files_of_folders_are_read_after_the_policy_file_in_the_order_of_their_names() {
        let folder = std::env::temp_dir().join(format!("hearth-overrides-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("policy.d/sub")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("hearth.conf", "");
        write("policy.yaml", "admin: role:one\n'thing:make': role:one\n");
        write("policy.d/b.yaml", "admin: role:three\n");
        write("policy.d/a.yaml", "admin: role:two\n");
        write("policy.d/.hidden", "admin: role:four\n");
        let sources = crate::config::Sources { files: vec![folder.join("hearth.conf")], dirs: Vec::new() };
        let policy = crate::identity::policy::open(&crate::config::Config::load(&sources).unwrap(), &[ROWS]).unwrap();
        assert!(allows(&policy, &ADMIN, "three") && !allows(&policy, &ADMIN, "four") && allows(&policy, &MAKE, "one"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
