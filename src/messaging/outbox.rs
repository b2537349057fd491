//! Where a service puts its notifications. Without a driver nothing is written, and nothing needs to be made.

use serde_json::Value as Json;

use super::notification::Notification;
use crate::config::{Config, Opt, alarms, notifications as options};
use crate::database::Transaction;
use crate::database::outbox::{self, New};
use crate::error::Result;

/// The driver that sends nothing.
const NOOP: &str = "noop";

/// Whose notifications they are. Those of each lie apart, also where databases are shared, and go to an exchange of their own.
#[derive(Debug, Clone, Copy)]
pub struct Mailbox {
    /// What stands before the names of drivers in the table.
    prefix: &'static str,
    /// The exchange of RabbitMQ.
    pub(super) exchange: &'static Opt,
}

impl Mailbox {
    /// Those of Block Storage.
    pub const STORAGE: Self = Self { prefix: "", exchange: &options::CONTROL_EXCHANGE };
    /// Those of alarms.
    pub const ALARMS: Self = Self { prefix: "alarms:", exchange: &alarms::CONTROL_EXCHANGE };

    /// The name in the table for what a driver gets.
    pub fn place(&self, driver: &str) -> String {
        format!("{}{driver}", self.prefix)
    }

    /// The driver of a name in the table, where it is of this mailbox.
    pub fn driver<'p>(&self, place: &'p str) -> Option<&'p str> {
        place.strip_prefix(self.prefix).filter(|driver| !driver.contains(':'))
    }
}

/// The drivers that get what is put in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outbox {
    drivers: Vec<String>,
    /// Their names in the table.
    places: Vec<String>,
}

impl Outbox {
    /// The outbox of a configuration for Block Storage. Costs next to nothing where no driver is named.
    pub fn of(config: &Config) -> Self {
        Self::within(config, Mailbox::STORAGE)
    }

    /// The outbox of a configuration for others.
    pub fn within(config: &Config, mailbox: Mailbox) -> Self {
        let mut drivers: Vec<String> = Vec::new();
        for driver in config.list(&options::DRIVER) {
            if driver != NOOP && !drivers.contains(driver) {
                drivers.push(driver.clone());
            }
        }
        let places = drivers.iter().map(|driver| mailbox.place(driver)).collect();
        Self { drivers, places }
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
        self.places.iter().try_for_each(|place| outbox::put(tx, place, &new))
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

    #[test]
    fn mailboxes_lie_apart() {
        let config = Config::from_text("[oslo_messaging_notifications]\ndriver = log\n").unwrap();
        assert_eq!(Outbox::of(&config).places, ["log"]);
        assert_eq!(Outbox::within(&config, Mailbox::ALARMS).places, ["alarms:log"]);
        assert_eq!((Mailbox::STORAGE.driver("alarms:log"), Mailbox::ALARMS.driver("alarms:log")), (None, Some("log")));
        assert_eq!((Mailbox::STORAGE.driver("log"), Mailbox::ALARMS.driver("log")), (Some("log"), None));
    }
}
