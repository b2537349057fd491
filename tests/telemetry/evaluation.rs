//! Evaluators on every engine: what samples, other alarms and events make of alarms, who looks at which, and what is written
//! of it. Their clock is the tests'.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hearth::config::Config;
use hearth::database::Engine;
use hearth::telemetry::alarms::evaluator::{Clock, Evaluator};
use hearth::telemetry::alarms::sources::Sources;
use hearth::telemetry::model::alarm::State;
use hearth::telemetry::store::Store;
use hearth::telemetry::store::alarms::{Chronicle, Evaluated, Refresh, Writing};
use hearth::time::Timestamp;
use serde_json::{Value as Json, json};

use crate::scratch::on_every_engine;
use crate::service::{ADMIN, MEMBER, Services};

on_every_engine! {
    statistics_beyond_a_threshold_make_an_alarm_with_its_history_and_actions,
    evaluators_share_alarms_and_take_over_those_of_the_dead,
    what_is_changed_while_it_is_evaluated_stays_as_it_was_set,
    alarms_are_combined_and_composed,
    events_fire_the_alarms_that_wait_for_them,
}

/// History is kept, and nobody is told of it.
pub(crate) fn kept() -> Chronicle {
    Chronicle { record_history: true, ..Chronicle::default() }
}

/// Services, and a clock that begins a moment after now.
pub(crate) struct World {
    pub(crate) services: Services,
    store: Arc<Store>,
    config: Arc<Config>,
    time: Arc<AtomicI64>,
}

