//! Which pool takes a volume: a pure choice over what the pools reported. Filters take pools away, the weigher orders
//! those that are left. Not here: reading the reports (`store/pools.rs`) and what follows from the choice
//! (`volume/placement.rs`).

mod capacity;
mod extra_specs;
mod filters;

use std::fmt;

use super::model::pool::Pool;
pub use extra_specs::truth;
use filters::FILTERS;

/// What a volume needs of its pool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// GiB that will be promised: the whole size of a new volume, the difference where one grows.
    pub size_gib: i64,
    /// The zone in which the volume has to be; any where there is none.
    pub availability_zone: Option<String>,
    /// The demands of the volume type.
    pub extra_specs: Vec<(String, String)>,
    /// `host@backend` that holds what the volume is made from.
    pub only_on: Option<String>,
    /// `host@backend` of those among which there is a choice; `None` where all are.
    pub among: Option<Vec<String>>,
    /// Pools that failed already.
    pub tried: Vec<String>,
    /// The hint `same_host`: the pools of the volumes that it names. `None` without the hint.
    pub same_host: Option<Vec<String>>,
    /// The hint `different_host`: the pools of the volumes that it names.
    pub different_host: Vec<String>,
}

/// What the operator says of the choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Cinder's names of the filters that hold, of those that can be switched off (`scheduler_default_filters`).
    pub filters: Vec<String>,
    /// Positive: the pool with most room first; negative: the one with least (`capacity_weight_multiplier`).
    pub capacity_multiplier: f64,
}

impl Default for Rules {
    fn default() -> Self {
        let names = FILTERS.iter().filter_map(|(name, _)| *name);
        Self { filters: names.map(str::to_owned).collect(), capacity_multiplier: 1.0 }
    }
}

/// Why no pool can take a volume: one reason for each pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoValidBackend {
    /// The pool and why it was refused.
    pub refusals: Vec<(String, String)>,
}

/// GiB that a pool can still promise to volumes that take their space as it is written; `None` where it has no limit or tells
/// none.
pub fn virtual_free_gib(pool: &Pool) -> Option<f64> {
    let way = if pool.thin { capacity::Provisioning::Thin } else { capacity::Provisioning::Thick };
    capacity::virtual_free(pool, way)
}

/// The pool that suits `request` best.
///
/// # Errors
/// Why each pool was refused.
pub fn choose<'a>(request: &Request, pools: &'a [Pool], rules: &Rules) -> Result<&'a Pool, NoValidBackend> {
    let mut refusals = Vec::new();
    let mut best: Option<(f64, &Pool)> = None;
    for pool in pools {
        if let Err(reason) = suits(request, pool, rules) {
            refusals.push((pool.name.clone(), reason));
            continue;
        }
        let weight = weight(request, pool, rules);
        // Among equals the first stays, so that the choice does not depend on anything but the report.
        if best.is_none_or(|(highest, _)| weight > highest) {
            best = Some((weight, pool));
        }
    }
    best.map(|(_, pool)| pool).ok_or(NoValidBackend { refusals })
}

/// Whether one pool can take `request`.
///
/// # Errors
/// The reason of the first filter that refuses it.
pub fn suits(request: &Request, pool: &Pool, rules: &Rules) -> Result<(), String> {
    let holds = |name: &Option<&str>| name.is_none_or(|name| rules.filters.iter().any(|filter| filter == name));
    FILTERS.iter().filter(|(name, _)| holds(name)).try_for_each(|(_, filter)| filter(request, pool))
}

fn weight(request: &Request, pool: &Pool, rules: &Rules) -> f64 {
    match capacity::virtual_free(pool, filters::provisioning(request)) {
        Some(gib) => gib * rules.capacity_multiplier,
        // A pool that tells no figure comes last, whichever end is preferred.
        None => f64::NEG_INFINITY,
    }
}

