//! What the rest of a cloud is told of alarms: exactly what was changed, in the transaction of the change.

use hearth::database::{Engine, outbox};
use hearth::telemetry::store::Store;
use serde_json::{Value as Json, json};

use crate::evaluation::World;
use crate::scratch::on_every_engine;
use crate::service::{ADMIN, MEMBER, Services};

on_every_engine! {
    each_change_of_an_alarm_is_told_once_and_what_was_refused_is_not,
    without_history_only_deletions_are_told,
}

const TOLD: &str = "[oslo_messaging_notifications]\ndriver = log\n[api]\nproject_alarm_quota = 1\n";

/// The messages that wait for the driver `log`.
fn told(store: &Store) -> Vec<Json> {
    let waiting = store.database().read(|connection| outbox::oldest(connection, "alarms:log", 100)).unwrap();
    waiting.iter().map(|one| serde_json::from_str(&one.message).unwrap()).collect()
}

fn types(messages: &[Json]) -> Vec<&str> {
    messages.iter().map(|one| one["event_type"].as_str().unwrap()).collect()
}

fn change(services: &Services, method: &str, path: &str, body: &Json, status: u16) {
    let json = [("Content-Type", "application/json")];
    let answer = services.send(method, path, MEMBER, &json, Some(body.to_string().as_bytes()));
    assert_eq!(answer.status, status, "{}", answer.text);
}

fn each_change_of_an_alarm_is_told_once_and_what_was_refused_is_not(engine: Engine) {
    let world = World::new(engine, TOLD);
    let store = Store::new(world.services.database.clone());
    let mut alarm = json!({"name": "a", "type": "threshold", "severity": "critical", "threshold_rule":
        {"meter_name": "volume.size", "threshold": 10, "comparison_operator": "gt", "statistic": "max"}});
    let id = world.make(&alarm);
    let path = format!("/alarming/v2/alarms/{id}");
    change(&world.services, "POST", "/alarming/v2/alarms", &alarm, 403);
    change(&world.services, "PUT", &path, &alarm, 200);
    alarm["name"] = json!("b");
    change(&world.services, "PUT", &path, &alarm, 200);
    change(&world.services, "PUT", &format!("{path}/state"), &json!("ok"), 200);
    assert_eq!(world.evaluate(), 1);
    assert_eq!(world.state(&id), "insufficient data");
    world.turn(100);
    assert_eq!(world.evaluate(), 1, "nothing changes any more");
    let history = world.history(&id);
    change(&world.services, "DELETE", &path, &Json::Null, 204);
    change(&world.services, "DELETE", &path, &Json::Null, 404);
    let messages = told(&store);
    assert_eq!(
        types(&messages),
        ["alarm.creation", "alarm.rule_change", "alarm.state_transition", "alarm.state_transition", "alarm.deletion"]
    );
    let publishers: Vec<&Json> = messages.iter().map(|one| &one["publisher_id"]).collect();
    assert_eq!(publishers, ["aodh.api", "aodh.api", "aodh.api", "aodh.evaluator", "aodh.api"]);
    for (message, row) in messages.iter().zip(history.iter().rev()) {
        let payload = &message["payload"];
        for (key, value) in
            row.as_object().unwrap().iter().filter(|(key, _)| !matches!(key.as_str(), "detail" | "timestamp"))
        {
            assert_eq!(&payload[key], value, "{key} of {message}");
        }
    }
    let payload = |at: usize| messages[at]["payload"].clone();
    assert_eq!(payload(0)["detail"]["rule"]["meter_name"], "volume.size");
    assert_eq!(payload(1)["detail"], json!({"name": "b"}));
    assert_eq!((&payload(1)["user_id"], &payload(1)["severity"]), (&json!("u1"), &json!("critical")));
    let detail: Json = serde_json::from_str(payload(3)["detail"].as_str().unwrap()).unwrap();
    assert_eq!((&detail["state"], &payload(3)["on_behalf_of"]), (&json!("insufficient data"), &json!("p1")));
    assert_eq!(payload(4)["detail"], json!({"state": "insufficient data"}));
}

fn without_history_only_deletions_are_told(engine: Engine) {
    let world = World::new(engine, &format!("record_history = false\n{TOLD}"));
    let store = Store::new(world.services.database.clone());
    let id = world.make(&json!({"name": "a", "type": "event", "event_rule": {}}));
    world.set(&id, "ok");
    assert_eq!(told(&store), Vec::<Json>::new());
    change(&world.services, "DELETE", &format!("/alarming/v2/alarms/{id}"), &Json::Null, 204);
    assert_eq!(types(&told(&store)), ["alarm.deletion"]);
    // Without a driver nothing waits for anybody.
    let silent = Services::over(world.services.database.clone(), "");
    let alarm = json!({"name": "a", "type": "event", "event_rule": {}});
    assert_eq!(silent.post(ADMIN, "/alarming/v2/alarms", &alarm).status, 201);
    assert_eq!(told(&store).len(), 1);
}
