//! One connection as the thread that polls sees it: its parser and the requests that are arriving on it. Turns events
//! into jobs. Only the polling thread touches it, so that nothing here is locked.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::arriving::{Arriving, Reader};
use super::connection::Connection;
use super::exchange::{Exchange, Wire};
use super::fastcgi::Responder;
use super::fastcgi::writer::Form;
use super::http::parser::{Asked, Parser};
use super::message::{Body, Params, Request};
use super::protocol::{Event, Limits, Violation};
use super::reply;
use super::settings::Settings;

/// A request that a worker may run.
pub(super) struct Job {
    pub(super) exchange: Arc<Exchange>,
    pub(super) request: Request,
    pub(super) arrived: Instant,
}

/// A connection's parser.
pub(super) enum Machine {
    FastCgi(Responder),
    Http(Parser),
}

/// What the polling thread gives a link for its work.
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) limits: &'a Limits,
    pub(super) jobs: &'a mut VecDeque<Job>,
    pub(super) now: Instant,
    /// Connections end with the request that is on them.
    pub(super) stopping: bool,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    Ends,
}

/// A connection and what arrives on it.
pub(super) struct Link {
    pub(super) connection: Arc<Connection>,
    machine: Machine,
    live: Vec<Live>,
    /// When bytes last came, or an answer was completed.
    pub(super) active: Instant,
    /// The connection ends once everything is answered and sent.
    closing: bool,
    /// Sending has ended; what still comes is read and dropped until then.
    lingering: Option<Instant>,
}

/// A request that has a head and no complete answer, as far as this thread has noticed.
struct Live {
    exchange: Arc<Exchange>,
    body: Gather,
}

enum Gather {
    /// The body is gathered, to be given to the handler whole.
    Memory { params: Params, bytes: Vec<u8>, length: Option<u64> },
    /// The handler runs, or waits to run, and reads the body while it arrives.
    Arriving { body: Arc<Arriving>, left: Option<u64> },
    /// The body is whole, or nobody wants it.
    Over,
}

/// Time for which a closing connection is read, so that its last answer is not lost with what the peer still sends.
const LINGER: Duration = Duration::from_secs(2);

impl Link {
    pub(super) fn new(connection: Arc<Connection>, machine: Machine, now: Instant) -> Self {
        Self { connection, machine, live: Vec::new(), active: now, closing: false, lingering: None }
    }

    /// Takes bytes that have arrived.
    pub(super) fn receive(&mut self, bytes: &[u8], context: &mut Context<'_>) -> Fate {
        self.active = context.now;
        if self.lingering.is_some() {
            return Fate::Stays;
        }
        let Self { connection, machine, live, .. } = self;
        let result = match machine {
            Machine::FastCgi(responder) => responder
                .receive(bytes, context.limits, &mut |event| heed(event, Asked::default(), connection, live, context)),
            Machine::Http(parser) => {
                parser.receive(bytes, context.limits, &mut |event, asked| heed(event, asked, connection, live, context))
            }
        };
        self.after(result)
    }

    fn after(&mut self, result: Result<(), Violation>) -> Fate {
        if let Err(violation) = result {
            log::warn!("connection ended: {violation}");
            self.closing = true;
            for live in self.live.drain(..) {
                live.give_up(io::ErrorKind::ConnectionAborted);
            }
        } else if let Machine::Http(parser) = &self.machine {
            self.connection.hold(parser.is_holding());
        }
        self.settle()
    }

    /// Looks after the connection when an answer was completed, or when its bytes were taken.
    pub(super) fn attend(&mut self, context: &mut Context<'_>) -> Fate {
        if self.connection.is_gone() {
            return Fate::Ends;
        }
        let answered = self.live.iter().any(|live| live.exchange.is_done());
        if answered {
            self.active = context.now;
            self.closing |= self.has_ended();
            self.live.retain(|live| !live.exchange.is_done());
            if let (Machine::Http(parser), false) = (&mut self.machine, self.closing) {
                let (connection, live) = (&self.connection, &mut self.live);
                let result =
                    parser.answered(context.limits, &mut |event, asked| heed(event, asked, connection, live, context));
                if result.is_err() {
                    self.closing = true;
                }
                self.connection.hold(matches!(&self.machine, Machine::Http(parser) if parser.is_holding()));
            }
        }
        self.settle()
    }

