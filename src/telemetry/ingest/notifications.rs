//! Notifications of this cloud's Block Storage as samples and events, without a broker: the listener of the driver
//! `hearth_telemetry`. A notification that comes again, because somebody crashed in between, is stored once.

use serde_json::{Map, Value as Json};

use super::Keeper;
use crate::database::outbox::Waiting;
use crate::messaging::{Heard, Listener};
use crate::telemetry::definitions::Notification;
use crate::{Error, Result};

impl Listener for Keeper {
    fn hear(&mut self, batch: &[Waiting]) -> Heard {
        let mut notifications = Vec::with_capacity(batch.len());
        for waiting in batch {
            match read(waiting) {
                Ok(notification) => notifications.push(notification),
                Err(error) => log::error!("notification {} is dropped: {error}", waiting.id),
            }
        }
        match self.keep(&notifications) {
            Ok(()) => Heard::all(batch),
            Err(error) => Heard::only(0, error),
        }
    }
}

fn read(waiting: &Waiting) -> Result<Notification> {
    let message: Map<String, Json> = serde_json::from_str(&waiting.message).map_err(Error::internal)?;
    let context: Json = serde_json::from_str(&waiting.context).map_err(Error::internal)?;
    Notification::new(&message, context)
}
