//! The tables of Telemetry, as rows. What repeats is kept once and named by a number: meters, resources, owners,
//! metadata. A *series* is one meter of one resource of one owner; a *stream* is one meter of one owner, over all
//! resources. Samples lie in the order of series and time; series and streams keep moments of whole cells of time beside
//! them (see `rollups.rs`).
//!
//! Times are whole microseconds since 1970 (UTC).

use crate::Result;
use crate::database::{Database, Engine};

/// The version of these tables, kept in `telemetry_schema`.
const VERSION: i64 = 1;

/// A table. In `columns`, words in braces are types that the engines name differently.
struct Table {
    name: &'static str,
    columns: &'static str,
    /// Key of the order in which rows lie, where it is no counting `id`.
    key: Option<&'static str>,
    /// Unique keys.
    unique: &'static [&'static str],
    /// Other indexes: their name and their columns.
    indexes: &'static [(&'static str, &'static str)],
}

/// Moments, as `rollups.rs` reads and writes them. `_low` columns hold what a double loses of a sum.
macro_rules! moments {
    () => {
        "samples {int} NOT NULL, total {real} NOT NULL, total_low {real} NOT NULL, squares {real} NOT NULL, \
         squares_low {real} NOT NULL, lowest {real} NOT NULL, highest {real} NOT NULL, \
         first_at {int} NOT NULL, last_at {int} NOT NULL"
    };
}

const TABLES: &[Table] = &[
    Table {
        name: "telemetry_schema",
        columns: "id {int} NOT NULL, version {int} NOT NULL",
        key: Some("id"),
        unique: &[],
        indexes: &[],
    },
    Table {
        name: "telemetry_meter",
        columns: "id {id}, name {name} NOT NULL, type {name} NOT NULL, unit {name} NOT NULL",
        key: None,
        unique: &["name, type, unit"],
        indexes: &[],
    },
    Table {
        name: "telemetry_resource",
        columns: "id {id}, name {name} NOT NULL",
        key: None,
        unique: &["name"],
        indexes: &[],
    },
    // A project that is NULL has the number 0 and no row.
    Table {
        name: "telemetry_project",
        columns: "id {id}, name {name} NOT NULL",
        key: None,
        unique: &["name"],
        indexes: &[],
    },
    // The digest is of all three attributes: keys may not hold NULL, and three names are too long for one.
    Table {
        name: "telemetry_owner",
        columns: "id {id}, digest {digest} NOT NULL, project {int} NOT NULL, user_id {name}, source {name} NOT NULL",
        key: None,
        unique: &["digest"],
        indexes: &[("telemetry_owner_project", "project")],
    },
    Table {
        name: "telemetry_metadata",
        columns: "id {id}, digest {digest} NOT NULL, body {text} NOT NULL",
        key: None,
        unique: &["digest"],
        indexes: &[],
    },
    // The last eight bytes of UUIDs of version 1, see `MessageId`.
    Table {
        name: "telemetry_origin",
        columns: "id {id}, node {int} NOT NULL",
        key: None,
        unique: &["node"],
        indexes: &[],
    },
    // Ids of samples that are no UUID.
    Table {
        name: "telemetry_message",
        columns: "id {id}, name {name} NOT NULL",
        key: None,
        unique: &["name"],
        indexes: &[],
    },
    Table {
        name: "telemetry_stream",
        columns: "id {id}, meter {int} NOT NULL, owner {int} NOT NULL, project {int} NOT NULL",
        key: None,
        unique: &["meter, owner"],
        indexes: &[("telemetry_stream_project", "project, meter")],
    },
    // The newest sample: at, recorded_at, metadata. `mixed` is 1 once two samples had different metadata. `open_day` is
    // the latest day with samples; the moments are that day's. Earlier days are in telemetry_series_rollup.
    Table {
        name: "telemetry_series",
        columns: concat!(
            "id {id}, stream {int} NOT NULL, resource {int} NOT NULL, project {int} NOT NULL, ",
            "oldest_at {int} NOT NULL, newest_at {int} NOT NULL, recorded_at {int} NOT NULL, metadata {int} NOT NULL, ",
            "mixed {int} NOT NULL, open_day {int} NOT NULL, ",
            moments!()
        ),
        key: None,
        unique: &["resource, stream"],
        indexes: &[
            ("telemetry_series_stream", "stream, newest_at"),
            ("telemetry_series_project", "project, resource, stream"),
            ("telemetry_series_newest", "newest_at"),
        ],
    },
    Table {
        name: "telemetry_series_rollup",
        columns: concat!("node {int} NOT NULL, level {int} NOT NULL, cell {int} NOT NULL, ", moments!()),
        key: Some("node, level, cell"),
        unique: &[],
        indexes: &[],
    },
    Table {
        name: "telemetry_stream_rollup",
        columns: concat!("node {int} NOT NULL, level {int} NOT NULL, cell {int} NOT NULL, ", moments!()),
        key: Some("node, level, cell"),
        unique: &[],
        indexes: &[],
    },
    // tick and origin are the id of the sample, see `MessageId`; delay is from `at` to the arrival, in milliseconds.
    Table {
        name: "telemetry_sample",
        columns: "series {int} NOT NULL, at {int} NOT NULL, tick {int} NOT NULL, origin {int} NOT NULL, \
                  volume {real} NOT NULL, delay {int} NOT NULL, metadata {int} NOT NULL",
        key: Some("series, at, tick, origin"),
        unique: &["tick, origin"],
        indexes: &[],
    },
];

