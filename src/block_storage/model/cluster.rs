//! Clusters: volume services that serve one backend together (Block Storage API v3, "Clusters"). Hearth's own volume
//! services form none, but those beside it on the same database may.

use crate::time::Timestamp;

/// A row of `clusters`, with what its services make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its number.
    pub id: i64,
    /// Its name: `name@backend` of volume services.
    pub name: String,
    /// The binary of its services.
    pub binary: String,
    /// Whether it takes no new volumes.
    pub disabled: bool,
    /// Why.
    pub disabled_reason: Option<String>,
    /// Its replication.
    pub replication_status: Option<String>,
    /// The backend that it failed over to.
    pub active_backend_id: Option<String>,
    /// Whether the objects on its backend are kept as they are.
    pub frozen: bool,
    /// When it was added.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// How many services it has.
    pub hosts: i64,
    /// How many of them are down.
    pub down_hosts: i64,
    /// When one of them last reported.
    pub last_heartbeat: Option<Timestamp>,
}

impl Cluster {
    /// Whether one of its services has reported within `down_time_seconds` (`service_down_time`).
    pub fn is_up(&self, now: Timestamp, down_time_seconds: i64) -> bool {
        self.last_heartbeat.is_some_and(|at| at >= now.plus_seconds(-down_time_seconds))
    }
}

/// Whether the name of a host or a cluster is meant by `wanted`: a name stands for its backends and pools too.
pub fn is_meant(name: &str, wanted: &str) -> bool {
    let Some(rest) = name.strip_prefix(wanted) else { return false };
    match rest.chars().next() {
        None => true,
        Some('#') => !wanted.contains('#'),
        Some('@') => !wanted.contains(['@', '#']),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_meant;

    #[test]
    fn a_name_stands_for_its_backends_and_pools() {
        for (name, wanted, expected) in [
            ("c", "c", true),
            ("c@b", "c", true),
            ("c#p", "c", true),
            ("c@b#p", "c@b", true),
            ("c@b@d", "c@b", false),
            ("c@b#p", "c@b#p", true),
            ("cc@b", "c", false),
            ("c", "c@b", false),
        ] {
            assert_eq!(is_meant(name, wanted), expected, "{name} by {wanted}");
        }
    }
}
