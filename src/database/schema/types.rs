//! Volume types, their specs, access, encryption and quality of service: rows of Cinder's schema (see the parent).

use super::*;

/// `quality_of_service_specs`.
pub const QUALITY_OF_SERVICE_SPECS: Table = cinder(
    "quality_of_service_specs",
    "id",
    &[MARKS, &[text("id", 36).required(), text("specs_id", 36), text("key", 255), text("value", 255)]],
)
.refers(&[foreign("specs_id", "quality_of_service_specs", "id")])
.indexes(&[index("ix_quality_of_service_specs_specs_id", &["specs_id"])]);

/// `volume_types`.
pub const VOLUME_TYPES: Table = cinder(
    "volume_types",
    "id",
    &[
        MARKS,
        &[
            text("id", 36).required(),
            text("name", 255),
            text("qos_specs_id", 36),
            boolean("is_public"),
            text("description", 255),
        ],
    ],
)
.refers(&[foreign("qos_specs_id", "quality_of_service_specs", "id")])
.indexes(&[index("ix_volume_types_qos_specs_id", &["qos_specs_id"])]);

/// `volume_type_extra_specs`.
pub const VOLUME_TYPE_EXTRA_SPECS: Table = cinder(
    "volume_type_extra_specs",
    "id",
    &[MARKS, &[serial("id"), text("volume_type_id", 36).required(), text("key", 255), text("value", 255)]],
)
.refers(&[foreign_named("volume_type_extra_specs_ibfk_1", "volume_type_id", "volume_types", "id")])
.indexes(&[index("ix_volume_type_extra_specs_volume_type_id", &["volume_type_id"])]);

/// `volume_type_projects`.
pub const VOLUME_TYPE_PROJECTS: Table = cinder(
    "volume_type_projects",
    "id",
    &[&[
        serial("id"),
        time("created_at"),
        time("updated_at"),
        time("deleted_at"),
        text("volume_type_id", 36),
        text("project_id", 255),
        int("deleted"),
    ]],
)
.refers(&[foreign("volume_type_id", "volume_types", "id")])
.unique(&[&["volume_type_id", "project_id", "deleted"]]);

/// `encryption`.
pub const ENCRYPTION: Table = cinder(
    "encryption",
    "encryption_id",
    &[
        MARKS,
        &[
            text("cipher", 255),
            text("control_location", 255).required_on_servers(),
            int("key_size"),
            text("provider", 255).required_on_servers(),
            text("volume_type_id", 36).required(),
            text("encryption_id", 36),
        ],
    ],
);

/// `default_volume_types`.
pub const DEFAULT_VOLUME_TYPES: Table = cinder(
    "default_volume_types",
    "project_id",
    &[&[
        time("created_at"),
        time("updated_at"),
        time("deleted_at"),
        text("volume_type_id", 36),
        text("project_id", 255).required(),
        boolean("deleted"),
    ]],
)
.refers(&[foreign("volume_type_id", "volume_types", "id")])
.indexes(&[index("ix_default_volume_types_volume_type_id", &["volume_type_id"])]);
