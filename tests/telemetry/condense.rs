//! Samples that are kept by the hour only: every answer for whole hours is that of the samples that were there.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use hearth::Kind;
use hearth::config::Config;
use hearth::database::{Database, Engine, Options};
use hearth::telemetry::model::{Filter, Question};
use hearth::telemetry::retention::Retention;
use hearth::telemetry::store::{Size, Store, schema};
use hearth::time::Timestamp;

use crate::crash_stories;
use crate::reference::{self, BEGIN, One, Plain, Random};
use crate::scratch::{on_every_engine, store};
use crate::servers;

on_every_engine! {
    whole_hours_are_answered_as_before,
    a_divided_hour_is_refused_or_counts_once,
    a_late_sample_counts_and_is_listed_until_it_is_old,
    hours_keep_what_they_name_and_go_when_they_are_old,
    writers_beside_it_lose_nothing,
}

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// What names a stream.
fn stream(one: &One) -> String {
    format!("{:?} {:?}", one.meter, one.owner)
}

/// The model: all samples that count, those of them that are there one by one, and the horizons of streams.
#[derive(Default)]
struct Model {
    counted: Vec<One>,
    raw: Vec<One>,
    horizons: HashMap<String, i64>,
}

impl Model {
    fn record(&mut self, store: &Store, new: &[One], at: i64) {
        store.record(reference::batch(new, at)).unwrap();
        for one in new {
            if !self.raw.iter().any(|known| known.id == one.id) {
                self.counted.push(one.clone());
                self.raw.push(one.clone());
            }
        }
    }

    fn condense(&mut self, store: &Store, limit: impl Fn(&str) -> i64) {
        let before = |meter: &str| Some(Timestamp(limit(meter)));
        let end = |one: &One| limit(&one.meter.name).div_euclid(DAY) * DAY;
        for one in self.raw.iter().filter(|one| one.at < end(one)) {
            let horizon = self.horizons.entry(stream(one)).or_insert(i64::MIN);
            *horizon = end(one).max(*horizon);
        }
        let count = self.raw.len();
        self.raw.retain(|one| one.at >= end(one));
        assert_eq!(store.condense_samples(before, || false).unwrap(), (count - self.raw.len()) as u64);
        assert_eq!(store.condense_samples(before, || false).unwrap(), 0);
    }

    /// The instant before which a question is about whole hours.
    fn horizon(&self, question: &Question) -> i64 {
        let Question { filter, .. } = question;
        // Streams know neither times, metadata nor resources.
        let of = Filter { from: None, until: None, resource_id: None, metadata: Vec::new(), ..filter.clone() };
        let streams = self.counted.iter().filter(|one| reference::means(&of, one));
        streams.filter_map(|one| self.horizons.get(&stream(one))).copied().max().unwrap_or(i64::MIN)
    }

    /// Whether an answer was given and is right.
    fn answers(&self, store: &Store, question: &Question) -> bool {
        let horizon = self.horizon(question);
        let whole =
            |at: Timestamp| if at.0 < horizon { Timestamp(at.0.div_euclid(HOUR).saturating_mul(HOUR)) } else { at };
        let mut meant = question.clone();
        meant.filter.from = meant.filter.from.map(whole);
        meant.filter.until = meant.filter.until.map(whole);
        let first = self.counted.iter().filter(|one| reference::means(&meant.filter, one)).map(|one| one.at).min();
        meant.start = meant.start.or(first.map(Timestamp)).map(whole);
        match store.statistics(question) {
            Ok(found) => {
                let found: Vec<Plain> = found.into_iter().map(Plain::from).collect();
                assert_eq!(found, reference::statistics(&self.counted, &meant), "{horizon} {question:#?}");
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Invalid, "{error}");
                assert!(error.to_string().contains("are kept by the hour"), "{error}");
                let period = question.period.expect("without periods no hour is divided");
                assert!(period % 3600 != 0 && meant.filter.begin().0 < horizon, "{horizon} {question:#?}");
                false
            }
        }
    }
}

