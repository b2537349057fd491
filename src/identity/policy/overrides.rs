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
