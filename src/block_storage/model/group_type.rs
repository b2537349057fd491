//! A group type: what an operator offers for groups of volumes, and the specs by which it is told apart (Block Storage API
//! v3, "Group types").

use crate::time::Timestamp;

/// The name of the type that every database is seeded with. Groups of this type belong to the consistency group API, and to
/// it alone.
pub const CONSISTENCY_GROUPS: &str = "default_cgsnapshot_type";

/// How a spec says yes.
const IS_TRUE: &str = "<is> True";

/// A group type with its specs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupType {
    /// UUID.
    pub id: String,
    /// Its name, unique among the types that are not deleted.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Whether every project may use it; otherwise only those that were granted access.
    pub is_public: bool,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Its specs, by key. A value may be null.
    pub group_specs: Vec<(String, Option<String>)>,
}

impl GroupType {
    /// The value of a spec; `None` where the type has no such key, or no value under it.
    pub fn group_spec(&self, key: &str) -> Option<&str> {
        self.group_specs.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_deref())
    }

    /// Whether the volumes of a group of this type are to be kept as they are at one moment.
    pub fn is_consistent(&self) -> bool {
        self.group_spec("consistent_group_snapshot_enabled") == Some(IS_TRUE)
    }

    /// Whether groups of this type can be replicated.
    pub fn is_replicated(&self) -> bool {
        ["group_replication_enabled", "consistent_group_replication_enabled"]
            .into_iter()
            .any(|key| self.group_spec(key) == Some(IS_TRUE))
    }
}
