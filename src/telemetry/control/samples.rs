//! Reading samples.

use super::refusals::not_found;
use super::simple_query::{self, Item, SAMPLES};
use super::{Caller, Taker};
use crate::Result;
use crate::telemetry::model::{Filter, Sample};
use crate::telemetry::policy::{GET_SAMPLE, GET_SAMPLES};

/// Gives the newest samples that the query means, of one meter where it is given.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the query and of the store.
pub fn list(
    caller: &Caller<'_>,
    meter: Option<&str>,
    query: &[Item],
    limit: Option<i64>,
    taker: &mut dyn Taker<Sample>,
) -> Result<()> {
    caller.enforce(&GET_SAMPLES)?;
    let limit = caller.limit(limit)?;
    let mut filter = simple_query::understand(caller, query, &SAMPLES)?.filter;
    if let Some(meter) = meter {
        filter.meter = Some(meter.to_owned());
    }
    caller.telemetry.store.give_samples(&filter, limit, taker)
}

/// One sample by its id, of a project that the caller may see.
///
/// # Errors
/// [`crate::Kind::NotFound`], [`crate::Kind::Forbidden`], those of the store.
pub fn show(caller: &Caller<'_>, id: &str) -> Result<Sample> {
    caller.enforce(&GET_SAMPLE)?;
    let project_id = caller.limited_to().map(|own| Some(own.to_owned()));
    let filter = Filter { message_id: Some(id.to_owned()), project_id, ..Filter::default() };
    let found = caller.telemetry.store.samples(&filter, 1)?;
    found.into_iter().next().ok_or_else(|| not_found("Sample", id))
}
