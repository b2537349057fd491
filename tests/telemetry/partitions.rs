//! Samples in partitions by months, on PostgreSQL: they come ahead, take what lies elsewhere, and go when they are empty, and every
//! answer stays that of the samples that are there.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use hearth::database::{Database, Engine, Options};
use hearth::telemetry::model::{Filter, Question};
use hearth::telemetry::store::{Kept, Patience, PutOff, Store, schema};
use hearth::time::Timestamp;

use crate::crash_stories;
use crate::reference::{self, BEGIN, One, Plain, Random};
use crate::{scratch, servers};

const DAY: i64 = 24 * 3_600_000_000;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

/// A store without partitions, as `hearth db sync` of new tables leaves it before it makes some.
fn bare() -> Store {
    let store = Store::new(scratch::database(Engine::Postgres));
    schema::sync(store.database()).unwrap();
    store
}

fn keep(store: &Store, now: Timestamp) -> Vec<String> {
    let Kept { made, put_off } = store.keep_partitions(now, Patience::Short).unwrap();
    assert_eq!(put_off, None);
    made.into_iter().map(short).collect()
}

fn short(name: String) -> String {
    name.strip_prefix("telemetry_sample_").expect("a partition of samples").to_owned()
}

/// The partitions as they are, the oldest first.
fn partitions(store: &Store) -> Vec<String> {
    let (all, _) = store.partitions().unwrap().expect("an engine with partitions");
    assert!(all.windows(2).all(|pair| pair[0].until == pair[1].from), "no gaps: {all:?}");
    all.into_iter().map(|partition| short(partition.name)).collect()
}

fn number(store: &Store, sql: &str) -> i64 {
    store.database().read(|connection| connection.row(sql, &[], |row| row.int(0))).unwrap().unwrap()
}

fn run(store: &Store, sql: &str) {
    store.database().write(|tx| tx.execute(sql, &[])).unwrap();
}

/// The number of samples in one partition, or in the rest.
fn rows(store: &Store, partition: &str) -> i64 {
    number(store, &format!("SELECT COUNT(*) FROM telemetry_sample_{partition}"))
}

/// A sample of some months instead of some weeks.
fn sample(random: &mut Random, number: i64) -> One {
    let one = reference::sample(random, number);
    One { at: BEGIN + (one.at - BEGIN) * 7, ..one }
}

fn answers(random: &mut Random, store: &Store, left: &[One], count: usize) {
    for _ in 0..count {
        let question = reference::question(random);
        let found: Vec<Plain> = store.statistics(&question).unwrap().into_iter().map(Plain::from).collect();
        assert_eq!(found, reference::statistics(left, &question), "{question:#?}");
    }
    let mut found: Vec<String> =
        store.samples(&Filter::default(), 10_000).unwrap().into_iter().map(|sample| sample.id).collect();
    let mut wanted: Vec<String> = left.iter().map(|one| one.id.clone()).collect();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}

#[test]
fn partitions_are_made_for_the_months_to_come_and_one_for_what_is_older() {
    let store = bare();
    assert_eq!(keep(&store, at("2026-12-31T23:59:59.999999")), ["until_2026_12", "2026_12", "2027_01", "2027_02"]);
    assert_eq!(keep(&store, at("2026-12-31T23:59:59.999999")), [""; 0]);
    assert_eq!(keep(&store, at("2027-01-01")), ["2027_03"]);
    assert_eq!(partitions(&store), ["until_2026_12", "2026_12", "2027_01", "2027_02", "2027_03"]);
    let edge = at("2027-01-01").0;
    let mut random = Random(7);
    let times = [edge - 1, edge, 0, at("9000-01-01").0, at("2027-03-31").0];
    let all: Vec<One> =
        (0..).zip(times).map(|(number, at)| One { at, ..reference::sample(&mut random, number) }).collect();
    assert_eq!(store.record(reference::batch(&all, BEGIN)).unwrap().stored, 5);
    let counts =
        ["until_2026_12", "2026_12", "2027_01", "2027_02", "2027_03", "default"].map(|name| rows(&store, name));
    assert_eq!(counts, [1, 1, 1, 0, 1, 1]);
    assert_eq!(store.size().unwrap().samples, 5);
    // After a year in which nobody made any, what lies between has one.
    assert_eq!(keep(&store, at("2028-06-15")), ["until_2028_06", "2028_06", "2028_07", "2028_08"]);
    assert_eq!(partitions(&store).len(), 9);
    answers(&mut random, &store, &all, 30);
}

