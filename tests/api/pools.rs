//! Storage pools and capabilities of backends.

use hearth::block_storage::model::pool::{Capability, Space};
use hearth::block_storage::store::pools::{self, Report};
use hearth::block_storage::store::services as store;
use hearth::time::Timestamp;
use serde_json::{Value, json};

use crate::fixture::{Cloud, Persona::*};

/// A backend that reports one pool, with a service that is up.
fn backend(cloud: &Cloud, name: &str, kind: &str, working: bool) {
    let text = |text: &str| Capability::Text(text.to_owned());
    let report = Report {
        name: format!("node@{name}#{name}"),
        working,
        total: Space::Gib(100.0),
        free: Space::Gib(60.5),
        reserved_percentage: 5,
        max_over_subscription_ratio: Some(2.0),
        thin: true,
        thick: false,
        other: vec![
            ("volume_backend_name".to_owned(), text(kind)),
            ("vendor_name".to_owned(), text("Hearth")),
            ("driver_version".to_owned(), text("1.0")),
            ("storage_protocol".to_owned(), Capability::List(vec![text("file"), text("local")])),
            ("multiattach".to_owned(), Capability::Boolean(false)),
        ],
    };
    cloud
        .database
        .write(|tx| {
            let service = store::register(tx, &format!("node@{name}"), "cinder-volume", "nova", true)?;
            store::report(tx, &[service.id])?;
            pools::report(tx, &report)
        })
        .unwrap();
}

fn two_backends() -> Cloud {
    let cloud = Cloud::new();
    backend(&cloud, "fast", "ssd", true);
    backend(&cloud, "slow", "disk", true);
    cloud
}

fn names(cloud: &Cloud, path: &str) -> Vec<String> {
    let list = cloud.get(Admin, path).expect(200);
    let pools = list["pools"].as_array().unwrap();
    pools.iter().map(|pool| pool["name"].as_str().unwrap().to_owned()).collect()
}

const PATH: &str = "/scheduler-stats/get_pools";

#[test]
fn pools_are_listed_with_what_they_report_when_asked_for() {
    let cloud = two_backends();
    let short = cloud.get(Admin, PATH).expect(200);
    assert_eq!(short, json!({"pools": [{"name": "node@fast#fast"}, {"name": "node@slow#slow"}]}));
    let full = cloud.get(Admin, &format!("{PATH}?detail=true")).expect(200)["pools"][0]["capabilities"].clone();
    let expected: [(&str, Value); 9] = [
        ("pool_name", json!("fast")),
        ("total_capacity_gb", json!(100.0)),
        ("free_capacity_gb", json!(60.5)),
        ("reserved_percentage", json!(5)),
        ("max_over_subscription_ratio", json!("2.0")),
        ("volume_backend_name", json!("ssd")),
        ("storage_protocol", json!("file")),
        ("thin_provisioning_support", json!(true)),
        ("backend_state", json!("up")),
    ];
    for (name, value) in expected {
        assert_eq!(full[name], value, "{name}");
    }
    cloud.get(Admin, &format!("{PATH}?detail=perhaps")).expect(400);
    cloud.get(Member, PATH).expect(403);
}

#[test]
fn filters_of_pools_come_with_versions() {
    let cloud = two_backends();
    let both = ["node@fast#fast", "node@slow#slow"];
    assert_eq!(names(&cloud, &format!("3.27 {PATH}?name=node@fast%23fast")), both);
    assert_eq!(names(&cloud, &format!("3.28 {PATH}?name=node@fast%23fast")), both[..1]);
    assert_eq!(names(&cloud, &format!("3.28 {PATH}?volume_backend_name=disk")), both[1..]);
    assert_eq!(names(&cloud, &format!("3.28 {PATH}?multiattach=True")), [""; 0]);
    let unknown = cloud.get(Admin, &format!("3.31 {PATH}?volume_backend_name=disk"));
    unknown.refuse(400, "Invalid filters volume_backend_name are found in query options.");

    let body = json!({"volume_type": {"name": "slow", "extra_specs": {"volume_backend_name": "disk"}}});
    cloud.post(Admin, "/types", body).expect(200);
    assert_eq!(names(&cloud, &format!("3.34 {PATH}?volume_type=slow")), both);
    assert_eq!(names(&cloud, &format!("3.35 {PATH}?volume_type=slow")), both[1..]);
    assert_eq!(names(&cloud, &format!("3.35 {PATH}?volume_type=__DEFAULT__")), both);
    let missing = cloud.get(Admin, &format!("3.35 {PATH}?volume_type=none"));
    missing.refuse(404, "Volume type with name none could not be found.");
}

#[test]
fn only_pools_that_can_be_chosen_are_listed() {
    let cloud = two_backends();
    backend(&cloud, "broken", "disk", false);
    let names_of_backend = json!({"host": "node@slow", "binary": "cinder-volume"});
    cloud.put(Admin, "/os-services/disable", names_of_backend).expect(200);
    assert_eq!(names(&cloud, PATH), ["node@fast#fast"]);
    let long_ago = Timestamp::now().plus_seconds(-3_600);
    cloud.sql("UPDATE services SET updated_at = ? WHERE host = 'node@fast'", &[long_ago.into()]);
    assert_eq!(names(&cloud, PATH), [""; 0]);
}

#[test]
fn services_show_the_state_of_their_backends_from_3_49_on() {
    let cloud = two_backends();
    backend(&cloud, "broken", "disk", false);
    let list = cloud.get(Admin, "3.49 /os-services").expect(200);
    let states: Vec<_> =
        list["services"].as_array().unwrap().iter().map(|item| item["backend_state"].clone()).collect();
    assert_eq!(states, ["up", "up", "down"]);
    let older = cloud.get(Admin, "3.48 /os-services").expect(200);
    assert_eq!(older["services"][0].get("backend_state"), None);
}

#[test]
fn a_backend_says_what_it_can_do() {
    let cloud = two_backends();
    let expected = json!({"namespace": "OS::Storage::Capabilities::node@fast", "vendor_name": "Hearth",
        "volume_backend_name": "ssd", "pool_name": "fast", "driver_version": "1.0", "storage_protocol": "file",
        "display_name": null, "description": null, "visibility": null, "replication_targets": [], "properties": {}});
    assert_eq!(cloud.get(Admin, "/capabilities/node@fast").expect(200), expected);
    cloud.get(Admin, "/capabilities/node@none").refuse(404, "Can't find service: node@none");
    cloud.get(Member, "/capabilities/node@fast").expect(403);
}
