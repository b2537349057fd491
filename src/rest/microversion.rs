//! Microversions as data: a row, a request field and a view field each carry the range in which they exist.

use std::fmt;

/// A version of an API such as 3.71. Ordered by major, then minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion {
    /// The part before the point.
    pub major: u16,
    /// The part after the point.
    pub minor: u16,
}

impl Microversion {
    /// Below every version.
    pub const MIN: Self = Self::new(0, 0);
    /// Above every version.
    pub const MAX: Self = Self::new(u16::MAX, u16::MAX);

    /// The version `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads `M.m`: decimal digits without a sign or leading zeros, as `^([1-9]\d*)\.([1-9]\d*|0)$`. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: number(major).filter(|n| *n > 0)?, minor: number(minor)? })
    }

    /// Whether this version lies in `since..=until`.
    pub fn within(self, since: Self, until: Self) -> bool {
        since <= self && self <= until
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Decimal digits without leading zeros, up to 65,535.
fn number(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::Microversion;

    #[test]
    fn reads_only_plain_versions() {
        assert_eq!(Microversion::parse("3.71"), Some(Microversion::new(3, 71)));
        for text in ["3", "3.", ".1", "3.01", "+3.1", "3.1.2", "0.1", "3.99999999", "latest", ""] {
            assert_eq!(Microversion::parse(text), None, "{text}");
        }
    }
}
