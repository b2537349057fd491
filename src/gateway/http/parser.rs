//! One HTTP/1.1 connection as seen by a server: bytes of the client in, events out. One request at a time: what a
//! client sends ahead of an answer (pipelining) waits here until [`Parser::answered`] is called.

use std::net::SocketAddr;

use super::chunked::{Chunked, Piece};
use super::head::{self, Framing};
use crate::gateway::message::Params;
use crate::gateway::protocol::{Event, Limits, Violation};

/// Bytes of a body that are read and dropped after an early answer, to keep the connection.
const MAX_DROPPED: u64 = 1 << 20;

/// The state of one connection's incoming bytes.
#[derive(Debug)]
pub struct Parser {
    constant: Params,
    stage: Stage,
    /// Bytes that wait: an unfinished head, or what follows a request that is not answered yet.
    waiting: Vec<u8>,
    /// Whether the request has been answered although its body has not ended.
    dropping: bool,
    /// Whether the client may be waiting for `100 Continue`.
    expecting: bool,
    /// What the answer's writer needs to know of the request.
    asked: Asked,
}

/// What the form of an answer depends on.
#[derive(Debug, Default, Clone, Copy)]
pub struct Asked {
    /// The method is HEAD: the answer has no body.
    pub is_head: bool,
    /// The client speaks HTTP/1.0: no chunked coding.
    pub old: bool,
}

#[derive(Debug)]
enum Stage {
    Head,
    Length(u64),
    Chunked(Chunked),
    /// The request is whole and not answered.
    Answering,
    /// Nothing that comes is looked at any more.
    Closed,
}

/// The two ends of a connection, for the variables that name them.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The client; `None` on a unix socket.
    pub client: Option<SocketAddr>,
    /// This server's port; `None` on a unix socket.
    pub port: Option<u16>,
}

impl Parser {
    /// The parser of a new connection.
    pub fn new(peer: &Peer) -> Self {
        let mut constant = Params::default();
        let address = peer.client.map_or_else(String::new, |client| client.ip().to_canonical().to_string());
        let port = peer.client.map_or_else(String::new, |client| client.port().to_string());
        constant.push(b"GATEWAY_INTERFACE", b"CGI/1.1");
        constant.push(b"REMOTE_ADDR", address.as_bytes());
        constant.push(b"REMOTE_PORT", port.as_bytes());
        constant.push(b"SERVER_PORT", peer.port.unwrap_or(80).to_string().as_bytes());
        constant.push(b"REQUEST_SCHEME", b"http");
        constant.push(b"SCRIPT_NAME", b"");
        Self {
            constant,
            stage: Stage::Head,
            waiting: Vec::new(),
            dropping: false,
            expecting: false,
            asked: Asked::default(),
        }
    }

    /// Whether bytes of an unfinished request have arrived.
    pub fn is_midway(&self) -> bool {
        match self.stage {
            Stage::Head => !self.waiting.is_empty(),
            Stage::Length(_) | Stage::Chunked(_) => true,
            Stage::Answering | Stage::Closed => false,
        }
    }

