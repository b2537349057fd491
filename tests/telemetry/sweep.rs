//! Rows of the dictionary that nothing names any more go, and whoever writes meanwhile, in this process or another, loses nothing.

use std::cell::{Cell, RefCell};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use hearth::database::{Database, Engine, Options};
use hearth::telemetry::model::{Filter, MessageId, Meter, MeterType, Owner};
use hearth::telemetry::store::{Store, schema};
use hearth::time::Timestamp;
use serde_json::json;

use crate::crash_stories;
use crate::reference::{self, One};
use crate::scratch::{on_every_engine, store};
use crate::servers;

on_every_engine! {
    what_no_sample_names_any_more_goes_and_the_rest_stays,
    who_writes_at_any_moment_of_a_sweep_loses_nothing,
    many_who_write_beside_sweeps_lose_nothing,
}

const DAY: i64 = 24 * 3_600_000_000;
/// A day that has gone by, and one that has not.
const OLD: i64 = 16_000 * DAY;
const NEW: i64 = 17_000 * DAY;

fn sample(number: i64, at: i64, resource: &str, metadata: i64) -> One {
    One {
        id: match number % 3 {
            0 => format!("text-{number}"),
            1 => format!("{number:08x}-0000-4000-8000-000000000001"),
            _ => MessageId::clock_text(140_000_000_000_000_000 + number * 7, i64::MIN),
        },
        meter: Meter { name: "m".to_owned(), kind: MeterType::Gauge, unit: "u".to_owned() },
        resource: resource.to_owned(),
        owner: Owner { project_id: Some("p".to_owned()), user_id: None, source: "s".to_owned() },
        at: at + number * 1000,
        volume64: number,
        metadata: json!({"number": metadata}),
    }
}

fn record(store: &Store, samples: &[One]) {
    store.record(reference::batch(samples, NEW)).unwrap();
}

fn expire(store: &Store) {
    store.expire_samples(|_| Some(Timestamp(NEW)), || false).unwrap();
}

fn rows(store: &Store, table: &str) -> i64 {
    let count = format!("SELECT COUNT(*) FROM {table}");
    store.database().read(|connection| connection.row(&count, &[], |row| row.int(0))).unwrap().unwrap()
}

/// Whether exactly these samples are there, each with all that it had.
fn check(store: &Store, expected: &[One], what: &str) {
    let mut found: Vec<(String, String, String)> = store
        .samples(&Filter::default(), 10_000)
        .unwrap()
        .into_iter()
        .map(|sample| (sample.id, sample.resource_id, sample.metadata))
        .collect();
    let mut wanted: Vec<(String, String, String)> =
        expected.iter().map(|one| (one.id.clone(), one.resource.clone(), one.metadata.to_string())).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted, "{what}");
}

fn what_no_sample_names_any_more_goes_and_the_rest_stays(engine: Engine) {
    let store = store(engine);
    // Of 1,300 old ones some share what is theirs with new ones.
    let old: Vec<One> = (0..1300).map(|number| sample(number, OLD, &format!("r{number}"), number)).collect();
    let new: Vec<One> =
        (1300..1360).map(|number| sample(number, NEW, &format!("r{}", number % 20), number % 40)).collect();
    record(&store, &old);
    record(&store, &new);
    assert_eq!(store.sweep(|| false).unwrap(), 0, "nothing has gone yet");
    expire(&store);
    assert_eq!(store.sweep(|| true).unwrap(), 0, "it was told to stop");
    let texts = |all: &[One]| all.iter().filter(|one| one.id.starts_with("text")).count() as u64;
    assert_eq!(store.sweep(|| false).unwrap(), (1300 - 20) + (1300 - 40) + texts(&old));
    assert_eq!((rows(&store, "telemetry_resource"), rows(&store, "telemetry_metadata")), (20, 40));
    assert_eq!(rows(&store, "telemetry_message") as u64, texts(&new));
    assert_eq!(rows(&store, "telemetry_touched"), 0);
    assert_eq!(store.sweep(|| false).unwrap(), 0);
    check(&store, &new, "after the sweep");
    // What has gone comes again, with what this process once knew.
    let again: Vec<One> =
        (0..9).map(|number| One { at: NEW, ..sample(number, NEW, &format!("r{number}"), 700 + number) }).collect();
    record(&store, &again);
    check(&store, &[new, again].concat(), "after old names came again");
}

