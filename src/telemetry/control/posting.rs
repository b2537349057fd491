//! Samples on their way in: what the service fills in, and what it refuses (specification: ingestion).

use std::borrow::Cow;

use super::Caller;
use super::refusals::invalid_input;
use crate::config::telemetry::SAMPLE_SOURCE;
use crate::telemetry::model::{BatchBuilder, MessageId, MeterType, Owner, Point, metadata};
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
    pub timestamp: Option<Instant<'a>>,
    /// Flat metadata.
    pub metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The id, which must be left out.
    pub message_id: Option<Cow<'a, str>>,
}

/// A time with the text in which it is repeated to its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant<'a> {
    /// The time.
    pub at: Timestamp,
    /// The text, in ISO form with the offset that the sender gave.
    pub text: Cow<'a, str>,
}

/// What [`post`] filled in.
#[derive(Debug)]
pub struct Filled {
    /// The time of samples that had none, in ISO form.
    pub now: String,
    /// Different owners.
    pub owners: Vec<Owner>,
    /// The place of the owner, and the id, of each sample.
    pub samples: Vec<(usize, MessageId)>,
}

/// Stores the samples of one meter, all or none, and answers what it filled in for what their sender left out.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] with the first thing that is wrong, those of the store.
pub fn post(caller: &Caller<'_>, meter_name: &str, samples: &[Posted<'_>]) -> Result<Filled> {
    caller.enforce(&CREATE_SAMPLES)?;
    let now = Timestamp::now();
    let limited_to = caller.limited_to();
    let default_source = caller.config.text(&SAMPLE_SOURCE);
    let own_project = Some(caller.context.project_id.as_str()).filter(|id| !id.is_empty());
    let own_user = Some(caller.context.user_id.as_str()).filter(|id| !id.is_empty());
    let mut builder = BatchBuilder::new(now, false);
    let mut source = String::new();
    let mut bodies = Bodies::default();
    for sample in samples {
        if sample.counter_name != meter_name {
            return Err(invalid_input("counter_name", &sample.counter_name, &format!("should be {meter_name}")));
        }
        if let Some(id) = given(sample.message_id.as_ref()) {
            return Err(invalid_input("message_id", id, "The message_id must not be set"));
        }
        let kind = meter_type("counter_type", &sample.counter_type)?;
        let user = given(sample.user_id.as_ref()).or(own_user);
        let project = given(sample.project_id.as_ref()).or(own_project);
        source.clear();
        source.extend([project.unwrap_or("None"), ":", given(sample.source.as_ref()).unwrap_or(default_source)]);
        if limited_to.is_some_and(|own| Some(own) != project) {
            let reason = "can not post samples to other projects";
            return Err(invalid_input("project_id", project.unwrap_or("None"), reason));
        }
        let names =
            Names { meter: meter_name, unit: &sample.counter_unit, resource: &sample.resource_id, project, user };
        names.check(&source)?;
        let resource = builder.resource(&sample.resource_id);
        let metadata = bodies.place(resource, &sample.metadata, |pairs| {
            Ok(builder.metadata(&metadata::nest(pairs.iter().map(|(key, value)| (key.as_ref(), value.as_ref())))))
        })?;
        let point = Point {
            meter: builder.meter(meter_name, kind, &sample.counter_unit),
            resource,
            owner: builder.owner(project, user, &source),
            metadata,
            at: sample.timestamp.as_ref().map_or(now, |instant| instant.at),
            volume: sample.counter_volume,
            id: MessageId::Text(String::new()),
        };
        builder.push(point);
    }
    let mut batch = builder.finish();
    let ids = caller.telemetry.message_ids.take(now, batch.points.len());
    // Ids follow each other in the order in which samples are stored, so that the index of ids grows at its end.
    batch.places_in_order_of_series().into_iter().zip(ids).for_each(|(place, id)| {
        if let Some(point) = batch.points.get_mut(place) {
            point.id = id;
        }
    });
    let filled = Filled {
        now: now.iso_short(),
        owners: batch.owners.clone(),
        samples: batch.points.iter().map(|point| (point.owner, point.id.clone())).collect(),
    };
    caller.telemetry.store.record(batch)?;
    Ok(filled)
}

/// Metadata of the resources of one batch as they came last: most samples of a resource have the same.
struct Bodies<'a, T>(Vec<Option<(&'a T, usize)>>);

