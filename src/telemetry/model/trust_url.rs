//! Actions that act for somebody, `trust+http://host/path`: the id of the trust stands before the host, as Aodh writes it
//! (`trust+http://ID:delete@host/path`; `delete` in one action of those that share a trust). Nobody is shown it.

/// What the scheme of such an action begins with.
const PREFIX: &str = "trust+";

/// The scheme of an action, in small letters.
pub fn scheme(action: &str) -> String {
    action.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase()
}

/// Whether an action acts for somebody.
pub fn is_trusted(action: &str) -> bool {
    scheme(action).starts_with(PREFIX)
}

/// The parts of an action: scheme, what stands before the host, and the rest.
fn parts(action: &str) -> Option<(&str, Option<&str>, &str)> {
    let (scheme, rest) = action.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    Some(match authority.rsplit_once('@') {
        Some((user, host)) => (scheme, Some(user), rest.get(rest.len() - path.len() - host.len()..)?),
        None => (scheme, None, rest),
    })
}

/// Whether something stands before the host.
pub fn has_user(action: &str) -> bool {
    matches!(parts(action), Some((_, Some(_), _)))
}

/// The action as callers see it: without the trust.
pub fn scrubbed(action: &str) -> String {
    match parts(action) {
        Some((scheme, Some(_), rest)) if is_trusted(action) => format!("{scheme}://{rest}"),
        _ => action.to_owned(),
    }
}

/// The action with a trust; it `ends` with one of those that share it.
pub fn with_trust(action: &str, trust: &str, ends: bool) -> String {
    match parts(action) {
        Some((scheme, _, rest)) => format!("{scheme}://{trust}{}@{rest}", if ends { ":delete" } else { "" }),
        None => action.to_owned(),
    }
}

/// The trust of an action, and the action that is carried out with it.
pub fn trust_of(action: &str) -> Option<(String, String)> {
    let (scheme, user, rest) = parts(action).filter(|_| is_trusted(action))?;
    let user = user?;
    let trust = user.split_once(':').map_or(user, |(trust, _)| trust);
    Some((trust.to_owned(), format!("{}://{rest}", scheme.get(PREFIX.len()..)?)))
}

#[cfg(test)]
mod tests {
    use super::{has_user, is_trusted, scrubbed, trust_of, with_trust};

    #[test]
    fn a_trust_stands_before_the_host_and_nobody_sees_it() {
        for (plain, stored) in [
            ("trust+http://h:80/a@b?c=d@e", "trust+http://t1:delete@h:80/a@b?c=d@e"),
            ("Trust+https://h", "Trust+https://t1:delete@h"),
            ("trust+zaqar://?queue_name=q", "trust+zaqar://t1:delete@?queue_name=q"),
        ] {
            assert_eq!(with_trust(plain, "t1", true), stored);
            assert_eq!(scrubbed(stored), plain);
            let inner = plain.split_once('+').unwrap().1;
            assert_eq!(trust_of(stored), Some(("t1".to_owned(), inner.to_owned())));
            assert!(is_trusted(stored) && has_user(stored) && !has_user(plain));
        }
        assert_eq!(with_trust("trust+http://h", "t1", false), "trust+http://t1@h");
        assert_eq!(scrubbed("http://user:password@h/"), "http://user:password@h/");
        assert_eq!((trust_of("http://user@h/"), trust_of("trust+http://h/")), (None, None));
    }
}
