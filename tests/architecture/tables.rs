//! What must be true of every row of every table, whichever service it belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use hearth::identity::policy::Rule;
use hearth::rest::schema::{Check, Input, Schema};
use hearth::rest::view::Described;
use hearth::rest::{Answer, Method, Route};
use hearth::{block_storage, telemetry};

/// Calls `look` for each service: its name, the folder of its handlers, its rows, its rules.
macro_rules! each_service {
    ($look:ident) => {
        $look("src/block_storage/api", block_storage::ROUTES, block_storage::policies::ALL);
        $look("src/telemetry/api", telemetry::METERING_ROUTES, telemetry::policy::ALL);
        $look("src/telemetry/api", telemetry::ALARMING_ROUTES, telemetry::policy::ALL);
    };
}

type Tables<S> = &'static [&'static [Route<S>]];
type Rules = &'static [&'static [Rule]];

fn rows<S>(tables: Tables<S>) -> impl Iterator<Item = &'static Route<S>> {
    tables.iter().copied().flatten()
}

fn name<S>(route: &Route<S>) -> String {
    format!("{} {} {}", route.method.name(), route.path, route.action)
}

#[test]
fn no_two_rows_answer_the_same_request() {
    fn look<S>(_: &str, tables: Tables<S>, _: Rules) {
        let mut ranges: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for route in rows(tables) {
            assert!(route.since <= route.until, "{} exists at no version", name(route));
            let known = ranges.entry(name(route)).or_default();
            let overlap = known.iter().any(|(since, until)| route.since <= *until && *since <= route.until);
            assert!(!overlap, "{} is there twice", name(route));
            known.push((route.since, route.until));
        }
    }
    each_service!(look);
}

#[test]
fn a_path_has_actions_or_it_has_none() {
    fn look<S>(_: &str, tables: Tables<S>, _: Rules) {
        let mut kinds: BTreeMap<(&str, &str), BTreeSet<bool>> = BTreeMap::new();
        for route in rows(tables) {
            let has_action = !route.action.is_empty();
            assert!(!has_action || route.method == Method::Post, "{}: actions are posted", name(route));
            kinds.entry((route.method.name(), route.path)).or_default().insert(has_action);
        }
        let mixed: Vec<_> = kinds.iter().filter(|(_, kinds)| kinds.len() > 1).collect();
        assert!(mixed.is_empty(), "{mixed:?}");
    }
    each_service!(look);
}

#[test]
fn every_rule_of_a_row_exists_and_has_the_words_of_its_table() {
    fn look<S>(_: &str, tables: Tables<S>, rules: Rules) {
        for route in rows(tables) {
            for rule in route.rules {
                let known = rules.iter().copied().flatten().any(|known| known == *rule);
                assert!(known, "{} checks {}, which is in no table of rules", name(route), rule.name);
            }
        }
    }
    each_service!(look);
}

#[test]
fn every_row_says_what_it_does_and_answers_with_success() {
    fn look<S>(_: &str, tables: Tables<S>, _: Rules) {
        for route in rows(tables) {
            assert!(route.about.starts_with(char::is_uppercase), "{} does not say what it does", name(route));
            assert!((200..300).contains(&route.success), "{} succeeds with {}", name(route), route.success);
            assert!(route.path.starts_with('/'), "{}", name(route));
            assert!(!(route.raw && route.body.is_some()), "{} reads its body twice", name(route));
            let mut known = BTreeSet::new();
            for parameter in route.query {
                assert!(known.insert(parameter.name), "{} names {} twice", name(route), parameter.name);
                assert!(parameter.since <= route.until, "{} never reads {}", name(route), parameter.name);
            }
        }
    }
    each_service!(look);
}

#[test]
fn every_variable_of_a_path_is_read() {
    fn look<S>(folder: &str, tables: Tables<S>, _: Rules) {
        let source: String = fs::read_dir(Path::new(folder))
            .unwrap()
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        for route in rows(tables) {
            let variables = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            let mut known = BTreeSet::new();
            for variable in variables {
                assert!(known.insert(variable), "{} names {variable} twice", name(route));
                // A type has one encryption, and clients write what they like there.
                let read = variable == "encryption_id" || source.contains(&format!("value(\"{variable}\")"));
                assert!(read, "nobody in {folder} reads {{{variable}}} of {}", name(route));
            }
        }
    }
    each_service!(look);
}

#[test]
fn an_actions_schema_takes_the_action_and_nothing_else() {
    fn look<S>(_: &str, tables: Tables<S>, _: Rules) {
        for route in rows(tables).filter(|route| !route.action.is_empty()) {
            let Some(schema) = route.body else { continue };
            let names: Vec<&str> = schema.fields.iter().map(|field| field.name).collect();
            assert_eq!(names, [route.action], "{}", name(route));
        }
    }
    each_service!(look);
}

#[test]
fn a_schema_names_each_key_once_for_each_version() {
    fn walk(schema: &Schema, of: &str) {
        for (at, field) in schema.fields.iter().enumerate() {
            let twice =
                |other: &&Input| other.name == field.name && other.since <= field.until && field.since <= other.until;
            assert!(!schema.fields[..at].iter().any(|other| twice(&other)), "{of} names {} twice", field.name);
            inside(&field.check, of);
        }
    }
    fn inside(check: &Check, of: &str) {
        match check {
            Check::Object(schema) => walk(schema, of),
            Check::Map(.., check, _) | Check::List(check, ..) => inside(check, of),
            Check::AnyOf(checks) => checks.iter().for_each(|check| inside(check, of)),
            _ => {}
        }
    }
    fn look<S>(_: &str, tables: Tables<S>, _: Rules) {
        for route in rows(tables) {
            if let Some(schema) = route.body {
                walk(schema, &name(route));
            }
        }
    }
    each_service!(look);
}

#[test]
fn views_have_names_of_their_own_and_name_each_field_once_for_each_version() {
    fn look<S>(_: &str, tables: Tables<S>, _: Rules) {
        let mut known: BTreeMap<&str, String> = BTreeMap::new();
        for route in rows(tables) {
            let view: &dyn Described = match route.answer {
                Answer::One(_, view) | Answer::Perhaps(view) | Answer::Many(_, view) => view,
                Answer::Nothing | Answer::Free => continue,
            };
            let fields = view.rows();
            for (at, field) in fields.iter().enumerate() {
                let twice = fields[..at]
                    .iter()
                    .any(|other| other.name == field.name && other.since <= field.until && field.since <= other.until);
                assert!(!twice, "{} names {} twice", view.name(), field.name);
            }
            let text = format!("{fields:?}");
            let first = known.entry(view.name()).or_insert_with(|| text.clone());
            assert_eq!(*first, text, "two views are called {}", view.name());
        }
    }
    each_service!(look);
}
