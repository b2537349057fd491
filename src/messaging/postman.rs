//! Delivering what lies in the outbox: a thread for each driver, in every long-lived process; of all processes one at a
//! time has the notifications of a driver. A notification is removed after it was delivered, so a crash delivers it twice
//! rather than never. Not here: who gets it (`drivers.rs`).

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::drivers::{self, Failure, Listener, TELEMETRY};
use super::outbox::{Mailbox, Outbox};
use super::pauses::Pauses;
use crate::config::{Config, notifications as options};
use crate::database::Database;
use crate::database::orders::Watch;
use crate::database::outbox::{self, Waiting};
use crate::error::{Error, Result};
use crate::service::calls::Calls;
use crate::service::fault;

/// How many notifications are taken at once.
const BATCH: u32 = 100;
/// How often the outbox is compared with its limit.
const LIMIT_EVERY: Duration = Duration::from_secs(60);
/// A look happens at least so often, whatever the engine tells.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The delivery of notifications in this process.
pub struct Postman {
    rounds: Vec<(Arc<Calls>, JoinHandle<()>)>,
}

impl Postman {
    /// Begins the end: what is being sent is sent to its end.
    pub fn stop(&self) {
        for (calls, _) in &self.rounds {
            calls.stop();
        }
    }

    /// Waits for the end, after [`Postman::stop`].
    pub fn wait(self) {
        for (_, thread) in self.rounds {
            // A thread that panicked has told so.
            let _ = thread.join();
        }
    }
}

/// Starts delivering the notifications of a mailbox from a database, for every driver that the configuration names; without one
/// no thread is started. `telemetry` gets those of the driver `hearth_telemetry`, where Telemetry is in this process.
///
/// # Errors
/// `Invalid` where the configuration does not say where to send; `Internal` where a thread can not be started.
pub fn start(
    config: &Config,
    database: &Database,
    mailbox: Mailbox,
    telemetry: Option<Box<dyn Listener>>,
) -> Result<Postman> {
    let mut telemetry = telemetry;
    let mut rounds = Vec::new();
    for driver in Outbox::within(config, mailbox).drivers() {
        let listener =
            if driver == TELEMETRY { telemetry.take() } else { drivers::open(driver, config, mailbox.exchange)? };
        let own = drivers::settings(driver, config)?;
        let calls = Arc::new(Calls::default());
        let round = Round {
            place: mailbox.place(driver),
            owner: format!("{}-{}", std::process::id(), uuid::Uuid::new_v4()),
            settings: Settings::of(&own),
            database: database.clone(),
            calls: calls.clone(),
            listener,
            held_until: None,
            failures: 0,
            limited_at: None,
        };
        let name = format!("notify-{}", round.place);
        let thread = thread::Builder::new().name(name.clone()).spawn(move || round.run());
        rounds.push((calls, thread.map_err(|error| Error::internal(format!("thread {name}: {error}")))?));
    }
    Ok(Postman { rounds })
}

struct Settings {
    poll_interval: Duration,
    lease: Duration,
    limit: i64,
    /// Attempts after the first one; `None` without end.
    retries: Option<u64>,
    pauses: Pauses,
}

impl Settings {
    fn of(config: &Config) -> Self {
        Self {
            poll_interval: config.seconds(&options::POLL_INTERVAL).max(Duration::from_millis(10)),
            lease: config.seconds(&options::LEASE).max(Duration::from_secs(1)),
            limit: config.integer(&options::OUTBOX_LIMIT),
            retries: u64::try_from(config.integer(&options::RETRY)).ok(),
            pauses: Pauses::of(config),
        }
    }
}

/// The delivery for one driver.
struct Round {
    /// The name of the driver in the outbox.
    place: String,
    owner: String,
    settings: Settings,
    database: Database,
    calls: Arc<Calls>,
    /// `None` where nobody in this process listens: then only the limit is kept.
    listener: Option<Box<dyn Listener>>,
    held_until: Option<Instant>,
    /// Failures one after the other.
    failures: u64,
    limited_at: Option<Instant>,
}

/// What a look at the outbox found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nothing is left to do for now.
    Nothing,
    /// There may be more.
    More,
    /// It could not be delivered.
    Trouble,
}

