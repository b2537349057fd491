//! What clients find out about the service itself: extensions and filters of lists.

use serde_json::json;

use crate::fixture::{Cloud, Persona::*};

#[test]
fn extensions_are_those_whose_routes_are_served() {
    let cloud = Cloud::new();
    let list = cloud.get(Reader, "/extensions").expect(200);
    let aliases: Vec<&str> =
        list["extensions"].as_array().unwrap().iter().map(|item| item["alias"].as_str().unwrap()).collect();
    for alias in ["os-types-manage", "os-quota-sets", "os-services", "os-hosts", "scheduler-stats", "OS-SCH-HNT"] {
        assert!(aliases.contains(&alias), "{alias}");
    }
    let quotas = json!({"extension": {"name": "Quotas", "alias": "os-quota-sets", "description": "Limits of projects.",
        "updated": "2011-08-08T00:00:00+00:00", "links": []}});
    assert_eq!(cloud.get(Reader, "/extensions/os-quota-sets").expect(200), quotas);
    cloud.get(Reader, "/extensions/os-flavors").refuse(404, "The resource could not be found.");
}

#[test]
fn resource_filters_are_those_that_cinder_ships() {
    let cloud = Cloud::new();
    let all = cloud.get(Reader, "/resource_filters").expect(200);
    assert_eq!(all["resource_filters"].as_array().unwrap().len(), 9);
    let pools = cloud.get(Reader, "/resource_filters?resource=pool").expect(200);
    assert_eq!(pools, json!({"resource_filters": [{"resource": "pool", "filters": ["name", "volume_type"]}]}));
    assert_eq!(cloud.get(Reader, "/resource_filters?resource=x").expect(200), json!({"resource_filters": []}));
    cloud.get(Reader, "3.32 /resource_filters").expect(404);
}

#[test]
fn an_operators_file_replaces_the_filters() {
    let file = std::env::temp_dir().join(format!("hearth-filters-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"volume_type": ["is_public", "colour"]}"#).unwrap();
    let cloud = Cloud::with(&format!("resource_query_filters_file = {}", file.display()));
    let all = cloud.get(Reader, "/resource_filters").expect(200);
    assert_eq!(all, json!({"resource_filters": [{"resource": "volume_type", "filters": ["is_public", "colour"]}]}));
    cloud.get(Member, "/types?colour=red").expect(200);
    cloud.get(Member, "/types?extra_specs={}").expect(400);
    std::fs::remove_file(file).unwrap();
}
