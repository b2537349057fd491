//! The table `clusters`, with what is known of their services.

use crate::block_storage::model::cluster::Cluster;
use crate::block_storage::model::service::Service;
use crate::database::{Connection, Row, Transaction};
use crate::error::Result;
use crate::time::Timestamp;

/// Every cluster in the order in which they were added. Services that have not reported within `down_time_seconds` before
/// `now` count as down.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn all(c: &mut Connection, now: Timestamp, down_time_seconds: i64) -> Result<Vec<Cluster>> {
    let sql = "SELECT id, name, \"binary\", disabled, disabled_reason, replication_status, active_backend_id, frozen, \
               created_at, updated_at FROM clusters WHERE deleted = false ORDER BY id";
    let mut clusters = c.rows(sql, &[], read)?;
    if clusters.is_empty() {
        return Ok(clusters);
    }
    let services = super::services::list(c, None, None)?;
    for cluster in &mut clusters {
        let own = |service: &&Service| is_of(service, cluster);
        let (mut hosts, mut down, mut last) = (0, 0, None);
        for service in services.iter().filter(own) {
            hosts += 1;
            down += i64::from(!service.is_up(now, down_time_seconds));
            last = last.max(service.updated_at);
        }
        (cluster.hosts, cluster.down_hosts, cluster.last_heartbeat) = (hosts, down, last);
    }
    Ok(clusters)
}

/// Whether a service is one of a cluster's.
pub fn is_of(service: &Service, cluster: &Cluster) -> bool {
    service.cluster_name.as_deref() == Some(cluster.name.as_str()) && service.binary == cluster.binary
}

fn read(row: &Row<'_>) -> Result<Cluster> {
    Ok(Cluster {
        id: row.int(0)?,
        name: row.string(1)?,
        binary: row.string(2)?,
        disabled: row.opt_bool(3)?.unwrap_or_default(),
        disabled_reason: row.opt_string(4)?,
        replication_status: row.opt_string(5)?,
        active_backend_id: row.opt_string(6)?,
        frozen: row.opt_bool(7)?.unwrap_or_default(),
        created_at: row.opt_time(8)?,
        updated_at: row.opt_time(9)?,
        hosts: 0,
        down_hosts: 0,
        last_heartbeat: None,
    })
}

/// Lets a cluster take new volumes, or not.
pub fn set_disabled(tx: &mut Transaction<'_>, id: i64, disabled: bool, reason: Option<&str>) -> Result<()> {
    let sql = "UPDATE clusters SET disabled = ?, disabled_reason = ?, updated_at = ? WHERE id = ?";
    tx.execute(sql, &[disabled.into(), reason.into(), Timestamp::now().into(), id.into()]).map(|_| ())
}

/// Keeps the objects of a cluster's backend as they are, or no longer; `false` where they are so already.
pub fn set_frozen(tx: &mut Transaction<'_>, id: i64, frozen: bool) -> Result<bool> {
    let sql = "UPDATE clusters SET frozen = ?, updated_at = ? WHERE id = ? AND frozen = ?";
    Ok(tx.execute(sql, &[frozen.into(), Timestamp::now().into(), id.into(), (!frozen).into()])? > 0)
}
