//! The store, beside the plain model of it.

use hearth::database::{Database, Engine, Options};
use hearth::telemetry::model::{Filter, MessageId};
use hearth::telemetry::store::{Store, schema};
use hearth::time::Timestamp;

use crate::reference::{self, BEGIN, One, Plain, Random};
use crate::scratch::{on_every_engine, store};
use crate::servers;

on_every_engine! {
    statistics_equal_those_of_raw_samples,
    samples_come_newest_first_and_whole,
    meters_and_resources_show_their_newest_sample,
    who_asks_follows_what_another_process_stores_and_removes,
    a_batch_is_stored_whole_or_not_at_all_by_many_threads_at_once,
    an_answer_with_too_many_rows_is_refused_and_a_sparse_one_is_given_at_once,
    a_database_from_before_eras_is_brought_up_and_keeps_each_id_once,
}

/// The numbers of `most` that a test tries: fewer where each statement goes to a server.
fn seeds(engine: Engine, most: u64) -> std::ops::RangeInclusive<u64> {
    1..=if engine == Engine::Sqlite { most } else { most.div_ceil(4) }
}

/// Batches of samples: late ones, early ones, and some that come again.
fn batches(random: &mut Random, count: i64) -> Vec<Vec<One>> {
    let mut all: Vec<One> = Vec::new();
    let mut batches = Vec::new();
    let mut number = 0;
    while number < count {
        let mut batch: Vec<One> = Vec::new();
        for _ in 0..=random.below(40) {
            if !all.is_empty() && random.chance(20) {
                batch.push(random.pick(&all));
            } else {
                let one = reference::sample(random, number);
                all.push(one.clone());
                batch.push(one);
                number += 1;
            }
        }
        batches.push(batch);
    }
    batches
}

/// What is stored of batches: each id once, the first time.
fn stored(batches: &[Vec<One>]) -> Vec<One> {
    let mut ids = std::collections::HashSet::new();
    batches.iter().flatten().filter(|one| ids.insert(one.id.clone())).cloned().collect()
}

fn statistics_equal_those_of_raw_samples(engine: Engine) {
    for seed in seeds(engine, 12) {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let store = store(engine);
        let batches = batches(&mut random, 700);
        let mut done = Vec::new();
        for (at, batch) in batches.iter().enumerate() {
            let before = stored(&done).len();
            done.push(batch.clone());
            let recorded = store.record(reference::batch(batch, BEGIN + at as i64)).unwrap();
            assert_eq!(recorded.stored, stored(&done).len() - before);
            if at % 7 == 0 {
                compare(&mut random, &store, &stored(&done), 4);
            }
        }
        compare(&mut random, &store, &stored(&done), 150);
    }
}

fn compare(random: &mut Random, store: &Store, samples: &[One], questions: usize) {
    for _ in 0..questions {
        let question = reference::question(random);
        let expected = reference::statistics(samples, &question);
        let found = store.statistics(&question).unwrap();
        let found: Vec<Plain> = found.into_iter().map(Plain::from).collect();
        assert_eq!(found, expected, "{question:#?}");
    }
}

fn samples_come_newest_first_and_whole(engine: Engine) {
    for seed in seeds(engine, 6) {
        let mut random = Random(seed.wrapping_mul(0x1234_5678_9ABC_DEF1));
        let store = store(engine);
        let batches = batches(&mut random, 400);
        for (at, batch) in batches.iter().enumerate() {
            store.record(reference::batch(batch, BEGIN + at as i64 * 1000)).unwrap();
        }
        let samples = stored(&batches);
        for _ in 0..120 {
            let mut filter = reference::question(&mut random).filter;
            if random.chance(2) {
                filter.meter = None;
            }
            if random.chance(10) {
                filter.message_id = Some(random.pick(&samples).id);
            }
            let limit = usize::try_from(random.pick(&[1, 5, 100, 1000])).unwrap();
            let mut expected: Vec<&One> = samples.iter().filter(|one| reference::means(&filter, one)).collect();
            expected.sort_by_key(|one| std::cmp::Reverse(one.at));
            let times: Vec<i64> = expected.iter().map(|one| one.at).take(limit).collect();
            let found = store.samples(&filter, limit).unwrap();
            assert_eq!(found.iter().map(|sample| sample.timestamp.0).collect::<Vec<_>>(), times, "{limit} {filter:#?}");
            for sample in found {
                let one = expected.iter().find(|one| one.id == sample.id).expect("a sample that is meant");
                assert_eq!(
                    (&sample.meter, &sample.resource_id, &sample.owner),
                    (&one.meter, &one.resource, &one.owner)
                );
                assert_eq!((sample.timestamp.0, sample.volume), (one.at, one.volume()));
                assert_eq!(sample.metadata, one.metadata.to_string());
            }
        }
    }
}

