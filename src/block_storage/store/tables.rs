//! The tables that Block Storage adds to a database of Cinder.

use crate::database::migrate::{Component, Step};
use crate::database::table::{Table, any_text, big_int, index, text, time_micros};

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

/// All of them, with their history.
pub const COMPONENT: Component =
    Component { name: "block_storage", steps: &[Step { tables: &[&HEARTH_POOLS], indexes: &[] }] };
