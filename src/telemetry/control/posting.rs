//! Samples on their way in: what the service fills in, and what it refuses (specification: ingestion).

use std::borrow::Cow;

use super::Caller;
use super::refusals::invalid_input;
use crate::config::telemetry::SAMPLE_SOURCE;
use crate::telemetry::model::{BatchBuilder, MessageId, Meter, MeterType, Owner, Point, metadata};
use crate::telemetry::policy::{CREATE_SAMPLES, PUBLISH};
use crate::telemetry::store::schema::NAME_LENGTH;
use crate::time::Timestamp;
use crate::{Error, Result};

/// A posted sample, which [`post`] completes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Posted<'a> {
    /// Name of the meter.
    pub counter_name: Cow<'a, str>,
    /// Its type.
    pub counter_type: Cow<'a, str>,
    /// Its unit.
    pub counter_unit: Cow<'a, str>,
    /// The value, finite.
    pub counter_volume: f64,
    /// Id of the resource.
    pub resource_id: Cow<'a, str>,
    /// Id of the project; the caller's where it is left out.
    pub project_id: Option<Cow<'a, str>>,
    /// Id of the user; the caller's where it is left out.
    pub user_id: Option<Cow<'a, str>>,
    /// The source; the configured one where it is left out, and always with the project before it.
    pub source: Option<Cow<'a, str>>,
    /// When it was measured; now where it is left out.
    pub timestamp: Option<Instant>,
    /// Flat metadata.
    pub metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The id, which must be left out.
    pub message_id: Option<Cow<'a, str>>,
}

/// A time with the text in which it is repeated to its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant {
    /// The time.
    pub at: Timestamp,
    /// The text, in ISO form with the offset that the sender gave.
    pub text: String,
}

/// Stores the samples of one meter, all or none, and fills in what their sender left out.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] with the first thing that is wrong, those of the store.
pub fn post(caller: &Caller<'_>, meter_name: &str, samples: &mut [Posted<'_>]) -> Result<()> {
    caller.enforce(&CREATE_SAMPLES)?;
    let now = Timestamp::now();
    let limited_to = caller.limited_to();
    let default_source = caller.config.text(&SAMPLE_SOURCE);
    let given = |text: &str| (!text.is_empty()).then(|| Cow::Owned(text.to_owned()));
    let mut ids = caller.telemetry.message_ids.take(now, samples.len());
    let mut builder = BatchBuilder::new(now, false);
    for sample in samples {
        if sample.counter_name != meter_name {
            return Err(invalid_input("counter_name", &sample.counter_name, &format!("should be {meter_name}")));
        }
        if let Some(id) = sample.message_id.as_deref().filter(|id| !id.is_empty()) {
            return Err(invalid_input("message_id", id, "The message_id must not be set"));
        }
        let kind = meter_type("counter_type", &sample.counter_type)?;
        let filled = |value: &mut Option<Cow<'_, str>>| value.take_if(|value| value.is_empty()).is_none();
        if !filled(&mut sample.user_id) || sample.user_id.is_none() {
            sample.user_id = given(&caller.context.user_id);
        }
        if !filled(&mut sample.project_id) || sample.project_id.is_none() {
            sample.project_id = given(&caller.context.project_id);
        }
        let project = sample.project_id.as_deref();
        let source = sample.source.as_deref().filter(|source| !source.is_empty()).unwrap_or(default_source);
        let source = format!("{}:{source}", project.unwrap_or("None"));
        if limited_to.is_some_and(|own| Some(own) != project) {
            let reason = "can not post samples to other projects";
            return Err(invalid_input("project_id", project.unwrap_or("None"), reason));
        }
        let owner = Owner {
            project_id: project.map(str::to_owned),
            user_id: sample.user_id.as_deref().map(str::to_owned),
            source: source.clone(),
        };
        let name = sample.counter_name.clone().into_owned();
        let meter = Meter { name, kind, unit: sample.counter_unit.clone().into_owned() };
        check_names(&meter, &sample.resource_id, &owner)?;
        let body = metadata::nest(sample.metadata.iter().map(|(key, value)| (key.as_ref(), value.as_ref())));
        let instant = sample.timestamp.get_or_insert_with(|| Instant { at: now, text: now.iso_short() });
        let id = ids.next().ok_or_else(|| Error::internal("there are fewer ids than samples"))?;
        sample.message_id = Some(Cow::Owned(id.text()));
        sample.source = Some(Cow::Owned(source));
        let point = Point {
            meter: builder.meter(&meter),
            resource: builder.resource(&sample.resource_id),
            owner: builder.owner(&owner),
            metadata: builder.metadata(&body),
            at: instant.at,
            volume: sample.counter_volume,
            id,
        };
        builder.push(point);
    }
    caller.telemetry.store.record(builder.finish()).map(|_| ())
}