impl World {
    pub(crate) fn new(engine: Engine, lines: &str) -> Self {
        let services = Services::on(engine, lines);
        let store = Arc::new(Store::new(services.database.clone()));
        let config = Arc::new(Config::from_text(&format!("[DEFAULT]\n{lines}")).unwrap());
        let time = Arc::new(AtomicI64::new(Timestamp::now().plus_seconds(3_600).0));
        Self { services, store, config, time }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.time.load(Ordering::Relaxed))
    }

    pub(crate) fn turn(&self, seconds: i64) {
        self.time.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    fn evaluator(&self) -> Evaluator {
        let time = self.time.clone();
        let clock: Clock = Arc::new(move || Timestamp(time.load(Ordering::Relaxed)));
        let sources = Arc::new(Sources::open(&self.config).unwrap());
        Evaluator::new(&self.config, self.store.clone(), sources, clock)
    }

    /// Evaluates everything that is due.
    pub(crate) fn evaluate(&self) -> usize {
        let evaluator = self.evaluator();
        let mut all = 0;
        loop {
            match evaluator.round().unwrap() {
                0 => return all,
                some => all += some,
            }
        }
    }

    /// Samples of a volume of this many GiB, each so many seconds ago.
    fn measure(&self, values: &[(i64, f64)]) {
        let sample = |(ago, volume): &(i64, f64)| {
            json!({"counter_name": "volume.size", "counter_type": "gauge", "counter_unit": "GiB", "counter_volume": volume,
                "resource_id": "v1", "timestamp": self.now().plus_seconds(-ago).iso(), "resource_metadata": {}})
        };
        let samples: Vec<Json> = values.iter().map(sample).collect();
        let answer = self.services.post(MEMBER, "/metering/v2/meters/volume.size", &json!(samples));
        assert_eq!(answer.status, 201, "{}", answer.text);
    }

    pub(crate) fn make(&self, alarm: &Json) -> String {
        let answer = self.services.post(MEMBER, "/alarming/v2/alarms", alarm);
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json["alarm_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn show(&self, id: &str) -> Json {
        self.services.get(MEMBER, &format!("/alarming/v2/alarms/{id}")).json
    }

    pub(crate) fn state(&self, id: &str) -> String {
        self.show(id)["state"].as_str().unwrap().to_owned()
    }

    pub(crate) fn set(&self, id: &str, state: &str) {
        let url = format!("/alarming/v2/alarms/{id}/state");
        let body = json!(state).to_string();
        let json = [("Content-Type", "application/json")];
        assert_eq!(self.services.send("PUT", &url, MEMBER, &json, Some(body.as_bytes())).status, 200);
    }

    pub(crate) fn history(&self, id: &str) -> Vec<Json> {
        let answer = self.services.get(MEMBER, &format!("/alarming/v2/alarms/{id}/history"));
        answer.json.as_array().unwrap().clone()
    }

    /// Takes the actions that wait: each with what it tells.
    pub(crate) fn actions(&self) -> Vec<(String, Json)> {
        let mut all = Vec::new();
        let far = self.now().plus_seconds(1_000_000);
        while let Some(action) = self.store.claim_action("test", self.now(), far, &[]).unwrap() {
            all.push((action.action, serde_json::from_str(&action.body).unwrap()));
            self.store.end_action(action.id).unwrap();
        }
        all
    }
}

fn threshold(periods: i64, more: &Json) -> Json {
    let mut alarm = json!({"name": "big", "type": "threshold", "severity": "critical", "alarm_actions": ["http://a/", "http://b/"],
        "ok_actions": ["http://ok/"], "insufficient_data_actions": ["http://unknown/"],
        "threshold_rule": {"meter_name": "volume.size", "threshold": 10, "comparison_operator": "gt", "statistic": "max",
            "period": 60, "evaluation_periods": periods}});
    for (key, value) in more.as_object().unwrap() {
        alarm[key] = value.clone();
    }
    alarm
}

fn statistics_beyond_a_threshold_make_an_alarm_with_its_history_and_actions(engine: Engine) {
    let world = World::new(engine, "enable_evaluation_results_metrics = true\n");
    let id = world.make(&threshold(2, &json!({})));
    assert_eq!(world.evaluate(), 1);
    assert_eq!((world.state(&id), world.actions()), ("insufficient data".to_owned(), vec![]));
    assert_eq!(world.evaluate(), 0, "it is not due again before the interval has gone by");
    world.turn(60);
    world.measure(&[(90, 11.0), (30, 12.0)]);
    assert_eq!(world.evaluate(), 1);
    let reason = "Transition to alarm due to 2 samples outside threshold, most recent: 12.0";
    let shown = world.show(&id);
    assert_eq!((&shown["state"], &shown["state_reason"]), (&json!("alarm"), &json!(reason)));
    assert_eq!(shown["state_timestamp"], json!(world.now().iso_short()));
    let actions = world.actions();
    let urls: Vec<&str> = actions.iter().map(|(url, _)| url.as_str()).collect();
    assert_eq!(urls, ["http://a/", "http://b/"]);
    let told = json!({"alarm_name": "big", "alarm_id": id, "severity": "critical", "previous": "insufficient data",
        "current": "alarm", "reason": reason,
        "reason_data": {"type": "threshold", "disposition": "outside", "count": 2, "most_recent": 12.0}});
    assert_eq!(actions[0].1, told);
    let newest = &world.history(&id)[0];
    assert_eq!(newest["type"], "state transition");
    assert_eq!(
        newest["detail"].as_str().map(|text| serde_json::from_str::<Json>(text).unwrap()),
        Some(json!({"state": "alarm", "transition_reason": reason}))
    );
    assert_eq!((&newest["on_behalf_of"], &newest["user_id"]), (&json!("p1"), &Json::Null));
    // One beyond and one within: it stays, and nobody is called.
    world.turn(60);
    world.measure(&[(30, 5.0)]);
    assert_eq!((world.evaluate(), world.state(&id), world.actions()), (1, "alarm".to_owned(), vec![]));
    world.turn(60);
    world.measure(&[(30, 5.0)]);
    assert_eq!((world.evaluate(), world.state(&id)), (1, "ok".to_owned()));
    assert_eq!(world.actions()[0].0, "http://ok/");
    world.turn(3_600);
    assert_eq!((world.evaluate(), world.state(&id)), (1, "insufficient data".to_owned()));
    assert_eq!(world.actions()[0].1["reason"], "2 datapoints are unknown");
    let counted = world.services.get(MEMBER, "/alarming/v2/metrics").json;
    let counters = json!({"ok": 1, "alarm": 1, "insufficient data": 2});
    assert_eq!(counted["evaluation_results"][0]["state_counters"], counters);
    // Repeated actions are sent each time, disabled alarms and those at another time never.
    let repeated = world.make(&threshold(1, &json!({"name": "again", "repeat_actions": true})));
    let disabled = world.make(&threshold(1, &json!({"enabled": false})));
    let other_time = world.now().plus_seconds(7_200).civil();
    let start = format!("{} {} * * *", other_time.minute, other_time.hour);
    let constraint = json!({"time_constraints": [{"name": "later", "start": start, "duration": 120}]});
    let waiting = world.make(&threshold(1, &constraint));
    for _ in 0..2 {
        world.turn(60);
        world.measure(&[(30, 20.0)]);
        world.evaluate();
        assert_eq!(world.actions().iter().filter(|(_, told)| told["alarm_id"] == json!(repeated)).count(), 2);
    }
    assert_eq!(world.history(&repeated).len(), 2);
    assert_eq!(
        (world.state(&disabled), world.state(&waiting)),
        ("insufficient data".into(), "insufficient data".into())
    );
    world.turn(7_200 - 120 + 30);
    world.measure(&[(30, 20.0)]);
    world.evaluate();
    assert_eq!(world.state(&waiting), "alarm");
}

fn evaluators_share_alarms_and_take_over_those_of_the_dead(engine: Engine) {
    let world = World::new(engine, "enable_evaluation_results_metrics = true\n");
    for at in 0..12 {
        world.make(&threshold(1, &json!({"name": format!("a{at}")})));
    }
    // One that dies with two alarms in its hands.
    let dead = world.store.claim_alarms("dead", world.now(), world.now().plus_seconds(120), 2).unwrap();
    assert_eq!(dead.len(), 2);
    let counts = || {
        let counted = world.services.get(ADMIN, "/alarming/v2/metrics?all_projects=true").json;
        let all = counted["evaluation_results"].as_array().unwrap().clone();
        all.iter().map(|one| one["state_counters"]["insufficient data"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let both = || {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| world.evaluate())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        })
    };
    assert_eq!((both(), counts()), (10, vec![1; 10]));
    assert_eq!(both(), 0);
    world.turn(121);
    assert_eq!(both(), 12);
    let mut all = counts();
    all.sort_unstable();
    assert_eq!(all, [vec![1; 2], vec![2; 10]].concat());
    // The dead one comes back, and has nothing to say any more.
    let refresh =
        Refresh { state: State::Alarm, reason: "late".to_owned(), reason_data: json!({}), always_record: false };
    let evaluated = Evaluated { refresh: Some(refresh), counted: None };
    let kept = kept();
    let writing = Writing { now: world.now(), due: world.now(), chronicle: &kept };
    assert!(!world.store.complete_alarm(&dead[0], "dead", &evaluated, &writing).unwrap());
    assert_eq!((world.state(&dead[0].id), world.actions()), ("insufficient data".to_owned(), vec![]));
}

fn what_is_changed_while_it_is_evaluated_stays_as_it_was_set(engine: Engine) {
    let world = World::new(engine, "");
    let id = world.make(&threshold(1, &json!({})));
    let mine = world.store.claim_alarms("slow", world.now(), world.now().plus_seconds(120), 5).unwrap();
    world.set(&id, "ok");
    let refresh =
        Refresh { state: State::Alarm, reason: "old".to_owned(), reason_data: json!({}), always_record: false };
    let evaluated = Evaluated { refresh: Some(refresh), counted: None };
    let kept = kept();
    let writing = Writing { now: world.now(), due: world.now().plus_seconds(60), chronicle: &kept };
    assert!(!world.store.complete_alarm(&mine[0], "slow", &evaluated, &writing).unwrap());
    assert_eq!((world.state(&id), world.actions()), ("ok".to_owned(), vec![]));
    assert_eq!(world.evaluate(), 1, "it is evaluated at once as it is now");
    // An alarm that is deleted takes its actions with it.
    world.measure(&[(30, 20.0)]);
    world.turn(60);
    world.measure(&[(30, 20.0)]);
    world.evaluate();
    assert_eq!(world.state(&id), "alarm");
    let gone = world.services.send("DELETE", &format!("/alarming/v2/alarms/{id}"), MEMBER, &[], None);
    assert_eq!((gone.status, world.actions()), (204, vec![]));
}

fn alarms_are_combined_and_composed(engine: Engine) {
    let world = World::new(engine, "");
    let event = json!({"name": "e", "type": "event", "event_rule": {}});
    let (a, b) = (world.make(&event), world.make(&event));
    let combined = |operator: &str| {
        json!({"name": operator, "type": "combination", "alarm_actions": ["http://c/"],
            "combination_rule": {"operator": operator, "alarm_ids": [a, b]}})
    };
    let (both, either) = (world.make(&combined("and")), world.make(&combined("or")));
    for (states, and, or) in [
        (["insufficient data", "ok"], "insufficient data", "insufficient data"),
        (["insufficient data", "alarm"], "insufficient data", "alarm"),
        (["ok", "alarm"], "ok", "alarm"),
        (["alarm", "alarm"], "alarm", "alarm"),
        (["ok", "ok"], "ok", "ok"),
    ] {
        world.set(&a, states[0]);
        world.set(&b, states[1]);
        world.turn(60);
        world.evaluate();
        assert_eq!((world.state(&both).as_str(), world.state(&either).as_str()), (and, or), "{states:?}");
    }
    let told: Vec<String> =
        world.actions().iter().map(|(_, told)| told["reason"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told[0], format!("Transition to alarm due to alarms {b} in state alarm"));
    let leaf = |threshold: f64| json!({"type": "threshold", "meter_name": "volume.size", "threshold": threshold, "comparison_operator": "gt"});
    let composed = world.make(&json!({"name": "c", "type": "composite", "alarm_actions": ["http://c/"],
        "composite_rule": {"and": [leaf(10.0), {"or": [leaf(100.0), leaf(20.0)]}]}}));
    for (volume, state) in [(30.0, "alarm"), (15.0, "ok")] {
        world.turn(180);
        world.measure(&[(30, volume)]);
        world.evaluate();
        assert_eq!(world.state(&composed), state);
    }
    let told = &world.actions().last().unwrap().1.clone();
    assert_eq!(
        told["reason"],
        "Composite rule alarm with composition form: (rule1 and (rule2 or rule3)) transition to alarm, due to rules: rule1, \
         rule3 outside their threshold."
    );
}

fn events_fire_the_alarms_that_wait_for_them(engine: Engine) {
    let world = World::new(engine, "");
    let waits = |name: &str, more: Json| {
        let mut alarm = json!({"name": name, "type": "event", "alarm_actions": ["http://e/"], "event_rule":
            {"event_type": "volume.*.end", "query": [{"field": "traits.size", "op": "ge", "type": "integer", "value": "5"}]}});
        for (key, value) in more.as_object().unwrap() {
            alarm[key] = value.clone();
        }
        alarm
    };
    let once = world.make(&waits("once", json!({})));
    let always = world.make(&waits("always", json!({"repeat_actions": true})));
    let disabled = world.make(&waits("never", json!({"enabled": false})));
    let event = |kind: &str, size: i64, project: &str| {
        json!({"message_id": "m1", "event_type": kind, "generated": "2026-01-01T00:00:00",
            "traits": [["project_id", 1, project], ["size", 2, size]]})
    };
    for missed in [
        event("volume.create.start", 9, "p1"),
        event("volume.create.end", 4, "p1"),
        event("volume.create.end", 9, "p2"),
    ] {
        assert_eq!(world.store.event_arrived(&missed, &kept()).unwrap(), 0, "{missed}");
    }
    assert_eq!(world.store.event_arrived(&json!({"event_type": "volume.create.end"}), &kept()).unwrap(), 0);
    let hit = event("volume.create.end", 9, "p1");
    assert_eq!(world.store.event_arrived(&hit, &kept()).unwrap(), 2);
    assert_eq!(world.store.event_arrived(&hit, &kept()).unwrap(), 1);
    assert_eq!((world.state(&once), world.state(&disabled)), ("alarm".to_owned(), "insufficient data".to_owned()));
    assert_eq!((world.history(&once).len(), world.history(&always).len()), (2, 3));
    let actions = world.actions();
    assert_eq!(actions.len(), 3);
    assert_eq!(actions[0].1["reason_data"], json!({"type": "event", "event": hit}));
    let reason = actions[0].1["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("Event <id=m1,event_type=volume.create.end> hits the query <query=[{\"field\""),
        "{reason}"
    );
    assert_eq!(world.evaluate(), 0, "nobody evaluates alarms on events");
    // An alarm that answered these would never come to an end.
    world.make(&waits("any", json!({"event_rule": {"event_type": "*"}, "repeat_actions": true})));
    assert_eq!(world.store.event_arrived(&event("alarm.state_transition", 9, "p1"), &kept()).unwrap(), 0);
    assert_eq!(world.store.event_arrived(&event("alarm.creation", 9, "p1"), &kept()).unwrap(), 1);
    world.actions();
    // Those that agents publish arrive by themselves.
    let published = world.make(&waits("published", json!({})));
    let mut of_an_agent = event("volume.delete.end", 9, "p1");
    of_an_agent["raw"] = json!({});
    let answer = world.services.post(ADMIN, "/metering/v2/events", &json!([of_an_agent]));
    assert_eq!((answer.status, world.state(&published)), (201, "alarm".to_owned()), "{}", answer.text);
}
