//! What requests about volume types may hold (Block Storage API v3, "Volume types").

use crate::rest::Microversion;
use crate::rest::schema::{Check, Extra, Input, PRINTABLE, Schema};

/// Keys of extra specs of a new type.
const KEY_PATTERN: &str = "^[a-zA-Z0-9-_:. /]{1,255}$";
/// Keys of extra specs that are added later.
pub const SPEC_KEY_PATTERN: &str = "^[a-zA-Z0-9-_:.]{1,255}$";

fn is_key(text: &str) -> bool {
    fits(text, b"-_:. /")
}

/// Whether a text may be the key of an extra spec that is added to a type.
pub fn is_spec_key(text: &str) -> bool {
    fits(text, b"-_:.")
}

fn fits(text: &str, marks: &[u8]) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}

const SPEC_VALUE: Check = Check::Text(0, 255);
/// Specs that are added to a type of volumes or of groups.
pub const SPECS: Check = Check::Map(SPEC_KEY_PATTERN, is_spec_key, &SPEC_VALUE, true);
/// Specs of a new group type.
pub const NEW_SPECS: Check = Check::Map(KEY_PATTERN, is_key, &SPEC_VALUE, false);
/// Specs of a new type of volumes, and QoS specs that are set.
pub const NULLABLE_SPECS: Check = Check::Map(KEY_PATTERN, is_key, &SPEC_VALUE, true);

/// Create a type.
pub static CREATE: Schema = Schema::strict(&[Input::new(
    "volume_type",
    Check::Object(&Schema::strict(&[
        Input::new("name", Check::Text(1, 255)).required(),
        Input::new("description", PRINTABLE).nullable(),
        Input::new("extra_specs", NULLABLE_SPECS),
        Input::new("os-volume-type-access:is_public", Check::Boolean),
    ])),
)
.required()]);

/// Update a type.
pub static UPDATE: Schema = Schema::strict(&[Input::new(
    "volume_type",
    Check::Object(&Schema::strict(&[
        Input::new("name", Check::Text(1, 255)).nullable(),
        Input::new("description", PRINTABLE).nullable(),
        Input::new("is_public", Check::Boolean),
    ])),
)
.required()]);

const PROJECT: Schema = Schema::strict(&[Input::new("project", Check::Text(1, 255)).required()]);

/// Let a project use a type.
pub static ADD_ACCESS: Schema = Schema::strict(&[Input::new("addProjectAccess", Check::Object(&PROJECT)).required()]);

/// No longer let a project use a type.
pub static REMOVE_ACCESS: Schema =
    Schema::strict(&[Input::new("removeProjectAccess", Check::Object(&PROJECT)).required()]);

/// Add extra specs.
pub static EXTRA_SPECS: Schema = Schema::strict(&[Input::new("extra_specs", SPECS).required()]);

/// Set one extra spec: `{"<key>": "<value>"}`. The handler checks that the key is that of the path.
pub static EXTRA_SPEC: Schema = Schema {
    fields: &[],
    extra: Extra::Check(&Check::AnyOf(&[SPEC_VALUE, Check::Null])),
    min_fields: (1, Microversion::MIN),
};

/// Set a project's default type.
pub static DEFAULT_TYPE: Schema = Schema::open(&[Input::new(
    "default_type",
    Check::Object(&Schema::strict(&[Input::new("volume_type", Check::Text(1, 255)).required()])),
)
.required()]);
