//! Consistency groups and their snapshots, the older form of groups.

use serde_json::{Value, json};

use crate::fixture::{Answer, Cloud, PROJECT, Persona::*};
use crate::group_snapshots::group_snapshot;
use crate::people::{HOST, backend, group, member, names, orders, status, used, volume, volume_with};

/// A consistency group that a service has made.
pub(crate) fn consistency_group(cloud: &Cloud, name: &str) -> String {
    let body = json!({"consistencygroup": {"name": name, "volume_types": "__DEFAULT__,"}});
    let made = cloud.post(Member, "3.0 /consistencygroups", body).expect(202)["consistencygroup"].clone();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(made, json!({"id": id, "name": name}));
    cloud.sql("UPDATE \"groups\" SET host = ? WHERE id = ?", &[HOST.into(), (&id).into()]);
    status(cloud, "\"groups\"", &id, "available");
    id
}

fn one(cloud: &Cloud, version: &str, id: &str) -> Value {
    cloud.get(Member, &format!("{version} /consistencygroups/{id}")).expect(200)["consistencygroup"].clone()
}

#[test]
fn a_consistency_group_is_a_group_of_a_type_of_its_own() {
    let cloud = Cloud::new();
    let id = consistency_group(&cloud, "cg");
    assert_eq!((used(&cloud, PROJECT, "groups"), orders(&cloud)), (1, 1));
    let kind = cloud.get(Member, "/types").expect(200)["volume_types"][0]["id"].clone();
    let shown = one(&cloud, "3.0", &id);
    let expected = json!({"id": id, "status": "available", "availability_zone": "nova",
        "created_at": shown["created_at"], "name": "cg", "description": null, "volume_types": [kind]});
    assert_eq!(shown, expected);
    assert_eq!(one(&cloud, "3.71", &id), expected, "versions change nothing");
    assert_eq!(cloud.get(Member, &format!("/groups/{id}")).status, 400);
    let body = json!({"volume": {"size": 1, "consistencygroup_id": id, "volume_type": "__DEFAULT__"}});
    let made = cloud.post(Member, "3.0 /volumes", body).expect(202)["volume"]["id"].clone();
    let found = cloud.get(Member, &format!("3.0 /volumes/{}", made.as_str().unwrap())).expect(200);
    assert_eq!(found["volume"]["consistencygroup_id"], json!(id));
    for (wrong, text) in [
        (json!({"volume_types": null}), "volume_types must be provided to create consistency group None."),
        (json!({"volume_types": ",", "name": "n"}), "volume_types must be provided to create consistency group n."),
    ] {
        cloud.post(Member, "/consistencygroups", json!({ "consistencygroup": wrong })).refuse(400, text);
    }
    let body = json!({"consistencygroup": {"volume_types": "none"}});
    cloud
        .post(Member, "/consistencygroups", body.clone())
        .refuse(404, "Volume type with name none could not be found.");
    cloud.post(Reader, "/consistencygroups", body).refuse(403, "Policy doesn't allow group:create to be performed.");
    cloud.sql("UPDATE group_types SET deleted = true", &[]);
    let body = json!({"consistencygroup": {"volume_types": "__DEFAULT__"}});
    cloud.post(Member, "/consistencygroups", body).refuse(
        400,
        "Group type default_cgsnapshot_type not found. Rerun migration script to create the default cgsnapshot type.",
    );
}

#[test]
fn lists_hold_every_group() {
    let cloud = Cloud::new();
    consistency_group(&cloud, "a");
    group(&cloud, Member, "b");
    let list = |query: &str| cloud.get(Member, &format!("3.71 /consistencygroups?{query}")).expect(200);
    for (query, expected) in [("sort=name:asc", &["a", "b"][..]), ("name=b", &["b"]), ("sort=name:asc&colour=red", &[])]
    {
        assert_eq!(names(&list(query)["consistencygroups"]), expected, "{query}");
    }
    let page = cloud.get(Member, "3.0 /consistencygroups/detail?sort=name:asc&limit=1").expect(200);
    assert_eq!(page["consistencygroups"][0].as_object().unwrap().len(), 7);
    let marker = page["consistencygroups"][0]["id"].as_str().unwrap();
    let next = format!("http://cloud.example/v3/{PROJECT}/consistencygroups?sort=name%3Aasc&limit=1&marker={marker}");
    assert_eq!(page["consistencygroup_links"], json!([{"rel": "next", "href": next}]));
    assert_eq!(cloud.get(Stranger, "/consistencygroups").expect(200), json!({"consistencygroups": []}));
}