#[test]
fn a_table_from_before_partitions_stays_where_it_is_beside_those_who_use_it() {
    let store = bare();
    run(&store, "DROP TABLE telemetry_sample");
    run(
        &store,
        "CREATE TABLE telemetry_sample (series BIGINT NOT NULL, at BIGINT NOT NULL, tick BIGINT NOT NULL, \
         origin BIGINT NOT NULL, volume DOUBLE PRECISION NOT NULL, delay BIGINT NOT NULL, metadata BIGINT NOT NULL, \
         PRIMARY KEY (series, at, tick, origin), UNIQUE (tick, origin))",
    );
    run(&store, "UPDATE hearth_schema SET version = 5 WHERE component = 'telemetry'");
    let mut random = Random(11);
    let all: Vec<One> = (0..200).map(|number| sample(&mut random, number)).collect();
    let far = One { id: "far".into(), at: at("9000-01-01").0, ..all[0].clone() };
    let first: Vec<One> = all[..150].iter().chain([&far]).cloned().collect();
    store.record(reference::batch(&first, BEGIN)).unwrap();
    answers(&mut random, &store, &first, 10);
    let file = "SELECT CAST(pg_relation_filenode(c.oid) AS BIGINT) FROM pg_class c WHERE c.relname = ";
    let before = number(&store, &format!("{file}'telemetry_sample'"));
    // Another process brings the tables up while this one has its statements prepared.
    let other = Store::new(store.database().clone());
    schema::sync(other.database()).unwrap();
    answers(&mut random, &store, &first, 10);
    assert_eq!(number(&store, &format!("{file}'telemetry_sample_default'")), before);
    let now = at("2015-03-10");
    let kept = other.keep_partitions(now, Patience::Long).unwrap().made;
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert_eq!(partitions(&store), ["until_2015_03", "2015_03", "2015_04", "2015_05"]);
    assert_eq!(number(&store, &format!("{file}'telemetry_sample_until_2015_03'")), before);
    assert_eq!(rows(&store, "default"), 1);
    assert_eq!(rows(&store, "until_2015_03"), first.iter().filter(|one| one.at < at("2015-03-01").0).count() as i64);
    // Whatever has moved is known when it comes again.
    assert_eq!(store.record(reference::batch(&first, BEGIN)).unwrap().stored, 0);
    store.record(reference::batch(&all, BEGIN)).unwrap();
    let whole: Vec<One> = all.iter().chain([&far]).cloned().collect();
    answers(&mut random, &store, &whole, 60);
    schema::sync(store.database()).unwrap();
}

#[test]
fn many_samples_of_a_month_without_a_partition_are_given_one_where_they_lie() {
    let fill = |store: &Store, from: Timestamp, count: i64, tick: i64| {
        run(
            store,
            &format!(
                "INSERT INTO telemetry_sample (series, at, tick, origin, volume, delay, metadata) \
                 SELECT 1, {} + g, {tick} + g, 1, 0, 0, 0 FROM generate_series(1, {count}) AS g",
                from.0
            ),
        );
    };
    let store = bare();
    keep(&store, at("2026-01-01"));
    // Nobody made partitions for some months.
    fill(&store, at("2026-04-01"), 20_000, 0);
    fill(&store, at("2026-05-10"), 20_000, 100_000);
    fill(&store, at("2026-06-10"), 30, 200_000);
    assert_eq!(keep(&store, at("2026-05-20")), ["until_2026_06", "2026_06", "2026_07"]);
    assert_eq!(partitions(&store).len(), 7);
    assert_eq!((rows(&store, "until_2026_06"), rows(&store, "2026_06"), rows(&store, "default")), (40_000, 30, 0));
    // What is of no month to come is not moved while others wait.
    fill(&store, at("2999-01-01"), 10_001, 300_000);
    fill(&store, at("2026-08-01"), 10_001, 400_000);
    let kept = store.keep_partitions(at("2026-06-01"), Patience::Short).unwrap();
    assert_eq!((kept.made.len(), kept.put_off), (0, Some(PutOff::TooMany)));
    let kept = store.keep_partitions(at("2026-06-01"), Patience::Long).unwrap();
    assert_eq!((kept.made.into_iter().map(short).collect::<Vec<_>>(), kept.put_off), (vec!["2026_08".into()], None));
    assert_eq!((rows(&store, "2026_08"), rows(&store, "default")), (10_001, 10_001));
}

