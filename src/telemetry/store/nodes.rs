//! What statistics add up by: streams and series, each with the group that it belongs to.

use std::collections::HashMap;

use super::pieces::Turns;
use super::remembered::Stream;
use super::scope::Scope;
use super::sums::{Group, Place, Sums};
use crate::telemetry::model::cell::SECOND;
use crate::telemetry::model::{Buckets, Grouping, Level, Moments, Question};
use crate::time::Timestamp;

/// Whether a question needs series; else streams are enough.
pub(super) fn is_by_series(question: &Question, scope: &Scope) -> bool {
    scope.is_of_a_resource() || is_by_metadata(question) || by_resource(question)
}

/// Whether the names of resources are asked for.
pub(super) fn by_resource(question: &Question) -> bool {
    question.groupings.contains(&Grouping::Resource) || question.counted.contains(&Grouping::Resource)
}

/// Whether metadata make a difference.
pub(super) fn is_by_metadata(question: &Question) -> bool {
    let by_metadata = |by: &Grouping| matches!(by, Grouping::Metadata(_));
    !question.filter.metadata.is_empty() || question.groupings.iter().any(by_metadata)
}

/// A stream or a series on its way into the sums.
pub(super) struct Node {
    group: u32,
    counted: Vec<Option<u32>>,
    /// Moments of a series' latest day, with that day's number.
    pub(super) open: Option<(i64, Moments)>,
}

/// The sums, with buckets that begin where the question says, or at `first`; without any where there is no sample at all.
pub(super) fn sums<'t>(
    question: &Question,
    first: Option<Timestamp>,
    horizon: Timestamp,
    turns: Turns<'t>,
) -> Sums<'t> {
    let range = (question.filter.begin(), question.filter.end());
    let start = question.start.or(first.map(|first| hour_of(first, horizon)));
    let length = |period: i64| period.saturating_mul(SECOND);
    let buckets = question.period.zip(start).map(|(period, start)| Buckets { start, length: length(period) });
    Sums::new(buckets, range, question.most, turns)
}

/// Makes nodes.
#[derive(Default)]
pub(super) struct Nodes {
    /// Numbers of the texts that cardinality counts.
    texts: HashMap<String, u32>,
}

impl Nodes {
    /// A node of a stream, or of a series of it.
    pub(super) fn node(
        &mut self,
        question: &Question,
        sums: &mut Sums,
        stream: &Stream,
        resource: Option<&str>,
        by_metadata: Option<Vec<Option<String>>>,
    ) -> Node {
        let (unit, owner) = (&stream.meter.unit, &stream.owner);
        let mut by_metadata = by_metadata.unwrap_or_default().into_iter();
        let mut value = |by: &Grouping| match by {
            Grouping::User => owner.user_id.clone(),
            Grouping::Project => owner.project_id.clone(),
            Grouping::Source => Some(owner.source.clone()),
            Grouping::Resource => resource.map(str::to_owned),
            Grouping::Metadata(_) => by_metadata.next().flatten(),
        };
        let values = question.groupings.iter().map(|by| value(by).map(String::into_boxed_str)).collect();
        let group = sums.group(Group { unit: unit.as_str().into(), values });
        let texts = &mut self.texts;
        let mut number = |text: String| {
            let next = u32::try_from(texts.len()).unwrap_or(u32::MAX);
            *texts.entry(text).or_insert(next)
        };
        let counted = question.counted.iter().map(|by| value(by).map(&mut number)).collect();
        Node { group, counted, open: None }
    }
}

pub(super) fn place(node: &Node) -> Place<'_> {
    Place { group: node.group, counted: &node.counted }
}

/// The beginning of the hour of an instant before `horizon`; another instant itself.
pub(super) fn hour_of(at: Timestamp, horizon: Timestamp) -> Timestamp {
    match Level::Hour.length() {
        Some(length) if at < horizon => Timestamp(Level::Hour.cell(at).saturating_mul(length)),
        _ => at,
    }
}
