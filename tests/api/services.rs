//! Services, hosts and availability zones.

use hearth::time::Timestamp;
use serde_json::{Value, json};

use crate::fixture::{Cloud, OTHER_PROJECT, PROJECT, Persona::*};

/// A service that reported so many seconds ago.
pub(crate) fn service(cloud: &Cloud, host: &str, binary: &str, zone: &str, seconds_ago: i64) {
    let reported = Timestamp::now().plus_seconds(-seconds_ago);
    cloud.sql(
        "INSERT INTO services (created_at, updated_at, deleted, host, \"binary\", topic, report_count, disabled, \
         availability_zone, replication_status, frozen, uuid) VALUES (?, ?, false, ?, ?, ?, 1, false, ?, 'not-capable', \
         false, ?)",
        &[
            reported.into(),
            reported.into(),
            host.into(),
            binary.into(),
            binary.into(),
            zone.into(),
            format!("{host}/{binary}").into(),
        ],
    );
}

fn three_services() -> Cloud {
    let cloud = Cloud::new();
    service(&cloud, "node1@files", "cinder-volume", "az1", 5);
    service(&cloud, "node2@files", "cinder-volume", "az2", 3_600);
    service(&cloud, "node1", "cinder-scheduler", "az1", 5);
    cloud
}

/// `host:status:state` of each service.
fn listed(cloud: &Cloud, path: &str) -> Vec<String> {
    let list = cloud.get(Admin, path).expect(200);
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let services = list["services"].as_array().unwrap();
    services.iter().map(|item| [text(item, "host"), text(item, "status"), text(item, "state")].join(":")).collect()
}

#[test]
fn services_are_listed_with_their_state() {
    let cloud = three_services();
    let all = ["node1@files:enabled:up", "node2@files:enabled:down", "node1:enabled:up"];
    assert_eq!(listed(&cloud, "3.48 /os-services"), all);
    assert_eq!(listed(&cloud, "3.48 /os-services?host=node1"), [all[0], all[2]]);
    assert_eq!(listed(&cloud, "3.48 /os-services?host=node1@files"), [all[0]]);
    assert_eq!(listed(&cloud, "3.48 /os-services?binary=cinder-scheduler"), [all[2]]);
    assert_eq!(listed(&cloud, "3.48 /os-services?binary=cinder-backup"), [""; 0]);
    let first = cloud.get(Admin, "3.6 /os-services").expect(200)["services"][0].clone();
    let expected = json!({"binary": "cinder-volume", "host": "node1@files", "zone": "az1", "status": "enabled",
        "state": "up", "updated_at": first["updated_at"], "disabled_reason": null, "replication_status": "not-capable",
        "active_backend_id": null, "frozen": false});
    assert_eq!(first, expected);
    let scheduler = cloud.get(Admin, "3.48 /os-services").expect(200)["services"][2].clone();
    assert_eq!((scheduler.get("frozen"), &scheduler["cluster"]), (None, &json!(null)));
    cloud.get(Member, "3.48 /os-services").expect(403);
}

#[test]
fn a_service_is_disabled_and_enabled_again() {
    let cloud = three_services();
    let names = json!({"host": "node1@files", "binary": "cinder-volume"});
    let expected = json!({"host": "node1@files", "service": "", "binary": "cinder-volume", "status": "disabled",
        "disabled": true});
    assert_eq!(cloud.put(Admin, "/os-services/disable", names.clone()).expect(200), expected);
    assert_eq!(listed(&cloud, "3.48 /os-services?host=node1@files"), ["node1@files:disabled:up"]);

    let with_reason = json!({"host": "node1@files", "service": "cinder-volume", "disabled_reason": "new disks"});
    let expected = json!({"host": "node1@files", "service": "cinder-volume", "binary": "", "status": "disabled",
        "disabled": true, "disabled_reason": "new disks"});
    assert_eq!(cloud.put(Admin, "/os-services/disable-log-reason", with_reason).expect(200), expected);
    let reason = || cloud.get(Admin, "3.48 /os-services").expect(200)["services"][0]["disabled_reason"].clone();
    assert_eq!(reason(), "new disks");

    let enabled = cloud.put(Admin, "/os-services/enable", names).expect(200);
    assert_eq!((&enabled["status"], &enabled["disabled"]), (&json!("enabled"), &json!(false)));
    assert_eq!(listed(&cloud, "3.48 /os-services?host=node1@files"), ["node1@files:enabled:up"]);
    assert_eq!(reason(), json!(null));
}

