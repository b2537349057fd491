//! One request and its one answer. Whoever claims the exchange first answers it: the worker that ran the handler, the
//! time-out, or the polling thread when the web server gave the request up. All others' answers are dropped.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use super::connection::Connection;
use super::fastcgi::record::{self, kind, status};
use super::fastcgi::writer::{self as fastcgi, Form, Records};
use super::http::parser::Asked;
use super::http::writer::{self as http, CHUNK_HEAD_BYTES};
use super::message::{BodyWriter, Response, ResponseBody};
use super::reply::{self, End, Fields};
use super::sending::{Framing, Sending};
use super::spool::Spooled;
use crate::service::threads;

/// Bytes of a streamed answer that are gathered before they are sent.
const STREAM_BLOCK: usize = 32 * 1024;

/// Nobody has answered yet.
const OPEN: u8 = 0;
/// Somebody is answering.
const CLAIMED: u8 = 1;
/// The answer's last bytes are being sent: the id is free as soon as the peer has them.
const ENDING: u8 = 2;
/// The answer is complete, or there will be none.
const DONE: u8 = 3;

/// What becomes of the connection after the answer: nothing is decided, and it would stay.
const KEEP: u8 = 0;
/// The answer says that it stays; nobody may close it for this answer any more.
const KEPT: u8 = 1;
/// The peer wants it closed.
const CLOSE: u8 = 2;
/// The peer would keep it, and this side closes it: the answer has to say so.
const LEAVE: u8 = 3;

/// How the answer looks on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wire {
    /// FastCGI records of this request.
    FastCgi {
        /// The request's id.
        id: u16,
        /// The method is HEAD.
        is_head: bool,
        /// The web server heeds what comes behind the end of a request; see [`Exchange::append_after`].
        heeds_more: bool,
        /// How the answer's records look.
        form: Form,
    },
    /// An HTTP/1.1 response.
    Http(Asked),
}

/// A request that must be answered once.
pub(super) struct Exchange {
    pub(super) connection: Arc<Connection>,
    wire: Wire,
    /// What becomes of the connection.
    after: AtomicU8,
    state: AtomicU8,
    /// The web server gave the request up while its answer was being streamed.
    aborted: AtomicBool,
}

