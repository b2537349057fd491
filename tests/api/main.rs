//! The APIs in one process: requests go in where the gateway would put them, answers are read where it would take them.
//! No socket, no clock, a database of its own for each test. One file per noun.

#[path = "../support/servers.rs"]
mod servers;

mod attachments;
mod authorization;
mod backups;
mod callers;
mod clusters;
mod compute;
mod concurrency;
mod consistency_groups;
mod default_types;
mod discovery;
mod encryption;
mod extending;
mod fixture;
mod foreign_ids;
mod group_snapshots;
mod group_types;
mod groups;
mod image_service;
mod images;
mod keys;
mod log_levels;
mod messages;
mod migration;
mod moving;
mod people;
mod pools;
mod qos_specs;
mod quotas;
mod reimaging;
mod replication;
mod retyping;
mod rivals;
mod route_table;
mod services;
mod snapshots;
mod state_grid;
mod states;
mod swapping;
mod transfers;
mod types;
mod versions;
mod volume_actions;
mod volume_connections;
mod volume_lists;
mod volumes;
