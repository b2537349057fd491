//! One accepted connection as all workers see it: its socket, what is still to be sent, and what it waits for. What
//! arrives is looked at by the polling thread alone, in `link.rs`.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};

use super::readiness::Readiness;
use super::sending::Sending;
use crate::service::threads::{about_to_wait, lock};

/// Pieces of long answers that the polling thread sends to one client before it looks after others.
const PIECES: usize = 16;

/// Bytes of a streamed answer that may wait for a slow client before its writer waits too.
const STREAM_WINDOW: usize = 128 * 1024;

/// Bytes of answers in files that slow clients have not taken yet, of all connections; beyond it workers wait for clients.
const STORED_LIMIT: usize = 1 << 30;

/// A connection.
pub(super) struct Connection {
    socket: OwnedFd,
    /// How the polling thread knows it.
    pub(super) token: u64,
    readiness: Arc<Readiness>,
    output: Mutex<Output>,
    drained: Condvar,
}

#[derive(Default)]
struct Output {
    unsent: Vec<u8>,
    sent: usize,
    /// What comes behind, in this order. Where there is any, something is unsent.
    behind: VecDeque<Behind>,
    /// When the client last took something, or had taken everything before.
    moved: Option<Instant>,
    /// What epoll reports; `None` before the socket is registered.
    interest: Option<EventFlags>,
    /// Bodies on account of which nothing is read.
    paused: usize,
    /// Nothing is read because what came must wait for an answer.
    held: bool,
    /// The peer will send nothing more.
    ended: bool,
    /// Nothing can be sent any more.
    gone: bool,
}

/// What is to be sent behind something else.
enum Behind {
    Bytes(Vec<u8>),
    Body(Box<Sending>),
}

impl Behind {
    /// Bytes that it holds in memory, and in a file.
    fn held(&self) -> (usize, usize) {
        match self {
            Self::Bytes(bytes) => (bytes.len(), 0),
            Self::Body(sending) => (sending.in_memory(), sending.stored()),
        }
    }
}

impl Output {
    fn waiting(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// The same, with the bytes that come behind.
    fn waiting_in_all(&self) -> usize {
        let left = |behind: &Behind| match behind {
            Behind::Bytes(bytes) => bytes.len(),
            Behind::Body(sending) => sending.left(),
        };
        self.behind.iter().map(left).fold(self.waiting(), usize::saturating_add)
    }
}

impl Connection {
    pub(super) fn new(socket: OwnedFd, token: u64, readiness: Arc<Readiness>) -> Self {
        Self { socket, token, readiness, output: Mutex::default(), drained: Condvar::new() }
    }

    /// Reads what has arrived.
    pub(super) fn receive(&self, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| rustix::net::recv(&self.socket, &mut *into, rustix::net::RecvFlags::empty()))
            .map(|(count, _)| count)
    }

