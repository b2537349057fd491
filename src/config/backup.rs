//! What a backup service does, under Cinder's names. How it takes orders is in `volume.rs`, as for volume services.

use super::opt::Opt;

/// Where backups are kept.
pub const BACKUP_DRIVER: Opt = Opt::text("DEFAULT", "backup_driver", "cinder.backup.drivers.posix.PosixBackupDriver")
    .help(
        "Where backups are kept. There is one driver, which keeps them in a folder; one that the operator has mounted from \
         elsewhere (NFS, CephFS, a bucket) is a folder too.",
    );
/// Folder of the backups.
pub const BACKUP_POSIX_PATH: Opt = Opt::path("DEFAULT", "backup_posix_path", "$state_path/backup").help(
    "Folder in which backups are kept. What is mounted there must be mounted before the service starts. Several backup \
     services may share it.",
);
/// Folder below that, for all backups.
pub const BACKUP_CONTAINER: Opt = Opt::text("DEFAULT", "backup_container", "").help(
    "Folder below backup_posix_path for backups that name none. Empty: one for each backup, called by its id, below two \
     that are called by the first digits of the id.",
);
/// The most bytes of a volume in one file.
pub const BACKUP_FILE_SIZE: Opt = Opt::integer("DEFAULT", "backup_file_size", "1999994880").at_least(1).help(
    "The most bytes of a volume that one file of a backup holds, before compression. A multiple of \
     backup_sha_block_size_bytes.",
);
/// Bytes of a block whose change is noticed.
pub const BACKUP_SHA_BLOCK_SIZE_BYTES: Opt =
    Opt::integer("DEFAULT", "backup_sha_block_size_bytes", "32768").range(512, 1 << 30).help(
        "Bytes in whose multiples an incremental backup notices changes. Where it is changed, the next backup of each volume \
     must be a full one.",
    );
/// How backups are compressed.
pub const BACKUP_COMPRESSION_ALGORITHM: Opt = Opt::choice(
    "DEFAULT",
    "backup_compression_algorithm",
    &["none", "off", "no", "zlib", "gzip", "bz2", "bzip2", "zstd"],
    "zlib",
)
.help("How new backups are compressed. Backups that were compressed in another way can be restored all the same.");
/// Orders at once.
pub const BACKUP_MAX_OPERATIONS: Opt = Opt::integer("DEFAULT", "backup_max_operations", "15")
    .range(0, 64)
    .help("Backups, restores and deletions that a backup service carries out at once; 0 for as many as it can.");

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    BACKUP_DRIVER,
    BACKUP_POSIX_PATH,
    BACKUP_CONTAINER,
    BACKUP_FILE_SIZE,
    BACKUP_SHA_BLOCK_SIZE_BYTES,
    BACKUP_COMPRESSION_ALGORITHM,
    BACKUP_MAX_OPERATIONS,
];
