//! The threads: leader and followers. One worker at a time polls, and runs what it reads on its own thread, so that under
//! light requests everything stays on one hot thread. When its handler is about to wait, or takes long, another worker
//! takes the polling over; when all are busy, a thread that runs no handlers does, and requests wait in a bounded queue.
//! `docs/decisions/0001-gateway-threads.md` has the figures.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::link::{Job, overloaded};
use super::listener::Listener;
use super::message::{Handler, Response};
use super::poll::{Counters, Poll};
use super::protocol::Limits;
use super::readiness::Readiness;
use super::reply;
use super::running::{self, Slot};
use super::settings::Settings;
use super::status;
use crate::service::threads::{self, lock};

/// How long the polling thread may stay in one handler before another polls in its place.
pub(super) const PATIENCE: Duration = Duration::from_millis(3);
/// Median time of requests, in microseconds, above which waiting requests are given to other workers at once. Waking one
/// costs about a tenth of it.
const SHARE_ABOVE_US: u32 = 60;

/// What all threads of a server share.
pub(super) struct Engine {
    pub(super) readiness: Arc<Readiness>,
    pub(super) counters: Arc<Counters>,
    pub(super) settings: ArcSwap<Settings>,
    pub(super) slots: Vec<Arc<Slot>>,
    pub(super) started: Instant,
    handler: Arc<Handler>,
    state: Mutex<State>,
    /// Idle workers wait here for a request or for the polling.
    workers: Condvar,
    /// The thread that polls when all workers are busy waits here.
    reserve: Condvar,
    /// The watch waits here while nothing runs.
    pub(super) watch: Condvar,
    pub(super) watch_sleeps: AtomicBool,
    /// Whoever waits for the threads to end waits here.
    pub(super) ended: Condvar,
    abort_at: Mutex<Option<Instant>>,
    queued: AtomicUsize,
    /// Estimated median of the time that requests take, in microseconds.
    median_us: AtomicU32,
    stop: AtomicBool,
    hurry: AtomicBool,
    /// `max_requests` were served; it is told once.
    wears_out: AtomicBool,
    worn_out: AtomicBool,
}

/// What is decided under one lock.
#[derive(Default)]
pub(super) struct State {
    baton: Option<Baton>,
    queue: VecDeque<Job>,
    /// Workers that wait.
    idle: usize,
    /// Threads that have not ended.
    pub(super) threads: usize,
    /// All threads are to end.
    pub(super) finished: bool,
}

/// The polling, while its thread runs a handler.
struct Baton {
    poll: Box<Poll>,
    /// The worker that takes it back after its handler, unless another has it by then.
    lent_by: Option<usize>,
    since: Instant,
    /// Whether others may take it.
    offered: bool,
}

/// Who polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leader {
    Worker(usize),
    Reserve,
}

thread_local! {
    /// The server and the worker that this thread is.
    static WORKER: RefCell<Option<(Arc<Engine>, usize)>> = const { RefCell::new(None) };
}

