//! Snapshots of groups: create, list, show, copies, the end.

use serde_json::{Value, json};

use crate::fixture::{Answer, Cloud, PROJECT, Persona, Persona::*};
use crate::people::{backend, group, group_type, member, names, orders, status, used, volume_with};

fn create(cloud: &Cloud, persona: Persona, group: &str, name: &str) -> Answer {
    cloud.post(persona, "/group_snapshots", json!({"group_snapshot": {"group_id": group, "name": name}}))
}

/// A group snapshot that a service has made.
pub(crate) fn group_snapshot(cloud: &Cloud, group: &str, name: &str) -> String {
    let made = create(cloud, Member, group, name).expect(202);
    let id = made["group_snapshot"]["id"].as_str().unwrap().to_owned();
    status(cloud, "group_snapshots", &id, "available");
    for part in parts(cloud, &id) {
        status(cloud, "snapshots", &part, "available");
    }
    id
}

/// The snapshots of a group snapshot.
fn parts(cloud: &Cloud, id: &str) -> Vec<String> {
    let sql = "SELECT id FROM snapshots WHERE group_snapshot_id = ? AND deleted = false ORDER BY id";
    cloud.database.read(|c| c.rows(sql, &[id.into()], |row| row.string(0))).unwrap()
}

#[test]
fn a_new_group_snapshot_has_a_snapshot_of_each_volume() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    create(&cloud, Member, &id, "s").refuse(
        400,
        "Invalid Group: Source group cannot be empty or in 'creating' or 'updating' state. No group snapshot will be \
         created.",
    );
    let one = member(&cloud, Member, &id);
    volume_with(&cloud, Member, json!({"size": 2, "group_id": id, "volume_type": "__DEFAULT__"}));
    let before = orders(&cloud);
    let body = json!({"group_snapshot": {"group_id": id, "name": "s", "description": "d"}});
    let made = cloud.post(Member, "3.14 /group_snapshots", body).expect(202)["group_snapshot"].clone();
    let made_id = made["id"].as_str().unwrap();
    let kind = group_type(&cloud);
    assert_eq!(made, json!({"id": made_id, "name": "s", "group_type_id": kind}));
    assert_eq!(orders(&cloud), before + 3, "one for each snapshot, one for the group snapshot");
    assert_eq!((used(&cloud, PROJECT, "snapshots"), used(&cloud, PROJECT, "gigabytes")), (2, 6));
    let shown = cloud.get(Member, &format!("/group_snapshots/{made_id}")).expect(200)["group_snapshot"].clone();
    let expected = json!({"id": made_id, "group_id": id, "group_type_id": kind, "status": "creating",
        "created_at": shown["created_at"], "name": "s", "description": "d"});
    assert_eq!(shown, expected);
    let admins = cloud.get(Admin, &format!("/group_snapshots/{made_id}")).expect(200);
    assert_eq!(admins["group_snapshot"]["project_id"], json!(PROJECT));
    let list = cloud.get(Member, &format!("/snapshots/detail?volume_id={one}")).expect(200);
    let part = &list["snapshots"][0];
    assert_eq!((&part["group_snapshot_id"], &part["name"]), (&json!(made_id), &json!("s")));
    assert_eq!((&part["description"], &part["status"]), (&json!("d"), &json!("creating")));
    status(&cloud, "snapshots", part["id"].as_str().unwrap(), "available");
    assert_eq!(cloud.delete(Member, &format!("/snapshots/{}", part["id"].as_str().unwrap())).status, 400);
    create(&cloud, Reader, &id, "s").refuse(403, "Policy doesn't allow group:create_group_snapshot to be performed.");
    create(&cloud, Stranger, &id, "s").refuse(404, &format!("Group {id} could not be found."));
}

