//! Quotas, usages and reservations: rows of Cinder's schema (see the parent).

use super::*;

/// `quotas`.
pub const QUOTAS: Table = cinder(
    "quotas",
    "id",
    &[&[
        serial("id"),
        time("created_at"),
        time("updated_at"),
        time("deleted_at"),
        boolean("deleted"),
        text("project_id", 255),
        text("resource", 300).required(),
        int("hard_limit"),
        int("allocated"),
    ]],
);

/// `quota_classes`.
pub const QUOTA_CLASSES: Table = cinder(
    "quota_classes",
    "id",
    &[MARKS, &[serial("id"), text("class_name", 255), text("resource", 300), int("hard_limit")]],
)
.indexes(&[index("ix_quota_classes_class_name", &["class_name"])]);

/// `quota_usages`.
pub const QUOTA_USAGES: Table = cinder(
    "quota_usages",
    "id",
    &[
        MARKS,
        &[
            serial("id"),
            text("project_id", 255),
            text("resource", 300),
            int("in_use").required(),
            int("reserved").required(),
            int("until_refresh"),
            boolean("race_preventer"),
        ],
    ],
)
.unique(&[&["project_id", "resource", "race_preventer"]])
.indexes(&[
    index("ix_quota_usages_project_id", &["project_id"]),
    index("quota_usage_project_resource_idx", &["project_id", "resource"]),
]);

/// `reservations`.
pub const RESERVATIONS: Table = cinder(
    "reservations",
    "id",
    &[
        MARKS,
        &[
            serial("id"),
            text("uuid", 36).required(),
            int("usage_id"),
            text("project_id", 255),
            text("resource", 300),
            int("delta").required(),
            time("expire"),
            int("allocated_id"),
        ],
    ],
)
.refers(&[foreign("usage_id", "quota_usages", "id"), foreign("allocated_id", "quotas", "id")])
.indexes(&[
    index("ix_reservations_allocated_id", &["allocated_id"]),
    index("ix_reservations_project_id", &["project_id"]),
    index("ix_reservations_usage_id", &["usage_id"]),
    index("reservations_deleted_expire_idx", &["deleted", "expire"]),
    index("reservations_deleted_uuid_idx", &["deleted", "uuid"]),
]);
