//! Notifications become samples and events, each once however often it comes.

use hearth::config::Config;
use hearth::database::Engine;
use hearth::database::outbox::Waiting;
use hearth::messaging::Listener;
use hearth::telemetry::ingest::Keeper;
use hearth::telemetry::model::{EventFilter, Filter};
use hearth::telemetry::store::Store;
use hearth::time::Timestamp;
use serde_json::json;

use crate::scratch;

fn waiting(id: i64, event_type: &str, message_id: &str) -> Waiting {
    let message = json!({"message_id": message_id, "publisher_id": "volume.h@file", "event_type": event_type,
        "priority": "INFO", "timestamp": "2026-11-22 13:45:01.250000",
        "payload": {"volume_id": "v1", "tenant_id": "p1", "user_id": "u1", "size": 3, "display_name": "data"}});
    Waiting {
        id,
        event_type: event_type.to_owned(),
        priority: "INFO".to_owned(),
        message: message.to_string(),
        context: json!({"request_id": "req-1", "project_id": "p1"}).to_string(),
        created_at: Timestamp(0),
    }
}

#[test]
fn notifications_are_kept_once_and_what_can_not_be_read_holds_nobody_up() {
    let database = scratch::database(Engine::Sqlite);
    let config = Config::from_text("").unwrap();
    let mut keeper = Keeper::new(&config, database.clone()).unwrap();
    let batch = [waiting(1, "volume.create.start", "m1"), waiting(2, "volume.create.end", "m2")];
    // Without tables nothing is taken over, and nothing is lost.
    let heard = keeper.hear(&batch);
    assert_eq!((heard.taken, heard.failure.map(|failure| failure.hopeless)), (0, Some(false)));
    hearth::telemetry::store::schema::sync(&database).unwrap();
    assert_eq!(keeper.hear(&batch).taken, 2);
    let broken = Waiting { message: "{}".to_owned(), ..waiting(3, "volume.delete.end", "m3") };
    let long = waiting(4, &"x".repeat(300), "m4");
    let more =
        [batch[1].clone(), broken, long, waiting(5, "volume.delete.end", "m5"), waiting(6, "volume_type.create", "m6")];
    assert_eq!(keeper.hear(&more).taken, 5);
    // Another process takes over and hears all of it again.
    assert_eq!(Keeper::new(&config, database.clone()).unwrap().hear(&more).taken, 5);
    let store = Store::new(database);
    let samples = store.samples(&Filter::default(), 100).unwrap();
    let told: Vec<_> = samples.iter().map(|sample| (sample.meter.name.as_str(), sample.volume)).collect();
    assert_eq!(told, [("volume.size", 3.0); 3]);
    assert_eq!(
        (samples[0].owner.source.as_str(), samples[0].metadata.as_str()),
        ("openstack", r#"{"display_name":"data"}"#)
    );
    let events = store.events(&EventFilter::default(), 100).unwrap();
    let ids: Vec<&str> = events.iter().map(|event| event.message_id.as_str()).collect();
    assert_eq!(ids, ["m1", "m2", "m5", "m6"]);
    assert_eq!(events[0].text("resource_id"), Some("v1"));
}
