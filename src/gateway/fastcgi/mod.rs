//! FastCGI 1.0 (specification of 29 April 1996), responder role: bytes in, events out; responses in, bytes out.
//! Sockets, threads and time-outs are the engine's and the same for HTTP.

pub mod pairs;
pub mod record;
pub mod responder;
pub mod writer;

pub use responder::Responder;
