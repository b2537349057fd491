//! How notifications become samples and events: definitions in the form of Ceilometer's `meters.d` and
//! `event_definitions.yaml` (specification: from notification to sample). Hearth's own are in `shipped/`; files of the
//! configuration come before them. Not here: where notifications come from, and where samples and events go.

mod event;
mod glob;
mod meter;
mod path;
mod plugin;
mod yaml;

use serde_json::{Map, Value as Json, json};

use crate::config::{Config, telemetry as options};
use crate::telemetry::model::{Event, MeterType};
use crate::time::Timestamp;
use crate::{Error, Result};

use event::EventDefinition;
use meter::MeterDefinition;

/// Hearth's own definitions of meters.
const METERS: &str = include_str!("shipped/meters.yaml");
/// Hearth's own definitions of events.
const EVENTS: &str = include_str!("shipped/event_definitions.yaml");

/// A notification, in the form in which definitions look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// `event_type`, `publisher_id`, `payload`, `metadata` (`message_id`, `timestamp`) and `ctxt`.
    body: Json,
    event_type: String,
    message_id: String,
    at: Timestamp,
    /// `info` or `error`.
    priority: String,
}

impl Notification {
    /// A message of oslo.messaging with its context apart.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where it has no type, no id or no time.
    pub fn new(message: &Map<String, Json>, context: Json) -> Result<Self> {
        let text = |name: &str| {
            let text = message.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| Error::invalid(format!("a notification without {name}")))
        };
        let (event_type, message_id, time) = (text("event_type")?, text("message_id")?, text("timestamp")?);
        let at = Timestamp::parse(&time).ok_or_else(|| Error::invalid(format!("a notification of the time {time}")))?;
        let body = json!({
            "event_type": event_type,
            "publisher_id": message.get("publisher_id"),
            "payload": message.get("payload"),
            "metadata": {"message_id": message_id, "timestamp": time},
            "ctxt": context,
        });
        let priority = message.get("priority").and_then(Json::as_str).unwrap_or("info").to_ascii_lowercase();
        Ok(Self { body, event_type, message_id, at, priority })
    }

    /// Its id.
    pub fn message_id(&self) -> &str {
        &self.message_id
    }
}

/// A sample as a definition makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Name of the meter.
    pub name: String,
    /// How it counts.
    pub kind: MeterType,
    /// Its unit.
    pub unit: String,
    /// The value, finite.
    pub volume: f64,
    /// Id of the resource.
    pub resource_id: String,
    /// Id of the project, where one is known.
    pub project_id: Option<String>,
    /// Id of the user, where one is known.
    pub user_id: Option<String>,
    /// When it was measured.
    pub at: Timestamp,
    /// Its metadata, an object.
    pub metadata: Json,
}

/// All definitions that are in force.
#[derive(Debug)]
pub struct Definitions {
    meters: Vec<MeterDefinition>,
    /// The first one that names a type counts.
    events: Vec<EventDefinition>,
    keep_unmatched: bool,
    /// The priorities of notifications that are kept with their events.
    raw: Vec<String>,
}

impl Definitions {
    /// Those of the configuration before Hearth's own.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] with file and definition, where one can not be understood.
    pub fn load(config: &Config) -> Result<Self> {
        let mut definitions = Self {
            meters: Vec::new(),
            events: Vec::new(),
            keep_unmatched: !config.boolean(&options::DROP_UNMATCHED_NOTIFICATIONS),
            raw: config.list(&options::STORE_RAW).iter().map(|level| level.to_ascii_lowercase()).collect(),
        };
        for folder in config.list(&options::METER_DEFINITIONS_DIRS) {
            for file in yaml::files(folder)? {
                definitions.add_meters(&yaml::read(&file)?, &file)?;
            }
        }
        definitions.add_meters(&yaml::parse(METERS, "meters.yaml")?, "meters.yaml")?;
        match config.opt_text(&options::EVENT_DEFINITIONS).filter(|file| !file.is_empty()) {
            Some(file) => definitions.add_events(&yaml::read(file)?, file)?,
            None => {
                definitions.add_events(&yaml::parse(EVENTS, "event_definitions.yaml")?, "event_definitions.yaml")?
            }
        }
        Ok(definitions)
    }

