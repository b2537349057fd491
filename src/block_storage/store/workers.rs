//! The `workers` table: which object is in the hands of a service, so that a crash leaves nothing half done. A row is
//! written by the transaction that begins a piece of work and removed by the one that ends it.

use crate::block_storage::model::pool::service_host;
use crate::database::Connection;
use crate::error::Result;

pub use crate::database::transition::{work_begins as begin, work_ends as end};

/// The table's word for a volume.
pub const VOLUME: &str = "Volume";
/// The table's word for a snapshot.
pub const SNAPSHOT: &str = "Snapshot";
/// The table's word for a group.
pub const GROUP: &str = "Group";
/// The table's word for a group snapshot.
pub const GROUP_SNAPSHOT: &str = "GroupSnapshot";
/// The table's word for a backup.
pub const BACKUP: &str = "Backup";

/// Where the objects with this id are that are in the hands of a service: `host@backend` of each, or `None` where it was not
/// placed; only those of one type where one is named.
///
/// # Errors
/// As all statements.
pub fn places(c: &mut Connection, id: &str, resource_type: Option<&str>) -> Result<Vec<Option<String>>> {
    let sql = "SELECT w.resource_type, COALESCE(v.host, o.host) FROM workers w LEFT JOIN volumes v ON v.id = w.resource_id \
               LEFT JOIN snapshots s ON s.id = w.resource_id LEFT JOIN volumes o ON o.id = s.volume_id \
               WHERE w.resource_id = ? AND w.deleted = false ORDER BY w.id";
    let found = c.rows(sql, &[id.into()], |row| Ok((row.string(0)?, row.opt_string(1)?)))?;
    let meant = found.into_iter().filter(|(of, _)| resource_type.is_none_or(|wanted| wanted == of));
    Ok(meant.map(|(_, host)| host.map(|host| service_host(&host).to_owned())).collect())
}
