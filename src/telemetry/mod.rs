//! Telemetry: meters, samples, resources and statistics (Ceilometer v2), and alarms (Aodh v2).

pub mod model;
pub mod policy;
pub mod store;