fn meters_and_resources_show_their_newest_sample(engine: Engine) {
    for seed in seeds(engine, 6) {
        let mut random = Random(seed.wrapping_mul(0x0F0F_1234_5678_9ABD));
        let store = store(engine);
        let batches = batches(&mut random, 300);
        for (at, batch) in batches.iter().enumerate() {
            store.record(reference::batch(batch, BEGIN + at as i64 * 1000)).unwrap();
        }
        let samples = stored(&batches);
        for _ in 0..60 {
            let mut filter = reference::question(&mut random).filter;
            filter.meter = None;
            resources(&store, &samples, &filter);
            (filter.from, filter.until) = (None, None);
            filter.metadata.clear();
            let meant: Vec<&One> = samples.iter().filter(|one| reference::means(&filter, one)).collect();
            let mut keys: Vec<_> = meant.iter().map(|one| (&one.resource, &one.meter.name, &one.meter.unit)).collect();
            keys.sort_unstable();
            keys.dedup();
            let found = store.meters(&filter, false, 1000).unwrap();
            let mut names: Vec<_> = found
                .iter()
                .map(|state| (state.resource_id.as_ref().unwrap(), &state.meter.name, &state.meter.unit))
                .collect();
            names.sort_unstable();
            assert_eq!(names, keys);
            for state in &found {
                let of = |one: &&&One| Some(&one.resource) == state.resource_id.as_ref() && one.meter == state.meter;
                let newest = meant.iter().filter(of).map(|one| one.at).max();
                let owners = meant.iter().filter(of).filter(|one| Some(one.at) == newest).map(|one| &one.owner);
                assert!(owners.into_iter().any(|owner| Some(owner) == state.owner.as_ref()));
            }
            assert_eq!(store.meters(&filter, false, 2).unwrap(), found[..found.len().min(2)]);
            let unique = store.meters(&filter, true, 1000).unwrap();
            let mut meters: Vec<_> = meant.iter().map(|one| &one.meter).collect();
            meters.sort_by_key(|meter| (&meter.name, &meter.unit));
            meters.dedup();
            assert_eq!(unique.len(), meters.len());
            assert!(unique.iter().all(|state| state.resource_id.is_none() && meters.contains(&&state.meter)));
        }
    }
}

fn who_asks_follows_what_another_process_stores_and_removes(engine: Engine) {
    let url = servers::empty_database(engine);
    let open = || Database::open(&url, Options { create: true, ..Options::default() }).unwrap();
    schema::sync(&open()).unwrap();
    let (writer, reader) = (Store::new(open()), Store::new(open()));
    // The same names come again each time, under other numbers.
    for round in 1..=3 {
        let mut random = Random(round);
        let batches = batches(&mut random, 150);
        for (at, batch) in batches.iter().enumerate() {
            writer.record(reference::batch(batch, BEGIN)).unwrap();
            if at % 3 == 0 {
                compare(&mut random, &reader, &stored(&batches[..=at]), 8);
            }
        }
        let samples = stored(&batches);
        resources(&reader, &samples, &Filter::default());
        let listed = reader.samples(&Filter::default(), 1000).unwrap();
        assert_eq!(listed.len(), samples.len());
        for sample in listed {
            let one = samples.iter().find(|one| one.id == sample.id).expect("a sample that was stored");
            assert_eq!((sample.resource_id, sample.metadata), (one.resource.clone(), one.metadata.to_string()));
        }
        let end = Timestamp(BEGIN + 400 * 24 * 3_600_000_000);
        writer.expire_samples(|_| Some(end), || false).unwrap();
        assert!(writer.sweep(|| false).unwrap() > 0);
        compare(&mut random, &reader, &[], 8);
        assert_eq!(reader.samples(&Filter::default(), 10).unwrap(), []);
        assert_eq!(reader.resources(&Filter::default(), true, 10).unwrap(), []);
        assert_eq!(reader.meters(&Filter::default(), false, 10).unwrap(), []);
    }
}

/// Metadata as they are stored.
fn metadata_of(one: &One) -> String {
    one.metadata.to_string()
}

fn resources(store: &Store, samples: &[One], filter: &Filter) {
    let meant: Vec<&One> = samples.iter().filter(|one| reference::means(filter, one)).collect();
    let mut ids: Vec<&String> = meant.iter().map(|one| &one.resource).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found = store.resources(filter, true, 1000).unwrap();
    found.sort_by(|a, b| a.resource_id.cmp(&b.resource_id));
    assert_eq!(found.iter().map(|state| &state.resource_id).collect::<Vec<_>>(), ids, "{filter:#?}");
    for state in found {
        let of: Vec<&&One> = meant.iter().filter(|one| one.resource == state.resource_id).collect();
        let (first, last) = (of.iter().map(|one| one.at).min(), of.iter().map(|one| one.at).max());
        assert_eq!((Some(state.first_sample.0), Some(state.last_sample.0)), (first, last), "{filter:#?}");
        let newest = of.iter().filter(|one| Some(one.at) == last);
        let shown = |one: &&&One| one.owner == state.owner && metadata_of(one) == state.metadata;
        assert!(newest.into_iter().any(shown), "{filter:#?} {state:#?}");
        let mine = |one: &&One| {
            let project = filter.project_id.as_ref().is_none_or(|id| *id == one.owner.project_id);
            project && one.resource == state.resource_id
        };
        let mut meters: Vec<&String> = samples.iter().filter(mine).map(|one| &one.meter.name).collect();
        meters.sort_unstable();
        meters.dedup();
        assert_eq!(state.meters.iter().collect::<Vec<_>>(), meters);
    }
}

