//! HTTP/1.1 (RFC 9112) for development, simple testing and trusted proxies: the same engine as FastCGI, with this parser
//! and this writer. It does no TLS, no compression and no HTTP/2: those are the web server's.

pub mod chunked;
pub mod head;
pub mod parser;
pub mod writer;

pub use parser::{Parser, Peer};
