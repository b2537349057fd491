//! Where a service puts its notifications. Without a driver nothing is written, and nothing needs to be made.

use serde_json::Value as Json;

use super::notification::Notification;
use crate::config::{Config, notifications as options};
use crate::database::Transaction;
use crate::database::outbox::{self, New};
use crate::error::Result;

/// The driver that sends nothing.
const NOOP: &str = "noop";

/// The drivers that get what is put in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outbox {
    drivers: Vec<String>,
}

impl Outbox {
    /// The outbox of a configuration. Costs next to nothing where no driver is named.
    pub fn of(config: &Config) -> Self {
        let mut drivers: Vec<String> = Vec::new();
        for driver in config.list(&options::DRIVER) {
            if driver != NOOP && !drivers.contains(driver) {
                drivers.push(driver.clone());
            }
        }
        Self { drivers }
    }

    /// Whether anybody gets notifications.
    pub fn is_open(&self) -> bool {
        !self.drivers.is_empty()
    }

    /// The drivers that get them.
    pub fn drivers(&self) -> &[String] {
        &self.drivers
    }

    /// Whether Hearth's own Telemetry gets them.
    pub fn tells_telemetry(&self) -> bool {
        self.drivers.iter().any(|driver| driver == super::drivers::TELEMETRY)
    }

    /// Puts a notification in, in the transaction that changes what it is about and after the statement that locks that.
    /// `context` is JSON: who asked.
    ///
    /// # Errors
    /// As all statements.
    pub fn put(&self, tx: &mut Transaction<'_>, notification: &Notification, context: &Json) -> Result<()> {
        if !self.is_open() {
            return Ok(());
        }
        let (message, context) = (notification.message().to_string(), context.to_string());
        let new = New {
            event_type: &notification.event_type,
            priority: notification.priority.word(),
            message: &message,
            context: &context,
        };
        self.drivers.iter().try_for_each(|driver| outbox::put(tx, driver, &new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_drivers_that_send_open_the_outbox() {
        let drivers = |text: &str| Outbox::of(&Config::from_text(text).unwrap()).drivers.join(" ");
        assert_eq!(drivers(""), "");
        assert_eq!(drivers("[oslo_messaging_notifications]\ndriver = noop\n"), "");
        let twice = "[oslo_messaging_notifications]\ndriver = messagingv2\ndriver = log\ndriver = log\n";
        assert_eq!(drivers(twice), "messagingv2 log");
    }
}
