//! Expressions of the complex query over the attributes of samples (specification: complex query). A comparison with
//! nothing is neither true nor false, as in SQL.

use std::fmt;
use std::sync::Arc;

use crate::time::Timestamp;

/// An attribute of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// The source.
    Source,
    /// Name of the meter.
    Meter,
    /// How it counts.
    Type,
    /// Its unit.
    Unit,
    /// The value.
    Volume,
    /// Id of the user.
    User,
    /// Id of the project.
    Project,
    /// Id of the resource.
    Resource,
    /// When it was measured.
    Timestamp,
    /// When it was stored.
    RecordedAt,
    /// Its id.
    MessageId,
    /// Its signature, which is not kept: nothing.
    Signature,
    /// All metadata, as JSON text.
    AllMetadata,
    /// An entry of the metadata, by its path.
    Metadata(String),
}

impl Attribute {
    /// The attribute of a name on the wire, long or short.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "source" => Self::Source,
            "counter_name" | "meter" => Self::Meter,
            "counter_type" | "type" => Self::Type,
            "counter_unit" | "unit" => Self::Unit,
            "counter_volume" | "volume" => Self::Volume,
            "user_id" | "user" => Self::User,
            "project_id" | "project" => Self::Project,
            "resource_id" | "resource" => Self::Resource,
            "timestamp" => Self::Timestamp,
            "recorded_at" => Self::RecordedAt,
            "message_id" => Self::MessageId,
            "message_signature" => Self::Signature,
            "resource_metadata" => Self::AllMetadata,
            _ => {
                let key = name.strip_prefix("metadata.")?;
                (!key.is_empty() && !key.contains(char::is_whitespace)).then(|| Self::Metadata(key.to_owned()))?
            }
        })
    }
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// Reads an operator.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "=" => Self::Equal,
            "!=" => Self::Unequal,
            "<" => Self::Less,
            "<=" | "=<" => Self::AtMost,
            ">" => Self::Greater,
            ">=" | "=>" => Self::AtLeast,
            _ => return None,
        })
    }

    /// Whether the comparison holds of an ordering.
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Unequal => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A truth value.
    Boolean(bool),
    /// A time.
    Time(Timestamp),
}

/// A pattern that is looked for in texts.
#[derive(Clone)]
pub struct Pattern(pub Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pattern")
    }
}

/// An expression over attributes `A`; those of samples, where nothing else is said.
#[derive(Debug, Clone)]
pub enum Expression<A = Attribute> {
    /// All hold.
    And(Vec<Self>),
    /// One holds.
    Or(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// An attribute compares so with a value.
    Compare(A, Comparison, Operand),
    /// An attribute is one of these values.
    In(A, Vec<Operand>),
    /// A pattern is found in an attribute.
    Matches(A, Pattern),
}

impl<A> Expression<A> {
    /// The conditions of which all must hold: those of the outermost `and`s, else the expression alone.
    pub fn conditions(&self) -> Vec<&Self> {
        match self {
            Self::And(parts) => parts.iter().flat_map(Self::conditions).collect(),
            other => vec![other],
        }
    }
}

/// What is known of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// It compares with nothing.
    Neither,
    /// It depends on what is not known yet.
    Unknown,
}

impl Truth {
    /// Of a comparison whose outcome is known.
    pub fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Neither, _) | (_, Self::Neither) => Self::Neither,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    /// The opposite.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            other => other,
        }
    }

    /// One of both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.negated().and(other.negated()).negated()
    }
}

#[cfg(test)]
mod tests {
    use super::{Attribute, Truth};

    #[test]
    fn nothing_is_neither_equal_nor_different() {
        use Truth::{Neither, No, Unknown, Yes};
        assert_eq!(Neither.negated(), Neither);
        assert_eq!((Neither.and(Yes), Neither.and(No), Neither.or(Yes), Neither.or(No)), (Neither, No, Yes, Neither));
        assert_eq!(
            (Unknown.and(No), Unknown.or(Yes), Unknown.and(Neither), Unknown.negated()),
            (No, Yes, Unknown, Unknown)
        );
    }

    #[test]
    fn names_are_long_or_short() {
        assert_eq!(Attribute::parse("resource"), Attribute::parse("resource_id"));
        assert_eq!(Attribute::parse("metadata.a.b"), Some(Attribute::Metadata("a.b".to_owned())));
        for name in ["bogus", "metadata.", "metadata.a b", "resource_metadata.a", ""] {
            assert_eq!(Attribute::parse(name), None, "{name}");
        }
    }
}
