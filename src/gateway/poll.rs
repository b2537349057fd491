//! What the polling thread owns: the listeners, the table of connections, the events that are ready and the requests that
//! were read. It is handed from thread to thread as a whole; who has it, polls.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::connection::Connection;
use super::fastcgi::Responder;
use super::http::{Parser, Peer};
use super::link::{Context, Fate, Job, Link, Machine};
use super::links::Links;
use super::listener::{Listener, Protocol};
use super::protocol::Limits;
use super::readiness::{Readiness, WAKE};
use super::settings::Settings;

/// Bytes read at once: more than nearly every request has.
const READ_BYTES: usize = 64 * 1024;
/// Connections accepted before other events get their turn.
const ACCEPTS: usize = 64;
/// How often connections are looked at whose time may have come.
const SWEEP: Duration = Duration::from_secs(1);
/// The same while stopping.
const STOPPING_SWEEP: Duration = Duration::from_millis(20);
/// How long nothing is accepted after the process ran out of descriptors or memory, unless a connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often it is logged that nothing is accepted.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(60);

/// What happened, in counts since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) refused_peers: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) overloaded: AtomicU64,
    pub(super) slow: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) panicked: AtomicU64,
}

/// The polling thread's belongings.
pub(super) struct Poll {
    readiness: Arc<Readiness>,
    counters: Arc<Counters>,
    listeners: Vec<Listener>,
    /// The port of each listener; none on unix sockets.
    ports: Vec<Option<u16>>,
    links: Links,
    ready: Vec<(u64, EventFlags)>,
    next: usize,
    pub(super) jobs: VecDeque<Job>,
    buffer: Vec<u8>,
    /// A connection that epoll does not know yet: many end before it needs to.
    fresh: Option<u64>,
    /// The listener whose queue is being emptied, and how many more may be taken from it now.
    accepting: Option<(usize, usize)>,
    /// Since when nothing is accepted because a resource has run out.
    paused: Option<Instant>,
    /// When that was last logged.
    complained: Option<Instant>,
    stopping: Option<Stopping>,
    now: Instant,
    swept: Instant,
}

struct Stopping {
    since: Instant,
    /// Idle connections are not left to the web server any longer.
    hurry: bool,
}

impl Poll {
    pub(super) fn new(
        readiness: Arc<Readiness>,
        counters: Arc<Counters>,
        listeners: Vec<Listener>,
    ) -> io::Result<Self> {
        let now = Instant::now();
        let poll = Self {
            readiness,
            counters,
            ports: listeners.iter().map(|listener| listener.address().map(|address| address.port())).collect(),
            listeners,
            links: Links::default(),
            ready: Vec::new(),
            next: 0,
            jobs: VecDeque::new(),
            buffer: vec![0; READ_BYTES],
            fresh: None,
            accepting: None,
            paused: None,
            complained: None,
            stopping: None,
            now,
            swept: now,
        };
        poll.listen()?;
        Ok(poll)
    }

    /// Lets epoll report new connections. Where several processes share a socket, one of them is woken for each.
    fn listen(&self) -> io::Result<()> {
        for (at, listener) in self.listeners.iter().enumerate() {
            self.readiness.add(listener, WAKE - 1 - at as u64, EventFlags::IN | EventFlags::EXCLUSIVE)?;
        }
        Ok(())
    }

    /// Does one piece of work, which may put requests into [`Poll::jobs`]. Whether there was any.
    pub(super) fn step(&mut self, settings: &Settings, limits: &Limits) -> bool {
        if let Some(token) = self.fresh.take() {
            self.register(token);
        }
        if let Some((at, left)) = self.accepting {
            self.accepting = left.checked_sub(1).map(|left| (at, left));
            if self.accepting.is_none() || !self.accept(at, settings, limits) {
                self.accepting = None;
            }
            return true;
        }
        let Some((token, flags)) = self.ready.get(self.next).copied() else { return false };
        self.next += 1;
        let highest_listener = WAKE - 1;
        if token == WAKE {
            for token in self.readiness.attended() {
                self.attend(token, settings, limits);
            }
        } else if highest_listener.checked_sub(token).is_some_and(|at| at < self.listeners.len() as u64) {
            let at = usize::try_from(highest_listener - token).unwrap_or(0);
            self.accepting = Some((at, ACCEPTS));
        } else {
            self.serve(token, flags, settings, limits);
        }
        true
    }

