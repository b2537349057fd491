//! The columns that lists of backups may be filtered and sorted by: those of the table, as in Cinder.

use super::selection::{Column, Holds};

/// Every column.
pub static COLUMNS: &[Column] = &[
    Column::new("id", Holds::Text).filled(),
    Column::new("created_at", Holds::Time).filled(),
    Column::new("display_name", Holds::Text).called("name"),
    Column::new("display_name", Holds::Text),
    Column::new("display_description", Holds::Text),
    Column::new("updated_at", Holds::Time),
    Column::new("data_timestamp", Holds::Time),
    Column::new("status", Holds::Text),
    Column::new("volume_id", Holds::Text).filled(),
    Column::new("snapshot_id", Holds::Text),
    Column::new("parent_id", Holds::Text),
    Column::new("project_id", Holds::Text),
    Column::new("user_id", Holds::Text),
    Column::new("size", Holds::Number),
    Column::new("object_count", Holds::Number),
    Column::new("num_dependent_backups", Holds::Number),
    Column::new("container", Holds::Text),
    Column::new("availability_zone", Holds::Text),
    Column::new("host", Holds::Text),
    Column::new("fail_reason", Holds::Text),
    Column::new("service", Holds::Text),
    Column::new("service_metadata", Holds::Text),
    Column::new("restore_volume_id", Holds::Text),
    Column::new("temp_volume_id", Holds::Text),
    Column::new("temp_snapshot_id", Holds::Text),
    Column::new("encryption_key_id", Holds::Text),
];
