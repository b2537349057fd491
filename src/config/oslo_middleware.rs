//! `[oslo_middleware]`: limits of requests, and whether a proxy's headers are believed. Names of oslo.middleware.

use super::opt::Opt;

/// Most bytes of a request's body.
pub const MAX_REQUEST_BODY_SIZE: Opt = Opt::integer("oslo_middleware", "max_request_body_size", "114688")
    .at_least(1)
    .deprecated(&[("DEFAULT", "osapi_max_request_body_size"), ("DEFAULT", "max_request_body_size")])
    .help("Most bytes of the body of a request to the Block Storage API.")
    .reload();
/// Whether proxies' headers are believed.
pub const ENABLE_PROXY_HEADERS_PARSING: Opt = Opt::boolean("oslo_middleware", "enable_proxy_headers_parsing", "false")
    .help("Whether Forwarded and X-Forwarded-* decide scheme, host and prefix of links. Only behind a proxy that sets them.")
    .reload();

/// All rows of this file.
pub const ROWS: &[Opt] = &[MAX_REQUEST_BODY_SIZE, ENABLE_PROXY_HEADERS_PARSING];
