//! Clusters: which there are, and whether they take new work (Block Storage API v3, "Clusters").

use super::Caller;
use super::services::down_time_seconds;
use crate::block_storage::model::cluster::{Cluster, is_meant};
use crate::block_storage::policies::services as rules;
use crate::block_storage::store::clusters as store;
use crate::database::Connection;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// A cluster as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterState {
    /// What is known of it.
    pub cluster: Cluster,
    /// Whether one of its services has reported of late.
    pub up: bool,
}

/// Which clusters a list holds; `None` takes any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whether it is up.
    pub is_up: Option<bool>,
    /// Whether it takes no new volumes.
    pub disabled: Option<bool>,
    /// Whether the objects on its backend are kept as they are.
    pub frozen: Option<bool>,
    /// Attributes by the names that they have on the wire, as text.
    pub others: Vec<(String, String)>,
}

impl Filter {
    fn fits(&self, item: &ClusterState) -> bool {
        let cluster = &item.cluster;
        let other = |(name, wanted): &(String, String)| match name.as_str() {
            "name" => is_meant(&cluster.name, wanted),
            "binary" => cluster.binary == *wanted,
            "num_hosts" => cluster.hosts.to_string() == *wanted,
            "num_down_hosts" => cluster.down_hosts.to_string() == *wanted,
            "replication_status" => cluster.replication_status.as_deref() == Some(wanted),
            "active_backend_id" => cluster.active_backend_id.as_deref() == Some(wanted),
            _ => false,
        };
        self.is_up.is_none_or(|up| up == item.up)
            && self.disabled.is_none_or(|disabled| disabled == cluster.disabled)
            && self.frozen.is_none_or(|frozen| frozen == cluster.frozen)
            && self.others.iter().all(other)
    }
}

fn all(caller: &Caller<'_>, c: &mut Connection) -> Result<Vec<ClusterState>> {
    let (now, down_time) = (Timestamp::now(), down_time_seconds(caller.config));
    let clusters = store::all(c, now, down_time)?;
    Ok(clusters.into_iter().map(|cluster| ClusterState { up: cluster.is_up(now, down_time), cluster }).collect())
}

/// The clusters that the filter lets through, in the order in which they were added.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn list(caller: &Caller<'_>, filter: &Filter) -> Result<Vec<ClusterState>> {
    caller.enforce(&rules::GET_ALL_CLUSTERS)?;
    Ok(caller.database.read(|c| all(caller, c))?.into_iter().filter(|item| filter.fits(item)).collect())
}

/// The first cluster of this name and binary.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`].
pub fn show(caller: &Caller<'_>, name: &str, binary: &str) -> Result<ClusterState> {
    caller.enforce(&rules::GET_CLUSTER)?;
    caller.database.read(|c| find(caller, c, name, binary))
}

fn find(caller: &Caller<'_>, c: &mut Connection, name: &str, binary: &str) -> Result<ClusterState> {
    let found = all(caller, c)?.into_iter();
    let mut found = found.filter(|item| is_meant(&item.cluster.name, name) && item.cluster.binary == binary);
    found.next().ok_or_else(|| Error::not_found(format!("Cluster {name} could not be found.")))
}

/// Lets a cluster take new volumes, or not, and says why not. The answer is the cluster afterwards.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`].
pub fn set_disabled(
    caller: &Caller<'_>,
    name: &str,
    binary: &str,
    disabled: bool,
    reason: Option<&str>,
) -> Result<ClusterState> {
    caller.enforce(&rules::UPDATE_CLUSTER)?;
    caller.database.write(|tx| {
        let found = find(caller, tx, name, binary)?;
        store::set_disabled(tx, found.cluster.id, disabled, reason)?;
        find(caller, tx, &found.cluster.name, binary)
    })
}