fn whole_hours_are_answered_as_before(engine: Engine) {
    for seed in 1..=if engine == Engine::Sqlite { 4 } else { 1_u64 } {
        let mut random = Random(seed.wrapping_mul(0x5DEE_CE66_D1CE_CAFE));
        let store = store(engine);
        let mut model = Model::default();
        for round in 0..4_i64 {
            let new: Vec<One> = (0..150).map(|number| reference::sample(&mut random, round * 150 + number)).collect();
            model.record(&store, &new, BEGIN + round);
            let questions: Vec<Question> = (0..60).map(|_| reference::question(&mut random)).collect();
            let limit = BEGIN + round * 4 * DAY + DAY / 3;
            model.condense(&store, |meter| if meter == "cpu" { limit } else { limit - 2 * DAY });
            let given = questions.iter().filter(|question| model.answers(&store, question)).count();
            assert!(given > 30, "{given} of 60 were answered");
            let Size { samples, condensed, .. } = store.size().unwrap();
            let (raw, all) = (model.raw.len() as u64, model.counted.len() as u64);
            assert_eq!((samples, condensed), (raw, all - raw));
            listed(&mut random, &store, &model);
        }
        assert!(model.raw.len() < 500 && model.counted.len() >= 590, "{} {}", model.raw.len(), model.counted.len());
        // Then all go by their age, and answers are those of what is left.
        let end = (BEGIN + 9 * DAY).div_euclid(DAY) * DAY;
        let before = |meter: &str| (meter == "cpu").then_some(Timestamp(end));
        let old = |one: &One| one.meter.name == "cpu" && one.at < end;
        let count = model.counted.iter().filter(|one| old(one)).count();
        assert_eq!(store.expire_samples(before, || false).unwrap(), count as u64);
        model.counted.retain(|one| !old(one));
        model.raw.retain(|one| !old(one));
        // A horizon goes with the last hour behind it.
        let hours = |one: &&One| !model.raw.iter().any(|raw| raw.id == one.id);
        let left: Vec<String> = model.counted.iter().filter(hours).map(stream).collect();
        model.horizons.retain(|stream, _| left.contains(stream));
        for _ in 0..60 {
            model.answers(&store, &reference::question(&mut random));
        }
        listed(&mut random, &store, &model);
    }
}

/// Metadata as they are stored.
fn metadata_of(one: &One) -> String {
    one.metadata.to_string()
}

/// Samples that are there are listed, newest first; resources with all that is known of them.
fn listed(random: &mut Random, store: &Store, model: &Model) {
    for _ in 0..20 {
        let mut filter = reference::question(random).filter;
        if random.chance(2) {
            filter.meter = None;
        }
        let limit = usize::try_from(random.pick(&[1, 5, 1000])).unwrap();
        let mut times: Vec<i64> =
            model.raw.iter().filter(|one| reference::means(&filter, one)).map(|one| one.at).collect();
        times.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        times.truncate(limit);
        let found: Vec<i64> = store.samples(&filter, limit).unwrap().iter().map(|sample| sample.timestamp.0).collect();
        assert_eq!(found, times, "{limit} {filter:#?}");
        (filter.from, filter.until) = (None, None);
        let meant: Vec<&One> = model.counted.iter().filter(|one| reference::means(&filter, one)).collect();
        let mut ids: Vec<&String> = meant.iter().map(|one| &one.resource).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut resources = store.resources(&filter, true, 1000).unwrap();
        resources.sort_by(|a, b| a.resource_id.cmp(&b.resource_id));
        assert_eq!(resources.iter().map(|state| &state.resource_id).collect::<Vec<_>>(), ids, "{filter:#?}");
        for state in resources {
            let own = || meant.iter().filter(|one| one.resource == state.resource_id);
            let (first, last) = (own().map(|one| one.at).min(), own().map(|one| one.at).max());
            assert_eq!((Some(state.first_sample.0), Some(state.last_sample.0)), (first, last), "{filter:#?}");
            let shown = |one: &&&One| one.owner == state.owner && metadata_of(one) == state.metadata;
            assert!(own().filter(|one| Some(one.at) == last).any(|one| shown(&one)), "{filter:#?} {state:#?}");
        }
        if filter.metadata.is_empty() {
            let mut keys: Vec<_> = meant.iter().map(|one| (&one.resource, &one.meter.name, &one.meter.unit)).collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(store.meters(&filter, false, 1000).unwrap().len(), keys.len());
        }
    }
}