impl fmt::Display for NoValidBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("No valid backend was found.")?;
        if self.refusals.is_empty() {
            return f.write_str(" No volume service has reported a pool.");
        }
        for (pool, reason) in &self.refusals {
            write!(f, " {pool}: {reason}.")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::pool::{Capability, Space};
    use super::*;
    use crate::time::Timestamp;

    pub(super) fn pool(name: &str) -> Pool {
        Pool {
            name: name.to_owned(),
            availability_zone: "nova".to_owned(),
            enabled: true,
            up: true,
            total: Space::Gib(100.0),
            free: Space::Gib(100.0),
            allocated_gib: 0.0,
            provisioned_gib: 0.0,
            reserved_percentage: 0,
            max_over_subscription_ratio: 20.0,
            thin: true,
            thick: false,
            other: vec![
                ("volume_backend_name".to_owned(), Capability::Text("files".to_owned())),
                ("multiattach".to_owned(), Capability::Boolean(false)),
            ],
            reported_at: Timestamp(0),
        }
    }

    fn specs(specs: &[(&str, &str)]) -> Request {
        let extra_specs = specs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Request { size_gib: 1, extra_specs, ..Request::default() }
    }

    #[test]
    fn the_pool_with_most_room_is_chosen_and_the_first_among_equals() {
        let mut pools = [pool("h@a#a"), pool("h@b#b"), pool("h@c#c")];
        pools[0].provisioned_gib = 10.0;
        let request = Request { size_gib: 1, ..Request::default() };
        let name = |capacity_multiplier| {
            let rules = Rules { capacity_multiplier, ..Rules::default() };
            choose(&request, &pools, &rules).map(|pool| pool.name.clone())
        };
        assert_eq!(name(1.0).as_deref(), Ok("h@b#b"));
        assert_eq!(name(-1.0).as_deref(), Ok("h@a#a"));
    }

    #[test]
    fn a_pool_without_figures_comes_last() {
        let mut pools = [pool("h@a#a"), pool("h@b#b")];
        pools[0].free = Space::Infinite;
        for capacity_multiplier in [1.0, -1.0] {
            let request = Request { size_gib: 1, ..Request::default() };
            let rules = Rules { capacity_multiplier, ..Rules::default() };
            let chosen = choose(&request, &pools, &rules);
            assert_eq!(chosen.map(|pool| pool.name.as_str()), Ok("h@b#b"));
        }
    }

    #[test]
    fn every_filter_can_refuse_a_pool_and_says_why() {
        let full = Pool { provisioned_gib: 2_000.0, ..pool("h@full#p") };
        let off = Pool { enabled: false, ..pool("h@off#p") };
        let down = Pool { up: false, ..pool("h@down#p") };
        let far = Pool { availability_zone: "far".to_owned(), ..pool("h@far#p") };
        let request = Request {
            availability_zone: Some("nova".to_owned()),
            tried: vec!["h@tried#p".to_owned()],
            ..specs(&[("volume_backend_name", "files")])
        };
        let other = Pool { other: Vec::new(), ..pool("h@other#p") };
        let pools = [full, off, down, far, pool("h@tried#p"), other];
        let refused = choose(&request, &pools, &Rules::default()).unwrap_err();
        let reasons: Vec<_> = refused.refusals.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "0.0 GiB are left for 1 GiB",
                "its service is disabled",
                "its service or its driver is down",
                "it is in the availability zone far, not nova",
                "it failed already",
                "it does not report volume_backend_name",
            ]
        );
        assert!(refused.to_string().starts_with("No valid backend was found. h@full#p: 0.0 GiB are left"));
    }

    #[test]
    fn without_any_report_the_refusal_says_so() {
        let refused = choose(&Request::default(), &[], &Rules::default()).unwrap_err();
        assert_eq!(refused.to_string(), "No valid backend was found. No volume service has reported a pool.");
    }

    #[test]
    fn extra_specs_of_other_scopes_are_ignored() {
        let pools = [pool("h@a#a")];
        let passes = |list: &[(&str, &str)]| choose(&specs(list), &pools, &Rules::default()).is_ok();
        assert!(passes(&[("vendor:something", "x"), ("capabilities:volume_backend_name", "files")]));
        assert!(!passes(&[("capabilities:volume_backend_name", "disks")]));
        assert!(passes(&[("thin_provisioning_support", "<is> True")]));
        assert!(!passes(&[("multiattach", "<is> True")]));
        assert!(!passes(&[("unheard_of", "<is> True")]));
        assert!(passes(&[("RESKEY:availability_zones", "nova")]));
    }

    #[test]
    fn a_volume_type_can_name_its_zones() {
        let pools = [pool("h@a#a")];
        let passes = |zones| choose(&specs(&[("RESKEY:availability_zones", zones)]), &pools, &Rules::default()).is_ok();
        assert!(passes("far, nova"));
        assert!(!passes("far"));
    }

    #[test]
    fn a_thick_type_needs_free_space() {
        let pools = [Pool { free: Space::Gib(0.5), ..pool("h@a#a") }];
        let passes = |list: &[(&str, &str)]| choose(&specs(list), &pools, &Rules::default()).is_ok();
        assert!(passes(&[]));
        assert!(!passes(&[("provisioning:type", "thick")]));
    }

    #[test]
    fn an_operator_can_switch_filters_off_but_not_the_look_at_the_service() {
        let full = Pool { provisioned_gib: 1e6, ..pool("h@a#a") };
        let down = Pool { up: false, ..pool("h@b#b") };
        let rules = Rules { filters: vec!["AvailabilityZoneFilter".to_owned()], ..Rules::default() };
        let request = Request { size_gib: 1, ..Request::default() };
        assert!(suits(&request, &full, &Rules::default()).is_err());
        assert!(suits(&request, &full, &rules).is_ok());
        assert!(suits(&request, &down, &rules).is_err());
    }

    #[test]
    fn hints_keep_volumes_together_or_apart() {
        let pools = [pool("h@a#a"), pool("h@b#b")];
        let chosen = |request| choose(&request, &pools, &Rules::default()).map(|pool| pool.name.clone());
        let request = Request { size_gib: 1, ..Request::default() };
        let together = Request { same_host: Some(vec!["h@b#b".to_owned()]), ..request.clone() };
        assert_eq!(chosen(together).as_deref(), Ok("h@b#b"));
        let apart = Request { different_host: vec!["h@a#a".to_owned()], ..request.clone() };
        assert_eq!(chosen(apart).as_deref(), Ok("h@b#b"));
        let nowhere = Request { same_host: Some(Vec::new()), ..request.clone() };
        assert!(chosen(nowhere).is_err());
        let beside_its_source = Request { only_on: Some("h@b".to_owned()), ..request.clone() };
        assert_eq!(chosen(beside_its_source).as_deref(), Ok("h@b#b"));
        let within_reach = Request { among: Some(vec!["h@b".to_owned()]), ..request.clone() };
        assert_eq!(chosen(within_reach).as_deref(), Ok("h@b#b"));
        assert!(chosen(Request { among: Some(Vec::new()), ..request }).is_err());
    }
}
