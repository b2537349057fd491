//! The store suite: what the database layer promises, on SQLite, MariaDB and PostgreSQL alike, on real servers.

#[path = "../support/cinder.rs"]
mod cinder;
#[path = "../support/crash.rs"]
mod crash_stories;
#[path = "../support/servers.rs"]
mod servers;

mod attachments;
mod child;
mod clusters;
mod connections;
mod contention;
mod crash;
mod encryption;
mod fixture;
mod groups;
mod lists;
mod orders;
mod outbox;
mod plan;
mod qos_specs;
mod quotas;
mod round_trip;
mod schema;
mod transitions;
mod upkeep;
mod volume_service;
mod volume_types;
mod volumes;