/// A sample as agents publish it, with its own id and its owner as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Name of the meter.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its unit.
    pub unit: String,
    /// The value, finite.
    pub volume: f64,
    /// Id of the resource.
    pub resource_id: String,
    /// For whom and by whom.
    pub owner: Owner,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// Nested metadata.
    pub metadata: serde_json::Value,
    /// Its id.
    pub id: String,
}

/// Stores published samples, all or none; those whose id is stored already are left out. Whoever may publish may do so
/// for every project, everybody else for the own one.
///
/// # Errors
/// As [`post`].
pub fn publish(caller: &Caller<'_>, samples: &[Published]) -> Result<()> {
    let limited_to = match caller.enforce(&PUBLISH) {
        Ok(()) => None,
        Err(_) => {
            caller.enforce(&CREATE_SAMPLES)?;
            caller.limited_to()
        }
    };
    let mut builder = BatchBuilder::new(Timestamp::now(), true);
    for sample in samples {
        let project = sample.owner.project_id.as_deref();
        if limited_to.is_some_and(|own| Some(own) != project) {
            let reason = "can not post samples to other projects";
            return Err(invalid_input("project_id", project.unwrap_or("None"), reason));
        }
        let kind = meter_type("type", &sample.kind)?;
        let meter = Meter { name: sample.name.clone(), kind, unit: sample.unit.clone() };
        check_names(&meter, &sample.resource_id, &sample.owner)?;
        check_name("id", &sample.id)?;
        let body = metadata::sorted(&sample.metadata);
        let point = Point {
            meter: builder.meter(&meter),
            resource: builder.resource(&sample.resource_id),
            owner: builder.owner(&sample.owner),
            metadata: builder.metadata(&body),
            at: sample.timestamp,
            volume: sample.volume,
            id: MessageId::parse(&sample.id),
        };
        builder.push(point);
    }
    caller.telemetry.store.record(builder.finish()).map(|_| ())
}

fn meter_type(field: &str, name: &str) -> Result<MeterType> {
    MeterType::parse(name).ok_or_else(|| {
        let names = MeterType::ALL.map(MeterType::name).join(", ");
        invalid_input(field, name, &format!("The counter type must be: {names}"))
    })
}

fn check_names(meter: &Meter, resource_id: &str, owner: &Owner) -> Result<()> {
    check_name("counter_name", &meter.name)?;
    check_name("counter_unit", &meter.unit)?;
    check_name("resource_id", resource_id)?;
    check_name("project_id", owner.project_id.as_deref().unwrap_or(""))?;
    check_name("user_id", owner.user_id.as_deref().unwrap_or(""))?;
    check_name("source", &owner.source)
}

/// Names have to fit their columns, on every engine alike.
pub(super) fn check_name(field: &str, name: &str) -> Result<()> {
    let most = usize::from(NAME_LENGTH);
    if name.len() > most && name.chars().count() > most {
        return Err(invalid_input(field, name, &format!("Value is longer than {most} characters.")));
    }
    if name.contains('\0') {
        return Err(invalid_input(field, name, "Value holds a character that can not be stored."));
    }
    Ok(())
}
