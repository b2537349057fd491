//! The columns that lists of groups and of group snapshots may be filtered and sorted by: those of the tables, as in Cinder.

use super::selection::{Column, Holds};

/// Every column of groups.
pub static GROUPS: &[Column] = &[
    Column::new("id", Holds::Text).filled(),
    Column::new("created_at", Holds::Time).filled(),
    Column::new("updated_at", Holds::Time),
    Column::new("name", Holds::Text),
    Column::new("description", Holds::Text),
    Column::new("status", Holds::Text),
    Column::new("group_type_id", Holds::Text),
    Column::new("availability_zone", Holds::Text),
    Column::new("host", Holds::Text),
    Column::new("cluster_name", Holds::Text),
    Column::new("group_snapshot_id", Holds::Text),
    Column::new("source_group_id", Holds::Text),
    Column::new("replication_status", Holds::Text),
    Column::new("project_id", Holds::Text),
    Column::new("user_id", Holds::Text),
];

/// Every column of group snapshots.
pub static GROUP_SNAPSHOTS: &[Column] = &[
    Column::new("id", Holds::Text).filled(),
    Column::new("created_at", Holds::Time).filled(),
    Column::new("updated_at", Holds::Time),
    Column::new("name", Holds::Text),
    Column::new("description", Holds::Text),
    Column::new("status", Holds::Text),
    Column::new("group_id", Holds::Text).filled(),
    Column::new("group_type_id", Holds::Text),
    Column::new("project_id", Holds::Text),
    Column::new("user_id", Holds::Text),
];