/// Samples of a resource at these times.
fn samples(times: &[i64], from: i64) -> Vec<One> {
    let mut random = Random(9);
    let one = reference::sample(&mut random, 0);
    let numbered = |(number, at): (i64, &i64)| One {
        id: format!("at-{}", from + number),
        at: *at,
        volume64: 64 * (from + number + 1),
        ..one.clone()
    };
    (0..).zip(times).map(numbered).collect()
}

fn question(one: &One, from: Option<i64>, until: Option<i64>, period: Option<i64>) -> Question {
    let filter = Filter {
        meter: Some(one.meter.name.clone()),
        resource_id: Some(one.resource.clone()),
        from: from.map(Timestamp),
        until: until.map(Timestamp),
        ..Filter::default()
    };
    let start = from.map(Timestamp);
    Question { filter, period, start, groupings: Vec::new(), counted: Vec::new(), most: 1000 }
}

fn a_divided_hour_is_refused_or_counts_once(engine: Engine) {
    let store = store(engine);
    let minute = HOUR / 60;
    let old = samples(&[10 * DAY + 5 * minute, 10 * DAY + 45 * minute, 10 * DAY + 65 * minute, 12 * DAY], 0);
    store.record(reference::batch(&old, 13 * DAY)).unwrap();
    store.condense_samples(|_| Some(Timestamp(11 * DAY)), || false).unwrap();
    let ask = |from, until, period| store.statistics(&question(&old[0], from, until, period));
    let counts = |from, until, period| -> Vec<(i64, i64)> {
        let found = ask(from, until, period).unwrap();
        found.iter().map(|row| (row.period_start.0, row.moments.count)).collect()
    };
    let (day, half) = (10 * DAY, 10 * DAY + 30 * minute);
    assert_eq!(counts(None, Some(half), None), []);
    assert_eq!(counts(Some(half), None, None), [(day + 5 * minute, 4)]);
    assert_eq!(counts(Some(half), Some(half + HOUR), None), [(day + 5 * minute, 2)]);
    assert_eq!(counts(None, None, Some(3600)), [(day, 2), (day + HOUR, 1), (12 * DAY, 1)]);
    assert_eq!(counts(Some(half), None, Some(7200)), [(day, 3), (12 * DAY, 1)]);
    for divides in [1800, 60] {
        assert_eq!(ask(None, None, Some(divides)).unwrap_err().kind(), Kind::Invalid, "{divides}");
        assert_eq!(counts(Some(11 * DAY), None, Some(divides)).len(), 1, "{divides}");
    }
    // What divides no hour that has samples on both sides is answered, too.
    assert_eq!(counts(None, None, Some(5400)), [(day, 3), (12 * DAY, 1)]);
    assert_eq!(counts(Some(day + HOUR), None, Some(60)), [(day + 65 * minute, 1), (12 * DAY, 1)]);
}

