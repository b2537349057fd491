//! What callers rely on beyond the words of the API, because the original has always done so, and requests that it answers with
//! a failure of its own.

use serde_json::{Value, json};

use crate::attachments::connector;
use crate::concurrency::{at_once, one_won};
use crate::fixture::{Cloud, PROJECT, Persona::*};
use crate::people::{orders, real_volume, used, volume};

#[test]
fn whoever_accepts_the_vendors_type_reads_answers_and_errors() {
    let cloud = Cloud::new();
    for (url, status) in [("/v3/volumes", 200), ("/v3/volumes/x", 404), ("/v3/volumes?limit=x", 400)] {
        let headers = [("X-Auth-Token", "member"), ("Accept", "application/vnd.openstack.volume+json")];
        let answer = cloud.raw("GET", url, &headers, None);
        assert_eq!((answer.status, answer.header("Content-Type")), (status, Some("application/json")), "{url}");
        assert!(answer.json.is_object(), "{url}: {}", answer.text);
    }
}

#[test]
fn what_old_clients_send_with_a_new_volume_is_read_over() {
    let cloud = Cloud::new();
    let body = json!({"volume": {"size": "1", "status": "error", "attach_status": "attached", "user_id": "x",
        "project_id": "y", "source_replica": null, "consistencygroup_id": null, "imageRef": null, "snapshot_id": null}});
    for version in ["3.0", "3.52"] {
        let made = cloud.post(Member, &format!("{version} /volumes"), body.clone()).expect(202)["volume"].clone();
        let shown =
            cloud.get(Member, &format!("/volumes/{}", made["id"].as_str().unwrap())).expect(200)["volume"].clone();
        assert_eq!((&shown["status"], &shown["os-vol-tenant-attr:tenant_id"]), (&json!("creating"), &json!(PROJECT)));
        assert_ne!(shown["user_id"], json!("x"));
        assert_eq!(shown["attachments"], json!([]));
    }
    cloud.post(Member, "3.53 /volumes", body).expect(400);
}

#[test]
fn how_a_volume_is_reached_comes_back_as_its_service_wrote_it() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let written = r#"{"driver_volume_type": "rbd", "hosts": ["b", "a", "b"], "ports": [[6789, 3300], []], "auth_password": "s\u00e9cret",
        "keyring": null, "secret_type": "ceph", "qos_specs": {"z": 1, "a": 2.5}, "encrypted": false, "big": 18446744073709551615}"#;
    let attachment = "5aef4e43-7b1c-4b55-9c8d-6ad8d2b1c111";
    cloud.sql(
        "INSERT INTO volume_attachment (id, volume_id, deleted, attach_status, attach_mode, connection_info) \
         VALUES (?, ?, false, 'attached', 'rw', ?)",
        &[attachment.into(), (&id).into(), written.into()],
    );
    let expected: Value = serde_json::from_str(written).unwrap();
    for version in ["3.27", "3.54", "3.71"] {
        let shown = cloud.get(Member, &format!("{version} /attachments/{attachment}")).expect(200);
        assert_eq!(shown["attachment"]["connection_info"], expected, "{version}");
    }
}

#[test]
fn what_a_host_says_of_itself_is_kept_whole() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    let mut host = connector("one");
    host["of_a_later_release"] = json!({"paths": [3, 1, 2], "none": null});
    let body = json!({"attachment": {"volume_uuid": id, "instance_uuid": null, "connector": host}});
    cloud.post(Service, "/attachments", body).expect(400);
    let body = json!({"attachment": {"volume_uuid": id, "connector": host}});
    cloud.post(Member, "/attachments", body).expect(200);
    let kept = "SELECT connector FROM volume_attachment WHERE volume_id = ? AND deleted = false";
    let kept = cloud.database.read(|c| c.rows(kept, &[(&id).into()], |row| row.string(0))).unwrap();
    let kept: Value = serde_json::from_str(&kept[0]).unwrap();
    for (name, value) in host.as_object().unwrap() {
        assert_eq!(kept[name], *value, "{name}");
    }
}

#[test]
fn what_operators_see_of_a_volume_is_beside_its_metadata() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let action = format!("/volumes/{id}/action");
    cloud.post(Member, &action, json!({"os-update_readonly_flag": {"readonly": true}})).expect(202);
    let shown = cloud.get(Member, &format!("/volumes/{id}")).expect(200);
    assert_eq!(shown["volume"]["metadata"], json!({"readonly": "True"}));
    assert_eq!(cloud.get(Member, &format!("/volumes/{id}/metadata")).expect(200), json!({"metadata": {}}));
    // Statuses that look like a slip of the original are settable as ever.
    for status in ["error_deleting", "detaching"] {
        cloud.post(Admin, &action, json!({"os-reset_status": {"status": status}})).expect(202);
        assert_eq!(cloud.get(Member, &format!("/volumes/{id}")).expect(200)["volume"]["status"], status);
    }
    let null = json!({"os-retype": {"new_type": "__DEFAULT__", "migration_policy": null}});
    cloud.post(Member, &action, null).expect(400);
    // What was set of a quota is told without an id, what is asked for with one.
    let quota = format!("/os-quota-sets/{PROJECT}");
    let set = cloud.put(Admin, &quota, json!({"quota_set": {"volumes": 7}})).expect(200);
    assert_eq!((&set["quota_set"]["volumes"], set["quota_set"].get("id")), (&json!(7), None));
    assert_eq!(cloud.get(Admin, &quota).expect(200)["quota_set"]["id"], PROJECT);
    assert_eq!(cloud.delete(Admin, &quota).text, "");
}