    /// Waits for events. To be called when [`Poll::step`] had no work.
    pub(super) fn wait(&mut self, settings: &Settings) -> io::Result<()> {
        let timeout = if self.stopping.is_some() {
            Some(STOPPING_SWEEP)
        } else if self.paused.is_some() {
            Some(ACCEPT_PAUSE)
        } else {
            (self.links.len() > 0).then_some(SWEEP)
        };
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        self.next = 0;
        self.readiness.wait(&mut self.ready, timeout.as_ref())?;
        self.now = Instant::now();
        if self.paused.is_some_and(|since| self.now.saturating_duration_since(since) >= ACCEPT_PAUSE) {
            self.resume_accepting();
        }
        let sweep = if self.stopping.is_some() { STOPPING_SWEEP } else { SWEEP };
        if self.now.saturating_duration_since(self.swept) >= sweep {
            self.swept = self.now;
            self.sweep(settings);
        }
        Ok(())
    }

    /// Whether events wait beside the request that is about to run.
    pub(super) fn has_more(&self) -> bool {
        !self.jobs.is_empty() || self.next < self.ready.len()
    }

    /// Reads from, or writes to, one connection.
    fn serve(&mut self, token: u64, flags: EventFlags, settings: &Settings, limits: &Limits) {
        let stopping = self.stopping.is_some();
        let Some(link) = self.links.get_mut(token) else { return };
        let mut context = Context { settings, limits, jobs: &mut self.jobs, now: self.now, stopping };
        let mut fate = Fate::Stays;
        if flags.contains(EventFlags::OUT) && link.connection.flush() {
            fate = link.attend(&mut context);
        }
        let broken = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        if fate == Fate::Stays && flags.contains(EventFlags::IN) {
            fate = match link.connection.receive(&mut self.buffer) {
                Ok(0) => link.ended(broken),
                Ok(count) => link.receive(self.buffer.get(..count).unwrap_or_default(), &mut context),
                Err(Errno::AGAIN) => Fate::Stays,
                Err(_) => link.ended(true),
            };
        } else if fate == Fate::Stays && broken {
            fate = link.ended(true);
        }
        if fate == Fate::Ends {
            self.close(token);
        }
    }

    /// Looks after a connection whose request has been answered.
    pub(super) fn attend(&mut self, token: u64, settings: &Settings, limits: &Limits) {
        let stopping = self.stopping.is_some();
        let Some(link) = self.links.get_mut(token) else { return };
        let mut context = Context { settings, limits, jobs: &mut self.jobs, now: self.now, stopping };
        if link.attend(&mut context) == Fate::Ends {
            self.close(token);
        }
    }

    fn close(&mut self, token: u64) {
        if let Some(link) = self.links.remove(token) {
            link.close();
            self.counters.open.store(self.links.len() as u64, Ordering::Relaxed);
            if self.paused.is_some() {
                self.resume_accepting();
            }
        }
    }

