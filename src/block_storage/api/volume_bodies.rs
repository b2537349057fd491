//! What the bodies of volume requests may hold (Block Storage API v3, "Volumes"). Rows only.

use super::metadata::{KEY_PATTERN, is_key};
use crate::rest::schema::{Check, Extra, Input, Schema};

/// A name: at most 255 characters after outer blanks are cut.
const NAME: Check = Check::Named("name", 0, 255);
/// A description, likewise.
const DESCRIPTION: Check = Check::Named("description", 0, 255);
/// A size in GiB.
pub const SIZE: Check = Check::Digits(1, 2_147_483_647);
/// Metadata of a volume.
pub const METADATA: Check = Check::Map(KEY_PATTERN, is_key, &Check::Text(0, 255), false);

const HINTS: Schema = Schema {
    fields: &[
        Input::new("local_to_instance", Check::Uuid).nullable(),
        Input::new("different_host", HOSTS),
        Input::new("same_host", HOSTS),
        Input::new("query", Check::AnyOf(&[Check::Text(0, 65_535), Check::Object(&Schema::open(&[]))])),
    ],
    extra: Extra::Ignore,
    min_fields: Schema::open(&[]).min_fields,
};
const HOSTS: Check = Check::AnyOf(&[Check::Uuid, Check::List(&Check::Uuid, 0, true)]);

const VOLUME: Schema = Schema::open(&[
    Input::new("name", NAME).nullable(),
    Input::new("description", DESCRIPTION).nullable(),
    Input::new("display_name", NAME).nullable(),
    Input::new("display_description", DESCRIPTION).nullable(),
    Input::new("volume_type", Check::Text(0, 255)).nullable(),
    Input::new("metadata", METADATA).nullable(),
    Input::new("snapshot_id", Check::Uuid).nullable(),
    Input::new("source_volid", Check::Uuid).nullable(),
    Input::new("consistencygroup_id", Check::Uuid).nullable(),
    Input::new("size", SIZE).nullable(),
    Input::new("availability_zone", Check::Text(1, 255)).nullable(),
    Input::new("multiattach", Check::Boolean).nullable(),
    Input::new("image_id", Check::Text(0, 255)).nullable(),
    Input::new("imageRef", Check::Text(0, 255)).nullable(),
    Input::new("group_id", Check::Text(0, 255)).nullable().since(13),
    Input::new("backup_id", Check::Uuid).nullable().since(47),
])
.strict_since(53);

/// Create a volume.
pub static CREATE: Schema = Schema::strict(&[
    Input::new("volume", Check::Object(&VOLUME)).required(),
    Input::new("OS-SCH-HNT:scheduler_hints", Check::Object(&HINTS)).nullable(),
]);

const CHANGES: Schema = Schema::strict(&[
    Input::new("name", NAME).nullable(),
    Input::new("description", DESCRIPTION).nullable(),
    Input::new("display_name", NAME).nullable(),
    Input::new("display_description", DESCRIPTION).nullable(),
    Input::new("metadata", METADATA),
])
.at_least(1, 53);

/// Update a volume.
pub static UPDATE: Schema = Schema::strict(&[Input::new("volume", Check::Object(&CHANGES)).required()]);

/// `os-extend`.
pub static EXTEND: Schema = Schema::strict(&[Input::new(
    "os-extend",
    Check::Object(&Schema::strict(&[Input::new("new_size", SIZE).required()])),
)
.required()]);

/// `os-set_bootable`.
pub static SET_BOOTABLE: Schema = Schema::strict(&[Input::new(
    "os-set_bootable",
    Check::Object(&Schema::strict(&[Input::new("bootable", Check::Boolean).required()])),
)
.required()]);

/// `os-update_readonly_flag`.
pub static UPDATE_READONLY_FLAG: Schema = Schema::strict(&[Input::new(
    "os-update_readonly_flag",
    Check::Object(&Schema::strict(&[Input::new("readonly", Check::Boolean).required()])),
)
.required()]);

/// `os-reset_status`; the handler says which texts are statuses.
pub static RESET_STATUS: Schema = Schema::strict(&[Input::new(
    "os-reset_status",
    Check::Object(&Schema::strict(&[
        Input::new("status", Check::Text(0, 255)).nullable(),
        Input::new("attach_status", Check::Text(0, 255)).nullable(),
        Input::new("migration_status", Check::Text(0, 255)).nullable(),
    ])),
)
.required()]);

/// `os-set_image_metadata`.
pub static SET_IMAGE_METADATA: Schema = Schema::strict(&[Input::new(
    "os-set_image_metadata",
    Check::Object(&Schema::strict(&[Input::new(
        "metadata",
        Check::Map(KEY_PATTERN, is_key, &Check::Text(0, 65_535), false),
    )
    .required()])),
)
.required()]);

/// `os-unset_image_metadata`.
pub static UNSET_IMAGE_METADATA: Schema = Schema::strict(&[Input::new(
    "os-unset_image_metadata",
    Check::Object(&Schema::strict(&[Input::new("key", Check::Text(1, 255)).required()])),
)
.required()]);

/// `os-retype`.
pub static RETYPE: Schema = Schema::strict(&[Input::new(
    "os-retype",
    Check::Object(&Schema::strict(&[
        Input::new("new_type", Check::Text(0, 65_535)).required(),
        Input::new("migration_policy", Check::Choice(&["on-demand", "never"])),
    ])),
)
.required()]);

/// `os-migrate_volume`; the handler says that a host or a cluster must be named.
pub static MIGRATE: Schema = Schema::strict(&[Input::new(
    "os-migrate_volume",
    Check::Object(&Schema::strict(&[
        Input::new("host", Check::Text(0, 255)).required().until(15),
        Input::new("host", Check::Text(0, 255)).nullable().since(16),
        Input::new("force_host_copy", Check::Boolean),
        Input::new("lock_volume", Check::Boolean),
        Input::new("cluster", Check::Text(0, 255)).nullable().since(16),
    ])),
)
.required()]);

/// Whether something has failed: false, null and the empty text mean that it has not.
const FAILED: Input = Input::new("error", Check::Types(&["string", "null", "boolean"]));

/// `os-migrate_volume_completion`.
pub static MIGRATE_COMPLETION: Schema = Schema::strict(&[Input::new(
    "os-migrate_volume_completion",
    Check::Object(&Schema::strict(&[Input::new("new_volume", Check::Uuid).required(), FAILED])),
)
.required()]);

/// `os-extend_volume_completion`.
pub static EXTEND_COMPLETION: Schema =
    Schema::strict(&[Input::new("os-extend_volume_completion", Check::Object(&Schema::strict(&[FAILED]))).required()]);
