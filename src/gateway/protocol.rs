//! What a protocol's parser tells the engine. Parsers take bytes and give events; they own no socket and never wait.

use std::fmt;

use super::message::Params;

/// Something that a peer's bytes mean. `id` tells requests of one connection apart; it is 0 in HTTP.
pub enum Event<'a> {
    /// The variables of a request are whole; its body follows, and then [`Event::End`].
    Head {
        /// The request.
        id: u16,
        /// Whether the connection stays open after the answer.
        keep: bool,
        /// The variables.
        params: Params,
        /// Bytes of the body, where the peer said how many.
        length: Option<u64>,
        /// What the peer waits for before it sends the body (HTTP's `100 Continue`).
        go_ahead: Option<&'static [u8]>,
    },
    /// A part of a request's body.
    Data {
        /// The request.
        id: u16,
        /// At least one byte.
        bytes: &'a [u8],
    },
    /// A request's body is whole.
    End {
        /// The request.
        id: u16,
    },
    /// The peer has given a request up. It may be one that was answered already.
    Abort {
        /// The request.
        id: u16,
        /// Whether the connection stays open.
        keep: bool,
        /// Whether it was still arriving and never announced by [`Event::Head`].
        headless: bool,
    },
    /// The peer starts a request anew although the body of the one with its id has not ended: allowed only where that
    /// one was answered early.
    Reuse {
        /// The request.
        id: u16,
    },
    /// A request is to be answered with `status` without being run.
    Refuse {
        /// The request.
        id: u16,
        /// Whether the connection stays open after the answer.
        keep: bool,
        /// The HTTP status: 400 to 505.
        status: u16,
        /// What was wrong, for the log and the client.
        why: &'static str,
    },
    /// Bytes of the protocol itself that go to the peer as they are.
    Send(&'a [u8]),
}

/// What a peer sent that no peer may send. It ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation(pub &'static str);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Limits that a parser needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all variables of one request; the head of an HTTP request too.
    pub params_bytes: usize,
    /// Variables of one request.
    pub params_count: usize,
    /// Requests in progress on one connection.
    pub requests: usize,
    /// Connections of the process, as FastCGI's `FCGI_MAX_CONNS` tells.
    pub connections: usize,
    /// Requests in progress in the whole process, as FastCGI's `FCGI_MAX_REQS` tells.
    pub requests_of_process: usize,
}