#[test]
fn only_services_that_exist_are_enabled_and_by_administrators() {
    let cloud = three_services();
    let path = "/os-services/enable";
    let missing = "Service cinder-volume could not be found on host node9.";
    cloud.put(Admin, path, json!({"host": "node9", "binary": "cinder-volume"})).refuse(404, missing);
    let no_host = "Invalid input received: Host field is missing.";
    cloud.put(Admin, path, json!({"binary": "cinder-volume"})).refuse(400, no_host);
    cloud.put(Admin, path, json!({"binary": "cinder-volume", "host": null})).refuse(400, no_host);
    let no_binary = "{'host': 'node1'} is not valid under any of the given schemas";
    cloud.put(Admin, path, json!({"host": "node1"})).refuse(400, no_binary);
    cloud.put(Admin, path, json!({"host": "node 1", "binary": "x"})).expect(400);
    cloud.put(Admin, path, json!({"host": "n", "binary": "x", "disabled_reason": "y"})).expect(400);
    let denied = "Policy doesn't allow volume_extension:services:update to be performed.";
    cloud.put(Member, path, json!({"host": "node1", "binary": "cinder-scheduler"})).refuse(403, denied);
    let blank = json!({"host": "node1", "binary": "cinder-scheduler", "disabled_reason": "  "});
    cloud.put(Admin, "/os-services/disable-log-reason", blank).expect(400);
}

#[test]
fn zones_are_those_of_volume_services_and_available_where_one_is_enabled() {
    let cloud = three_services();
    let zones = |cloud: &Cloud| cloud.get(Reader, "/os-availability-zone").expect(200);
    let zone = |name: &str, available: bool| json!({"zoneName": name, "zoneState": {"available": available}});
    assert_eq!(zones(&cloud), json!({"availabilityZoneInfo": [zone("az1", true), zone("az2", true)]}));
    let names = json!({"host": "node2@files", "binary": "cinder-volume"});
    cloud.put(Admin, "/os-services/disable", names).expect(200);
    assert_eq!(zones(&cloud), json!({"availabilityZoneInfo": [zone("az1", true), zone("az2", false)]}));
    service(&cloud, "node3@files", "cinder-volume", "az2", 5);
    assert_eq!(zones(&cloud), json!({"availabilityZoneInfo": [zone("az1", true), zone("az2", true)]}));
}

#[test]
fn hosts_show_what_each_project_has_on_them() {
    let cloud = three_services();
    for (id, project, host, gib) in [
        ("v1", PROJECT, "node1@files#files", 2),
        ("v2", OTHER_PROJECT, "node1@files#files", 3),
        ("v3", PROJECT, "node1", 9),
    ] {
        cloud.sql(
            "INSERT INTO volumes (id, deleted, project_id, size, host, volume_type_id, use_quota) \
             VALUES (?, false, ?, ?, ?, 'x', true)",
            &[id.into(), project.into(), gib.into(), host.into()],
        );
    }
    cloud.sql(
        "INSERT INTO snapshots (id, deleted, project_id, volume_id, volume_size, volume_type_id, use_quota) \
         VALUES ('s1', false, ?, 'v1', 2, 'x', true)",
        &[PROJECT.into()],
    );
    let found = cloud.get(Admin, "/os-hosts/node1@files").expect(200);
    let row = |project: &str, figures: [&str; 4]| {
        json!({"resource": {"host": "node1@files", "project": project, "volume_count": figures[0],
            "total_volume_gb": figures[1], "snapshot_count": figures[2], "total_snapshot_gb": figures[3]}})
    };
    let expected = json!({"host": [row("(total)", ["2", "5", "1", "2"]), row(PROJECT, ["1", "2", "1", "2"]),
        row(OTHER_PROJECT, ["1", "3", "0", "0"])]});
    assert_eq!(found, expected);
    cloud.get(Admin, "/os-hosts/node9").refuse(404, "Service cinder-volume could not be found on host node9.");
    cloud.get(Member, "/os-hosts/node1@files").expect(403);
}

#[test]
fn hosts_are_listed_by_zone_and_switched_as_a_whole() {
    let cloud = three_services();
    let names = |path: &str| {
        let list = cloud.get(Admin, path).expect(200);
        let names = list["hosts"].as_array().unwrap().iter().map(|item| item["host_name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("/os-hosts"), ["node1@files", "node2@files", "node1"]);
    assert_eq!(names("/os-hosts?zone=az2"), ["node2@files"]);
    let first = cloud.get(Admin, "/os-hosts").expect(200)["hosts"][0].clone();
    let expected = json!({"host_name": "node1@files", "service": "cinder-volume", "zone": "az1",
        "service-status": "available", "service-state": "enabled", "last-update": first["last-update"]});
    assert_eq!(first, expected);
    let set = cloud.put(Admin, "/os-hosts/node1", json!({"status": "disable"})).expect(200);
    assert_eq!(set, json!({"host": "node1", "status": "disabled"}));
    assert_eq!(names("/os-hosts"), ["node2@files"]);
    cloud.put(Admin, "/os-hosts/node1", json!({"status": "enable"})).expect(200);
    assert_eq!(names("/os-hosts").len(), 3);
    let wrong = "Invalid input for field/attribute status. Value: off. 'off' is not one of ['enable', 'disable']";
    cloud.put(Admin, "/os-hosts/node1", json!({"status": "off"})).refuse(400, wrong);
    cloud.put(Admin, "/os-hosts/node9", json!({"status": "enable"})).refuse(404, "Host node9 could not be found.");
}
