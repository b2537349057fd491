//! What every long-lived role shares: threads, signals, metrics, logging.

pub mod log;
pub mod threads;
