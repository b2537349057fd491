//! `[keystone_authtoken]`: how tokens are checked. Names of keystonemiddleware and of keystoneauth's password plugins.

use super::opt::Opt;

const SECTION: &str = "keystone_authtoken";

/// Where clients get tokens.
pub const WWW_AUTHENTICATE_URI: Opt = Opt::text(SECTION, "www_authenticate_uri", "")
    .deprecated(&[(SECTION, "auth_uri")])
    .help("Where clients get tokens; told in the header WWW-Authenticate of a 401. Empty: auth_url.")
    .reload();
/// Where this service asks.
pub const AUTH_URL: Opt =
    Opt::text(SECTION, "auth_url", "").help("Where Keystone answers this service, with or without /v3.").reload();
/// The kind of credentials.
pub const AUTH_TYPE: Opt =
    Opt::choice(SECTION, "auth_type", &["password", "v3password", "v3applicationcredential"], "password")
        .deprecated(&[(SECTION, "auth_plugin")])
        .help("Credentials with which this service asks: a password or an application credential.")
        .reload();
/// Name of the service user.
pub const USERNAME: Opt = Opt::text(SECTION, "username", "")
    .deprecated(&[(SECTION, "user_name"), (SECTION, "admin_user")])
    .help("Name of the user as whom this service asks.")
    .reload();
/// Id of the service user.
pub const USER_ID: Opt = Opt::text(SECTION, "user_id", "").help("Id of the user as whom this service asks.").reload();
/// Password of the service user.
pub const PASSWORD: Opt = Opt::text(SECTION, "password", "")
    .secret()
    .deprecated(&[(SECTION, "admin_password")])
    .help("Password of the user as whom this service asks.")
    .reload();
/// Domain of the service user, by name.
pub const USER_DOMAIN_NAME: Opt =
    Opt::text(SECTION, "user_domain_name", "").help("Name of the user's domain.").reload();
/// Domain of the service user, by id.
pub const USER_DOMAIN_ID: Opt = Opt::text(SECTION, "user_domain_id", "").help("Id of the user's domain.").reload();
/// Project of the service user, by name.
pub const PROJECT_NAME: Opt = Opt::text(SECTION, "project_name", "")
    .deprecated(&[(SECTION, "tenant_name"), (SECTION, "admin_tenant_name")])
    .help("Name of the project in which the user asks.")
    .reload();
/// Project of the service user, by id.
pub const PROJECT_ID: Opt = Opt::text(SECTION, "project_id", "")
    .deprecated(&[(SECTION, "tenant_id")])
    .help("Id of the project in which the user asks.")
    .reload();
/// Domain of the project, by name.
pub const PROJECT_DOMAIN_NAME: Opt =
    Opt::text(SECTION, "project_domain_name", "").help("Name of the domain of the project.").reload();
/// Domain of the project, by id.
pub const PROJECT_DOMAIN_ID: Opt =
    Opt::text(SECTION, "project_domain_id", "").help("Id of the domain of the project.").reload();
/// Domain of user and project where neither says.
pub const DEFAULT_DOMAIN_ID: Opt = Opt::text(SECTION, "default_domain_id", "")
    .help("Id of the domain of user and project where they name none.")
    .reload();
/// Domain of user and project where neither says, by name.
pub const DEFAULT_DOMAIN_NAME: Opt = Opt::text(SECTION, "default_domain_name", "")
    .help("Name of the domain of user and project where they name none.")
    .reload();
/// System scope of the service user.
pub const SYSTEM_SCOPE: Opt =
    Opt::text(SECTION, "system_scope", "").help("`all`: the user asks in the scope of the system.").reload();
/// Id of an application credential.
pub const APPLICATION_CREDENTIAL_ID: Opt =
    Opt::text(SECTION, "application_credential_id", "").help("Id of the application credential.").reload();
/// Name of an application credential.
pub const APPLICATION_CREDENTIAL_NAME: Opt = Opt::text(SECTION, "application_credential_name", "")
    .help("Name of the application credential; the user must be named too.")
    .reload();
/// Secret of an application credential.
pub const APPLICATION_CREDENTIAL_SECRET: Opt = Opt::text(SECTION, "application_credential_secret", "")
    .secret()
    .help("Secret of the application credential.")
    .reload();
/// Certificate authorities.
pub const CAFILE: Opt = Opt::path(SECTION, "cafile", "")
    .help("PEM file of the certificate authorities that may have signed Keystone's certificate. Empty: the usual ones.")
    .reload();
