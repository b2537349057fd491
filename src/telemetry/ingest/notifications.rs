//! Notifications of this cloud's Block Storage as samples and events, without a broker: the listener of the driver
//! `hearth_telemetry`. A notification that comes again, because somebody crashed in between, is stored once: its event has
//! its id, and its samples have ids that follow from it.

use serde_json::{Map, Value as Json};

use crate::config::Config;
use crate::config::alarms::RECORD_HISTORY;
use crate::config::telemetry::SAMPLE_SOURCE;
use crate::database::Database;
use crate::database::outbox::Waiting;
use crate::messaging::{Heard, Listener};
use crate::telemetry::definitions::{Definitions, Measured, Notification};
use crate::telemetry::model::{BatchBuilder, Event, MessageId, Meter, Owner, Point};
use crate::telemetry::store::Store;
use crate::telemetry::store::schema::holds_name;
use crate::time::Timestamp;
use crate::{Error, Result};

/// Keeps what notifications mean.
pub struct Keeper {
    store: Store,
    definitions: Definitions,
    /// The source of the samples.
    source: String,
    /// Whether alarms that events fire keep their history.
    record_history: bool,
}

impl Keeper {
    /// Over a database that has Telemetry's tables, with the definitions of the configuration.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where a definition can not be understood.
    pub fn new(config: &Config, database: Database) -> Result<Self> {
        let definitions = Definitions::load(config)?;
        Ok(Self {
            store: Store::new(database),
            definitions,
            source: config.text(&SAMPLE_SOURCE).to_owned(),
            record_history: config.boolean(&RECORD_HISTORY),
        })
    }

    /// Stores what notifications mean: their samples, then their events, and fires the alarms that wait for these. Between them a crash loses nothing, for whoever
    /// sent them sends them again.
    ///
    /// # Errors
    /// Those of the store.
    pub fn keep(&self, notifications: &[Notification]) -> Result<()> {
        let mut builder = BatchBuilder::new(Timestamp::now(), true);
        let mut events: Vec<Event> = Vec::with_capacity(notifications.len());
        for notification in notifications {
            for (place, sample) in self.definitions.samples(notification).into_iter().enumerate() {
                self.push(&mut builder, notification, place, sample);
            }
            events.extend(self.definitions.event(notification).filter(fits));
        }
        self.store.record(builder.finish())?;
        self.store.record_events(&events)?;
        self.store.events_arrived(&events, self.record_history).map(|_| ())
    }

    fn push(&self, builder: &mut BatchBuilder, notification: &Notification, place: usize, sample: Measured) {
        let Measured { name, kind, unit, volume, resource_id, project_id, user_id, at, metadata } = sample;
        let owner = Owner { project_id, user_id, source: self.source.clone() };
        let meter = Meter { name, kind, unit };
        let names = [&meter.name, &meter.unit, &resource_id].into_iter().chain(&owner.project_id).chain(&owner.user_id);
        if !names.into_iter().all(|name| holds_name(name)) {
            log::warn!("a sample of {} is dropped: its names are too long", notification.message_id());
            return;
        }
        let id = format!("{}/{}/{place}", notification.message_id(), meter.name);
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, id.as_bytes()).to_string();
        let point = Point {
            meter: builder.meter(&meter),
            resource: builder.resource(&resource_id),
            owner: builder.owner(&owner),
            metadata: builder.metadata(&crate::telemetry::model::metadata::sorted(&metadata)),
            at,
            volume,
            id: MessageId::parse(&id),
        };
        builder.push(point);
    }
}

/// Whether the store can hold an event's names.
fn fits(event: &Event) -> bool {
    let owners = ["project_id", "user_id"].into_iter().filter_map(|name| event.text(name));
    let names = [event.message_id.as_str(), event.event_type.as_str()].into_iter().chain(owners);
    let fits = names.chain(event.traits.iter().map(|one| one.name.as_str())).all(holds_name);
    if !fits {
        log::warn!("the event {} is dropped: its names are too long", event.message_id);
    }
    fits
}

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
