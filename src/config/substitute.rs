//! `$name`, `${name}` and `${section.name}` in values, as oslo.config replaces them. `$$` and `\$` stand for a dollar sign.

use super::load::{Assigned, rows, same_section};

/// How deep values may name each other; deeper is taken for a circle.
const DEPTH: usize = 16;

/// Replaces what `text` names by the values of other options, first of the same section, then of `DEFAULT`.
///
/// # Errors
/// Which name is no option, or that options name each other in a circle.
pub(super) fn substitute(text: &str, section: &str, assigned: &[Assigned]) -> Result<String, String> {
    replace(text, section, assigned, 0)
}

fn replace(text: &str, section: &str, assigned: &[Assigned], depth: usize) -> Result<String, String> {
    if !text.contains('$') {
        return Ok(text.to_owned());
    }
    if depth == DEPTH {
        return Err("names an option that names it in turn".to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        let after = &after[1..];
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push('$');
            // `\$` stands for `$$`, the second half of which is used up here.
            rest = after;
            continue;
        }
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (name, behind) = match after.strip_prefix('{') {
            Some(braced) => match braced.split_once('}') {
                Some((name, behind)) if name_length(name) == name.len() => (name, behind),
                _ => ("", after),
            },
            None => after.split_at(name_length(after)),
        };
        if name.is_empty() {
            // As in Python's safe templates a dollar sign that names nothing stays.
            out.push('$');
            rest = after;
            continue;
        }
        out.push_str(&named(name, section, assigned, depth)?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

/// Bytes of the name with which `text` begins: a letter or an underscore, then these, digits and points.
fn name_length(text: &str) -> usize {
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    match text.bytes().next() {
        Some(byte) if first(byte) => {
            text.bytes().position(|byte| !(first(byte) || byte.is_ascii_digit() || byte == b'.')).unwrap_or(text.len())
        }
        _ => 0,
    }
}

fn named(name: &str, section: &str, assigned: &[Assigned], depth: usize) -> Result<String, String> {
    let candidates = match name.split_once('.') {
        Some((section, option)) => [(section, option), ("DEFAULT", name)],
        None => [(section, name), ("DEFAULT", name)],
    };
    for (section, option) in candidates {
        if let Some(found) = assigned.iter().find(|a| a.name == option && same_section(&a.section, section)) {
            return replace(found.texts.last().map_or("", String::as_str), section, assigned, depth + 1);
        }
        if let Some(opt) = rows().find(|opt| opt.name == option && same_section(opt.section, section)) {
            return replace(&opt.default_text(), section, assigned, depth + 1);
        }
    }
    Err(format!("names ${name}, which is no option of [{section}] or [DEFAULT]; write $$ for a dollar sign"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn with(text: &str) -> Result<String, String> {
        let set = |section: &str, name: &str, value: &str| Assigned {
            section: section.to_owned(),
            name: name.to_owned(),
            texts: vec![value.to_owned()],
            origin: Origin::Default,
        };
        let assigned = [
            set("DEFAULT", "base", "/srv"),
            set("one", "base", "/one"),
            set("DEFAULT", "twice", "$base/x"),
            set("DEFAULT", "round", "${round}"),
        ];
        substitute(text, "one", &assigned)
    }

    #[test]
    fn names_are_replaced_from_the_same_section_first_and_to_any_depth() {
        assert_eq!(with("$base/a").as_deref(), Ok("/one/a"));
        assert_eq!(with("${base}a").as_deref(), Ok("/onea"));
        assert_eq!(with("${DEFAULT.base}").as_deref(), Ok("/srv"));
        assert_eq!(with("$twice").as_deref(), Ok("/srv/x"));
        assert_eq!(with("$state_path/v").as_deref(), Ok("/var/lib/cinder/v"));
    }

    #[test]
    fn dollar_signs_can_be_written() {
        assert_eq!(with("a$$base \\$base $5 $ ${ $").as_deref(), Ok("a$base $base $5 $ ${ $"));
    }

    #[test]
    fn names_that_are_no_options_and_circles_are_refused() {
        assert!(with("pass$word").unwrap_err().contains("$word"));
        assert_eq!(with("$round").unwrap_err(), "names an option that names it in turn");
    }
}
