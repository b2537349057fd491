//! Holds a query to Prometheus to one project: every selector of series in it gets the project's label. Only as much of the
//! language is read as tells selectors from functions, keywords, labels, numbers and texts.

/// Words that are no names of series.
const KEYWORDS: [&str; 7] = ["bool", "on", "ignoring", "group_left", "group_right", "inf", "nan"];
/// Words that are no names of series after an operand.
const OPERATORS: [&str; 7] = ["and", "or", "unless", "atan2", "offset", "by", "without"];
/// Words after which labels stand in parentheses.
const LABELLED: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Marks between operands.
const MARKS: &str = "()+-*/%^=<>!~@,";

/// The query with `label="value"` in every selector. `None` where nobody knows what it asks for: a text or a bracket in it
/// does not end, or it holds what Prometheus does not know.
pub fn scoped(query: &str, label: &str, value: &str) -> Option<String> {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let held = format!("{label}=\"{escaped}\"");
    let letters = without_comments(query)?;
    let mut out = String::with_capacity(query.len() + 64);
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        match letter {
            '"' | '\'' | '`' => at = copy_text(&letters, at, &mut out)?,
            // Ranges and subqueries hold durations, and no names.
            '[' => at = copy_until(&letters, at, ']', &mut out)?,
            '{' => at = copy_selector(&letters, at, &held, &mut out)?,
            letter if letter.is_ascii_digit() || letter == '.' => {
                // Numbers and durations, with the letters in them: 0x1f, 1e5, 5m.
                while letters.get(at).is_some_and(|letter| letter.is_ascii_alphanumeric() || *letter == '.') {
                    out.push(*letters.get(at)?);
                    at += 1;
                }
            }
            letter if letter.is_ascii_alphabetic() || matches!(letter, '_' | ':') => {
                let end = letters
                    .iter()
                    .skip(at)
                    .position(|letter| !letter.is_ascii_alphanumeric() && !matches!(*letter, '_' | ':'))
                    .map_or(letters.len(), |place| place + at);
                let word: String = letters.get(at..end)?.iter().collect();
                let before = out.trim_end().chars().last();
                let begins = before.is_none_or(|before| "(,+-*/%^=<>!~".contains(before));
                out.push_str(&word);
                let next = letters.iter().skip(end).position(|letter| !letter.is_whitespace()).map(|place| place + end);
                let mark = next.and_then(|next| letters.get(next)).copied();
                let lower = word.to_ascii_lowercase();
                at = end;
                match (mark, next) {
                    (Some('('), Some(next)) if LABELLED.contains(&lower.as_str()) => {
                        out.extend(letters.get(end..next)?);
                        at = copy_until(&letters, next, ')', &mut out)?;
                    }
                    // A function or an aggregation.
                    (Some('('), _) => {}
                    (Some('{'), Some(next)) => {
                        out.extend(letters.get(end..next)?);
                        at = copy_selector(&letters, next, &held, &mut out)?;
                    }
                    // An aggregation with its labels before what it is of: sum by (a) (b).
                    _ if KEYWORDS.contains(&lower.as_str()) || follows_labels(&letters, end) => {}
                    _ if OPERATORS.contains(&lower.as_str()) && !begins => {}
                    _ => out.push_str(&format!("{{{held}}}")),
                }
            }
            // What the language does not have may be the name of a series in one that is like it.
            other if other.is_ascii_whitespace() || MARKS.contains(other) => {
                out.push(other);
                at += 1;
            }
            _ => return None,
        }
    }
    Some(out)
}

/// The letters of a query without its comments, which may stand everywhere but in texts: no bracket, mark or name in one
/// can then be taken for a part of the query.
fn without_comments(query: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = query.chars().collect();
    let mut out = String::with_capacity(query.len());
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        match letter {
            '"' | '\'' | '`' => at = copy_text(&letters, at, &mut out)?,
            '#' => at += letters.iter().skip(at).position(|letter| *letter == '\n').unwrap_or(letters.len() - at),
            _ => {
                out.push(letter);
                at += 1;
            }
        }
    }
    Some(out.chars().collect())
}

/// Whether the next word is `by` or `without` with a parenthesis after it.
fn follows_labels(letters: &[char], from: usize) -> bool {
    let rest: String = letters.get(from..).unwrap_or_default().iter().collect();
    let rest = rest.trim_start().to_ascii_lowercase();
    ["by", "without"].iter().any(|word| rest.strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with('(')))
}

/// Copies a text with its marks; where it ends.
fn copy_text(letters: &[char], from: usize, out: &mut String) -> Option<usize> {
    let mark = *letters.get(from)?;
    out.push(mark);
    let mut at = from + 1;
    loop {
        let letter = *letters.get(at)?;
        out.push(letter);
        at += 1;
        if letter == '\\' && mark != '`' {
            out.push(*letters.get(at)?);
            at += 1;
        } else if letter == mark {
            return Some(at);
        }
    }
}

