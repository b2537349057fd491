//! `[hearth]`: options of the gateway, which Cinder leaves to its web server: where responders listen, and their limits.

use super::opt::Opt;

/// Where `hearth api` and `hearth serve` listen.
pub const LISTEN: Opt = Opt::list("hearth", "listen", "").help(
    "Where 'hearth api' and 'hearth serve' listen: addresses as 127.0.0.1:9000 or [::1]:9000, or paths of unix sockets. Empty: \
     the sockets that were handed over, else 127.0.0.1:8776 for 'hearth serve'.",
);
/// Mode of unix sockets.
pub const SOCKET_MODE: Opt = Opt::text("hearth", "socket_mode", "0660")
    .help("Mode of the unix sockets that a responder makes, in octal digits.");
/// Worker threads.
pub const WORKERS: Opt = Opt::integer("hearth", "workers", "8")
    .range(1, 1024)
    .help("Threads that run requests in one responder. Idle connections need none.");
/// Waiting requests.
pub const QUEUE: Opt = Opt::integer("hearth", "queue", "256")
    .range(0, 1_000_000)
    .help("Requests that wait while every worker is busy; further ones are answered with 503 and Retry-After.");
/// Seconds of Retry-After.
pub const RETRY_AFTER: Opt = Opt::integer("hearth", "retry_after", "1")
    .range(0, 3600)
    .help("Seconds that an overloaded responder asks clients to wait.")
    .reload();
/// Request time-out.
pub const REQUEST_TIMEOUT: Opt = Opt::seconds("hearth", "request_timeout", "60")
    .help("Age at which a request is logged with what it is doing, and answered with 504 where nothing was sent yet. 0: never.")
    .reload();
/// Requests of a process.
pub const MAX_REQUESTS: Opt = Opt::integer("hearth", "max_requests", "0")
    .at_least(0)
    .help("Requests after which a responder finishes what it has and is replaced. 0: never.")
    .reload();
/// Drain time.
pub const DRAIN_TIMEOUT: Opt = Opt::seconds("hearth", "drain_timeout", "30").help(
    "How long a responder that was told to stop lets web servers keep their idle connections, so that none is closed in \
     their hands. Longer than the web server's keepalive_timeout.",
);
/// Path of the status document.
pub const STATUS_PATH: Opt = Opt::text("hearth", "status_path", "/hearth-status")
    .help("Path of the status document (text; ?json and ?prometheus for the other forms). Empty: none.")
    .reload();
/// Path of the ping.
pub const PING_PATH: Opt = Opt::text("hearth", "ping_path", "/hearth-ping")
    .help("Path that answers 'pong' without asking any other part. Empty: none.")
    .reload();
/// Who may read them.
pub const STATUS_ALLOWED: Opt = Opt::list("hearth", "status_allowed_from", "127.0.0.0/8,::1/128")
    .help("Addresses or networks of clients that may read status_path and ping_path.")
    .reload();
/// Bytes of variables.
pub const PARAMS_LIMIT: Opt = Opt::integer("hearth", "params_limit", "131072")
    .range(4096, 16_777_216)
    .help("Bytes of all headers and other variables of one request; more are answered with 431.")
    .reload();
/// Prefix of Block Storage.
pub const BLOCK_STORAGE_PREFIX: Opt = Opt::text("hearth", "block_storage_prefix", "/volume")
    .help("Path under which Block Storage stands where the web server does not name the service.");
/// Prefix of Telemetry.
pub const METERING_PREFIX: Opt = Opt::text("hearth", "metering_prefix", "/metering")
    .help("Path under which Telemetry stands where the web server does not name the service.");
/// Prefix of alarms.
pub const ALARMING_PREFIX: Opt = Opt::text("hearth", "alarming_prefix", "/alarming")
    .help("Path under which alarms stand where the web server does not name the service.");
/// Port of Block Storage.
pub const BLOCK_STORAGE_PORT: Opt = Opt::integer("hearth", "block_storage_port", "8776")
    .range(0, 65_535)
    .help("Port on which Block Storage stands without a prefix.");
/// Port of Telemetry.
pub const METERING_PORT: Opt = Opt::integer("hearth", "metering_port", "8777")
    .range(0, 65_535)
    .help("Port on which Telemetry stands without a prefix.");
/// Port of alarms.
pub const ALARMING_PORT: Opt = Opt::integer("hearth", "alarming_port", "8042")
    .range(0, 65_535)
    .help("Port on which alarms stand without a prefix.");

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    LISTEN,
    SOCKET_MODE,
    WORKERS,
    QUEUE,
    RETRY_AFTER,
    REQUEST_TIMEOUT,
    MAX_REQUESTS,
    DRAIN_TIMEOUT,
    STATUS_PATH,
    PING_PATH,
    STATUS_ALLOWED,
    PARAMS_LIMIT,
    BLOCK_STORAGE_PREFIX,
    METERING_PREFIX,
    ALARMING_PREFIX,
    BLOCK_STORAGE_PORT,
    METERING_PORT,
    ALARMING_PORT,
];
