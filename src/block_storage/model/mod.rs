//! What Block Storage knows: objects, their statuses and the moves between them. Pure values: no SQL, no HTTP, no clock.

pub mod attachment;
pub mod cluster;
pub mod encryption;
pub mod group;
pub mod group_list;
pub mod group_snapshot;
pub mod group_type;
pub mod message;
pub mod message_list;
pub mod pool;
pub mod qos_specs;
pub mod quota;
pub mod resource_filters;
pub mod selection;
pub mod service;
pub mod service_work;
pub mod snapshot;
pub mod snapshot_list;
pub mod states;
pub mod status;
pub mod transfer;
pub mod volume;
pub mod volume_list;
pub mod volume_type;
pub mod work;
