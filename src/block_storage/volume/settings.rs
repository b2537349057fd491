//! The options of a volume service, read once when it starts.

use std::time::Duration;

use crate::block_storage::model::quota::Limits;
use crate::block_storage::scheduler::Rules;
use crate::config::{Config, default, quota, volume};
use crate::messaging::Outbox;

use super::work::image_cache::Tenant;

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// What the configuration says.
pub(super) struct Settings {
    pub(super) workers: usize,
    /// Orders at once that copy content; one worker is always left for others.
    pub(super) max_copies: usize,
    pub(super) poll_interval: Duration,
    /// How long an order is taken for, in seconds.
    pub(super) lease_seconds: i64,
    pub(super) stop_timeout: Duration,
    pub(super) report_interval: Duration,
    pub(super) stats_interval: Duration,
    pub(super) message_reap_interval: Duration,
    pub(super) message_ttl_seconds: i64,
    /// Age in seconds after which rows that are marked as deleted go; `None`: never.
    pub(super) purge_age_seconds: Option<i64>,
    pub(super) down_time_seconds: i64,
    pub(super) enable_new_services: bool,
    /// How many pools are tried for one volume.
    pub(super) max_attempts: usize,
    pub(super) rules: Rules,
    pub(super) limits: Limits,
    pub(super) names: Names,
    pub(super) outbox: Outbox,
    /// The host of this process, without a backend.
    pub(super) host: String,
    /// To whom volumes belong that are kept of images.
    pub(super) internal_tenant: Option<Tenant>,
}

/// How volumes and snapshots are called on their backends.
pub(super) struct Names {
    volume: String,
    snapshot: String,
}

impl Names {
    pub(super) fn read(config: &Config) -> Self {
        Self {
            volume: config.text(&default::VOLUME_NAME_TEMPLATE).to_owned(),
            snapshot: config.text(&default::SNAPSHOT_NAME_TEMPLATE).to_owned(),
        }
    }

    /// The name of a volume, by the id of its disk.
    pub(super) fn volume(&self, disk_id: &str) -> String {
        self.volume.replace("%s", disk_id)
    }

    /// Whether something with an id has this name.
    pub(super) fn fit(&self, name: &str) -> bool {
        [&self.volume, &self.snapshot].into_iter().any(|template| {
            let (before, after) = template.split_once("%s").unwrap_or((template, ""));
            let id = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            id.is_some_and(|id| uuid::Uuid::try_parse(id).is_ok())
        })
    }

    /// The id in the name of a snapshot; `None` where it is none.
    pub(super) fn snapshot_id<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (before, after) = self.snapshot.split_once("%s").unwrap_or((&self.snapshot, ""));
        let id = name.strip_prefix(before)?.strip_suffix(after)?;
        uuid::Uuid::try_parse(id).is_ok().then_some(id)
    }

    /// The name of a snapshot.
    pub(super) fn snapshot(&self, id: &str) -> String {
        self.snapshot.replace("%s", id)
    }
}

impl Settings {
    pub(super) fn read(config: &Config) -> Self {
        let workers = usize::try_from(config.integer(&volume::WORKERS)).unwrap_or(1);
        Self {
            workers,
            max_copies: usize::try_from(config.integer(&volume::MAX_COPIES))
                .unwrap_or(1)
                .min(workers.saturating_sub(1))
                .max(1),
            poll_interval: config.seconds(&volume::ORDER_POLL_INTERVAL).max(Duration::from_millis(10)),
            lease_seconds: whole(config.seconds(&volume::ORDER_LEASE)).max(3),
            stop_timeout: config.seconds(&volume::STOP_TIMEOUT),
            report_interval: config.seconds(&default::REPORT_INTERVAL).max(Duration::from_millis(100)),
            stats_interval: config.seconds(&volume::BACKEND_STATS_POLLING_INTERVAL),
            message_reap_interval: config.seconds(&default::MESSAGE_REAP_INTERVAL),
            message_ttl_seconds: whole(config.seconds(&default::MESSAGE_TTL)),
            purge_age_seconds: match config.integer(&volume::PURGE_AGE_IN_DAYS) {
                0 => None,
                days => Some(days.saturating_mul(DAY_SECONDS)),
            },
            down_time_seconds: whole(config.seconds(&default::SERVICE_DOWN_TIME)),
            enable_new_services: config.boolean(&default::ENABLE_NEW_SERVICES),
            max_attempts: usize::try_from(config.integer(&default::SCHEDULER_MAX_ATTEMPTS)).unwrap_or(1),
            rules: Rules {
                filters: config.list(&default::SCHEDULER_DEFAULT_FILTERS).to_vec(),
                capacity_multiplier: config.float(&volume::CAPACITY_WEIGHT_MULTIPLIER),
            },
            limits: limits(config),
            names: Names::read(config),
            outbox: Outbox::of(config),
            host: config.text(&default::HOST).to_owned(),
            internal_tenant: internal_tenant(config),
        }
    }
}

fn internal_tenant(config: &Config) -> Option<Tenant> {
    let own = |opt| config.opt_text(opt).filter(|text| !text.is_empty()).map(str::to_owned);
    let (project_id, user_id) = (own(&volume::INTERNAL_TENANT_PROJECT_ID)?, own(&volume::INTERNAL_TENANT_USER_ID)?);
    Some(Tenant { project_id, user_id })
}

/// What the stores have to know to charge for what is taken over, and to give back usage.
fn limits(config: &Config) -> Limits {
    Limits {
        volumes: config.integer(&quota::QUOTA_VOLUMES),
        gigabytes: config.integer(&quota::QUOTA_GIGABYTES),
        per_volume_gigabytes: config.integer(&quota::PER_VOLUME_SIZE_LIMIT),
        default_class: config.boolean(&quota::USE_DEFAULT_QUOTA_CLASS),
        snapshots_without_gigabytes: config.boolean(&quota::NO_SNAPSHOT_GB_QUOTA),
        until_refresh: config.integer(&quota::UNTIL_REFRESH),
        max_age_seconds: whole(config.seconds(&quota::MAX_AGE)),
        ..Limits::default()
    }
}

fn whole(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
