//! JSON that borrows its texts from the body: posted samples come by the thousand, and most of their texts are not kept.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Tree<'a>>),
    /// An object; a repeated key stands as often as it came.
    Object(Vec<(Cow<'a, str>, Tree<'a>)>),
}

impl<'a> Tree<'a> {
    /// Reads a body.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The same value, with texts of its own.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Integer(value) => Value::from(*value),
            Self::Real(value) => Value::from(*value),
            Self::Text(value) => Value::from(value.as_ref()),
            Self::List(items) => items.iter().map(Self::to_value).collect(),
            Self::Object(pairs) => {
                Value::Object(pairs.iter().map(|(key, value)| (key.to_string(), value.to_value())).collect())
            }
        }
    }

    /// The name of its type in Python.
    pub(super) fn python_type(&self) -> &'static str {
        match self {
            Self::Null => "NoneType",
            Self::Bool(_) => "bool",
            Self::Integer(_) => "int",
            Self::Real(_) => "float",
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Object(_) => "dict",
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Tree<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree<'de>, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree<'de>, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree<'de>, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree<'de>, E> {
        Ok(i64::try_from(value).map_or(Tree::Real(value as f64), Tree::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree<'de>, E> {
        Ok(Tree::Real(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree<'de>, A::Error> {
        let mut pairs = Vec::with_capacity(12);
        while let Some((Key(key), value)) = map.next_entry()? {
            pairs.push((key, value));
        }
        Ok(Tree::Object(pairs))
    }
}

/// A key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Tree::deserialize(deserializer)? {
            Tree::Text(text) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("a key that is no text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cow, Tree};

    #[test]
    fn texts_without_escapes_are_borrowed() {
        let body = br#"{"a": ["x", "y\n", 1, 2.5, null, true, 18446744073709551615]}"#;
        let tree = Tree::read(body).unwrap();
        let Tree::Object(pairs) = &tree else { panic!("{tree:?}") };
        let Some((Cow::Borrowed("a"), Tree::List(items))) = pairs.first() else { panic!("{tree:?}") };
        assert!(matches!(items[..2], [Tree::Text(Cow::Borrowed("x")), Tree::Text(Cow::Owned(_))]));
        assert_eq!(tree.to_value(), serde_json::json!({"a": ["x", "y\n", 1, 2.5, null, true, 18446744073709551615.0]}));
    }

    #[test]
    fn what_is_no_json_or_nests_too_deep_is_refused() {
        assert!(Tree::read(b"{").is_err());
        assert!(Tree::read(b"[1] 2").is_err());
        assert!(Tree::read("[".repeat(100_000).as_bytes()).is_err());
    }
}
