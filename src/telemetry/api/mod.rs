//! The routes of Telemetry: how requests are read and answers written. One file per noun.

mod alarm_body;
mod alarm_fields;
mod alarm_rules;
mod alarm_views;
mod alarming;
mod alarms;
mod arguments;
mod capabilities;
mod complex_query;
mod dialect;
mod event_types;
mod events;
mod meters;
mod posted;
mod posted_quickly;
mod published;
mod published_events;
mod published_quickly;
mod publishers;
mod resources;
mod samples;
mod statistics;
mod tree;
mod views;
mod xml;

use crate::rest::{Call, Route};
use crate::telemetry::Telemetry;
use crate::telemetry::control::Caller;

pub use dialect::{ALARMING, METERING};

/// The rows of metering (Ceilometer v2).
pub const METERING_ROUTES: &[&[Route<Telemetry>]] = &[
    meters::ROUTES,
    statistics::ROUTES,
    samples::ROUTES,
    resources::ROUTES,
    complex_query::ROUTES,
    events::ROUTES,
    event_types::ROUTES,
    capabilities::ROUTES,
    alarms::ROUTES,
];

/// The rows of alarming (Aodh v2).
pub const ALARMING_ROUTES: &[&[Route<Telemetry>]] = &[alarms::ROUTES, alarming::ROUTES];

/// Who calls.
fn caller<'a>(call: &'a Call<'_, Telemetry>) -> Caller<'a> {
    Caller {
        telemetry: call.state,
        policy: &call.platform.policy,
        context: call.context,
        config: &call.platform.config,
    }
}
