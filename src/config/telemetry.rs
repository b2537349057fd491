//! `[hearth_telemetry]`, and the options of Ceilometer that have a meaning here.

use super::opt::Opt;

/// Where Telemetry's database is.
pub const CONNECTION: Opt =
    Opt::text("hearth_telemetry", "connection", "sqlite:///$state_path/hearth-telemetry.sqlite")
        .secret()
        .help("Where the database of samples is, in the forms of [database] connection. Its tables are Hearth's own.");
/// Bytes of a body.
pub const MAX_REQUEST_BODY_SIZE: Opt = Opt::integer("hearth_telemetry", "max_request_body_size", "8388608")
    .range(1024, 1_073_741_824)
    .help("Greatest length of the body of a request to Telemetry, in bytes. A thousand samples are about 400,000.")
    .reload();
/// Rows of statistics.
pub const MAX_STATISTICS: Opt = Opt::integer("hearth_telemetry", "max_statistics", "20000")
    .at_least(1)
    .help("Most rows (periods times groups) of an answer of statistics; a question with more of them is refused.")
    .reload();
/// Greatest limit.
pub const MAX_LIMIT: Opt = Opt::integer("hearth_telemetry", "max_limit", "10000")
    .at_least(1)
    .help("Most items of a list: greater limits of requests are cut to this.")
    .reload();
/// Agents with a password.
pub const PUBLISHERS: Opt = Opt::list("hearth_telemetry", "publishers", "")
    .secret()
    .help(
        "Agents that may publish samples and events without a token: user:password of the publisher's URL, separated by \
         commas. Empty: none.",
    )
    .reload();
/// Agents without a password.
pub const PUBLISHER_NETWORKS: Opt = Opt::list("hearth_telemetry", "publisher_networks", "")
    .help(
        "Networks whose agents may publish samples and events without any credentials, such as 127.0.0.0/8; requests \
         with X-Forwarded-* headers never may. Empty: none.",
    )
    .reload();
/// Source of samples that name none.
pub const SAMPLE_SOURCE: Opt =
    Opt::text("DEFAULT", "sample_source", "openstack").help("Source of posted samples that name none.").reload();
/// Limit of lists without one.
pub const DEFAULT_API_RETURN_LIMIT: Opt = Opt::integer("api", "default_api_return_limit", "100")
    .at_least(1)
    .help("Most items of a list of Telemetry where the request names no limit.")
    .reload();

/// Age of samples.
pub const METERING_TIME_TO_LIVE: Opt = Opt::integer("database", "metering_time_to_live", "-1")
    .at_least(-1)
    .help("Seconds for which samples are kept, to the end of the day (UTC). -1: for ever.");
/// Age of events.
pub const EVENT_TIME_TO_LIVE: Opt = Opt::integer("database", "event_time_to_live", "-1")
    .at_least(-1)
    .help("Seconds for which events are kept. -1: for ever.");
/// Age of the history of alarms.
pub const ALARM_HISTORY_TIME_TO_LIVE: Opt = Opt::integer("database", "alarm_history_time_to_live", "-1")
    .help("Seconds for which the history of alarms is kept. Not above 0: as long as the alarms.");
/// Rows of history that go at once.
pub const ALARM_HISTORIES_DELETE_BATCH_SIZE: Opt = Opt::integer("database", "alarm_histories_delete_batch_size", "0")
    .at_least(0)
    .help("Most rows of the history of alarms that one look for old ones removes. 0: all, a hundred at a time.");
/// Ages of samples of some meters.
pub const METER_TIME_TO_LIVE: Opt = Opt::list("hearth_telemetry", "meter_time_to_live", "").help(
    "meter:seconds pairs for meters whose samples are kept longer or shorter than metering_time_to_live says; the meter \
     may end with *. -1: for ever.",
);
/// Age after which samples are kept by the hour only.
pub const RAW_TIME_TO_LIVE: Opt = Opt::integer("hearth_telemetry", "raw_time_to_live", "-1").at_least(-1).help(
    "Seconds for which samples are kept one by one, to the end of the day (UTC); then by the hour, until they are removed. \
     -1: until then.",
);
/// Ages of some meters after which their samples are kept by the hour only.
pub const METER_RAW_TIME_TO_LIVE: Opt = Opt::list("hearth_telemetry", "meter_raw_time_to_live", "").help(
    "meter:seconds pairs for meters whose samples are kept one by one for longer or shorter than raw_time_to_live says; the \
     meter may end with *. -1: until they are removed.",
);
/// Where definitions of meters are.
pub const METER_DEFINITIONS_DIRS: Opt = Opt::multi("meter", "meter_definitions_dirs", "").help(
    "Folders with definitions of meters in Ceilometer's form (*.yaml), for notifications; they come before Hearth's own.",
);
/// Where definitions of events are.
pub const EVENT_DEFINITIONS: Opt = Opt::path("event", "definitions_cfg_file", "")
    .help("File with definitions of events in Ceilometer's form, in the place of Hearth's own.");
/// Whether only what is defined becomes an event.
pub const DROP_UNMATCHED_NOTIFICATIONS: Opt = Opt::boolean("event", "drop_unmatched_notifications", "false")
    .help("Whether a notification that no definition names makes no event; else it makes one with the default traits.");
/// Whether notifications are kept with their events.
pub const STORE_RAW: Opt = Opt::multi("event", "store_raw", "")
    .help("Priorities of notifications (info, error) that are kept whole with their events.");

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    CONNECTION,
    MAX_REQUEST_BODY_SIZE,
    MAX_STATISTICS,
    MAX_LIMIT,
    PUBLISHERS,
    PUBLISHER_NETWORKS,
    SAMPLE_SOURCE,
    DEFAULT_API_RETURN_LIMIT,
    METER_DEFINITIONS_DIRS,
    EVENT_DEFINITIONS,
    DROP_UNMATCHED_NOTIFICATIONS,
    STORE_RAW,
    METERING_TIME_TO_LIVE,
    EVENT_TIME_TO_LIVE,
    METER_TIME_TO_LIVE,
    RAW_TIME_TO_LIVE,
    METER_RAW_TIME_TO_LIVE,
    ALARM_HISTORY_TIME_TO_LIVE,
    ALARM_HISTORIES_DELETE_BATCH_SIZE,
];
