//! What the API takes and answers: routes, bodies, views, and handlers that read a request, call `control/`, and write.

pub mod attachments;
pub mod availability_zones;
pub mod backup_bodies;
pub mod backup_views;
pub mod backups;
pub mod cgsnapshots;
pub mod clusters;
pub mod consistency_groups;
pub mod default_types;
pub mod extensions;
pub mod group_actions;
pub mod group_bodies;
pub mod group_snapshots;
pub mod group_specs;
pub mod group_types;
pub mod group_views;
pub mod groups;
pub mod hosts;
mod list_filters;
pub mod log_levels;
pub mod manage;
pub mod messages;
pub mod metadata;
pub mod pools;
pub mod qos_specs;
pub mod quotas;
pub mod replication;
pub mod resource_filters;
mod selections;
pub mod services;
mod short_lists;
pub mod snapshot_actions;
pub mod snapshot_bodies;
pub mod snapshot_metadata;
pub mod snapshot_views;
pub mod snapshots;
pub mod transfers;
pub mod type_bodies;
pub mod type_encryption;
pub mod type_extra_specs;
pub mod type_views;
pub mod types;
pub mod volume_actions;
pub mod volume_bodies;
pub mod volume_connections;
pub mod volume_encryption;
pub mod volume_images;
pub mod volume_metadata;
pub mod volume_moving;
pub mod volume_views;
pub mod volumes;
pub mod workers;

use super::BlockStorage;
use super::control::Caller;
use crate::error::{Error, Result};
use crate::rest::{Call, Route, query};

/// The rows of every noun.
pub const ROUTES: &[&[Route<BlockStorage>]] = &[
    volumes::ROUTES,
    volume_encryption::ROUTES,
    volume_metadata::ROUTES,
    volume_actions::ROUTES,
    volume_connections::ROUTES,
    attachments::ROUTES,
    volume_images::ROUTES,
    volume_moving::ROUTES,
    snapshots::ROUTES,
    snapshot_metadata::ROUTES,
    snapshot_actions::ROUTES,
    transfers::ROUTES,
    backups::ROUTES,
    messages::ROUTES,
    manage::ROUTES,
    types::ROUTES,
    type_encryption::ROUTES,
    type_extra_specs::ROUTES,
    default_types::ROUTES,
    qos_specs::ROUTES,
    quotas::ROUTES,
    services::ROUTES,
    replication::ROUTES,
    clusters::ROUTES,
    log_levels::ROUTES,
    workers::ROUTES,
    hosts::ROUTES,
    pools::ROUTES,
    availability_zones::ROUTES,
    resource_filters::ROUTES,
    extensions::ROUTES,
    group_types::ROUTES,
    group_specs::ROUTES,
    groups::ROUTES,
    group_actions::ROUTES,
    group_snapshots::ROUTES,
    consistency_groups::ROUTES,
    cgsnapshots::ROUTES,
];

/// Who asks.
pub(crate) fn caller<'a>(call: &'a Call<'_, BlockStorage>) -> Caller<'a> {
    Caller {
        database: &call.state.database,
        doorbell: &call.state.doorbell,
        config: &call.platform.config,
        policy: &call.platform.policy,
        context: call.context,
    }
}

/// Whether the query says yes to `name`; a query that does not name it says no.
///
/// # Errors
/// [`crate::Kind::Invalid`] with Cinder's text where the value is no boolean.
pub(crate) fn flag(call: &Call<'_, BlockStorage>, name: &str) -> Result<bool> {
    let Some(text) = call.query.last(name) else { return Ok(false) };
    query::boolean(text).ok_or_else(|| Error::invalid(format!("Value '{text}' for '{name}' is not a boolean.")))
}
