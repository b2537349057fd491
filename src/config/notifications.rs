//! Where notifications go: `[oslo_messaging_notifications]`, `[oslo_messaging_rabbit]`, and what Hearth adds to them.

use super::opt::Opt;

/// The words of `driver`.
pub const DRIVERS: &[&str] = &["messagingv2", "messaging", "log", "noop", "hearth_telemetry"];

/// Who sends notifications.
pub const DRIVER: Opt = Opt::words("oslo_messaging_notifications", "driver", DRIVERS).help(
    "How notifications are sent; the option may be repeated. messagingv2: to RabbitMQ, in the envelope that every listener \
     reads; messaging: without it; log: into the log; hearth_telemetry: kept in the database for Hearth's own Telemetry; \
     noop: not at all. Not set: no notification is made.",
);
/// Where messages of notifications are sent.
pub const TRANSPORT_URL: Opt = Opt::text("oslo_messaging_notifications", "transport_url", "").secret().help(
    "Where the drivers messagingv2 and messaging send: rabbit://user:password@host:port/virtual_host, or several \
     user:password@host:port between commas, which are tried in turn; ?option=value&... for options of \
     [oslo_messaging_rabbit]. What an address gives a meaning to is written with percent signs in names and passwords. \
     Empty: [DEFAULT] transport_url.",
);
/// Beginnings of the names of queues.
pub const TOPICS: Opt = Opt::list("oslo_messaging_notifications", "topics", "notifications")
    .help("Beginnings of routing keys and queues: each notification is sent to <topic>.<priority> for each topic.");
/// Attempts.
pub const RETRY: Opt = Opt::integer("oslo_messaging_notifications", "retry", "-1").at_least(-1).help(
    "How often a notification that could not be sent is tried again before it is given up, with an error in the log. \
     -1: for ever.",
);
/// Where messages are sent.
pub const DEFAULT_TRANSPORT_URL: Opt = Opt::text("DEFAULT", "transport_url", "rabbit://").secret().help(
    "The message broker: rabbit://user:password@host:port/virtual_host. Hearth uses it for notifications only, and only \
     where [oslo_messaging_notifications] names a driver and no address of its own.",
);
/// The exchange.
pub const CONTROL_EXCHANGE: Opt = Opt::text("DEFAULT", "control_exchange", "openstack")
    .help("The exchange of RabbitMQ that notifications are sent to.");
/// Durability.
pub const DURABLE_QUEUES: Opt = Opt::boolean("oslo_messaging_rabbit", "amqp_durable_queues", "false").help(
    "Whether exchange and queues outlive a restart of RabbitMQ. Must say the same here and where notifications are read.",
);
/// Automatic removal.
pub const AUTO_DELETE: Opt = Opt::boolean("oslo_messaging_rabbit", "amqp_auto_delete", "false")
    .help("Whether RabbitMQ removes exchange and queues that nobody uses any more.");
/// Quorum queues.
pub const QUORUM_QUEUE: Opt = Opt::boolean("oslo_messaging_rabbit", "rabbit_quorum_queue", "false")
    .help(
    "Whether queues are quorum queues (x-queue-type: quorum), which are durable and replicated. Excludes rabbit_ha_queues and \
     amqp_auto_delete.",
);
/// Deliveries.
pub const QUORUM_DELIVERY_LIMIT: Opt = Opt::integer("oslo_messaging_rabbit", "rabbit_quorum_delivery_limit", "0")
    .at_least(0)
    .help("How often a message of a quorum queue is delivered before it is dropped. 0: no limit.");
/// Messages.
pub const QUORUM_MAX_MEMORY_LENGTH: Opt = Opt::integer("oslo_messaging_rabbit", "rabbit_quorum_max_memory_length", "0")
    .at_least(0)
    .help("Most messages of a quorum queue in RabbitMQ's memory. 0: no limit.");
/// Bytes.
pub const QUORUM_MAX_MEMORY_BYTES: Opt = Opt::integer("oslo_messaging_rabbit", "rabbit_quorum_max_memory_bytes", "0")
    .at_least(0)
    .help("Most bytes of a quorum queue in RabbitMQ's memory. 0: no limit.");