    /// Whether the client sent what can not be read on from.
    pub fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }

    /// Whether bytes wait that [`Parser::answered`] will turn to, so that no more should be read now.
    pub fn is_holding(&self) -> bool {
        matches!(self.stage, Stage::Answering) && !self.waiting.is_empty()
    }

    /// What the form of the current request's answer depends on.
    pub fn asked(&self) -> Asked {
        self.asked
    }

    /// Takes all of `bytes` and tells what they mean.
    ///
    /// # Errors
    /// What `tell` answers; it ends the connection.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        tell: &mut dyn FnMut(Event<'_>, Asked) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if self.waiting.is_empty() {
            let left = self.advance(bytes, 0, limits, tell)?;
            self.waiting.extend_from_slice(left);
            return Ok(());
        }
        let mut gathered = std::mem::take(&mut self.waiting);
        let seen = gathered.len();
        gathered.extend_from_slice(bytes);
        let left = self.advance(&gathered, seen, limits, tell)?.len();
        gathered.drain(..gathered.len() - left);
        self.waiting = gathered;
        Ok(())
    }

    /// The current request has been answered: turns to what waits.
    ///
    /// # Errors
    /// A violation where the connection can not go on, because too much of a body would have to be dropped or because
    /// nobody can know whether the client will send it.
    pub fn answered(
        &mut self,
        limits: &Limits,
        tell: &mut dyn FnMut(Event<'_>, Asked) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match self.stage {
            Stage::Answering => self.stage = Stage::Head,
            Stage::Length(left) if !self.expecting && left <= MAX_DROPPED => self.dropping = true,
            Stage::Length(_) | Stage::Chunked(_) => return Err(Violation("answered before the body had arrived")),
            Stage::Head | Stage::Closed => {}
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.receive(&waiting, limits, tell)
    }

    /// Moves on through `bytes`, of which the first `seen` were looked at before; what is left must wait.
    fn advance<'a>(
        &mut self,
        mut bytes: &'a [u8],
        seen: usize,
        limits: &Limits,
        tell: &mut dyn FnMut(Event<'_>, Asked) -> Result<(), Violation>,
    ) -> Result<&'a [u8], Violation> {
        let mut seen = seen;
        loop {
            match &mut self.stage {
                Stage::Closed => return Ok(&[]),
                Stage::Answering => return Ok(bytes),
                Stage::Head => {
                    while let [b'\r' | b'\n', rest @ ..] = bytes {
                        (bytes, seen) = (rest, seen.saturating_sub(1));
                    }
                    let from = seen.saturating_sub(3);
                    let end = memchr::memmem::find(bytes.get(from..).unwrap_or_default(), b"\r\n\r\n");
                    let Some(end) = end.map(|at| from + at + 4) else {
                        if bytes.len() > limits.params_bytes {
                            self.refuse((431, "the head is too long"), tell)?;
                            return Ok(&[]);
                        }
                        if memchr::memmem::find(bytes, b"\n\n").is_some() {
                            self.refuse((400, "a line of the head ends without CR LF"), tell)?;
                            return Ok(&[]);
                        }
                        return Ok(bytes);
                    };
                    let (head, rest) = bytes.split_at(end);
                    (bytes, seen) = (rest, 0);
                    self.head(head, limits, tell)?;
                }
                Stage::Length(left) => {
                    if *left > 0 {
                        if bytes.is_empty() {
                            return Ok(bytes);
                        }
                        self.expecting = false;
                        let length = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                        let (now, later) = bytes.split_at(length);
                        bytes = later;
                        *left -= length as u64;
                        if !self.dropping {
                            tell(Event::Data { id: 0, bytes: now }, self.asked)?;
                        }
                    }
                    if matches!(self.stage, Stage::Length(0)) {
                        self.end_of_body(tell)?;
                    }
                }
                Stage::Chunked(chunked) => match chunked.next(&mut bytes) {
                    Ok(Piece::Data(data)) => {
                        self.expecting = false;
                        if !self.dropping {
                            tell(Event::Data { id: 0, bytes: data }, self.asked)?;
                        }
                    }
                    Ok(Piece::More) => return Ok(&[]),
                    Ok(Piece::End) => self.end_of_body(tell)?,
                    Err(_) => {
                        self.refuse((400, "a malformed chunk"), tell)?;
                        return Ok(&[]);
                    }
                },
            }
        }
    }

    fn head(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        tell: &mut dyn FnMut(Event<'_>, Asked) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if bytes.len() > limits.params_bytes {
            return self.refuse((431, "the head is too long"), tell);
        }
        let head = match head::read(bytes, &self.constant) {
            Ok(head) => head,
            Err(refusal) => return self.refuse(refusal, tell),
        };
        self.asked = Asked { is_head: head.is_head, old: head.old };
        self.dropping = false;
        let length = match head.framing {
            Framing::Length(length) => {
                self.stage = Stage::Length(length);
                Some(length)
            }
            Framing::Chunked => {
                self.stage = Stage::Chunked(Chunked::default());
                None
            }
        };
        self.expecting = head.expects_continue && length != Some(0);
        let go_ahead = self.expecting.then_some(&b"HTTP/1.1 100 Continue\r\n\r\n"[..]);
        tell(Event::Head { id: 0, keep: head.keep, params: head.params, length, go_ahead }, self.asked)
    }

    fn end_of_body(
        &mut self,
        tell: &mut dyn FnMut(Event<'_>, Asked) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if std::mem::take(&mut self.dropping) {
            self.stage = Stage::Head;
            return Ok(());
        }
        self.stage = Stage::Answering;
        tell(Event::End { id: 0 }, self.asked)
    }

    fn refuse(
        &mut self,
        (status, why): head::Refusal,
        tell: &mut dyn FnMut(Event<'_>, Asked) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.stage = Stage::Closed;
        self.waiting = Vec::new();
        tell(Event::Refuse { id: 0, keep: false, status, why }, self.asked)
    }
}
