//! Events: what happened, with traits, which are typed values by name (specification: events).

use super::expression::Comparison;
use crate::time::Timestamp;

/// The type of a trait's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TraitKind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Float,
    /// An instant.
    Time,
}

impl TraitKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Integer, Self::Float, Self::Time];

    /// The number that agents send for it, and that the store keeps.
    pub const fn code(self) -> i64 {
        match self {
            Self::Text => 1,
            Self::Integer => 2,
            Self::Float => 3,
            Self::Time => 4,
        }
    }

    /// The kind of that number.
    pub fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Time => "datetime",
        }
    }
}

/// The value of a trait.
#[derive(Debug, Clone, PartialEq)]
pub enum TraitValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A finite number.
    Float(f64),
    /// An instant.
    Time(Timestamp),
}

impl TraitValue {
    /// Its type.
    pub const fn kind(&self) -> TraitKind {
        match self {
            Self::Text(_) => TraitKind::Text,
            Self::Integer(_) => TraitKind::Integer,
            Self::Float(_) => TraitKind::Float,
            Self::Time(_) => TraitKind::Time,
        }
    }
}

/// One trait of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Trait {
    /// Its name; an event has one trait of a name and a type.
    pub name: String,
    /// Its value.
    pub value: TraitValue,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id, by which a second one is known to be the same.
    pub message_id: String,
    /// What happened: `volume.create.end`.
    pub event_type: String,
    /// When.
    pub generated: Timestamp,
    /// Its traits; sorted by name where they come from the store.
    pub traits: Vec<Trait>,
    /// The notification that it was made of, as JSON text, where it is kept.
    pub raw: Option<String>,
}

impl Event {
    /// The text of the trait of this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.traits.iter().rev().find_map(|one| match &one.value {
            TraitValue::Text(text) if one.name == name => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Name and type of a trait.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TraitDescription {
    /// The name.
    pub name: String,
    /// The type.
    pub kind: TraitKind,
}

/// Whose events are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's.
    #[default]
    All,
    /// Those whose trait `project_id` is this one, and those without it.
    ProjectOrNone(String),
    /// Those whose traits `project_id` and `user_id` are these.
    User {
        /// Id of the project.
        project_id: String,
        /// Id of the user.
        user_id: String,
    },
}

/// A set of events. What is `None` limits nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventFilter {
    /// Whose.
    pub whose: Whose,
    /// What happened.
    pub event_type: Option<String>,
    /// The id of the one event that is meant.
    pub message_id: Option<String>,
    /// The first instant that counts.
    pub from: Option<Timestamp>,
    /// The last instant that counts.
    pub to: Option<Timestamp>,
    /// What must hold of the traits, all of it.
    pub traits: Vec<TraitTest>,
}

/// An event has a trait of this name and of the value's type that compares so with the value.
#[derive(Debug, Clone, PartialEq)]
pub struct TraitTest {
    /// The name.
    pub name: String,
    /// How the trait compares with the value.
    pub comparison: Comparison,
    /// The value.
    pub value: TraitValue,
}
