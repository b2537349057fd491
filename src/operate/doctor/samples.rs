//! What is worth knowing of Telemetry's database: how much room samples take.

use crate::database::Database;
use crate::database::partitions::Partition;
use crate::error::Result;
use crate::telemetry::store::{Store, schema};
use crate::time::Timestamp;

/// A million samples, of which the size is told.
const MILLION: f64 = 1e6;
/// A megabyte, in bytes.
const MEGABYTE: f64 = 1e6;

/// Lines about the room that samples take, and their partitions; `None` where there is no Telemetry.
///
/// # Errors
/// What the database gives.
pub(super) fn room(database: &Database) -> Result<Option<String>> {
    if database.read(schema::require).is_err() {
        return Ok(None);
    }
    let store = Store::new(database.clone());
    let size = store.size()?;
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
    let line = format!("Telemetry keeps {} samples{hours} in {megabytes:.1} MB{each}", size.samples);
    Ok(Some(match store.partitions()? {
        None => line,
        Some((all, rest)) => format!("{line}\n{}", partitions(&all, rest)),
    }))
}

/// Whether samples of an instant have a partition, or need none.
///
/// # Errors
/// What the database gives.
pub(super) fn have_a_partition(database: &Database, at: Timestamp) -> Result<bool> {
    let found = Store::new(database.clone()).partitions()?;
    let holds = |partition: &Partition| partition.from <= at.0 && at.0 < partition.until;
    Ok(found.is_none_or(|(all, _)| all.iter().any(holds)))
}

fn partitions(all: &[Partition], rest: i64) -> String {
    let room = |bytes: i64| format!("{:.1} MB", bytes as f64 / MEGABYTE);
    let each = all.iter().map(|partition| format!("{} ({})", partition.name, room(partition.bytes)));
    let named: Vec<String> = each.chain([format!("no partition ({})", room(rest))]).collect();
    format!("samples by months: {}", named.join(", "))
}
