//! The small language of extra specs: what a volume type demands of one reported capability. The operators and their
//! corner cases are those of Cinder's CapabilitiesFilter. Not here: which extra specs count (`filters.rs`).

use crate::block_storage::model::pool::Capability;

/// What an operator does with the reported value and the word after the operator.
type Operator = fn(&Capability, &str) -> bool;

/// Operators by the word that begins the demand. `=` means "at least", for historical reasons.
const OPERATORS: &[(&str, Operator)] = &[
    ("=", |value, word| numbers(value, word, |a, b| a >= b)),
    ("==", |value, word| numbers(value, word, |a, b| a == b)),
    ("!=", |value, word| numbers(value, word, |a, b| a != b)),
    (">=", |value, word| numbers(value, word, |a, b| a >= b)),
    ("<=", |value, word| numbers(value, word, |a, b| a <= b)),
    ("<in>", |value, word| matches!(value, Capability::Text(text) if text.contains(word))),
    ("<is>", |value, word| truth(&text_of(value)) == truth(word)),
    ("s==", |value, word| texts(value, word, |a, b| a == b)),
    ("s!=", |value, word| !texts(value, word, |a, b| a == b)),
    ("s<", |value, word| texts(value, word, |a, b| a < b)),
    ("s<=", |value, word| texts(value, word, |a, b| a <= b)),
    ("s>", |value, word| texts(value, word, |a, b| a > b)),
    ("s>=", |value, word| texts(value, word, |a, b| a >= b)),
];

/// Whether `value` (or, where it is a list, any of its values) is what `demand` asks for.
pub(super) fn satisfies(value: &Capability, demand: &str) -> bool {
    match value {
        Capability::List(values) => values.iter().any(|value| satisfies_one(value, demand)),
        value => satisfies_one(value, demand),
    }
}

fn satisfies_one(value: &Capability, demand: &str) -> bool {
    let mut words = demand.split_whitespace();
    let first = words.next().unwrap_or_default();
    if first == "<or>" {
        // `<or> v1 <or> v2`: every second word is a value.
        return words.step_by(2).any(|word| texts(value, word, |a, b| a == b));
    }
    match OPERATORS.iter().find(|(name, _)| *name == first) {
        Some((_, operator)) if *value != Capability::None => words.next().is_some_and(|word| operator(value, word)),
        Some(_) => false,
        None => texts(value, demand, |a, b| a == b),
    }
}

fn texts(value: &Capability, word: &str, compare: fn(&str, &str) -> bool) -> bool {
    matches!(value, Capability::Text(text) if compare(text, word))
}

fn numbers(value: &Capability, word: &str, compare: fn(f64, f64) -> bool) -> bool {
    match (text_of(value).trim().parse(), word.parse()) {
        (Ok(value), Ok(word)) => compare(value, word),
        _ => false,
    }
}

/// The value as text; a list or a map has none.
fn text_of(value: &Capability) -> String {
    match value {
        Capability::Text(text) => text.clone(),
        Capability::Integer(number) => number.to_string(),
        Capability::Number(number) => number.to_string(),
        Capability::Boolean(true) => "1".to_owned(),
        Capability::Boolean(false) => "0".to_owned(),
        Capability::None | Capability::List(_) | Capability::Map(_) => String::new(),
    }
}

/// Whether a text means yes; every other text means no.
pub fn truth(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "1" | "t" | "true" | "on" | "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Capability {
        Capability::Text(text.to_owned())
    }

    #[test]
    fn a_demand_without_an_operator_is_compared_as_a_text() {
        assert!(satisfies(&text("file"), "file"));
        assert!(!satisfies(&text("file"), "files"));
        assert!(!satisfies(&Capability::Boolean(true), "True"), "only <is> reads booleans");
    }

    #[test]
    fn booleans_are_compared_by_is_in_every_spelling() {
        for (value, demand, expected) in [
            (Capability::Boolean(true), "<is> True", true),
            (Capability::Boolean(false), "<is> False", true),
            (Capability::Boolean(false), "<is> true", false),
            (text("yes"), "<is> 1", true),
            (text("nonsense"), "<is> False", true),
            (Capability::None, "<is> False", false),
        ] {
            assert_eq!(satisfies(&value, demand), expected, "{value:?} {demand}");
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_one_equals_sign_means_at_least() {
        for (value, demand, expected) in [
            (Capability::Integer(10), "= 9", true),
            (Capability::Integer(10), "== 10.0", true),
            (Capability::Integer(10), "<= 9", false),
            (Capability::Number(1.5), ">= 1.5", true),
            (text("12"), "!= 12", false),
            (text("twelve"), ">= 1", false),
            (Capability::Integer(10), ">=", false),
        ] {
            assert_eq!(satisfies(&value, demand), expected, "{value:?} {demand}");
        }
    }

    #[test]
    fn texts_have_operators_of_their_own() {
        for (demand, expected) in [
            ("s== hdd", true),
            ("s!= hdd", false),
            ("s< ssd", true),
            ("s>= ssd", false),
            ("<in> dd", true),
            ("<or> ssd <or> hdd", true),
            ("<or> ssd <or> nvme", false),
            ("<or>", false),
        ] {
            assert_eq!(satisfies(&text("hdd"), demand), expected, "{demand}");
        }
    }

    #[test]
    fn any_value_of_a_list_is_enough() {
        let value = Capability::List(vec![text("NFS"), text("nfs")]);
        assert!(satisfies(&value, "nfs"));
        assert!(!satisfies(&value, "iSCSI"));
    }
}
