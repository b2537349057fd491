//! What is too old goes, and all answers are those of what is left.

use std::collections::BTreeSet;

use hearth::config::Config;
use hearth::database::Engine;
use hearth::telemetry::model::{Event, EventFilter, Filter};
use hearth::telemetry::retention::{Gone, Retention};
use hearth::telemetry::store::Store;
use hearth::time::Timestamp;
use serde_json::json;

use crate::reference::{self, BEGIN, One, Plain, Random};
use crate::scratch::{on_every_engine, store};
use crate::service::{MEMBER, Services};

const DAY: i64 = 24 * 3_600_000_000;

on_every_engine! {
    answers_are_those_of_the_samples_that_are_left,
    events_before_an_instant_go_with_their_traits,
    history_of_alarms_goes_by_its_age_and_in_steps,
}

fn answers_are_those_of_the_samples_that_are_left(engine: Engine) {
    let mut random = Random(0x5DEE_CE66_D1CE_CAFE);
    let store = store(engine);
    let mut left: Vec<One> = Vec::new();
    for round in 0..4_i64 {
        let new: Vec<One> = (0..150).map(|number| reference::sample(&mut random, round * 150 + number)).collect();
        // What went and comes again is stored again, as it is too old for anybody to know.
        let known: BTreeSet<String> = left.iter().map(|one| one.id.clone()).collect();
        let mut seen = known.clone();
        left.extend(new.iter().filter(|one| seen.insert(one.id.clone())).cloned());
        store.record(reference::batch(&new, BEGIN + round)).unwrap();
        let limit = BEGIN + round * 4 * DAY + DAY / 3;
        let (cpu, others) = (limit / DAY * DAY, (limit - 2 * DAY) / DAY * DAY);
        let before = |meter: &str| Some(Timestamp(if meter == "cpu" { limit } else { limit - 2 * DAY }));
        let count = left.len();
        left.retain(|one| one.at >= if one.meter.name == "cpu" { cpu } else { others });
        assert_eq!(store.expire_samples(|_| None, || false).unwrap(), 0);
        assert_eq!(store.expire_samples(before, || true).unwrap(), 0, "it was told to stop");
        assert_eq!(store.expire_samples(before, || false).unwrap(), (count - left.len()) as u64);
        assert_eq!(store.expire_samples(before, || false).unwrap(), 0);
        for _ in 0..40 {
            let question = reference::question(&mut random);
            let found = store.statistics(&question).unwrap();
            let found: Vec<Plain> = found.into_iter().map(Plain::from).collect();
            assert_eq!(found, reference::statistics(&left, &question), "{question:#?}");
        }
        let found = store.samples(&Filter::default(), 10_000).unwrap();
        assert_eq!(found.len(), left.len());
        let size = store.size().unwrap();
        assert_eq!(size.samples, left.len() as u64);
        assert!(size.bytes > 0, "{size:?}");
        let resources = store.resources(&Filter::default(), true, 1000).unwrap();
        for resource in &resources {
            let own: Vec<&One> = left.iter().filter(|one| one.resource == resource.resource_id).collect();
            let times: BTreeSet<i64> = own.iter().map(|one| one.at).collect();
            assert_eq!(Some(&resource.first_sample.0), times.first(), "{}", resource.resource_id);
            assert_eq!(Some(&resource.last_sample.0), times.last(), "{}", resource.resource_id);
        }
        let names: BTreeSet<&str> = left.iter().map(|one| one.resource.as_str()).collect();
        assert_eq!(resources.len(), names.len());
    }
    assert!(!left.is_empty() && left.len() < 500, "{} are left", left.len());
}

fn events_before_an_instant_go_with_their_traits(engine: Engine) {
    let store = store(engine);
    let events: Vec<Event> = (0..1203)
        .map(crate::events::event)
        .map(|mut event| {
            event.generated = Timestamp(event.generated.0 + 1_000_000_000);
            event
        })
        .collect();
    store.record_events(&events).unwrap();
    let now = Timestamp(events[600].generated.0 + 1000 * 1_000_000);
    let keep = Config::from_text("").unwrap();
    let none = Retention::of(&keep).unwrap().expire(&store, now, || false).unwrap();
    assert_eq!(none, Gone::default());
    let config = Config::from_text("[database]\nevent_time_to_live = 1000").unwrap();
    let gone = Retention::of(&config).unwrap().expire(&store, now, || false).unwrap();
    let old = events.iter().filter(|event| event.generated < events[600].generated).count();
    assert_eq!((gone.samples, gone.events), (0, old as u64));
    let left = store.events(&EventFilter::default(), 10_000).unwrap();
    assert_eq!(left.len(), events.len() - old);
    assert!(left.iter().all(|event| event.generated >= events[600].generated && !event.traits.is_empty()));
    let rows = |table: &str| {
        let count = format!("SELECT count(*) FROM {table}");
        store.database().read(|connection| connection.row(&count, &[], |row| row.int(0))).unwrap().unwrap()
    };
    assert_eq!(rows("telemetry_event_real"), left.len() as i64);
    assert_eq!(rows("telemetry_event_number"), 2 * left.len() as i64);
}

fn history_of_alarms_goes_by_its_age_and_in_steps(engine: Engine) {
    let services = Services::on(engine, "");
    let alarm = |name: String| json!({"name": name, "type": "event", "event_rule": {}});
    let make = |name: String| {
        let made = services.post(MEMBER, "/alarming/v2/alarms", &alarm(name));
        assert_eq!(made.status, 201, "{}", made.text);
        made.json["alarm_id"].as_str().unwrap().to_owned()
    };
    let ids: Vec<String> = (0..3).map(|number| make(number.to_string())).collect();
    let json = [("Content-Type", "application/json")];
    let state = |id: &str, state: &str| {
        let url = format!("/alarming/v2/alarms/{id}/state");
        assert_eq!(services.send("PUT", &url, MEMBER, &json, Some(format!("\"{state}\"").as_bytes())).status, 200);
    };
    for round in 0..80 {
        ids.iter().for_each(|id| state(id, if round % 2 == 0 { "ok" } else { "alarm" }));
    }
    let middle = Timestamp::now();
    state(&ids[0], "ok");
    let store = Store::new(services.database.clone());
    let expire = |lines: &str, now: Timestamp| {
        let config = Config::from_text(&format!("[database]\n{lines}")).unwrap();
        Retention::of(&config).unwrap().expire(&store, now, || false).unwrap().history
    };
    let later = middle.plus_seconds(1000);
    assert_eq!(expire("alarm_history_time_to_live = 0", later), 0);
    assert_eq!(expire("alarm_history_time_to_live = 2000", later), 0);
    let some = "alarm_history_time_to_live = 1000\nalarm_histories_delete_batch_size = 130";
    assert_eq!(expire(some, later), 130);
    assert_eq!(expire("alarm_history_time_to_live = 1000", later), 3 + 240 - 130);
    let left = |id: &str| services.get(MEMBER, &format!("/alarming/v2/alarms/{id}/history")).json;
    assert_eq!(left(&ids[0]).as_array().unwrap().len(), 1);
    assert_eq!((left(&ids[1]), left(&ids[2])), (json!([]), json!([])));
    assert_eq!(services.get(MEMBER, "/alarming/v2/alarms").json.as_array().unwrap().len(), 3);
}
