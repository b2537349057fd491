//! Storage pools as the scheduler knows them, and what a backend says of itself (Block Storage API v3, "Back-end storage
//! pools", "Capabilities for storage back ends").

use super::Caller;
use super::services::{down_time_seconds, volume_service};
use super::types::eyes;
use crate::block_storage::model::pool::{Capability, Pool};
use crate::block_storage::policies::services as rules;
use crate::block_storage::scheduler::{self, Request, Rules};
use crate::block_storage::store::{pools as store, volume_types};
use crate::error::{Error, Kind, Result};

/// Which pools a list holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only the pool of this name.
    pub name: Option<String>,
    /// Only pools that can take volumes of this type (id or name).
    pub volume_type: Option<String>,
    /// Only pools that report these values.
    pub capabilities: Vec<(String, String)>,
}

/// The pools that the scheduler chooses from: those of services that are up and take new volumes.
///
/// # Errors
/// [`Kind::Forbidden`], [`Kind::NotFound`] for an unknown volume type.
pub fn list(caller: &Caller<'_>, filter: &Filter) -> Result<Vec<Pool>> {
    caller.enforce(&rules::GET_POOLS)?;
    let (pools, demands) = caller.database.read(|c| {
        let wanted = filter.volume_type.as_deref();
        let wanted = wanted.map(|name| volume_types::resolve(c, name, eyes(caller))).transpose()?;
        Ok((store::list(c, down_time_seconds(caller.config))?, wanted))
    })?;
    let demands = demands.map(|wanted| Request {
        extra_specs: wanted.extra_specs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
        ..Request::default()
    });
    let fits = |pool: &Pool| {
        let reported = Capability::Map(pool.capabilities());
        let says =
            |(name, value): &(String, String)| reported.at(&[name.as_str()]).is_some_and(|found| is(found, value));
        pool.enabled
            && pool.up
            && filter.name.as_ref().is_none_or(|name| *name == pool.name)
            && filter.capabilities.iter().all(says)
            && demands.as_ref().is_none_or(|demands| scheduler::suits(demands, pool, &Rules::default()).is_ok())
    };
    Ok(pools.into_iter().filter(fits).collect())
}

/// Whether the pool `name` takes `size_gib` more.
///
/// # Errors
/// Those of the database.
pub(super) fn has_room(caller: &Caller<'_>, name: &str, size_gib: i64) -> Result<bool> {
    let pools = caller.database.read(|c| store::list(c, down_time_seconds(caller.config)))?;
    let request = Request { size_gib, ..Request::default() };
    let takes = |pool: &Pool| pool.name == name && scheduler::suits(&request, pool, &Rules::default()).is_ok();
    Ok(pools.iter().any(takes))
}

/// Whether what is reported is what a query says: texts to the letter, numbers and booleans by their value, a list by its
/// first value.
fn is(reported: &Capability, said: &str) -> bool {
    match reported {
        Capability::Text(text) => text == said,
        Capability::Integer(number) => said.parse() == Ok(*number),
        Capability::Number(number) => said.parse() == Ok(*number),
        Capability::Boolean(value) => scheduler::truth(said) == *value,
        Capability::List(values) => values.first().is_some_and(|first| is(first, said)),
        Capability::None | Capability::Map(_) => false,
    }
}

/// What the backend `host` says of itself: what the first of its pools reported.
///
/// # Errors
/// [`Kind::Forbidden`], [`Kind::NotFound`] where there is no such service, [`Kind::Unavailable`]
/// where it has not reported yet.
pub fn backend(caller: &Caller<'_>, host: &str) -> Result<Pool> {
    caller.enforce(&rules::CAPABILITIES)?;
    let (service, pools) = caller.database.read(|c| {
        let service = volume_service(c, host).map_err(|error| match error.kind() {
            Kind::NotFound => Error::not_found(format!("Can't find service: {host}")),
            _ => error,
        })?;
        Ok((service, store::list(c, down_time_seconds(caller.config))?))
    })?;
    let found = pools.into_iter().find(|pool| pool.service_host() == service.host);
    found.ok_or_else(|| Error::unavailable(format!("The backend {host} has not reported yet."), "no row of its pools"))
}