    /// Sends bytes, or keeps them until the client takes them.
    ///
    /// # Errors
    /// [`io::ErrorKind::BrokenPipe`] where the client is gone.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_or_keep(Cow::Borrowed(bytes))
    }

    /// The same for bytes that nobody else needs: what has to be kept of a large answer is not copied once more.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) fn send_away(&self, bytes: Vec<u8>) -> io::Result<()> {
        self.send_or_keep(Cow::Owned(bytes))
    }

    fn send_or_keep(&self, bytes: Cow<'_, [u8]>) -> io::Result<()> {
        let mut output = lock(&self.output);
        if output.gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !output.behind.is_empty() {
            self.readiness.unsent.fetch_add(bytes.len(), Ordering::Relaxed);
            match output.behind.back_mut() {
                Some(Behind::Bytes(last)) => last.extend_from_slice(&bytes),
                _ => output.behind.push_back(Behind::Bytes(bytes.into_owned())),
            }
            return Ok(());
        }
        let mut sent = 0;
        if output.waiting() == 0 {
            match self.write(&bytes) {
                Ok(count) => sent = count,
                Err(Errno::AGAIN) => {}
                Err(error) => {
                    self.lose(&mut output, &error);
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
        let left = bytes.len().saturating_sub(sent);
        if left > 0 {
            if output.waiting() == 0 || sent > 0 {
                output.moved = Some(Instant::now());
            }
            match bytes {
                Cow::Owned(bytes) if output.waiting() == 0 => (output.unsent, output.sent) = (bytes, sent),
                bytes => output.unsent.extend_from_slice(bytes.get(sent..).unwrap_or_default()),
            }
            self.readiness.unsent.fetch_add(left, Ordering::Relaxed);
            self.show_interest(&mut output);
        }
        Ok(())
    }

    /// Sends a long answer: its head, and then its body as the client takes it.
    ///
    /// # Errors
    /// [`io::ErrorKind::BrokenPipe`] where the client is gone.
    pub(super) fn send_long(&self, head: Vec<u8>, sending: Sending) -> io::Result<()> {
        let mut output = lock(&self.output);
        if output.gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if output.waiting() == 0 {
            output.moved = Some(Instant::now());
        }
        for behind in [Behind::Bytes(head), Behind::Body(Box::new(sending))] {
            let (in_memory, stored) = behind.held();
            self.readiness.unsent.fetch_add(in_memory, Ordering::Relaxed);
            self.readiness.stored.fetch_add(stored, Ordering::Relaxed);
            output.behind.push_back(behind);
        }
        if output.waiting() == 0 {
            self.pump(&mut output, usize::MAX);
        }
        self.show_interest(&mut output);
        if output.gone { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// Sends what waits until the client takes no more, or so many pieces were made of long answers.
    fn pump(&self, output: &mut Output, mut pieces: usize) {
        while !output.gone {
            while output.waiting() > 0 {
                match self.write(output.unsent.get(output.sent..).unwrap_or_default()) {
                    Ok(count) => {
                        output.sent += count;
                        output.moved = Some(Instant::now());
                        self.readiness.unsent.fetch_sub(count, Ordering::Relaxed);
                    }
                    Err(Errno::AGAIN) => return,
                    Err(error) => return self.lose(output, &error),
                }
            }
            if output.behind.is_empty() {
                // The memory of a large answer is not kept for an idle connection.
                output.unsent = Vec::new();
                output.sent = 0;
                return;
            }
            if let Err(error) = self.make_piece(output) {
                log::error!("a long answer can not be read back: {error}");
                return self.lose(output, &"its answer can not be completed");
            }
            pieces = pieces.saturating_sub(1);
            if pieces == 0 && output.waiting() > 0 {
                return;
            }
        }
    }

    /// Makes the next bytes to be sent of what comes behind.
    fn make_piece(&self, output: &mut Output) -> io::Result<()> {
        output.unsent.clear();
        output.sent = 0;
        let is_over = match output.behind.front_mut() {
            None => return Ok(()),
            Some(Behind::Bytes(bytes)) => {
                output.unsent.append(bytes);
                true
            }
            Some(Behind::Body(sending)) => {
                let made = sending.next(&mut output.unsent);
                self.readiness.unsent.fetch_add(output.unsent.len(), Ordering::Relaxed);
                made?;
                sending.is_over()
            }
        };
        if is_over && let Some(Behind::Body(sending)) = output.behind.pop_front() {
            self.readiness.unsent.fetch_sub(sending.in_memory(), Ordering::Relaxed);
            self.readiness.stored.fetch_sub(sending.stored(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Sends bytes, and waits while too many of this client's or of all clients' bytes are not taken yet.
    ///
    /// # Errors
    /// [`io::ErrorKind::BrokenPipe`] where the client is gone or takes nothing for `timeout`.
    pub(super) fn send_waiting(&self, bytes: &[u8], timeout: Duration) -> io::Result<()> {
        self.send(bytes)?;
        self.wait(STREAM_WINDOW, timeout)
    }

    /// Waits while more than so many bytes are not taken yet.
    ///
    /// # Errors
    /// As [`Connection::send_waiting`].
    pub(super) fn wait(&self, window: usize, timeout: Duration) -> io::Result<()> {
        let mut output = lock(&self.output);
        let (mut least, mut deadline) = (output.waiting_in_all(), Instant::now() + timeout);
        while output.waiting_in_all() > window {
            drop(output);
            about_to_wait();
            output = lock(&self.output);
            if output.waiting_in_all() < least {
                (least, deadline) = (output.waiting_in_all(), Instant::now() + timeout);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.lose(&mut output, &"it takes nothing");
            }
            if output.waiting_in_all() > window {
                output = self.drained.wait_timeout(output, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        if output.gone { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// Whether an answer of `length` bytes may be kept for the client to take it when it likes.
    pub(super) fn may_keep(&self, length: usize) -> bool {
        let unsent = self.readiness.unsent.load(Ordering::Relaxed);
        unsent.saturating_add(length) <= self.readiness.unsent_limit.load(Ordering::Relaxed)
    }

    /// Whether a file may be kept for so many bytes of an answer until the client has taken them.
    pub(super) fn may_store(&self, length: usize) -> bool {
        self.readiness.stored.load(Ordering::Relaxed).saturating_add(length) <= STORED_LIMIT
    }

    /// Whether the client has taken nothing for so long of what waits for it.
    pub(super) fn is_stuck(&self, now: Instant, limit: Duration) -> bool {
        let output = lock(&self.output);
        output.waiting() > 0 && output.moved.is_some_and(|moved| now.saturating_duration_since(moved) >= limit)
    }

    /// Sends what waits, now that the client takes more. Whether nothing waits any more.
    pub(super) fn flush(&self) -> bool {
        let mut output = lock(&self.output);
        self.pump(&mut output, PIECES);
        let empty = output.waiting() == 0;
        self.show_interest(&mut output);
        drop(output);
        self.drained.notify_all();
        empty
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL))
    }

    /// Nothing can be sent any more: what waits is forgotten, in one log line.
    fn lose(&self, output: &mut Output, why: &dyn std::fmt::Display) {
        if !output.gone {
            log::info!("the client went away before its answer was sent: {why}");
        }
        self.forget(output);
        self.readiness.attend(self.token);
    }

    fn forget(&self, output: &mut Output) {
        output.gone = true;
        self.readiness.unsent.fetch_sub(output.waiting(), Ordering::Relaxed);
        for behind in std::mem::take(&mut output.behind) {
            let (in_memory, stored) = behind.held();
            self.readiness.unsent.fetch_sub(in_memory, Ordering::Relaxed);
            self.readiness.stored.fetch_sub(stored, Ordering::Relaxed);
        }
        output.unsent = Vec::new();
        output.sent = 0;
        self.drained.notify_all();
    }

    /// Whether nothing can be sent any more.
    pub(super) fn is_gone(&self) -> bool {
        lock(&self.output).gone
    }

    /// Whether bytes wait for the client to take them.
    pub(super) fn has_unsent(&self) -> bool {
        lock(&self.output).waiting() > 0
    }

    /// Stops reading until [`Connection::resume_reading`] was called as often.
    pub(super) fn pause_reading(&self) {
        let mut output = lock(&self.output);
        output.paused += 1;
        self.show_interest(&mut output);
    }

    /// Takes one [`Connection::pause_reading`] back.
    pub(super) fn resume_reading(&self) {
        let mut output = lock(&self.output);
        output.paused = output.paused.saturating_sub(1);
        self.show_interest(&mut output);
    }

    /// Stops reading because what came must wait for an answer, or goes on.
    pub(super) fn hold(&self, held: bool) {
        let mut output = lock(&self.output);
        if output.held != held {
            output.held = held;
            self.show_interest(&mut output);
        }
    }

    /// The peer will send nothing more, but may still take answers.
    pub(super) fn end_reading(&self) {
        let mut output = lock(&self.output);
        output.ended = true;
        self.show_interest(&mut output);
    }

    /// Tells epoll what this connection waits for, if that has changed.
    fn show_interest(&self, output: &mut Output) {
        let Some(shown) = output.interest else { return };
        let wanted = Self::wanted(output);
        if wanted != shown && !output.gone && self.readiness.modify(&self.socket, self.token, wanted).is_ok() {
            output.interest = Some(wanted);
        }
    }

    fn wanted(output: &Output) -> EventFlags {
        let mut wanted = EventFlags::empty();
        if output.paused == 0 && !output.held && !output.ended {
            wanted |= EventFlags::IN;
        }
        if output.waiting() > 0 {
            wanted |= EventFlags::OUT;
        }
        wanted
    }

    /// Lets epoll report this connection from now on.
    pub(super) fn register(&self) -> io::Result<()> {
        let mut output = lock(&self.output);
        if output.interest.is_none() && !output.gone {
            let wanted = Self::wanted(&output);
            self.readiness.add(&self.socket, self.token, wanted)?;
            output.interest = Some(wanted);
        }
        Ok(())
    }

    /// Tells the peer that nothing more will be sent, and keeps reading.
    pub(super) fn finish_sending(&self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }

    /// Ends the connection for the workers that still hold it. Where none does, dropping it closes the descriptor, and
    /// the kernel forgets what epoll was told: two system calls less for each connection.
    pub(super) fn close(self: Arc<Self>) {
        let mut output = lock(&self.output);
        self.forget(&mut output);
        if Arc::strong_count(&self) > 1 {
            if output.interest.take().is_some() {
                self.readiness.remove(self.socket.as_fd());
            }
            let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
        }
    }

    /// Asks the polling thread to look after this connection.
    pub(super) fn attend(&self) {
        self.readiness.attend(self.token);
    }
}