/// Client certificate.
pub const CERTFILE: Opt = Opt::path(SECTION, "certfile", "")
    .help("PEM file of the certificate that this service shows to Keystone.")
    .reload();
/// Key of the client certificate.
pub const KEYFILE: Opt = Opt::path(SECTION, "keyfile", "").help("PEM file of the key of certfile.").reload();
/// Whether certificates are taken unchecked.
pub const INSECURE: Opt =
    Opt::boolean(SECTION, "insecure", "false").help("Whether Keystone's certificate is taken unchecked.").reload();
/// For how long a checked token is remembered.
pub const TOKEN_CACHE_TIME: Opt = Opt::integer(SECTION, "token_cache_time", "300").at_least(-1).help(
    "Seconds for which a checked token is remembered, never beyond its end; a token that is revoked meanwhile goes on as \
     long. 0 or -1: Keystone is asked for each request.",
).reload();
/// Most tokens that are remembered.
pub const TOKEN_CACHE_SIZE: Opt = Opt::integer("hearth_keystone", "token_cache_size", "16384")
    .range(16, 10_000_000)
    .help("Most tokens that a process remembers; the oldest are forgotten first.")
    .reload();
/// For how long a refused token is remembered.
pub const REFUSED_CACHE_TIME: Opt = Opt::seconds("hearth_keystone", "refused_cache_time", "10")
    .help("For how long a refused token is refused again without asking Keystone; at most token_cache_time.")
    .reload();
/// Longest wait for a connection.
pub const HTTP_CONNECT_TIMEOUT: Opt =
    Opt::seconds(SECTION, "http_connect_timeout", "5").help("Longest wait for a connection to Keystone.").reload();
/// Longest wait for an answer.
pub const HTTP_REQUEST_TIMEOUT: Opt = Opt::seconds("hearth_keystone", "http_request_timeout", "30")
    .help("Longest wait for one answer of Keystone, connection included.")
    .reload();
/// Repetitions of a request that failed.
pub const HTTP_REQUEST_MAX_RETRIES: Opt = Opt::integer(SECTION, "http_request_max_retries", "3")
    .range(0, 100)
    .help("How often a request is repeated when Keystone does not answer it.")
    .reload();
/// Whether requests without a valid token go on.
pub const DELAY_AUTH_DECISION: Opt = Opt::boolean(SECTION, "delay_auth_decision", "false")
    .help("Whether a request without a valid token goes on without an identity, for policy to refuse.")
    .reload();
/// Roles that make a token a service's.
pub const SERVICE_TOKEN_ROLES: Opt = Opt::list(SECTION, "service_token_roles", "service")
    .help("Roles of which a token in X-Service-Token must have one.")
    .reload();
/// Whether the roles are required.
pub const SERVICE_TOKEN_ROLES_REQUIRED: Opt = Opt::boolean(SECTION, "service_token_roles_required", "true")
    .help("Whether a service token without one of service_token_roles is refused, rather than taken without privilege.")
    .reload();
/// Kind of service that access rules name.
pub const SERVICE_TYPE: Opt = Opt::text(SECTION, "service_type", "")
    .help("Kind of service for which access rules of application credentials are checked, such as block-storage.")
    .reload();

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    WWW_AUTHENTICATE_URI,
    AUTH_URL,
    AUTH_TYPE,
    USERNAME,
    USER_ID,
    PASSWORD,
    USER_DOMAIN_NAME,
    USER_DOMAIN_ID,
    PROJECT_NAME,
    PROJECT_ID,
    PROJECT_DOMAIN_NAME,
    PROJECT_DOMAIN_ID,
    DEFAULT_DOMAIN_ID,
    DEFAULT_DOMAIN_NAME,
    SYSTEM_SCOPE,
    APPLICATION_CREDENTIAL_ID,
    APPLICATION_CREDENTIAL_NAME,
    APPLICATION_CREDENTIAL_SECRET,
    CAFILE,
    CERTFILE,
    KEYFILE,
    INSECURE,
    TOKEN_CACHE_TIME,
    TOKEN_CACHE_SIZE,
    REFUSED_CACHE_TIME,
    HTTP_CONNECT_TIMEOUT,
    HTTP_REQUEST_TIMEOUT,
    HTTP_REQUEST_MAX_RETRIES,
    DELAY_AUTH_DECISION,
    SERVICE_TOKEN_ROLES,
    SERVICE_TOKEN_ROLES_REQUIRED,
    SERVICE_TYPE,
];
