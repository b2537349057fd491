//! A running server: its threads, and the handle by which others stop it, change its settings and read its status.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::listener::Listener;
use super::message::Handler;
use super::settings::Settings;
use super::status::{self, Status};
use super::workers::Engine;

/// A server that listens. Nothing is answered before [`Server::run`].
pub struct Server {
    engine: Arc<Engine>,
}

/// A handle to a server, for other threads.
#[derive(Clone)]
pub struct Controller {
    engine: Arc<Engine>,
}

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
        Ok(Self { engine: Arc::new(Engine::new(settings, handler, listeners)?) })
    }

    /// A handle for other threads.
    pub fn controller(&self) -> Controller {
        Controller { engine: Arc::clone(&self.engine) }
    }

    /// Serves until told to stop and all requests are answered. Threads whose handlers have not returned after
    /// [`Controller::abort_after`] are left behind.
    ///
    /// # Errors
    /// Where a thread can not be started.
    pub fn run(self) -> io::Result<()> {
        let engine = self.engine;
        let workers = engine.slots.len();
        let spawn = |name: String, life: Box<dyn FnOnce(&Arc<Engine>) + Send>| {
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
        if started.is_err() {
            engine.finish();
        }
        let mut state = engine.state();
        while state.threads > 0 {
            let left = engine.abort_at().map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                log::warn!("the server ends although {} of its threads have not", state.threads);
                state.finished = true;
                break;
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
        let again = self.engine.is_stopping();
        self.engine.stop(again);
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

    /// What is done once, on a worker's thread, when [`Settings::max_requests`] were served. Without it, the server stops.
    pub fn on_worn_out(&self, action: impl FnOnce() + Send + 'static) {
        *crate::service::threads::lock(&self.engine.on_worn_out) = Some(Box::new(action));
    }
}
