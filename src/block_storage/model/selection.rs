//! What of a list is asked for, as values: conditions, order, and the page. The stores make statements of it.

use crate::time::Timestamp;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// True or false.
    Truth,
    /// An instant.
    Time,
}

/// A column that lists may be filtered and sorted by.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in the query.
    pub name: &'static str,
    /// Its name in the table.
    pub column: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether it may hold nothing.
    pub nullable: bool,
    /// Whether it is a column of the volume that the object is of.
    pub of_volume: bool,
}

impl Column {
    /// A column that is called the same in query and table and may hold nothing.
    pub const fn new(column: &'static str, holds: Holds) -> Self {
        Self { name: column, column, holds, nullable: true, of_volume: false }
    }

    /// The same column by another name in the query.
    #[must_use]
    pub const fn called(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The same column, of the volume that the object is of.
    #[must_use]
    pub const fn of_volume(mut self) -> Self {
        self.of_volume = true;
        self
    }

    /// The same column, which always holds something.
    #[must_use]
    pub const fn filled(mut self) -> Self {
        self.nullable = false;
        self
    }
}

/// A value to compare a column with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Truth(bool),
    /// An instant.
    Time(Timestamp),
}

/// How two instants are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `gt`.
    Later,
    /// `gte`.
    LaterOrEqual,
    /// `eq`.
    Equal,
    /// `neq`.
    Unequal,
    /// `lt`.
    Earlier,
    /// `lte`.
    EarlierOrEqual,
}

impl Comparison {
    /// The comparison by its word in a query.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "gt" => Some(Self::Later),
            "gte" => Some(Self::LaterOrEqual),
            "eq" => Some(Self::Equal),
            "neq" => Some(Self::Unequal),
            "lt" => Some(Self::Earlier),
            "lte" => Some(Self::EarlierOrEqual),
            _ => None,
        }
    }
}

/// One condition; all conditions of a selection must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The column holds this value.
    Is(&'static Column, Scalar),
    /// The column holds anything but this text, or nothing.
    IsNot(&'static Column, String),
    /// The column holds text with this in it.
    Contains(&'static Column, String),
    /// The column holds an instant that compares so.
    Compares(&'static Column, Comparison, Timestamp),
    /// The column holds `host`, `host@backend` or `host@backend#pool` that begins with this one.
    Within(&'static Column, String),
    /// The object has this name and value among its metadata; for volumes the administrators' count too.
    HasMetadata(String, String),
    /// What the image said has this name and value.
    HasImageMetadata(String, String),
    /// The volume is not the target of a migration, which only administrators see.
    NoMigrationTarget,
    /// Never: what was asked for can not be.
    Never,
}

/// A key to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub by: &'static Column,
    /// Smallest first.
    pub ascending: bool,
}

/// What of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The project whose objects they are; `None` for every project.
    pub project_id: Option<String>,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// The order; the last key is the id, so that no two objects are equal.
    pub order: Vec<Order>,
    /// The id of the object after which the page begins.
    pub marker: Option<String>,
    /// At most so many objects.
    pub limit: i64,
    /// Objects to leave out after the marker.
    pub offset: i64,
}