    /// Adds those of a file whose meter nobody defined before; of two in one file the later one counts.
    fn add_meters(&mut self, file: &Json, name: &str) -> Result<()> {
        let rows = file.get("metric").and_then(Json::as_array);
        let rows = rows.ok_or_else(|| Error::invalid(format!("{name}: there is no list named metric")))?;
        for row in rows.iter().rev() {
            let definition = MeterDefinition::read(row)
                .map_err(|error| Error::invalid(format!("{name}: {}: {row}", error.public())))?;
            if !self.meters.iter().any(|known| known.name == definition.name) {
                self.meters.push(definition);
            }
        }
        Ok(())
    }

    fn add_events(&mut self, file: &Json, name: &str) -> Result<()> {
        let rows = file.as_array().ok_or_else(|| Error::invalid(format!("{name}: this is no list")))?;
        for row in rows.iter().rev() {
            let definition = EventDefinition::read(row)
                .map_err(|error| Error::invalid(format!("{name}: {}: {row}", error.public())))?;
            self.events.push(definition);
        }
        Ok(())
    }

    /// The samples that a notification means.
    pub fn samples(&self, notification: &Notification) -> Vec<Measured> {
        let meters = self.meters.iter().filter(|meter| meter.is_for(&notification.event_type));
        meters.flat_map(|meter| meter.samples(notification)).collect()
    }

