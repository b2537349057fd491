//! Samples on their way in: what repeats among them stands once (specification: ingestion).

use std::collections::HashMap;

use super::message_id::MessageId;
use super::sample::{Meter, MeterType, Owner};
use crate::time::Timestamp;

/// Samples that are stored together or not at all. What repeats among them stands once in a list, and [`Point`]s name
/// its place in that list.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Different meters.
    pub meters: Vec<Meter>,
    /// Different ids of resources.
    pub resources: Vec<String>,
    /// Different owners.
    pub owners: Vec<Owner>,
    /// Different metadata, each as JSON text with sorted keys.
    pub metadata: Vec<String>,
    /// The samples.
    pub points: Vec<Point>,
    /// Whether the ids were given by the sender, so that a sample may have come before.
    pub may_repeat: bool,
    /// When the batch arrived.
    pub recorded_at: Timestamp,
}

impl Batch {
    /// The places of the samples in the order in which they are stored: by series, as they come first, then by time.
    pub fn places_in_order_of_series(&self) -> Vec<usize> {
        let mut series: HashMap<(usize, usize, usize), usize> = HashMap::new();
        let number = |(place, point): (usize, &Point)| {
            let next = series.len();
            (*series.entry((point.meter, point.owner, point.resource)).or_insert(next), point.at, place)
        };
        let mut keys: Vec<(usize, Timestamp, usize)> = self.points.iter().enumerate().map(number).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, _, place)| place).collect()
    }
}

/// One sample of a [`Batch`].
#[derive(Debug, Clone)]
pub struct Point {
    /// Place of its meter.
    pub meter: usize,
    /// Place of its resource.
    pub resource: usize,
    /// Place of its owner.
    pub owner: usize,
    /// Place of its metadata.
    pub metadata: usize,
    /// When it was measured.
    pub at: Timestamp,
    /// The value, always finite.
    pub volume: f64,
    /// Its id.
    pub id: MessageId,
}

/// Puts a [`Batch`] together.
#[derive(Debug)]
pub struct BatchBuilder {
    batch: Batch,
    meters: HashMap<Meter, usize>,
    resources: HashMap<String, usize>,
    owners: HashMap<Owner, usize>,
    metadata: HashMap<String, usize>,
}

impl BatchBuilder {
    /// A batch that arrived at `recorded_at`; `may_repeat` as in [`Batch::may_repeat`].
    pub fn new(recorded_at: Timestamp, may_repeat: bool) -> Self {
        let batch = Batch {
            meters: Vec::new(),
            resources: Vec::new(),
            owners: Vec::new(),
            metadata: Vec::new(),
            points: Vec::new(),
            may_repeat,
            recorded_at,
        };
        Self {
            batch,
            meters: HashMap::new(),
            resources: HashMap::new(),
            owners: HashMap::new(),
            metadata: HashMap::new(),
        }
    }

    /// The place of a meter. Most samples are of the same one as the sample before.
    pub fn meter(&mut self, name: &str, kind: MeterType, unit: &str) -> usize {
        let is_same = |meter: &Meter| meter.name == name && meter.kind == kind && meter.unit == unit;
        let last = self.batch.points.last().map(|point| point.meter);
        if let Some(last) = last.filter(|last| self.batch.meters.get(*last).is_some_and(is_same)) {
            return last;
        }
        let meter = Meter { name: name.to_owned(), kind, unit: unit.to_owned() };
        place(&mut self.meters, &mut self.batch.meters, &meter)
    }

    /// The place of a resource.
    pub fn resource(&mut self, id: &str) -> usize {
        match self.resources.get(id) {
            Some(place) => *place,
            None => place(&mut self.resources, &mut self.batch.resources, &id.to_owned()),
        }
    }

    /// The place of an owner.
    pub fn owner(&mut self, project_id: Option<&str>, user_id: Option<&str>, source: &str) -> usize {
        let is_same = |owner: &Owner| {
            owner.project_id.as_deref() == project_id && owner.user_id.as_deref() == user_id && owner.source == source
        };
        let last = self.batch.points.last().map(|point| point.owner);
        if let Some(last) = last.filter(|last| self.batch.owners.get(*last).is_some_and(is_same)) {
            return last;
        }
        let (project_id, user_id) = (project_id.map(str::to_owned), user_id.map(str::to_owned));
        place(&mut self.owners, &mut self.batch.owners, &Owner { project_id, user_id, source: source.to_owned() })
    }

    /// The place of metadata, which are JSON text with sorted keys.
    pub fn metadata(&mut self, body: &str) -> usize {
        match self.metadata.get(body) {
            Some(place) => *place,
            None => place(&mut self.metadata, &mut self.batch.metadata, &body.to_owned()),
        }
    }

    /// Appends a sample.
    pub fn push(&mut self, point: Point) {
        self.batch.points.push(point);
    }

    /// The batch.
    pub fn finish(self) -> Batch {
        self.batch
    }
}

fn place<T: Clone + Eq + std::hash::Hash>(places: &mut HashMap<T, usize>, list: &mut Vec<T>, item: &T) -> usize {
    if let Some(place) = places.get(item) {
        return *place;
    }
    list.push(item.clone());
    places.insert(item.clone(), list.len() - 1);
    list.len() - 1
}

#[cfg(test)]
mod tests {
    use super::{BatchBuilder, MessageId, MeterType, Point, Timestamp};

    #[test]
    fn samples_are_in_order_by_series_as_they_come_first_and_then_by_time() {
        let mut builder = BatchBuilder::new(Timestamp(0), false);
        for (resource, owner, at) in [("b", "u", 5), ("a", "u", 1), ("b", "u", 4), ("b", "v", 0), ("a", "u", 1)] {
            let (meter, metadata) = (builder.meter("cpu", MeterType::Gauge, "%"), builder.metadata("{}"));
            let (resource, owner) = (builder.resource(resource), builder.owner(None, Some(owner), "s"));
            let id = MessageId::Text(String::new());
            builder.push(Point { meter, resource, owner, metadata, at: Timestamp(at), volume: 0.0, id });
        }
        let batch = builder.finish();
        assert_eq!(batch.places_in_order_of_series(), [2, 0, 1, 4, 3]);
        assert_eq!((batch.meters.len(), batch.resources.len(), batch.owners.len(), batch.metadata.len()), (1, 2, 2, 1));
    }
}
