//! The rows that a new database of Cinder begins with.

use uuid::Uuid;

use super::connection::Connection;
use super::schema::REVISION;
use crate::Result;
use crate::time::Timestamp;

/// The limits that the quota class `default` begins with: resource and limit, -1 for none. Cinder writes into them what its
/// configuration says when the tables are made; from then on the rows win over the configuration.
pub const LIMITS: Limits = [
    ("volumes", 10),
    ("snapshots", 10),
    ("gigabytes", 1000),
    ("per_volume_gigabytes", -1),
    ("groups", 10),
    ("backups", 10),
    ("backup_gigabytes", 1000),
];

/// Resources and limits of the quota class `default`.
pub type Limits = [(&'static str, i64); 7];

/// Puts them in, the revision last.
pub(super) fn insert(connection: &mut Connection, limits: &Limits) -> Result<()> {
    let now = Timestamp::now();
    for (resource, limit) in *limits {
        connection.execute(
            "INSERT INTO quota_classes (created_at, class_name, resource, hard_limit, deleted) VALUES (?, ?, ?, ?, ?)",
            &[now.into(), "default".into(), resource.into(), limit.into(), false.into()],
        )?;
    }
    connection.execute(
        "INSERT INTO volume_types (id, name, description, is_public, created_at, updated_at, deleted) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        &[
            Uuid::new_v4().to_string().into(),
            "__DEFAULT__".into(),
            "Default Volume Type".into(),
            true.into(),
            now.into(),
            now.into(),
            false.into(),
        ],
    )?;
    let group_type = Uuid::new_v4().to_string();
    connection.execute(
        "INSERT INTO group_types (id, name, description, is_public, created_at, updated_at, deleted) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        &[
            (&group_type).into(),
            "default_cgsnapshot_type".into(),
            "Default group type for migrating cgsnapshot".into(),
            true.into(),
            now.into(),
            now.into(),
            false.into(),
        ],
    )?;
    connection.execute(
        "INSERT INTO group_type_specs (\"key\", value, group_type_id, created_at, updated_at, deleted) \
         VALUES (?, ?, ?, ?, ?, ?)",
        &[
            "consistent_group_snapshot_enabled".into(),
            "<is> True".into(),
            (&group_type).into(),
            now.into(),
            now.into(),
            false.into(),
        ],
    )?;
    // From this row Cinder's services learn whether the engine keeps fractions of a second: it has 123 microseconds.
    let whole = Timestamp(now.0 - now.0.rem_euclid(1_000_000) + 123);
    connection.execute(
        "INSERT INTO workers (resource_type, resource_id, status, created_at, updated_at, deleted, race_preventer) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        &["SENTINEL".into(), "SUB-SECOND".into(), "OK".into(), whole.into(), whole.into(), false.into(), 0_i64.into()],
    )?;
    connection.execute("INSERT INTO alembic_version (version_num) VALUES (?)", &[REVISION.into()])?;
    Ok(())
}
