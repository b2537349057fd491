//! How long samples, events and the history of alarms are kept, and the thread of a long-lived process that removes older ones.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::config::{Config, Opt, telemetry as options};
use crate::database::{Database, Engine};
use crate::service::calls::Calls;
use crate::telemetry::store::{Kept, Patience, PutOff, Store};
use crate::time::Timestamp;
use crate::{Error, Result};

/// How often a process looks that has other things to do.
pub const EVERY: Duration = Duration::from_secs(3600);

/// Ages in seconds after which samples, events and history go; `None`: never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    samples: Option<i64>,
    /// Those of some meters.
    meters: Ages,
    /// Age after which samples are kept by the hour only.
    raw: Option<i64>,
    /// Those of some meters.
    raw_meters: Ages,
    events: Option<i64>,
    history: Option<i64>,
    /// Most rows of history that one look removes.
    most_history: Option<u64>,
}

/// Names of meters, perhaps with `*` at the end, with ages. The first that fits counts.
type Ages = Vec<(String, Option<i64>)>;

/// How much went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// Samples, also those of which hours were left.
    pub samples: u64,
    /// Samples of which hours are left.
    pub condensed: u64,
    /// Events.
    pub events: u64,
    /// Rows of the history of alarms.
    pub history: u64,
    /// Partitions without samples whose room was given back.
    pub partitions: u64,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} samples, {} events and {} changes of alarms removed", self.samples, self.events, self.history)?;
        if self.condensed > 0 {
            write!(f, "; {} samples put together by the hour", self.condensed)?;
        }
        match self.partitions {
            0 => Ok(()),
            partitions => write!(f, "; {partitions} partitions without samples given back"),
        }
    }
}

impl Retention {
    /// What the configuration says.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where an age of a meter is none.
    pub fn of(config: &Config) -> Result<Self> {
        let age = |seconds: i64| (seconds >= 0).then_some(seconds);
        let ages = |option: &Opt| {
            let meter = |text: &String| {
                let pair = text.rsplit_once(':').and_then(|(name, seconds)| Some((name, seconds.trim().parse().ok()?)));
                let (name, seconds) = pair.ok_or_else(|| {
                    Error::invalid(format!("[{}] {}: '{text}' is no meter:seconds", option.section, option.name))
                })?;
                Ok((name.trim().to_owned(), age(seconds)))
            };
            config.list(option).iter().map(meter).collect::<Result<Ages>>()
        };
        Ok(Self {
            samples: age(config.integer(&options::METERING_TIME_TO_LIVE)),
            meters: ages(&options::METER_TIME_TO_LIVE)?,
            raw: age(config.integer(&options::RAW_TIME_TO_LIVE)),
            raw_meters: ages(&options::METER_RAW_TIME_TO_LIVE)?,
            events: age(config.integer(&options::EVENT_TIME_TO_LIVE)),
            history: age(config.integer(&options::ALARM_HISTORY_TIME_TO_LIVE)).filter(|age| *age > 0),
            most_history: u64::try_from(config.integer(&options::ALARM_HISTORIES_DELETE_BATCH_SIZE))
                .ok()
                .filter(|most| *most > 0),
        })
    }

    /// Whether everything is kept.
    pub fn keeps_all(&self) -> bool {
        let ages = [self.samples, self.raw, self.events, self.history];
        let meters = self.meters.iter().chain(&self.raw_meters);
        ages.into_iter().chain(meters.map(|(_, age)| *age)).all(|age| age.is_none())
    }

    /// The age after which samples of a meter go.
    fn of_meter(&self, name: &str) -> Option<i64> {
        of(&self.meters, name, self.samples)
    }

    /// The age after which hours are all that is left of samples of a meter; `None` where they do not get older.
    fn raw_of_meter(&self, name: &str) -> Option<i64> {
        let whole = self.of_meter(name).unwrap_or(i64::MAX);
        of(&self.raw_meters, name, self.raw).filter(|age| *age < whole)
    }

