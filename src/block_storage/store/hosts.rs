//! How much of each project lies on a host, counted from its volumes and snapshots.

use std::collections::BTreeMap;

use crate::Result;
use crate::database::{Connection, Value};

/// What one project has on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The project.
    pub project_id: String,
    /// Its volumes.
    pub volumes: i64,
    /// GiB of its volumes.
    pub volumes_gib: i64,
    /// Its snapshots.
    pub snapshots: i64,
    /// GiB of its snapshots.
    pub snapshots_gib: i64,
}

/// What each project has on a `host`, or on one `host@backend`, in the order of the projects.
///
/// # Errors
/// The database's.
pub fn usage(c: &mut Connection, host: &str) -> Result<Vec<Usage>> {
    let literal = host.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let (backends, pools) = (format!("{literal}@%"), format!("{literal}#%"));
    let here = "(v.host = ? OR v.host LIKE ? ESCAPE '!' OR v.host LIKE ? ESCAPE '!')";
    let params = [Value::from(host), Value::from(&backends), Value::from(&pools)];
    let volumes = format!(
        "SELECT v.project_id, count(*), sum(v.size) FROM volumes v WHERE v.deleted = false AND {here} GROUP BY v.project_id"
    );
    let snapshots = format!(
        "SELECT s.project_id, count(*), sum(s.volume_size) FROM snapshots s JOIN volumes v ON v.id = s.volume_id \
         WHERE s.deleted = false AND {here} GROUP BY s.project_id"
    );
    let mut found: BTreeMap<String, Usage> = BTreeMap::new();
    for (sql, of_volumes) in [(volumes, true), (snapshots, false)] {
        c.query(&sql, &params, |row| {
            let project_id = row.opt_string(0)?.unwrap_or_default();
            let usage = found.entry(project_id.clone()).or_insert_with(|| Usage { project_id, ..Usage::default() });
            let (count, gib) = (row.int(1)?, row.opt_int(2)?.unwrap_or(0));
            if of_volumes {
                (usage.volumes, usage.volumes_gib) = (count, gib);
            } else {
                (usage.snapshots, usage.snapshots_gib) = (count, gib);
            }
            Ok(())
        })?;
    }
    Ok(found.into_values().collect())
}
