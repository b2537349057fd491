//! What a project may use: the resources that are counted, their limits, and what it says when a limit is reached
//! (Block Storage API v3, "Quota sets"). Not here: the rows (`store/quotas.rs`).

use crate::error::{Error, Kind};

/// The class whose limits hold for every project that has none of its own.
pub const DEFAULT_CLASS: &str = "default";

/// The greatest number that a usage row can hold.
pub const GREATEST: i64 = 2_147_483_647;

/// A resource that is counted or limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Volumes.
    Volumes,
    /// GiB of one volume: a limit without a count.
    PerVolumeGigabytes,
    /// Snapshots.
    Snapshots,
    /// GiB of volumes and snapshots.
    Gigabytes,
    /// Backups.
    Backups,
    /// GiB of backups.
    BackupGigabytes,
    /// Volume groups.
    Groups,
}

impl Resource {
    /// Every resource, in the order in which the API lists them.
    pub const ALL: [Self; 7] = [
        Self::Volumes,
        Self::PerVolumeGigabytes,
        Self::Snapshots,
        Self::Gigabytes,
        Self::Backups,
        Self::BackupGigabytes,
        Self::Groups,
    ];

    /// The resources that are also counted for each volume type.
    pub const BY_TYPE: [Self; 3] = [Self::Volumes, Self::Gigabytes, Self::Snapshots];

    /// Its name in rows and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Volumes => "volumes",
            Self::PerVolumeGigabytes => "per_volume_gigabytes",
            Self::Snapshots => "snapshots",
            Self::Gigabytes => "gigabytes",
            Self::Backups => "backups",
            Self::BackupGigabytes => "backup_gigabytes",
            Self::Groups => "groups",
        }
    }

    /// Its name for one volume type: `gigabytes_gold`.
    pub fn of_type(self, volume_type: &str) -> String {
        [self.name(), "_", volume_type].concat()
    }

    /// Whether it is counted in GiB.
    pub const fn is_size(self) -> bool {
        matches!(self, Self::Gigabytes | Self::BackupGigabytes | Self::PerVolumeGigabytes)
    }
}

/// The limits of the configuration file, and how usage is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `quota_volumes`.
    pub volumes: i64,
    /// `quota_snapshots`.
    pub snapshots: i64,
    /// `quota_gigabytes`.
    pub gigabytes: i64,
    /// `quota_backups`.
    pub backups: i64,
    /// `quota_backup_gigabytes`.
    pub backup_gigabytes: i64,
    /// `quota_groups`.
    pub groups: i64,
    /// `per_volume_size_limit`.
    pub per_volume_gigabytes: i64,
    /// `use_default_quota_class`: whether the class `default` goes before these numbers.
    pub default_class: bool,
    /// `no_snapshot_gb_quota`: whether snapshots do not count as gigabytes.
    pub snapshots_without_gigabytes: bool,
    /// `until_refresh`: charges after which usage is counted again; 0 for never.
    pub until_refresh: i64,
    /// `max_age`: seconds after which usage is counted again; 0 for never.
    pub max_age_seconds: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            volumes: 10,
            snapshots: 10,
            gigabytes: 1000,
            backups: 10,
            backup_gigabytes: 1000,
            groups: 10,
            per_volume_gigabytes: -1,
            default_class: true,
            snapshots_without_gigabytes: false,
            until_refresh: 0,
            max_age_seconds: 0,
        }
    }
}

impl Limits {
    /// The configured limit of a resource of all types together; -1 is none. Those of single types have none by default.
    pub const fn of(&self, resource: Resource) -> i64 {
        match resource {
            Resource::Volumes => self.volumes,
            Resource::PerVolumeGigabytes => self.per_volume_gigabytes,
            Resource::Snapshots => self.snapshots,
            Resource::Gigabytes => self.gigabytes,
            Resource::Backups => self.backups,
            Resource::BackupGigabytes => self.backup_gigabytes,
            Resource::Groups => self.groups,
        }
    }
}

/// The usage of one resource by one project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// In use.
    pub in_use: i64,
    /// Promised to requests that are under way in another implementation.
    pub reserved: i64,
}

impl Usage {
    /// Both together: what a limit is compared with.
    pub const fn total(self) -> i64 {
        self.in_use.saturating_add(self.reserved)
    }
}

