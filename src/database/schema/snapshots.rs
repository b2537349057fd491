//! Snapshots and backups: rows of Cinder's schema (see the parent).

use super::*;

/// `snapshots`.
pub const SNAPSHOTS: Table = cinder(
    "snapshots",
    "id",
    &[
        MARKS,
        &[
            text("id", 36).required(),
            text("volume_id", 36).required(),
            text("user_id", 255),
            text("project_id", 255),
            text("status", 255),
            text("progress", 255),
            int("volume_size"),
            time("scheduled_at"),
            text("display_name", 255),
            text("display_description", 255),
            text("provider_location", 255),
            text("encryption_key_id", 36),
            text("volume_type_id", 36).required(),
            text("cgsnapshot_id", 36),
            text("provider_id", 255),
            text("provider_auth", 255),
            text("group_snapshot_id", 36),
            boolean("use_quota").required().or(1),
        ],
    ],
)
.refers(&[
    foreign("cgsnapshot_id", "cgsnapshots", "id"),
    foreign("group_snapshot_id", "group_snapshots", "id"),
    foreign_named("snapshots_volume_id_fkey", "volume_id", "volumes", "id"),
])
.indexes(&[
    index("ix_snapshots_cgsnapshot_id", &["cgsnapshot_id"]),
    index("ix_snapshots_group_snapshot_id", &["group_snapshot_id"]),
    index("ix_snapshots_volume_id", &["volume_id"]),
    index("snapshots_deleted_project_id_idx", &["deleted", "project_id"]),
]);

/// `snapshot_metadata`.
pub const SNAPSHOT_METADATA: Table = cinder(
    "snapshot_metadata",
    "id",
    &[MARKS, &[serial("id"), text("snapshot_id", 36).required(), text("key", 255), text("value", 255)]],
)
.refers(&[foreign("snapshot_id", "snapshots", "id")])
.indexes(&[index("ix_snapshot_metadata_snapshot_id", &["snapshot_id"])]);

/// `backups`.
pub const BACKUPS: Table = cinder(
    "backups",
    "id",
    &[
        MARKS,
        &[
            text("id", 36).required(),
            text("volume_id", 36).required(),
            text("user_id", 255),
            text("project_id", 255),
            text("host", 255),
            text("availability_zone", 255),
            text("display_name", 255),
            text("display_description", 255),
            text("container", 255),
            text("status", 255),
            text("fail_reason", 255),
            text("service_metadata", 255),
            text("service", 255),
            int("size"),
            int("object_count"),
            text("parent_id", 36),
            text("temp_volume_id", 36),
            text("temp_snapshot_id", 36),
            int("num_dependent_backups"),
            text("snapshot_id", 36),
            time("data_timestamp"),
            text("restore_volume_id", 36),
            text("encryption_key_id", 36),
        ],
    ],
)
.indexes(&[index("backups_deleted_project_id_idx", &["deleted", "project_id"])]);

/// `backup_metadata`.
pub const BACKUP_METADATA: Table = cinder(
    "backup_metadata",
    "id",
    &[MARKS, &[serial("id"), text("backup_id", 36).required(), text("key", 255), text("value", 255)]],
)
.refers(&[foreign("backup_id", "backups", "id")])
.indexes(&[index("ix_backup_metadata_backup_id", &["backup_id"])]);
