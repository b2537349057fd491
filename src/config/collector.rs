//! What `hearth collector` listens to: the options of Ceilometer's agents and of the collector that it had until Ocata.

use super::opt::Opt;

/// The words of `sources`.
pub const SOURCES: &[&str] = &["udp", "notifications", "metering", "events"];

/// Where samples and events come from.
pub const COLLECT: Opt = Opt::words("hearth_collector", "sources", SOURCES).help(
    "What 'hearth collector' listens to; the option may be repeated. udp: samples of the publisher udp://; notifications: what services and polling agents \
     send to RabbitMQ, which becomes samples and events by the definitions of [meter] and [event]; metering, events: the \
     samples and the events of the publisher notifier://. Not set: all of them.",
);
/// Where datagrams arrive.
pub const UDP_ADDRESS: Opt = Opt::text("collector", "udp_address", "0.0.0.0")
    .help("The address at which 'hearth collector' takes samples by UDP. Beyond loopback it wants a telemetry_secret.");
/// At which port.
pub const UDP_PORT: Opt =
    Opt::integer("collector", "udp_port", "4952").range(0, 65_535).help("The port of that address.");
/// The key of signatures.
pub const TELEMETRY_SECRET: Opt = Opt::text("publisher", "telemetry_secret", DEFAULT_SECRET)
    .secret()
    .deprecated(&[("publisher", "metering_secret"), ("publisher_rpc", "metering_secret"), ("DEFAULT", "metering_secret")])
    .help(
        "The secret that agents sign samples and events with; what is signed otherwise is dropped. Empty: signatures are not \
         looked at.",
    );
/// The secret that everybody knows.
pub const DEFAULT_SECRET: &str = "change this for valid signing";
/// The queue of samples.
pub const METERING_TOPIC: Opt = Opt::text("publisher_notifier", "metering_topic", "metering")
    .help("The topic to which agents send samples with the publisher notifier://.");
/// The queue of events.
pub const EVENT_TOPIC: Opt = Opt::text("publisher_notifier", "event_topic", "event")
    .help("The topic to which agents send events with the publisher notifier://.");
/// The exchange of agents.
pub const AGENTS_EXCHANGE: Opt = Opt::text("hearth_collector", "agents_exchange", "ceilometer")
    .help("The exchange to which the publisher notifier:// sends: [DEFAULT] control_exchange of Ceilometer's agents.");
/// The exchanges of services.
pub const CONTROL_EXCHANGES: Opt = Opt::multi("notification", "notification_control_exchanges", "")
    .deprecated(&[("DEFAULT", "http_control_exchanges")])
    .help(
        "The exchanges to which services send notifications. Not set: those that Ceilometer's agent reads (nova, glance, neutron, \
         cinder and so on), and openstack.",
    );
/// The exchanges that are read where none is named.
pub const EXCHANGES: [&str; 15] = [
    "nova",
    "glance",
    "neutron",
    "cinder",
    "heat",
    "keystone",
    "trove",
    "zaqar",
    "swift",
    "ceilometer",
    "magnum",
    "dns",
    "ironic",
    "aodh",
    "openstack",
];
/// Brokers.
pub const MESSAGING_URLS: Opt = Opt::multi("notification", "messaging_urls", "").secret().help(
    "The brokers to which services send notifications, each in the form of transport_url. Empty: [oslo_messaging_notifications] \
     transport_url, else [DEFAULT] transport_url, which is also where samples and events of notifier:// are.",
);
/// Messages of a transaction.
pub const BATCH_SIZE: Opt = Opt::integer("collector", "batch_size", "100")
    .range(1, 10_000)
    .help("Most messages that 'hearth collector' stores in one transaction.");
/// Samples that can not be stored.
pub const REQUEUE_SAMPLES: Opt = Opt::boolean("collector", "requeue_sample_on_dispatcher_error", "false").help(
    "Whether a message of samples that the database refuses goes back to its queue; else it is dropped, or goes to the dead \
     letters of its queue. While the database can not be reached, messages wait in any case.",
);
/// Events that can not be stored.
pub const REQUEUE_EVENTS: Opt = Opt::boolean("collector", "requeue_event_on_dispatcher_error", "false")
    .help("As requeue_sample_on_dispatcher_error, for messages of events.");
/// Notifications that can not be stored.
pub const ACK_ON_ERROR: Opt = Opt::boolean("notification", "ack_on_event_error", "true").help(
    "Whether a notification that the database refuses is dropped, or goes to the dead letters of its queue; else it goes back \
     to its queue.",
);

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    COLLECT,
    UDP_ADDRESS,
    UDP_PORT,
    TELEMETRY_SECRET,
    METERING_TOPIC,
    EVENT_TOPIC,
    AGENTS_EXCHANGE,
    CONTROL_EXCHANGES,
    MESSAGING_URLS,
    BATCH_SIZE,
    REQUEUE_SAMPLES,
    REQUEUE_EVENTS,
    ACK_ON_ERROR,
];