/// Makes the tables that are missing. Running it again changes nothing.
///
/// # Errors
/// What the database gives; `Invalid` where the tables are of a later version than this one knows.
pub fn sync(database: &Database) -> Result<()> {
    let engine = database.engine();
    database.write(|tx| {
        for statement in TABLES.iter().flat_map(|table| statements(engine, table)) {
            tx.execute(&statement, &[])?;
        }
        tx.insert_if_absent("INSERT INTO telemetry_schema (id, version) VALUES (1, ?)", &[VERSION.into()])?;
        Ok(())
    })?;
    check(database)
}

/// Whether the tables are there and of this version.
///
/// # Errors
/// `Unavailable` where they are missing, `Invalid` where they are of another version, else what the database gives.
pub fn check(database: &Database) -> Result<()> {
    let missing = |error: crate::Error| match error.kind() {
        crate::Kind::Internal => crate::Error::unavailable(
            "The tables of Telemetry are missing.",
            format!("run `hearth db sync`: {}", error.cause().unwrap_or_default()),
        ),
        _ => error,
    };
    let found = database
        .read(|connection| connection.row("SELECT version FROM telemetry_schema WHERE id = 1", &[], |row| row.int(0)))
        .map_err(missing)?;
    match found {
        Some(VERSION) => Ok(()),
        Some(other) => Err(crate::Error::invalid(format!(
            "The tables of Telemetry are of version {other}, and this program knows version {VERSION}."
        ))),
        None => Err(crate::Error::unavailable("The tables of Telemetry are missing.", "run `hearth db sync`")),
    }
}

/// The statements that make a table and its indexes where they are missing.
fn statements(engine: Engine, table: &Table) -> Vec<String> {
    let mut columns = table.columns.to_owned();
    for (word, [sqlite, mysql, postgres]) in TYPES {
        let name = match engine {
            Engine::Sqlite => sqlite,
            Engine::Mysql => mysql,
            Engine::Postgres => postgres,
        };
        columns = columns.replace(word, name);
    }
    if let Some(key) = table.key {
        columns.push_str(&format!(", PRIMARY KEY ({key})"));
    }
    for unique in table.unique {
        columns.push_str(&format!(", UNIQUE ({unique})"));
    }
    if engine == Engine::Mysql {
        for (name, on) in table.indexes {
            columns.push_str(&format!(", INDEX {name} ({on})"));
        }
    }
    let end = match engine {
        Engine::Sqlite if table.key.is_some() => " WITHOUT ROWID",
        Engine::Sqlite | Engine::Postgres => "",
        Engine::Mysql => " ENGINE=InnoDB",
    };
    let mut statements = vec![format!("CREATE TABLE IF NOT EXISTS {} ({columns}){end}", table.name)];
    if engine != Engine::Mysql {
        let index = |(name, on): &(&str, &str)| format!("CREATE INDEX IF NOT EXISTS {name} ON {} ({on})", table.name);
        statements.extend(table.indexes.iter().map(index));
    }
    statements
}

/// The words in braces and what they are in SQLite, MariaDB or MySQL, and PostgreSQL. Names are bytes in MySQL, whose
/// texts would be equal in other cases and with blanks at their ends.
const TYPES: [(&str, [&str; 3]); 6] = [
    (
        "{id}",
        [
            "INTEGER PRIMARY KEY",
            "BIGINT AUTO_INCREMENT PRIMARY KEY",
            "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        ],
    ),
    ("{int}", ["INTEGER", "BIGINT", "BIGINT"]),
    ("{real}", ["REAL", "DOUBLE", "DOUBLE PRECISION"]),
    ("{name}", ["TEXT", "VARBINARY(1020)", "TEXT"]),
    ("{text}", ["TEXT", "LONGBLOB", "TEXT"]),
    ("{digest}", ["BLOB", "BINARY(16)", "BYTEA"]),
];
