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
/// Type of volumes that name none.
pub const DEFAULT_VOLUME_TYPE: Opt =
    Opt::text("DEFAULT", "default_volume_type", "__DEFAULT__").help("Volume type of volumes that name none.").reload();
/// Group type that callers are shown as the default.
pub const DEFAULT_GROUP_TYPE: Opt = Opt::text("DEFAULT", "default_group_type", "")
    .help("Name of the group type that callers are shown as the default. Empty: none.")
    .reload();
/// Most objects of one page.
pub const OSAPI_MAX_LIMIT: Opt = Opt::integer("DEFAULT", "osapi_max_limit", "1000")
    .at_least(1)
    .help("Most objects that one page of a list holds.")
    .reload();
/// Base of links in answers.
pub const PUBLIC_ENDPOINT: Opt = Opt::text("DEFAULT", "public_endpoint", "")
    .help("URL that stands before the version in links of the Block Storage API. Empty: as the client asked.")
    .reload();
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
/// How many backends are tried for one volume.
pub const SCHEDULER_MAX_ATTEMPTS: Opt = Opt::integer("DEFAULT", "scheduler_max_attempts", "3")
    .at_least(1)
    .help("How many backends are tried for one volume.");
/// Filters of the scheduler.
pub const SCHEDULER_DEFAULT_FILTERS: Opt =
    Opt::list("DEFAULT", "scheduler_default_filters", "AvailabilityZoneFilter,CapacityFilter,CapabilitiesFilter")
        .help("Filters of the scheduler, in order.");
/// Name of a volume on its backend.
pub const VOLUME_NAME_TEMPLATE: Opt = Opt::text("DEFAULT", "volume_name_template", "volume-%s")
    .help("Name of a volume on its backend; %s stands for its id.");
/// Name of a snapshot on its backend.
pub const SNAPSHOT_NAME_TEMPLATE: Opt = Opt::text("DEFAULT", "snapshot_name_template", "snapshot-%s")
    .help("Name of a snapshot on its backend; %s stands for its id.");
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

/// Characters of the random text that goes into the hash of a transfer's key.
pub const VOLUME_TRANSFER_SALT_LENGTH: Opt = Opt::integer("DEFAULT", "volume_transfer_salt_length", "8")
    .range(1, 255)
    .help("Characters of the random text that goes into the hash of a transfer's key.")
    .reload();
/// Characters of a transfer's key.
pub const VOLUME_TRANSFER_KEY_LENGTH: Opt = Opt::integer("DEFAULT", "volume_transfer_key_length", "16")
    .range(1, 255)
    .help("Characters of the key that is told to whoever offers a volume to another project.")
    .reload();

/// How long a request waits for a service.
pub const RPC_RESPONSE_TIMEOUT: Opt = Opt::seconds("DEFAULT", "rpc_response_timeout", "60")
    .help("How long a request waits for the answer of a volume service.")
    .reload();

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
    DEFAULT_VOLUME_TYPE,
    DEFAULT_GROUP_TYPE,
    OSAPI_MAX_LIMIT,
    PUBLIC_ENDPOINT,
    ENABLE_NEW_SERVICES,
    REPORT_INTERVAL,
    SERVICE_DOWN_TIME,
    SCHEDULER_MAX_ATTEMPTS,
    SCHEDULER_DEFAULT_FILTERS,
    VOLUME_NAME_TEMPLATE,
    SNAPSHOT_NAME_TEMPLATE,
    RESOURCE_QUERY_FILTERS_FILE,
    MESSAGE_TTL,
    MESSAGE_REAP_INTERVAL,
    VOLUME_TRANSFER_SALT_LENGTH,
    VOLUME_TRANSFER_KEY_LENGTH,
    RPC_RESPONSE_TIMEOUT,
];
