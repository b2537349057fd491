//! `[service_user]`: the token of its own that this service sends along with the caller's when it asks another service for
//! the caller, so that long work outlives the caller's token. Names of keystoneauth's password plugins.

use super::keystone_authtoken as login;
use super::opt::Opt;

/// The section.
pub const SECTION: &str = "service_user";

/// Whether it is sent at all.
pub const SEND_SERVICE_USER_TOKEN: Opt = Opt::boolean(SECTION, "send_service_user_token", "false")
    .help("Whether other services get this service's own token along with the caller's.");
/// Where Keystone answers.
pub const AUTH_URL: Opt = own(login::AUTH_URL);
/// The kind of credentials.
pub const AUTH_TYPE: Opt = own(login::AUTH_TYPE);
/// Name of the service user.
pub const USERNAME: Opt = own(login::USERNAME);
/// Id of the service user.
pub const USER_ID: Opt = own(login::USER_ID);
/// Password of the service user.
pub const PASSWORD: Opt = own(login::PASSWORD);
/// Domain of the service user, by name.
pub const USER_DOMAIN_NAME: Opt = own(login::USER_DOMAIN_NAME);
/// Domain of the service user, by id.
pub const USER_DOMAIN_ID: Opt = own(login::USER_DOMAIN_ID);
/// Project of the service user, by name.
pub const PROJECT_NAME: Opt = own(login::PROJECT_NAME);
/// Project of the service user, by id.
pub const PROJECT_ID: Opt = own(login::PROJECT_ID);
/// Domain of the project, by name.
pub const PROJECT_DOMAIN_NAME: Opt = own(login::PROJECT_DOMAIN_NAME);
/// Domain of the project, by id.
pub const PROJECT_DOMAIN_ID: Opt = own(login::PROJECT_DOMAIN_ID);
/// Domain of user and project where neither says.
pub const DEFAULT_DOMAIN_ID: Opt = own(login::DEFAULT_DOMAIN_ID);
/// Domain of user and project where neither says, by name.
pub const DEFAULT_DOMAIN_NAME: Opt = own(login::DEFAULT_DOMAIN_NAME);
/// System scope of the service user.
pub const SYSTEM_SCOPE: Opt = own(login::SYSTEM_SCOPE);
/// Id of an application credential.
pub const APPLICATION_CREDENTIAL_ID: Opt = own(login::APPLICATION_CREDENTIAL_ID);
/// Name of an application credential.
pub const APPLICATION_CREDENTIAL_NAME: Opt = own(login::APPLICATION_CREDENTIAL_NAME);
/// Secret of an application credential.
pub const APPLICATION_CREDENTIAL_SECRET: Opt = own(login::APPLICATION_CREDENTIAL_SECRET);
/// Certificate authorities.
pub const CAFILE: Opt = own(login::CAFILE);
/// Client certificate.
pub const CERTFILE: Opt = own(login::CERTFILE);
/// Key of the client certificate.
pub const KEYFILE: Opt = own(login::KEYFILE);
/// Whether certificates are taken unchecked.
pub const INSECURE: Opt = own(login::INSECURE);
/// Longest wait for a connection.
pub const HTTP_CONNECT_TIMEOUT: Opt = own(login::HTTP_CONNECT_TIMEOUT);
/// Repetitions of a request that failed.
pub const HTTP_REQUEST_MAX_RETRIES: Opt = own(login::HTTP_REQUEST_MAX_RETRIES);

/// The row of the same name in this section.
const fn own(mut opt: Opt) -> Opt {
    opt.section = SECTION;
    opt.deprecated = &[];
    opt.reload = false;
    opt
}

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    SEND_SERVICE_USER_TOKEN,
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
    HTTP_CONNECT_TIMEOUT,
    HTTP_REQUEST_MAX_RETRIES,
];
