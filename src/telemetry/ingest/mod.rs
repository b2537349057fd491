//! Samples and events from elsewhere than the API: from the outbox of this cloud's Block Storage (`notifications.rs`), and what
//! `hearth collector` hears (`collector.rs`). Not here: what a notification means (`definitions/`).

mod collector;
mod keeper;
mod messages;
mod notifications;
mod queues;
mod seldom;
mod signature;
mod udp;

pub use collector::{Collector, start};
pub use keeper::Keeper;
