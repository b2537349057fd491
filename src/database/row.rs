//! One row of an answer. Cells are read by position and, where the engine's driver lets them be, borrowed from its
//! buffer: nothing is allocated for a cell.

use std::borrow::Cow;

use super::drivers::Cells;
use super::value::Value;
use crate::time::Timestamp;
use crate::{Error, Result};

/// One row, valid until the next one is asked for.
pub struct Row<'a> {
    pub(super) cells: Cells<'a>,
}

impl Row<'_> {
    /// The cell at `column`, counted from 0. Text arrives as [`Value::Bytes`].
    ///
    /// # Errors
    /// `Internal` where there is no such column, or where it is of a type that no portable statement answers.
    pub fn value(&self, column: usize) -> Result<Value<'_>> {
        self.cells.value(column)
    }

    /// Text that is never NULL.
    ///
    /// # Errors
    /// As all readers of this type: `Internal` where the cell is of another type or, without `opt_`, NULL.
    pub fn text(&self, column: usize) -> Result<&str> {
        self.opt_text(column)?.ok_or_else(|| null(column))
    }

    /// Text or NULL.
    pub fn opt_text(&self, column: usize) -> Result<Option<&str>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Bytes(Cow::Borrowed(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(not_utf8(column)),
            },
            other => Err(mismatch(column, "text", &other)),
        }
    }

    /// Text that is never NULL, copied.
    pub fn string(&self, column: usize) -> Result<String> {
        self.text(column).map(str::to_owned)
    }

    /// Text or NULL, copied.
    pub fn opt_string(&self, column: usize) -> Result<Option<String>> {
        Ok(self.opt_text(column)?.map(str::to_owned))
    }

    /// As [`Row::string`], taken out of the row, where its driver holds it so that this saves a copy: to be asked for once.
    pub fn take_string(&mut self, column: usize) -> Result<String> {
        self.take_opt_string(column)?.ok_or_else(|| null(column))
    }

    /// As [`Row::opt_string`], taken out of the row as [`Row::take_string`] does.
    pub fn take_opt_string(&mut self, column: usize) -> Result<Option<String>> {
        match self.cells.take(column) {
            Some(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| not_utf8(column)),
            None => self.opt_string(column),
        }
    }

    /// A whole number that is never NULL.
    pub fn int(&self, column: usize) -> Result<i64> {
        self.opt_int(column)?.ok_or_else(|| null(column))
    }

    /// A whole number or NULL. Sums, which engines answer as decimals, are read as whole numbers where they are whole.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        let value = self.value(column)?;
        match &value {
            Value::Null => return Ok(None),
            Value::Int(value) => return Ok(Some(*value)),
            Value::Bool(value) => return Ok(Some(i64::from(*value))),
            Value::Real(real) if real.fract() == 0.0 && real.abs() < 9.0e15 => return Ok(Some(*real as i64)),
            Value::Bytes(bytes) => {
                let text = std::str::from_utf8(bytes).unwrap_or("");
                let whole = text
                    .split_once('.')
                    .map_or(text, |(whole, rest)| if rest.bytes().all(|digit| digit == b'0') { whole } else { text });
                if let Ok(value) = whole.parse() {
                    return Ok(Some(value));
                }
            }
            _ => {}
        }
        Err(mismatch(column, "a whole number", &value))
    }

    /// A number that is never NULL.
    pub fn real(&self, column: usize) -> Result<f64> {
        self.opt_real(column)?.ok_or_else(|| null(column))
    }

    /// A number or NULL.
    pub fn opt_real(&self, column: usize) -> Result<Option<f64>> {
        let value = self.value(column)?;
        match &value {
            Value::Null => return Ok(None),
            Value::Real(value) => return Ok(Some(*value)),
            Value::Int(value) => return Ok(Some(*value as f64)),
            Value::Bytes(bytes) => {
                if let Some(value) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()) {
                    return Ok(Some(value));
                }
            }
            _ => {}
        }
        Err(mismatch(column, "a number", &value))
    }

    /// A truth value that is never NULL.
    pub fn bool(&self, column: usize) -> Result<bool> {
        self.opt_bool(column)?.ok_or_else(|| null(column))
    }

    /// A truth value or NULL.
    pub fn opt_bool(&self, column: usize) -> Result<Option<bool>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Bool(value) => Ok(Some(value)),
            Value::Int(value) => Ok(Some(value != 0)),
            other => Err(mismatch(column, "a truth value", &other)),
        }
    }

    /// An instant that is never NULL.
    pub fn time(&self, column: usize) -> Result<Timestamp> {
        self.opt_time(column)?.ok_or_else(|| null(column))
    }

    /// An instant or NULL.
    pub fn opt_time(&self, column: usize) -> Result<Option<Timestamp>> {
        let value = self.value(column)?;
        match &value {
            Value::Null => return Ok(None),
            Value::Time(value) => return Ok(Some(*value)),
            Value::Bytes(bytes) => {
                if let Some(value) = Timestamp::parse_sql(bytes) {
                    return Ok(Some(value));
                }
            }
            _ => {}
        }
        Err(mismatch(column, "a time", &value))
    }

    /// Bytes that are never NULL.
    pub fn bytes(&self, column: usize) -> Result<&[u8]> {
        self.opt_bytes(column)?.ok_or_else(|| null(column))
    }

    /// Bytes or NULL.
    pub fn opt_bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Bytes(Cow::Borrowed(bytes)) => Ok(Some(bytes)),
            other => Err(mismatch(column, "bytes", &other)),
        }
    }
}

fn null(column: usize) -> Error {
    Error::internal(format!("column {column} is NULL and should not be"))
}

fn not_utf8(column: usize) -> Error {
    Error::internal(format!("column {column} holds text that is not UTF-8"))
}

/// Names the type that was found and never the value, which may be secret.
fn mismatch(column: usize, wanted: &str, found: &Value<'_>) -> Error {
    let found = match found {
        Value::Null => "NULL",
        Value::Int(_) => "a whole number",
        Value::Real(_) => "a number",
        Value::Bool(_) => "a truth value",
        Value::Text(_) | Value::Bytes(_) => "text or bytes",
        Value::Time(_) => "a time",
    };
    Error::internal(format!("column {column} holds {found} where {wanted} was expected"))
}
