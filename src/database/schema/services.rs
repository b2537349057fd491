//! Services, clusters, work in hand, messages to users, and the revision of the schema: rows of Cinder's schema (see the parent).

use super::*;

/// `alembic_version`.
pub const ALEMBIC_VERSION: Table = cinder("alembic_version", "version_num", &[&[text("version_num", 32).required()]])
    .charset(Charset::Database)
    .key_named("alembic_version_pkc");

/// `services`.
pub const SERVICES: Table = cinder(
    "services",
    "id",
    &[
        MARKS,
        &[
            serial("id"),
            text("host", 255),
            text("binary", 255),
            text("topic", 255),
            int("report_count").required(),
            boolean("disabled"),
            text("availability_zone", 255),
            text("disabled_reason", 255),
            time("modified_at"),
            text("rpc_current_version", 36),
            text("object_current_version", 36),
            text("replication_status", 36),
            boolean("frozen"),
            text("active_backend_id", 255),
            text("cluster_name", 255),
            text("uuid", 36),
        ],
    ],
)
.indexes(&[unique_index("services_uuid_idx", &["uuid"])]);

/// `clusters`.
pub const CLUSTERS: Table = cinder(
    "clusters",
    "id",
    &[
        MARKS,
        &[
            serial("id"),
            text("name", 255).required(),
            text("binary", 255).required(),
            boolean("disabled"),
            text("disabled_reason", 255),
            int("race_preventer").required(),
            text("replication_status", 36),
            text("active_backend_id", 255),
            boolean("frozen").required().or(0),
        ],
    ],
)
.unique(&[&["name", "binary", "race_preventer"]]);

/// `workers`.
pub const WORKERS: Table = cinder(
    "workers",
    "id",
    &[&[
        time("created_at"),
        time_micros("updated_at"),
        time("deleted_at"),
        boolean("deleted"),
        serial("id"),
        text("resource_type", 40).required(),
        text("resource_id", 36).required(),
        text("status", 255).required(),
        int("service_id"),
        int("race_preventer").required().or(0),
    ]],
)
.refers(&[foreign("service_id", "services", "id")])
.unique(&[&["resource_type", "resource_id"]])
.indexes(&[index("ix_workers_service_id", &["service_id"])]);

/// `messages`.
pub const MESSAGES: Table = cinder(
    "messages",
    "id",
    &[&[
        text("id", 36).required(),
        text("project_id", 255).required(),
        text("request_id", 255),
        text("resource_type", 36),
        text("resource_uuid", 255),
        text("event_id", 255).required(),
        text("message_level", 255).required(),
        time("created_at"),
        time("updated_at"),
        time("deleted_at"),
        boolean("deleted"),
        time("expires_at"),
        text("detail_id", 10),
        text("action_id", 10),
    ]],
)
.indexes(&[index("ix_messages_expires_at", &["expires_at"])]);

/// `driver_initiator_data`.
pub const DRIVER_INITIATOR_DATA: Table = cinder(
    "driver_initiator_data",
    "id",
    &[&[
        time("created_at"),
        time("updated_at"),
        serial("id"),
        text("initiator", 255).required(),
        text("namespace", 255).required(),
        text("key", 255).required(),
        text("value", 255),
    ]],
)
.unique(&[&["initiator", "namespace", "key"]])
.indexes(&[index("ix_driver_initiator_data_initiator", &["initiator"])]);
