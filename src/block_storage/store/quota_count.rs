//! Counts what a project uses from the objects themselves, as Cinder does when it refreshes usage. What does not consume
//! quota (temporary volumes and snapshots, the targets of migrations) is left out; a volume that is about to grow counts
//! with the size that it will have, and one that is about to get another type counts for both types.

use super::orders;
use crate::Result;
use crate::block_storage::model::quota::Resource;
use crate::block_storage::model::work::Charged;
use crate::database::{Connection, Value};

/// The number of objects, or their GiB, that a project has of `resource`; only those of one volume type where one is
/// named. `snapshots_without_gigabytes` leaves snapshots out of the GiB.
///
/// # Errors
/// The database's.
pub(super) fn count(
    c: &mut Connection,
    resource: Resource,
    project_id: &str,
    volume_type_id: Option<&str>,
    snapshots_without_gigabytes: bool,
) -> Result<i64> {
    let volumes = |what| {
        let of_type = if volume_type_id.is_some() { " AND volume_type_id = ?" } else { "" };
        // What is taken over counts, and has a size, once its file was looked at.
        format!(
            "SELECT {what} FROM volumes WHERE project_id = ? AND deleted = false AND use_quota = true AND size > 0{of_type}"
        )
    };
    let snapshots = |what| {
        let (join, of_type) = match volume_type_id {
            Some(_) => (" JOIN volumes v ON v.id = s.volume_id", " AND v.volume_type_id = ?"),
            None => ("", ""),
        };
        format!(
            "SELECT {what} FROM snapshots s{join} WHERE s.project_id = ? AND s.deleted = false AND s.use_quota = true{of_type}"
        )
    };
    let plain = |what, table| format!("SELECT {what} FROM {table} WHERE project_id = ? AND deleted = false");
    let mut sum = |sql: String, of_type: bool| {
        let volume_type_id = volume_type_id.filter(|_| of_type).map(Value::from);
        let params: Vec<Value<'_>> = [Value::from(project_id)].into_iter().chain(volume_type_id).collect();
        Ok::<i64, crate::Error>(c.row(&sql, &params, |row| row.opt_int(0))?.flatten().unwrap_or(0))
    };
    let found = match resource {
        Resource::Volumes => sum(volumes("count(*)"), true),
        Resource::Snapshots => sum(snapshots("count(*)"), true),
        Resource::Gigabytes => {
            let of_volumes = sum(volumes("sum(size)"), true)?;
            let of_snapshots =
                if snapshots_without_gigabytes { 0 } else { sum(snapshots("sum(s.volume_size)"), true)? };
            Ok(of_volumes + of_snapshots + orders::growth(c, project_id, volume_type_id)?)
        }
        Resource::Backups => sum(plain("count(*)", "backups"), false),
        Resource::BackupGigabytes => sum(plain("sum(size)", "backups"), false),
        Resource::Groups => sum(plain("count(*)", "\"groups\""), false),
        Resource::PerVolumeGigabytes => Ok(0),
    }?;
    let Some(volume_type_id) = volume_type_id else { return Ok(found) };
    let of = |charged: Charged| match resource {
        Resource::Volumes => charged.volumes,
        Resource::Snapshots => charged.snapshots,
        Resource::Gigabytes => charged.gigabytes,
        _ => 0,
    };
    Ok(found + orders::arriving(c, project_id, volume_type_id)?.into_iter().map(of).sum::<i64>())
}
