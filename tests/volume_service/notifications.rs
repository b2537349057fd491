//! What an audit tells the rest of a cloud, and what the doctor tells of notifications that nobody gets.

use hearth::operate::audit::{Period, run};
use hearth::operate::doctor::{Severity, examine};
use serde_json::{Value as Json, json};

use super::world::{Of, World};

const NOTIFICATIONS: &str = "[oslo_messaging_notifications]\ndriver = hearth_telemetry\n";

/// Everything that was told, by event.
fn told(world: &World, event: &str) -> Vec<Json> {
    let sql = "SELECT message FROM hearth_notifications WHERE event_type = ? ORDER BY id";
    let texts = world.read(|c| c.rows(sql, &[event.into()], |row| row.string(0)));
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[test]
fn an_audit_tells_of_what_was_there_in_its_period_and_of_the_pools() {
    let world = World::with("", NOTIFICATIONS);
    let _service = world.start();
    let (kept, gone) = (world.create(1, Of::Nothing), world.create(2, Of::Nothing));
    world.settle();
    let snapshot = world.create_snapshot(&kept);
    world.delete(&gone, false);
    world.settle();
    let creations = told(&world, "volume.create.end").len();
    let period = |start: &str, end: &str| Period { start: Some(start.into()), end: Some(end.into()), actions: true };
    let mut out = Vec::new();
    run(world.config(), &world.database, &period("2000-01-01 00:00:00", "2000-02-01 00:00:00"), &mut out).unwrap();
    assert_eq!(told(&world, "volume.exists").len(), 0, "nothing was there then");
    run(world.config(), &world.database, &period("2000-01-01 00:00:00", "2999-01-01 00:00:00"), &mut out).unwrap();
    let ids = |event: &str, key: &str| {
        let mut ids: Vec<String> =
            told(&world, event).iter().map(|one| one["payload"][key].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let mut volumes = vec![kept, gone.clone()];
    volumes.sort();
    assert_eq!(ids("volume.exists", "volume_id"), volumes, "what was deleted in the period was there too");
    assert_eq!(ids("snapshot.exists", "snapshot_id"), [snapshot]);
    let payload = &told(&world, "volume.exists")[0]["payload"];
    assert_eq!(payload["audit_period_beginning"], "2000-01-01 00:00:00+00:00");
    assert_eq!(payload["audit_period_ending"], "2999-01-01 00:00:00+00:00");
    assert_eq!(told(&world, "volume.create.end").len(), creations + 2);
    assert_eq!(ids("volume.delete.start", "volume_id"), [gone.clone(), gone]);
    let backend = &told(&world, "capacity.backend")[1];
    assert_eq!(
        (&backend["publisher_id"], &backend["payload"]["name_to_id"]),
        (&"capacity.node1".into(), &"node1@file".into())
    );
    assert_eq!(told(&world, "capacity.pool")[1]["payload"]["name_to_id"], "node1@file#file");
    assert!(String::from_utf8(out).unwrap().ends_with("2 volumes, 1 snapshots, 0 backups; now 1 pools\n"));
}

#[test]
fn an_audit_that_nobody_would_hear_of_is_refused() {
    let world = World::new();
    let error = run(world.config(), &world.database, &Period::default(), &mut Vec::new()).unwrap_err();
    assert!(error.public().contains("driver is not set"), "{error}");
}

#[test]
fn what_finds_no_place_is_told_and_nothing_is_begun() {
    let world = World::with("", NOTIFICATIONS);
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    world.database.write(|tx| tx.execute("UPDATE services SET disabled = true", &[])).unwrap();
    let snapshot = world.create_snapshot(&id);
    world.settle();
    assert_eq!(world.snapshot(&snapshot).unwrap().status, hearth::block_storage::model::snapshot::Status::Error);
    assert_eq!(told(&world, "snapshot.create.start"), [] as [Json; 0]);
    let one = &told(&world, "scheduler.create_snapshot")[0];
    assert_eq!((&one["priority"], &one["publisher_id"]), (&"ERROR".into(), &"scheduler.node1".into()));
    let properties = json!({"size": 1});
    assert_eq!(
        one["payload"],
        json!({
            "request_spec": {"snapshot_id": snapshot, "volume_properties": properties, "resource_properties": properties,
                "operation": "create_snapshot"},
            "snapshot_id": snapshot,
            "state": "error",
            "method": "create_snapshot",
            "reason": format!("NoValidBackend('Cannot place snapshot {snapshot} on node1@file#file.')"),
        })
    );
    world.extend(&id, 2);
    world.settle();
    let one = &told(&world, "scheduler.extend_volume")[0]["payload"];
    assert_eq!(one["reason"], format!("NoValidBackend('Cannot place volume {id} on node1@file#file.')"));
    assert_eq!(one["volume_properties"]["status"], "extending");
    assert_eq!(told(&world, "volume.resize.start"), [] as [Json; 0]);
}

#[test]
fn the_doctor_tells_of_notifications_that_wait_too_long() {
    let world = World::with("", NOTIFICATIONS);
    let service = world.start();
    world.create(1, Of::Nothing);
    world.settle();
    drop(service);
    let findings = || {
        let all = examine(world.config(), &world.database);
        all.into_iter().filter(|finding| finding.what.contains("notifications wait")).collect::<Vec<_>>()
    };
    assert_eq!(findings(), [], "they may wait for a minute");
    let past = "UPDATE hearth_notifications SET created_at = '2026-01-31 12:00:00.000000'";
    world.database.write(|tx| tx.execute(past, &[])).unwrap();
    let found = findings();
    let what = "2 notifications wait for the driver hearth_telemetry, the oldest since 2026-01-31T12:00:00 UTC";
    assert_eq!(
        found.iter().map(|one| (one.severity, one.what.as_str())).collect::<Vec<_>>(),
        [(Severity::Warning, what)]
    );
}
