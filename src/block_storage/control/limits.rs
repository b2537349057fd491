//! The limits that the configuration sets for projects which have none of their own.

use crate::block_storage::model::quota::Limits;
use crate::config::{Config, quota};

/// The configured limits, and how usage is kept.
pub fn configured(config: &Config) -> Limits {
    Limits {
        volumes: config.integer(&quota::QUOTA_VOLUMES),
        snapshots: config.integer(&quota::QUOTA_SNAPSHOTS),
        gigabytes: config.integer(&quota::QUOTA_GIGABYTES),
        backups: config.integer(&quota::QUOTA_BACKUPS),
        backup_gigabytes: config.integer(&quota::QUOTA_BACKUP_GIGABYTES),
        groups: config.integer(&quota::QUOTA_GROUPS),
        per_volume_gigabytes: config.integer(&quota::PER_VOLUME_SIZE_LIMIT),
        default_class: config.boolean(&quota::USE_DEFAULT_QUOTA_CLASS),
        snapshots_without_gigabytes: config.boolean(&quota::NO_SNAPSHOT_GB_QUOTA),
        until_refresh: config.integer(&quota::UNTIL_REFRESH),
        max_age_seconds: i64::try_from(config.seconds(&quota::MAX_AGE).as_secs()).unwrap_or(i64::MAX),
    }
}
