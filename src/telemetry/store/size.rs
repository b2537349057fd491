//! How much room samples take. What counts is what the engine keeps for all of Telemetry: rows, indexes, rollups, events, alarms.
//! SQLite tells it of a whole file, also where Block Storage lies in the same one.

use super::Store;
use crate::Result;
use crate::database::{Connection, Engine};

/// Telemetry's room on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Bytes on disk.
    pub bytes: u64,
    /// Stored samples.
    pub samples: u64,
    /// Samples that are kept by the hour only, besides.
    pub condensed: u64,
}

impl Store {
    /// How much room Telemetry takes now. Costs the same whatever is stored.
    ///
    /// # Errors
    /// What the database gives.
    pub fn size(&self) -> Result<Size> {
        let engine = self.database().engine();
        self.database().snapshot(|connection| {
            // Rollups of all time count the samples of each stream, also those that are kept by the hour.
            let all = sum(connection, "SELECT samples FROM telemetry_stream_rollup WHERE level = 0")?;
            let condensed = sum(connection, "SELECT samples FROM telemetry_horizon")?;
            Ok(Size { bytes: bytes(connection, engine)?, samples: all.saturating_sub(condensed), condensed })
        })
    }
}

fn sum(connection: &mut Connection, statement: &str) -> Result<u64> {
    let mut sum = 0;
    connection.query(statement, &[], |row| {
        sum += row.int(0)?;
        Ok(())
    })?;
    Ok(u64::try_from(sum).unwrap_or(0))
}

fn bytes(connection: &mut Connection, engine: Engine) -> Result<u64> {
    let statement = match engine {
        Engine::Sqlite => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        Engine::Postgres => {
            "SELECT CAST(COALESCE(SUM(pg_total_relation_size(c.oid)), 0) AS BIGINT) FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND n.nspname = current_schema() AND c.relname LIKE 'telemetry%'"
        }
        Engine::Mysql => {
            "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED) FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name LIKE 'telemetry%'"
        }
    };
    let found = connection.row(statement, &[], |row| row.int(0))?;
    Ok(found.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
}
