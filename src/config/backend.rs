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
    "Driver: file or lvm. Cinder's names are taken too: cinder.volume.drivers.lvm.LVMVolumeDriver means lvm, \
     cinder.volume.drivers.nfs.NfsDriver file.",
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
/// Where the snapshots of the file driver are.
pub const HEARTH_FILE_SNAPSHOTS: Opt = Opt::choice(SECTION, "hearth_file_snapshots", &["auto", "files", "internal"], "auto")
    .help(
        "Where the file driver keeps snapshots of thin qcow2 volumes: auto, as files of their own where the file system shares \
         blocks (XFS, Btrfs), else inside the volume's file, which copies no data; files, always as files of their own; \
         internal, always inside. Raw volumes, thick and attached ones have files of their own.",
    );

/// Where hosts mount the folder of the file driver.
pub const HEARTH_FILE_EXPORT: Opt = Opt::text(SECTION, "hearth_file_export", "").help(
    "Where hosts mount the folder of the file driver by NFS, as address:/path. Empty: hosts have the folder under the \
     same path as this one; then raw volumes alone can be attached.",
);
/// Options with which hosts mount it.
pub const NFS_MOUNT_OPTIONS: Opt = Opt::text(SECTION, "nfs_mount_options", "")
    .help("Options with which hosts mount hearth_file_export. Empty: those of the host.");
/// Protocol by which hosts reach volumes.
pub const TARGET_PROTOCOL: Opt = Opt::text(SECTION, "target_protocol", "").help(
    "Protocol by which hosts reach volumes: iscsi, nbd (by qemu-nbd; os-brick does not know it), or local, which is the \
     driver's own way. Empty: local for the driver file, iscsi for lvm.",
);
/// Program that serves them.
pub const TARGET_HELPER: Opt = Opt::text(SECTION, "target_helper", "tgtadm")
    .help("What serves volumes by iSCSI: tgtadm, the daemon tgtd, or lioadm, LIO in Linux.");
/// Address at which they are served.
pub const TARGET_IP_ADDRESS: Opt = Opt::text(SECTION, "target_ip_address", "$my_ip")
    .help("Address of this host at which volumes are served.")
    .deprecated(&[("DEFAULT", "iscsi_ip_address")]);
/// Further addresses.
pub const TARGET_SECONDARY_IP_ADDRESSES: Opt = Opt::list(SECTION, "target_secondary_ip_addresses", "")
    .help("Further addresses of this host at which volumes are served by iSCSI, for hosts with several paths.");
/// Port at which they are served.
pub const TARGET_PORT: Opt = Opt::integer(SECTION, "target_port", "3260")
    .range(1, 65535)
    .help("Port at which volumes are served by iSCSI. tgtd opens it: see its option --iscsi portal.");
/// Begin of the names of targets.
pub const TARGET_PREFIX: Opt = Opt::text(SECTION, "target_prefix", "iqn.2010-10.org.openstack:")
    .help("What stands before the names of volumes in the names of their iSCSI targets.");
/// Whether tgtd tells hosts of a write cache.
pub const ISCSI_WRITE_CACHE: Opt = Opt::choice(SECTION, "iscsi_write_cache", &["on", "off"], "on")
    .help("Whether tgtd tells hosts that there is a write cache that they have to flush.");
/// How tgtd opens what it serves.
pub const ISCSI_TARGET_FLAGS: Opt =
    Opt::text(SECTION, "iscsi_target_flags", "").help("How tgtd opens volumes: sync, direct, sync:direct, or empty.");
/// Whether hosts may discard.
pub const REPORT_DISCARD_SUPPORTED: Opt = Opt::boolean(SECTION, "report_discard_supported", "false")
    .help("Whether hosts are told that they may discard what they no longer need on volumes served by iSCSI.");
/// Which tgtd.
pub const HEARTH_TGT_CONTROL_PORT: Opt = Opt::integer(SECTION, "hearth_tgt_control_port", "0")
    .range(0, 32767)
    .help("Which tgtd serves the volumes, where several run on this host: the number of its option --control-port.");
/// Ports of qemu-nbd.
pub const HEARTH_NBD_PORTS: Opt = Opt::text(SECTION, "hearth_nbd_ports", "10809-11808")
    .help("Ports at which volumes are served by NBD, one for each that is in use.");

/// Volume group of the driver lvm.
pub const VOLUME_GROUP: Opt = Opt::text(SECTION, "volume_group", "cinder-volumes")
    .help("Volume group of the driver lvm. Its thin pool is called as the group, with -pool behind, and made where it is missing.");
/// Which kind of volumes the driver lvm makes.
pub const LVM_TYPE: Opt = Opt::choice(SECTION, "lvm_type", &["default", "thin", "auto"], "auto")
    .help("Kind of volumes of the driver lvm: thin and auto mean thin ones; default, thick ones, is refused.");

/// Whether images are kept.
pub const IMAGE_VOLUME_CACHE_ENABLED: Opt = Opt::boolean(SECTION, "image_volume_cache_enabled", "false").help(
    "Whether a volume is kept of each image, of which the next volumes of that image are copies. It belongs to \
     cinder_internal_tenant_project_id.",
);
/// GiB of images that are kept.
pub const IMAGE_VOLUME_CACHE_MAX_SIZE_GB: Opt = Opt::integer(SECTION, "image_volume_cache_max_size_gb", "0")
    .range(0, i64::MAX)
    .help("GiB of volumes that are kept of images; 0: any number. What was not used for longest goes first.");
/// How many images are kept.
pub const IMAGE_VOLUME_CACHE_MAX_COUNT: Opt = Opt::integer(SECTION, "image_volume_cache_max_count", "0")
    .range(0, i64::MAX)
    .help("How many volumes are kept of images; 0: any number. What was not used for longest goes first.");

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
    HEARTH_FILE_SNAPSHOTS,
    HEARTH_FILE_EXPORT,
    NFS_MOUNT_OPTIONS,
    TARGET_PROTOCOL,
    TARGET_HELPER,
    TARGET_IP_ADDRESS,
    TARGET_SECONDARY_IP_ADDRESSES,
    TARGET_PORT,
    TARGET_PREFIX,
    ISCSI_WRITE_CACHE,
    ISCSI_TARGET_FLAGS,
    REPORT_DISCARD_SUPPORTED,
    HEARTH_TGT_CONTROL_PORT,
    HEARTH_NBD_PORTS,
    VOLUME_GROUP,
    LVM_TYPE,
    IMAGE_VOLUME_CACHE_ENABLED,
    IMAGE_VOLUME_CACHE_MAX_SIZE_GB,
    IMAGE_VOLUME_CACHE_MAX_COUNT,
];
