//! Telemetry in one process: the store against a plain model of it, and the API without a socket.

mod alarm_answers;
mod alarm_notices;
mod alarms;
mod api;
mod condense;
#[path = "../support/crash.rs"]
mod crash_stories;
mod delivery;
mod evaluation;
mod events;
mod expire;
mod live_answers;
mod long;
mod notifications;
mod octavia;
mod partitions;
mod prometheus;
mod reference;
mod scratch;
mod secure_receivers;
#[path = "../support/servers.rs"]
mod servers;
mod service;
mod store;
mod sweep;
