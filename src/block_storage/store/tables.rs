//! The tables that Block Storage adds to a database of Cinder.

use crate::database::migrate::{Component, Step};
use crate::database::table::{Table, any_text, big_int, index, int, text, time_micros};

/// What volume services report of their pools.
const HEARTH_POOLS: Table = Table::new(
    "hearth_pools",
    "name",
    &[&[
        text("name", 255).required(),
        text("service_host", 255).required(),
        any_text("report").required(),
        big_int("allocated_gib").required(),
        big_int("provisioned_gib").required(),
        big_int("promised_gib").required(),
        time_micros("reported_at").required(),
    ]],
)
.indexes(&[index("hearth_pools_service", &["service_host"])]);

/// Keys that nothing owns: not yet, or no longer. What lies here when it is due is removed from the key store.
const HEARTH_LOOSE_KEYS: Table = Table::new(
    "hearth_loose_keys",
    "name",
    &[&[
        text("name", 64).required(),
        text("key_id", 36),
        text("project_id", 255).required(),
        time_micros("due_at").required(),
        time_micros("retry_at").required(),
    ]],
)
.indexes(&[index("hearth_loose_keys_due", &["retry_at"])]);

/// Keys, each sealed with the master key.
const HEARTH_SEALED_KEYS: Table = Table::new(
    "hearth_sealed_keys",
    "id",
    &[&[
        text("id", 36).required(),
        text("project_id", 255).required(),
        text("algorithm", 64).required(),
        int("bits").required(),
        any_text("sealed").required(),
        time_micros("created_at").required(),
    ]],
);

/// All of them, with their history.
pub const COMPONENT: Component = Component {
    name: "block_storage",
    steps: &[
        Step { tables: &[&HEARTH_POOLS], indexes: &[], partitioned: &[] },
        Step {
            tables: &[&HEARTH_LOOSE_KEYS, &HEARTH_SEALED_KEYS],
            // Before a key is removed, everything is asked that may have it.
            indexes: &[
                ("volumes", index("hearth_volumes_key", &["encryption_key_id"])),
                ("snapshots", index("hearth_snapshots_key", &["encryption_key_id"])),
                ("backups", index("hearth_backups_key", &["encryption_key_id"])),
            ],
            partitioned: &[],
        },
    ],
};
