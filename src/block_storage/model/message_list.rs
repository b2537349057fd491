//! The columns that lists of messages may be filtered and sorted by: those of the table, as in Cinder.

use super::selection::{Column, Holds};

/// Every column.
pub static COLUMNS: &[Column] = &[
    Column::new("id", Holds::Text).filled(),
    Column::new("created_at", Holds::Time).filled(),
    Column::new("updated_at", Holds::Time),
    Column::new("project_id", Holds::Text).filled(),
    Column::new("request_id", Holds::Text),
    Column::new("resource_type", Holds::Text),
    Column::new("resource_uuid", Holds::Text),
    Column::new("event_id", Holds::Text).filled(),
    Column::new("message_level", Holds::Text).filled(),
    Column::new("expires_at", Holds::Time),
    Column::new("action_id", Holds::Text),
    Column::new("detail_id", Holds::Text),
];
