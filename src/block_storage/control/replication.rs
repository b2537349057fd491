//! Freezing, thawing and failing over what volume services serve (Block Storage API v3, "Services"). Whoever is frozen
//! takes no new volumes and changes none that it has: that is decided where requests are decided, so no driver is asked,
//! and one transaction does it. No driver of this service replicates, so nothing fails over.

use super::services::down_time_seconds;
use super::{Caller, refusals};
use crate::block_storage::model::cluster::{Cluster, is_meant};
use crate::block_storage::model::service::{Service, VOLUME};
use crate::block_storage::policies::services as rules;
use crate::block_storage::store::{clusters, services};
use crate::database::{Connection, Transaction};
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// Who is meant: a host, or a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom<'a> {
    /// `host@backend`, or a host with one backend.
    Host(&'a str),
    /// A cluster.
    Cluster(&'a str),
}

/// The services that are meant, and their cluster if they have one.
fn find(caller: &Caller<'_>, c: &mut Connection, whom: Whom<'_>) -> Result<(Option<Cluster>, Vec<Service>)> {
    let all = services::list(c, None, Some(VOLUME))?;
    let found: Vec<&Service> = match whom {
        Whom::Host(host) => all.iter().filter(|service| is_meant(&service.host, host)).collect(),
        Whom::Cluster(name) => {
            let of = |service: &&Service| service.cluster_name.as_deref().is_some_and(|own| is_meant(own, name));
            all.iter().filter(of).collect()
        }
    };
    let Some(first) = found.first().copied() else {
        return Err(Error::invalid(match whom {
            Whom::Host(host) => format!("No service found with host={host}"),
            Whom::Cluster(name) => format!("No service found with cluster={name}"),
        }));
    };
    let same = |service: &&Service| match whom {
        Whom::Host(_) => service.host == first.host,
        Whom::Cluster(_) => service.cluster_name == first.cluster_name,
    };
    if !found.iter().all(same) {
        return Err(Error::invalid("Services from different clusters found."));
    }
    let known = clusters::all(c, Timestamp::now(), down_time_seconds(caller.config))?;
    let cluster = known.into_iter().find(|cluster| clusters::is_of(first, cluster));
    // Whoever means one host of a cluster means them all: they serve one backend.
    let services = match &cluster {
        Some(cluster) => all.iter().filter(|service| clusters::is_of(service, cluster)).cloned().collect(),
        None => found.into_iter().cloned().collect(),
    };
    Ok((cluster, services))
}

/// What is said of services that are not as they must be.
fn wrong(field: &str, who: &str, expected: &str, must_be_up: bool) -> String {
    let up = if must_be_up { "and must be up " } else { "" };
    format!("{field} in {who} must be {expected} {up}to failover.")
}

fn none_changed(field: &str, services: &[Service], expected: &str, must_be_up: bool) -> Error {
    let hosts = refusals::list(services.iter().map(|service| service.host.as_str()));
    let text = wrong(field, &hosts, expected, must_be_up);
    refusals::invalid_input(format!("No service could be changed: {text}"))
}

/// Keeps the volumes of a backend as they are and lets it take no new ones, or ends that.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] where nobody is meant, or who is meant is so already.
pub fn set_frozen(caller: &Caller<'_>, whom: Whom<'_>, frozen: bool) -> Result<()> {
    caller.enforce(&rules::UPDATE)?;
    caller.enforce(if frozen { &rules::FREEZE_HOST } else { &rules::THAW_HOST })?;
    caller.database.write(|tx| change(caller, tx, whom, frozen))
}

fn change(caller: &Caller<'_>, tx: &mut Transaction<'_>, whom: Whom<'_>, frozen: bool) -> Result<()> {
    let expected = if frozen { "False" } else { "True" };
    let (cluster, services) = find(caller, tx, whom)?;
    if let Some(cluster) = &cluster
        && !clusters::set_frozen(tx, cluster.id, frozen)?
    {
        return Err(refusals::invalid_input(wrong("frozen", &cluster.name, expected, false)));
    }
    let mut changed = 0;
    for service in &services {
        changed += i64::from(services::set_frozen(tx, service.id, frozen)?);
    }
    if changed == 0 { Err(none_changed("frozen", &services, expected, false)) } else { Ok(()) }
}

/// Lets another backend stand in for one that replicates to it.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] where nobody is meant, or who is meant does not replicate or is
/// down; [`crate::Kind::NotImplemented`] where it does replicate, as the only services that are reached do not.
pub fn fail_over(caller: &Caller<'_>, whom: Whom<'_>) -> Result<()> {
    const EXPECTED: [&str; 2] = ["enabled", "failed-over"];
    caller.enforce(&rules::UPDATE)?;
    caller.enforce(&rules::FAILOVER_HOST)?;
    let (cluster, services) = caller.database.read(|c| find(caller, c, whom))?;
    let (now, down_time) = (Timestamp::now(), down_time_seconds(caller.config));
    let replicates = |status: &Option<String>| status.as_deref().is_some_and(|status| EXPECTED.contains(&status));
    let expected = refusals::list(EXPECTED);
    if let Some(cluster) = &cluster
        && !(cluster.is_up(now, down_time) && replicates(&cluster.replication_status))
    {
        return Err(refusals::invalid_input(wrong("replication_status", &cluster.name, &expected, true)));
    }
    if !services.iter().any(|service| service.is_up(now, down_time) && replicates(&service.replication_status)) {
        return Err(none_changed("replication_status", &services, &expected, true));
    }
    let text = "Failing over is not implemented: the volume service that replicates can not be reached.";
    Err(Error::new(Kind::NotImplemented, text))
}
