//! A running server: its threads, and the handle by which others stop it, change its settings and read its status.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::listener::Listener;
use super::message::Handler;
use super::settings::Settings;
use super::status::{self, Status};
use super::succession;
use super::workers::Engine;
use crate::service::sd_notify;
use crate::service::threads::lock;

/// A server that listens. Nothing is answered before [`Server::run`].
pub struct Server {
    engine: Arc<Engine>,
    listeners: Arc<Listeners>,
}

/// The listening sockets while they are ours to pass on; empty afterwards.
type Listeners = Mutex<Vec<Listener>>;

/// A handle to a server, for other threads.
#[derive(Clone)]
pub struct Controller {
    engine: Arc<Engine>,
    listeners: Arc<Listeners>,
}

/// What a thread does from its start to its end.
type Life = Box<dyn FnOnce(&Arc<Engine>) + Send>;

/// Bytes of a worker's stack.
const STACK_BYTES: usize = 2 * 1024 * 1024;

impl Server {
    /// A server that answers what comes to `listeners` by `handler`.
    ///
    /// # Errors
    /// Where the kernel does not give what polling needs, or where there is no listener.
    pub fn new(settings: Settings, handler: Arc<Handler>, listeners: Vec<Listener>) -> io::Result<Self> {
        if listeners.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is nothing to listen on"));
        }
        succession::remember_program();
        let passed_on = Mutex::new(listeners.clone());
        let engine = Arc::new(Engine::new(settings, handler, listeners)?);
        Ok(Self { engine, listeners: Arc::new(passed_on) })
    }

    /// A handle for other threads.
    pub fn controller(&self) -> Controller {
        Controller { engine: Arc::clone(&self.engine), listeners: Arc::clone(&self.listeners) }
    }

    /// Serves until told to stop and all requests are answered. Threads whose handlers have not returned after
    /// [`Controller::abort_after`] are left behind.
    ///
    /// # Errors
    /// Where a thread can not be started.
    pub fn run(self) -> io::Result<()> {
        let controller = self.controller();
        let engine = self.engine;
        let workers = engine.slots.len();
        let spawn = |name: String, life: Life| {
            let engine = Arc::clone(&engine);
            engine.state().threads += 1;
            let thread = thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn({
                let engine = Arc::clone(&engine);
                move || {
                    life(&engine);
                    engine.state().threads -= 1;
                    engine.ended.notify_all();
                }
            });
            if thread.is_err() {
                engine.state().threads -= 1;
            }
            thread.map(drop)
        };
        let started = (0..workers)
            .try_for_each(|me| spawn(format!("worker-{me}"), Box::new(move |engine| engine.work(me))))
            .and_then(|()| spawn("poller".to_owned(), Box::new(|engine| engine.stand_by())))
            .and_then(|()| spawn("watch".to_owned(), Box::new(|engine| engine.keep_watch())));
        match &started {
            Ok(()) => succession::tell_ready(),
            Err(_) => engine.finish(),
        }
        let mut state = engine.state();
        while state.threads > 0 {
            let left = engine.abort_at().map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                log::warn!("the server ends although {} of its threads have not", state.threads);
                state.finished = true;
                break;
            }
            if engine.is_worn_out() {
                drop(state);
                controller.retire();
                state = engine.state();
                continue;
            }
            let wait = left.unwrap_or(Duration::from_secs(3_600));
            state = engine.ended.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        started
    }
}

impl Controller {
    /// Finishes what runs and takes no more connections. Idle FastCGI connections are left to the web server for
    /// [`Settings::drain_timeout`]; called again, they are closed at once.
    pub fn stop(&self) {
        sd_notify::stopping();
        for listener in std::mem::take(&mut *lock(&self.listeners)) {
            listener.remove_file();
        }
        self.engine.stop(self.engine.is_stopping());
    }

    /// Starts a fresh executable on the same sockets and, once it answers requests, finishes what runs and takes no more.
    ///
    /// # Errors
    /// Where it does not come to answer requests, or where this server is stopping; then nothing changes.
    pub fn replace(&self) -> io::Result<()> {
        let mut listeners = lock(&self.listeners);
        if listeners.is_empty() {
            return Err(io::Error::other("the server is stopping already"));
        }
        let id = succession::start(&listeners)?;
        log::info!("process {id} takes the requests from now on; this one finishes what it has");
        listeners.clear();
        drop(listeners);
        self.engine.stop(false);
        Ok(())
    }

    /// `max_requests` were served: where the sockets are this process's own it starts the next process itself; else it
    /// ends, and whoever gave it the sockets starts the next.
    fn retire(&self) {
        let own = lock(&self.listeners).iter().any(Listener::is_own);
        match own.then(|| self.replace()) {
            None => self.stop(),
            Some(Ok(())) => {}
            Some(Err(error)) => log::error!("this process stays although it is to be replaced: {error}"),
        }
    }

    /// Makes [`Server::run`] return after `time`, whatever still runs.
    pub fn abort_after(&self, time: Duration) {
        self.engine.set_abort_at(Instant::now() + time);
        self.engine.ended.notify_all();
    }

    /// Uses other settings from now on. The number of workers stays.
    pub fn reload(&self, settings: Settings) {
        let workers = self.engine.slots.len();
        if settings.workers != workers {
            log::warn!("the number of workers stays {workers} until this process is replaced");
        }
        self.engine.readiness.unsent_limit.store(settings.unsent_limit, Ordering::Relaxed);
        self.engine.settings.store(Arc::new(Settings { workers, ..settings }));
    }

    /// The settings in use.
    pub fn settings(&self) -> Arc<Settings> {
        self.engine.settings.load_full()
    }

    /// What the server is doing.
    pub fn snapshot(&self) -> Status {
        status::snapshot(&self.engine)
    }
}