#[test]
fn one_volume_that_is_not_ready_refuses_all() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    member(&cloud, Member, &id);
    let bad = member(&cloud, Member, &id);
    let before = orders(&cloud);
    let refused = |text: &str| create(&cloud, Member, &id, "s").refuse(400, text);
    status(&cloud, "volumes", &bad, "error");
    refused("Invalid volume: The snapshot cannot be created when the volume is in error status.");
    status(&cloud, "volumes", &bad, "extending");
    refused(&format!(
        "Invalid volume: Volume {bad} status must be available, in-use, but current status is: extending."
    ));
    status(&cloud, "volumes", &bad, "in-use");
    status(&cloud, "\"groups\"", &id, "updating");
    assert_eq!(create(&cloud, Member, &id, "s").status, 400);
    assert_eq!((used(&cloud, PROJECT, "snapshots"), orders(&cloud)), (0, before));
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM group_snapshots", &[]), [0]);
    status(&cloud, "\"groups\"", &id, "available");
    create(&cloud, Member, &id, "s").expect(202);
}

#[test]
fn the_quota_refuses_all_or_nothing() {
    let cloud = Cloud::with("use_default_quota_class = false\nquota_snapshots = 1");
    let id = group(&cloud, Member, "g");
    member(&cloud, Member, &id);
    member(&cloud, Member, &id);
    create(&cloud, Member, &id, "s")
        .refuse(413, "SnapshotLimitExceeded: Maximum number of snapshots allowed (1) exceeded");
    assert_eq!(used(&cloud, PROJECT, "snapshots"), 0);
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM snapshots", &[]), [0]);
}

#[test]
fn a_consistent_snapshot_of_attached_volumes_is_refused() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    let specs = json!({"group_specs": {"consistent_group_snapshot_enabled": "<is> True"}});
    cloud.post(Admin, &format!("/group_types/{}/group_specs", group_type(&cloud)), specs).expect(202);
    let one = member(&cloud, Member, &id);
    cloud.sql("UPDATE volumes SET status = 'in-use', attach_status = 'attached' WHERE id = ?", &[(&one).into()]);
    create(&cloud, Member, &id, "alone").expect(202);
    member(&cloud, Member, &id);
    create(&cloud, Member, &id, "s").refuse(
        400,
        &format!("Invalid Group: The backend of group {id} can not take a consistent snapshot of attached volumes."),
    );
    cloud.sql("UPDATE volumes SET attach_status = 'detached'", &[]);
    create(&cloud, Member, &id, "s").expect(202);
}

#[test]
fn lists_are_filtered_and_paged_from_3_29_on() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    member(&cloud, Member, &id);
    for name in ["a", "b"] {
        group_snapshot(&cloud, &id, name);
    }
    let list = |persona, query: &str| {
        let (version, query) = query.split_once(' ').unwrap_or(("3.71", query));
        cloud.get(persona, &format!("{version} /group_snapshots?{query}")).expect(200)["group_snapshots"].clone()
    };
    for (persona, query, expected) in [
        (Member, "sort=name:asc", &["a", "b"][..]),
        (Member, "name=b", &["b"]),
        (Member, "status=error", &[]),
        (Member, &format!("group_id={id}&sort=name:desc"), &["b", "a"]),
        (Admin, "all_tenants=1&sort=name:asc", &["a", "b"]),
        (Stranger, "", &[]),
    ] {
        assert_eq!(names(&list(persona, query)), expected, "{query}");
    }
    assert_eq!(list(Member, "3.28 name=b&limit=1").as_array().unwrap().len(), 2, "nothing of it is read");
    assert_eq!(list(Member, "name=a")[0].as_object().unwrap().len(), 2);
    let page = cloud.get(Member, "/group_snapshots/detail?limit=1&sort=name:asc").expect(200);
    let marker = page["group_snapshots"][0]["id"].as_str().unwrap();
    let next = format!("http://cloud.example/v3/{PROJECT}/group_snapshots?limit=1&sort=name%3Aasc&marker={marker}");
    assert_eq!(page["group_snapshot_links"], json!([{"rel": "next", "href": next}]));
    cloud.get(Member, "/group_snapshots?colour=red").refuse(400, "Invalid filters colour are found in query options.");
    cloud.get(Member, "/group_snapshots?marker=x").refuse(404, "GroupSnapshot x could not be found.");
    assert_eq!(cloud.get(Member, "3.13 /group_snapshots").status, 404);
}

