//! What is worth knowing of Telemetry's database: how much room samples take.

use crate::database::Database;
use crate::error::Result;
use crate::telemetry::store::{Store, schema};

/// A million samples, of which the size is told.
const MILLION: f64 = 1e6;
/// A megabyte, in bytes.
const MEGABYTE: f64 = 1e6;

/// A line about the room that samples take; `None` where there is no Telemetry.
///
/// # Errors
/// What the database gives.
pub(super) fn room(database: &Database) -> Result<Option<String>> {
    if database.read(schema::require).is_err() {
        return Ok(None);
    }
    let size = Store::new(database.clone()).size()?;
    let megabytes = size.bytes as f64 / MEGABYTE;
    let each = match size.samples {
        _ if size.condensed > 0 => String::new(),
        0 => String::new(),
        samples => format!(": {:.1} MB per million samples", megabytes / (samples as f64 / MILLION)),
    };
    let hours = match size.condensed {
        0 => String::new(),
        condensed => format!(" and {condensed} by the hour"),
    };
    Ok(Some(format!("Telemetry keeps {} samples{hours} in {megabytes:.1} MB{each}", size.samples)))
}
