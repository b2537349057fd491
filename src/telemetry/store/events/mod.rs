//! The store of events: each once, by its message id, with typed traits.

mod read;
mod record;
pub(super) mod schema;

use crate::Result;
use crate::telemetry::model::{Event, EventFilter, Trait, TraitDescription};

use super::Store;

pub(super) use record::Recorder;

impl Store {
    /// Stores events, all or none, and returns when they are durable: how many were new. Those whose message id is stored
    /// already are left out.
    ///
    /// # Errors
    /// What the database gives; `Unavailable` where it stays busy.
    pub fn record_events(&self, events: &[Event]) -> Result<usize> {
        if events.is_empty() {
            return Ok(0);
        }
        self.events.record(&self.database, events)
    }

    /// The oldest events that the filter means, oldest first.
    ///
    /// # Errors
    /// As [`Store::samples`].
    pub fn events(&self, filter: &EventFilter, limit: usize) -> Result<Vec<Event>> {
        self.database.snapshot(|connection| read::events(connection, filter, limit, self.deadline()))
    }

    /// The types that there are events of, sorted.
    ///
    /// # Errors
    /// As [`Store::samples`].
    pub fn event_types(&self, limit: usize) -> Result<Vec<String>> {
        self.database.snapshot(|connection| read::event_types(connection, limit))
    }

    /// The traits that events of a type had, sorted by name; none where there is no such event.
    ///
    /// # Errors
    /// As [`Store::samples`].
    pub fn trait_descriptions(&self, event_type: &str, limit: usize) -> Result<Vec<TraitDescription>> {
        self.database.snapshot(|connection| read::trait_descriptions(connection, event_type, limit))
    }

    /// The values of the traits of one name of events of a type, those of the oldest events first.
    ///
    /// # Errors
    /// As [`Store::samples`].
    pub fn traits(&self, event_type: &str, name: &str, limit: usize) -> Result<Vec<Trait>> {
        self.database.snapshot(|connection| read::traits(connection, event_type, name, limit, self.deadline()))
    }
}
