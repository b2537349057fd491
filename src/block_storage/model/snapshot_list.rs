//! The columns that lists of snapshots may be filtered and sorted by: those of the table, as in Cinder, and the zone of
//! the snapshot's volume.

use super::selection::{Column, Holds};

/// Every column.
pub static COLUMNS: &[Column] = &[
    Column::new("id", Holds::Text).filled(),
    Column::new("created_at", Holds::Time).filled(),
    Column::new("display_name", Holds::Text).called("name"),
    Column::new("display_name", Holds::Text),
    Column::new("display_description", Holds::Text),
    Column::new("updated_at", Holds::Time),
    Column::new("status", Holds::Text),
    Column::new("volume_id", Holds::Text).filled(),
    Column::new("project_id", Holds::Text),
    Column::new("user_id", Holds::Text),
    Column::new("volume_size", Holds::Number),
    Column::new("progress", Holds::Text),
    Column::new("volume_type_id", Holds::Text),
    Column::new("group_snapshot_id", Holds::Text),
    Column::new("cgsnapshot_id", Holds::Text),
    Column::new("encryption_key_id", Holds::Text),
    Column::new("use_quota", Holds::Truth).filled(),
    Column::new("use_quota", Holds::Truth).filled().called("consumes_quota"),
    Column::new("availability_zone", Holds::Text).of_volume(),
    Column::new("host", Holds::Text).of_volume(),
    Column::new("cluster_name", Holds::Text).of_volume(),
    Column::new("scheduled_at", Holds::Time),
    Column::new("provider_id", Holds::Text),
    Column::new("provider_location", Holds::Text),
    Column::new("provider_auth", Holds::Text),
];
