//! Ids of samples as two whole numbers that sort by time of making where the id carries one, so that an index over them
//! grows at its end. Agents and Hearth itself make UUIDs of version 1 (RFC 9562 section 5.1), whose last eight bytes
//! never change for one process: those bytes are kept once, as an origin, and a sample keeps the origin's number.

/// The id of a sample, read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MessageId {
    /// A UUID of version 1: its clock (100 ns since 1582-10-15) and its last eight bytes.
    Clock {
        /// The 60 bits of the clock.
        tick: i64,
        /// Clock sequence and node, as a number; negative, for its highest bit is always set.
        node: i64,
    },
    /// Any other UUID of the usual variant: both halves.
    Halves {
        /// The first eight bytes as a number.
        high: i64,
        /// The last eight bytes as a number; negative, for its highest bit is always set.
        low: i64,
    },
    /// Any other text.
    Text(String),
}

impl MessageId {
    /// Reads an id. Only a UUID in its canonical form (lower case, with hyphens) counts as one: each id is written back
    /// exactly as it came.
    pub fn parse(text: &str) -> Self {
        Self::uuid(text).unwrap_or_else(|| Self::Text(text.to_owned()))
    }

    fn uuid(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return None;
        }
        let mut number: u128 = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let digit = match (at, byte) {
                (8 | 13 | 18 | 23, b'-') => continue,
                (8 | 13 | 18 | 23, _) => return None,
                (_, b'0'..=b'9') => byte - b'0',
                (_, b'a'..=b'f') => byte - b'a' + 10,
                _ => return None,
            };
            number = number << 4 | u128::from(digit);
        }
        let (high, low) = ((number >> 64) as u64, number as u64);
        if low >> 62 != 0b10 {
            return None;
        }
        let low = low.cast_signed();
        if high >> 12 & 0xf == 1 {
            let tick = (high & 0xfff) << 48 | (high >> 16 & 0xffff) << 32 | high >> 32;
            return Some(Self::Clock { tick: tick.cast_signed(), node: low });
        }
        Some(Self::Halves { high: high.cast_signed(), low })
    }

    /// The text of a UUID of version 1.
    pub fn clock_text(tick: i64, node: i64) -> String {
        let tick = tick.cast_unsigned();
        let high = tick << 32 | (tick >> 32 & 0xffff) << 16 | 0x1000 | tick >> 48 & 0xfff;
        halves_text(high, node.cast_unsigned())
    }

    /// The id as it came.
    pub fn text(&self) -> String {
        match self {
            Self::Clock { tick, node } => Self::clock_text(*tick, *node),
            Self::Halves { high, low } => halves_text(high.cast_unsigned(), low.cast_unsigned()),
            Self::Text(text) => text.clone(),
        }
    }
}

/// 32 digits in groups of 8, 4, 4, 4 and 12.
fn halves_text(high: u64, low: u64) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut rest = u128::from(high) << 64 | u128::from(low);
    let mut text = *b"00000000-0000-0000-0000-000000000000";
    for place in text.iter_mut().rev().filter(|place| **place != b'-') {
        *place = DIGITS[(rest & 15) as usize];
        rest >>= 4;
    }
    // Digits and hyphens are text.
    String::from_utf8(text.to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::MessageId;

    #[test]
    fn every_id_is_written_as_it_came() {
        for text in [
            "36665d68-e669-11f1-8cfa-02fc00000001",
            "117a11ea-e67b-11f1-a6e8-02fc00000001",
            "ffffffff-ffff-1fff-bfff-ffffffffffff",
            "5460acce-4fd6-480d-ab18-9735ec7b1996",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "5460ACCE-4fd6-480d-ab18-9735ec7b1996",
            "5460acce4fd6480dab189735ec7b1996",
            "5460acce-4fd6-480d-cb18-9735ec7b1996",
            "00000000-0000-0000-0000-000000000000",
            "msg-1",
            "",
            "é-36 bytes-long-text-é-36 bytes-long",
        ] {
            assert_eq!(MessageId::parse(text).text(), text);
        }
    }

    #[test]
    fn the_clock_of_a_version_1_uuid_sorts_by_time() {
        let tick = |text| match MessageId::parse(text) {
            MessageId::Clock { tick, node } => (tick, node < 0),
            other => panic!("{other:?}"),
        };
        // The low bits of the clock stand first in the text: the later id has the smaller text.
        let (earlier, later) = ("ffff5d68-e669-11f1-8cfa-02fc00000001", "00005d68-e66a-11f1-8cfa-02fc00000001");
        assert!(tick(earlier) < tick(later));
        assert!(tick(earlier).1);
        assert!(
            matches!(MessageId::parse("5460acce-4fd6-480d-ab18-9735ec7b1996"), MessageId::Halves { low, .. } if low < 0)
        );
    }
}
