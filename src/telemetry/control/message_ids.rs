//! Makes the ids of posted samples: UUIDs of version 1, as the service always made them (RFC 9562 section 5.1). The node is
//! the machine's, the clock sequence the process's, so that the ids of one process differ in their clock alone.

use std::sync::atomic::{AtomicI64, Ordering};

use md5::{Digest as _, Md5};

use crate::telemetry::model::MessageId;
use crate::time::Timestamp;

/// From 1582-10-15, where the clock of these UUIDs begins, to 1970-01-01, in units of 100 ns.
const BEFORE_1970: i64 = 0x01B2_1DD2_1381_4000;

/// Where ids come from.
#[derive(Debug)]
pub struct MessageIds {
    /// The last eight bytes of every id: variant, clock sequence, node.
    node: i64,
    last: AtomicI64,
}

impl Default for MessageIds {
    fn default() -> Self {
        let uname = rustix::system::uname();
        let digest = Md5::digest(uname.nodename().to_bytes());
        let machine = digest.iter().take(6).fold(0_u64, |node, byte| node << 8 | u64::from(*byte));
        // A node that is no address of a network card has its lowest bit of the first byte set.
        let machine = machine | 1 << 40;
        let (_, sequence, _, _) = uuid::Uuid::new_v4().as_fields();
        let node = 0b10 << 62 | u64::from(sequence & 0x3fff) << 48 | machine;
        Self { node: node.cast_signed(), last: AtomicI64::new(0) }
    }
}

impl MessageIds {
    /// The first of `count` ids, whose clocks follow each other.
    pub fn take(&self, now: Timestamp, count: usize) -> impl Iterator<Item = MessageId> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let now = now.0.saturating_mul(10).saturating_add(BEFORE_1970);
        let first = |last: i64| now.max(last.saturating_add(1));
        let end = |last: i64| Some(first(last).saturating_add(count).saturating_sub(1));
        let last = match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, end) {
            Ok(last) | Err(last) => last,
        };
        let (start, node) = (first(last), self.node);
        (0..count).map(move |at| MessageId::Clock { tick: start.saturating_add(at), node })
    }
}

#[cfg(test)]
mod tests {
    use super::{MessageIds, Timestamp};

    #[test]
    fn ids_are_uuids_of_version_1_and_never_repeat() {
        let ids = MessageIds::default();
        let mut seen = std::collections::HashSet::new();
        for now in [1_700_000_000_000_000, 1_700_000_000_000_000, 1_600_000_000_000_000, 1_700_000_000_000_001] {
            for id in ids.take(Timestamp(now), 50) {
                let uuid = uuid::Uuid::parse_str(&id.text()).unwrap();
                assert_eq!((uuid.get_version_num(), uuid.get_variant()), (1, uuid::Variant::RFC4122));
                assert_eq!(super::MessageId::parse(&id.text()), id);
                assert!(seen.insert(id.text()));
            }
        }
        let uuid =
            uuid::Uuid::parse_str(&ids.take(Timestamp(1_800_000_000_123_456), 1).next().unwrap().text()).unwrap();
        let (seconds, nanos) = uuid.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_800_000_000, 123_456_000));
    }
}
