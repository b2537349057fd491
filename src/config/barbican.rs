//! `[barbican]`: how the keys of encrypted volumes are asked for. Names of castellan.

use super::opt::Opt;

const SECTION: &str = "barbican";

/// Address of the key manager.
pub const BARBICAN_ENDPOINT: Opt = Opt::text(SECTION, "barbican_endpoint", "")
    .help("Where Barbican answers, such as http://localhost:9311/. Empty: what the caller's catalogue says.")
    .reload();
/// Version of its interface.
pub const BARBICAN_API_VERSION: Opt =
    Opt::text(SECTION, "barbican_api_version", "v1").help("Version of Barbican's interface.").reload();
/// Keystone for catalogues.
pub const AUTH_ENDPOINT: Opt = Opt::text(SECTION, "auth_endpoint", "")
    .deprecated(&[("key_manager", "auth_url")])
    .help("Where Keystone tells the caller's catalogue. Empty: auth_url of [keystone_authtoken].")
    .reload();
/// Which of its addresses.
pub const BARBICAN_ENDPOINT_TYPE: Opt =
    Opt::choice(SECTION, "barbican_endpoint_type", &["public", "internal", "admin"], "public")
        .help("Which address of the catalogue is asked.")
        .reload();
/// Region.
pub const BARBICAN_REGION_NAME: Opt = Opt::text(SECTION, "barbican_region_name", "")
    .help("Region whose Barbican is asked. Empty: the first one of the catalogue.")
    .reload();
/// Whether certificates are looked at.
pub const VERIFY_SSL: Opt =
    Opt::boolean(SECTION, "verify_ssl", "true").help("Whether certificates are checked.").reload();
/// Certificates of authorities.
pub const VERIFY_SSL_PATH: Opt = Opt::path(SECTION, "verify_ssl_path", "")
    .help("PEM file of the authorities that are trusted. Empty: those of the system.")
    .reload();
/// Pause between two looks at an order.
pub const RETRY_DELAY: Opt = Opt::seconds(SECTION, "retry_delay", "1")
    .help("Longest pause between two looks whether Barbican has made a key.")
    .reload();
/// Most looks at an order.
pub const NUMBER_OF_RETRIES: Opt = Opt::integer(SECTION, "number_of_retries", "60")
    .range(1, 3600)
    .help("After how many such pauses a key is given up.")
    .reload();
/// How long an answer may take.
pub const TIMEOUT: Opt = Opt::seconds(SECTION, "timeout", "30").help("How long an answer may take.").reload();

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    BARBICAN_ENDPOINT,
    BARBICAN_API_VERSION,
    AUTH_ENDPOINT,
    BARBICAN_ENDPOINT_TYPE,
    BARBICAN_REGION_NAME,
    VERIFY_SSL,
    VERIFY_SSL_PATH,
    RETRY_DELAY,
    NUMBER_OF_RETRIES,
    TIMEOUT,
];
