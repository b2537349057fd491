//! The `volumes` table: loads, inserts, changes and moves of one volume. Lists are in `volume_lists.rs`.

use super::services::escaped;
use super::transitions::{self, Outcome, marks};
use super::workers;
use crate::block_storage::model::status::{From, Status as _};
use crate::block_storage::model::volume::{AttachStatus, Guard, Move, RESET_STATUS, Standing, Status, Volume};
use crate::database::transition::{End, Object};
use crate::database::{Connection, Row, Value};
use crate::error::Result;
use crate::time::Timestamp;

/// The columns of a [`Volume`], in the order of [`read`].
pub(super) const COLUMNS: [&str; 31] = [
    "id",
    "project_id",
    "user_id",
    "created_at",
    "updated_at",
    "display_name",
    "display_description",
    "size",
    "status",
    "previous_status",
    "attach_status",
    "migration_status",
    "replication_status",
    "host",
    "cluster_name",
    "service_uuid",
    "availability_zone",
    "volume_type_id",
    "snapshot_id",
    "source_volid",
    "group_id",
    "consistencygroup_id",
    "_name_id",
    "provider_location",
    "provider_auth",
    "provider_id",
    "encryption_key_id",
    "bootable",
    "multiattach",
    "shared_targets",
    "use_quota",
];

/// Takes the cells of [`COLUMNS`], which begin at cell 0, out of a row.
///
/// # Errors
/// As all readers of cells.
pub(super) fn read(row: &mut Row<'_>) -> Result<Volume> {
    let status = |text: Option<&str>| text.and_then(Status::parse);
    Ok(Volume {
        id: row.take_string(0)?,
        project_id: row.take_opt_string(1)?.unwrap_or_default(),
        user_id: row.take_opt_string(2)?.unwrap_or_default(),
        created_at: row.opt_time(3)?,
        updated_at: row.opt_time(4)?,
        name: row.take_opt_string(5)?,
        description: row.take_opt_string(6)?,
        size_gib: row.opt_int(7)?.unwrap_or(0),
        // A status that no release knows counts as an error: the one from which operators can get away.
        status: status(row.opt_text(8)?).unwrap_or(Status::Error),
        previous_status: status(row.opt_text(9)?),
        attach_status: row.opt_text(10)?.and_then(AttachStatus::parse).unwrap_or(AttachStatus::Detached),
        migration_status: row.take_opt_string(11)?,
        replication_status: row.take_opt_string(12)?,
        host: row.take_opt_string(13)?.filter(|host| !host.is_empty()),
        cluster_name: row.take_opt_string(14)?,
        service_uuid: row.take_opt_string(15)?,
        availability_zone: row.take_opt_string(16)?,
        volume_type_id: row.take_opt_string(17)?.unwrap_or_default(),
        snapshot_id: row.take_opt_string(18)?,
        source_volid: row.take_opt_string(19)?,
        group_id: row.take_opt_string(20)?,
        consistencygroup_id: row.take_opt_string(21)?,
        name_id: row.take_opt_string(22)?,
        provider_location: row.take_opt_string(23)?,
        provider_auth: row.take_opt_string(24)?,
        provider_id: row.take_opt_string(25)?,
        encryption_key_id: row.take_opt_string(26)?,
        bootable: row.opt_bool(27)?.unwrap_or(false),
        multiattach: row.opt_bool(28)?.unwrap_or(false),
        shared_targets: row.opt_bool(29)?,
        use_quota: row.opt_bool(30)?.unwrap_or(true),
    })
}

