//! The hashes of a volume's blocks, by which an incremental backup knows what has changed: 32 bytes for each block in
//! memory, and Cinder's text form on disk.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The SHA-256 of one block.
pub(super) type Hash = [u8; 32];

/// The hashes of all blocks of a volume, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hashes(Vec<Hash>);

impl Hashes {
    pub(super) fn push(&mut self, hash: Hash) {
        self.0.push(hash);
    }

    /// Whether block `at` has this hash.
    pub(super) fn is(&self, at: usize, hash: &Hash) -> bool {
        self.0.get(at) == Some(hash)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Hash> {
        self.0.iter()
    }
}

/// A hash in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn parse(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(hash)
}

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Hashes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of SHA-256 hashes in hexadecimal digits")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Hashes, A::Error> {
                let mut hashes = Hashes::default();
                while let Some(text) = list.next_element::<String>()? {
                    hashes.push(parse(&text).ok_or_else(|| A::Error::custom("this is no SHA-256 hash"))?);
                }
                Ok(hashes)
            }
        }

        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_and_what_is_none_does_not() {
        let text = "00ff".repeat(16);
        assert_eq!(hex(&parse(&text).unwrap()), text);
        assert_eq!((parse("00"), parse(&"0g".repeat(32)), parse(&"0".repeat(63))), (None, None, None));
        let hashes: Hashes = serde_json::from_str(&format!("[\"{text}\"]")).unwrap();
        assert!(hashes.is(0, &parse(&text).unwrap()) && !hashes.is(1, &parse(&text).unwrap()));
        assert!(serde_json::from_str::<Hashes>("[1]").is_err());
    }
}
