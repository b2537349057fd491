//! How notifications leave the outbox: one listener for each driver that the configuration names. Not here: when
//! (`postman.rs`), and RabbitMQ (`amqp.rs`).

use std::borrow::Cow;

use super::amqp::Rabbit;
use super::notification::Envelope;
use super::transport::Transport;
use crate::config::{Config, Opt};
use crate::database::outbox::Waiting;
use crate::error::{Error, Result};

/// The driver of Hearth's own Telemetry.
pub(super) const TELEMETRY: &str = "hearth_telemetry";

/// Who gets the notifications of a driver. Called by one thread, and by one process at a time.
pub trait Listener: Send {
    /// Takes notifications over, the oldest first. Those that it has heard before, because somebody crashed in between,
    /// have the same `message_id`.
    fn hear(&mut self, batch: &[Waiting]) -> Heard;
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Heard {
    /// How many of it were taken over, from its beginning.
    pub taken: usize,
    /// Why the next one was not.
    pub failure: Option<Failure>,
}

/// Why a notification was not taken over.
#[derive(Debug)]
pub struct Failure {
    /// The reason.
    pub error: Error,
    /// Whether another attempt can not succeed either.
    pub hopeless: bool,
}

impl Heard {
    /// All of a batch.
    pub fn all(batch: &[Waiting]) -> Self {
        Self { taken: batch.len(), failure: None }
    }

    /// The first `taken` of a batch, and why no more.
    pub fn only(taken: usize, error: Error) -> Self {
        Self { taken, failure: Some(Failure { error, hopeless: false }) }
    }
}

/// The listener of a driver, which sends to this exchange where it sends to RabbitMQ; `None` for one that only others in this
/// process can listen to.
///
/// # Errors
/// `Invalid` where the configuration does not say where to send.
pub(super) fn open(driver: &str, config: &Config, exchange: &Opt) -> Result<Option<Box<dyn Listener>>> {
    Ok(match driver {
        "messagingv2" => Some(Box::new(Rabbit::of(config, exchange, Envelope::Two)?)),
        "messaging" => Some(Box::new(Rabbit::of(config, exchange, Envelope::One)?)),
        "log" => Some(Box::new(Log)),
        _ => None,
    })
}

/// The configuration as it holds for a driver: the address of a broker may carry options.
///
/// # Errors
/// As [`open`].
pub(super) fn settings<'a>(driver: &str, config: &'a Config) -> Result<Cow<'a, Config>> {
    Ok(match driver {
        "messagingv2" | "messaging" => Cow::Owned(Transport::of(config)?.1),
        _ => Cow::Borrowed(config),
    })
}

/// Writes each notification into the log, under the name that oslo.messaging uses. The log masks secrets.
struct Log;

impl Listener for Log {
    fn hear(&mut self, batch: &[Waiting]) -> Heard {
        for waiting in batch {
            let level = if waiting.priority == "ERROR" { log::Level::Error } else { log::Level::Info };
            let target = format!("oslo.messaging.notification.{}", waiting.event_type);
            log::log!(target: &target, level, "{}", waiting.message);
        }
        Heard::all(batch)
    }
}
