//! Volumes: create, list, show, update, delete, summary.

use serde_json::{Value, json};

use crate::fixture::{Cloud, OTHER_PROJECT, PROJECT, Persona::*};
use crate::people::{self, HOST, names, new_volume, orders, snapshot, status, used, volume, volume_with};

fn create(cloud: &Cloud, body: Value) -> crate::fixture::Answer {
    cloud.post(Member, "/volumes", json!({ "volume": body }))
}

#[test]
fn a_new_volume_is_written_charged_and_ordered() {
    let cloud = Cloud::new();
    let body = json!({"name": "  demo ", "description": null, "size": "2", "metadata": {"a": "b"}, "volume_type": ""});
    let made = create(&cloud, body).expect(202)["volume"].clone();
    let id = made["id"].as_str().unwrap();
    let links = json!([
        {"rel": "self", "href": format!("http://cloud.example/v3/{PROJECT}/volumes/{id}")},
        {"rel": "bookmark", "href": format!("http://cloud.example/{PROJECT}/volumes/{id}")},
    ]);
    let expected = json!({
        "id": id, "status": "creating", "size": 2, "availability_zone": "nova", "created_at": made["created_at"],
        "updated_at": null, "name": "demo", "description": null, "volume_type": "__DEFAULT__", "snapshot_id": null,
        "source_volid": null, "metadata": {"a": "b"}, "links": links, "user_id": made["user_id"], "bootable": "false",
        "encrypted": false, "replication_status": null, "consistencygroup_id": null, "multiattach": false,
        "attachments": [], "group_id": null, "shared_targets": true, "service_uuid": null,
        "volume_type_id": made["volume_type_id"], "consumes_quota": true,
    });
    assert_eq!(made, expected);
    assert_eq!(made["created_at"].as_str().unwrap().len(), "2026-11-22T11:36:41.333941".len());
    assert_eq!((used(&cloud, PROJECT, "volumes"), used(&cloud, PROJECT, "gigabytes")), (1, 2));
    assert_eq!(orders(&cloud), 1);
    let workers = "SELECT COUNT(*) FROM workers WHERE resource_type = 'Volume' AND resource_id = ?";
    assert_eq!(cloud.numbers(workers, &[id.into()]), [1]);
    let shown = cloud.get(Member, &format!("/volumes/{id}")).expect(200)["volume"].clone();
    assert_eq!(shown["os-vol-tenant-attr:tenant_id"], json!(PROJECT));
    assert_eq!(shown.get("os-vol-host-attr:host"), None);
}
