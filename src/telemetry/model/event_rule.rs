//! Which event an alarm waits for: a pattern of its type, and conditions on its traits and fields, all of which must hold
//! (specification: alarms). Events are as agents publish them; a condition compares values of one type only.

use std::cmp::Ordering;

use serde_json::{Value as Json, json};

use super::dumps::dumps;
use super::event::{self, TraitValue};
use crate::time::Timestamp;

/// An event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a>(&'a Json);

/// An event as agents publish it.
pub fn published(event: &event::Event) -> Json {
    let value = |value: &TraitValue| match value {
        TraitValue::Text(text) => json!(text),
        TraitValue::Integer(number) => json!(number),
        TraitValue::Float(number) => json!(number),
        TraitValue::Time(at) => json!(at.iso_short()),
    };
    let traits: Vec<Json> =
        event.traits.iter().map(|one| json!([one.name, one.value.kind().code(), value(&one.value)])).collect();
    let raw: Json = event.raw.as_deref().and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_else(|| json!({}));
    json!({"message_id": event.message_id, "event_type": event.event_type, "generated": event.generated.iso_short(),
        "traits": traits, "raw": raw})
}

/// A value to compare.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    Text(String),
    Number(f64),
    Truth(bool),
    Time(Timestamp),
}

impl Known {
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b),
            (Self::Truth(a), Self::Truth(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// The text of a value that is not one: a number that came as a number.
fn text_of(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// A value of a trait's type, which is a number or a word.
fn of_type(value: &Json, kind: &Json) -> Option<Known> {
    let text = text_of(value);
    match (kind.as_i64(), kind.as_str()) {
        (Some(2), _) | (_, Some("integer")) => {
            text.trim().parse::<i64>().ok().map(|number| Known::Number(number as f64))
        }
        (Some(3), _) | (_, Some("float")) => text.trim().parse().ok().map(Known::Number),
        (Some(4), _) | (_, Some("datetime")) => Timestamp::parse(&text).map(Known::Time),
        (_, Some("boolean")) => truth(&text).map(Known::Truth),
        _ => Some(Known::Text(text)),
    }
}

impl<'a> Event<'a> {
    /// The event in this JSON.
    pub fn of(json: &'a Json) -> Self {
        Self(json)
    }

    /// The JSON.
    pub fn json(&self) -> &'a Json {
        self.0
    }

    fn text(&self, name: &str) -> &'a str {
        self.0.get(name).and_then(Json::as_str).unwrap_or_default()
    }

    /// Its type; empty where it has none.
    pub fn event_type(&self) -> &'a str {
        self.text("event_type")
    }

    /// Whether it has a type and an id.
    pub fn is_whole(&self) -> bool {
        !self.text("event_type").is_empty() && !self.text("message_id").is_empty()
    }

    fn traits(&self) -> impl DoubleEndedIterator<Item = (&'a str, &'a Json, &'a Json)> + use<'a> {
        let all = self.0.get("traits").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        all.iter().filter_map(|one| match one.as_array()?.as_slice() {
            [name, kind, value, ..] => Some((name.as_str()?, kind, value)),
            _ => None,
        })
    }

    /// Id of the project that it belongs to; empty where it names none.
    pub fn project(&self) -> String {
        let named = self.traits().rev().find(|(name, ..)| matches!(*name, "project_id" | "tenant_id"));
        named.map(|(_, _, value)| text_of(value)).unwrap_or_default()
    }

    /// The value of a field: a trait's (`traits.NAME`), or that of a path into the event.
    fn value(&self, field: &str, kind: &Json) -> Option<Known> {
        if let Some(name) = field.strip_prefix("traits.") {
            let found = self.traits().rev().find(|(other, ..)| *other == name);
            return found.and_then(|(_, kind, value)| of_type(value, kind));
        }
        let found = field.split('.').try_fold(self.0, |value, name| value.get(name))?;
        match found {
            Json::Null | Json::Array(_) | Json::Object(_) => None,
            Json::Bool(value) => Some(Known::Truth(*value)),
            Json::Number(number) => number.as_f64().map(Known::Number),
            Json::String(_) => of_type(found, kind),
        }
    }

    /// Whether an alarm with this rule waits for it.
    pub fn is_meant_by(&self, rule: &Json) -> bool {
        let pattern = rule.get("event_type").and_then(Json::as_str).unwrap_or("*");
        let query = rule.get("query").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        matches(pattern, self.text("event_type")) && query.iter().all(|item| self.holds(item))
    }

    fn holds(&self, item: &Json) -> bool {
        let text = |name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default();
        let kind = item.get("type").unwrap_or(&Json::Null);
        let found = self.value(text("field"), kind);
        let wanted = of_type(item.get("value").unwrap_or(&Json::Null), kind);
        let (Some(found), Some(wanted)) = (found, wanted) else {
            // What is not there is different from everything.
            return text("op") == "ne";
        };
        let order = found.order(&wanted);
        match (text("op"), order) {
            ("ne", None) => true,
            (_, None) => false,
            ("lt", Some(order)) => order.is_lt(),
            ("le", Some(order)) => order.is_le(),
            ("ne", Some(order)) => order.is_ne(),
            ("ge", Some(order)) => order.is_ge(),
            ("gt", Some(order)) => order.is_gt(),
            (_, Some(order)) => order.is_eq(),
        }
    }

    /// Why an alarm with this rule fires.
    pub fn reason(&self, rule: &Json) -> String {
        let query = rule.get("query").map(sorted).unwrap_or_default();
        format!(
            "Event <id={},event_type={}> hits the query <query={}>.",
            self.text("message_id"),
            self.text("event_type"),
            dumps(&query)
        )
    }
}

/// The same value with the keys of its objects in order.
fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut pairs: Vec<(&String, &Json)> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            pairs.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
        }
        Json::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Whether a shell's pattern is the whole of a text: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`. In steps of pattern times text at