    /// Removes what is too old at `now`, in small steps, until `stopping`, and sees to it that there are partitions for what comes
    /// next, where the engine has some.
    ///
    /// # Errors
    /// What the database gives; what was removed before stays removed.
    pub fn expire(&self, store: &Store, now: Timestamp, stopping: impl Fn() -> bool) -> Result<Gone> {
        let before = |age: i64| now.plus_seconds(age.saturating_neg());
        keep_partitions(store, now);
        let samples = store.expire_samples(|meter| self.of_meter(meter).map(before), &stopping)?;
        let condensed = store.condense_samples(|meter| self.raw_of_meter(meter).map(before), &stopping)?;
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
        let partitions = drop_partitions(store, now, &stopping);
        Ok(Gone { samples, condensed, events, history, partitions })
    }
}

/// Makes partitions; samples are stored and removed without them, too.
fn keep_partitions(store: &Store, now: Timestamp) {
    match store.keep_partitions(now, Patience::Short) {
        Ok(Kept { made, put_off }) => {
            if !made.is_empty() {
                log::info!("made the partitions {}", made.join(", "));
            }
            match put_off {
                None => {}
                Some(PutOff::InUse) => log::info!("partitions are made the next time: {}", PutOff::InUse),
                Some(why) => log::warn!("no partitions are made: {why}"),
            }
        }
        Err(error) => log::warn!("partitions can not be made: {error}"),
    }
}

/// Gives back the room of partitions; how many. Samples are gone without that, too.
fn drop_partitions(store: &Store, now: Timestamp, stopping: impl Fn() -> bool) -> u64 {
    match store.drop_partitions(now, stopping) {
        Ok(gone) => u64::try_from(gone.len()).unwrap_or(u64::MAX),
        Err(error) => {
            log::warn!("the room of partitions without samples can not be given back: {error}");
            0
        }
    }
}

/// The age of a meter.
fn of(ages: &Ages, name: &str, otherwise: Option<i64>) -> Option<i64> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    ages.iter().find(|(pattern, _)| fits(pattern)).map_or(otherwise, |(_, age)| *age)
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

/// Starts the thread, where something has an end, or there are partitions to be made. It looks at once, and again after each pause of `every`.
///
/// # Errors
/// [`crate::Kind::Invalid`] where the configuration makes no sense; `Internal` where a thread can not be started.
pub fn start(config: &Config, database: Database, every: Duration) -> Result<Option<Expirer>> {
    let retention = Retention::of(config)?;
    if retention.keeps_all() && database.engine() != Engine::Postgres {
        return Ok(None);
    }
    let calls = Arc::new(Calls::default());
    let heard = Arc::clone(&calls);
    let work = move || {
        let store = Store::new(database);
        while !heard.is_stopping() {
            match retention.expire(&store, Timestamp::now(), || heard.is_stopping()) {
                Ok(gone) if gone == Gone::default() => {}
                Ok(gone) => log::info!("{gone}, which were too old"),
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

    #[test]
    fn samples_are_kept_by_the_hour_until_they_go() {
        let text = "[database]\nmetering_time_to_live = 100\n[hearth_telemetry]\nraw_time_to_live = 50\n\
                    meter_time_to_live = short:20, long:-1\nmeter_raw_time_to_live = cpu*:10, disk:-1, ever:100";
        let retention = Retention::of(&Config::from_text(text).unwrap()).unwrap();
        for (name, age) in [
            ("cpu_util", Some(10)),
            ("memory", Some(50)),
            ("disk", None),
            ("short", None),
            ("long", Some(50)),
            ("ever", None),
        ] {
            assert_eq!(retention.raw_of_meter(name), age, "{name}");
        }
        let hours = Config::from_text("[hearth_telemetry]\nraw_time_to_live = 50").unwrap();
        assert!(!Retention::of(&hours).unwrap().keeps_all());
        let wrong = Config::from_text("[hearth_telemetry]\nmeter_raw_time_to_live = cpu:x").unwrap();
        let error = Retention::of(&wrong).unwrap_err();
        assert!(error.to_string().contains("[hearth_telemetry] meter_raw_time_to_live: 'cpu:x'"), "{error}");
    }
}
