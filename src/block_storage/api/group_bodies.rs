//! What the bodies of requests about groups and group snapshots may hold (Block Storage API v3, "Generic volume groups").
//! Rows only.

use crate::rest::schema::{Check, Input, PRINTABLE, Schema};

const NAME: Input = Input::new("name", Check::Text(0, 255)).nullable();
const DESCRIPTION: Input = Input::new("description", PRINTABLE).nullable();

/// Create a group.
pub static CREATE: Schema = Schema::strict(&[Input::new(
    "group",
    Check::Object(&Schema::strict(&[
        DESCRIPTION,
        Input::new("group_type", Check::Stripped(1, 255)).required(),
        NAME,
        Input::new("volume_types", Check::List(&Check::Text(0, 255), 1, true)).required(),
        Input::new("availability_zone", Check::Named("availability_zone", 1, 255)).nullable(),
    ])),
)
.required()]);

/// `create-from-src`; the handler says that exactly one source is there. openstacksdk sends null for the other.
pub static CREATE_FROM_SOURCE: Schema = Schema::strict(&[Input::new(
    "create-from-src",
    Check::Object(&Schema::strict(&[
        DESCRIPTION,
        NAME,
        Input::new("source_group_id", Check::Uuid).nullable(),
        Input::new("group_snapshot_id", Check::Uuid).nullable(),
    ])),
)
.required()]);

/// Update a group; the handler says that one key is there.
pub static UPDATE: Schema = Schema::strict(&[Input::new(
    "group",
    Check::Object(&Schema::strict(&[
        DESCRIPTION,
        NAME,
        Input::new("add_volumes", PRINTABLE).nullable(),
        Input::new("remove_volumes", PRINTABLE).nullable(),
    ])),
)
.required()]);

/// `delete`.
pub static DELETE: Schema = Schema::strict(&[Input::new(
    "delete",
    Check::Object(&Schema::strict(&[Input::new("delete-volumes", Check::Boolean)])),
)
.required()]);

/// `reset_status`; the handler says which texts are statuses.
pub static RESET_STATUS: Schema = Schema::strict(&[Input::new(
    "reset_status",
    Check::Object(&Schema::strict(&[Input::new("status", Check::Text(0, 255)).required()])),
)
.required()]);

const ANYTHING: Check = Check::Object(&Schema::open(&[]));

/// `enable_replication`.
pub static ENABLE_REPLICATION: Schema = Schema::strict(&[Input::new("enable_replication", ANYTHING).required()]);

/// `disable_replication`.
pub static DISABLE_REPLICATION: Schema = Schema::strict(&[Input::new("disable_replication", ANYTHING).required()]);

/// `list_replication_targets`.
pub static LIST_REPLICATION_TARGETS: Schema =
    Schema::strict(&[Input::new("list_replication_targets", ANYTHING).required()]);

/// `failover_replication`.
pub static FAILOVER_REPLICATION: Schema = Schema::strict(&[Input::new(
    "failover_replication",
    Check::Object(&Schema::strict(&[
        Input::new("allow_attached_volume", Check::Boolean),
        Input::new("secondary_backend_id", Check::Text(0, 255)).nullable(),
    ])),
)
.required()]);

/// Create a group snapshot.
pub static CREATE_SNAPSHOT: Schema = Schema::strict(&[Input::new(
    "group_snapshot",
    Check::Object(&Schema::strict(&[Input::new("group_id", Check::Uuid).required(), NAME, DESCRIPTION])),
)
.required()]);
