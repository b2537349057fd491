//! What the API takes and answers: routes, bodies, views, and handlers that read a request, call `control/`, and write.

mod list_filters;
pub mod metadata;
pub mod snapshot_bodies;
pub mod snapshot_views;
pub mod type_bodies;
pub mod type_extra_specs;
pub mod type_views;
pub mod types;
pub mod volume_bodies;
pub mod volume_views;

use super::BlockStorage;
use super::control::Caller;
use crate::rest::{Call, Route};

/// The rows of every noun.
pub const ROUTES: &[&[Route<BlockStorage>]] = &[types::ROUTES, type_extra_specs::ROUTES];

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