impl Engine {
    pub(super) fn new(settings: Settings, handler: Arc<Handler>, listeners: Vec<Listener>) -> io::Result<Self> {
        let readiness = Arc::new(Readiness::new(settings.unsent_limit)?);
        let counters = Arc::new(Counters::default());
        let poll = Box::new(Poll::new(Arc::clone(&readiness), Arc::clone(&counters), listeners)?);
        let baton = Baton { poll, lent_by: None, since: Instant::now(), offered: true };
        let slots = (0..settings.workers.max(1)).map(|_| Arc::default()).collect();
        Ok(Self {
            readiness,
            counters,
            settings: ArcSwap::from_pointee(settings),
            slots,
            started: Instant::now(),
            handler,
            state: Mutex::new(State { baton: Some(baton), ..State::default() }),
            workers: Condvar::new(),
            reserve: Condvar::new(),
            watch: Condvar::new(),
            watch_sleeps: AtomicBool::new(false),
            ended: Condvar::new(),
            abort_at: Mutex::new(None),
            queued: AtomicUsize::new(0),
            median_us: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            hurry: AtomicBool::new(false),
            wears_out: AtomicBool::new(false),
            worn_out: AtomicBool::new(false),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Finishes what runs and takes no more. `hurry`: idle connections are closed at once.
    pub(super) fn stop(&self, hurry: bool) {
        self.hurry.fetch_or(hurry, Ordering::Release);
        self.stop.store(true, Ordering::Release);
        self.readiness.wake();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// When the server ends whatever still runs.
    pub(super) fn abort_at(&self) -> Option<Instant> {
        *lock(&self.abort_at)
    }

    pub(super) fn set_abort_at(&self, at: Instant) {
        *lock(&self.abort_at) = Some(at);
    }

    /// Requests that wait for a worker.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Lets all threads end.
    pub(super) fn finish(&self) {
        self.state().finished = true;
        self.workers.notify_all();
        self.reserve.notify_all();
        self.watch.notify_all();
    }

    /// The life of worker `me`.
    pub(super) fn work(self: &Arc<Self>, me: usize) {
        let Some(slot) = self.slots.get(me) else { return };
        running::take_place(Arc::clone(slot));
        WORKER.set(Some((Arc::clone(self), me)));
        let mut state = self.state();
        while !state.finished {
            if let Some(baton) = state.baton.take_if(|baton| baton.offered) {
                drop(state);
                self.lead(baton.poll, Leader::Worker(me));
            } else if let Some(job) = state.queue.pop_front() {
                self.queued.store(state.queue.len(), Ordering::Relaxed);
                drop(state);
                if let Some(token) = self.run(job, me, Instant::now()) {
                    self.readiness.attend(token);
                }
            } else {
                state.idle += 1;
                state = self.workers.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            }
            state = self.state();
        }
        drop(state);
        WORKER.set(None);
    }

    /// The life of the thread that polls when all workers are busy.
    pub(super) fn stand_by(&self) {
        let mut state = self.state();
        while !state.finished {
            let idle = state.idle;
            match state.baton.take_if(|baton| baton.offered && idle == 0) {
                Some(baton) => {
                    drop(state);
                    self.lead(baton.poll, Leader::Reserve);
                    state = self.state();
                }
                None => state = self.reserve.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Polls until another takes over, or until the server has finished.
    fn lead(&self, mut poll: Box<Poll>, me: Leader) {
        let mut settings = self.settings.load_full();
        let mut limits = limits(&settings);
        loop {
            while let Some(job) = poll.jobs.pop_front() {
                match self.pass(poll, job, me) {
                    Some(back) => poll = back,
                    None => return,
                }
            }
            if poll.step(&settings, &limits) {
                continue;
            }
            if self.stop.load(Ordering::Acquire) {
                poll.stop(self.hurry.load(Ordering::Acquire));
                if poll.is_drained() && self.queued() == 0 {
                    return self.finish();
                }
            }
            if let (Leader::Worker(_), 1..) = (me, self.queued()) {
                let mut state = self.state();
                poll.jobs.extend(state.queue.drain(..));
                self.queued.store(0, Ordering::Relaxed);
                continue;
            }
            if self.state().finished {
                return;
            }
            if let Err(error) = poll.wait(&settings) {
                log::error!("the server ends: waiting for connections failed: {error}");
                return self.finish();
            }
            settings = self.settings.load_full();
            limits = self::limits(&settings);
        }
    }

    /// Sees that a request is run. Answers the polling, unless another has it now.
    fn pass(&self, mut poll: Box<Poll>, job: Job, me: Leader) -> Option<Box<Poll>> {
        if let Some(response) = status::local_answer(self, &job.request) {
            let settings = self.settings.load();
            job.exchange.answer(response, settings.send_timeout);
            if job.exchange.needs_attention() {
                poll.attend(job.exchange.connection.token, &settings, &limits(&settings));
            }
            return Some(poll);
        }
        match me {
            Leader::Worker(me) => self.run_leading(poll, job, me),
            Leader::Reserve => self.enqueue(poll, job),
        }
    }

    /// Runs a request on the polling thread itself; meanwhile the polling is there to be taken.
    fn run_leading(&self, poll: Box<Poll>, job: Job, me: usize) -> Option<Box<Poll>> {
        let share = poll.has_more() && self.median_us.load(Ordering::Relaxed) > SHARE_ABOVE_US;
        let started = Instant::now();
        let mut state = self.state();
        let offered = share && state.idle > 0;
        state.baton = Some(Baton { poll, lent_by: Some(me), since: started, offered });
        drop(state);
        if offered {
            self.workers.notify_one();
        } else {
            threads::on_waiting(Some(offer));
        }
        if self.watch_sleeps.load(Ordering::Relaxed) {
            self.watch.notify_one();
        }
        let attention = self.run(job, me, started);
        threads::on_waiting(None);
        let back = self.state().baton.take_if(|baton| baton.lent_by == Some(me));
        match (back, attention) {
            (Some(mut baton), Some(token)) => {
                let settings = self.settings.load();
                baton.poll.attend(token, &settings, &limits(&settings));
                Some(baton.poll)
            }
            (Some(baton), None) => Some(baton.poll),
            (None, Some(token)) => {
                self.readiness.attend(token);
                None
            }
            (None, None) => None,
        }
    }

    /// Gives a request, and the polling, to an idle worker; else the request waits, or is refused.
    fn enqueue(&self, mut poll: Box<Poll>, job: Job) -> Option<Box<Poll>> {
        let settings = self.settings.load();
        let mut state = self.state();
        if state.idle > 0 {
            poll.jobs.push_front(job);
            state.baton = Some(Baton { poll, lent_by: None, since: Instant::now(), offered: true });
            drop(state);
            self.workers.notify_one();
            return None;
        }
        if state.queue.len() < settings.queue {
            state.queue.push_back(job);
            self.queued.store(state.queue.len(), Ordering::Relaxed);
            return Some(poll);
        }
        drop(state);
        if self.counters.overloaded.fetch_add(1, Ordering::Relaxed).is_power_of_two() {
            log::warn!("requests are refused with 503: all workers are busy and the queue is full");
        }
        overloaded(&job.exchange, &settings);
        if job.exchange.needs_attention() {
            poll.attend(job.exchange.connection.token, &settings, &limits(&settings));
        }
        Some(poll)
    }

    /// Runs one request and answers it. The connection that the polling thread must look after now, if it must.
    fn run(&self, job: Job, me: usize, started: Instant) -> Option<u64> {
        let Job { exchange, request, arrived } = job;
        let token = exchange.connection.token;
        if !exchange.is_open() {
            return exchange.needs_attention().then_some(token);
        }
        let slot = self.slots.get(me)?;
        slot.begin(&request, &exchange, arrived);
        let response = match threads::contain(|| (self.handler)(request)) {
            Ok(response) => response,
            Err(panic) => {
                self.counters.panicked.fetch_add(1, Ordering::Relaxed);
                log::error!("a handler panicked: {panic}");
                reply::plain(500, "")
            }
        };
        let status = response.status;
        self.answer(&exchange, response);
        let ended = Instant::now();
        self.learn(ended.saturating_duration_since(started));
        if slot.end(status, ended) {
            log::warn!("a slow request has ended with {status} after {:?}", ended.saturating_duration_since(arrived));
        }
        self.count_request();
        exchange.needs_attention().then_some(token)
    }

    fn answer(&self, exchange: &super::exchange::Exchange, response: Response) {
        let send_timeout = self.settings.load().send_timeout;
        exchange.answer(response, send_timeout);
    }

    /// Moves the estimate of the median by a step towards what was new. A mean would be carried away by the few requests
    /// within which the kernel gave the processor to somebody else.
    fn learn(&self, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).min(1_000_000);
        let known = self.median_us.load(Ordering::Relaxed);
        let step = known / 16 + 1;
        let moved = if took > known { known + step } else { known.saturating_sub(step) };
        self.median_us.store(moved, Ordering::Relaxed);
    }

    fn count_request(&self) {
        let served = self.counters.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let worn_out = self.settings.load().max_requests.is_some_and(|limit| served >= limit);
        if worn_out && !self.wears_out.swap(true, Ordering::AcqRel) {
            self.worn_out.store(true, Ordering::Release);
            log::info!("{served} requests were served: this process is to be replaced");
            drop(self.state());
            self.ended.notify_all();
        }
    }

    /// Whether `max_requests` were served. True once.
    pub(super) fn is_worn_out(&self) -> bool {
        self.worn_out.swap(false, Ordering::AcqRel)
    }

    /// Lets others take the polling from worker `me`, whose handler is about to wait or takes long.
    fn offer(&self, me: Option<usize>, longer_than: Duration) {
        let mut state = self.state();
        let idle = state.idle;
        let Some(baton) = &mut state.baton else { return };
        if (me.is_some() && baton.lent_by != me) || baton.since.elapsed() < longer_than {
            return;
        }
        baton.offered = true;
        drop(state);
        if idle > 0 { self.workers.notify_one() } else { self.reserve.notify_one() }
    }

    /// Offers the polling if its thread has been in one handler for too long.
    pub(super) fn offer_overdue(&self) {
        self.offer(None, PATIENCE);
    }

    /// Takes requests out of the queue that have waited since before `limit`.
    pub(super) fn take_overdue(&self, limit: Instant) -> Vec<Job> {
        if self.queued() == 0 {
            return Vec::new();
        }
        let mut state = self.state();
        let count = state.queue.iter().take_while(|job| job.arrived < limit).count();
        let jobs = state.queue.drain(..count).collect();
        self.queued.store(state.queue.len(), Ordering::Relaxed);
        jobs
    }
}

/// What a worker does before it waits.
fn offer() {
    WORKER.with_borrow(|worker| {
        if let Some((engine, me)) = worker {
            engine.offer(Some(*me), Duration::ZERO);
        }
    });
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        params_bytes: settings.params_limit,
        params_count: settings.params_count_limit,
        requests: settings.requests_per_connection,
        connections: settings.connections,
        requests_of_process: settings.workers + settings.queue,
    }
}
