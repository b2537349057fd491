//! Telemetry in one process: the store against a plain model of it, and the API without a socket.

mod reference;
mod scratch;
#[path = "../support/servers.rs"]
mod servers;
mod store;
