//! `[DEFAULT]`: what the API, the scheduler and the services share. Logging and quotas have files of their own.

use super::opt::Opt;

/// How callers are identified.
pub const AUTH_STRATEGY: Opt =
    Opt::choice("DEFAULT", "auth_strategy", &["noauth", "noauth_include_project_id", "keystone"], "keystone").help(
        "How callers are identified: by Keystone's tokens, or not at all (noauth), where the token itself says \
         user:project. noauth is refused on anything but loopback and unix sockets, see [hearth] noauth_anywhere.",
    );
/// Folder of everything that a service keeps.
pub const STATE_PATH: Opt =
    Opt::path("DEFAULT", "state_path", "/var/lib/cinder").help("Folder of everything that a service keeps.");
/// Address of this host.
pub const MY_IP: Opt = Opt::text("DEFAULT", "my_ip", "")
    .computed(super::machine::address)
    .help("Address of this host, as others reach it.");
/// Name of this host among the services.
pub const HOST: Opt = Opt::text("DEFAULT", "host", "")
    .computed(super::machine::name)
    .help("Name of this host among the services. No host name of the network: any text without @ and #.");
/// Name of a cluster of volume services.
pub const CLUSTER: Opt =
    Opt::text("DEFAULT", "cluster", "").help("Name of the cluster that this volume service belongs to. Empty: none.");
/// Availability zone of this storage host.
pub const STORAGE_AVAILABILITY_ZONE: Opt =
    Opt::text("DEFAULT", "storage_availability_zone", "nova").help("Availability zone of this storage host.").reload();
/// Availability zone of volumes that name none.
pub const DEFAULT_AVAILABILITY_ZONE: Opt = Opt::text("DEFAULT", "default_availability_zone", "")
    .help("Availability zone of volumes that name none. Empty: storage_availability_zone.")
    .reload();
/// Whether an unknown zone falls back to the default.
pub const ALLOW_AVAILABILITY_ZONE_FALLBACK: Opt = Opt::boolean("DEFAULT", "allow_availability_zone_fallback", "false")
    .help("Whether a volume in an unknown availability zone is made in the default zone instead of being refused.")
    .reload();
/// Whether a clone stays in its source's zone.
pub const CLONED_VOLUME_SAME_AZ: Opt = Opt::boolean("DEFAULT", "cloned_volume_same_az", "true")
    .help("Whether a volume made from a snapshot or a volume must be in the zone of its source.")
    .reload();
/// Whether a volume from a snapshot goes to the snapshot's host.
pub const SNAPSHOT_SAME_HOST: Opt = Opt::boolean("DEFAULT", "snapshot_same_host", "true")
    .help("Whether a volume made from a snapshot is made on the host of the snapshot.");
/// For how long zones are remembered.
pub const AZ_CACHE_DURATION: Opt =
    Opt::seconds("DEFAULT", "az_cache_duration", "3600").help("For how long availability zones are remembered.");
/// Type of volumes that name none.
pub const DEFAULT_VOLUME_TYPE: Opt =
    Opt::text("DEFAULT", "default_volume_type", "__DEFAULT__").help("Volume type of volumes that name none.").reload();
/// Type of groups that name none.
pub const DEFAULT_GROUP_TYPE: Opt =
    Opt::text("DEFAULT", "default_group_type", "").help("Group type of groups that name none.").reload();
/// Most objects of one page.
pub const OSAPI_MAX_LIMIT: Opt = Opt::integer("DEFAULT", "osapi_max_limit", "1000")
    .at_least(1)
    .help("Most objects that one page of a list holds.")
    .reload();
/// Base of links in answers.
pub const PUBLIC_ENDPOINT: Opt = Opt::text("DEFAULT", "public_endpoint", "")
    .help("URL that stands before the version in links of the Block Storage API. Empty: as the client asked.")
    .reload();
/// Address of the Block Storage API where it serves HTTP itself.
pub const OSAPI_VOLUME_LISTEN: Opt = Opt::text("DEFAULT", "osapi_volume_listen", "0.0.0.0")
    .help("Address on which real cinder-api listens. Hearth listens where its command line or its web server says.");
/// Port of the Block Storage API.
pub const OSAPI_VOLUME_LISTEN_PORT: Opt = Opt::integer("DEFAULT", "osapi_volume_listen_port", "8776")
    .range(0, 65535)
    .help("Port of the Block Storage API where it has a port of its own.");
/// Whether X-Forwarded-For is the client's address.
pub const USE_FORWARDED_FOR: Opt = Opt::boolean("DEFAULT", "use_forwarded_for", "false")
    .help("Whether X-Forwarded-For is taken for the address of the client. Only behind a proxy that cleans it.");
/// What a project id in a path looks like.
pub const PROJECT_ID_REGEX: Opt = Opt::text("DEFAULT", "project_id_regex", r"[0-9a-f\-]+").help(
    "What a project id in a path looks like. Hearth knows this default and [0-9a-zA-Z_\\-]+ without a regex engine.",
);
/// Whether new services take work at once.
pub const ENABLE_NEW_SERVICES: Opt = Opt::boolean("DEFAULT", "enable_new_services", "true")
    .help("Whether a service that registers for the first time is enabled.");
/// Time between two signs of life.
pub const REPORT_INTERVAL: Opt = Opt::seconds("DEFAULT", "report_interval", "10")
    .help("Time between two signs of life of a service in the database.");
/// Age of the last sign of life after which a service is down.
pub const SERVICE_DOWN_TIME: Opt = Opt::seconds("DEFAULT", "service_down_time", "60")
    .help("Age of the last sign of life after which a service counts as down.")
    .reload();