#[test]
fn blank_names_are_taken_from_3_6_on() {
    let cloud = Cloud::new();
    let id = consistency_group(&cloud, "cg");
    let put = |version: &str, path: &str, body: Value| -> Answer {
        cloud.put(Member, &format!("{version} /consistencygroups/{id}{path}"), json!({ "consistencygroup": body }))
    };
    put("3.5", "/update", json!({"name": ""}))
        .refuse(400, "Name, description, add_volumes, and remove_volumes can not be all empty in the request body.");
    put("3.6", "/update", json!({"name": ""})).expect(202);
    assert_eq!(one(&cloud, "3.0", &id)["name"], json!(""));
    put("3.6", "", json!({"add_volumes": ""})).refuse(
        400,
        "Must specify one or more of the following keys to update: name, description, add_volumes, remove_volumes.",
    );
    let new = volume(&cloud, Member, "v");
    let before = orders(&cloud);
    put("3.0", "", json!({"name": "new", "add_volumes": format!("{new},"), "remove_volumes": null})).expect(202);
    assert_eq!(orders(&cloud), before + 1);
    assert_eq!(one(&cloud, "3.0", &id)["status"], json!("updating"));
    assert_eq!(cloud.put(Member, &format!("/consistencygroups/{id}"), json!({})).status, 400);
    let body = json!({"consistencygroup": {"name": "x"}});
    cloud
        .put(Reader, &format!("/consistencygroups/{id}"), body)
        .refuse(403, "Policy doesn't allow group:update to be performed.");
}

#[test]
fn a_consistency_group_is_deleted_with_a_body_or_without() {
    let cloud = Cloud::new();
    let id = consistency_group(&cloud, "cg");
    let path = format!("/consistencygroups/{id}/delete");
    let wrong = json!({"consistencygroup": {"force": "maybe"}});
    assert_eq!(cloud.post(Member, &path, wrong).status, 400);
    assert_eq!(cloud.post(Member, &path, json!([])).status, 400);
    let inside =
        volume_with(&cloud, Member, json!({"size": 1, "consistencygroup_id": id, "volume_type": "__DEFAULT__"}));
    let refused =
        format!("Invalid Group: Group {id} still contains volumes. The delete-volumes flag is required to delete it.");
    cloud.send(Member, "POST", &path, None).refuse(400, &refused);
    cloud.post(Member, &path, json!({"consistencygroup": {"force": "false"}})).refuse(400, &refused);
    cloud.post(Member, &path, json!({"consistencygroup": {"force": true}})).expect(202);
    assert_eq!(one(&cloud, "3.0", &id)["status"], json!("deleting"));
    let found = cloud.get(Member, &format!("/volumes/{inside}")).expect(200);
    assert_eq!(found["volume"]["status"], json!("deleting"));
    for ask in [0, 1, 2] {
        let id = consistency_group(&cloud, "next");
        let path = format!("/consistencygroups/{id}");
        let answer = match ask {
            0 => cloud.delete(Member, &path),
            1 => cloud.send(Member, "DELETE", &path, Some(json!({"consistencygroup": {}}))),
            _ => cloud.post(Member, &format!("{path}/delete"), json!({})),
        };
        answer.expect(202);
        assert_eq!(one(&cloud, "3.0", &id)["status"], json!("deleting"));
    }
}

