//! Where statistics add up: a slot for each bucket, group and unit that has samples.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::database::Turn;
use crate::telemetry::model::{Buckets, Moments, Statistic};
use crate::time::Timestamp;
use crate::{Error, Result};

use super::pieces::{MANY, PIECE, Turns};

/// A group and a unit.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub(super) unit: Arc<str>,
    pub(super) values: Box<[Option<Box<str>>]>,
}

/// The slots of one question.
pub(super) struct Sums<'a> {
    buckets: Option<Buckets>,
    from: Timestamp,
    until: Timestamp,
    most: usize,
    /// Takes a turn, once there are many slots.
    turn: Turns<'a>,
    taken: Option<Turn<'a>>,
    groups: Vec<Arc<Group>>,
    group_places: HashMap<Arc<Group>, u32>,
    slots: Vec<Slot>,
    slot_places: HashMap<(i64, u32), u32>,
    /// The slot that was used last: neighbours in time share one.
    last: Option<((i64, u32), u32)>,
}

/// There may be very many of them.
struct Slot {
    bucket: i64,
    group: u32,
    moments: Moments,
    counted: Box<[HashSet<u32>]>,
}

/// Where samples belong, apart from time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Number that [`Sums::group`] gave.
    pub(super) group: u32,
    /// Numbers of the values that cardinality counts; `None` where the attribute has no value.
    pub(super) counted: &'a [Option<u32>],
}

/// What to do with moments of which only the whole is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They were added.
    Added,
    /// All their samples are outside of the range of time.
    Outside,
    /// Some are outside, or they lie in different buckets: the parts must be known.
    Split,
}

impl<'a> Sums<'a> {
    pub(super) fn new(
        buckets: Option<Buckets>,
        (from, until): (Timestamp, Timestamp),
        most: usize,
        turn: Turns<'a>,
    ) -> Self {
        Self {
            buckets,
            from,
            until,
            most,
            turn,
            taken: None,
            groups: Vec::new(),
            group_places: HashMap::new(),
            slots: Vec::new(),
            slot_places: HashMap::new(),
            last: None,
        }
    }

    pub(super) fn range(&self) -> (Timestamp, Timestamp) {
        (self.from, self.until)
    }

    pub(super) fn buckets(&self) -> Option<Buckets> {
        self.buckets
    }

    /// The number of a group.
    pub(super) fn group(&mut self, group: Group) -> u32 {
        let groups = &mut self.groups;
        *self.group_places.entry(Arc::new(group)).or_insert_with_key(|group| {
            groups.push(Arc::clone(group));
            number(groups.len() - 1)
        })
    }

    /// Takes a turn, if it has not: there will be many slots.
    pub(super) fn take_turn(&mut self) {
        if self.taken.is_none() {
            self.taken = Some((self.turn)());
        }
    }

    /// Adds moments if all their samples belong to one bucket of the range.
    pub(super) fn offer(&mut self, place: Place<'_>, moments: &Moments) -> Result<Verdict> {
        if moments.is_empty() || moments.last < self.from || moments.first >= self.until {
            return Ok(Verdict::Outside);
        }
        if moments.first < self.from || moments.last >= self.until {
            return Ok(Verdict::Split);
        }
        let bucket = self.bucket(moments.first);
        if bucket != self.bucket(moments.last) {
            return Ok(Verdict::Split);
        }
        self.slot(bucket, place)?.moments.merge(moments);
        Ok(Verdict::Added)
    }

    /// Adds one sample, which is in the range.
    pub(super) fn add(&mut self, place: Place<'_>, at: Timestamp, volume: f64) -> Result<()> {
        let bucket = self.bucket(at);
        self.slot(bucket, place)?.moments.add(at, volume);
        Ok(())
    }

    fn bucket(&self, at: Timestamp) -> i64 {
        self.buckets.map_or(0, |buckets| buckets.number(at))
    }

    fn slot(&mut self, bucket: i64, place: Place<'_>) -> Result<&mut Slot> {
        let key = (bucket, place.group);
        let at = match self.last.filter(|(last, _)| *last == key) {
            Some((_, at)) => at,
            None => self.slot_place(key, place.counted.len())?,
        };
        self.last = Some((key, at));
        let slot =
            self.slots.get_mut(at as usize).ok_or_else(|| Error::internal("a slot of a statistic is not there"))?;
        for (set, value) in slot.counted.iter_mut().zip(place.counted) {
            if let Some(value) = value {
                set.insert(*value);
            }
        }
        Ok(slot)
    }

    fn slot_place(&mut self, key: (i64, u32), counted: usize) -> Result<u32> {
        if let Some(at) = self.slot_places.get(&key) {
            return Ok(*at);
        }
        if self.slots.len() >= self.most {
            return Err(Error::invalid(format!(
                "The statistics have more than {} rows: ask for a longer period, a shorter time or fewer groups.",
                self.most
            )));
        }
        if self.slots.len() == MANY {
            self.take_turn();
        }
        let (bucket, group) = key;
        let at = number(self.slots.len());
        let counted = (0..counted).map(|_| HashSet::new()).collect();
        self.slots.push(Slot { bucket, group, moments: Moments::default(), counted });
        self.slot_places.insert(key, at);
        Ok(at)
    }

    /// Gives the statistics, by bucket, then by group, then by unit, some at a time.
    pub(super) fn finish(self, give: &mut dyn FnMut(Vec<Statistic>) -> Result<()>) -> Result<()> {
        let Self { buckets, groups, mut slots, taken: _turn, .. } = self;
        let order = |slot: &Slot| {
            let group = groups.get(slot.group as usize);
            (slot.bucket, group.map(|group| &group.values), group.map(|group| &group.unit))
        };
        // No two are the same, and a stable sort would take room for half of them.
        slots.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        let statistic = |slot: &Slot| {
            let group = groups.get(slot.group as usize)?;
            let ends = |buckets: Buckets| (buckets.begin(slot.bucket), buckets.begin(slot.bucket.saturating_add(1)));
            let (period_start, period_end) = buckets.map_or((slot.moments.first, slot.moments.last), ends);
            let counted = slot.counted.iter().map(|set| i64::try_from(set.len()).unwrap_or(i64::MAX)).collect();
            let values = group.values.iter().map(|value| value.as_deref().map(str::to_owned));
            let (unit, group) = (group.unit.to_string(), values.collect());
            Some(Statistic { unit, group, period_start, period_end, moments: slot.moments, counted })
        };
        slots.chunks(PIECE).try_for_each(|piece| give(piece.iter().filter_map(statistic).collect()))
    }
}

/// A place among slots or groups, of which there are fewer than an answer may have rows, or than there are series.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
