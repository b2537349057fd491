//! A parameter of a statement, or a cell that was read: the types that all three engines share (design, section 7).

use std::borrow::Cow;

use crate::time::Timestamp;

/// One value on its way into a statement or out of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// SQL's NULL.
    Null,
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Real(f64),
    /// A truth value: 0 or 1 where the engine has no such type.
    Bool(bool),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes. Cells of text arrive as bytes too, until the row is asked for text.
    Bytes(Cow<'a, [u8]>),
    /// An instant, to the microsecond where the column keeps it.
    Time(Timestamp),
}

impl Value<'_> {
    /// The same value with its own copy of what it borrows.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Int(value) => Value::Int(value),
            Value::Real(value) => Value::Real(value),
            Value::Bool(value) => Value::Bool(value),
            Value::Text(value) => Value::Text(Cow::Owned(value.into_owned())),
            Value::Bytes(value) => Value::Bytes(Cow::Owned(value.into_owned())),
            Value::Time(value) => Value::Time(value),
        }
    }

    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Value::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Value::Text(Cow::Owned(value))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(value: Cow<'a, str>) -> Self {
        Value::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Value::Bytes(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Value::Bytes(Cow::Owned(value))
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<i32> for Value<'_> {
    fn from(value: i32) -> Self {
        Value::Int(value.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Value::Int(value.into())
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Value::Real(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(value: Timestamp) -> Self {
        Value::Time(value)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(value: &'a Option<String>) -> Self {
        value.as_deref().into()
    }
}

impl<'a> From<&'a Value<'_>> for Value<'a> {
    fn from(value: &'a Value<'_>) -> Self {
        match value {
            Value::Null => Value::Null,
            Value::Int(value) => Value::Int(*value),
            Value::Real(value) => Value::Real(*value),
            Value::Bool(value) => Value::Bool(*value),
            Value::Text(value) => Value::Text(Cow::Borrowed(value)),
            Value::Bytes(value) => Value::Bytes(Cow::Borrowed(value)),
            Value::Time(value) => Value::Time(*value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn an_absent_option_is_null_and_a_present_one_is_its_value() {
        assert!(Value::from(None::<&str>).is_null());
        assert_eq!(Value::from(Some(5_i64)), Value::Int(5));
        assert_eq!(Value::from(&Some(String::from("a"))), Value::from("a"));
    }
}