#[test]
fn no_body_whatsoever_is_a_failure_of_the_server() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let unknown = "5aef4e43-7b1c-4b55-9c8d-6ad8d2b1c111";
    let table = hearth::operate::routes::table("block-storage").unwrap();
    let mut asked = 0;
    for line in table.lines().skip(1) {
        let row: Vec<&str> = line.split('\t').collect();
        let (method, action) = (row[0], row[2]);
        if method == "GET" || method == "DELETE" {
            continue;
        }
        let path = row[1].trim_start_matches("/v3/{project_id}").trim_start_matches("/v3");
        let path: Vec<&str> = path
            .split('/')
            .map(|part| match part {
                "{volume_id}" => &id,
                _ if part.starts_with('{') => unknown,
                _ => part,
            })
            .collect();
        let path = path.join("/");
        let mut bodies = vec![None, Some(Value::Null), Some(json!([])), Some(json!("x")), Some(json!({"type": "x"}))];
        if !action.is_empty() {
            for inner in [Value::Null, json!([]), json!("x"), json!({"type": "x"})] {
                bodies.push(Some(json!({ action: inner })));
            }
        }
        for body in bodies {
            let answer = cloud.send(Admin, method, &path, body.clone());
            assert!(
                answer.status < 500 || answer.status == 501,
                "{method} {path} {body:?}: {} {}",
                answer.status,
                answer.text
            );
            asked += 1;
        }
    }
    assert!(asked > 500, "{asked}");
    for (path, key) in [
        ("/volumes", "volume"),
        ("/snapshots", "snapshot"),
        ("/backups", "backup"),
        ("/attachments", "attachment"),
        ("/types", "volume_type"),
        ("/group_types", "group_type"),
        ("/groups", "group"),
        ("/group_snapshots", "group_snapshot"),
        ("/qos-specs", "qos_specs"),
        ("/volume-transfers", "transfer"),
    ] {
        let refused = cloud.post(Admin, path, json!({"type": "x", key: {}}));
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
    }
}

#[test]
fn openstacksdk_puts_what_others_post_to_clean_up() {
    let cloud = Cloud::serving("");
    let told = cloud.put(Admin, "3.24 /workers/cleanup", json!({"is_up": true})).expect(202);
    assert_eq!(told["cleaning"][0]["host"], "node@file");
    cloud.put(Admin, "3.23 /workers/cleanup", json!({})).expect(404);
}

#[test]
fn where_names_are_unique_asking_again_makes_no_second_volume() {
    let cloud = Cloud::with("[hearth]\nunique_volume_names = true");
    let new = |name: &str| json!({"volume": {"name": name, "size": 1}});
    one_won(&at_once(|_| cloud.post(Member, "/volumes", new("pvc-1")).status), 202, 409);
    let id = cloud.get(Member, "/volumes?name=pvc-1").expect(200)["volumes"][0]["id"].clone();
    let text = format!("Volume {} has the name 'pvc-1' already.", id.as_str().unwrap());
    cloud.post(Member, "/volumes", new("pvc-1")).refuse(409, &text);
    assert_eq!((used(&cloud, PROJECT, "volumes"), used(&cloud, PROJECT, "gigabytes"), orders(&cloud)), (1, 1, 1));
    cloud.post(Stranger, "/volumes", new("pvc-1")).expect(202);
    for _ in 0..2 {
        cloud.post(Member, "/volumes", json!({"volume": {"size": 1}})).expect(202);
        cloud.post(Member, "/volumes", new("")).expect(202);
    }
    cloud.delete(Member, &format!("/volumes/{}", id.as_str().unwrap())).expect(202);
    cloud.post(Member, "/volumes", new("pvc-1")).expect(202);
}

#[test]
fn where_names_are_unique_a_volume_may_still_be_renamed_to_a_taken_one_since_nothing_is_made() {
    let cloud = Cloud::with("[hearth]\nunique_volume_names = true");
    let made = |name: &str| cloud.post(Member, "/volumes", json!({"volume": {"name": name, "size": 1}})).expect(202);
    let id = |made: Value| made["volume"]["id"].as_str().unwrap().to_owned();
    let (_, other) = (made("one"), id(made("other")));
    for _ in 0..2 {
        cloud.put(Member, &format!("/volumes/{other}"), json!({"volume": {"name": "one"}})).expect(200);
    }
    cloud.post(Member, "/volumes", json!({"volume": {"name": "one", "size": 1}})).expect(409);
    assert_eq!(used(&cloud, PROJECT, "volumes"), 2);
}

#[test]
fn a_volume_that_no_backend_has_is_never_set_available() {
    let cloud = Cloud::new();
    let id = cloud.post(Member, "/volumes", json!({"volume": {"size": 1}})).expect(202)["volume"]["id"].clone();
    let path = format!("/volumes/{}/action", id.as_str().unwrap());
    let reset = |status: &str| cloud.post(Admin, &path, json!({"os-reset_status": {"status": status}}));
    reset("available").refuse(400, "Cannot reset-state to available because no backend has the volume.");
    reset("error").expect(202);
}
