//! Hearth: OpenStack's Block Storage (Cinder v3) and Telemetry (Ceilometer v2, Aodh v2) APIs as one native executable.
//!
//! `gateway` is how a request arrives, `rest` what every API shares, `identity` who calls and what they may,
//! `database` the three engines, `block_storage` and `telemetry` the two services. `docs/architecture.md` has the map.

pub mod block_storage;
pub mod config;
pub mod database;
pub mod error;
pub mod gateway;
pub mod identity;
pub mod messaging;
pub mod operate;
pub mod rest;
pub mod roles;
pub mod service;
pub mod sys;
pub mod telemetry;
pub mod time;

pub use error::{Error, Kind, Result};