    /// Accepts one connection and reads what it has sent already. Whether there may be more.
    fn accept(&mut self, at: usize, settings: &Settings, limits: &Limits) -> bool {
        let Some(listener) = self.listeners.get(at) else { return false };
        if self.links.len() >= settings.connections {
            self.pause_accepting("as many connections are open as are allowed");
            return false;
        }
        let protocol = listener.protocol();
        let accepted = rustix::net::acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC);
        let (socket, peer) = match accepted {
            Ok((socket, peer)) => (socket, peer.and_then(|peer| SocketAddr::try_from(peer).ok())),
            Err(Errno::AGAIN) => return false,
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                self.pause_accepting("out of descriptors or memory");
                return false;
            }
            // A connection that ended before it was accepted, and what the network has to say of it (accept(2)).
            Err(_) => return true,
        };
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        if !is_welcome(peer, settings.web_server_addrs.as_deref(), protocol) {
            self.counters.refused_peers.fetch_add(1, Ordering::Relaxed);
            log::warn!("a connection from {peer:?} was refused: FCGI_WEB_SERVER_ADDRS does not name it");
            return true;
        }
        let port = self.ports.get(at).copied().flatten();
        self.admit(socket, peer, port, protocol, settings, limits);
        true
    }

    fn admit(
        &mut self,
        socket: OwnedFd,
        peer: Option<SocketAddr>,
        port: Option<u16>,
        protocol: Protocol,
        settings: &Settings,
        limits: &Limits,
    ) {
        if peer.is_some() {
            // An answer is one write; waiting for more to send would only delay it.
            let _ = rustix::net::sockopt::set_tcp_nodelay(&socket, true);
        }
        let token = self.links.next_token();
        let connection = Arc::new(Connection::new(socket, token, Arc::clone(&self.readiness)));
        let machine = match protocol {
            Protocol::FastCgi => Machine::FastCgi(Responder::default()),
            Protocol::Http => Machine::Http(Parser::new(&Peer { client: peer, port })),
        };
        self.links.insert(Link::new(connection, machine, self.now));
        self.counters.open.store(self.links.len() as u64, Ordering::Relaxed);
        self.fresh = Some(token);
        self.serve(token, EventFlags::IN, settings, limits);
    }

    /// Tells epoll of a connection that has outlived its first read.
    fn register(&mut self, token: u64) {
        let Some(link) = self.links.get_mut(token) else { return };
        if let Err(error) = link.connection.register() {
            log::error!("a connection was closed: epoll does not take it: {error}");
            self.close(token);
        }
    }

    fn pause_accepting(&mut self, why: &str) {
        let now = Instant::now();
        if self.paused.replace(now).is_none() {
            if self.complained.is_none_or(|at| now.saturating_duration_since(at) >= COMPLAINT_PAUSE) {
                self.complained = Some(now);
                log::error!("no connection is accepted for now: {why}");
            }
            for listener in &self.listeners {
                self.readiness.remove(std::os::fd::AsFd::as_fd(listener));
            }
        }
    }

    fn resume_accepting(&mut self) {
        self.paused = None;
        if let Err(error) = self.listen() {
            log::error!("no connection is accepted any more: {error}");
        }
    }

    /// Closes connections whose time has come.
    fn sweep(&mut self, settings: &Settings) {
        let now = self.now;
        let stopping = self.stopping.as_ref();
        // Idle FastCGI connections are left to the web server for a while: it may be sending on one right now.
        let patience = |link: &Link| match stopping {
            None => false,
            Some(stopping) => {
                let over = now.saturating_duration_since(stopping.since) >= settings.drain_timeout;
                link.is_idle() && (stopping.hurry || over || link.is_http())
            }
        };
        let mut ended = Vec::new();
        for link in self.links.iter_mut() {
            let overdue = link.is_overdue(settings, now);
            if overdue && link.is_waiting_for_peer() {
                log::info!("connection ended: its request did not arrive within {:?}", settings.receive_timeout);
            }
            if overdue || patience(link) {
                ended.push(link.connection.token);
            }
        }
        for token in ended {
            self.close(token);
        }
    }

    /// Takes no more connections; requests in progress and those on open connections are still answered.
    pub(super) fn stop(&mut self, hurry: bool) {
        if let Some(stopping) = &mut self.stopping {
            stopping.hurry |= hurry;
            return;
        }
        self.stopping = Some(Stopping { since: Instant::now(), hurry });
        self.accepting = None;
        self.paused = None;
        for listener in self.listeners.drain(..) {
            self.readiness.remove(std::os::fd::AsFd::as_fd(&listener));
        }
        for link in self.links.iter_mut() {
            link.finish();
        }
        self.swept = self.now.checked_sub(SWEEP).unwrap_or(self.now);
    }

    /// Whether nothing is left to be done after [`Poll::stop`].
    pub(super) fn is_drained(&self) -> bool {
        self.stopping.is_some() && self.links.len() == 0 && self.jobs.is_empty()
    }
}

/// Whether a peer may connect (specification section 3.2): only TCP peers are asked, and only by FastCGI.
fn is_welcome(peer: Option<SocketAddr>, allowed: Option<&[IpAddr]>, protocol: Protocol) -> bool {
    let (Some(peer), Some(allowed), Protocol::FastCgi) = (peer, allowed, protocol) else { return true };
    allowed.iter().any(|address| address.to_canonical() == peer.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::{Protocol, is_welcome};

    #[test]
    fn only_tcp_peers_of_fastcgi_are_held_to_the_list() {
        let allowed = ["192.0.2.1".parse().unwrap()];
        for (peer, list, protocol, expected) in [
            (Some("192.0.2.1:1"), Some(&allowed[..]), Protocol::FastCgi, true),
            (Some("[::ffff:192.0.2.1]:1"), Some(&allowed[..]), Protocol::FastCgi, true),
            (Some("192.0.2.2:1"), Some(&allowed[..]), Protocol::FastCgi, false),
            (Some("192.0.2.2:1"), Some(&[][..]), Protocol::FastCgi, false),
            (Some("192.0.2.2:1"), Some(&allowed[..]), Protocol::Http, true),
            (Some("192.0.2.2:1"), None, Protocol::FastCgi, true),
            (None, Some(&allowed[..]), Protocol::FastCgi, true),
        ] {
            assert_eq!(is_welcome(peer.map(|peer| peer.parse().unwrap()), list, protocol), expected, "{peer:?}");
        }
    }
}
