//! How long samples, events and the history of alarms are kept, and the thread of a long-lived process that removes older ones.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::config::{Config, telemetry as options};
use crate::database::Database;
use crate::service::calls::Calls;
use crate::telemetry::store::Store;
use crate::time::Timestamp;
use crate::{Error, Result};

/// How often a process looks that has other things to do.
pub const EVERY: Duration = Duration::from_secs(3600);

/// Ages in seconds after which samples, events and history go; `None`: never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    samples: Option<i64>,
    /// Names of meters, perhaps with `*` at the end, with the ages of their samples. The first that fits counts.
    meters: Vec<(String, Option<i64>)>,
    events: Option<i64>,
    history: Option<i64>,
    /// Most rows of history that one look removes.
    most_history: Option<u64>,
}

/// How much went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// Samples.
    pub samples: u64,
    /// Events.
    pub events: u64,
    /// Rows of the history of alarms.
    pub history: u64,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} samples, {} events and {} changes of alarms", self.samples, self.events, self.history)
    }
}

impl Retention {
    /// What the configuration says.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where an age of a meter is none.
    pub fn of(config: &Config) -> Result<Self> {
        let age = |seconds: i64| (seconds >= 0).then_some(seconds);
        let meter = |text: &String| {
            let pair = text.rsplit_once(':').and_then(|(name, seconds)| Some((name, seconds.trim().parse().ok()?)));
            let (name, seconds) = pair.ok_or_else(|| {
                Error::invalid(format!("[hearth_telemetry] meter_time_to_live: '{text}' is no meter:seconds"))
            })?;
            Ok((name.trim().to_owned(), age(seconds)))
        };
        Ok(Self {
            samples: age(config.integer(&options::METERING_TIME_TO_LIVE)),
            meters: config.list(&options::METER_TIME_TO_LIVE).iter().map(meter).collect::<Result<_>>()?,
            events: age(config.integer(&options::EVENT_TIME_TO_LIVE)),
            history: age(config.integer(&options::ALARM_HISTORY_TIME_TO_LIVE)).filter(|age| *age > 0),
            most_history: u64::try_from(config.integer(&options::ALARM_HISTORIES_DELETE_BATCH_SIZE))
                .ok()
                .filter(|most| *most > 0),
        })
    }

    /// Whether everything is kept.
    pub fn keeps_all(&self) -> bool {
        let ages = [self.samples, self.events, self.history];
        ages.into_iter().chain(self.meters.iter().map(|(_, age)| *age)).all(|age| age.is_none())
    }

    /// The age after which samples of a meter go.
    fn of_meter(&self, name: &str) -> Option<i64> {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == pattern,
        };
        self.meters.iter().find(|(pattern, _)| fits(pattern)).map_or(self.samples, |(_, age)| *age)
    }

    /// Removes what is too old at `now`, in small steps, until `stopping`.
    ///
    /// # Errors
    /// What the database gives; what was removed before stays removed.
    pub fn expire(&self, store: &Store, now: Timestamp, stopping: impl Fn() -> bool) -> Result<Gone> {
        let before = |age: i64| now.plus_seconds(age.saturating_neg());
        let samples = store.expire_samples(|meter| self.of_meter(meter).map(before), &stopping)?;
        let unnamed = store.sweep(&stopping)?;
        if unnamed > 0 {
            log::info!("{unnamed} resources, ids and metadata that no sample has any more are removed");
        }
        let events = match self.events {
            Some(age) => store.expire_events(before(age), &stopping)?,
            None => 0,
        };
        let history = match self.history {
            Some(age) => store.expire_alarm_history(before(age), self.most_history, &stopping)?,
            None => 0,
        };
        Ok(Gone { samples, events, history })
    }
}

/// The thread that removes what is too old.
pub struct Expirer {
    calls: Arc<Calls>,
    thread: JoinHandle<()>,
}

impl Expirer {
    /// Ends it after the step that it is at.
    pub fn stop(self) {
        self.calls.stop();
        // A thread that panicked has told so.
        let _ = self.thread.join();
    }
}

/// Starts the thread, where something has an end. It looks at once, and again after each pause of `every`.
///
/// # Errors
/// [`crate::Kind::Invalid`] where the configuration makes no sense; `Internal` where a thread can not be started.
pub fn start(config: &Config, database: Database, every: Duration) -> Result<Option<Expirer>> {
    let retention = Retention::of(config)?;
    if retention.keeps_all() {
        return Ok(None);
    }
    let calls = Arc::new(Calls::default());
    let heard = Arc::clone(&calls);
    let work = move || {
        let store = Store::new(database);
        while !heard.is_stopping() {
            match retention.expire(&store, Timestamp::now(), || heard.is_stopping()) {
                Ok(gone) if gone == Gone::default() => {}
                Ok(gone) => log::info!("{gone} were too old and are removed"),
                Err(error) => log::error!("what is too old can not be removed: {error}"),
            }
            heard.wait_for_stop(every);
        }
    };
    let thread = thread::Builder::new().name("telemetry-expire".to_owned()).spawn(work);
    Ok(Some(Expirer { calls, thread: thread.map_err(|error| Error::internal(format!("thread: {error}")))? }))
}

#[cfg(test)]
mod tests {
    use super::{Config, Retention};

    #[test]
    fn a_meter_has_its_own_age_or_that_of_all() {
        let text =
            "[database]\nmetering_time_to_live = 100\n[hearth_telemetry]\nmeter_time_to_live = cpu:5, disk.*:-1, d*:7";
        let retention = Retention::of(&Config::from_text(text).unwrap()).unwrap();
        for (name, age) in
            [("cpu", Some(5)), ("cpu.util", Some(100)), ("disk.read", None), ("data", Some(7)), ("volume", Some(100))]
        {
            assert_eq!(retention.of_meter(name), age, "{name}");
        }
        assert_eq!((retention.events, retention.keeps_all()), (None, false));
        assert!(Retention::of(&Config::from_text("").unwrap()).unwrap().keeps_all());
        let wrong = Config::from_text("[hearth_telemetry]\nmeter_time_to_live = cpu").unwrap();
        assert!(Retention::of(&wrong).is_err());
    }
}
