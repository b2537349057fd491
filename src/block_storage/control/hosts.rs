//! Hosts: the older view of services, and how much each project has on one (Block Storage API v3, "Hosts").

use super::Caller;
use super::services::{ServiceState, down_time_seconds, volume_service};
use crate::block_storage::policies::services as rules;
use crate::block_storage::store::{hosts as store, services};
use crate::error::{Error, Result};
use crate::time::Timestamp;

pub use crate::block_storage::store::hosts::Usage;

/// The services that take new work; those of `zone` where it is given.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn list(caller: &Caller<'_>, zone: Option<&str>) -> Result<Vec<ServiceState>> {
    caller.enforce(&rules::HOSTS)?;
    let found = caller.database.read(|c| services::list(c, None, None))?;
    let (now, down_time) = (Timestamp::now(), down_time_seconds(caller.config));
    let fits = |zone_of: Option<&str>| zone.is_none_or(|zone| zone.is_empty() || zone_of == Some(zone));
    let listed = found.into_iter().filter(|service| !service.disabled && fits(service.availability_zone.as_deref()));
    Ok(listed.map(|service| ServiceState { up: service.is_up(now, down_time), backend_up: None, service }).collect())
}

/// What each project has on a host, in the order of the projects.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`].
pub fn show(caller: &Caller<'_>, host: &str) -> Result<Vec<Usage>> {
    caller.enforce(&rules::HOSTS)?;
    caller.database.read(|c| {
        let service = volume_service(c, host)?;
        store::usage(c, &service.host)
    })
}

/// Lets every service of a host take new work, or not.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`].
pub fn set_enabled(caller: &Caller<'_>, host: &str, enabled: bool) -> Result<()> {
    caller.enforce(&rules::HOSTS)?;
    caller.database.write(|tx| {
        let found = services::list(tx, Some(host), None)?;
        if found.is_empty() {
            return Err(Error::not_found(format!("Host {host} could not be found.")));
        }
        for service in found {
            services::set_disabled(tx, service.id, !enabled, None)?;
        }
        Ok(())
    })
}