/// Mirrored queues.
pub const HA_QUEUES: Opt = Opt::boolean("oslo_messaging_rabbit", "rabbit_ha_queues", "false")
    .help("Whether queues are declared with x-ha-policy: all, as RabbitMQ before 3.0 wants it.");
/// TLS.
pub const SSL: Opt = Opt::boolean("oslo_messaging_rabbit", "ssl", "false")
    .help("Whether RabbitMQ is spoken to by TLS. Its certificate is always checked.");
/// Authorities.
pub const SSL_CA_FILE: Opt = Opt::path("oslo_messaging_rabbit", "ssl_ca_file", "")
    .help("File of certificate authorities that RabbitMQ's certificate may come from, besides those of the machine.");
/// Own certificate.
pub const SSL_CERT_FILE: Opt =
    Opt::path("oslo_messaging_rabbit", "ssl_cert_file", "").help("File of the certificate that is shown to RabbitMQ.");
/// Own key.
pub const SSL_KEY_FILE: Opt = Opt::path("oslo_messaging_rabbit", "ssl_key_file", "")
    .help("File of the key of that certificate. Empty: it is in the same file.");
/// Heartbeats.
pub const HEARTBEAT: Opt = Opt::integer("oslo_messaging_rabbit", "heartbeat_timeout_threshold", "60")
    .range(0, 65_535)
    .help("Seconds without a sign of life after which a connection to RabbitMQ is given up. 0: never.");
/// Pause.
pub const RETRY_INTERVAL: Opt = Opt::seconds("oslo_messaging_rabbit", "rabbit_retry_interval", "1")
    .help("Seconds between the first two attempts to reach RabbitMQ.");
/// More pause.
pub const RETRY_BACKOFF: Opt = Opt::seconds("oslo_messaging_rabbit", "rabbit_retry_backoff", "2")
    .help("Seconds by which each further pause between attempts is longer.");
/// Longest pause.
pub const INTERVAL_MAX: Opt = Opt::seconds("oslo_messaging_rabbit", "rabbit_interval_max", "30")
    .help("The longest pause between two attempts to reach RabbitMQ, in seconds.");
/// Seconds between looks.
pub const POLL_INTERVAL: Opt = Opt::seconds("hearth_notifications", "poll_interval", "0.5")
    .help("Seconds between looks for notifications that other processes have made.");
/// Seconds of a lease.
pub const LEASE: Opt = Opt::seconds("hearth_notifications", "lease", "15").help(
    "Seconds for which one process has the notifications of a driver. After a crash another one takes them over no later.",
);
/// Most waiting.
pub const OUTBOX_LIMIT: Opt = Opt::integer("hearth_notifications", "outbox_limit", "1000000").at_least(0).help(
    "Most notifications that wait for a driver which can not send them; of more, the oldest are given up, with an error in \
     the log. 0: no limit.",
);

/// Period of audits.
pub const AUDIT_PERIOD: Opt = Opt::text("DEFAULT", "volume_usage_audit_period", "month").help(
    "The period of which 'hearth audit' tells: hour, day, month or year, with @ and the minute, hour, day or month at which \
     one begins.",
);

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    DRIVER,
    TRANSPORT_URL,
    TOPICS,
    RETRY,
    DEFAULT_TRANSPORT_URL,
    CONTROL_EXCHANGE,
    DURABLE_QUEUES,
    AUTO_DELETE,
    QUORUM_QUEUE,
    QUORUM_DELIVERY_LIMIT,
    QUORUM_MAX_MEMORY_LENGTH,
    QUORUM_MAX_MEMORY_BYTES,
    HA_QUEUES,
    SSL,
    SSL_CA_FILE,
    SSL_CERT_FILE,
    SSL_KEY_FILE,
    HEARTBEAT,
    RETRY_INTERVAL,
    RETRY_BACKOFF,
    INTERVAL_MAX,
    POLL_INTERVAL,
    LEASE,
    OUTBOX_LIMIT,
    AUDIT_PERIOD,
];
