//! The tables of Telemetry, as rows. What repeats is kept once and named by a number: meters, resources, owners,
//! metadata. A *series* is one meter of one resource of one owner; a *stream* is one meter of one owner, over all
//! resources. Samples lie in the order of series and time; series and streams keep moments of whole cells of time beside
//! them (see `rollups.rs`).
//!
//! Times are whole microseconds since 1970 (UTC).

use super::epoch;
use super::events::schema as events;
use super::hours;
use crate::Result;
use crate::database::migrate::{self, Component, Step, Wanted};
use crate::database::partitions::Partitioned;
use crate::database::table::{Column, Table, any_text, big_int, counter, digest, index, name, real};
use crate::database::{Connection, Database};

/// The most characters of names of meters, units, resources, users, projects, sources, and of ids that are no UUID.
pub const NAME_LENGTH: u16 = 255;

/// Whether a name fits its column, on every engine alike.
pub fn holds_name(name: &str) -> bool {
    let most = usize::from(NAME_LENGTH);
    (name.len() <= most || name.chars().count() <= most) && !name.contains('\0')
}

pub(super) const fn names(column: &'static str) -> Column {
    name(column, NAME_LENGTH)
}

pub(super) const fn number(column: &'static str) -> Column {
    big_int(column).required()
}

/// Moments, as `rollups.rs` reads and writes them. `_low` columns hold what a double loses of a sum.
pub(super) const MOMENTS: &[Column] = &[
    number("samples"),
    real("total").required(),
    real("total_low").required(),
    real("squares").required(),
    real("squares_low").required(),
    real("lowest").required(),
    real("highest").required(),
    number("first_at"),
    number("last_at"),
];

const METER: Table = Table::new(
    "telemetry_meter",
    "id",
    &[&[counter("id"), names("name").required(), names("type").required(), names("unit").required()]],
)
.unique(&[&["name", "type", "unit"]]);

const RESOURCE: Table =
    Table::new("telemetry_resource", "id", &[&[counter("id"), names("name").required()]]).unique(&[&["name"]]);

/// A project that is NULL has the number 0 and no row.
const PROJECT: Table =
    Table::new("telemetry_project", "id", &[&[counter("id"), names("name").required()]]).unique(&[&["name"]]);

/// The digest is of all three attributes: keys do not tell NULLs apart, and three names are too long for a key.
const OWNER: Table = Table::new(
    "telemetry_owner",
    "id",
    &[&[counter("id"), digest("digest").required(), number("project"), names("user_id"), names("source").required()]],
)
.unique(&[&["digest"]])
.indexes(&[index("telemetry_owner_project", &["project"])]);

const METADATA: Table = Table::new(
    "telemetry_metadata",
    "id",
    &[&[counter("id"), digest("digest").required(), any_text("body").required()]],
)
.unique(&[&["digest"]]);

/// Nodes whose samples keep whole clocks, see `ids.rs`. No new ones are made.
const ORIGIN: Table = Table::new("telemetry_origin", "id", &[&[counter("id"), number("node")]]).unique(&[&["node"]]);

/// Ids of samples that are no UUID.
const MESSAGE: Table =
    Table::new("telemetry_message", "id", &[&[counter("id"), names("name").required()]]).unique(&[&["name"]]);

const STREAM: Table =
    Table::new("telemetry_stream", "id", &[&[counter("id"), number("meter"), number("owner"), number("project")]])
        .unique(&[&["meter", "owner"]])
        .indexes(&[index("telemetry_stream_project", &["project", "meter"])]);

/// The newest sample is at `newest_at`; `recorded_at` and `metadata` are its. `mixed` is 1 once two samples had different
/// metadata. `open_day` is the latest day with samples, and the moments are that day's; the days before it are in
/// `telemetry_series_rollup`.
const SERIES: Table = Table::new(
    "telemetry_series",
    "id",
    &[
        &[
            counter("id"),
            number("stream"),
            number("resource"),
            number("project"),
            number("oldest_at"),
            number("newest_at"),
            number("recorded_at"),
            number("metadata"),
            number("mixed"),
            number("open_day"),
        ],
        MOMENTS,
    ],
)
.unique(&[&["resource", "stream"]])
.indexes(&[
    index("telemetry_series_stream", &["stream", "newest_at"]),
    index("telemetry_series_project", &["project", "resource", "stream"]),
    index("telemetry_series_newest", &["newest_at"]),
]);

const CELL: &[Column] = &[number("node"), number("level"), number("cell")];

const SERIES_ROLLUP: Table = Table::new("telemetry_series_rollup", "node, level, cell", &[CELL, MOMENTS]).clustered();

const STREAM_ROLLUP: Table = Table::new("telemetry_stream_rollup", "node, level, cell", &[CELL, MOMENTS]).clustered();

/// `tick` and `origin` are the id of the sample, see `ids.rs`; `delay` is from `at` to the arrival, in milliseconds.
const SAMPLE: Table = Table::new(
    "telemetry_sample",
    "series, at, tick, origin",
    &[&[
        number("series"),
        number("at"),
        number("tick"),
        number("origin"),
        real("volume").required(),
        number("delay"),
        number("metadata"),
    ]],
)
.unique(&[&["tick", "origin"]])
.clustered();

const SAMPLES: Step = Step {
    tables: &[
        &METER,
        &RESOURCE,
        &PROJECT,
        &OWNER,
        &METADATA,
        &ORIGIN,
        &MESSAGE,
        &STREAM,
        &SERIES,
        &SERIES_ROLLUP,
        &STREAM_ROLLUP,
        &SAMPLE,
    ],
    indexes: &[],
    partitioned: &[],
};

/// The last eight bytes of UUIDs of version 1 and the eras of their clocks, see `ids.rs`.
const CLOCK: Table =
    Table::new("telemetry_clock", "id", &[&[counter("id"), number("node"), number("era")]]).unique(&[&["node", "era"]]);

const CLOCKS: Step = Step { tables: &[&CLOCK], indexes: &[], partitioned: &[] };

/// The table of samples where it is kept in partitions, see `partitions.rs`.
pub(super) const SAMPLE_PARTITIONS: Partitioned = Partitioned { table: &SAMPLE, column: "at" };

const PARTITIONS: Step = Step { tables: &[], indexes: &[], partitioned: &[SAMPLE_PARTITIONS] };

/// The tables, for whoever makes the database.
pub const COMPONENT: Component =
    Component { name: "telemetry", steps: &[SAMPLES, events::STEP, epoch::STEP, hours::STEP, CLOCKS, PARTITIONS] };

/// What Telemetry's database holds.
pub const WANTED: Wanted<'_> = Wanted { cinder: false, components: &[&COMPONENT, &super::alarms::schema::COMPONENT] };

/// Makes the tables that are missing.
///
/// # Errors
/// `Conflict` where the tables are of a later release; what the database gives.
pub fn sync(database: &Database) -> Result<()> {
    migrate::sync(database, &WANTED).map(|_| ())
}

/// Refuses a database without the tables.
///
/// # Errors
/// `Conflict` with what to do; what the database gives.
pub fn require(connection: &mut Connection) -> Result<()> {
    migrate::require(connection, &WANTED)
}