/// The volumes that a statement answers.
pub(super) fn all(connection: &mut Connection, sql: &str, params: &[Value<'_>]) -> Result<Vec<Volume>> {
    let mut all = Vec::new();
    connection.taking(sql, params, |row| {
        all.push(read(row)?);
        Ok(())
    })?;
    Ok(all)
}

/// The only volume that a statement answers.
fn first(connection: &mut Connection, sql: &str, params: &[Value<'_>]) -> Result<Option<Volume>> {
    Ok(all(connection, sql, params)?.pop())
}

/// The volume with this id; `None` where there is none, or none any more.
///
/// # Errors
/// As all statements.
pub fn by_id(connection: &mut Connection, id: &str) -> Result<Option<Volume>> {
    let sql = format!("SELECT {} FROM volumes WHERE id = ? AND deleted = ?", COLUMNS.join(", "));
    first(connection, &sql, &[id.into(), false.into()])
}

/// The volume with this id, which nobody else changes until the transaction ends.
///
/// # Errors
/// As all statements.
pub fn lock(connection: &mut Connection, id: &str) -> Result<Option<Volume>> {
    let sql = format!("SELECT {} FROM volumes WHERE id = ? AND deleted = ? FOR UPDATE", COLUMNS.join(", "));
    first(connection, &sql, &[id.into(), false.into()])
}

/// As [`lock`], with nothing but whose it is and how it stands.
///
/// # Errors
/// As all statements.
pub fn lock_standing(connection: &mut Connection, id: &str) -> Result<Option<Standing>> {
    let sql = "SELECT project_id, user_id, status FROM volumes WHERE id = ? AND deleted = ? FOR UPDATE";
    connection.row(sql, &[id.into(), false.into()], |row| standing(row, id))
}

/// Reads project, user and status of a volume, which begin at cell 0.
pub(super) fn standing(row: &Row<'_>, id: &str) -> Result<Standing> {
    Ok(Standing {
        id: id.to_owned(),
        project_id: row.opt_string(0)?.unwrap_or_default(),
        user_id: row.opt_string(1)?.unwrap_or_default(),
        status: row.opt_text(2)?.and_then(Status::parse).unwrap_or(Status::Error),
    })
}

/// That a move is allowed in the status of a volume `v`, as a condition.
pub(super) fn allowed(rule: &Move) -> String {
    let names = |list: &[Status]| list.iter().map(|status| format!("'{status}'")).collect::<Vec<_>>().join(", ");
    match rule.from {
        From::Any => "1 = 1".to_owned(),
        From::Only(list) => format!("v.status IN ({})", names(list)),
        From::Except(list) => format!("v.status NOT IN ({})", names(list)),
    }
}

/// The volumes of the backend `host@backend` whose rows tell where they are reached.
///
/// # Errors
/// As all statements.
pub fn located(connection: &mut Connection, backend: &str) -> Result<Vec<Volume>> {
    let sql = format!(
        "SELECT {} FROM volumes WHERE deleted = ? AND provider_location IS NOT NULL AND \
         (host = ? OR host LIKE ? ESCAPE '!') ORDER BY id",
        COLUMNS.join(", ")
    );
    let pools = format!("{}#%", escaped(backend));
    all(connection, &sql, &[false.into(), backend.into(), (&pools).into()])
}

/// Another volume of the same project with the same name.
///
/// # Errors
/// As all statements.
pub fn of_same_name(connection: &mut Connection, volume: &Volume) -> Result<Option<String>> {
    let sql =
        "SELECT id FROM volumes WHERE project_id = ? AND display_name = ? AND id <> ? AND deleted = ? ORDER BY id";
    let params = [(&volume.project_id).into(), (&volume.name).into(), (&volume.id).into(), false.into()];
    connection.row(sql, &params, |row| row.string(0))
}

/// Puts a new volume in.
///
/// # Errors
/// As all statements.
pub fn insert(connection: &mut Connection, volume: &Volume) -> Result<()> {
    let sql = format!("INSERT INTO volumes ({}, deleted) VALUES ({}, ?)", COLUMNS.join(", "), marks(COLUMNS.len()));
    connection.execute(
        &sql,
        &[
            (&volume.id).into(),
            (&volume.project_id).into(),
            (&volume.user_id).into(),
            volume.created_at.into(),
            volume.updated_at.into(),
            (&volume.name).into(),
            (&volume.description).into(),
            volume.size_gib.into(),
            volume.status.name().into(),
            volume.previous_status.map(Status::name).into(),
            volume.attach_status.name().into(),
            (&volume.migration_status).into(),
            (&volume.replication_status).into(),
            (&volume.host).into(),
            (&volume.cluster_name).into(),
            (&volume.service_uuid).into(),
            (&volume.availability_zone).into(),
            (&volume.volume_type_id).into(),
            (&volume.snapshot_id).into(),
            (&volume.source_volid).into(),
            (&volume.group_id).into(),
            (&volume.consistencygroup_id).into(),
            (&volume.name_id).into(),
            (&volume.provider_location).into(),
            (&volume.provider_auth).into(),
            (&volume.provider_id).into(),
            (&volume.encryption_key_id).into(),
            volume.bootable.into(),
            volume.multiattach.into(),
            volume.shared_targets.into(),
            volume.use_quota.into(),
            false.into(),
        ],
    )?;
    Ok(())
}

/// Changes columns of a volume, whatever its status; `false` where there is no such volume.
///
/// # Errors
/// As all statements.
pub fn change(connection: &mut Connection, id: &str, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    begin(connection, id, &RESET_STATUS, columns)
}

/// Begins a move: changes columns and status of a volume where the move is allowed. `false` where it is not allowed, or
/// where there is no such volume; the caller then reads again to say why. A move that a service is to end is noted in
/// `workers`.
///
/// # Errors
/// As all statements.
pub fn begin(connection: &mut Connection, id: &str, rule: &Move, columns: &[(&str, Value<'_>)]) -> Result<bool> {
    if rule.guards.iter().any(|guard| looks_elsewhere(*guard)) {
        // Two statements, so that the second one sees what those who held the row have committed.
        lock(connection, id)?;
    }
    transitions::begin(connection, object(id), rule, condition, columns)
}

/// Ends a move that [`begin`] began: the volume goes where the move ends, with `columns` changed, and nobody works on it
/// any more. A move in which the volume ends (`Done` of a deletion) removes it. `false` where the volume is no longer where
/// the move had taken it, because an operator reset it; then nothing changes but that nobody works on it.
///
/// # Errors
/// As all statements.
pub fn finish(
    connection: &mut Connection,
    id: &str,
    rule: &Move,
    outcome: Outcome,
    columns: &[(&str, Value<'_>)],
) -> Result<bool> {
    let ended = transitions::finish(connection, object(id), rule, outcome, columns)?;
    if ended == Some(End::Deleted) {
        connection.execute("UPDATE volumes SET migration_status = NULL WHERE id = ?", &[id.into()])?;
        remove_dependents(connection, id, Timestamp::now())?;
    }
    Ok(ended.is_some())
}

/// The volume as a row that moves.
pub(super) fn object(id: &str) -> Object<'_> {
    Object { table: "volumes", worker: workers::VOLUME, id }
}

/// Removes a volume that no driver has: the row stays, marked as deleted, with everything that hangs on it.
///
/// # Errors
/// As all statements.
pub fn remove(connection: &mut Connection, id: &str) -> Result<bool> {
    let now = Timestamp::now();
    let removed = connection.execute(
        "UPDATE volumes SET deleted_at = ?, deleted = ?, status = 'deleted', migration_status = NULL \
         WHERE id = ? AND deleted = ?",
        &[now.into(), true.into(), id.into(), false.into()],
    )? == 1;
    if removed {
        workers::end(connection, workers::VOLUME, id)?;
        remove_dependents(connection, id, now)?;
    }
    Ok(removed)
}

fn remove_dependents(connection: &mut Connection, id: &str, now: Timestamp) -> Result<()> {
    const TABLES: [&str; 5] =
        ["volume_metadata", "volume_admin_metadata", "volume_glance_metadata", "transfers", "volume_attachment"];
    for table in TABLES {
        let sql = format!("UPDATE {table} SET deleted_at = ?, deleted = ? WHERE volume_id = ? AND deleted = ?");
        connection.execute(&sql, &[now.into(), true.into(), id.into(), false.into()])?;
    }
    Ok(())
}

/// Whether a guard looks into other tables.
fn looks_elsewhere(guard: Guard) -> bool {
    matches!(
        guard,
        Guard::NoSnapshots
            | Guard::SnapshotsDeletable
            | Guard::NoGroupSnapshots
            | Guard::SnapshotsOfItsProject
            | Guard::HasAttachments
            | Guard::NoAttachments
            | Guard::OneAttachment
    )
}

/// A guard as a condition on a row of `volumes`.
fn condition(guard: Guard) -> &'static str {
    match guard {
        Guard::Attached => "attach_status = 'attached'",
        Guard::NotAttached => "(attach_status IS NULL OR attach_status <> 'attached')",
        Guard::NotMigrating => {
            "(migration_status IS NULL OR migration_status IN ('none', 'deleting', 'error', 'success'))"
        }
        Guard::NoGroup => "group_id IS NULL AND consistencygroup_id IS NULL",
        Guard::NoSnapshots => {
            "NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.volume_id = volumes.id AND s.deleted = false)"
        }
        Guard::SnapshotsDeletable => {
            "NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.volume_id = volumes.id AND s.deleted = false AND \
             (s.status NOT IN ('available', 'error') OR s.cgsnapshot_id IS NOT NULL OR s.group_snapshot_id IS NOT NULL))"
        }
        Guard::NoGroupSnapshots => {
            "NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.volume_id = volumes.id AND s.deleted = false AND \
             (s.cgsnapshot_id IS NOT NULL OR s.group_snapshot_id IS NOT NULL))"
        }
        Guard::SnapshotsOfItsProject => {
            "NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.volume_id = volumes.id AND s.deleted = false AND \
             s.project_id <> volumes.project_id)"
        }
        Guard::HasHost => "host IS NOT NULL AND host <> ''",
        Guard::HasAttachments => {
            "EXISTS (SELECT 1 FROM volume_attachment a WHERE a.volume_id = volumes.id AND a.deleted = false AND \
             a.attach_status <> 'detached')"
        }
        Guard::NoAttachments => {
            "NOT EXISTS (SELECT 1 FROM volume_attachment a WHERE a.volume_id = volumes.id AND a.deleted = false AND \
             a.attach_status <> 'detached')"
        }
        Guard::OneAttachment => {
            "(SELECT count(*) FROM volume_attachment a WHERE a.volume_id = volumes.id AND a.deleted = false) < 2"
        }
        Guard::Multiattach => "multiattach = true",
        Guard::SingleAttach => "(multiattach IS NULL OR multiattach = false)",
        Guard::NotReplicated => "(replication_status IS NULL OR replication_status IN ('disabled', 'not-capable'))",
    }
}