#[test]
fn a_group_snapshot_is_deleted_with_its_snapshots() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    member(&cloud, Member, &id);
    let snap = group_snapshot(&cloud, &id, "s");
    let path = format!("/group_snapshots/{snap}");
    status(&cloud, "group_snapshots", &snap, "creating");
    let refused = "Invalid GroupSnapshot: GroupSnapshot status must be available or error, and no Group can be currently \
                   using it as source for its creation.";
    cloud.delete(Member, &path).refuse(400, refused);
    status(&cloud, "group_snapshots", &snap, "error");
    let copy = group(&cloud, Member, "copy");
    cloud.sql(
        "UPDATE \"groups\" SET status = 'creating', group_snapshot_id = ? WHERE id = ?",
        &[(&snap).into(), (&copy).into()],
    );
    cloud.delete(Member, &path).refuse(400, refused);
    status(&cloud, "\"groups\"", &copy, "available");
    let delete = json!({"delete": {"delete-volumes": true}});
    cloud
        .post(Member, &format!("/groups/{id}/action"), delete)
        .refuse(400, "Invalid Group: Group has existing snapshots.");
    let before = orders(&cloud);
    cloud.delete(Member, &path).expect(202);
    assert_eq!(orders(&cloud), before + 2);
    assert_eq!(cloud.get(Member, &path).expect(200)["group_snapshot"]["status"], json!("deleting"));
    let part = &parts(&cloud, &snap)[0];
    assert_eq!(cloud.get(Member, &format!("/snapshots/{part}")).expect(200)["snapshot"]["status"], json!("deleting"));
    cloud.get(Stranger, &path).refuse(404, &format!("GroupSnapshot {snap} could not be found."));
}

#[test]
fn operators_set_statuses() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    member(&cloud, Member, &id);
    let snap = group_snapshot(&cloud, &id, "s");
    let reset = |persona, version: &str, text: &str| {
        let body = json!({"reset_status": {"status": text}});
        cloud.post(persona, &format!("{version} /group_snapshots/{snap}/action"), body)
    };
    reset(Member, "3.71", "error")
        .refuse(403, "Policy doesn't allow group:reset_group_snapshot_status to be performed.");
    reset(Admin, "3.19", "ERROR").expect(202);
    let shown = cloud.get(Member, &format!("/group_snapshots/{snap}")).expect(200);
    assert_eq!(shown["group_snapshot"]["status"], json!("error"));
    assert_eq!(reset(Admin, "3.18", "error").status, 404);
    reset(Admin, "3.71", "in-use").refuse(
        400,
        "Invalid GroupSnapshot Status: Group snapshot status: in-use is invalid, valid statuses are: ('error', \
         'available', 'creating', 'deleting', 'deleted', 'updating', 'error_deleting').",
    );
}

#[test]
fn a_group_is_made_of_a_group_snapshot() {
    let cloud = Cloud::new();
    backend(&cloud);
    let id = group(&cloud, Member, "g");
    member(&cloud, Member, &id);
    let snap = group_snapshot(&cloud, &id, "s");
    let part = parts(&cloud, &snap)[0].clone();
    let copy = || cloud.post(Member, "/groups/action", json!({"create-from-src": {"group_snapshot_id": snap}}));
    status(&cloud, "snapshots", &part, "error");
    copy().refuse(400, "Invalid snapshot: Originating snapshot status must be one of 'available' values");
    status(&cloud, "snapshots", &part, "available");
    let before = orders(&cloud);
    let made = copy().expect(202)["group"]["id"].as_str().unwrap().to_owned();
    assert_eq!(orders(&cloud), before + 2);
    let shown = cloud.get(Member, &format!("/groups/{made}?list_volume=1")).expect(200)["group"].clone();
    assert_eq!((&shown["group_snapshot_id"], &shown["source_group_id"]), (&json!(snap), &json!(null)));
    let inside = shown["volumes"][0].as_str().unwrap();
    let found: Value = cloud.get(Member, &format!("/volumes/{inside}")).expect(200)["volume"].clone();
    assert_eq!((&found["snapshot_id"], &found["group_id"]), (&json!(part), &json!(made)));
    assert_eq!(cloud.delete(Member, &format!("/group_snapshots/{snap}")).status, 400, "it is being copied");
    cloud.sql("UPDATE snapshots SET deleted = true WHERE id = ?", &[(&part).into()]);
    copy().refuse(400, "Invalid Group: Group snapshot is empty. No group will be created.");
}