    /// Ends the connection if nothing is left to do on it.
    fn settle(&mut self) -> Fate {
        self.closing |= self.has_ended();
        if !self.closing || self.live.iter().any(|live| !live.exchange.is_done()) || self.connection.has_unsent() {
            return Fate::Stays;
        }
        if self.connection.is_gone() || self.lingering.is_some() {
            return Fate::Ends;
        }
        if self.machine_is_midway() {
            // Closing now would throw the answer away with what the peer still sends.
            self.connection.finish_sending();
            self.connection.hold(false);
            self.lingering = Some(self.active + LINGER);
            return Fate::Stays;
        }
        Fate::Ends
    }

    /// Whether an answer was the last of this connection.
    fn has_ended(&self) -> bool {
        self.live.iter().any(|live| live.exchange.is_done() && !live.exchange.keeps())
    }

    fn machine_is_midway(&self) -> bool {
        match &self.machine {
            Machine::FastCgi(responder) => responder.is_midway(),
            Machine::Http(parser) => parser.is_midway() || parser.is_closed(),
        }
    }

    /// The peer sends nothing more. `gone`: it takes nothing more either.
    pub(super) fn ended(&mut self, gone: bool) -> Fate {
        let unfinished = self.live.iter().filter(|live| !matches!(live.body, Gather::Over)).count();
        if self.lingering.is_none() && (unfinished > 0 || self.machine_is_midway()) {
            log::info!("connection ended within a request");
        } else if gone && self.live.iter().any(|live| !live.exchange.frees_id()) {
            // One whose last bytes are on their way may well have arrived: mod_fcgid closes as soon as it has them.
            log::info!("connection ended before its request was answered");
        }
        for live in &self.live {
            live.exchange.keep_no_longer();
            if gone {
                live.give_up(io::ErrorKind::ConnectionAborted);
            } else if let Gather::Memory { .. } = live.body {
                live.exchange.give_up();
            } else {
                live.end(Err(io::ErrorKind::UnexpectedEof));
            }
        }
        self.closing = true;
        self.live.retain(|live| !live.exchange.is_done());
        if gone || self.lingering.is_some() || (self.live.is_empty() && !self.connection.has_unsent()) {
            return Fate::Ends;
        }
        self.connection.end_reading();
        Fate::Stays
    }

    /// Whether the connection may be closed because nothing has come for too long.
    pub(super) fn is_overdue(&self, settings: &Settings, now: Instant) -> bool {
        if let Some(until) = self.lingering {
            return now >= until;
        }
        if self.connection.is_stuck(now, settings.send_timeout) {
            log::info!("connection ended: its client took nothing of an answer for {:?}", settings.send_timeout);
            return true;
        }
        let still = now.saturating_duration_since(self.active);
        if self.machine_is_midway() {
            // A handler that does not read its body's rest stops the connection, not the peer.
            let streaming = self.live.iter().any(|live| matches!(live.body, Gather::Arriving { .. }));
            return !streaming && still >= settings.receive_timeout;
        }
        let idle = matches!(self.machine, Machine::Http(_)) && self.is_idle();
        idle && settings.idle_timeout.is_some_and(|limit| still >= limit)
    }

    /// Whether a request has begun to arrive and is not whole.
    pub(super) fn is_waiting_for_peer(&self) -> bool {
        self.lingering.is_none() && self.machine_is_midway()
    }

    /// Whether HTTP is spoken.
    pub(super) fn is_http(&self) -> bool {
        matches!(self.machine, Machine::Http(_))
    }

    /// Whether no request is on the way.
    pub(super) fn is_idle(&self) -> bool {
        !self.machine_is_midway()
            && self.live.iter().all(|live| live.exchange.is_done())
            && !self.connection.has_unsent()
    }

    /// The connection ends with the answers to the requests that are on the way.
    pub(super) fn finish(&self) {
        for live in &self.live {
            live.exchange.keep_no_longer();
        }
    }

    /// Ends the connection now.
    pub(super) fn close(self) {
        let Self { connection, live, .. } = self;
        for live in live {
            live.give_up(io::ErrorKind::ConnectionAborted);
        }
        connection.close();
    }
}