impl<T> Default for Bodies<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'a, T: PartialEq> Bodies<'a, T> {
    /// The place of the metadata of a sample of the resource at `resource`, which `find` finds where they are others than the last.
    fn place(&mut self, resource: usize, body: &'a T, find: impl FnOnce(&'a T) -> Result<usize>) -> Result<usize> {
        if self.0.len() <= resource {
            self.0.resize_with(resource + 1, || None);
        }
        let Some(last) = self.0.get_mut(resource) else { return find(body) };
        match last {
            Some((same, place)) if *same == body => Ok(*place),
            _ => Ok(last.insert((body, find(body)?)).1),
        }
    }
}

/// A text that is not empty.
fn given<'a>(text: Option<&'a Cow<'_, str>>) -> Option<&'a str> {
    text.map(AsRef::as_ref).filter(|text| !text.is_empty())
}

/// A sample as agents publish it, with its own id and its owner as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Published<'a> {
    /// Name of the meter.
    pub name: Cow<'a, str>,
    /// Its type.
    pub kind: Cow<'a, str>,
    /// Its unit.
    pub unit: Cow<'a, str>,
    /// The value, finite.
    pub volume: f64,
    /// Id of the resource.
    pub resource_id: Cow<'a, str>,
    /// Id of the project, never empty.
    pub project_id: Option<Cow<'a, str>>,
    /// Id of the user, never empty.
    pub user_id: Option<Cow<'a, str>>,
    /// Where the sample comes from.
    pub source: Cow<'a, str>,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// Nested metadata, the JSON text of an object.
    pub metadata: Cow<'a, str>,
    /// Its id.
    pub id: Cow<'a, str>,
}

/// Stores published samples, all or none; those whose id is stored already are left out. Whoever may publish may do so
/// for every project, everybody else for the own one.
///
/// # Errors
/// As [`post`].
pub fn publish(caller: &Caller<'_>, samples: &[Published<'_>]) -> Result<()> {
    let limited_to = match caller.enforce(&PUBLISH) {
        Ok(()) => None,
        Err(_) => {
            caller.enforce(&CREATE_SAMPLES)?;
            caller.limited_to()
        }
    };
    let mut builder = BatchBuilder::new(Timestamp::now(), true);
    let mut bodies = Bodies::default();
    for sample in samples {
        let project = sample.project_id.as_deref();
        if limited_to.is_some_and(|own| Some(own) != project) {
            let reason = "can not post samples to other projects";
            return Err(invalid_input("project_id", project.unwrap_or("None"), reason));
        }
        let kind = meter_type("type", &sample.kind)?;
        let user = sample.user_id.as_deref();
        let names = Names { meter: &sample.name, unit: &sample.unit, resource: &sample.resource_id, project, user };
        names.check(&sample.source)?;
        check_name("id", &sample.id)?;
        let resource = builder.resource(&sample.resource_id);
        let metadata = bodies.place(resource, &sample.metadata, |text| {
            let body: serde_json::Value = serde_json::from_str(text).map_err(not_json)?;
            Ok(builder.metadata(&metadata::sorted(&body)))
        })?;
        let point = Point {
            meter: builder.meter(&sample.name, kind, &sample.unit),
            resource,
            owner: builder.owner(project, user, &sample.source),
            metadata,
            at: sample.timestamp,
            volume: sample.volume,
            id: MessageId::parse(&sample.id),
        };
        builder.push(point);
    }
    caller.telemetry.store.record(builder.finish()).map(|_| ())
}

/// The refusal of a body that is no JSON.
pub fn not_json(cause: serde_json::Error) -> Error {
    Error::invalid("Request is not in valid JSON format").because(cause)
}

fn meter_type(field: &str, name: &str) -> Result<MeterType> {
    MeterType::parse(name).ok_or_else(|| {
        let names = MeterType::ALL.map(MeterType::name).join(", ");
        invalid_input(field, name, &format!("The counter type must be: {names}"))
    })
}

/// The names of a sample.
struct Names<'a> {
    meter: &'a str,
    unit: &'a str,
    resource: &'a str,
    project: Option<&'a str>,
    user: Option<&'a str>,
}

impl Names<'_> {
    fn check(&self, source: &str) -> Result<()> {
        check_name("counter_name", self.meter)?;
        check_name("counter_unit", self.unit)?;
        check_name("resource_id", self.resource)?;
        check_name("project_id", self.project.unwrap_or(""))?;
        check_name("user_id", self.user.unwrap_or(""))?;
        check_name("source", source)
    }
}

/// Names have to fit their columns, on every engine alike.
pub(super) fn check_name(field: &str, name: &str) -> Result<()> {
    let most = usize::from(NAME_LENGTH);
    if name.len() > most && name.chars().count() > most {
        return Err(invalid_input(field, name, &format!("Value is longer than {most} characters.")));
    }
    if name.as_bytes().contains(&0) {
        return Err(invalid_input(field, name, "Value holds a character that can not be stored."));
    }
    Ok(())
}