#[test]
fn answers_stay_those_of_the_samples_while_partitions_come_and_go() {
    for seed in 1..=2_u64 {
        let mut random = Random(seed.wrapping_mul(0x5DEE_CE66_D1CE_CAFE));
        let store = bare();
        let mut left: Vec<One> = Vec::new();
        let mut given = BTreeSet::new();
        for round in 0..6_i64 {
            let new: Vec<One> = (0..120).map(|number| sample(&mut random, round * 120 + number)).collect();
            let mut seen: BTreeSet<String> = left.iter().map(|one| one.id.clone()).collect();
            left.extend(new.iter().filter(|one| seen.insert(one.id.clone())).cloned());
            store.record(reference::batch(&new, BEGIN + round)).unwrap();
            // Some come again, after they may have been moved.
            let again: Vec<One> = left.iter().filter(|_| random.chance(5)).cloned().collect();
            let now = Timestamp(BEGIN + round * 30 * DAY);
            keep(&store, now);
            assert_eq!(store.record(reference::batch(&again, BEGIN)).unwrap().stored, 0);
            let limit = Timestamp(now.0 - 20 * DAY);
            store.expire_samples(|meter| (meter == "cpu" || round > 3).then_some(limit), || false).unwrap();
            let end = limit.0.div_euclid(DAY) * DAY;
            left.retain(|one| !(one.meter.name == "cpu" || round > 3) || one.at >= end);
            answers(&mut random, &store, &left, 20);
            given.extend(store.drop_partitions(now, || false).unwrap());
            answers(&mut random, &store, &left, 20);
            // As if all of it had been there when hours were made of the others.
            partitions(&store);
        }
        assert!(given.len() > 2, "{given:?}");
    }
}

#[test]
fn an_empty_partition_goes_with_its_room_and_one_amid_others_keeps_its_place() {
    let store = bare();
    keep(&store, at("2015-01-15"));
    keep(&store, at("2015-03-15"));
    let mut random = Random(3);
    let one = |random: &mut Random, number: i64, time: Timestamp, meter: usize| {
        let mut one = reference::sample(random, number);
        one.meter.name = format!("m{meter}");
        One { at: time.0, ..one }
    };
    let kept = one(&mut random, 1, at("2015-01-20"), 1);
    // Enough for a file that is worth it.
    let many: Vec<One> = (2..9_000).map(|number| one(&mut random, number, at("2015-02-20"), 0)).collect();
    store.record(reference::batch(std::slice::from_ref(&kept), BEGIN)).unwrap();
    for chunk in many.chunks(3_000) {
        store.record(reference::batch(chunk, BEGIN)).unwrap();
    }
    let bytes = |name: &str| {
        let (all, _) = store.partitions().unwrap().unwrap();
        all.into_iter().find(|partition| partition.name.ends_with(name)).expect("a partition").bytes
    };
    assert!(bytes("2015_02") > 1 << 20, "{}", bytes("2015_02"));
    let expire = |meter: &str| {
        let limit = Some(at("2015-03-01"));
        store.expire_samples(|name| limit.filter(|_| name == meter), || false).unwrap()
    };
    let now = at("2015-04-15");
    let drop = || store.drop_partitions(now, || false).unwrap();
    assert_eq!(expire("m0"), 8_998);
    // The first one has nothing; the second has a sample that stays.
    assert_eq!(drop(), ["telemetry_sample_2015_02"]);
    assert!(bytes("2015_02") < 100_000, "{}", bytes("2015_02"));
    assert_eq!(partitions(&store), ["until_2015_01", "2015_01", "2015_02", "2015_03", "2015_04", "2015_05"]);
    assert_eq!(store.samples(&Filter::default(), 10).unwrap().len(), 1);
    assert_eq!(expire("m1"), 1);
    assert_eq!(drop().len(), 3);
    assert_eq!(partitions(&store), ["until_2015_04", "2015_04", "2015_05"]);
    // What is older than all that is kept has its place all the same.
    store.record(reference::batch(std::slice::from_ref(&kept), BEGIN)).unwrap();
    assert_eq!((rows(&store, "until_2015_04"), rows(&store, "default")), (1, 0));
}