impl Live {
    /// There will be no answer, and no more of the body.
    fn give_up(&self, why: io::ErrorKind) {
        self.end(Err(why));
        self.exchange.give_up();
    }

    fn end(&self, how: Result<(), io::ErrorKind>) {
        if let Gather::Arriving { body, .. } = &self.body {
            body.end(how);
        }
    }
}

/// Acts on one event of a connection.
fn heed(
    event: Event<'_>,
    asked: Asked,
    connection: &Arc<Connection>,
    live: &mut Vec<Live>,
    context: &mut Context<'_>,
) -> Result<(), Violation> {
    let place = |live: &[Live], id: u16| live.iter().position(|live| live.exchange.id() == id);
    // The same, without one that was answered and is only not forgotten yet.
    let running =
        |live: &[Live], id: u16| live.iter().position(|live| live.exchange.id() == id && !live.exchange.frees_id());
    match event {
        Event::Head { id, keep, params, length, go_ahead } => {
            let over = |live: &Live| live.exchange.is_done() || (live.exchange.id() == id && live.exchange.frees_id());
            live.retain(|live| !over(live));
            if running(live, id).is_some() {
                return Err(Violation("a request with the id of one that is running"));
            }
            if live.len() >= context.limits.requests {
                let exchange = exchange(connection, id, keep, asked);
                overloaded(&exchange, context.settings);
                live.push(Live { exchange, body: Gather::Over });
                return Ok(());
            }
            head(id, keep, params, length, go_ahead, asked, connection, live, context)
        }
        Event::Data { id, bytes } => {
            let Some(at) = place(live, id) else { return Ok(()) };
            let Some(request) = live.get_mut(at) else { return Ok(()) };
            data(request, bytes, connection, context);
            Ok(())
        }
        Event::End { id } => {
            let Some(at) = place(live, id) else { return Ok(()) };
            let Some(request) = live.get_mut(at) else { return Ok(()) };
            end(request, context);
            Ok(())
        }
        Event::Abort { id, keep, headless } => {
            if let Some(request) = running(live, id).map(|at| live.swap_remove(at)) {
                // First its end, and then the news to its handler: else the handler's answer might come before.
                if request.exchange.abort() {
                    log::info!("the web server gave a request up");
                }
                request.end(Err(io::ErrorKind::ConnectionAborted));
                // It is looked after until its end: a streamed answer ends at its next block.
                live.push(Live { exchange: request.exchange, body: Gather::Over });
            } else if headless {
                let exchange = exchange(connection, id, keep, asked);
                exchange.abort();
                live.push(Live { exchange, body: Gather::Over });
            }
            Ok(())
        }
        Event::Reuse { id } => match running(live, id) {
            Some(_) => Err(Violation("a request with the id of one that is running")),
            None => Ok(()),
        },
        Event::Refuse { id, keep, status, why } => {
            log::info!("a request was refused with {status}: {why}");
            let refused = running(live, id)
                .map(|at| live.swap_remove(at))
                .unwrap_or_else(|| Live { exchange: exchange(connection, id, keep, asked), body: Gather::Over });
            if !keep {
                refused.exchange.keep_no_longer();
            }
            match status {
                503 => overloaded(&refused.exchange, context.settings),
                _ => _ = refused.exchange.answer(reply::plain(status, why), context.settings.send_timeout),
            }
            refused.end(Err(io::ErrorKind::InvalidData));
            live.push(Live { exchange: refused.exchange, body: Gather::Over });
            Ok(())
        }
        Event::Send(bytes) => {
            // A lost connection is found by the one who reads it.
            let _ = connection.send(bytes);
            Ok(())
        }
    }
}

fn exchange(connection: &Arc<Connection>, id: u16, keep: bool, asked: Asked) -> Arc<Exchange> {
    let wire = match id {
        0 => Wire::Http(asked),
        id => Wire::FastCgi { id, is_head: false, heeds_more: false, form: Form::Full },
    };
    Arc::new(Exchange::new(Arc::clone(connection), wire, keep))
}

/// Answers that too much is going on.
pub(super) fn overloaded(exchange: &Exchange, settings: &Settings) {
    let response =
        reply::plain(503, "too many requests are waiting").header("Retry-After", settings.retry_after_s.to_string());
    exchange.refuse_overloaded(response, settings.send_timeout);
}

