//! What the bodies of backup requests may hold (Block Storage API v3, "Backups"). Rows only.

use super::metadata::{KEY_PATTERN, is_key};
use crate::rest::schema::{Check, Input, PRINTABLE, Schema};

const METADATA: Check = Check::Map(KEY_PATTERN, is_key, &Check::Text(0, 255), false);

/// Create a backup.
pub static CREATE: Schema = Schema::strict(&[Input::new(
    "backup",
    Check::Object(&Schema::strict(&[
        Input::new("volume_id", Check::Uuid).required(),
        Input::new("container", Check::Text(0, 255)).nullable(),
        Input::new("description", PRINTABLE).nullable(),
        Input::new("incremental", Check::Boolean),
        Input::new("force", Check::Boolean),
        Input::new("name", Check::Text(0, 255)).nullable(),
        Input::new("snapshot_id", Check::Uuid).nullable(),
        Input::new("metadata", METADATA).nullable().since(43),
        Input::new("availability_zone", Check::Text(0, 255)).nullable().since(51),
    ])),
)
.required()]);

/// Update a backup.
pub static UPDATE: Schema = Schema::strict(&[Input::new(
    "backup",
    Check::Object(&Schema::strict(&[
        Input::new("name", Check::Text(0, 255)).nullable(),
        Input::new("description", PRINTABLE).nullable(),
        Input::new("metadata", METADATA).since(43),
    ])),
)
.required()]);

/// Restore a backup.
pub static RESTORE: Schema = Schema::strict(&[Input::new(
    "restore",
    Check::Object(&Schema::strict(&[
        Input::new("name", Check::Text(0, 255)).nullable(),
        Input::new("volume_id", Check::Uuid).nullable(),
    ])),
)
.required()]);

/// Import a record; the handler reads it.
pub static IMPORT: Schema = Schema::strict(&[Input::new(
    "backup-record",
    Check::Object(&Schema::strict(&[
        Input::new("backup_service", Check::Text(0, 255)).required(),
        Input::new("backup_url", Check::Base64).required(),
    ])),
)
.required()]);

/// `os-reset_status`; the handler says which texts are statuses.
pub static RESET_STATUS: Schema = Schema::strict(&[Input::new(
    "os-reset_status",
    Check::Object(&Schema::strict(&[Input::new("status", Check::Text(0, 255)).required()])),
)
.required()]);
