//! The statements of Block Storage, in the tables of Cinder's database at revision `9c74c1c6971f`. A function here is one
//! statement, or a few of one transaction; it knows statuses and columns, and nothing of callers and their rights.

pub mod answers;
pub mod attachments;
pub mod backup_lists;
pub mod backup_orders;
pub mod backups;
pub mod census;
pub mod clusters;
pub mod encryption;
pub mod group_lists;
pub mod group_snapshots;
pub mod group_types;
pub mod groups;
pub mod hosts;
mod image_orders;
pub mod keys;
mod lists;
pub mod message_lists;
pub mod messages;
pub mod metadata;
pub mod moves;
pub mod orders;
pub mod pools;
pub mod qos_specs;
mod quota_count;
pub mod quota_repair;
pub mod quotas;
pub mod records;
pub mod reservations;
mod service_orders;
pub mod services;
pub mod snapshot_lists;
pub mod snapshots;
pub mod sources;
pub mod stranded;
pub mod tables;
pub mod transfers;
mod transitions;
pub mod type_charges;
mod type_rows;
pub mod volume_details;
pub mod volume_lists;
pub mod volume_types;
pub mod volumes;
pub mod workers;

pub use transitions::Outcome;