/// the most, whatever they are.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stands, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let letter = text.get(t).copied().unwrap_or_default();
        match step(&pattern, p, letter) {
            Step::Star => {
                star = Some((p, t));
                p += 1;
            }
            Step::Next(next) => {
                p = next;
                t += 1;
            }
            Step::No => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|letter| *letter == '*')
}

enum Step {
    Star,
    /// The letter fits, and the pattern goes on there.
    Next(usize),
    No,
}

fn step(pattern: &[char], at: usize, letter: char) -> Step {
    let one = |fits: bool, next: usize| if fits { Step::Next(next) } else { Step::No };
    match pattern.get(at) {
        None => Step::No,
        Some('*') => Step::Star,
        Some('?') => Step::Next(at + 1),
        Some('[') => {
            let rest = pattern.get(at + 1..).unwrap_or_default();
            let not = rest.first() == Some(&'!');
            let from = usize::from(not);
            // A bracket that stands first is one of the letters.
            let end = rest.iter().skip(from + 1).position(|letter| *letter == ']').map(|place| place + from + 1);
            let Some(end) = end else { return one(letter == '[', at + 1) };
            let set = rest.get(from..end).unwrap_or_default();
            let mut within = false;
            let mut place = 0;
            while let Some(low) = set.get(place) {
                match (set.get(place + 1), set.get(place + 2)) {
                    (Some('-'), Some(high)) => {
                        within |= (*low..=*high).contains(&letter);
                        place += 3;
                    }
                    _ => {
                        within |= *low == letter;
                        place += 1;
                    }
                }
            }
            one(within != not, at + end + 2)
        }
        Some(other) => one(*other == letter, at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, matches};
    use serde_json::{Value as Json, json};

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("volume.*", "volume.create.end", true),
            ("volume.*.end", "volume.create.start", false),
            ("*.*.*", "a.b.c", true),
            ("volume.?reate", "volume.create", true),
            ("[a-c]x[!0-9]", "bxz", true),
            ("[a-c]x[!0-9]", "bx5", false),
            ("[]]", "]", true),
            ("[", "[", true),
            ("a", "A", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
        assert!(!matches(&"*a".repeat(1_000), &"b".repeat(100_000)));
    }

    #[test]
    fn every_condition_must_hold_within_its_type() {
        let event = json!({"message_id": "m", "event_type": "volume.create.end", "generated": "2026-01-01T00:00:00",
            "traits": [["size", 2, 5], ["name", 1, "n"], ["project_id", 1, "p1"], ["at", 4, "2026-01-01T00:00:00"]],
            "raw": {"a": {"b": 7}}});
        let meant = |query: Json| Event::of(&event).is_meant_by(&json!({"event_type": "volume.*", "query": query}));
        let item = |field: &str, op: &str, value: &str, kind: &str| json!({"field": field, "op": op, "value": value, "type": kind});
        for (one, holds) in [
            (item("traits.size", "ge", "5", "integer"), true),
            (item("traits.size", "gt", "5.0", "float"), false),
            (item("traits.size", "eq", "5", "string"), false),
            (item("traits.size", "ne", "5", "string"), true),
            (item("traits.name", "eq", "n", ""), true),
            (item("traits.none", "eq", "n", ""), false),
            (item("traits.none", "ne", "n", ""), true),
            (item("traits.at", "lt", "2026-01-01T01:00:00+00:30", "datetime"), true),
            (item("raw.a.b", "eq", "7", "integer"), true),
            (item("generated", "gt", "2025-12-31", "datetime"), true),
            (item("event_type", "eq", "volume.create.end", "string"), true),
        ] {
            assert_eq!(meant(json!([one])), holds, "{one}");
        }
        assert!(!meant(json!([item("traits.name", "eq", "n", ""), item("traits.size", "eq", "6", "integer")])));
        assert_eq!(Event::of(&event).project(), "p1");
        let reason = Event::of(&event).reason(&json!({"query": [item("traits.size", "ge", "5", "integer")]}));
        assert_eq!(
            reason,
            r#"Event <id=m,event_type=volume.create.end> hits the query <query=[{"field": "traits.size", "op": "ge", "type": "integer", "value": "5"}]>."#
        );
    }
}
