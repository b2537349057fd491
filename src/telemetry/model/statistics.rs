//! What may be asked of a set of samples, and the answer (specification: statistics).

use super::filter::Filter;
use super::moments::Moments;
use crate::time::Timestamp;

/// By what samples are put in groups.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Grouping {
    /// The user.
    User,
    /// The project.
    Project,
    /// The source.
    Source,
    /// The resource.
    Resource,
    /// An entry of the metadata, by its path.
    Metadata(String),
}

impl Grouping {
    /// Reads the name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "user_id" => Self::User,
            "project_id" => Self::Project,
            "source" => Self::Source,
            "resource_id" => Self::Resource,
            _ => Self::Metadata(text.strip_prefix("resource_metadata.").filter(|key| !key.is_empty())?.to_owned()),
        })
    }

    /// The name on the wire.
    pub fn name(&self) -> String {
        match self {
            Self::User => "user_id".to_owned(),
            Self::Project => "project_id".to_owned(),
            Self::Source => "source".to_owned(),
            Self::Resource => "resource_id".to_owned(),
            Self::Metadata(key) => format!("resource_metadata.{key}"),
        }
    }
}

/// A selectable aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// The greatest volume.
    Max,
    /// The smallest volume.
    Min,
    /// The sum of the volumes.
    Sum,
    /// Their mean.
    Avg,
    /// The number of samples.
    Count,
    /// The standard deviation of the population.
    Stddev,
    /// The number of different values of an attribute.
    Cardinality,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Max, Self::Min, Self::Sum, Self::Avg, Self::Count, Self::Stddev, Self::Cardinality];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Stddev => "stddev",
            Self::Cardinality => "cardinality",
        }
    }

    /// The function of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == text)
    }
}

/// An aggregate that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// The function.
    pub function: Function,
    /// Its parameter, repeated in the answer; only cardinality makes use of it.
    pub parameter: Option<String>,
    /// What cardinality counts.
    pub counted: Option<Grouping>,
}

/// A question for statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Which samples; the meter's name is always given.
    pub filter: Filter,
    /// Seconds of a bucket, above 0; `None`: no buckets.
    pub period: Option<i64>,
    /// Where the first bucket begins; `None`: at the first sample.
    pub start: Option<Timestamp>,
    /// By what the samples are put in groups; none twice.
    pub groupings: Vec<Grouping>,
    /// What cardinality counts; none twice.
    pub counted: Vec<Grouping>,
    /// The most statistics of an answer; more are an error.
    pub most: usize,
}

/// One statistic: of one group, one unit and one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistic {
    /// The unit.
    pub unit: String,
    /// The values of the groupings, in their order.
    pub group: Vec<Option<String>>,
    /// Where its bucket begins; without buckets, its first sample.
    pub period_start: Timestamp,
    /// Where its bucket ends; without buckets, its last sample.
    pub period_end: Timestamp,
    /// Count, sums and extremes.
    pub moments: Moments,
    /// The numbers of different values, in the order of [`Question::counted`].
    pub counted: Vec<i64>,
}
