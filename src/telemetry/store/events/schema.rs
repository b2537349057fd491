//! The tables of events. Traits lie beside their events by type; whole numbers and instants (in microseconds) share a
//! table, because the trait itself, which is a name with a type, tells them apart.

use super::super::schema::{names, number};
use crate::database::migrate::Step;
use crate::database::table::{Column, Table, any_text, bytes, counter, digest, index, real};

const EVENT_TYPE: Table =
    Table::new("telemetry_event_type", "id", &[&[counter("id"), names("name").required()]]).unique(&[&["name"]]);

const TRAIT: Table = Table::new("telemetry_trait", "id", &[&[counter("id"), names("name").required(), number("kind")]])
    .unique(&[&["name", "kind"]]);

/// Which traits the events of a type had.
const TYPE_TRAIT: Table =
    Table::new("telemetry_event_type_trait", "type, trait", &[&[number("type"), number("trait")]]).clustered();

/// `project` and `user_id` are the values of the traits of these names, which decide who may see an event; 0 and NULL
/// where there is no such trait.
const EVENT: Table = Table::new(
    "telemetry_event",
    "id",
    &[&[
        counter("id"),
        names("message_id").required(),
        number("type"),
        number("generated"),
        number("project"),
        names("user_id"),
        any_text("raw"),
    ]],
)
.unique(&[&["message_id"]])
.indexes(&[
    index("telemetry_event_generated", &["generated", "id"]),
    index("telemetry_event_by_type", &["type", "generated", "id"]),
    index("telemetry_event_by_project", &["project", "generated", "id"]),
    index("telemetry_event_by_user", &["project", "user_id", "generated", "id"]),
]);

const OF: &[Column] = &[number("event"), number("trait")];

/// Texts are bytes here, which every engine compares alike; they are found by their digests, for they may be long.
const TEXT: Table = Table::new(
    "telemetry_event_text",
    "event, trait",
    &[OF, &[digest("digest").required(), bytes("value").required()]],
)
.indexes(&[index("telemetry_event_by_text", &["trait", "digest", "event"])])
.clustered();

const NUMBER: Table = Table::new("telemetry_event_number", "event, trait", &[OF, &[number("value")]])
    .indexes(&[index("telemetry_event_by_number", &["trait", "value", "event"])])
    .clustered();

const REAL: Table = Table::new("telemetry_event_real", "event, trait", &[OF, &[real("value").required()]])
    .indexes(&[index("telemetry_event_by_real", &["trait", "value", "event"])])
    .clustered();

/// The step that makes them.
pub(crate) const STEP: Step =
    Step { tables: &[&EVENT_TYPE, &TRAIT, &TYPE_TRAIT, &EVENT, &TEXT, &NUMBER, &REAL], indexes: &[], partitioned: &[] };
