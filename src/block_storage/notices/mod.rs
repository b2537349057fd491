//! What Block Storage tells the rest of a cloud: the notifications of Cinder, field by field. Each is put into the outbox by
//! the transaction that changes what it is about, so that it exists exactly where the change does. Without a driver nothing
//! is looked up and nothing is written. Not here: how notifications travel (`messaging/`).

mod audit;
mod backups;
mod context;
mod groups;
mod scheduler;
mod snapshots;
mod types;
mod volumes;

pub use audit::{Audit, audit, capacity};
pub use context::{of_caller, of_requester};
pub use scheduler::Unplaced;
pub use types::{Refused, repr};

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use crate::database::Transaction;
use crate::error::Result;
use crate::messaging::{Notification, Outbox, Priority};

/// Who tells something, on whose behalf.
#[derive(Debug, Clone)]
pub struct Notices<'a> {
    outbox: Cow<'a, Outbox>,
    /// The host that tells it.
    host: Cow<'a, str>,
    context: Map<String, Json>,
}

impl<'a> Notices<'a> {
    /// What `host` tells on behalf of a caller. `context` is asked only where somebody listens.
    pub fn new(
        outbox: Cow<'a, Outbox>,
        host: impl Into<Cow<'a, str>>,
        context: impl FnOnce() -> Map<String, Json>,
    ) -> Self {
        let context = if outbox.is_open() { context() } else { Map::new() };
        Self { outbox, host: host.into(), context }
    }

    /// The same, told by another host.
    #[must_use]
    pub fn by(&self, host: impl Into<Cow<'a, str>>) -> Self {
        Self { host: host.into(), ..self.clone() }
    }

    /// The same with every right, as Cinder's services have it in some of their work.
    #[must_use]
    pub fn elevated(mut self) -> Self {
        context::elevate(&mut self.context);
        self
    }

    /// Whether nobody listens.
    pub fn is_off(&self) -> bool {
        !self.outbox.is_open()
    }

    /// Tells that something happened.
    ///
    /// # Errors
    /// As all statements, as all functions of this type.
    pub fn tell(&self, tx: &mut Transaction<'_>, service: &str, event_type: &str, payload: Json) -> Result<()> {
        self.put(tx, service, event_type, Priority::Info, payload)
    }

    /// Tells that something failed.
    pub fn warn(&self, tx: &mut Transaction<'_>, service: &str, event_type: &str, payload: Json) -> Result<()> {
        self.put(tx, service, event_type, Priority::Error, payload)
    }

    fn put(
        &self,
        tx: &mut Transaction<'_>,
        service: &str,
        event_type: &str,
        priority: Priority,
        payload: Json,
    ) -> Result<()> {
        if self.is_off() {
            return Ok(());
        }
        let notification = Notification {
            publisher_id: format!("{service}.{}", self.host),
            event_type: event_type.to_owned(),
            priority,
            payload,
        };
        self.outbox.put(tx, &notification, &context::now(&self.context))
    }
}

/// A payload of a record's columns, each under the name that it has in notifications.
fn payload(record: &Map<String, Json>, names: &[(&str, &str)]) -> Map<String, Json> {
    let of = |column: &str| record.get(column).cloned().unwrap_or(Json::Null);
    names.iter().map(|(name, column)| ((*name).to_owned(), of(column))).collect()
}

/// A time of a record as Cinder's objects write it, which know their zone.
fn zoned(value: Json) -> Json {
    match value {
        Json::String(text) => format!("{text}+00:00").into(),
        other => other,
    }
}

/// Puts a zone to the time `name` of a payload.
fn zone(payload: &mut Map<String, Json>, name: &str) {
    if let Some(value) = payload.get_mut(name) {
        *value = zoned(value.take());
    }
}
