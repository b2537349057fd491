//! The tables of alarms. Times are whole microseconds since 1970 (UTC), lists and rules are JSON.

use super::super::schema::NAME_LENGTH;
use super::trusts::TRUST;
use crate::database::migrate::{Component, Step};
use crate::database::outbox;
use crate::database::table::{Column, Table, any_text, big_int, boolean, counter, index, name};

pub(super) const fn names(column: &'static str) -> Column {
    name(column, NAME_LENGTH)
}

pub(super) const fn number(column: &'static str) -> Column {
    big_int(column).required()
}

/// `due_at` is when the alarm is to be evaluated next; whoever does so holds it until `lease_until`. `counted_` columns tell
/// how often it was evaluated to each state.
const ALARM: Table = Table::new(
    "telemetry_alarm",
    "alarm_id",
    &[&[
        names("alarm_id").required(),
        names("name").required(),
        any_text("description").required(),
        boolean("enabled").required(),
        names("type").required(),
        any_text("rule").required(),
        names("state").required(),
        any_text("state_reason").required(),
        names("severity").required(),
        names("user_id"),
        names("project_id"),
        number("at"),
        number("state_at"),
        number("evaluated_at"),
        any_text("ok_actions").required(),
        any_text("alarm_actions").required(),
        any_text("insufficient_data_actions").required(),
        boolean("repeat_actions").required(),
        any_text("time_constraints").required(),
        number("version"),
        number("due_at"),
        names("lease_owner"),
        number("lease_until"),
        number("counted_ok"),
        number("counted_alarm"),
        number("counted_unknown"),
    ]],
)
.indexes(&[
    index("telemetry_alarm_project", &["project_id", "at"]),
    index("telemetry_alarm_user", &["user_id"]),
    index("telemetry_alarm_at", &["at"]),
    index("telemetry_alarm_due", &["enabled", "due_at"]),
    index("telemetry_alarm_type", &["type", "project_id"]),
]);

/// History goes with its alarm.
const CHANGE: Table = Table::new(
    "telemetry_alarm_change",
    "id",
    &[&[
        counter("id"),
        names("event_id").required(),
        names("alarm_id").required(),
        names("type").required(),
        any_text("detail").required(),
        names("user_id"),
        names("project_id"),
        names("on_behalf_of"),
        names("severity"),
        number("at"),
    ]],
)
.unique(&[&["event_id"]])
.indexes(&[
    index("telemetry_alarm_change_alarm", &["alarm_id", "at"]),
    index("telemetry_alarm_change_project", &["on_behalf_of", "at"]),
    index("telemetry_alarm_change_at", &["at"]),
]);

/// The most alarms of a project; -1: any number.
const QUOTA: Table =
    Table::new("telemetry_alarm_quota", "project_id", &[&[names("project_id").required(), number("most")]]);

/// Rows that are locked while alarms of an owner are counted, so that two requests never pass a quota together.
const TURN: Table = Table::new("telemetry_alarm_turn", "owner", &[&[names("owner").required(), number("turns")]]);

/// Actions that are due: URLs to call, with what to tell them. Written with the transition that they tell of. `target` is the
/// server that is called: so that a slow one holds up only what is its own.
const ACTION: Table = Table::new(
    "telemetry_alarm_action",
    "id",
    &[&[
        counter("id"),
        names("alarm_id").required(),
        any_text("action").required(),
        names("target").required(),
        any_text("body").required(),
        number("made_at"),
        number("attempts"),
        number("due_at"),
        names("lease_owner"),
        number("lease_until"),
    ]],
)
.indexes(&[index("telemetry_alarm_action_due", &["due_at", "id"])]);

/// The tables, for whoever makes the database. Where services share one, they share the outbox, too.
pub const COMPONENT: Component = Component {
    name: "telemetry-alarms",
    steps: &[
        Step { tables: &[&ALARM, &CHANGE, &QUOTA, &TURN, &ACTION], indexes: &[], partitioned: &[] },
        outbox::STEP,
        Step { tables: &[&TRUST], indexes: &[], partitioned: &[] },
    ],
};
