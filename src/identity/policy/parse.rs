//! The language of oslo.policy, read into a tree: `and`, `or`, `not`, parentheses, `rule:`, `role:`, comparisons of
//! credentials and literals with texts and target attributes, `@`, `!`, and the older form of lists in lists.
//! Not here: asking a tree (`check`), and which rules there are.

use super::check::{Check, Credential, Left, Part};

/// Reads a rule's text. The empty text allows everything.
///
/// # Errors
/// What can not be read; whoever asked must then refuse everything.
pub(super) fn parse(text: &str) -> Result<Check, String> {
    if text.is_empty() {
        return Ok(Check::True);
    }
    let mut tokens = tokens(text)?;
    tokens.reverse();
    let check = either(&mut tokens, 0)?;
    match tokens.pop() {
        None => Ok(check),
        Some(token) => Err(format!("'{}' is not expected here", token.text())),
    }
}

/// Reads the form of lists: the outer list is joined by `or`, each inner list by `and`.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_lists(outer: &[Vec<String>]) -> Result<Check, String> {
    if outer.is_empty() {
        return Ok(Check::True);
    }
    let mut any = Vec::new();
    for inner in outer.iter().filter(|inner| !inner.is_empty()) {
        let all = inner.iter().map(|text| simple(text)).collect::<Result<Vec<_>, _>>()?;
        any.push(joined(all, Check::And));
    }
    Ok(if any.is_empty() { Check::False } else { joined(any, Check::Or) })
}

/// How deep parentheses and `not` may go; a policy file is the operator's, but must not end the process.
const DEPTH: usize = 64;

#[derive(Debug)]
enum Token<'a> {
    Open,
    Close,
    And,
    Or,
    Not,
    Check(&'a str),
}

impl Token<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::And => "and",
            Self::Or => "or",
            Self::Not => "not",
            Self::Check(text) => text,
        }
    }
}

/// Words between white space; parentheses count at the beginning and the end of a word, since `%(name)s` holds some.
fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let rest = word.trim_start_matches('(');
        tokens.extend(std::iter::repeat_with(|| Token::Open).take(word.len() - rest.len()));
        let core = rest.trim_end_matches(')');
        match core.to_ascii_lowercase().as_str() {
            "" => {}
            "and" => tokens.push(Token::And),
            "or" => tokens.push(Token::Or),
            "not" => tokens.push(Token::Not),
            _ if ['"', '\'']
                .into_iter()
                .any(|mark| core.len() > 1 && core.starts_with(mark) && core.ends_with(mark)) =>
            {
                return Err(format!("{core} is a text that is compared with nothing"));
            }
            _ => tokens.push(Token::Check(core)),
        }
        tokens.extend(std::iter::repeat_with(|| Token::Close).take(rest.len() - core.len()));
    }
    Ok(tokens)
}

fn joined(mut checks: Vec<Check>, join: fn(Box<[Check]>) -> Check) -> Check {
    match checks.len() {
        1 => checks.remove(0),
        _ => join(checks.into_boxed_slice()),
    }
}

/// `a or b or c`; tokens come from the end of the list.
fn either(tokens: &mut Vec<Token<'_>>, depth: usize) -> Result<Check, String> {
    let mut checks = vec![both(tokens, depth)?];
    while matches!(tokens.last(), Some(Token::Or)) {
        tokens.pop();
        checks.push(both(tokens, depth)?);
    }
    Ok(joined(checks, Check::Or))
}

/// `a and b and c`.
fn both(tokens: &mut Vec<Token<'_>>, depth: usize) -> Result<Check, String> {
    let mut checks = vec![one(tokens, depth)?];
    while matches!(tokens.last(), Some(Token::And)) {
        tokens.pop();
        checks.push(one(tokens, depth)?);
    }
    Ok(joined(checks, Check::And))
}

/// `not a`, `(a ...)` or a single check.
fn one(tokens: &mut Vec<Token<'_>>, depth: usize) -> Result<Check, String> {
    if depth == DEPTH {
        return Err(format!("more than {DEPTH} levels of parentheses and 'not'"));
    }
    match tokens.pop() {
        Some(Token::Not) => Ok(Check::Not(Box::new(one(tokens, depth + 1)?))),
        Some(Token::Open) => {
            let check = either(tokens, depth + 1)?;
            match tokens.pop() {
                Some(Token::Close) => Ok(check),
                _ => Err("a closing parenthesis is missing".to_owned()),
            }
        }
        Some(Token::Check(text)) => simple(text),
        Some(token) => Err(format!("a check is expected, not '{}'", token.text())),
        None => Err("a check is missing at the end".to_owned()),
    }
}