fn a_late_sample_counts_and_is_listed_until_it_is_old(engine: Engine) {
    let store = store(engine);
    let old = samples(&[10 * DAY, 10 * DAY + 1], 0);
    store.record(reference::batch(&old, 13 * DAY)).unwrap();
    let condense = || store.condense_samples(|_| Some(Timestamp(11 * DAY)), || false).unwrap();
    let count = || store.statistics(&question(&old[0], None, None, None)).unwrap()[0].moments.count;
    let listed = || store.samples(&Filter::default(), 100).unwrap().len();
    assert_eq!((condense(), count(), listed()), (2, 2, 0));
    let late = samples(&[10 * DAY + 2, 9 * DAY], 2);
    let record = |samples: &[One]| store.record(reference::batch(samples, 13 * DAY)).unwrap().stored;
    assert_eq!((record(&late), count(), listed()), (2, 4, 2));
    assert_eq!((record(&late), count(), listed()), (0, 4, 2), "they are known while they are there");
    assert_eq!((condense(), count(), listed()), (2, 4, 0));
    // Nothing is left that could tell that one has been there: it counts as another one.
    assert_eq!((record(&late[..1]), count(), listed()), (1, 5, 1));
    assert_eq!((condense(), count(), listed()), (1, 5, 0));
    let next = samples(&[12 * DAY], 4);
    assert_eq!((record(&next), count(), listed()), (1, 6, 1));
    let states = store.resources(&Filter::default(), false, 10).unwrap();
    assert_eq!((states[0].first_sample.0, states[0].last_sample.0), (9 * DAY, 12 * DAY));
}

fn rows(store: &Store, table: &str) -> i64 {
    let count = format!("SELECT COUNT(*) FROM {table}");
    store.database().read(|connection| connection.row(&count, &[], |row| row.int(0))).unwrap().unwrap()
}

fn hours_keep_what_they_name_and_go_when_they_are_old(engine: Engine) {
    let store = store(engine);
    let mut old = samples(&[10 * DAY, 10 * DAY + 1, 10 * DAY + 2, 11 * DAY], 0);
    for (number, one) in old.iter_mut().enumerate() {
        one.metadata = serde_json::json!({"status": number % 3});
    }
    store.record(reference::batch(&old, 13 * DAY)).unwrap();
    let text = "[database]\nmetering_time_to_live = 864000\n[hearth_telemetry]\nraw_time_to_live = 86400";
    let retention = Retention::of(&Config::from_text(text).unwrap()).unwrap();
    let gone = retention.expire(&store, Timestamp(20 * DAY), || false).unwrap();
    assert_eq!(
        gone.to_string(),
        "0 samples, 0 events and 0 changes of alarms removed; 4 samples put together by the hour"
    );
    let tables =
        ["telemetry_resource", "telemetry_metadata", "telemetry_message", "telemetry_hour", "telemetry_horizon"];
    let counts = || tables.map(|table| rows(&store, table));
    assert_eq!(counts(), [1, 3, 0, 4, 1]);
    let mut by_status = question(&old[0], None, None, None);
    by_status.groupings = vec![hearth::telemetry::model::Grouping::Metadata("status".to_owned())];
    let found = store.statistics(&by_status).unwrap();
    let groups: Vec<_> = found.iter().map(|row| (row.group[0].as_deref(), row.moments.sum.value())).collect();
    assert_eq!(groups, [(Some("0"), 1.0 + 4.0), (Some("1"), 2.0), (Some("2"), 3.0)]);
    let gone = retention.expire(&store, Timestamp(21 * DAY), || false).unwrap();
    assert_eq!((gone.samples, gone.condensed, counts()), (3, 0, [1, 1, 0, 1, 1]));
    let gone = retention.expire(&store, Timestamp(22 * DAY), || false).unwrap();
    assert_eq!((gone.samples, gone.condensed, counts()), (1, 0, [0, 0, 0, 0, 0]));
    assert_eq!((rows(&store, "telemetry_series"), rows(&store, "telemetry_past")), (0, 0));
}

