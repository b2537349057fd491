//! The plain model of the store: a list of samples, and every answer computed from all of them.

use std::collections::{BTreeMap, BTreeSet};

use hearth::telemetry::model::{
    Batch, BatchBuilder, Filter, Grouping, MessageId, MetadataValue, Meter, MeterType, Owner, Point, Question,
    Statistic,
};
use hearth::time::Timestamp;
use serde_json::Value as Json;

/// One sample, in full.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct One {
    pub(crate) id: String,
    pub(crate) meter: Meter,
    pub(crate) resource: String,
    pub(crate) owner: Owner,
    pub(crate) at: i64,
    /// In 64ths, so that sums of doubles are exact in any order.
    pub(crate) volume64: i64,
    pub(crate) metadata: Json,
}

impl One {
    pub(crate) fn volume(&self) -> f64 {
        self.volume64 as f64 / 64.0
    }
}

/// A batch of these samples.
pub(crate) fn batch(samples: &[One], recorded_at: i64) -> Batch {
    let mut builder = BatchBuilder::new(Timestamp(recorded_at), true);
    for one in samples {
        let owner = &one.owner;
        let point = Point {
            meter: builder.meter(&one.meter.name, one.meter.kind, &one.meter.unit),
            resource: builder.resource(&one.resource),
            owner: builder.owner(owner.project_id.as_deref(), owner.user_id.as_deref(), &owner.source),
            metadata: builder.metadata(&one.metadata.to_string()),
            at: Timestamp(one.at),
            volume: one.volume(),
            id: MessageId::parse(&one.id),
        };
        builder.push(point);
    }
    builder.finish()
}

/// A source of numbers that are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from((self.0 >> 11) % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.below(items.len() as i64)).unwrap()].clone()
    }

    pub(crate) fn chance(&mut self, one_in: i64) -> bool {
        self.below(one_in) == 0
    }
}

/// The first instant of the samples.
pub(crate) const BEGIN: i64 = 1_420_102_800_123_456;
const HOUR: i64 = 3_600_000_000;

/// A sample of a small world, so that much repeats.
pub(crate) fn sample(random: &mut Random, number: i64) -> One {
    let meter = |name: &str, kind, unit: &str| Meter { name: name.into(), kind, unit: unit.into() };
    let meters = [
        meter("volume.size", MeterType::Gauge, "GB"),
        meter("volume.size", MeterType::Gauge, "GiB"),
        meter("cpu", MeterType::Cumulative, "ns"),
    ];
    let owner = |project: Option<&str>, user: Option<&str>, source: &str| Owner {
        project_id: project.map(str::to_owned),
        user_id: user.map(str::to_owned),
        source: source.to_owned(),
    };
    let owners = [
        owner(Some("p1"), Some("u1"), "p1:openstack"),
        owner(Some("p1"), Some("u2"), "p1:openstack"),
        owner(Some("p2"), None, "p2:hearth"),
        owner(None, Some("u1"), "None:openstack"),
    ];
    let metadata = [
        serde_json::json!({}),
        serde_json::json!({"size": 5, "status": "ok"}),
        serde_json::json!({"size": "5", "status": "error", "flavor": {"name": "m1", "ram": 0.5}}),
    ];
    let resource = format!("r{}", random.below(5));
    // Most samples come in order of time; some are late by days, and some are early.
    let hour = if random.chance(5) { random.below(24 * 20) } else { number / 6 };
    // Few different instants, so that samples share one, and some on the very edge of an hour and of a day.
    let within = random.pick(&[0, 0, 600_000_000, 1_234_567_890, HOUR - 1]);
    let edge = if random.chance(4) { BEGIN.rem_euclid(24 * HOUR) } else { 0 };
    One {
        id: match random.below(4) {
            0 => format!("message-{number}"),
            1 => format!("{:08x}-0000-4000-8000-00000000000{}", number, random.below(9)),
            // In two of the eras that the store keeps apart.
            _ => MessageId::clock_text(
                140_000_000_000_000_000 + ((number % 2) << 47) + number * 7,
                i64::MIN + random.below(2),
            ),
        },
        meter: random.pick(&meters),
        // A resource mostly belongs to one owner and keeps its metadata.
        owner: if random.chance(8) { random.pick(&owners) } else { owners[resource.len() % 2].clone() },
        metadata: if resource == "r1" { random.pick(&metadata) } else { metadata[1].clone() },
        resource,
        at: BEGIN + hour * HOUR + within - edge,
        volume64: random.below(200_000) - 100_000,
    }
}

