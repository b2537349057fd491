//! The epoll instance that all workers share, and how a worker calls the one that polls. Sockets and tokens only: what
//! readiness means is `poll.rs`'s.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::event::{EventfdFlags, Timespec, epoll};

use crate::service::threads::lock;

/// The token of the descriptor that wakes the polling thread.
pub(super) const WAKE: u64 = u64::MAX;

/// Events taken from the kernel at once.
const BATCH: usize = 256;

/// What the connections of a server share.
pub(super) struct Readiness {
    epoll: OwnedFd,
    wake: OwnedFd,
    woken: AtomicBool,
    attention: Mutex<Vec<u64>>,
    /// Bytes of answers that wait for slow clients, of all connections.
    pub(super) unsent: AtomicUsize,
    /// Bytes of such answers that lie in files.
    pub(super) stored: AtomicUsize,
    /// Bytes of [`Readiness::unsent`] above which workers wait for their clients.
    pub(super) unsent_limit: AtomicUsize,
}

impl Readiness {
    pub(super) fn new(unsent_limit: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            wake,
            woken: AtomicBool::new(false),
            attention: Mutex::default(),
            unsent: AtomicUsize::new(0),
            stored: AtomicUsize::new(0),
            unsent_limit: AtomicUsize::new(unsent_limit),
        })
    }

    pub(super) fn add(&self, socket: impl AsFd, token: u64, flags: epoll::EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token), flags)?)
    }

    pub(super) fn modify(&self, socket: impl AsFd, token: u64, flags: epoll::EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(token), flags)?)
    }

    pub(super) fn remove(&self, socket: BorrowedFd<'_>) {
        // It fails only where the socket is not registered, which is what is wanted.
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// Waits for events and puts their tokens and kinds into `events`; an interruption by a signal is none.
    pub(super) fn wait(
        &self,
        events: &mut Vec<(u64, epoll::EventFlags)>,
        timeout: Option<&Timespec>,
    ) -> io::Result<()> {
        events.clear();
        let mut buffer = [const { MaybeUninit::<epoll::Event>::uninit() }; BATCH];
        match epoll::wait(&self.epoll, &mut buffer, timeout) {
            Ok((ready, _)) => {
                events.extend(ready.iter().map(|event| (event.data.u64(), event.flags)));
                Ok(())
            }
            Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the polling thread to look after a connection.
    pub(super) fn attend(&self, token: u64) {
        lock(&self.attention).push(token);
        self.wake();
    }

    /// Wakes the polling thread.
    pub(super) fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // The counter can not overflow: it is written once between two reads.
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
    }

    /// The connections to look after; to be called when [`WAKE`] was ready.
    pub(super) fn attended(&self) -> Vec<u64> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        self.woken.store(false, Ordering::Release);
        std::mem::take(&mut *lock(&self.attention))
    }
}
