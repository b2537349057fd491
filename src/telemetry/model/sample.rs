//! Meters, owners, and samples as they are read from the store (specification: shapes).

use crate::time::Timestamp;

/// How a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeterType {
    /// A value of the moment.
    Gauge,
    /// A change since the sample before.
    Delta,
    /// A count that grows.
    Cumulative,
}

impl MeterType {
    /// All of them, in the order in which the service lists them.
    pub const ALL: [Self; 3] = [Self::Gauge, Self::Delta, Self::Cumulative];

    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Delta => "delta",
            Self::Cumulative => "cumulative",
        }
    }

    /// The type of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Meter {
    /// Its name.
    pub name: String,
    /// How it counts.
    pub kind: MeterType,
    /// Its unit, free text.
    pub unit: String,
}

/// For whom, and by whom, something was measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Id of the project, where there is one.
    pub project_id: Option<String>,
    /// Id of the user, where there is one.
    pub user_id: Option<String>,
    /// Where the sample comes from.
    pub source: String,
}

/// One stored sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its id, as it came.
    pub id: String,
    /// Its meter.
    pub meter: Meter,
    /// Id of the resource.
    pub resource_id: String,
    /// For whom and by whom.
    pub owner: Owner,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// When it was stored, to the millisecond.
    pub recorded_at: Timestamp,
    /// The value.
    pub volume: f64,
    /// Its metadata, as JSON text.
    pub metadata: String,
}

/// One meter of one resource, as its newest sample shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesState {
    /// The meter.
    pub meter: Meter,
    /// Id of the resource; `None` where all resources are meant.
    pub resource_id: Option<String>,
    /// For whom and by whom; `None` where everybody is meant.
    pub owner: Option<Owner>,
}

/// One resource, as its newest sample shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceState {
    /// Its id.
    pub resource_id: String,
    /// For whom and by whom.
    pub owner: Owner,
    /// Time of its earliest sample.
    pub first_sample: Timestamp,
    /// Time of its latest sample.
    pub last_sample: Timestamp,
    /// The newest metadata, as JSON text.
    pub metadata: String,
    /// Names of the meters that it has samples of, sorted.
    pub meters: Vec<String>,
}
