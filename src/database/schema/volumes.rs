//! Volumes and what hangs on them: rows of Cinder's schema (see the parent).

use super::*;

/// `volumes`.
pub const VOLUMES: Table = cinder(
    "volumes",
    "id",
    &[
        MARKS,
        &[
            text("id", 36).required(),
            text("ec2_id", 255),
            text("user_id", 255),
            text("project_id", 255),
            text("host", 255),
            int("size"),
            text("availability_zone", 255),
            text("status", 255),
            text("attach_status", 255),
            time("scheduled_at"),
            time("launched_at"),
            time("terminated_at"),
            text("display_name", 255),
            text("display_description", 255),
            text("provider_location", 256),
            text("provider_auth", 256),
            text("snapshot_id", 36),
            text("volume_type_id", 36).required(),
            text("source_volid", 36),
            boolean("bootable"),
            text("provider_geometry", 255),
            text("_name_id", 36),
            text("encryption_key_id", 36),
            text("migration_status", 255),
            text("replication_status", 255),
            text("replication_extended_status", 255),
            text("replication_driver_data", 255),
            text("consistencygroup_id", 36),
            text("provider_id", 255),
            boolean("multiattach"),
            text("previous_status", 255),
            text("cluster_name", 255),
            text("group_id", 36),
            text("service_uuid", 36),
            boolean("shared_targets"),
            boolean("use_quota").required().or(1),
        ],
    ],
)
.refers(&[
    foreign("consistencygroup_id", "consistencygroups", "id"),
    foreign("group_id", "groups", "id"),
    foreign("service_uuid", "services", "uuid"),
])
.indexes(&[
    index("ix_volumes_consistencygroup_id", &["consistencygroup_id"]),
    index("ix_volumes_group_id", &["group_id"]),
    index("volumes_deleted_host_idx", &["deleted", "host"]),
    index("volumes_deleted_project_id_idx", &["deleted", "project_id"]),
    index("volumes_service_uuid_idx", &["service_uuid", "deleted"]),
]);

/// `volume_metadata`.
pub const VOLUME_METADATA: Table = cinder(
    "volume_metadata",
    "id",
    &[MARKS, &[serial("id"), text("volume_id", 36).required(), text("key", 255), text("value", 255)]],
)
.refers(&[foreign("volume_id", "volumes", "id")])
.indexes(&[index("ix_volume_metadata_volume_id", &["volume_id"])]);

/// `volume_admin_metadata`.
pub const VOLUME_ADMIN_METADATA: Table = cinder(
    "volume_admin_metadata",
    "id",
    &[MARKS, &[serial("id"), text("volume_id", 36).required(), text("key", 255), text("value", 255)]],
)
.refers(&[foreign("volume_id", "volumes", "id")])
.indexes(&[index("ix_volume_admin_metadata_volume_id", &["volume_id"])]);

/// `volume_glance_metadata`.
pub const VOLUME_GLANCE_METADATA: Table = cinder(
    "volume_glance_metadata",
    "id",
    &[MARKS, &[serial("id"), text("volume_id", 36), text("snapshot_id", 36), text("key", 255), long_text("value")]],
)
.refers(&[foreign("volume_id", "volumes", "id"), foreign("snapshot_id", "snapshots", "id")])
.indexes(&[
    index("ix_volume_glance_metadata_snapshot_id", &["snapshot_id"]),
    index("ix_volume_glance_metadata_volume_id", &["volume_id"]),
]);

/// `volume_attachment`.
pub const VOLUME_ATTACHMENT: Table = cinder(
    "volume_attachment",
    "id",
    &[
        MARKS,
        &[
            text("id", 36).required(),
            text("volume_id", 36).required(),
            text("attached_host", 255),
            text("instance_uuid", 36),
            text("mountpoint", 255),
            time("attach_time"),
            time("detach_time"),
            text("attach_mode", 36),
            text("attach_status", 255),
            long_text("connection_info"),
            long_text("connector"),
        ],
    ],
)
.refers(&[foreign("volume_id", "volumes", "id")])
.indexes(&[index("ix_volume_attachment_volume_id", &["volume_id"])]);

/// `attachment_specs`.
pub const ATTACHMENT_SPECS: Table = cinder(
    "attachment_specs",
    "id",
    &[MARKS, &[serial("id"), text("attachment_id", 36).required(), text("key", 255), text("value", 255)]],
)
.refers(&[foreign("attachment_id", "volume_attachment", "id")])
.indexes(&[index("ix_attachment_specs_attachment_id", &["attachment_id"])]);

/// `transfers`.
pub const TRANSFERS: Table = cinder(
    "transfers",
    "id",
    &[
        MARKS,
        &[
            text("id", 36).required(),
            text("volume_id", 36).required(),
            text("display_name", 255),
            text("salt", 255),
            text("crypt_hash", 255),
            time("expires_at"),
            boolean("no_snapshots"),
            text("source_project_id", 255),
            text("destination_project_id", 255),
            boolean("accepted"),
        ],
    ],
)
.refers(&[foreign("volume_id", "volumes", "id")])
.indexes(&[index("ix_transfers_volume_id", &["volume_id"])]);

/// `image_volume_cache_entries`.
pub const IMAGE_VOLUME_CACHE_ENTRIES: Table = cinder(
    "image_volume_cache_entries",
    "id",
    &[&[
        time("image_updated_at"),
        serial("id"),
        text("host", 255).required(),
        text("image_id", 36).required(),
        text("volume_id", 36).required(),
        int("size").required(),
        time("last_used").required(),
        text("cluster_name", 255),
    ]],
)
.indexes(&[
    index("ix_image_volume_cache_entries_host", &["host"]),
    index("ix_image_volume_cache_entries_image_id", &["image_id"]),
]);
