//! What every long-lived role shares: threads, signals, metrics, logging.

pub mod calls;
pub mod crew;
pub mod exec;
pub mod fault;
pub mod health;
pub mod log;
pub mod metrics;
pub mod sd_notify;
pub mod signals;
pub mod threads;