fn who_writes_at_any_moment_of_a_sweep_loses_nothing(engine: Engine) {
    let url = servers::empty_database(engine);
    let open = || Database::open(&url, Options { create: true, ..Options::default() }).unwrap();
    schema::sync(&open()).unwrap();
    // One remembers everything, one only what it has written itself, and one has not written yet each time.
    let (sweeper, warm) = (Store::new(open()), Store::new(open()));
    let number = Cell::new(0);
    let some = |at: i64| -> Vec<One> {
        (0..4)
            .map(|place| {
                let next = number.get();
                number.set(next + 1);
                sample(next, at, &format!("r{place}"), place)
            })
            .collect()
    };
    for moment in 0..9 {
        // Nothing that was written before this sweep outlives it, so that everything may go.
        record(&warm, &some(OLD));
        let cold = Store::new(open());
        sweeper.expire_samples(|_| Some(Timestamp(NEW + 1000 * DAY)), || false).unwrap();
        let (looks, written) = (Cell::new(0), RefCell::new(Vec::new()));
        let look = || {
            if looks.replace(looks.get() + 1) == moment {
                for writer in [&warm, &cold] {
                    let new = some(NEW);
                    record(writer, &new);
                    written.borrow_mut().extend(new);
                }
            }
            false
        };
        sweeper.sweep(look).unwrap();
        assert!(looks.get() > moment || moment > 5, "a sweep looks {} times whether to stop", looks.get());
        check(&sweeper, &written.borrow(), &format!("moment {moment}"));
    }
}

fn many_who_write_beside_sweeps_lose_nothing(engine: Engine) {
    let url = servers::empty_database(engine);
    let open = || Store::new(Database::open(&url, Options { create: true, ..Options::default() }).unwrap());
    schema::sync(open().database()).unwrap();
    let done = AtomicBool::new(false);
    let new = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let open = &open;
                scope.spawn(move || {
                    let store = open();
                    let mut kept = Vec::new();
                    for round in 0..40 {
                        let start = (writer * 1000 + round) * 10;
                        let one = |place: i64| {
                            let at = if place < 6 { OLD } else { NEW };
                            sample(start + place, at, &format!("r{}", (start + place) % 7), (round + place) % 5)
                        };
                        let batch: Vec<One> = (0..8).map(one).collect();
                        record(&store, &batch);
                        kept.extend(batch.into_iter().skip(6));
                    }
                    kept
                })
            })
            .collect();
        let sweeper = open();
        let done = &done;
        let sweeping = scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                expire(&sweeper);
                sweeper.sweep(|| false).unwrap();
            }
        });
        let ends: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        // Before anything else, or a writer that failed would leave the sweeper at work for ever.
        done.store(true, Ordering::Relaxed);
        sweeping.join().unwrap();
        ends.into_iter().flat_map(|end| end.expect("a writer")).collect::<Vec<One>>()
    });
    let store = open();
    expire(&store);
    store.sweep(|| false).unwrap();
    check(&store, &new, "at the end");
    let metadata: std::collections::BTreeSet<String> = new.iter().map(|one| one.metadata.to_string()).collect();
    assert_eq!(rows(&store, "telemetry_metadata"), metadata.len() as i64);
}

#[test]
fn a_sweep_that_was_killed_is_done_by_the_next_one() {
    for fault in ["telemetry.sweep.begun", "telemetry.sweep.before_commit", "telemetry.sweep.before_commit:3"] {
        let folder = servers::scratch_folder("sweep");
        let url = format!("sqlite:///{}", folder.join("telemetry.sqlite").display());
        let store = Store::new(Database::open(&url, Options { create: true, ..Options::default() }).unwrap());
        schema::sync(store.database()).unwrap();
        record(&store, &(0..30).map(|number| sample(number, OLD, &format!("r{number}"), number)).collect::<Vec<_>>());
        let config = folder.join("hearth.conf");
        let lines = format!(
            "[DEFAULT]\nstate_path = {}\n[database]\nmetering_time_to_live = 86400\n[hearth_telemetry]\nconnection = {url}\n",
            folder.display()
        );
        std::fs::write(&config, lines).unwrap();
        let run = |fault: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
            command.arg("--config-file").arg(&config).args(["telemetry", "expire"]);
            command.env(hearth::service::fault::VARIABLE, fault).output().unwrap()
        };
        assert!(!run(fault).status.success(), "{fault}");
        // What was old is used again before the next one comes.
        let again: Vec<One> =
            (30..40).map(|number| sample(number, now(), &format!("r{number}"), number - 30)).collect();
        record(&store, &again);
        let output = run("none");
        assert!(output.status.success(), "{output:?}");
        check(&store, &again, fault);
        assert_eq!((rows(&store, "telemetry_metadata"), rows(&store, "telemetry_resource")), (10, 10), "{fault}");
        assert_eq!((rows(&store, "telemetry_touched"), rows(&store, "telemetry_epoch")), (0, 1), "{fault}");
        std::fs::remove_dir_all(&folder).unwrap();
        crash_stories::tell("killed", fault);
    }
}

fn now() -> i64 {
    Timestamp::now().0
}