#[test]
fn who_reads_sees_no_partition_come_or_go() {
    let store = bare();
    let url = url_of(&store);
    let open = || Store::new(Database::open(&url, Options::default()).unwrap());
    let mut random = Random(5);
    let all: Vec<One> = (0..50).map(|number| sample(&mut random, number)).collect();
    store.record(reference::batch(&all, BEGIN)).unwrap();
    let question = Question {
        filter: Filter { from: Some(Timestamp(BEGIN + 1)), ..Filter::default() },
        period: None,
        start: None,
        groupings: Vec::new(),
        counted: Vec::new(),
        most: 1000,
    };
    std::thread::scope(|scope| {
        let mut reader = None;
        // The reader has begun and can not go on.
        open()
            .database()
            .write(|tx| {
                tx.execute("LOCK TABLE telemetry_stream IN ACCESS EXCLUSIVE MODE", &[])?;
                reader = Some(scope.spawn(|| store.statistics(&question).unwrap()));
                let waits = "SELECT COUNT(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                             WHERE NOT l.granted AND d.datname = current_database()";
                while tx.row(waits, &[], |row| row.int(0))? != Some(1) {
                    std::thread::yield_now();
                }
                // On a thread of its own, as each has one transaction at a time.
                let keep = || open().keep_partitions(Timestamp(BEGIN), Patience::Short).unwrap();
                let kept = scope.spawn(keep).join().unwrap();
                assert_eq!(kept, Kept { made: Vec::new(), put_off: Some(PutOff::InUse) });
                Ok(())
            })
            .unwrap();
        let found: Vec<Plain> = reader.unwrap().join().unwrap().into_iter().map(Plain::from).collect();
        assert_eq!(found, reference::statistics(&all, &question));
    });
    assert_eq!(keep(&store, Timestamp(BEGIN)).len(), 4);
}

#[test]
fn an_id_is_known_in_the_partition_of_its_time() {
    let store = bare();
    let mut random = Random(23);
    let all: Vec<One> = (0..3).map(|number| One { at: BEGIN, ..sample(&mut random, number) }).collect();
    store.record(reference::batch(&all, BEGIN)).unwrap();
    keep(&store, Timestamp(BEGIN));
    assert_eq!(rows(&store, "2015_01"), 3);
    let again = |times: [i64; 2]| -> usize {
        let batch: Vec<One> = all.iter().zip(times).map(|(one, at)| One { at, ..one.clone() }).collect();
        store.record(reference::batch(&batch, BEGIN)).unwrap().stored
    };
    assert_eq!(again([BEGIN, BEGIN]), 0);
    assert_eq!(again([BEGIN + DAY, BEGIN + 2 * DAY]), 0, "in the same month with other times");
    assert_eq!(again([BEGIN, BEGIN + 40 * DAY]), 0, "one of them makes all be looked for");
    assert_eq!(again([BEGIN + 40 * DAY, BEGIN + 41 * DAY]), 2, "docs/telemetry.md says so");
    assert_eq!(again([BEGIN + 40 * DAY, BEGIN + 41 * DAY]), 0);
}

/// The URL of the store's own database.
fn url_of(store: &Store) -> String {
    let name = "SELECT current_database()";
    let name = store.database().read(|connection| connection.row(name, &[], |row| row.string(0))).unwrap();
    servers::shared(Engine::Postgres).url(&name.expect("a name"))
}

