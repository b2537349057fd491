//! Secrets in log lines: tokens, passwords and keys are written as `****`, whoever put them into the line. Not here:
//! values that never become text (`identity::Secret`) and options (`config`).

use std::borrow::Cow;

/// Ends of names whose values are secrets; case and `-` for `_` do not matter.
const SECRET: [&str; 17] = [
    "password",
    "passwd",
    "pswd",
    "_pass",
    "adminpass",
    "passphrase",
    "secret",
    "token",
    "auth_key",
    "authkey",
    "private_key",
    "secret_key",
    "access_key",
    "encrypted_key",
    "keyring",
    "crypt_hash",
    "authorization",
];

/// What stands for a secret.
const MASK: &str = "****";

/// A bare `token:` in a sentence is no secret unless what follows is as long as a token.
const SHORTEST_TOKEN: usize = 20;

/// `text` with the values of secret names (`name: value`, `name=value`, quoted or not, with escaped quotes) and the
/// passwords in URLs masked.
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text.as_bytes().get(at..).and_then(|rest| memchr::memchr2(b':', b'=', rest)) {
        let sign = at + found;
        let after = text.get(sign + 1..).unwrap_or("");
        let secret = match after.strip_prefix("//") {
            Some(_) => url_password(text, sign + 3),
            None if after.starts_with(':') => None,
            None => named_secret(text, sign),
        };
        match secret {
            Some((start, end)) => {
                out.push_str(text.get(copied..start).unwrap_or(""));
                out.push_str(MASK);
                copied = end;
                at = end;
            }
            // A double colon is a path of Rust, and both are passed.
            None => at = sign + if after.starts_with(':') { 2 } else { 1 },
        }
    }
    if copied == 0 { Cow::Borrowed(text) } else { Cow::Owned(out + text.get(copied..).unwrap_or("")) }
}

/// Where the password is in the authority that begins at `start`.
fn url_password(text: &str, start: usize) -> Option<(usize, usize)> {
    let rest = text.get(start..)?;
    let authority = rest.split(|c: char| c.is_whitespace() || "/\"'<>?#".contains(c)).next()?;
    let end = authority.rfind('@')?;
    let colon = authority.get(..end)?.find(':')?;
    (colon + 1 < end).then_some((start + colon + 1, start + end))
}

/// Where the value after the sign at `sign` is, if the name before it is a secret's.
fn named_secret(text: &str, sign: usize) -> Option<(usize, usize)> {
    let before = text.get(..sign)?;
    let unquoted = before.trim_end_matches(['"', '\'', '\\', ' ']);
    let name_start = unquoted
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .map_or(0, |at| at + unquoted.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    let name = unquoted.get(name_start..)?;
    if !SECRET.iter().any(|ending| ends_with(name, ending)) {
        return None;
    }
    let after = text.get(sign + 1..)?;
    let value = after.trim_start_matches([' ', '\\']);
    let value = value.strip_prefix('u').filter(|rest| rest.starts_with(['"', '\''])).unwrap_or(value);
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let value = quote.map_or(value, |quote| value.strip_prefix(quote).unwrap_or(value));
    let whole_line = ends_with(name, "authorization");
    let end = match quote {
        Some(quote) => value.find(quote),
        None if whole_line => value.find(['"', '\'', '\n', '\r']),
        None => value.find(|c: char| c.is_whitespace() || ",;&}])\"'\\".contains(c)),
    };
    let mut length = end.unwrap_or(value.len());
    if quote.is_some() {
        length = value.get(..length).map_or(length, |value| value.trim_end_matches('\\').len());
    }
    let sentence = quote.is_none() && before.len() == unquoted.len() && text.as_bytes().get(sign) == Some(&b':');
    if sentence && name.eq_ignore_ascii_case("token") && length < SHORTEST_TOKEN {
        return None;
    }
    if length == 0 || value.starts_with(['{', '[']) {
        return None;
    }
    let start = text.len() - value.len();
    Some((start, start + length))
}

/// Whether `name` ends with `ending`, whatever the case, `-` being `_`.
fn ends_with(name: &str, ending: &str) -> bool {
    let same = |(a, b): (u8, u8)| a.to_ascii_lowercase() == b || (a == b'-' && b == b'_');
    name.len() >= ending.len() && name.bytes().rev().zip(ending.bytes().rev()).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_in_every_form_in_which_they_are_written() {
        for (text, expected) in [
            ("X-Auth-Token: gAAAAABh x", "X-Auth-Token: **** x"),
            ("x-service-token=abc", "x-service-token=****"),
            (r#"{"password": "a b\c", "name": "n"}"#, r#"{"password": "****", "name": "n"}"#),
            (r#"{\"auth_password\": \"s\", \"x\": 1}"#, r#"{\"auth_password\": \"****\", \"x\": 1}"#),
            ("{'adminPass': u'pw', 'a': 'b'}", "{'adminPass': u'****', 'a': 'b'}"),
            ("auth_key=0123&x=1", "auth_key=****&x=1"),
            ("mysql+pymysql://cinder:geheim@db:3306/cinder ok", "mysql+pymysql://cinder:****@db:3306/cinder ok"),
            ("rabbit://a:b@h1:5672,c:d@h2:5672/v", "rabbit://a:****@h2:5672/v"),
            ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ****"),
            ("keyring=AQBx== done", "keyring=**** done"),
            ("the password: hunter2!", "the password: ****"),
            ("token: gAAAAABhabcdefghijklmnop", "token: ****"),
            ("päss secret=ü", "päss secret=****"),
            (r#""token": {"user": {"password": "p"}}"#, r#""token": {"user": {"password": "****"}}"#),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn what_is_no_secret_stays_and_costs_no_copy() {
        for text in [
            "GET /v3/abc/volumes?limit=10 status: 200",
            "hearth::identity::token: no such user",
            "the token: expired",
            "http://127.0.0.1:8776/volume/v3",
            "sqlite:////var/lib/cinder/x.sqlite",
            "password=",
            "a:b=c::d",
            ":",
            "=",
            "",
        ] {
            assert!(matches!(masked(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
