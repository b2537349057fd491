//! Services: which there are, whether they are up, and whether they take new work (Block Storage API v3, "Services").

use std::collections::HashMap;

use super::{Caller, refusals};
use crate::block_storage::model::service::{Service, VOLUME};
use crate::block_storage::policies::services as rules;
use crate::block_storage::store::{pools, services as store};
use crate::config::Config;
use crate::config::default::SERVICE_DOWN_TIME;
use crate::database::Connection;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// A service as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceState {
    /// What is known of it.
    pub service: Service,
    /// Whether it has reported of late.
    pub up: bool,
    /// Whether its backend works; `None` where none has reported, and where nobody asked.
    pub backend_up: Option<bool>,
}

impl ServiceState {
    /// When it last reported or was last changed, whichever is later.
    pub fn updated_at(&self) -> Option<Timestamp> {
        self.service.updated_at.max(self.service.modified_at)
    }
}

/// Seconds without a report after which a service counts as down.
pub(super) fn down_time_seconds(config: &Config) -> i64 {
    i64::try_from(config.seconds(&SERVICE_DOWN_TIME).as_secs()).unwrap_or(i64::MAX)
}

/// Services in the order in which they were added; those of `host` and of `binary` where these are given. `backends` says
/// whether to look at the state of backends too.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn list(
    caller: &Caller<'_>,
    host: Option<&str>,
    binary: Option<&str>,
    backends: bool,
) -> Result<Vec<ServiceState>> {
    caller.enforce(&rules::LIST)?;
    let down_time = down_time_seconds(caller.config);
    let (services, pools) = caller.database.read(|c| {
        let pools = if backends { pools::list(c, down_time)? } else { Vec::new() };
        Ok((store::list(c, host, binary)?, pools))
    })?;
    let mut states: HashMap<&str, bool> = HashMap::new();
    for pool in &pools {
        *states.entry(pool.service_host()).or_default() |= pool.up;
    }
    let now = Timestamp::now();
    let state = |service: Service| ServiceState {
        up: service.is_up(now, down_time),
        backend_up: states.get(service.host.as_str()).copied(),
        service,
    };
    Ok(services.into_iter().map(state).collect())
}

/// Lets a service take new work, or not, and says why not. Whoever asks by the bare name of a host means the first of
/// its backends.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] without a host, [`crate::Kind::NotFound`].
pub fn set_disabled(
    caller: &Caller<'_>,
    host: Option<&str>,
    binary: &str,
    disabled: bool,
    reason: Option<&str>,
) -> Result<()> {
    caller.enforce(&rules::UPDATE)?;
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        return Err(refusals::invalid_input("Host field is missing."));
    };
    caller.database.write(|tx| {
        let found = find(tx, host, binary)?;
        store::set_disabled(tx, found.id, disabled, reason).map(|_| ())
    })
}

fn find(c: &mut Connection, host: &str, binary: &str) -> Result<Service> {
    let exact = store::find(c, host, binary)?;
    let found = match exact {
        Some(service) => Some(service),
        None => store::list(c, Some(host), Some(binary))?.into_iter().next(),
    };
    found.ok_or_else(|| no_service(host, binary))
}

/// That there is no such service.
fn no_service(host: &str, binary: &str) -> Error {
    Error::not_found(format!("Service {binary} could not be found on host {host}."))
}

/// The volume service of a host.
///
/// # Errors
/// [`crate::Kind::NotFound`].
pub(super) fn volume_service(c: &mut Connection, host: &str) -> Result<Service> {
    find(c, host, VOLUME)
}

/// An availability zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Whether any of its volume services takes new volumes.
    pub available: bool,
}

/// The availability zones of the volume services, in the order in which these were added. Everybody may know them.
///
/// # Errors
/// Those of the database.
pub fn zones(caller: &Caller<'_>) -> Result<Vec<Zone>> {
    let services = caller.database.read(|c| store::list(c, None, Some(VOLUME)))?;
    let mut zones: Vec<Zone> = Vec::new();
    for service in services {
        let Some(name) = service.availability_zone else { continue };
        match zones.iter_mut().find(|zone| zone.name == name) {
            Some(zone) => zone.available |= !service.disabled,
            None => zones.push(Zone { name, available: !service.disabled }),
        }
    }
    Ok(zones)
}
