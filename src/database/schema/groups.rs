//! Groups, their types and snapshots, and the consistency groups that they replaced: rows of Cinder's schema (see the parent).

use super::*;

/// `consistencygroups`.
pub const CONSISTENCYGROUPS: Table = cinder(
    "consistencygroups",
    "id",
    &[
        MARKS,
        &[
            text("id", 36).required(),
            text("user_id", 255),
            text("project_id", 255),
            text("host", 255),
            text("availability_zone", 255),
            text("name", 255),
            text("description", 255),
            text("volume_type_id", 255),
            text("status", 255),
            text("cgsnapshot_id", 36),
            text("source_cgid", 36),
            text("cluster_name", 255),
        ],
    ],
);

/// `cgsnapshots`.
pub const CGSNAPSHOTS: Table = cinder(
    "cgsnapshots",
    "id",
    &[
        MARKS,
        &[
            text("id", 36).required(),
            text("consistencygroup_id", 36).required(),
            text("user_id", 255),
            text("project_id", 255),
            text("name", 255),
            text("description", 255),
            text("status", 255),
        ],
    ],
)
.refers(&[foreign("consistencygroup_id", "consistencygroups", "id")])
.indexes(&[index("ix_cgsnapshots_consistencygroup_id", &["consistencygroup_id"])]);

/// `group_types`.
pub const GROUP_TYPES: Table = cinder(
    "group_types",
    "id",
    &[&[
        text("id", 36).required(),
        text("name", 255).required(),
        text("description", 255),
        time("created_at"),
        time("updated_at"),
        time("deleted_at"),
        boolean("deleted"),
        boolean("is_public"),
    ]],
);

/// `group_type_specs`.
pub const GROUP_TYPE_SPECS: Table = cinder(
    "group_type_specs",
    "id",
    &[&[
        serial("id"),
        text("key", 255),
        text("value", 255),
        text("group_type_id", 36).required(),
        time("created_at"),
        time("updated_at"),
        time("deleted_at"),
        boolean("deleted"),
    ]],
)
.refers(&[foreign("group_type_id", "group_types", "id")])
.indexes(&[index("ix_group_type_specs_group_type_id", &["group_type_id"])]);

/// `group_type_projects`.
pub const GROUP_TYPE_PROJECTS: Table = cinder(
    "group_type_projects",
    "id",
    &[&[
        serial("id"),
        time("created_at"),
        time("updated_at"),
        time("deleted_at"),
        text("group_type_id", 36),
        text("project_id", 255),
        boolean("deleted"),
    ]],
)
.refers(&[foreign("group_type_id", "group_types", "id")])
.unique(&[&["group_type_id", "project_id", "deleted"]]);

/// `groups`.
pub const GROUPS: Table = cinder(
    "groups",
    "id",
    &[
        MARKS,
        &[
            text("id", 36).required(),
            text("user_id", 255),
            text("project_id", 255),
            text("cluster_name", 255),
            text("host", 255),
            text("availability_zone", 255),
            text("name", 255),
            text("description", 255),
            text("group_type_id", 36),
            text("status", 255),
            text("group_snapshot_id", 36),
            text("source_group_id", 36),
            text("replication_status", 255),
        ],
    ],
)
.indexes(&[index("groups_deleted_project_id_idx", &["deleted", "project_id"])]);

/// `group_snapshots`.
pub const GROUP_SNAPSHOTS: Table = cinder(
    "group_snapshots",
    "id",
    &[
        MARKS,
        &[
            text("id", 36).required(),
            text("group_id", 36).required(),
            text("user_id", 255),
            text("project_id", 255),
            text("name", 255),
            text("description", 255),
            text("status", 255),
            text("group_type_id", 36),
        ],
    ],
)
.refers(&[foreign("group_id", "groups", "id")])
.indexes(&[
    index("group_snapshots_deleted_project_id_idx", &["deleted", "project_id"]),
    index("ix_group_snapshots_group_id", &["group_id"]),
]);

/// `group_volume_type_mapping`.
pub const GROUP_VOLUME_TYPE_MAPPING: Table = cinder(
    "group_volume_type_mapping",
    "id",
    &[MARKS, &[serial("id"), text("volume_type_id", 36).required(), text("group_id", 36).required()]],
)
.refers(&[foreign("volume_type_id", "volume_types", "id"), foreign("group_id", "groups", "id")])
.indexes(&[
    index("ix_group_volume_type_mapping_group_id", &["group_id"]),
    index("ix_group_volume_type_mapping_volume_type_id", &["volume_type_id"]),
]);