/// Time between periodic tasks.
pub const PERIODIC_INTERVAL: Opt =
    Opt::seconds("DEFAULT", "periodic_interval", "60").help("Time between two runs of the periodic tasks.");
/// Random delay of the first periodic task.
pub const PERIODIC_FUZZY_DELAY: Opt = Opt::seconds("DEFAULT", "periodic_fuzzy_delay", "60")
    .help("Most time by which the first run of the periodic tasks is delayed, so that hosts do not run them at once.");
/// Longest wait for another service's answer.
pub const RPC_RESPONSE_TIMEOUT: Opt = Opt::seconds("DEFAULT", "rpc_response_timeout", "60")
    .help("Longest wait for the answer of another service.")
    .reload();
/// Message broker.
pub const TRANSPORT_URL: Opt = Opt::text("DEFAULT", "transport_url", "").secret().help(
    "Message broker: rabbit://user:password@host:5672/virtual_host. Empty: no broker, orders go through the database.",
);
/// Exchange of RPC messages.
pub const CONTROL_EXCHANGE: Opt =
    Opt::text("DEFAULT", "control_exchange", "openstack").help("Exchange of the messages between services.");
/// How many backends are tried for one volume.
pub const SCHEDULER_MAX_ATTEMPTS: Opt = Opt::integer("DEFAULT", "scheduler_max_attempts", "3")
    .at_least(1)
    .help("How many backends are tried for one volume.");
/// Filters of the scheduler.
pub const SCHEDULER_DEFAULT_FILTERS: Opt =
    Opt::list("DEFAULT", "scheduler_default_filters", "AvailabilityZoneFilter,CapacityFilter,CapabilitiesFilter")
        .help("Filters of the scheduler, in order.");
/// Weighers of the scheduler.
pub const SCHEDULER_DEFAULT_WEIGHERS: Opt =
    Opt::list("DEFAULT", "scheduler_default_weighers", "CapacityWeigher").help("Weighers of the scheduler.");
/// Name of a volume on its backend.
pub const VOLUME_NAME_TEMPLATE: Opt = Opt::text("DEFAULT", "volume_name_template", "volume-%s")
    .help("Name of a volume on its backend; %s stands for its id.");
/// Name of a snapshot on its backend.
pub const SNAPSHOT_NAME_TEMPLATE: Opt = Opt::text("DEFAULT", "snapshot_name_template", "snapshot-%s")
    .help("Name of a snapshot on its backend; %s stands for its id.");
/// Name of a backup.
pub const BACKUP_NAME_TEMPLATE: Opt =
    Opt::text("DEFAULT", "backup_name_template", "backup-%s").help("Name of a backup; %s stands for its id.");
/// What lists may be filtered by.
pub const RESOURCE_QUERY_FILTERS_FILE: Opt =
    Opt::path("DEFAULT", "resource_query_filters_file", "/etc/cinder/resource_filters.json")
        .help("JSON file with the names that lists may be filtered by. Where it does not exist, the usual names hold.");
/// Seconds after which user messages expire.
pub const MESSAGE_TTL: Opt =
    Opt::seconds("DEFAULT", "message_ttl", "2592000").help("Time after which a message to the user expires.");
/// Time between deletions of expired messages.
pub const MESSAGE_REAP_INTERVAL: Opt =
    Opt::seconds("DEFAULT", "message_reap_interval", "86400").help("Time between two deletions of expired messages.");
/// Length of a transfer's salt.
pub const VOLUME_TRANSFER_SALT_LENGTH: Opt = Opt::integer("DEFAULT", "volume_transfer_salt_length", "8")
    .range(4, 255)
    .help("Length of the salt of a volume transfer.");
/// Length of a transfer's key.
pub const VOLUME_TRANSFER_KEY_LENGTH: Opt = Opt::integer("DEFAULT", "volume_transfer_key_length", "16")
    .range(8, 255)
    .help("Length of the authentication key of a volume transfer.");

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    AUTH_STRATEGY,
    STATE_PATH,
    MY_IP,
    HOST,
    CLUSTER,
    STORAGE_AVAILABILITY_ZONE,
    DEFAULT_AVAILABILITY_ZONE,
    ALLOW_AVAILABILITY_ZONE_FALLBACK,
    CLONED_VOLUME_SAME_AZ,
    SNAPSHOT_SAME_HOST,
    AZ_CACHE_DURATION,
    DEFAULT_VOLUME_TYPE,
    DEFAULT_GROUP_TYPE,
    OSAPI_MAX_LIMIT,
    PUBLIC_ENDPOINT,
    OSAPI_VOLUME_LISTEN,
    OSAPI_VOLUME_LISTEN_PORT,
    USE_FORWARDED_FOR,
    PROJECT_ID_REGEX,
    ENABLE_NEW_SERVICES,
    REPORT_INTERVAL,
    SERVICE_DOWN_TIME,
    PERIODIC_INTERVAL,
    PERIODIC_FUZZY_DELAY,
    RPC_RESPONSE_TIMEOUT,
    TRANSPORT_URL,
    CONTROL_EXCHANGE,
    SCHEDULER_MAX_ATTEMPTS,
    SCHEDULER_DEFAULT_FILTERS,
    SCHEDULER_DEFAULT_WEIGHERS,
    VOLUME_NAME_TEMPLATE,
    SNAPSHOT_NAME_TEMPLATE,
    BACKUP_NAME_TEMPLATE,
    RESOURCE_QUERY_FILTERS_FILE,
    MESSAGE_TTL,
    MESSAGE_REAP_INTERVAL,
    VOLUME_TRANSFER_SALT_LENGTH,
    VOLUME_TRANSFER_KEY_LENGTH,
];
