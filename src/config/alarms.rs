//! The options of Aodh that have a meaning here.

use super::opt::Opt;

/// History.
pub const RECORD_HISTORY: Opt = Opt::boolean("DEFAULT", "record_history", "true")
    .help("Whether what happens to alarms is kept, and told by notifications. Without it, only deletions are told.")
    .reload();
/// Counts of evaluations.
pub const ENABLE_EVALUATION_RESULTS_METRICS: Opt =
    Opt::boolean("DEFAULT", "enable_evaluation_results_metrics", "false")
        .help("Whether it is counted, and told by /v2/metrics, how often alarms were evaluated to which state.")
        .reload();
/// Alarms of a user.
pub const USER_ALARM_QUOTA: Opt = Opt::integer("api", "user_alarm_quota", "-1")
    .at_least(-1)
    .help("Most alarms of a user, in all projects. -1: any number.")
    .reload();
/// Alarms of a project.
pub const PROJECT_ALARM_QUOTA: Opt = Opt::integer("api", "project_alarm_quota", "-1")
    .at_least(-1)
    .help("Most alarms of a project for which nothing else was set. -1: any number.")
    .reload();
/// Actions of an alarm.
pub const ALARM_MAX_ACTIONS: Opt = Opt::integer("api", "alarm_max_actions", "-1")
    .help("Most actions of an alarm for each of its states. Not above 0: any number.")
    .reload();

/// Time between evaluations.
pub const EVALUATION_INTERVAL: Opt = Opt::seconds("evaluator", "evaluation_interval", "60")
    .deprecated(&[("DEFAULT", "evaluation_interval")])
    .help("Seconds between two evaluations of an alarm. Should not be below the interval of measuring.");
/// Lag of measures.
pub const ADDITIONAL_INGESTION_LAG: Opt = Opt::integer("DEFAULT", "additional_ingestion_lag", "0")
    .range(0, 86_400)
    .help("Seconds by which windows of evaluation begin earlier, where measures come late.");
/// The label of projects.
pub const PROMETHEUS_PROJECT_LABEL_NAME: Opt = Opt::text("DEFAULT", "prometheus_project_label_name", "project").help(
    "The label in Prometheus that holds the project: queries of callers who are no administrators are held to theirs.",
);
/// The exchange of notifications.
pub const CONTROL_EXCHANGE: Opt = Opt::text("hearth_alarms", "control_exchange", "aodh").help(
    "The exchange of RabbitMQ that notifications about alarms are sent to, where [oslo_messaging_notifications] driver says so.",
);
/// Where Prometheus is.
pub const PROMETHEUS_URL: Opt = Opt::text("hearth_alarms", "prometheus_url", "")
    .help("Where the HTTP API of Prometheus, or of what speaks like it, is: http://host:9090. Empty: there is none.");
/// Where Gnocchi is.
pub const GNOCCHI_URL: Opt = Opt::text("hearth_alarms", "gnocchi_url", "")
    .help("Where Gnocchi is: http://host:8041. Empty: where Keystone's catalogue says (metric).");
/// How Gnocchi is asked.
pub const GNOCCHI_AUTH: Opt =
    Opt::choice("hearth_alarms", "gnocchi_auth", &["keystone", "basic", "none"], "keystone").help(
        "How Gnocchi is told who asks. keystone: with tokens of the user of [keystone_authtoken]; basic: gnocchi_user and \
         gnocchi_password; none: not at all.",
    );
/// Who asks Gnocchi.
pub const GNOCCHI_USER: Opt =
    Opt::text("hearth_alarms", "gnocchi_user", "admin").help("The user with gnocchi_auth = basic.");
/// With which password.
pub const GNOCCHI_PASSWORD: Opt =
    Opt::text("hearth_alarms", "gnocchi_password", "").secret().help("The password with gnocchi_auth = basic.");
/// Where Octavia is.
pub const OCTAVIA_URL: Opt = Opt::text("hearth_alarms", "octavia_url", "").help(
    "Where Octavia is, whose members of pools alarms may watch: http://host:9876, or http://host/load-balancer. Empty: where \
     Keystone's catalogue says (load-balancer); without a Keystone no such alarm can be made.",
);
/// How Octavia is asked.
pub const OCTAVIA_AUTH: Opt = Opt::choice("hearth_alarms", "octavia_auth", &["keystone", "none"], "keystone")
    .help("How Octavia is told who asks. keystone: with tokens of the user of [keystone_authtoken]; none: not at all.");
/// Age of members.
pub const MEMBER_CREATION_TIME: Opt = Opt::integer("DEFAULT", "member_creation_time", "120")
    .at_least(0)
    .help("Seconds after its creation for which a member of a load balancer's pool may be in error without an alarm.");
/// Authorities of Prometheus and Gnocchi.
pub const SOURCES_CAFILE: Opt = Opt::path("hearth_alarms", "cafile", "").help(
    "The certificates of authorities, in PEM, that Prometheus, Gnocchi and Octavia are believed by. Empty: the usual ones.",
);
/// Certificates of Prometheus and Gnocchi.
pub const SOURCES_INSECURE: Opt = Opt::boolean("hearth_alarms", "insecure", "false")
    .help("Whether the certificates of Prometheus, Gnocchi and Octavia are not looked at.");