/// Whether a filter means a sample.
pub(crate) fn means(filter: &Filter, one: &One) -> bool {
    filter.meter.as_ref().is_none_or(|name| *name == one.meter.name)
        && filter.resource_id.as_ref().is_none_or(|id| *id == one.resource)
        && filter.project_id.as_ref().is_none_or(|id| *id == one.owner.project_id)
        && filter.user_id.as_ref().is_none_or(|id| *id == one.owner.user_id)
        && filter.source.as_ref().is_none_or(|source| *source == one.owner.source)
        && filter.message_id.as_ref().is_none_or(|id| *id == one.id)
        && filter.spans(Timestamp(one.at))
        && filter.metadata.iter().all(|test| {
            let found = test.key.split('.').try_fold(&one.metadata, |json, name| json.get(name));
            found
                == Some(&match &test.value {
                    MetadataValue::Text(text) => Json::from(text.clone()),
                    MetadataValue::Integer(number) => Json::from(*number),
                    MetadataValue::Float(number) => Json::from(*number),
                    MetadataValue::Boolean(truth) => Json::from(*truth),
                })
        })
}

/// A question over the small world.
pub(crate) fn question(random: &mut Random) -> Question {
    let mut filter = Filter { meter: Some(random.pick(&["volume.size", "cpu"]).to_owned()), ..Filter::default() };
    let instant = |random: &mut Random| {
        let whole = random.below(24 * 20) * HOUR;
        Timestamp(random.pick(&[BEGIN + whole, BEGIN.div_euclid(24 * HOUR) * 24 * HOUR + whole, BEGIN + whole + 1]))
    };
    if random.chance(2) {
        filter.from = Some(instant(random));
    }
    if random.chance(2) {
        filter.until = Some(instant(random));
    }
    if random.chance(4) {
        filter.resource_id = Some(format!("r{}", random.below(6)));
    }
    if random.chance(4) {
        filter.project_id = Some(random.pick(&[Some("p1".to_owned()), Some("p2".to_owned()), None]));
    }
    if random.chance(8) {
        filter.user_id = Some(random.pick(&[Some("u1".to_owned()), None]));
    }
    if random.chance(8) {
        filter.source = Some("p2:hearth".to_owned());
    }
    if random.chance(5) {
        let tests = [
            ("status", MetadataValue::Text("ok".into())),
            ("size", MetadataValue::Integer(5)),
            ("size", MetadataValue::Text("5".into())),
            ("flavor.ram", MetadataValue::Float(0.5)),
        ];
        let (key, value) = random.pick(&tests);
        filter.metadata.push(hearth::telemetry::model::MetadataTest { key: key.to_owned(), value });
    }
    let mut groupings = Vec::new();
    let all = [
        Grouping::User,
        Grouping::Project,
        Grouping::Source,
        Grouping::Resource,
        Grouping::Metadata("flavor.name".to_owned()),
    ];
    for grouping in &all {
        if random.chance(5) {
            groupings.push(grouping.clone());
        }
    }
    let counted = if random.chance(3) { vec![Grouping::Resource, Grouping::User] } else { Vec::new() };
    let period = [None, Some(60), Some(3_600), Some(7_000), Some(86_400), Some(100_000), Some(86_400 * 365)];
    // Buckets begin where the caller says, also where that very instant does not count.
    let start = filter.from.map(|from| Timestamp(from.0 - random.below(2)));
    Question { filter, period: random.pick(&period), start, groupings, counted, most: 100_000 }
}