impl Round {
    fn run(mut self) {
        if self.listener.is_none() {
            log::warn!("nobody in this process listens to the notifications of {}", self.place);
        }
        let mut watch = Watch::on(&self.database).ok();
        let mut looked: Option<Instant> = None;
        let mut found = Found::More;
        while !self.calls.is_stopping() {
            // A look that can find nothing new costs nothing.
            let changed = watch.as_mut().is_none_or(|watch| watch.changed().unwrap_or(true));
            let due = looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
            if found != Found::Nothing || changed || due {
                looked = Some(Instant::now());
                found = self.look().unwrap_or_else(|error| {
                    log::error!("the notifications of {} can not be looked at: {error}", self.place);
                    Found::Nothing
                });
            }
            match found {
                Found::More => {}
                Found::Nothing => self.calls.wait_for_call(self.settings.poll_interval),
                Found::Trouble => self.calls.wait_for_call(self.settings.pauses.after(self.failures)),
            }
        }
        if self.held_until.is_some()
            && let Err(error) = self.database.write(|tx| outbox::release(tx, &self.place, &self.owner))
        {
            log::warn!("the notifications of {} wait for the end of a lease: {error}", self.place);
        }
    }

    /// Delivers a batch, where there is one and no other process delivers.
    fn look(&mut self) -> Result<Found> {
        if !self.database.read(|c| outbox::any(c, &self.place))? {
            return Ok(Found::Nothing);
        }
        self.keep_limit()?;
        if self.listener.is_none() || !self.hold()? {
            return Ok(Found::Nothing);
        }
        let batch = self.database.read(|c| outbox::oldest(c, &self.place, BATCH))?;
        let Some(listener) = &mut self.listener else { return Ok(Found::Nothing) };
        let heard = listener.hear(&batch);
        fault::point("notification.after_send");
        let ids: Vec<i64> = batch.iter().take(heard.taken).map(|waiting| waiting.id).collect();
        if !ids.is_empty() {
            self.failures = 0;
            self.remove(&ids)?;
        }
        match (heard.failure, batch.get(heard.taken)) {
            (Some(failure), Some(stuck)) => self.failed(&failure, stuck),
            _ if batch.len() < BATCH as usize => Ok(Found::Nothing),
            _ => Ok(Found::More),
        }
    }

    fn remove(&self, ids: &[i64]) -> Result<()> {
        self.database.write(|tx| {
            outbox::remove(tx, ids)?;
            fault::point("notification.before_commit");
            Ok(())
        })
    }

    /// Counts a failure; gives the notification up where enough attempts were made.
    fn failed(&mut self, failure: &Failure, stuck: &Waiting) -> Result<Found> {
        self.failures += 1;
        let error = &failure.error;
        if failure.hopeless || self.settings.retries.is_some_and(|retries| self.failures > retries) {
            log::error!("notification {} ({}) is given up: {error}", stuck.id, stuck.event_type);
            self.failures = 0;
            self.remove(&[stuck.id])?;
            return Ok(Found::More);
        }
        // The first line tells; the others would only say it again.
        let level = if self.failures == 1 { log::Level::Error } else { log::Level::Debug };
        log::log!(level, "notifications of {} wait, since they can not be sent: {error}", self.place);
        Ok(Found::Trouble)
    }

    /// Whether this process is the one who delivers.
    fn hold(&mut self) -> Result<bool> {
        let lease = self.settings.lease;
        if self.held_until.is_some_and(|until| until > Instant::now() + lease / 2) {
            return Ok(true);
        }
        // Counted from before the statement, so that the end seen here comes before the one that others see.
        let until = Instant::now() + lease;
        let millis = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let held = self.database.write(|tx| outbox::hold(tx, &self.place, &self.owner, millis))?;
        self.held_until = held.then_some(until);
        Ok(held)
    }

    fn keep_limit(&mut self) -> Result<()> {
        let limit = self.settings.limit;
        if limit == 0 || self.limited_at.is_some_and(|at| at.elapsed() < LIMIT_EVERY) {
            return Ok(());
        }
        self.limited_at = Some(Instant::now());
        let cut = self.database.write(|tx| outbox::cut(tx, &self.place, limit))?;
        if cut > 0 {
            log::error!("{cut} notifications of {} are given up: more than {limit} were waiting", self.place);
        }
        Ok(())
    }
}