    /// The event that a notification means; `None` where no definition wants it.
    pub fn event(&self, notification: &Notification) -> Option<Event> {
        let definition = self.events.iter().find(|definition| definition.is_for(&notification.event_type));
        let traits = match definition {
            Some(definition) => definition.traits(notification),
            None if self.keep_unmatched => event::default_traits(notification),
            None => return None,
        };
        Some(Event {
            message_id: notification.message_id.clone(),
            event_type: notification.event_type.clone(),
            generated: notification.at,
            traits,
            raw: self.raw.contains(&notification.priority).then(|| notification.body.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::model::TraitValue;

    fn shipped() -> Definitions {
        Definitions::load(&Config::from_text("").unwrap()).unwrap()
    }

    fn notification(event_type: &str, payload: &Json) -> Notification {
        let message = json!({"event_type": event_type, "publisher_id": "volume.host@file", "payload": payload,
            "message_id": "m", "timestamp": "2026-11-22 13:45:01.250000", "priority": "INFO"});
        let Json::Object(message) = message else { unreachable!() };
        let context = json!({"request_id": "req-1", "project_id": "asking", "user_id": "someone"});
        Notification::new(&message, context).unwrap()
    }

    #[test]
    fn a_volume_is_a_sample_of_its_size_and_an_event_with_its_traits() {
        let payload = json!({"volume_id": "v", "tenant_id": "p", "user_id": "u", "size": 5, "display_name": "data",
            "volume_type": "t", "status": "available", "availability_zone": "nova", "host": "h@file#pool",
            "created_at": "2026-11-22T13:44:00+00:00", "replication_status": null,
            "glance_metadata": [{"key": "min_ram", "value": "0"}, {"key": "image_id", "value": "img"}],
            "volume_attachment": [{"server_id": "srv"}]});
        let notification = notification("volume.create.end", &payload);
        let [sample] = shipped().samples(&notification).try_into().unwrap();
        assert_eq!((sample.name.as_str(), sample.kind, sample.unit.as_str()), ("volume.size", MeterType::Gauge, "GiB"));
        assert_eq!((sample.volume, sample.resource_id.as_str()), (5.0, "v"));
        assert_eq!((sample.project_id.as_deref(), sample.user_id.as_deref()), (Some("p"), Some("u")));
        let metadata = json!({"display_name": "data", "volume_type": "t", "volume_type_id": "t", "image_id": "img",
            "instance_id": "srv"});
        assert_eq!(sample.metadata, metadata);
        assert_eq!(sample.at.iso(), "2026-11-22T13:45:01.250000");
        let event = shipped().event(&notification).unwrap();
        let traits: Vec<(&str, &TraitValue)> = event.traits.iter().map(|one| (one.name.as_str(), &one.value)).collect();
        for (name, value) in [
            ("service", "volume.host@file"),
            ("request_id", "req-1"),
            ("project_id", "p"),
            ("tenant_id", "p"),
            ("user_id", "u"),
            ("resource_id", "v"),
            ("host", "h@file#pool"),
            ("type", "t"),
            ("display_name", "data"),
            ("status", "available"),
            ("availability_zone", "nova"),
            ("image_id", "img"),
            ("instance_id", "srv"),
        ] {
            assert!(traits.contains(&(name, &TraitValue::Text(value.to_owned()))), "{name} in {traits:?}");
        }
        assert!(traits.contains(&("size", &TraitValue::Integer(5))));
        let created = Timestamp::parse("2026-11-22T13:44:00").unwrap();
        assert!(traits.contains(&("created_at", &TraitValue::Time(created))));
        assert_eq!((traits.len(), event.raw.as_deref()), (15, None));
    }

    #[test]
    fn what_no_definition_names_is_an_event_with_the_default_traits() {
        let notification = notification("volume_type.create", &json!({"volume_types": {}}));
        assert_eq!(shipped().samples(&notification), []);
        let event = shipped().event(&notification).unwrap();
        assert_eq!(event.text("project_id"), Some("asking"));
        assert_eq!(event.traits.len(), 5);
        let strict = Config::from_text("[event]\ndrop_unmatched_notifications = true\nstore_raw = info").unwrap();
        let strict = Definitions::load(&strict).unwrap();
        assert_eq!(strict.event(&notification), None);
        let kept = strict.event(&super::tests::notification("volume.delete.end", &json!({"volume_id": "v"}))).unwrap();
        assert!(kept.raw.is_some_and(|raw| raw.contains("\"volume_id\":\"v\"")));
    }

    #[test]
    fn snapshots_backups_pools_and_backends_have_meters() {
        let payload = json!({"snapshot_id": "s", "backup_id": "b", "volume_size": 2, "size": 3, "tenant_id": "p",
            "user_id": "u", "name_to_id": "h@file#pool", "total": 9.5, "free": 8, "allocated": 1, "provisioned": 1,
            "virtual_free": 7});
        let made = |event_type: &str| {
            let mut made: Vec<(String, f64, String)> = shipped()
                .samples(&notification(event_type, &payload))
                .into_iter()
                .map(|sample| (sample.name, sample.volume, sample.resource_id))
                .collect();
            made.sort_by(|one, other| one.0.cmp(&other.0));
            made
        };
        assert_eq!(made("snapshot.delete.start"), [("snapshot.size".to_owned(), 2.0, "s".to_owned())]);
        assert_eq!(made("backup.restore.end"), [("backup.size".to_owned(), 3.0, "b".to_owned())]);
        assert_eq!(made("capacity.pool").len(), 5);
        assert_eq!(made("capacity.backend")[4].0, "volume.provider.capacity.virtual_free");
        let pool = shipped().samples(&notification("capacity.pool", &payload));
        assert!(pool.iter().all(|sample| sample.metadata == json!({"provider": "h@file"})));
    }

    #[test]
    fn a_sample_without_volume_or_resource_is_none() {
        let definitions = shipped();
        for payload in
            [json!({"volume_id": "v"}), json!({"size": 1}), json!({"volume_id": "v", "size": null}), json!(5)]
        {
            assert_eq!(definitions.samples(&notification("volume.exists", &payload)), []);
        }
    }
}
