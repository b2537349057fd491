//! Lists of meters.

use super::simple_query::{self, Item, METERS};
use super::{Caller, Taker};
use crate::Result;
use crate::telemetry::model::SeriesState;
use crate::telemetry::policy::GET_METERS;

/// Gives the meters of resources that the query means; each meter once where they are to be `unique`.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the query and of the store.
pub fn list(
    caller: &Caller<'_>,
    query: &[Item],
    limit: Option<i64>,
    unique: bool,
    taker: &mut dyn Taker<SeriesState>,
) -> Result<()> {
    caller.enforce(&GET_METERS)?;
    let limit = caller.limit(limit)?;
    let filter = simple_query::understand(caller, query, &METERS)?.filter;
    caller.telemetry.store.give_meters(&filter, unique, limit, taker)
}