#[test]
fn copies_are_made_of_a_group_or_of_its_snapshot() {
    let cloud = Cloud::new();
    backend(&cloud);
    let id = consistency_group(&cloud, "cg");
    member(&cloud, Member, &id);
    let snap = group_snapshot_of(&cloud, &id);
    let copy = |body: Value| {
        let body = json!({ "consistencygroup-from-src": body });
        cloud.post(Member, "/consistencygroups/create_from_src", body)
    };
    copy(json!({"name": "n"})).refuse(
        400,
        "Either 'cgsnapshot_id' or 'source_cgid' must be provided to create consistency group n from source.",
    );
    copy(json!({"source_cgid": id, "cgsnapshot_id": snap})).refuse(
        400,
        "Cannot provide both 'cgsnapshot_id' and 'source_cgid' to create consistency group None from source.",
    );
    copy(json!({"source_cgid": "x"})).refuse(404, "Group x could not be found.");
    copy(json!({"cgsnapshot_id": "x"})).refuse(404, "GroupSnapshot x could not be found.");
    for source in [json!({"source_cgid": id}), json!({"cgsnapshot_id": snap})] {
        let made = copy(source).expect(202)["consistencygroup"]["id"].as_str().unwrap().to_owned();
        assert_eq!(one(&cloud, "3.0", &made)["status"], json!("creating"));
        let volumes = "SELECT COUNT(*) FROM volumes WHERE group_id = ?";
        assert_eq!(cloud.numbers(volumes, &[made.into()]), [1]);
    }
}

/// A snapshot of a consistency group that a service has made.
fn group_snapshot_of(cloud: &Cloud, id: &str) -> String {
    let body = json!({"cgsnapshot": {"consistencygroup_id": id, "name": " s ", "description": "d"}});
    let made = cloud.post(Member, "3.0 /cgsnapshots", body).expect(202)["cgsnapshot"].clone();
    let snap = made["id"].as_str().unwrap().to_owned();
    assert_eq!(made, json!({"id": snap, "name": "s"}));
    status(cloud, "group_snapshots", &snap, "available");
    cloud.sql("UPDATE snapshots SET status = 'available'", &[]);
    snap
}

#[test]
fn snapshots_of_consistency_groups_are_made_listed_and_deleted() {
    let cloud = Cloud::new();
    let id = consistency_group(&cloud, "cg");
    let body = json!({"cgsnapshot": {"consistencygroup_id": id}});
    assert_eq!(cloud.post(Member, "/cgsnapshots", body.clone()).status, 400, "it is empty");
    member(&cloud, Member, &id);
    let snap = group_snapshot_of(&cloud, &id);
    let path = format!("/cgsnapshots/{snap}");
    let shown = cloud.get(Member, &path).expect(200)["cgsnapshot"].clone();
    let expected = json!({"id": snap, "consistencygroup_id": id, "status": "available",
        "created_at": shown["created_at"], "name": "s", "description": "d"});
    assert_eq!(shown, expected);
    assert_eq!(cloud.get(Member, &format!("/group_snapshots/{snap}")).status, 400);
    assert_eq!(cloud.get(Member, "/group_snapshots").expect(200), json!({"group_snapshots": []}));
    let plain = group(&cloud, Member, "g");
    member(&cloud, Member, &plain);
    group_snapshot(&cloud, &plain, "other");
    let list =
        |query: &str| cloud.get(Member, &format!("/cgsnapshots/detail{query}")).expect(200)["cgsnapshots"].clone();
    assert_eq!(list("").as_array().unwrap().len(), 2, "every group snapshot is there");
    assert_eq!(list("?limit=1").as_array().unwrap().len(), 1);
    assert_eq!(list("?offset=2"), json!([]));
    assert_eq!(cloud.get(Stranger, "/cgsnapshots").expect(200), json!({"cgsnapshots": []}));
    cloud.post(Stranger, "/cgsnapshots", body).refuse(404, &format!("Group {id} could not be found."));
    cloud.delete(Reader, &path).refuse(403, "Policy doesn't allow group:delete_group_snapshot to be performed.");
    let before = orders(&cloud);
    cloud.delete(Member, &path).expect(202);
    assert_eq!(orders(&cloud), before + 2);
    cloud.delete(Stranger, &path).refuse(404, &format!("GroupSnapshot {snap} could not be found."));
}
