//! The table `services`: who serves what, and when it last said so. Not here: whether that is recent enough
//! ([`Service::is_up`]).

use crate::block_storage::model::service::{BACKUP, Service};
use crate::database::{Connection, Row, Transaction, Value};
use crate::error::Result;
use crate::time::Timestamp;

/// The newest versions of the interfaces of Cinder 29's services, and of its objects. Cinder's own services read them to
/// learn what they may send.
fn rpc_version(binary: &str) -> &'static str {
    if binary == BACKUP { "2.4" } else { "3.20" }
}

/// The newest version of Cinder 29's objects.
const OBJECT_VERSION: &str = "1.39";

const COLUMNS: &str = "id, uuid, host, \"binary\", availability_zone, disabled, disabled_reason, created_at, updated_at, \
                       modified_at, cluster_name, replication_status, active_backend_id, frozen, report_count";

fn read(row: &Row<'_>) -> Result<Service> {
    Ok(Service {
        id: row.int(0)?,
        uuid: row.opt_string(1)?,
        host: row.opt_string(2)?.unwrap_or_default(),
        binary: row.opt_string(3)?.unwrap_or_default(),
        availability_zone: row.opt_string(4)?,
        disabled: row.opt_bool(5)?.unwrap_or_default(),
        disabled_reason: row.opt_string(6)?,
        created_at: row.opt_time(7)?,
        updated_at: row.opt_time(8)?,
        modified_at: row.opt_time(9)?,
        cluster_name: row.opt_string(10)?,
        replication_status: row.opt_string(11)?,
        active_backend_id: row.opt_string(12)?,
        frozen: row.opt_bool(13)?.unwrap_or_default(),
        report_count: row.int(14)?,
    })
}

/// Services in the order in which they were added; only those of `host` (`host`, or `host@backend`) and of `binary`
/// where these are given.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn list(c: &mut Connection, host: Option<&str>, binary: Option<&str>) -> Result<Vec<Service>> {
    let mut sql = format!("SELECT {COLUMNS} FROM services WHERE deleted = ?");
    let mut params: Vec<Value<'_>> = vec![false.into()];
    let backends;
    if let Some(host) = host {
        // A host stands for all of its backends.
        backends = format!("{}@%", escaped(host));
        sql.push_str(" AND (host = ? OR host LIKE ? ESCAPE '!')");
        params.extend([Value::from(host), Value::from(&backends)]);
    }
    if let Some(binary) = binary {
        sql.push_str(" AND \"binary\" = ?");
        params.push(binary.into());
    }
    sql.push_str(" ORDER BY id");
    c.rows(&sql, &params, read)
}

/// The one service of this host and binary.
pub fn find(c: &mut Connection, host: &str, binary: &str) -> Result<Option<Service>> {
    let sql = format!("SELECT {COLUMNS} FROM services WHERE deleted = ? AND host = ? AND \"binary\" = ? ORDER BY id");
    c.row(&sql, &[false.into(), host.into(), binary.into()], read)
}

/// Adds the service where it is new, and notes where it stands and what it speaks. It is not yet up: only a report
/// makes it so.
pub fn register(tx: &mut Transaction<'_>, host: &str, binary: &str, zone: &str, enabled: bool) -> Result<Service> {
    if let Some(found) = find(tx, host, binary)? {
        tx.execute(
            // No driver replicates; as with Cinder, one that failed over stays so until it fails back.
            "UPDATE services SET availability_zone = ?, rpc_current_version = ?, object_current_version = ?, \
             replication_status = CASE WHEN replication_status = 'failed-over' THEN 'failed-over' ELSE 'disabled' END \
             WHERE id = ?",
            &[zone.into(), rpc_version(binary).into(), OBJECT_VERSION.into(), found.id.into()],
        )?;
        let failed_over = found.replication_status.clone().filter(|status| status == "failed-over");
        let replication_status = failed_over.or_else(|| Some("disabled".to_owned()));
        return Ok(Service { availability_zone: Some(zone.to_owned()), replication_status, ..found });
    }
    let uuid = uuid::Uuid::new_v4().to_string();
    let id = tx.insert_id(
        "INSERT INTO services (created_at, deleted, host, \"binary\", topic, report_count, disabled, availability_zone, \
         rpc_current_version, object_current_version, replication_status, frozen, uuid) \
         VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, 'disabled', ?, ?)",
        &[
            Timestamp::now().into(),
            false.into(),
            host.into(),
            binary.into(),
            binary.into(),
            (!enabled).into(),
            zone.into(),
            rpc_version(binary).into(),
            OBJECT_VERSION.into(),
            false.into(),
            uuid.into(),
        ],
    )?;
    let sql = format!("SELECT {COLUMNS} FROM services WHERE id = ?");
    let service = tx.row(&sql, &[id.into()], read)?;
    service.ok_or_else(|| crate::Error::internal("a service that was just added is not there"))
}

/// Says that these services are up.
pub fn report(tx: &mut Transaction<'_>, ids: &[i64]) -> Result<()> {
    let now = Timestamp::now();
    for id in ids {
        tx.execute(
            "UPDATE services SET report_count = report_count + 1, updated_at = ? WHERE id = ?",
            &[now.into(), (*id).into()],
        )?;
    }
    Ok(())
}

/// Lets the service take new volumes, or not; `false` where there is no such service.
pub fn set_disabled(tx: &mut Transaction<'_>, id: i64, disabled: bool, reason: Option<&str>) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE services SET disabled = ?, disabled_reason = ?, modified_at = ? WHERE id = ?",
        &[disabled.into(), reason.into(), Timestamp::now().into(), id.into()],
    )?;
    Ok(changed > 0)
}

/// Keeps the objects of the service's backend as they are and lets it take no new volumes, or ends both; `false` where it is
/// so already.
pub fn set_frozen(tx: &mut Transaction<'_>, id: i64, frozen: bool) -> Result<bool> {
    let reason = if frozen { "frozen" } else { "" };
    let changed = tx.execute(
        "UPDATE services SET frozen = ?, disabled = ?, disabled_reason = ?, modified_at = ? \
         WHERE id = ? AND COALESCE(frozen, false) = ?",
        &[frozen.into(), frozen.into(), reason.into(), Timestamp::now().into(), id.into(), (!frozen).into()],
    )?;
    Ok(changed > 0)
}

/// `text` as a part of a LIKE pattern that matches it alone.
pub(super) fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}