fn a_batch_is_stored_whole_or_not_at_all_by_many_threads_at_once(engine: Engine) {
    let store = store(engine);
    let mut random = Random(77);
    let batches = batches(&mut random, 1500);
    let store = &store;
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let batches = &batches;
            scope.spawn(move || {
                for batch in batches.iter().skip(worker).step_by(8) {
                    store.record(reference::batch(batch, BEGIN)).unwrap();
                    let newest = batch.iter().max_by_key(|one| one.at).unwrap();
                    let filter = Filter { message_id: Some(newest.id.clone()), ..Filter::default() };
                    assert_eq!(store.samples(&filter, 1).unwrap().len(), 1, "acknowledged means stored");
                }
            });
        }
    });
    // Of samples with one id any may have come first: all of them are alike.
    let samples = stored(&batches);
    for _ in 0..150 {
        let question = reference::question(&mut random);
        let found: Vec<Plain> = store.statistics(&question).unwrap().into_iter().map(Plain::from).collect();
        assert_eq!(found, reference::statistics(&samples, &question), "{question:#?}");
    }
}

fn an_answer_with_too_many_rows_is_refused_and_a_sparse_one_is_given_at_once(engine: Engine) {
    let store = store(engine);
    let mut random = Random(5);
    let mut one = reference::sample(&mut random, 0);
    let mut other = one.clone();
    (one.at, other.at) = (1_000_000, 1_000_000 + 13 * 365 * 86_400 * 1_000_000);
    other.id = MessageId::clock_text(1, i64::MIN);
    store.record(reference::batch(&[one.clone(), other.clone()], BEGIN)).unwrap();
    let mut question = reference::question(&mut Random(3));
    question.filter = Filter { meter: Some(one.meter.name.clone()), ..Filter::default() };
    (question.period, question.groupings) = (Some(600), Vec::new());
    let found = store.statistics(&question).unwrap();
    assert_eq!(found.iter().map(|row| row.moments.count).collect::<Vec<_>>(), [1, 1]);
    question.most = 1;
    assert_eq!(store.statistics(&question).unwrap_err().kind(), hearth::Kind::Invalid);
    question.filter.until = Some(Timestamp(2_000_000));
    assert_eq!(store.statistics(&question).unwrap().len(), 1);
}

fn a_database_from_before_eras_is_brought_up_and_keeps_each_id_once(engine: Engine) {
    let store = store(engine);
    // What the release before left: no clocks, and a node whose samples keep whole clocks.
    for (statement, values) in [
        ("DROP TABLE telemetry_clock", vec![]),
        ("UPDATE hearth_schema SET version = 4 WHERE component = 'telemetry'", vec![]),
        ("INSERT INTO telemetry_origin (node) VALUES (?)", vec![i64::MIN.into()]),
    ] {
        store.database().write(|tx| tx.execute(statement, &values)).unwrap();
    }
    assert_eq!(store.database().read(schema::require).unwrap_err().kind(), hearth::Kind::Conflict);
    schema::sync(store.database()).unwrap();
    store.database().read(schema::require).unwrap();
    let batches = batches(&mut Random(9), 300);
    for _ in 0..2 {
        for batch in &batches {
            store.record(reference::batch(batch, BEGIN)).unwrap();
        }
    }
    let samples = stored(&batches);
    let all = store.samples(&Filter::default(), 1_000).unwrap();
    let sorted = |mut ids: Vec<String>| {
        ids.sort_unstable();
        ids
    };
    let ids = |samples: &[One]| sorted(samples.iter().map(|one| one.id.clone()).collect());
    assert_eq!(sorted(all.into_iter().map(|sample| sample.id).collect()), ids(&samples));
    for one in samples.iter().take(60) {
        let filter = Filter { message_id: Some(one.id.clone()), ..Filter::default() };
        let found = store.samples(&filter, 2).unwrap();
        assert_eq!(
            found.iter().map(|sample| (&sample.id, sample.timestamp.0)).collect::<Vec<_>>(),
            [(&one.id, one.at)]
        );
    }
    for form in ["origin > 0", "origin < 0 AND origin > -4611686018427387904"] {
        let count = format!("SELECT COUNT(*) FROM telemetry_sample WHERE {form}");
        let count = store.database().read(|connection| connection.row(&count, &[], |row| row.int(0))).unwrap();
        assert!(count > Some(20), "{form}: {count:?}");
    }
}
