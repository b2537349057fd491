//! Cleaning up after services: what was begun with volumes and snapshots and is in nobody's hands is ended, or begun anew
//! (Block Storage API v3, "Workers"). A volume service does so by itself when it starts; here it is told to.

use super::{Caller, log_levels, refusals, services};
use crate::block_storage::model::cluster::is_meant;
use crate::block_storage::model::service::Service;
use crate::block_storage::model::service_work::ServiceWork;
use crate::block_storage::policies::services as rules;
use crate::block_storage::{rpc, store};
use crate::database::Connection;
use crate::error::Result;
use crate::time::Timestamp;

/// What is to be cleaned up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// After the service with this number.
    pub service_id: Option<i64>,
    /// After services of this cluster.
    pub cluster_name: Option<&'a str>,
    /// After services of this host.
    pub host: Option<&'a str>,
    /// After services of this kind.
    pub binary: Option<&'a str>,
    /// After services that are up, or down; `None`: both.
    pub is_up: Option<bool>,
    /// After services that are disabled, or not.
    pub disabled: Option<bool>,
    /// Only objects of this type, `Volume` or `Snapshot`.
    pub resource_type: Option<&'a str>,
    /// Only this object.
    pub resource_id: Option<&'a str>,
}

impl Request<'_> {
    fn means(&self, service: &Service, up: bool) -> bool {
        let cluster = service.cluster_name.as_deref();
        self.service_id.is_none_or(|id| id == service.id)
            && self.cluster_name.is_none_or(|name| cluster.is_some_and(|cluster| is_meant(cluster, name)))
            && self.host.is_none_or(|host| is_meant(&service.host, host))
            && self.binary.is_none_or(|binary| binary == service.binary)
            && self.is_up.is_none_or(|wanted| wanted == up)
            && self.disabled.is_none_or(|disabled| disabled == service.disabled)
    }
}

/// The services that were told to clean up, and those that could not be.
pub type Told = (Vec<Service>, Vec<Service>);

/// Tells services to clean up.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] where the only object that is meant is in no service's hands.
pub fn clean_up(caller: &Caller<'_>, request: &Request<'_>) -> Result<Told> {
    caller.enforce(&rules::CLEAN_UP_WORKERS)?;
    let told = caller.database.write(|tx| {
        let place = located(tx, request)?;
        let request = Request { host: request.host.or(place.as_deref()), ..request.clone() };
        let (now, down_time) = (Timestamp::now(), services::down_time_seconds(caller.config));
        let meant = store::services::list(tx, None, None)?;
        let meant = meant.into_iter().filter(|service| request.means(service, service.is_up(now, down_time)));
        let reachable: Vec<i64> = log_levels::reachable(caller, tx)?.iter().map(|service| service.id).collect();
        let (told, left): Told = meant.partition(|service| reachable.contains(&service.id));
        for service in &told {
            let work = ServiceWork::CleanUp {
                resource_type: request.resource_type.map(str::to_owned),
                resource_id: request.resource_id.map(str::to_owned),
            };
            // Nobody waits.
            let _ = rpc::services::ask(tx, &caller.requester(), service, work)?;
        }
        Ok((told, left))
    })?;
    caller.doorbell.ring();
    Ok(told)
}

/// The service host of the only object that is meant, where the request does not say where it is.
fn located(c: &mut Connection, request: &Request<'_>) -> Result<Option<String>> {
    let Some(id) = request.resource_id else { return Ok(None) };
    if request.service_id.is_some() || request.cluster_name.is_some() || request.host.is_some() {
        return Ok(None);
    }
    let mut found = store::workers::places(c, id, request.resource_type)?;
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(refusals::invalid_input(format!("There is no resource with UUID {id} pending cleanup."))),
        (Some(place), true) => Ok(place),
        (Some(_), false) => Err(refusals::invalid_input(format!(
            "There are multiple resources with UUID {id} pending cleanup.  Please be more specific."
        ))),
    }
}
