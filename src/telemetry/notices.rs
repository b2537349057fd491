//! What is kept and told of what happens to alarms, as the configuration says. The notifications themselves are made where
//! alarms are written (`store/alarms/chronicle.rs`), and delivered by the long-lived processes that have alarms to look after.

use crate::config::{Config, alarms as options};
use crate::messaging::{Mailbox, Outbox};
use crate::telemetry::store::alarms::Chronicle;

/// What a configuration wants to be kept and told.
pub fn chronicle(config: &Config) -> Chronicle {
    Chronicle {
        record_history: config.boolean(&options::RECORD_HISTORY),
        outbox: Outbox::within(config, Mailbox::ALARMS),
    }
}