/// `@`, `!` or `kind:match`.
fn simple(text: &str) -> Result<Check, String> {
    match text {
        "@" => return Ok(Check::True),
        "!" => return Ok(Check::False),
        _ => {}
    }
    let Some((kind, rest)) = text.split_once(':') else {
        return Err(format!("'{text}' is no check: a colon is missing"));
    };
    match kind {
        "rule" => Ok(Check::Named(rest.to_owned())),
        "role" => Ok(Check::Role(parts(rest)?)),
        "http" | "https" => Err(format!("'{text}' asks another server, which Hearth does not do")),
        _ => Ok(Check::Compare(left(kind)?, parts(rest)?)),
    }
}

/// The left side: a literal as Python writes it, or a credential.
fn left(kind: &str) -> Result<Left, String> {
    let literal = |text: &str| Ok(Left::Literal(text.to_owned()));
    if let Some(text) = ['"', '\''].into_iter().find_map(|mark| kind.strip_prefix(mark)?.strip_suffix(mark)) {
        return literal(text);
    }
    if matches!(kind, "True" | "False" | "None") {
        return literal(kind);
    }
    if kind.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        // Python would write a number in its own way, such as 1.0 for 1.00; whole numbers are all that rules use.
        return kind
            .parse::<i64>()
            .map(|number| Left::Literal(number.to_string()))
            .map_err(|_| format!("'{kind}' is no literal"));
    }
    Ok(Credential::named(kind).map_or(Left::Unknown, Left::Credential))
}

/// The right side: text with `%(name)s` in it.
fn parts(text: &str) -> Result<Box<[Part]>, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            plain.push('%');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('(').and_then(|after| after.split_once(")s")) {
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Attribute(name.to_owned()));
            rest = after;
        } else {
            return Err(format!("'{text}': after % comes (name)s or another %"));
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() || parts.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in the form that oslo.policy prints.
    fn printed(text: &str) -> String {
        parse(text).map_or_else(|reason| format!("error: {reason}"), |check| check.to_string())
    }

    #[test]
    fn and_binds_closer_than_or_and_not_closest() {
        assert_eq!(printed("rule:a or rule:b and rule:c"), "(rule:a or (rule:b and rule:c))");
        assert_eq!(printed("(rule:a or rule:b) and rule:c"), "((rule:a or rule:b) and rule:c)");
        assert_eq!(printed("not rule:a and rule:b OR role:c"), "((not rule:a and rule:b) or role:c)");
        assert_eq!(printed("not (rule:a and not not rule:b)"), "not (rule:a and not not rule:b)");
        assert_eq!(printed("((rule:a))"), "rule:a");
        assert_eq!(printed("rule:a or (rule:b and rule:c) and rule:d"), "(rule:a or ((rule:b and rule:c) and rule:d))");
    }

    #[test]
    fn every_kind_of_check_is_read() {
        for text in [
            "@",
            "!",
            "rule:volume:get_all",
            "role:admin",
            "role:%(target.role)s",
            "is_admin:True",
            "project_id:%(project_id)s",
            "system_scope:all",
            "'x':%(attr)s",
            "True:%(user.enabled)s",
            "user_id:a%%b%(user_id)s",
        ] {
            assert_eq!(printed(text), text);
        }
        assert_eq!(printed(""), "@");
        assert_eq!(printed("tenant:%(tenant_id)s"), "?:%(tenant_id)s");
    }

    #[test]
    fn what_can_not_be_read_is_told() {
        for (text, reason) in [
            ("rule:a rule:b", "'rule:b' is not expected here"),
            ("rule:a and", "a check is missing at the end"),
            ("and rule:a", "a check is expected, not 'and'"),
            ("(rule:a", "a closing parenthesis is missing"),
            ("rule:a)", "')' is not expected here"),
            ("   ", "a check is missing at the end"),
            ("admin", "'admin' is no check: a colon is missing"),
            ("'a':'b'", "'a':'b' is a text that is compared with nothing"),
            ("http://host/check", "'http://host/check' asks another server, which Hearth does not do"),
            ("role:%s", "'%s': after % comes (name)s or another %"),
        ] {
            assert_eq!(printed(text), format!("error: {reason}"), "{text}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"not ".repeat(100_000)).is_err());
    }

    #[test]
    fn lists_of_lists_are_or_of_and() {
        let lists = |lists: &[&[&str]]| {
            let owned: Vec<Vec<String>> =
                lists.iter().map(|all| all.iter().map(|&text| text.to_owned()).collect()).collect();
            parse_lists(&owned).unwrap().to_string()
        };
        assert_eq!(lists(&[&["rule:a", "role:b"], &["@"]]), "((rule:a and role:b) or @)");
        assert_eq!(lists(&[]), "@");
        assert_eq!(lists(&[&[]]), "!");
    }
}
