//! A service as the table `services` knows it (Block Storage API v3, "Services").

use crate::time::Timestamp;

/// The binary of volume services.
pub const VOLUME: &str = "cinder-volume";
/// The binary of backup services.
pub const BACKUP: &str = "cinder-backup";

/// A row of `services`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its number, to which `workers` refer.
    pub id: i64,
    /// UUID, to which volumes refer.
    pub uuid: Option<String>,
    /// `host@backend` of a volume service, `host` of the others.
    pub host: String,
    /// `cinder-volume`, `cinder-scheduler`, `cinder-backup`.
    pub binary: String,
    /// Its availability zone.
    pub availability_zone: Option<String>,
    /// Whether it takes no new volumes.
    pub disabled: bool,
    /// Why.
    pub disabled_reason: Option<String>,
    /// When it was added.
    pub created_at: Option<Timestamp>,
    /// When it last reported.
    pub updated_at: Option<Timestamp>,
    /// When an operator last changed it.
    pub modified_at: Option<Timestamp>,
    /// Its cluster.
    pub cluster_name: Option<String>,
    /// Its replication.
    pub replication_status: Option<String>,
    /// The backend that it failed over to.
    pub active_backend_id: Option<String>,
    /// Whether the objects on its backend are kept as they are.
    pub frozen: bool,
    /// How often it reported.
    pub report_count: i64,
}

impl Service {
    /// Whether it has reported within `down_time_seconds` (`service_down_time`).
    pub fn is_up(&self, now: Timestamp, down_time_seconds: i64) -> bool {
        self.updated_at.is_some_and(|reported| reported >= now.plus_seconds(-down_time_seconds))
    }
}

/// The driver of backups in a folder, as Cinder names it. It stands in the records of backups.
pub const FOLDER_DRIVER: &str = "cinder.backup.drivers.posix.PosixBackupDriver";

/// Whether a driver, by any of its names, keeps backups in a folder and in the same form.
pub fn is_folder_driver(name: &str) -> bool {
    const NAMES: [&str; 3] = [
        FOLDER_DRIVER,
        "cinder.backup.drivers.nfs.NFSBackupDriver",
        "cinder.backup.drivers.glusterfs.GlusterfsBackupDriver",
    ];
    // Records of old releases name the module alone.
    name == "posix"
        || NAMES.iter().any(|known| *known == name || known.rsplit_once('.').is_some_and(|(module, _)| module == name))
}
