//! Reading resources.

use super::refusals::not_found;
use super::simple_query::{self, Item, RESOURCES};
use super::{Caller, Taker};
use crate::Result;
use crate::telemetry::model::{Filter, ResourceState};
use crate::telemetry::policy::{GET_RESOURCE, GET_RESOURCES};

/// Gives the resources with samples that the query means, with the names of their meters where `meters` says so.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the query and of the store.
pub fn list(
    caller: &Caller<'_>,
    query: &[Item],
    limit: Option<i64>,
    meters: bool,
    taker: &mut dyn Taker<ResourceState>,
) -> Result<()> {
    caller.enforce(&GET_RESOURCES)?;
    let limit = caller.limit(limit)?;
    let filter = simple_query::understand(caller, query, &RESOURCES)?.filter;
    caller.telemetry.store.give_resources(&filter, meters, limit, taker)
}

/// One resource, with samples of a project that the caller may see.
///
/// # Errors
/// [`crate::Kind::NotFound`], [`crate::Kind::Forbidden`], those of the store.
pub fn show(caller: &Caller<'_>, id: &str) -> Result<ResourceState> {
    caller.enforce(&GET_RESOURCE)?;
    let project_id = caller.limited_to().map(|own| Some(own.to_owned()));
    let filter = Filter { resource_id: Some(id.to_owned()), project_id, ..Filter::default() };
    let found = caller.telemetry.store.resources(&filter, true, 1)?;
    found.into_iter().next().ok_or_else(|| not_found("Resource", id))
}
