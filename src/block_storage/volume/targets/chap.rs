//! Credentials of exports: a name and a secret for each volume, by which a target knows the hosts that were told of them
//! (CHAP, RFC 7143 section 12.1). Not here: who keeps them (`Export::auth`).

use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{Error, Result};

/// Letters of a name, and of a secret; initiators take secrets of 12 to 16 bytes.
const LETTERS: (usize, usize) = (20, 16);
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What a host has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) secret: String,
}

impl Credentials {
    /// New ones for the volume `name`. The user follows from the name, so that what a crash left can be found.
    ///
    /// # Errors
    /// `Internal` where the system gives no random bytes.
    pub(super) fn new(name: &str) -> Result<Self> {
        Ok(Self { user: user_of(name), secret: random(LETTERS.1)? })
    }

    /// Those in a column `provider_auth`: `CHAP user secret`.
    pub(super) fn parse(auth: &str) -> Option<Self> {
        let mut words = auth.split_whitespace();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("CHAP"), Some(user), Some(secret), None) => {
                Some(Self { user: user.to_owned(), secret: secret.to_owned() })
            }
            _ => None,
        }
    }

    /// The column.
    pub(super) fn auth(&self) -> String {
        format!("CHAP {} {}", self.user, self.secret)
    }
}

/// The user of the export of a volume.
pub(super) fn user_of(name: &str) -> String {
    let letters: Vec<char> = name.chars().filter(char::is_ascii_alphanumeric).collect();
    letters.iter().skip(letters.len().saturating_sub(LETTERS.0)).collect()
}

fn random(length: usize) -> Result<String> {
    let mut text = String::new();
    while text.len() < length {
        let mut bytes = [0_u8; 32];
        let count = getrandom(&mut bytes, GetRandomFlags::empty()).map_err(Error::internal)?;
        // Values beyond the last whole alphabet would make some letters likelier.
        let drawn = bytes.iter().take(count).filter(|byte| usize::from(**byte) < 4 * ALPHABET.len());
        let letters = drawn.filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
        text.extend(letters.take(length - text.len()).map(|letter| char::from(*letter)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_export_has_a_secret_of_its_own_and_a_user_that_its_name_tells() {
        let name = "volume-5f1c9a52-7a2e-4d0b-9f7e-6c1f2d3e4a5b";
        let (one, other) = (Credentials::new(name).unwrap(), Credentials::new(name).unwrap());
        assert_eq!((one.user.as_str(), &one.user), ("4d0b9f7e6c1f2d3e4a5b", &other.user));
        assert_ne!(one.secret, other.secret);
        assert!(one.secret.len() == 16 && one.secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(Credentials::parse(&one.auth()), Some(one));
    }

    #[test]
    fn what_is_no_chap_is_not_taken_for_it() {
        for auth in ["", "CHAP", "CHAP user", "NONE user secret", "CHAP user secret more"] {
            assert_eq!(Credentials::parse(auth), None, "{auth}");
        }
    }
}
