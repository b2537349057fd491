//! `[backend_defaults]` and the sections that `enabled_backends` names: what a volume service runs. Read these rows by
//! `Config::text_in` and its like: a backend's own section stands before `[backend_defaults]`.

use super::opt::Opt;

/// The section whose rows hold for every backend.
pub const SECTION: &str = "backend_defaults";

/// Backends that a volume service runs.
pub const ENABLED_BACKENDS: Opt = Opt::list("DEFAULT", "enabled_backends", "")
    .help("Backends that a volume service runs, by the names of their sections.");
/// Name of a backend in extra specs.
pub const VOLUME_BACKEND_NAME: Opt = Opt::text(SECTION, "volume_backend_name", "").help(
    "Name of the backend, which the extra spec volume_backend_name of volume types compares. Empty: its section.",
);
/// Driver of a backend.
pub const VOLUME_DRIVER: Opt = Opt::text(SECTION, "volume_driver", "file").help(
    "Driver: file, lvm or rbd. Cinder's names are taken too: cinder.volume.drivers.lvm.LVMVolumeDriver means lvm, \
     cinder.volume.drivers.rbd.RBDDriver rbd, cinder.volume.drivers.nfs.NfsDriver file.",
);
/// Host of a backend.
pub const BACKEND_HOST: Opt =
    Opt::text(SECTION, "backend_host", "").help("Takes the place of [DEFAULT] host for this backend.");
/// Zone of a backend.
pub const BACKEND_AVAILABILITY_ZONE: Opt = Opt::text(SECTION, "backend_availability_zone", "")
    .help("Takes the place of [DEFAULT] storage_availability_zone for this backend.");
/// Share of the capacity that stays free.
pub const RESERVED_PERCENTAGE: Opt =
    Opt::integer(SECTION, "reserved_percentage", "0").range(0, 100).help("Percentage of the capacity that stays free.");
/// How far thin volumes may exceed the capacity.
pub const MAX_OVER_SUBSCRIPTION_RATIO: Opt = Opt::text(SECTION, "max_over_subscription_ratio", "20.0")
    .help("How many times the capacity thin volumes may promise together, 1.0 or more, or auto.");
/// Folder of the file driver.
pub const HEARTH_FILE_PATH: Opt = Opt::path(SECTION, "hearth_file_path", "")
    .help("Folder in which the file driver keeps volumes and snapshots. Empty: volumes/<section> under state_path.");
/// Whether the volumes of the file driver are thin.
pub const NFS_SPARSED_VOLUMES: Opt = Opt::boolean(SECTION, "nfs_sparsed_volumes", "true")
    .help("Whether the file driver makes volumes that take their space when it is written, instead of at once.");
/// Whether the volumes of the file driver are in QEMU's format.
pub const NFS_QCOW2_VOLUMES: Opt = Opt::boolean(SECTION, "nfs_qcow2_volumes", "false")
    .help("Whether the file driver makes qcow2 files instead of raw ones. Copies keep the format of their source.");

/// Where hosts mount the folder of the file driver.
pub const HEARTH_FILE_EXPORT: Opt = Opt::text(SECTION, "hearth_file_export", "").help(
    "Where hosts mount the folder of the file driver by NFS, as address:/path. Empty: hosts have the folder under the \
     same path as this one; then raw volumes alone can be attached.",
);
/// Options with which hosts mount it.
pub const NFS_MOUNT_OPTIONS: Opt = Opt::text(SECTION, "nfs_mount_options", "")
    .help("Options with which hosts mount hearth_file_export. Empty: those of the host.");

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    ENABLED_BACKENDS,
    VOLUME_BACKEND_NAME,
    VOLUME_DRIVER,
    BACKEND_HOST,
    BACKEND_AVAILABILITY_ZONE,
    RESERVED_PERCENTAGE,
    MAX_OVER_SUBSCRIPTION_RATIO,
    HEARTH_FILE_PATH,
    NFS_SPARSED_VOLUMES,
    NFS_QCOW2_VOLUMES,
    HEARTH_FILE_EXPORT,
    NFS_MOUNT_OPTIONS,
];