thread_local! {
    /// Where answers are put together; its memory is used again.
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Memory that a thread keeps for the next answer, in bytes.
const SCRATCH_KEPT: usize = 64 * 1024;
/// Bytes of an answer that is put together as a whole, and may always wait for a slow client.
const SMALL: usize = 256 * 1024;

impl Exchange {
    pub(super) fn new(connection: Arc<Connection>, wire: Wire, keep: bool) -> Self {
        Self {
            connection,
            wire,
            after: AtomicU8::new(if keep { KEEP } else { CLOSE }),
            state: AtomicU8::new(OPEN),
            aborted: AtomicBool::new(false),
        }
    }

    pub(super) fn id(&self) -> u16 {
        match self.wire {
            Wire::FastCgi { id, .. } => id,
            Wire::Http(_) => 0,
        }
    }

    /// Whether nothing more will be sent.
    pub(super) fn is_done(&self) -> bool {
        self.state.load(Ordering::SeqCst) == DONE
    }

    /// Whether a peer that has read everything may use the id again.
    pub(super) fn frees_id(&self) -> bool {
        self.state.load(Ordering::SeqCst) >= ENDING
    }

    /// Whether nobody has begun to answer.
    pub(super) fn is_open(&self) -> bool {
        self.state.load(Ordering::SeqCst) == OPEN
    }

    /// Whether the connection stays open after the answer.
    pub(super) fn keeps(&self) -> bool {
        self.after.load(Ordering::SeqCst) <= KEPT
    }

    /// The connection is to be closed after the answer, unless the answer has already said that it stays.
    pub(super) fn keep_no_longer(&self) {
        let _ = self.after.compare_exchange(KEEP, LEAVE, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The connection has to be closed whatever the answer said: its end is missing.
    fn cut_off(&self) {
        self.after.store(CLOSE, Ordering::SeqCst);
    }

    /// Decides what becomes of the connection, now that the answer says it.
    fn decide(&self) -> u8 {
        match self.after.compare_exchange(KEEP, KEPT, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => KEPT,
            Err(decided) => decided,
        }
    }

    /// Says behind the request's end what becomes of the connection. A web server that was told to keep it may put its
    /// next request on it at any moment, also while it is being closed, and that request would be lost. nginx keeps no
    /// connection on which more than the request's end has come, so that a management record (specification section 4)
    /// goes behind it: an empty `FCGI_GET_VALUES_RESULT`. Apache leaves such a record unread and then misses the
    /// connection's end, so that it gets none.
    fn append_after(&self, out: &mut Vec<u8>) {
        let leaving = self.decide() == LEAVE;
        if let (true, Wire::FastCgi { heeds_more: true, .. }) = (leaving, self.wire) {
            record::append(out, kind::GET_VALUES_RESULT, 0, &[]);
        }
    }

    /// Whether the polling thread must look after the connection once this is answered.
    pub(super) fn needs_attention(&self) -> bool {
        matches!(self.wire, Wire::Http(_)) || !self.keeps()
    }

    fn claim(&self) -> bool {
        self.state.compare_exchange(OPEN, CLAIMED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn ending(&self) {
        self.state.store(ENDING, Ordering::SeqCst);
    }

    fn done(&self) {
        self.state.store(DONE, Ordering::SeqCst);
    }

    /// Sends the last bytes. A client that went away was logged where it was found.
    fn send_last(&self, bytes: &[u8]) {
        self.ending();
        let _ = self.connection.send(bytes);
        self.done();
    }

    /// The web server gave the request up. Whether it was still open, so that its end was sent at once.
    pub(super) fn abort(&self) -> bool {
        self.aborted.store(true, Ordering::Release);
        if !self.claim() {
            return false;
        }
        let mut end = Vec::with_capacity(24);
        if let Wire::FastCgi { id, .. } = self.wire {
            record::append_end(&mut end, id, 0, status::REQUEST_COMPLETE);
            self.append_after(&mut end);
        }
        self.send_last(&end);
        true
    }

    /// The connection is gone: there will be no answer.
    pub(super) fn give_up(&self) {
        self.aborted.store(true, Ordering::Release);
        if self.claim() {
            self.done();
        }
    }

    /// Answers, unless somebody else has. Whether this answer was the one.
    pub(super) fn answer(&self, response: Response, send_timeout: Duration) -> bool {
        self.answer_as(response, status::REQUEST_COMPLETE, send_timeout)
    }

    /// Refuses for overload: a client sees the response, and a web server that looks at it sees `FCGI_OVERLOADED`.
    pub(super) fn refuse_overloaded(&self, response: Response, send_timeout: Duration) -> bool {
        self.answer_as(response, status::OVERLOADED, send_timeout)
    }

    fn answer_as(&self, response: Response, protocol_status: u8, send_timeout: Duration) -> bool {
        if !self.claim() {
            return false;
        }
        match response.body {
            ResponseBody::Bytes(body) if body.len() > SMALL => {
                self.answer_long((response.status, &response.headers), body.into(), protocol_status, send_timeout);
            }
            ResponseBody::Spooled(body) => {
                self.answer_long((response.status, &response.headers), body, protocol_status, send_timeout);
            }
            ResponseBody::Bytes(body) => {
                let head = (response.status, &response.headers[..]);
                SCRATCH.with_borrow_mut(|(out, scratch)| {
                    out.clear();
                    scratch.clear();
                    self.write_whole(out, scratch, head, &body, protocol_status);
                    drop(body);
                    self.ending();
                    // A client that went away was logged where it was found.
                    let _ = if out.len() <= SCRATCH_KEPT {
                        self.connection.send(out)
                    } else {
                        self.connection.send_away(std::mem::take(out))
                    };
                    self.done();
                    // What it holds would count: nothing shrinks below its length.
                    out.clear();
                    out.shrink_to(SCRATCH_KEPT);
                });
            }
            ResponseBody::Stream(writer) => {
                let head =
                    Response { status: response.status, headers: response.headers, body: ResponseBody::Bytes(vec![]) };
                self.stream(head, writer, send_timeout);
            }
        }
        true
    }

    /// Sends an answer whose body is made into the protocol's bytes while the client takes it.
    fn answer_long(&self, (code, fields): (u16, &Fields), body: Spooled, protocol_status: u8, send_timeout: Duration) {
        let length = usize::try_from(body.len()).unwrap_or(usize::MAX);
        let end = if reply::is_bodiless(code) { End::Nothing } else { End::Length(length) };
        let (mut head, mut behind) = (Vec::with_capacity(512), Vec::new());
        let (is_head, framing) = match self.wire {
            Wire::FastCgi { id, is_head, form, .. } => {
                let mut text = Vec::with_capacity(512);
                reply::cgi_head(&mut text, code, fields, end);
                let mut records = fastcgi::answer(id, form);
                records.put(&mut head, &text);
                records.close(&mut head);
                fastcgi::answer(id, form).end(&mut behind, 0, protocol_status);
                self.append_after(&mut behind);
                (is_head, Framing::Records { id, form })
            }
            Wire::Http(asked) => {
                let keep = self.decide() == KEPT;
                http::with_date(|date| reply::http_head(&mut head, code, fields, end, keep, asked.old, date));
                (asked.is_head, Framing::Plain)
            }
        };
        let body = if is_head || end == End::Nothing { Spooled::default() } else { body };
        let sending = Sending::new(body, framing, behind);
        self.ending();
        let waits = !self.connection.may_keep(sending.in_memory()) || !self.connection.may_store(sending.stored());
        // A client that went away was logged where it was found.
        if self.connection.send_long(head, sending).is_ok() && waits {
            let _ = self.connection.wait(0, send_timeout);
        }
        self.done();
    }

    fn write_whole(
        &self,
        out: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
        (code, fields): (u16, &Fields),
        body: &[u8],
        protocol_status: u8,
    ) {
        let end = if reply::is_bodiless(code) { End::Nothing } else { End::Length(body.len()) };
        match self.wire {
            Wire::FastCgi { id, is_head, form, .. } => {
                reply::cgi_head(scratch, code, fields, end);
                out.reserve(fastcgi::length(scratch.len() + body.len()));
                let mut records = fastcgi::answer(id, form);
                records.put(out, scratch);
                if end != End::Nothing && !is_head {
                    records.put(out, body);
                }
                records.end(out, 0, protocol_status);
                self.append_after(out);
            }
            Wire::Http(asked) => {
                let keep = self.decide() == KEPT;
                http::with_date(|date| reply::http_head(out, code, fields, end, keep, asked.old, date));
                if end != End::Nothing && !asked.is_head {
                    out.extend_from_slice(body);
                }
            }
        }
    }

    /// Sends an answer while it is made.
    fn stream(&self, head: Response, writer: BodyWriter, timeout: Duration) {
        let bodiless = reply::is_bodiless(head.status);
        let (is_head, end) = match self.wire {
            Wire::FastCgi { is_head, .. } => (is_head, End::Nothing),
            Wire::Http(asked) if asked.old => (asked.is_head, End::Close),
            Wire::Http(asked) => (asked.is_head, End::Chunked),
        };
        let end = if bodiless { End::Nothing } else { end };
        if end == End::Close {
            self.keep_no_longer();
        }
        let mut stream = Stream { exchange: self, buffer: Vec::new(), open: Open::Nothing, sent: false, timeout };
        stream.head(&head, end);
        let written = if is_head || bodiless {
            Ok(())
        } else {
            match threads::contain(|| writer(&mut stream)) {
                Ok(written) => written,
                Err(panic) => {
                    log::error!("an answer's writer panicked: {panic}");
                    Err(io::ErrorKind::Other.into())
                }
            }
        };
        match written {
            Ok(()) => stream.end(end == End::Chunked && !is_head),
            Err(error) => stream.fail(&error),
        }
    }
}

/// The place where a streamed answer's open record or chunk begins.
enum Open {
    Nothing,
    Records(Records),
    Chunk(usize),
    /// Bytes go out as they are.
    Plain,
}

struct Stream<'a> {
    exchange: &'a Exchange,
    buffer: Vec<u8>,
    open: Open,
    sent: bool,
    timeout: Duration,
}

impl Stream<'_> {
    fn head(&mut self, response: &Response, end: End) {
        match self.exchange.wire {
            Wire::FastCgi { id, form, .. } => {
                let mut head = Vec::with_capacity(256);
                reply::cgi_head(&mut head, response.status, &response.headers, end);
                let mut records = fastcgi::answer(id, form);
                records.put(&mut self.buffer, &head);
                self.open = Open::Records(records);
            }
            Wire::Http(asked) => {
                let keep = self.exchange.decide() == KEPT;
                let out = &mut self.buffer;
                http::with_date(|date| {
                    reply::http_head(out, response.status, &response.headers, end, keep, asked.old, date);
                });
                self.open = Open::Plain;
                self.open_chunk(end == End::Chunked);
            }
        }
    }

    fn open_chunk(&mut self, chunked: bool) {
        if chunked {
            self.open = Open::Chunk(self.buffer.len());
            self.buffer.resize(self.buffer.len() + CHUNK_HEAD_BYTES, 0);
        }
    }

    /// Completes what is open, so that the buffer may be sent.
    fn close_open(&mut self) {
        match &mut self.open {
            Open::Records(records) => records.close(&mut self.buffer),
            Open::Chunk(start) => {
                http::close_chunk(&mut self.buffer, *start);
                self.open = Open::Nothing;
            }
            Open::Nothing | Open::Plain => {}
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.exchange.aborted.load(Ordering::Acquire) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let chunked = matches!(self.open, Open::Chunk(_));
        self.close_open();
        if !self.buffer.is_empty() {
            self.sent = true;
            self.exchange.connection.send_waiting(&self.buffer, self.timeout)?;
            self.buffer.clear();
        }
        self.open_chunk(chunked);
        Ok(())
    }

    fn end(mut self, chunked: bool) {
        self.close_open();
        if let Open::Records(records) = std::mem::replace(&mut self.open, Open::Nothing) {
            records.end(&mut self.buffer, 0, status::REQUEST_COMPLETE);
            self.exchange.append_after(&mut self.buffer);
        } else if chunked {
            self.buffer.extend_from_slice(b"0\r\n\r\n");
        }
        self.exchange.send_last(&self.buffer);
    }

    /// The answer can not be completed. If nothing was sent, the client gets an error instead; else it must not take
    /// what it has for the whole, so that the connection ends without the protocol's end.
    fn fail(mut self, error: &io::Error) {
        if self.exchange.connection.is_gone() {
            self.exchange.cut_off();
            return self.exchange.done();
        }
        if self.exchange.aborted.load(Ordering::Acquire) {
            self.buffer.clear();
            if let Wire::FastCgi { id, .. } = self.exchange.wire {
                record::append_end(&mut self.buffer, id, 0, status::REQUEST_COMPLETE);
                self.exchange.append_after(&mut self.buffer);
            }
            return self.exchange.send_last(&self.buffer);
        }
        if self.sent {
            log::error!("a streamed answer ended early: {error}");
            self.exchange.cut_off();
            return self.exchange.done();
        }
        log::error!("a streamed answer could not be started: {error}");
        let response = reply::plain(500, "");
        let (mut out, mut scratch) = (std::mem::take(&mut self.buffer), Vec::new());
        out.clear();
        if let ResponseBody::Bytes(body) = &response.body {
            let head = (response.status, &response.headers[..]);
            self.exchange.write_whole(&mut out, &mut scratch, head, body, status::REQUEST_COMPLETE);
        }
        self.exchange.send_last(&out);
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.open {
            Open::Records(records) => records.put(&mut self.buffer, bytes),
            Open::Nothing | Open::Chunk(_) | Open::Plain => self.buffer.extend_from_slice(bytes),
        }
        if self.buffer.len() >= STREAM_BLOCK {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}