/// Longest wait for Prometheus and Gnocchi.
pub const SOURCES_TIMEOUT: Opt = Opt::seconds("hearth_alarms", "timeout", "10")
    .help("Longest wait for an answer of Prometheus, Gnocchi or Octavia, in seconds.");
/// Threads that evaluate.
pub const EVALUATOR_THREADS: Opt = Opt::integer("hearth_alarms", "evaluator_threads", "4")
    .range(0, 256)
    .help("Threads of a process that evaluate alarms.");
/// Lease of alarms.
pub const EVALUATION_LEASE: Opt = Opt::seconds("hearth_alarms", "evaluation_lease", "120")
    .help("Seconds for which an evaluator has an alarm for itself: so long those wait that it had when it died.");
/// Threads that send.
pub const NOTIFIER_THREADS: Opt = Opt::integer("hearth_alarms", "notifier_threads", "8")
    .range(0, 256)
    .help("Threads of a process that call actions; a quarter of them at the most call one server.");
/// Pause.
pub const POLL_INTERVAL: Opt = Opt::seconds("hearth_alarms", "poll_interval", "1")
    .help("Seconds between two looks for alarms and actions that are due, where there were none.");
/// Longest wait for receivers.
pub const ACTION_TIMEOUT: Opt = Opt::seconds("hearth_alarms", "action_timeout", "10")
    .help("Longest time that calling an action may take, in seconds.");
/// First pause between attempts.
pub const ACTION_RETRY_INTERVAL: Opt = Opt::seconds("hearth_alarms", "action_retry_interval", "1").help(
    "Seconds before an action that failed is called again; twice as long after each attempt, five minutes at the most.",
);
/// Attempts.
pub const REST_NOTIFIER_MAX_RETRIES: Opt = Opt::integer("DEFAULT", "rest_notifier_max_retries", "5").at_least(0).help(
    "How often an action is called again whose receiver did not answer, or answered 429 or 5xx, before it is given up.",
);
/// Zaqar.
pub const SERVICE_TYPES_ZAQAR: Opt = Opt::text("service_types", "zaqar", "messaging")
    .help("The type of Zaqar in Keystone's catalogue, for actions zaqar:// and trust+zaqar://.");
/// Interface.
pub const INTERFACE: Opt = Opt::choice(
    "service_credentials",
    "interface",
    &["public", "internal", "admin", "publicURL", "internalURL", "adminURL"],
    "public",
)
.help("Which address of Keystone's catalogue is asked: of Zaqar, and of Gnocchi and Octavia where no URL of theirs is set.");
/// Region.
pub const REGION_NAME: Opt = Opt::text("service_credentials", "region_name", "")
    .help("Region whose services are asked that Keystone's catalogue tells of. Empty: the first one of the catalogue.");
/// Verification.
pub const REST_NOTIFIER_SSL_VERIFY: Opt = Opt::boolean("DEFAULT", "rest_notifier_ssl_verify", "true")
    .help("Whether the certificates of receivers are looked at, where the URL does not say (aodh-alarm-ssl-verify=0).");
/// Authorities of receivers.
pub const REST_NOTIFIER_CA_BUNDLE: Opt = Opt::path("DEFAULT", "rest_notifier_ca_bundle_certificate_path", "")
    .help("The certificates of authorities, in PEM, that receivers are believed by. Empty: the usual ones.");
/// Certificate.
pub const REST_NOTIFIER_CERTIFICATE_FILE: Opt = Opt::path("DEFAULT", "rest_notifier_certificate_file", "")
    .help("The certificate, in PEM, that receivers are shown.");
/// Key.
pub const REST_NOTIFIER_CERTIFICATE_KEY: Opt = Opt::path("DEFAULT", "rest_notifier_certificate_key", "")
    .help("The key of that certificate, in PEM, where it does not stand beside it.");

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    RECORD_HISTORY,
    ENABLE_EVALUATION_RESULTS_METRICS,
    USER_ALARM_QUOTA,
    PROJECT_ALARM_QUOTA,
    ALARM_MAX_ACTIONS,
    EVALUATION_INTERVAL,
    ADDITIONAL_INGESTION_LAG,
    PROMETHEUS_PROJECT_LABEL_NAME,
    CONTROL_EXCHANGE,
    PROMETHEUS_URL,
    GNOCCHI_URL,
    GNOCCHI_AUTH,
    GNOCCHI_USER,
    GNOCCHI_PASSWORD,
    OCTAVIA_URL,
    OCTAVIA_AUTH,
    MEMBER_CREATION_TIME,
    SOURCES_CAFILE,
    SOURCES_INSECURE,
    SOURCES_TIMEOUT,
    SERVICE_TYPES_ZAQAR,
    INTERFACE,
    REGION_NAME,
    EVALUATOR_THREADS,
    EVALUATION_LEASE,
    NOTIFIER_THREADS,
    POLL_INTERVAL,
    ACTION_TIMEOUT,
    ACTION_RETRY_INTERVAL,
    REST_NOTIFIER_MAX_RETRIES,
    REST_NOTIFIER_SSL_VERIFY,
    REST_NOTIFIER_CA_BUNDLE,
    REST_NOTIFIER_CERTIFICATE_FILE,
    REST_NOTIFIER_CERTIFICATE_KEY,
];