fn writers_beside_it_lose_nothing(engine: Engine) {
    let url = servers::empty_database(engine);
    let open = || Store::new(Database::open(&url, Options { create: true, ..Options::default() }).unwrap());
    schema::sync(open().database()).unwrap();
    let done = AtomicBool::new(false);
    let all = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3_i64)
            .map(|writer| {
                let open = &open;
                scope.spawn(move || {
                    let (store, mut random) = (open(), Random(0x1234_5678 + writer as u64));
                    let mut all = Vec::new();
                    for round in 0..20 {
                        let start = writer * 10_000 + round * 15;
                        let named = |number| {
                            let one = reference::sample(&mut random, number % 450);
                            One { id: format!("{writer}-{number}"), ..one }
                        };
                        let batch: Vec<One> = (start..start + 15).map(named).collect();
                        store.record(reference::batch(&batch, BEGIN)).unwrap();
                        all.extend(batch);
                    }
                    all
                })
            })
            .collect();
        let (condenser, done) = (open(), &done);
        let condensing = scope.spawn(move || {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) {
                condenser.condense_samples(|_| Some(Timestamp(BEGIN + rounds % 30 * DAY)), || false).unwrap();
                condenser.sweep(|| false).unwrap();
                rounds += 1;
            }
        });
        let ends: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        // Before anything else, or a writer that failed would leave the other thread at work for ever.
        done.store(true, Ordering::Relaxed);
        condensing.join().unwrap();
        ends.into_iter().flat_map(|end| end.expect("a writer")).collect::<Vec<One>>()
    });
    let mut model = Model { counted: all.clone(), raw: all, ..Model::default() };
    let store = open();
    let limit = BEGIN + 60 * DAY;
    store.condense_samples(|_| Some(Timestamp(limit)), || false).unwrap();
    for one in std::mem::take(&mut model.raw) {
        model.horizons.insert(stream(&one), limit.div_euclid(DAY) * DAY);
    }
    let mut random = Random(3);
    for _ in 0..60 {
        model.answers(&store, &reference::question(&mut random));
    }
    listed(&mut random, &store, &model);
}

#[test]
fn a_kill_leaves_each_sample_one_by_one_or_by_the_hour() {
    let folder = servers::scratch_folder("condense");
    let url = format!("sqlite:///{}", folder.join("telemetry.sqlite").display());
    let store = Store::new(Database::open(&url, Options { create: true, ..Options::default() }).unwrap());
    schema::sync(store.database()).unwrap();
    // More than one transaction takes.
    let old = samples(&(0..5000).map(|number| 10 * DAY + number * 20_000_000).collect::<Vec<_>>(), 0);
    store.record(reference::batch(&old, 13 * DAY)).unwrap();
    let config = folder.join("hearth.conf");
    let lines = format!(
        "[DEFAULT]\nstate_path = {}\n[hearth_telemetry]\nconnection = {url}\nraw_time_to_live = 86400\n",
        folder.display()
    );
    std::fs::write(&config, lines).unwrap();
    let run = |fault: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
        command.arg("--config-file").arg(&config).args(["telemetry", "expire"]);
        command.env(hearth::service::fault::VARIABLE, fault).output().unwrap()
    };
    let mut left = 5000;
    for fault in ["telemetry.condense.before_commit", "telemetry.condense.before_commit:2", "none"] {
        assert_eq!(run(fault).status.success(), fault == "none", "{fault}");
        let size = store.size().unwrap();
        assert_eq!(size.samples + size.condensed, 5000, "{fault}");
        assert_eq!(store.samples(&Filter::default(), 10_000).unwrap().len() as u64, size.samples, "{fault}");
        assert!(if fault.ends_with("commit") { size.samples == left } else { size.samples < left }, "{size:?} {fault}");
        left = size.samples;
        let found = store.statistics(&question(&old[0], None, None, Some(3600))).unwrap();
        let found: Vec<Plain> = found.into_iter().map(Plain::from).collect();
        let whole = question(&old[0], Some(10 * DAY), None, Some(3600));
        assert_eq!(found, reference::statistics(&old, &whole), "{fault}");
        if fault != "none" {
            crash_stories::tell("killed", fault);
        }
    }
    assert_eq!(left, 0);
    std::fs::remove_dir_all(&folder).unwrap();
}
