//! A service that carries out orders, as it runs in this process: one thread takes orders, others carry them out, one
//! reports, one tidies up, and an ear hears the doorbell. Not here: what the orders are and what is done with them.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Doorbell, Ears};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::service::calls::Calls;

/// What the threads of a service do. Each method before [`Duties::calls`] is the life of a thread, until the service stops.
pub trait Duties: Send + Sync + 'static {
    /// Takes orders.
    fn take(&self);
    /// Carries out what was taken.
    fn work(&self);
    /// Says now and then that the service is up.
    fn report(&self);
    /// Removes now and then what nobody needs any more.
    fn tidy(&self) {}
    /// How the threads wake each other.
    fn calls(&self) -> &Calls;
    /// Begins nothing any more of what was taken.
    fn stop(&self);
    /// Waits until something that was begun ends, at most so long.
    fn wait_for_end(&self, timeout: Duration);
}

/// A service that runs in this process.
pub struct RunningRole {
    name: &'static str,
    duties: Arc<dyn Duties>,
    ears: Option<Arc<Ears>>,
    threads: Vec<JoinHandle<()>>,
    stop_timeout: Duration,
}

impl RunningRole {
    /// Starts the threads of the service `name`, `workers` of which carry orders out.
    ///
    /// # Errors
    /// `Internal` where a thread can not be started.
    pub fn start(
        name: &'static str,
        duties: Arc<dyn Duties>,
        workers: usize,
        stop_timeout: Duration,
        config: &Config,
    ) -> Result<Self> {
        let spawn = |task: &str, body: fn(&dyn Duties)| {
            let duties = duties.clone();
            spawn(format!("{name}-{task}"), move || body(&*duties))
        };
        let mut threads = Vec::new();
        for number in 1..=workers {
            threads.push(spawn(&format!("worker-{number}"), |duties| duties.work())?);
        }
        threads.push(spawn("dispatch", |duties| duties.take())?);
        threads.push(spawn("report", |duties| duties.report())?);
        threads.push(spawn("tidy", |duties| duties.tidy())?);
        let ears = match Doorbell::new(config).listen() {
            Ok(ears) => Some(Arc::new(ears)),
            Err(error) => {
                log::warn!("the doorbell can not be heard, orders wait for the next look: {error}");
                None
            }
        };
        if let Some(ears) = ears.clone() {
            let duties = duties.clone();
            threads.push(self::spawn(format!("{name}-ear"), move || listen(&*duties, &ears))?);
        }
        Ok(Self { name, duties, ears, threads, stop_timeout })
    }

    /// Begins the end: no order is taken any more, those that were taken and not begun are given back.
    pub fn stop(&self) {
        self.duties.calls().stop();
        self.duties.stop();
        if let Some(ears) = &self.ears {
            ears.ring_own();
        }
    }

    /// Waits for the end of the orders that were begun, after [`RunningRole::stop`] for at most the configured time.
    /// What is not done by then is taken up again, or begun anew, after the next start.
    pub fn wait(self) {
        let mut since = None;
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            if self.duties.calls().is_stopping() {
                let since = since.get_or_insert_with(Instant::now);
                if since.elapsed() > self.stop_timeout {
                    let name = self.name;
                    log::warn!("the {name} service ends before its work: what is left is done after the next start");
                    return;
                }
            }
            self.duties.wait_for_end(Duration::from_millis(100));
        }
        for thread in self.threads {
            // A thread that panicked has told so.
            let _ = thread.join();
        }
    }
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.clone()).spawn(body);
    thread.map_err(|error| Error::internal(format!("thread {name}: {error}")))
}

fn listen(duties: &dyn Duties, ears: &Ears) {
    while !duties.calls().is_stopping() {
        match ears.wait() {
            Ok(()) => duties.calls().call(),
            Err(error) => {
                log::warn!("the doorbell fails, orders wait for the next look: {error}");
                return;
            }
        }
    }
}