/// Copies all from an opening bracket to the closing one `close`, which is none in a text; where it ends.
fn copy_until(letters: &[char], from: usize, close: char, out: &mut String) -> Option<usize> {
    let mut at = from;
    loop {
        match *letters.get(at)? {
            '"' | '\'' | '`' => at = copy_text(letters, at, out)?,
            letter => {
                out.push(letter);
                at += 1;
                if letter == close {
                    return Some(at);
                }
            }
        }
    }
}

/// Copies a selector in braces, with the label first; where it ends. `None` where conditions are alternatives, which
/// Prometheus does not have: the label would hold the first of them only.
fn copy_selector(letters: &[char], from: usize, held: &str, out: &mut String) -> Option<usize> {
    let mut whole = String::new();
    let end = copy_until(letters, from, '}', &mut whole)?;
    let inner = whole.strip_prefix('{')?.strip_suffix('}')?;
    if has_alternatives(letters.get(from..end)?) {
        return None;
    }
    out.push('{');
    out.push_str(held);
    if !inner.trim().is_empty() {
        out.push(',');
        out.push_str(inner);
    }
    out.push('}');
    Some(end)
}

/// Whether the word `or` stands in a selector outside of texts.
fn has_alternatives(selector: &[char]) -> bool {
    let mut plain = String::new();
    let mut at = 0;
    while let Some(letter) = selector.get(at).copied() {
        if matches!(letter, '"' | '\'' | '`') {
            let Some(end) = copy_text(selector, at, &mut String::new()) else { return true };
            plain.push(' ');
            at = end;
        } else {
            plain.push(letter);
            at += 1;
        }
    }
    plain
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .any(|word| word.eq_ignore_ascii_case("or"))
}

#[cfg(test)]
mod tests {
    use super::scoped;

    #[test]
    fn every_selector_gets_the_label_and_nothing_else_does() {
        for (query, held) in [
            ("up", r#"up{P}"#),
            ("up > 5", r#"up{P} > 5"#),
            (r#"up{job="a}b"}"#, r#"up{P,job="a}b"}"#),
            ("{__name__=~'a.*'}", "{P,__name__=~'a.*'}"),
            ("rate(http_total[5m])", "rate(http_total{P}[5m])"),
            ("sum by (job, x) (up)", "sum by (job, x) (up{P})"),
            ("sum(up) by (job)", "sum(up{P}) by (job)"),
            ("a / on(x) group_left(y) b", "a{P} / on(x) group_left(y) b{P}"),
            ("a and b offset 5m", "a{P} and b{P} offset 5m"),
            ("max_over_time(a:b[1h:5m] @ 1e9) > bool 0x1F", "max_over_time(a:b{P}[1h:5m] @ 1e9) > bool 0x1F"),
            (r#"label_replace(up, "a", "$1", "b", "(.*)")"#, r#"label_replace(up{P}, "a", "$1", "b", "(.*)")"#),
            ("up # and more\n + x", "up{P} \n + x{P}"),
            ("up # a\n {b='#'}", "up \n {P,b='#'}"),
            (r#"up{or_else="or"}"#, r#"up{P,or_else="or"}"#),
            ("time() - 1", "time() - 1"),
            ("up{}", "up{P}"),
            ("offset + by", "offset{P} + by{P}"),
        ] {
            assert_eq!(scoped(query, "project", "p1").as_deref(), Some(held.replace('P', r#"project="p1""#).as_str()));
        }
        assert_eq!(scoped("up", "project", "a\"b\\").as_deref(), Some(r#"up{project="a\"b\\"}"#));
        for query in
            ["up{", "\"x", "up[5m", "sum by (a", "up}", "naïve", "a\\-b", r#"up{a="b" or c="d"}"#, "up{a='b'OR c='d'}"]
        {
            assert_eq!(scoped(query, "project", "p"), None, "{query}");
        }
    }

    #[test]
    fn a_label_of_the_query_itself_frees_nothing() {
        assert_eq!(
            scoped(r#"up{project=~".*"}"#, "project", "p1").as_deref(),
            Some(r#"up{project="p1",project=~".*"}"#)
        );
    }

    #[test]
    fn no_mark_in_a_comment_or_a_label_hides_a_selector() {
        for (query, held) in [
            ("up{ # ' \n} or secret # '\n", "up{P} or secret{P} \n"),
            ("up or on( # ) \" \n ) secret # \"", "up{P} or on( \n ) secret{P} "),
            ("count_over_time(up[5m # ] ' \n]) or secret # '", "count_over_time(up{P}[5m \n]) or secret{P} "),
            (r#"up or on(")", ")") secret"#, r#"up{P} or on(")", ")") secret{P}"#),
        ] {
            assert_eq!(scoped(query, "project", "p1").as_deref(), Some(held.replace('P', r#"project="p1""#).as_str()));
        }
    }
}
