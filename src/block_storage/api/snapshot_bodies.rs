//! What the bodies of snapshot requests may hold (Block Storage API v3, "Volume snapshots"). Rows only.

use super::volume_bodies::METADATA;
use crate::rest::schema::{Check, Input, PRINTABLE, Schema};

/// Create a snapshot.
pub static CREATE: Schema = Schema::strict(&[Input::new(
    "snapshot",
    Check::Object(&Schema::strict(&[
        Input::new("name", Check::Text(0, 255)).nullable(),
        Input::new("display_name", Check::Text(0, 255)).nullable(),
        Input::new("description", PRINTABLE).nullable(),
        Input::new("volume_id", Check::Uuid).nullable().required(),
        Input::new("force", Check::Boolean),
        Input::new("metadata", METADATA).nullable(),
    ])),
)
.required()]);

/// Update a snapshot.
pub static UPDATE: Schema = Schema::strict(&[Input::new(
    "snapshot",
    Check::Object(
        &Schema::strict(&[
            Input::new("name", Check::Text(0, 255)).nullable(),
            Input::new("description", PRINTABLE).nullable(),
            Input::new("display_name", Check::Text(0, 255)).nullable(),
            Input::new("display_description", PRINTABLE).nullable(),
        ])
        .at_least(1, 0),
    ),
)
.required()]);

/// `os-reset_status`; the handler says which texts are statuses.
pub static RESET_STATUS: Schema = Schema::strict(&[Input::new(
    "os-reset_status",
    Check::Object(&Schema::strict(&[Input::new("status", Check::Text(0, 255)).required()])),
)
.required()]);

/// `os-update_snapshot_status`; the handler says which texts are statuses and percentages.
pub static UPDATE_STATUS: Schema = Schema::strict(&[Input::new(
    "os-update_snapshot_status",
    Check::Object(&Schema::strict(&[
        Input::new("status", Check::Text(0, 255)).required(),
        Input::new("progress", Check::Text(0, 255)).nullable(),
    ])),
)
.required()]);
