//! Stores what comes in otherwise than by the API, each thing once however often it comes: first samples, then events, then the
//! alarms that wait for these. A crash between them loses nothing, for whoever sent them sends them again, and repeats
//! nothing: samples and events are known by their ids, those that are made of a notification have ids that follow from its.

use super::messages::Incoming;
use crate::config::Config;
use crate::config::telemetry::SAMPLE_SOURCE;
use crate::database::Database;
use crate::service::fault;
use crate::telemetry::definitions::{Definitions, Measured, Notification};
use crate::telemetry::model::metadata::sorted;
use crate::telemetry::model::{BatchBuilder, Event, MessageId, Meter, Owner, Point};
use crate::telemetry::notices;
use crate::telemetry::store::Store;
use crate::telemetry::store::alarms::Chronicle;
use crate::telemetry::store::schema::holds_name;
use crate::time::Timestamp;
use crate::{Error, Result};

/// Keeps samples and events.
pub struct Keeper {
    store: Store,
    definitions: Definitions,
    /// The source of samples that name none.
    pub(super) source: String,
    /// What is kept and told of alarms that events fire.
    chronicle: Chronicle,
}

/// What comes in together.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrived {
    pub(super) samples: Vec<Incoming>,
    pub(super) events: Vec<Event>,
}

impl Arrived {
    pub(super) fn append(&mut self, mut other: Self) {
        self.samples.append(&mut other.samples);
        self.events.append(&mut other.events);
    }
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
            chronicle: notices::chronicle(config),
        })
    }

    /// Stores what notifications mean.
    ///
    /// # Errors
    /// Those of the store.
    pub fn keep(&self, notifications: &[Notification]) -> Result<()> {
        let mut all = Arrived::default();
        notifications.iter().for_each(|notification| all.append(self.meaning(notification)));
        self.store(&all)
    }

    /// What a notification means. What does not fit the store is left out, with a line in the log.
    pub(super) fn meaning(&self, notification: &Notification) -> Arrived {
        let measured = self.definitions.samples(notification).into_iter().enumerate();
        let samples = measured.map(|(place, measured)| self.sample(notification, place, measured));
        Arrived {
            samples: samples.filter(|sample| told("a sample", &sample.id, check_sample(sample))).collect(),
            events: self
                .definitions
                .event(notification)
                .into_iter()
                .filter(|event| told("an event", &event.message_id, check_event(event)))
                .collect(),
        }
    }

    fn sample(&self, notification: &Notification, place: usize, measured: Measured) -> Incoming {
        let Measured { name, kind, unit, volume, resource_id, project_id, user_id, at, metadata } = measured;
        let id = format!("{}/{name}/{place}", notification.message_id());
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, id.as_bytes()).to_string();
        let owner = Owner { project_id, user_id, source: self.source.clone() };
        Incoming { meter: Meter { name, kind, unit }, owner, resource_id, at, volume, metadata, id }
    }

    /// Stores what came in together: samples, then events, and fires the alarms that wait for these. What is stored already is
    /// left out.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn store(&self, arrived: &Arrived) -> Result<()> {
        let mut builder = BatchBuilder::new(Timestamp::now(), true);
        for sample in &arrived.samples {
            let owner = &sample.owner;
            let point = Point {
                meter: builder.meter(&sample.meter.name, sample.meter.kind, &sample.meter.unit),
                resource: builder.resource(&sample.resource_id),
                owner: builder.owner(owner.project_id.as_deref(), owner.user_id.as_deref(), &owner.source),
                metadata: builder.metadata(&sorted(&sample.metadata)),
                at: sample.at,
                volume: sample.volume,
                id: MessageId::parse(&sample.id),
            };
            builder.push(point);
        }
        self.store.record(builder.finish())?;
        fault::point("telemetry.after_samples");
        if arrived.events.is_empty() {
            return Ok(());
        }
        self.store.record_events(&arrived.events)?;
        fault::point("telemetry.after_events");
        self.store.events_arrived(&arrived.events, &self.chronicle).map(|_| ())
    }
}

/// Whether something is right; a line of the log says what is dropped, and why.
fn told(what: &str, id: &str, checked: Result<()>) -> bool {
    let right = checked.is_ok();
    if let Err(error) = checked {
        log::warn!("{what} of a notification is dropped ({id}): {error}");
    }
    right
}

/// Refuses a sample whose names the store can not hold.
pub(super) fn check_sample(sample: &Incoming) -> Result<()> {
    let Incoming { meter, owner, resource_id, id, .. } = sample;
    let names = [&meter.name, &meter.unit, resource_id, id, &owner.source];
    check(names.into_iter().chain(&owner.project_id).chain(&owner.user_id).map(String::as_str))
}

/// Refuses an event whose names the store can not hold.
pub(super) fn check_event(event: &Event) -> Result<()> {
    let owners = ["project_id", "user_id"].into_iter().filter_map(|name| event.text(name));
    let names = [event.message_id.as_str(), event.event_type.as_str()].into_iter().chain(owners);
    check(names.chain(event.traits.iter().map(|one| one.name.as_str())))
}

fn check<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<()> {
    if names.into_iter().all(holds_name) { Ok(()) } else { Err(Error::invalid("its names are too long")) }
}
