//! Services, clusters, hosts, pools and capabilities: what runs where.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::admin;
use crate::identity::policy::Rule;

pub const LIST: Rule =
    admin("volume_extension:services:index").about("List services.").operations(&[("GET", "/os-services")]);
pub const UPDATE: Rule = admin("volume_extension:services:update")
    .about("Enable and disable services, change their log levels, freeze, thaw and fail over hosts.")
    .operations(&[("PUT", "/os-services/{action}")]);
pub const FREEZE_HOST: Rule =
    admin("volume:freeze_host").about("Freeze a host.").operations(&[("PUT", "/os-services/freeze")]);
pub const THAW_HOST: Rule = admin("volume:thaw_host").about("Thaw a host.").operations(&[("PUT", "/os-services/thaw")]);
pub const FAILOVER_HOST: Rule = admin("volume:failover_host")
    .about("Switch a replicated host to its other site.")
    .operations(&[("PUT", "/os-services/failover_host"), ("PUT", "/os-services/failover")]);
pub const GET_ALL_CLUSTERS: Rule =
    admin("clusters:get_all").about("List clusters.").operations(&[("GET", "/clusters"), ("GET", "/clusters/detail")]);
pub const GET_CLUSTER: Rule =
    admin("clusters:get").about("See a cluster.").operations(&[("GET", "/clusters/{cluster_name}")]);
pub const UPDATE_CLUSTER: Rule = admin("clusters:update")
    .about("Enable and disable a cluster.")
    .operations(&[("PUT", "/clusters/enable"), ("PUT", "/clusters/disable")]);
pub const CLEAN_UP_WORKERS: Rule = admin("workers:cleanup")
    .about("Clean up after services that are down.")
    .operations(&[("POST", "/workers/cleanup"), ("PUT", "/workers/cleanup")]);
pub const CAPABILITIES: Rule = admin("volume_extension:capabilities")
    .about("See what a backend can do.")
    .operations(&[("GET", "/capabilities/{host}")]);
pub const GET_POOLS: Rule = admin("scheduler_extension:scheduler_stats:get_pools")
    .about("List the pools that the scheduler knows.")
    .operations(&[("GET", "/scheduler-stats/get_pools")]);
pub const HOSTS: Rule = admin("volume_extension:hosts").about("See, list and change hosts.").operations(&[
    ("GET", "/os-hosts"),
    ("GET", "/os-hosts/{host}"),
    ("PUT", "/os-hosts/{host}"),
]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[
    LIST,
    UPDATE,
    FREEZE_HOST,
    THAW_HOST,
    FAILOVER_HOST,
    GET_ALL_CLUSTERS,
    GET_CLUSTER,
    UPDATE_CLUSTER,
    CLEAN_UP_WORKERS,
    CAPABILITIES,
    GET_POOLS,
    HOSTS,
];
