//! Quotas, in `[DEFAULT]`: limits of projects and volume types that have none of their own, and how reservations end.

use super::opt::Opt;

/// Volumes of a project.
pub const QUOTA_VOLUMES: Opt = limit("quota_volumes", "10", "Volumes of a project; -1: no limit.");
/// Snapshots of a project.
pub const QUOTA_SNAPSHOTS: Opt = limit("quota_snapshots", "10", "Snapshots of a project; -1: no limit.");
/// Groups of a project.
pub const QUOTA_GROUPS: Opt = limit("quota_groups", "10", "Groups of a project; -1: no limit.");
/// GiB of a project.
pub const QUOTA_GIGABYTES: Opt =
    limit("quota_gigabytes", "1000", "GiB of all volumes and snapshots of a project; -1: no limit.");
/// Backups of a project.
pub const QUOTA_BACKUPS: Opt = limit("quota_backups", "10", "Backups of a project; -1: no limit.");
/// GiB of a project's backups.
pub const QUOTA_BACKUP_GIGABYTES: Opt =
    limit("quota_backup_gigabytes", "1000", "GiB of all backups of a project; -1: no limit.");
/// GiB of one volume.
pub const PER_VOLUME_SIZE_LIMIT: Opt = limit("per_volume_size_limit", "-1", "GiB of one volume; -1: no limit.");
/// Whether snapshots count as GiB.
pub const NO_SNAPSHOT_GB_QUOTA: Opt = Opt::boolean("DEFAULT", "no_snapshot_gb_quota", "false")
    .help("Whether snapshots are left out of the count of GiB.")
    .reload();
/// Whether the class `default` of the database stands before these options.
pub const USE_DEFAULT_QUOTA_CLASS: Opt = Opt::boolean("DEFAULT", "use_default_quota_class", "true")
    .help("Whether limits of the quota class `default` in the database hold before those of this file.")
    .reload();
/// Reservations after which usage is counted again.
pub const UNTIL_REFRESH: Opt = Opt::integer("DEFAULT", "until_refresh", "0")
    .at_least(0)
    .help("Reservations after which usage is counted anew from the objects; 0: never.")
    .reload();
/// Age after which usage is counted again.
pub const MAX_AGE: Opt = Opt::seconds("DEFAULT", "max_age", "0")
    .help("Age after which usage is counted anew from the objects at the next reservation; 0: never.")
    .reload();

const fn limit(name: &'static str, default: &'static str, help: &'static str) -> Opt {
    Opt::integer("DEFAULT", name, default).at_least(-1).help(help).reload()
}

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    QUOTA_VOLUMES,
    QUOTA_SNAPSHOTS,
    QUOTA_GROUPS,
    QUOTA_GIGABYTES,
    QUOTA_BACKUPS,
    QUOTA_BACKUP_GIGABYTES,
    PER_VOLUME_SIZE_LIMIT,
    NO_SNAPSHOT_GB_QUOTA,
    USE_DEFAULT_QUOTA_CLASS,
    UNTIL_REFRESH,
    MAX_AGE,
];