#[expect(clippy::too_many_arguments, reason = "the fields of one event, and where they go")]
fn head(
    id: u16,
    keep: bool,
    params: Params,
    length: Option<u64>,
    go_ahead: Option<&'static [u8]>,
    asked: Asked,
    connection: &Arc<Connection>,
    live: &mut Vec<Live>,
    context: &mut Context<'_>,
) -> Result<(), Violation> {
    let wire = match id {
        0 => Wire::Http(asked),
        id => Wire::FastCgi {
            id,
            is_head: params.value(b"REQUEST_METHOD") == Some(b"HEAD"),
            heeds_more: params.value(b"SERVER_SOFTWARE").is_some_and(|name| name.starts_with(b"nginx")),
            form: Form::for_request(&params),
        },
    };
    let exchange = Arc::new(Exchange::new(Arc::clone(connection), wire, keep));
    if context.stopping {
        exchange.keep_no_longer();
    }
    let limit = context.settings.body_limit_in_memory as u64;
    if length.is_some_and(|length| length > limit) {
        let body = arrive(&exchange, params, Vec::new(), length, go_ahead, context);
        live.push(Live { exchange, body });
        return Ok(());
    }
    if let Some(bytes) = go_ahead {
        let _ = connection.send(bytes);
    }
    let expected = usize::try_from(length.unwrap_or(0)).unwrap_or(0);
    let bytes = Vec::with_capacity(expected);
    live.push(Live { exchange, body: Gather::Memory { params, bytes, length } });
    Ok(())
}

/// Lets a request run while its body arrives.
fn arrive(
    exchange: &Arc<Exchange>,
    params: Params,
    first: Vec<u8>,
    length: Option<u64>,
    go_ahead: Option<&'static [u8]>,
    context: &mut Context<'_>,
) -> Gather {
    let left = length.map(|length| length.saturating_sub(first.len() as u64));
    let body = Arc::new(Arriving::new(context.settings.body_limit_in_memory, first));
    let reader = Reader {
        body: Arc::clone(&body),
        connection: Arc::clone(&exchange.connection),
        go_ahead,
        timeout: context.settings.receive_timeout,
    };
    let request = Request { params, body: Body::Arriving(Box::new(reader)) };
    context.jobs.push_back(Job { exchange: Arc::clone(exchange), request, arrived: context.now });
    Gather::Arriving { body, left }
}

fn data(request: &mut Live, bytes: &[u8], connection: &Arc<Connection>, context: &mut Context<'_>) {
    /// The part of `bytes` that the announced length covers: what is beyond belongs to nothing.
    fn within(bytes: &[u8], left: u64) -> &[u8] {
        bytes.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(bytes)
    }
    match &mut request.body {
        Gather::Memory { params, bytes: gathered, length } => {
            let left = length.map_or(u64::MAX, |length| length.saturating_sub(gathered.len() as u64));
            gathered.extend_from_slice(within(bytes, left));
            if gathered.len() > context.settings.body_limit_in_memory {
                let (params, first, length) = (std::mem::take(params), std::mem::take(gathered), *length);
                request.body = arrive(&request.exchange, params, first, length, None, context);
            }
        }
        Gather::Arriving { body, left } => {
            let bytes = within(bytes, left.unwrap_or(u64::MAX));
            if let Some(left) = left {
                *left = left.saturating_sub(bytes.len() as u64);
            }
            body.push(bytes, connection);
        }
        Gather::Over => {}
    }
}

fn end(request: &mut Live, context: &mut Context<'_>) {
    match std::mem::replace(&mut request.body, Gather::Over) {
        Gather::Memory { bytes, length: Some(length), .. } if (bytes.len() as u64) < length => {
            log::info!("a request was refused with 400: its body is shorter than announced");
            let response = reply::plain(400, "the body is shorter than announced");
            request.exchange.answer(response, context.settings.send_timeout);
        }
        Gather::Memory { params, bytes, .. } => {
            let request_ = Request { params, body: Body::Whole(bytes) };
            let exchange = Arc::clone(&request.exchange);
            context.jobs.push_back(Job { exchange, request: request_, arrived: context.now });
        }
        Gather::Arriving { body, left } => {
            body.end(if left.unwrap_or(0) == 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof) });
        }
        Gather::Over => {}
    }
}
