//! `[nova]`: how the Compute service is asked whether a server still uses a volume.

use super::opt::Opt;

const SECTION: &str = "nova";

/// Keystone for the caller's tokens.
pub const TOKEN_AUTH_URL: Opt = Opt::text(SECTION, "token_auth_url", "")
    .help("Where Keystone tells the caller's catalogue. Empty: auth_url of [keystone_authtoken].")
    .reload();
/// Region of the Compute service.
pub const REGION_NAME: Opt = Opt::text(SECTION, "region_name", "")
    .help("Region whose Compute service is asked. Empty: the first one of the catalogue.")
    .reload();
/// Which of its addresses.
pub const INTERFACE: Opt = Opt::choice(SECTION, "interface", &["public", "admin", "internal"], "public")
    .help("Which address of the Compute service is asked.")
    .reload();
/// Certificates of authorities.
pub const CAFILE: Opt = Opt::path(SECTION, "cafile", "")
    .help("PEM file of the authorities that are trusted. Empty: those of the system.")
    .reload();
/// Whether certificates are not looked at.
pub const INSECURE: Opt =
    Opt::boolean(SECTION, "insecure", "false").help("Whether certificates are not checked.").reload();
/// How long an answer may take.
pub const TIMEOUT: Opt = Opt::seconds(SECTION, "timeout", "30").help("How long an answer may take.").reload();

/// All rows of this file.
pub const ROWS: &[Opt] = &[TOKEN_AUTH_URL, REGION_NAME, INTERFACE, CAFILE, INSECURE, TIMEOUT];
