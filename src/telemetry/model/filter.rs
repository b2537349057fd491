//! Which samples are meant: what the simple query (`q`) and the route say together (specification: simple query).

use crate::time::Timestamp;

/// A set of samples. What is `None` limits nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Name of the meter.
    pub meter: Option<String>,
    /// Id of the resource.
    pub resource_id: Option<String>,
    /// Id of the project; an inner `None` means samples without one.
    pub project_id: Option<Option<String>>,
    /// Id of the user; an inner `None` means samples without one.
    pub user_id: Option<Option<String>>,
    /// The source.
    pub source: Option<String>,
    /// Id of the one sample that is meant.
    pub message_id: Option<String>,
    /// The first instant that counts.
    pub from: Option<Timestamp>,
    /// The first instant that counts no more.
    pub until: Option<Timestamp>,
    /// What must hold of the metadata, all of it.
    pub metadata: Vec<MetadataTest>,
}

impl Filter {
    /// The first instant that counts, or the first of all.
    pub fn begin(&self) -> Timestamp {
        self.from.unwrap_or(Timestamp(i64::MIN))
    }

    /// The first instant that counts no more, or the last of all.
    pub fn end(&self) -> Timestamp {
        self.until.unwrap_or(Timestamp(i64::MAX))
    }

    /// Whether `at` lies in the range of time.
    pub fn spans(&self, at: Timestamp) -> bool {
        self.begin() <= at && at < self.end()
    }
}

/// One entry of the metadata has this value.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataTest {
    /// The entry's path: names joined by points, places in lists in brackets (`a.b[0]`).
    pub key: String,
    /// The value; entries of another type are never equal to it.
    pub value: MetadataValue,
}

/// A value to compare an entry of the metadata with.
#[derive(Debug, Clone, PartialEq)]
pub enum MetadataValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A truth value.
    Boolean(bool),
}