/// A resource whose limit does not allow a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// What is counted.
    pub resource: Resource,
    /// Its name, which carries the volume type's where it is counted for one type.
    pub name: String,
    /// The limit.
    pub limit: i64,
    /// The usage so far.
    pub usage: Usage,
}

/// The error for a charge of `requested_gib` for `purpose` (volumes, snapshots, backups or groups) that these resources do
/// not allow. Clients match on these texts, of which a size that is exceeded goes before a count.
pub fn over_quota(purpose: Resource, requested_gib: i64, mut overs: Vec<Over>) -> Error {
    overs.sort_by(|a, b| a.name.cmp(&b.name));
    let refuse = |text: String| Error::new(Kind::OverQuota, text);
    for over in &overs {
        let Over { resource, name, limit, .. } = over;
        if resource.is_size() {
            let consumed = over.usage.total();
            return refuse(match purpose {
                Resource::Backups => format!(
                    "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. \
                     Requested {requested_gib}G, quota is {limit}G and {consumed}G has been consumed."
                ),
                _ => format!(
                    "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed {name} quota. \
                     Requested {requested_gib}G, quota is {limit}G and {consumed}G has been consumed."
                ),
            });
        }
        if *resource == purpose {
            return refuse(match purpose {
                Resource::Snapshots => {
                    format!("SnapshotLimitExceeded: Maximum number of snapshots allowed ({limit}) exceeded")
                }
                Resource::Backups => {
                    format!("BackupLimitExceeded: Maximum number of backups allowed ({limit}) exceeded")
                }
                Resource::Groups => format!("GroupLimitExceeded: Maximum number of groups allowed ({limit}) exceeded"),
                _ => format!(
                    "VolumeLimitExceeded: Maximum number of volumes allowed ({limit}) exceeded for quota '{name}'."
                ),
            });
        }
    }
    let names: Vec<&str> = overs.iter().map(|over| over.name.as_str()).collect();
    refuse(format!("UnexpectedOverQuota: Unexpected over quota on {}.", names.join(", ")))
}

/// The error for usage that would not fit into its row.
pub fn overflow(mut names: Vec<String>) -> Error {
    names.sort();
    let list: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    Error::new(
        Kind::OverQuota,
        format!(
            "QuotaUsageOverflow: Quota usage would overflow for resources: [{}]. The requested operation would exceed the \
             maximum allowed value ({GREATEST}) for quota tracking.",
            list.join(", ")
        ),
    )
}

/// The error for a volume that is larger than any single one may be.
pub fn volume_too_large(size_gib: i64, limit: i64) -> Error {
    Error::new(
        Kind::OverQuota,
        format!(
            "VolumeSizeExceedsLimit: Requested volume size {size_gib}G is larger than maximum allowed limit {limit}G."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::{Over, Resource, Usage, over_quota};

    fn over(resource: Resource, name: &str) -> Over {
        Over { resource, name: name.to_owned(), limit: 5, usage: Usage { in_use: 3, reserved: 1 } }
    }

    #[test]
    fn a_size_is_named_before_a_count() {
        let both = vec![over(Resource::Volumes, "volumes"), over(Resource::Gigabytes, "gigabytes_gold")];
        assert_eq!(
            over_quota(Resource::Volumes, 2, both).public(),
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes_gold quota. \
             Requested 2G, quota is 5G and 4G has been consumed."
        );
    }

    #[test]
    fn a_count_is_named_with_its_type() {
        let counts = vec![over(Resource::Volumes, "volumes_gold"), over(Resource::Volumes, "volumes")];
        assert_eq!(
            over_quota(Resource::Volumes, 2, counts).public(),
            "VolumeLimitExceeded: Maximum number of volumes allowed (5) exceeded for quota 'volumes'."
        );
        let other = vec![over(Resource::Snapshots, "snapshots")];
        assert_eq!(
            over_quota(Resource::Volumes, 2, other).public(),
            "UnexpectedOverQuota: Unexpected over quota on snapshots."
        );
    }

    #[test]
    fn a_type_that_is_called_like_a_size_is_still_a_count() {
        let counts = vec![over(Resource::Volumes, "volumes_gigabytes")];
        assert!(over_quota(Resource::Volumes, 2, counts).public().starts_with("VolumeLimitExceeded"));
    }
}