/// The value of an attribute.
fn attribute(one: &One, by: &Grouping) -> Option<String> {
    match by {
        Grouping::User => one.owner.user_id.clone(),
        Grouping::Project => one.owner.project_id.clone(),
        Grouping::Source => Some(one.owner.source.clone()),
        Grouping::Resource => Some(one.resource.clone()),
        Grouping::Metadata(key) => {
            let found = key.split('.').try_fold(&one.metadata, |json, name| json.get(name));
            found.map(|json| json.as_str().map_or_else(|| json.to_string(), str::to_owned))
        }
    }
}

/// A statistic in a form that can be compared: sums in 64ths.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plain {
    pub(crate) unit: String,
    pub(crate) group: Vec<Option<String>>,
    pub(crate) period: (i64, i64),
    pub(crate) count: i64,
    pub(crate) sum64: i64,
    pub(crate) squares4096: i128,
    pub(crate) extremes64: (i64, i64),
    pub(crate) duration: (i64, i64),
    pub(crate) counted: Vec<i64>,
}

impl From<Statistic> for Plain {
    fn from(statistic: Statistic) -> Self {
        let moments = statistic.moments;
        let whole = |value: f64| {
            assert_eq!((value * 64.0).fract(), 0.0, "{value} is no whole number of 64ths");
            (value * 64.0) as i64
        };
        Self {
            unit: statistic.unit,
            group: statistic.group,
            period: (statistic.period_start.0, statistic.period_end.0),
            count: moments.count,
            sum64: whole(moments.sum.value()),
            squares4096: (moments.squares.value() * 4096.0) as i128,
            extremes64: (whole(moments.min), whole(moments.max)),
            duration: (moments.first.0, moments.last.0),
            counted: statistic.counted,
        }
    }
}

/// Bucket, group and unit.
type Place = (i64, Vec<Option<String>>, String);

/// Answers a question from all samples, one by one.
pub(crate) fn statistics(samples: &[One], question: &Question) -> Vec<Plain> {
    let meant: Vec<&One> = samples.iter().filter(|one| means(&question.filter, one)).collect();
    let Some(first) = meant.iter().map(|one| one.at).min() else { return Vec::new() };
    let start = question.start.map_or(first, |start| start.0);
    let mut groups: BTreeMap<Place, Vec<&One>> = BTreeMap::new();
    for one in meant {
        let bucket = question.period.map_or(0, |period| (one.at - start).div_euclid(period * 1_000_000));
        let group = question.groupings.iter().map(|by| attribute(one, by)).collect();
        groups.entry((bucket, group, one.meter.unit.clone())).or_default().push(one);
    }
    let plain = |((bucket, group, unit), of): (Place, Vec<&One>)| {
        let (first, last) = (of.iter().map(|one| one.at).min().unwrap(), of.iter().map(|one| one.at).max().unwrap());
        let volumes = || of.iter().map(|one| one.volume64);
        let period = question.period.map(|period| period * 1_000_000);
        let counted = |by: &Grouping| {
            let values: BTreeSet<String> = of.iter().filter_map(|one| attribute(one, by)).collect();
            values.len() as i64
        };
        Plain {
            unit,
            group,
            period: period.map_or((first, last), |period| (start + bucket * period, start + (bucket + 1) * period)),
            count: of.len() as i64,
            sum64: volumes().sum(),
            squares4096: volumes().map(|volume| i128::from(volume) * i128::from(volume)).sum(),
            extremes64: (volumes().min().unwrap(), volumes().max().unwrap()),
            duration: (first, last),
            counted: question.counted.iter().map(counted).collect(),
        }
    };
    groups.into_iter().map(plain).collect()
}
