//! `[healthcheck]`: the health document `/healthcheck`. Names of oslo.middleware.

use super::opt::Opt;

/// Whether the health document tells details.
pub const DETAILED: Opt = Opt::boolean("healthcheck", "detailed", "false")
    .help("Whether the health document tells details of the process.")
    .reload();
/// Health checks that run.
pub const BACKENDS: Opt = Opt::list("healthcheck", "backends", "disable_by_file")
    .help("Health checks that run: disable_by_file, disable_by_files_ports, enable_by_files.")
    .reload();
/// File that makes the process unhealthy.
pub const DISABLE_BY_FILE_PATH: Opt =
    Opt::path("healthcheck", "disable_by_file_path", "/etc/cinder/healthcheck_disable")
        .help("File whose existence makes every health check answer 503.")
        .reload();
/// Ports and files that make a port unhealthy.
pub const DISABLE_BY_FILE_PATHS: Opt = Opt::list("healthcheck", "disable_by_file_paths", "")
    .help("port:file pairs: while the file exists, health checks on that port answer 503.")
    .reload();
/// Files that must exist.
pub const ENABLE_BY_FILE_PATHS: Opt = Opt::list("healthcheck", "enable_by_file_paths", "")
    .help("Files without which every health check answers 503.")
    .reload();
/// Who may ask.
pub const ALLOWED_SOURCE_RANGES: Opt = Opt::list("healthcheck", "allowed_source_ranges", "")
    .help("Networks from which the health document may be asked for, such as 10.0.0.0/8. Empty: all.")
    .reload();
/// Whether proxied requests are answered.
pub const IGNORE_PROXIED_REQUESTS: Opt = Opt::boolean("healthcheck", "ignore_proxied_requests", "false")
    .help("Whether a request with Forwarded or X-Forwarded-* headers is not answered by the health document.")
    .reload();

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    DETAILED,
    BACKENDS,
    DISABLE_BY_FILE_PATH,
    DISABLE_BY_FILE_PATHS,
    ENABLE_BY_FILE_PATHS,
    ALLOWED_SOURCE_RANGES,
    IGNORE_PROXIED_REQUESTS,
];
