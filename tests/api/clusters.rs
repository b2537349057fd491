//! Clusters of volume services.

use hearth::time::Timestamp;
use serde_json::{Value, json};

use crate::fixture::{Cloud, Persona::*};
use crate::services::service;

/// Two clusters, of which one has a service that is up and one that is down, and the other has none.
fn two_clusters() -> Cloud {
    let cloud = Cloud::new();
    service(&cloud, "node1@files", "cinder-volume", "az1", 5);
    service(&cloud, "node2@files", "cinder-volume", "az1", 3_600);
    service(&cloud, "node3@files", "cinder-volume", "az1", 5);
    cloud.sql("UPDATE services SET cluster_name = 'one@files' WHERE host <> 'node3@files'", &[]);
    for name in ["one@files", "two@files"] {
        cloud.sql(
            "INSERT INTO clusters (created_at, deleted, name, \"binary\", disabled, race_preventer, replication_status, \
             frozen) VALUES (?, false, ?, 'cinder-volume', false, 0, 'not-capable', false)",
            &[Timestamp::parse("2026-01-02T03:04:05").into(), name.into()],
        );
    }
    cloud
}

fn names(cloud: &Cloud, query: &str) -> Vec<String> {
    let list = cloud.get(Admin, &format!("/clusters{query}")).expect(200);
    let items = list["clusters"].as_array().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn clusters_are_listed_in_short_and_in_full() {
    let cloud = two_clusters();
    let short =
        |name: &str, state: &str| json!({"name": name, "binary": "cinder-volume", "state": state, "status": "enabled"});
    let list = cloud.get(Admin, "3.25 /clusters").expect(200);
    assert_eq!(list, json!({"clusters": [short("one@files", "up"), short("two@files", "down")]}));
    let list = cloud.get(Admin, "3.26 /clusters").expect(200);
    assert_eq!(list["clusters"][0]["replication_status"], "not-capable");

    let full = cloud.get(Admin, "/clusters/detail").expect(200)["clusters"].clone();
    let heartbeat = full[0]["last_heartbeat"].as_str().unwrap();
    assert!(Timestamp::parse(heartbeat).is_some(), "{heartbeat}");
    let one = json!({"name": "one@files", "binary": "cinder-volume", "state": "up", "status": "enabled",
        "replication_status": "not-capable", "num_hosts": 2, "num_down_hosts": 1, "last_heartbeat": heartbeat,
        "created_at": "2026-01-02T03:04:05.000000", "updated_at": "", "disabled_reason": null, "frozen": false,
        "active_backend_id": null});
    assert_eq!(full[0], one);
    assert_eq!((&full[1]["num_hosts"], &full[1]["last_heartbeat"]), (&json!(0), &json!("")));
    assert_eq!(cloud.get(Admin, "/clusters/one@files").expect(200), json!({"cluster": one}));
    assert_eq!(cloud.get(Admin, "/clusters/one").expect(200)["cluster"]["name"], "one@files");
    let early = cloud.get(Admin, "3.7 /clusters/one@files?binary=cinder-volume").expect(200);
    assert_eq!((early["cluster"].get("frozen"), &early["cluster"]["num_hosts"]), (None, &json!(2)));
    for path in ["/clusters/three@files", "/clusters/one@files?binary=cinder-backup"] {
        cloud.get(Admin, path).expect(404);
    }
    cloud.get(Admin, "3.6 /clusters").expect(404);
    cloud.get(Member, "/clusters").expect(403);
}

#[test]
fn clusters_are_found_by_what_they_are() {
    let cloud = two_clusters();
    for (query, expected) in [
        ("?is_up=true", vec!["one@files"]),
        ("?is_up=0", vec!["two@files"]),
        ("?disabled=false", vec!["one@files", "two@files"]),
        ("?disabled=true", vec![]),
        ("?name=two", vec!["two@files"]),
        ("?num_hosts=2&num_down_hosts=1", vec!["one@files"]),
        ("?binary=cinder-backup", vec![]),
        ("?replication_status=not-capable&frozen=False", vec!["one@files", "two@files"]),
        ("?active_backend_id=x", vec![]),
    ] {
        assert_eq!(names(&cloud, query), expected, "{query}");
        assert_eq!(names(&cloud, &format!("/detail{query}")), expected, "{query}");
    }
    cloud
        .get(Admin, "/clusters?size=1&colour=red")
        .refuse(400, "Invalid input received: Invalid filter keys: colour, size");
    cloud.get(Admin, "3.25 /clusters?frozen=1").refuse(400, "Invalid input received: Invalid filter keys: frozen");
    cloud.get(Admin, "/clusters?is_up=maybe").refuse(400, "Value 'maybe' for 'is_up' is not a boolean.");
}

#[test]
fn a_cluster_is_disabled_with_a_reason_and_enabled_again() {
    let cloud = two_clusters();
    let answer = |status: &str, reason: Value| {
        json!({"cluster": {"name": "two@files", "binary": "cinder-volume", "state": "down", "status": status,
            "replication_status": "not-capable", "disabled_reason": reason}})
    };
    let body = json!({"name": "two@files", "disabled_reason": " new disks "});
    assert_eq!(cloud.put(Admin, "/clusters/disable", body).expect(200), answer("disabled", json!("new disks")));
    assert_eq!(names(&cloud, "?disabled=true"), ["two@files"]);
    let body = json!({"name": "two@files", "binary": "cinder-volume"});
    assert_eq!(cloud.put(Admin, "/clusters/enable", body).expect(200), answer("enabled", json!(null)));
    let body = json!({"name": "three"});
    cloud.put(Admin, "/clusters/enable", body.clone()).refuse(404, "Cluster three could not be found.");
    for body in [json!({}), json!({"name": ""}), json!({"name": "two@files", "disabled_reason": "x".repeat(256)})] {
        cloud.put(Admin, "/clusters/disable", body).expect(400);
    }
    cloud.put(Member, "/clusters/enable", body).expect(403);
}
