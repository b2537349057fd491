//! The filters as a table: each takes a request and a pool and refuses the pool with a reason, or does not.
//! The texts end up in the log after the name of the pool.

use super::Request;
use super::capacity::{self, Lack, Provisioning};
use super::extra_specs;
use crate::block_storage::model::pool::{Capability, Pool};

/// One filter.
pub(super) type Filter = fn(&Request, &Pool) -> Result<(), String>;

/// All filters, the cheapest first, with Cinder's names of those that an operator can switch off.
pub(super) const FILTERS: &[(Option<&str>, Filter)] = &[
    (None, service),
    (None, tried),
    (None, source),
    (None, reach),
    (None, hints),
    (Some("AvailabilityZoneFilter"), zone),
    (Some("AvailabilityZoneFilter"), type_zones),
    (Some("CapabilitiesFilter"), capabilities),
    (Some("CapacityFilter"), room),
];

fn refuse_if(refuse: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if refuse { Err(reason()) } else { Ok(()) }
}

fn service(_: &Request, pool: &Pool) -> Result<(), String> {
    refuse_if(!pool.enabled, || "its service is disabled".to_owned())?;
    refuse_if(!pool.up, || "its service or its driver is down".to_owned())
}

fn tried(request: &Request, pool: &Pool) -> Result<(), String> {
    refuse_if(request.tried.contains(&pool.name), || "it failed already".to_owned())
}

fn source(request: &Request, pool: &Pool) -> Result<(), String> {
    let Some(backend) = &request.only_on else { return Ok(()) };
    refuse_if(backend != pool.service_host(), || format!("the source of the volume is on {backend}"))
}

fn reach(request: &Request, pool: &Pool) -> Result<(), String> {
    let Some(among) = &request.among else { return Ok(()) };
    let within = among.iter().any(|backend| backend == pool.service_host());
    refuse_if(!within, || "the volume service that has the volume does not run it".to_owned())
}

fn zone(request: &Request, pool: &Pool) -> Result<(), String> {
    let Some(zone) = &request.availability_zone else { return Ok(()) };
    refuse_if(*zone != pool.availability_zone, || {
        format!("it is in the availability zone {}, not {zone}", pool.availability_zone)
    })
}

fn type_zones(request: &Request, pool: &Pool) -> Result<(), String> {
    let Some((_, zones)) = request.extra_specs.iter().find(|(key, _)| key == "RESKEY:availability_zones") else {
        return Ok(());
    };
    let mut zones_of_type = zones.split(',').map(str::trim).filter(|zone| !zone.is_empty()).peekable();
    let none = zones_of_type.peek().is_none();
    refuse_if(!none && !zones_of_type.any(|zone| zone == pool.availability_zone), || {
        format!("it is in the availability zone {}, none of {zones}", pool.availability_zone)
    })
}

fn hints(request: &Request, pool: &Pool) -> Result<(), String> {
    if let Some(same) = &request.same_host {
        refuse_if(!same.contains(&pool.name), || "none of the volumes of same_host is on it".to_owned())?;
    }
    refuse_if(request.different_host.contains(&pool.name), || "a volume of different_host is on it".to_owned())
}

fn capabilities(request: &Request, pool: &Pool) -> Result<(), String> {
    if request.extra_specs.is_empty() {
        return Ok(());
    }
    let reported = Capability::Map(pool.capabilities());
    for (key, demand) in &request.extra_specs {
        let mut path: Vec<&str> = key.split(':').collect();
        match path.first() {
            Some(&"capabilities") => drop(path.remove(0)),
            // A scope of somebody else: a vendor's driver, or the API's own RESKEY.
            Some(_) if path.len() > 1 => continue,
            _ => {}
        }
        let Some(value) = reported.at(&path) else { return Err(format!("it does not report {}", path.join(":"))) };
        refuse_if(!extra_specs::satisfies(value, demand), || format!("{key} is not {demand}"))?;
    }
    Ok(())
}

fn room(request: &Request, pool: &Pool) -> Result<(), String> {
    let gib = request.size_gib;
    capacity::fits(pool, gib as f64, provisioning(request)).map_err(|lack| match lack {
        Lack::ReservedOfUnknown => "a part of a total that it does not tell is reserved".to_owned(),
        Lack::Empty => "it has no space".to_owned(),
        Lack::Ratio(ratio) => format!("its max_over_subscription_ratio is {ratio}, less than 1"),
        Lack::OverSubscribed => format!("its space is promised too often for {gib} GiB more"),
        Lack::Left(left) => format!("{left:.1} GiB are left for {gib} GiB"),
    })
}

/// What the volume type says of provisioning.
pub(super) fn provisioning(request: &Request) -> Provisioning {
    match request.extra_specs.iter().find(|(key, _)| key == "provisioning:type") {
        Some((_, value)) if value == "thick" => Provisioning::Thick,
        _ => Provisioning::Thin,
    }
}