#[test]
fn many_keepers_beside_writers_and_readers_lose_nothing() {
    let first = bare();
    let url = url_of(&first);
    let open = || Store::new(Database::open(&url, Options::default()).unwrap());
    let done = AtomicBool::new(false);
    let limit = Timestamp((BEGIN + 60 * DAY).div_euclid(DAY) * DAY);
    let all = std::thread::scope(|scope| {
        let (open, done) = (&open, &done);
        let writers: Vec<_> = (0..2_i64)
            .map(|writer| {
                scope.spawn(move || {
                    let (store, mut random) = (open(), Random(0x1234_5678 + writer as u64));
                    let mut all = Vec::new();
                    for round in 0..25 {
                        let named = |number| {
                            let one = sample(&mut random, number);
                            One { id: format!("{writer}-{round}-{number}"), ..one }
                        };
                        let batch: Vec<One> = (0..15).map(named).collect();
                        assert_eq!(store.record(reference::batch(&batch, BEGIN)).unwrap().stored, 15);
                        all.extend(batch);
                    }
                    all
                })
            })
            .collect();
        let keepers: Vec<_> = (0..2_i64)
            .map(|keeper| {
                scope.spawn(move || {
                    let (store, mut round) = (open(), 0);
                    while !done.load(Ordering::Relaxed) {
                        let now = Timestamp(BEGIN + (round + keeper) % 12 * 10 * DAY);
                        store.keep_partitions(now, Patience::Short).unwrap();
                        store.expire_samples(|_| Some(limit), || false).unwrap();
                        store.drop_partitions(now, || false).unwrap();
                        round += 1;
                    }
                })
            })
            .collect();
        let reader = scope.spawn(move || {
            let store = open();
            let question = Question {
                filter: Filter::default(),
                period: Some(7 * 3600),
                start: None,
                groupings: Vec::new(),
                counted: Vec::new(),
                most: 10_000,
            };
            while !done.load(Ordering::Relaxed) {
                // In one view rollups and samples tell the same.
                store.statistics(&question).unwrap();
            }
        });
        let ends: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        // Before anything else, or a writer that failed would leave the others at work for ever.
        done.store(true, Ordering::Relaxed);
        keepers.into_iter().for_each(|keeper| keeper.join().unwrap());
        reader.join().unwrap();
        ends.into_iter().flat_map(|end| end.expect("a writer")).collect::<Vec<One>>()
    });
    first.expire_samples(|_| Some(limit), || false).unwrap();
    let left: Vec<One> = all.into_iter().filter(|one| one.at >= limit.0).collect();
    answers(&mut Random(99), &first, &left, 40);
    assert_eq!(number(&first, "SELECT COUNT(*) FROM telemetry_sample"), left.len() as i64);
}

#[test]
fn a_change_of_partitions_that_was_killed_is_done_by_the_next_one() {
    let folder = servers::scratch_folder("partitions");
    for (fault, before, after) in [
        ("telemetry.partitions.before_commit", 0, 4),
        // The oldest one is merged with the first one, once its sample has gone.
        ("telemetry.partitions.before_drop", 6, 4),
    ] {
        let store = bare();
        let url = url_of(&store);
        let now = Timestamp::now();
        if before > 0 {
            keep(&store, now.plus_seconds(-32 * 86_400));
            keep(&store, now);
        }
        let before = partitions(&store);
        let mut random = Random(17);
        let kept: Vec<One> = (0..20).map(|number| One { at: now.0 + number, ..sample(&mut random, number) }).collect();
        let old: Vec<One> =
            (20..40).map(|number| One { at: now.0 - 34 * DAY, ..sample(&mut random, number) }).collect();
        store.record(reference::batch(&[old, kept.clone()].concat(), now.0)).unwrap();
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
        // The server lets go of what a killed client held once it has noticed.
        let held = "SELECT COUNT(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                    WHERE l.locktype = 'advisory' AND d.datname = current_database()";
        while number(&store, held) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(partitions(&store), before, "{fault}");
        let output = run("none");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(partitions(&store).len(), after, "{fault}: {output:?}");
        answers(&mut random, &store, &kept, 10);
        crash_stories::tell("killed", fault);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
