//! Logging, in `[DEFAULT]` under the names of oslo.log, and in `[hearth_log]` what oslo.log does not know.

use super::opt::Opt;

/// Whether debug lines are written.
pub const DEBUG: Opt =
    Opt::boolean("DEFAULT", "debug", "false").help("Whether lines of level debug are written.").reload();
/// File of the log.
pub const LOG_FILE: Opt = Opt::path("DEFAULT", "log_file", "").deprecated(&[("DEFAULT", "logfile")]).help(
    "File of the log; relative to log_dir. Opened again when the configuration is read again. Empty: standard error.",
);
/// Folder of the log.
pub const LOG_DIR: Opt = Opt::path("DEFAULT", "log_dir", "")
    .deprecated(&[("DEFAULT", "logdir")])
    .help("Folder of log_file. Where log_file is empty, the file is named after the role, such as hearth-api.log.");
/// Whether lines go to syslog.
pub const USE_SYSLOG: Opt =
    Opt::boolean("DEFAULT", "use_syslog", "false").help("Whether lines go to syslog; see [hearth_log] syslog_format.");
/// Whether lines go to standard error too.
pub const USE_STDERR: Opt = Opt::boolean("DEFAULT", "use_stderr", "false")
    .help("Whether lines go to standard error beside a file or syslog. Without either they always do.");
/// Facility of syslog.
pub const SYSLOG_LOG_FACILITY: Opt = Opt::text("DEFAULT", "syslog_log_facility", "LOG_USER")
    .help("Facility of syslog: LOG_USER, LOG_DAEMON, LOG_LOCAL0 to LOG_LOCAL7 and the others, with or without LOG_.");
/// Levels of single modules.
pub const DEFAULT_LOG_LEVELS: Opt = Opt::list("DEFAULT", "default_log_levels", "")
    .help(
        "Levels of single modules: target=LEVEL between commas, such as hearth::database=DEBUG. Targets of Python \
           modules match nothing here.",
    )
    .reload();
/// Form of syslog messages.
pub const SYSLOG_FORMAT: Opt = Opt::choice("hearth_log", "syslog_format", &["rfc5424", "rfc3164"], "rfc3164")
    .help("Form of syslog messages. Local syslog daemons read rfc3164 at their unix socket; rsyslog reads both.");
/// Socket of syslog.
pub const SYSLOG_SOCKET: Opt = Opt::path("hearth_log", "syslog_socket", "")
    .help("Unix socket of the syslog daemon. Empty: /dev/log, then /var/run/syslog.");
/// Whether each request is a line.
pub const ACCESS_LOG: Opt = Opt::boolean("hearth_log", "access_log", "false")
    .help(
        "Whether each answered request is one line of level info and target `access`. Off by default: the web server \
           keeps an access log of its own, and the line costs time in every request.",
    )
    .reload();
/// Lines that may wait for the writer.
pub const QUEUE_LINES: Opt = Opt::integer("hearth_log", "queue_lines", "8192").range(16, 1_000_000).help(
    "Lines that may wait for the log's writer. When more come, lines below error are dropped and counted in a line.",
);

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    DEBUG,
    LOG_FILE,
    LOG_DIR,
    USE_SYSLOG,
    USE_STDERR,
    SYSLOG_LOG_FACILITY,
    DEFAULT_LOG_LEVELS,
    SYSLOG_FORMAT,
    SYSLOG_SOCKET,
    ACCESS_LOG,
    QUEUE_LINES,
];
