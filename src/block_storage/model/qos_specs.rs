//! QoS specs: what the volumes of a type may demand of their storage or do to it, and who sees to it (Block Storage API v3,
//! "Quality of service (QoS) specifications"). Not here: what the keys mean, which backends and hypervisors know.

use crate::time::Timestamp;

/// The consumer where none is named.
pub const DEFAULT_CONSUMER: &str = "back-end";

/// Who may see to QoS specs: the storage, the hypervisor, or both.
pub const CONSUMERS: [&str; 3] = [DEFAULT_CONSUMER, "front-end", "both"];

/// QoS specs under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QosSpecs {
    /// UUID.
    pub id: String,
    /// Their name, unique among those that are not deleted.
    pub name: String,
    /// One of [`CONSUMERS`].
    pub consumer: String,
    /// Keys and values; a value may be null.
    pub specs: Vec<(String, Option<String>)>,
    /// When they were made.
    pub created_at: Option<Timestamp>,
    /// When one of their values was last changed.
    pub updated_at: Option<Timestamp>,
}
