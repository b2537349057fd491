//! Snapshots: create, list, show, update, delete, metadata, actions.

use serde_json::{Value, json};

use crate::fixture::{Answer, Cloud, PROJECT, Persona, Persona::*};
use crate::people::{groups, names, new_volume, orders, snapshot, status, used, volume, volume_with};

fn create(cloud: &Cloud, version: &str, body: Value) -> Answer {
    cloud.post(Member, &format!("{version} /snapshots"), json!({ "snapshot": body }))
}

#[test]
fn a_new_snapshot_is_written_charged_and_ordered() {
    let cloud = Cloud::new();
    let id = volume_with(&cloud, Member, json!({"size": 3}));
    let before = orders(&cloud);
    let body = json!({"volume_id": id, "name": " s ", "description": "d", "metadata": {"a": "b"}});
    let made = create(&cloud, "3.71", body).expect(202)["snapshot"].clone();
    let expected = json!({
        "id": made["id"], "created_at": made["created_at"], "updated_at": null, "name": "s", "description": "d",
        "volume_id": id, "status": "creating", "size": 3, "metadata": {"a": "b"}, "group_snapshot_id": null,
        "user_id": made["user_id"], "consumes_quota": true,
    });
    assert_eq!(made, expected);
    assert_eq!((used(&cloud, PROJECT, "snapshots"), used(&cloud, PROJECT, "gigabytes")), (1, 6));
    assert_eq!(orders(&cloud), before + 1);
    let workers = "SELECT COUNT(*) FROM workers WHERE resource_type = 'Snapshot' AND resource_id = ?";
    assert_eq!(cloud.numbers(workers, &[made["id"].as_str().unwrap().into()]), [1]);
    let shown = cloud.get(Reader, &format!("/snapshots/{}", made["id"].as_str().unwrap())).expect(200);
    assert_eq!(shown["snapshot"]["os-extended-snapshot-attributes:progress"], json!("0%"));
    assert_eq!(shown["snapshot"]["os-extended-snapshot-attributes:project_id"], json!(PROJECT));
}

#[test]
fn the_volume_must_be_ready_for_a_snapshot() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let waiting = new_volume(&cloud, Member, json!({"size": 1}));
    let refused = |id: &str, text: &str| create(&cloud, "3.65", json!({ "volume_id": id })).refuse(400, text);
    refused(
        &waiting,
        "Invalid volume: The snapshot cannot be created because volume has not been scheduled to any host.",
    );
    for (state, text) in [
        ("maintenance", "The snapshot cannot be created when the volume is in maintenance mode.".to_owned()),
        ("error", "The snapshot cannot be created when the volume is in error status.".to_owned()),
        ("in-use", format!("Volume {id} status must be available, but current status is: in-use.")),
        ("deleting", format!("Volume {id} status must be available, but current status is: deleting.")),
    ] {
        status(&cloud, "volumes", &id, state);
        refused(&id, &format!("Invalid volume: {text}"));
    }
    status(&cloud, "volumes", &id, "available");
    cloud.sql("UPDATE volumes SET migration_status = 'migrating' WHERE id = ?", &[(&id).into()]);
    refused(&id, "Invalid volume: Snapshot cannot be created while volume is migrating.");
    assert_eq!(used(&cloud, PROJECT, "snapshots"), 0);
    create(&cloud, "3.71", json!({"volume_id": null})).refuse(404, "Volume None could not be found.");
    assert_eq!(create(&cloud, "3.71", json!({"volume_id": "x"})).status, 400);
    assert_eq!(create(&cloud, "3.71", json!({"volume_id": id, "type": "x"})).status, 400);
    assert_eq!(create(&cloud, "3.71", json!({"volume_id": id, "description": "a\nb"})).status, 400);
    cloud
        .post(Reader, "/snapshots", json!({"snapshot": {"volume_id": id}}))
        .refuse(403, "Policy doesn't allow volume:create_snapshot to be performed.");
    cloud
        .post(Stranger, "/snapshots", json!({"snapshot": {"volume_id": id}}))
        .refuse(404, &format!("Volume {id} could not be found."));
}

#[test]
fn force_means_the_contrary_from_3_66_on() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    status(&cloud, "volumes", &id, "in-use");
    let body = |force: Value| json!({"volume_id": id, "force": force});
    create(&cloud, "3.65", body(json!("True"))).expect(202);
    assert_eq!(create(&cloud, "3.65", body(json!(false))).status, 400);
    create(&cloud, "3.66", json!({ "volume_id": id })).expect(202);
    create(&cloud, "3.66", body(json!(true))).expect(202);
    create(&cloud, "3.66", body(json!("no"))).refuse(
        400,
        "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, when \
         the 'force' flag is passed with a value evaluating to True, it is silently ignored.",
    );
    status(&cloud, "volumes", &id, "reserved");
    create(&cloud, "3.66", json!({ "volume_id": id })).refuse(
        400,
        &format!("Invalid volume: Volume {id} status must be available, in-use, but current status is: reserved."),
    );
}

#[test]
fn snapshots_count_against_the_quota_of_gigabytes_unless_the_operator_says_otherwise() {
    let cloud = Cloud::with("use_default_quota_class = false\nquota_gigabytes = 3\nquota_snapshots = 1");
    let id = volume_with(&cloud, Member, json!({"size": 2}));
    create(&cloud, "3.71", json!({ "volume_id": id })).refuse(
        413,
        "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 2G, \
         quota is 3G and 2G has been consumed.",
    );
    let cloud = Cloud::with(
        "use_default_quota_class = false\nquota_gigabytes = 3\nquota_snapshots = 1\nno_snapshot_gb_quota = true",
    );
    let id = volume_with(&cloud, Member, json!({"size": 2}));
    create(&cloud, "3.71", json!({ "volume_id": id })).expect(202);
    assert_eq!((used(&cloud, PROJECT, "snapshots"), used(&cloud, PROJECT, "gigabytes")), (1, 2));
    create(&cloud, "3.71", json!({ "volume_id": id }))
        .refuse(413, "SnapshotLimitExceeded: Maximum number of snapshots allowed (1) exceeded");
}

#[test]
fn each_field_is_there_from_its_version_on() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let snap = snapshot(&cloud, Member, &id, "s");
    let fields = |item: &Value| {
        let mut names: Vec<String> = item.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let base = "created_at description id metadata name size status updated_at volume_id";
    let mut expected: Vec<&str> = base.split_whitespace().collect();
    assert_eq!(fields(&cloud.get(Member, "/snapshots").expect(200)["snapshots"][0]), expected);
    expected.extend(["os-extended-snapshot-attributes:progress", "os-extended-snapshot-attributes:project_id"]);
    for (version, new) in [
        ("3.13", None),
        ("3.14", Some("group_snapshot_id")),
        ("3.40", None),
        ("3.41", Some("user_id")),
        ("3.64", None),
        ("3.65", Some("consumes_quota")),
    ] {
        expected.extend(new);
        expected.sort_unstable();
        let shown = cloud.get(Member, &format!("{version} /snapshots/{snap}")).expect(200)["snapshot"].clone();
        assert_eq!(fields(&shown), expected, "{version}");
        let listed = cloud.get(Member, &format!("{version} /snapshots/detail")).expect(200);
        assert_eq!(listed, json!({ "snapshots": [shown] }), "{version}");
    }
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let cloud = Cloud::new();
    let (one, two) = (volume(&cloud, Member, "1"), volume(&cloud, Member, "2"));
    for (at, (volume, name)) in [(&one, "a"), (&two, "b"), (&two, "c")].into_iter().enumerate() {
        let body = json!({"snapshot": {"volume_id": volume, "name": name, "metadata": {"n": name}}});
        let id = cloud.post(Member, "/snapshots", body).expect(202)["snapshot"]["id"].as_str().unwrap().to_owned();
        status(&cloud, "snapshots", &id, if name == "c" { "error" } else { "available" });
        let time = format!("2026-01-01 00:0{at}:00.000000");
        cloud.sql("UPDATE snapshots SET created_at = ? WHERE id = ?", &[time.into(), (&id).into()]);
    }
    cloud.sql("UPDATE volumes SET availability_zone = 'mars' WHERE id = ?", &[(&one).into()]);
    let list = |persona: Persona, query: &str| {
        let (version, query) = query.split_once(' ').unwrap_or(("3.71", query));
        cloud.get(persona, &format!("{version} /snapshots?{query}")).expect(200)
    };
    for (query, expected) in [
        ("", &["c", "b", "a"][..]),
        ("sort=name:asc", &["a", "b", "c"]),
        ("name=b", &["b"]),
        ("status=error", &["c"]),
        (&format!("volume_id={two}"), &["c", "b"]),
        ("metadata=%7B'n':'a'%7D", &["a"]),
        ("3.21 metadata=%7B'n':'a'%7D", &["c", "b", "a"]),
        ("availability_zone=mars", &["a"]),
        ("consumes_quota=false", &[]),
        ("all_tenants=1", &["c", "b", "a"]),
        ("3.30 colour=red", &["c", "b", "a"]),
        ("limit=2&offset=1", &["b", "a"]),
    ] {
        assert_eq!(names(&list(Member, query)["snapshots"]), expected, "{query}");
    }
    cloud.get(Member, "3.29 /snapshots?sort=name").refuse(400, "Invalid input received: Invalid sort key");
    cloud.get(Member, "/snapshots?colour=red").refuse(400, "Invalid filters colour are found in query options.");
    let page = cloud.get(Member, "/snapshots/detail?limit=1&with_count=true").expect(200);
    assert_eq!(page["count"], json!(3));
    let marker = page["snapshots"][0]["id"].as_str().unwrap();
    assert_eq!(
        page["snapshots_links"][0]["href"],
        json!(format!("http://cloud.example/v3/{PROJECT}/snapshots/detail?limit=1&with_count=true&marker={marker}"))
    );
    assert_eq!(names(&list(Stranger, "")["snapshots"]), [""; 0]);
    assert_eq!(names(&list(Admin, "all_tenants=1&host=node")["snapshots"]), ["c", "b", "a"]);
    cloud.get(Member, "/snapshots?marker=x").refuse(404, "Snapshot x could not be found.");
}

#[test]
fn a_snapshot_is_changed_in_any_status_and_deleted_in_two() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let snap = snapshot(&cloud, Member, &id, "s");
    let path = format!("/snapshots/{snap}");
    status(&cloud, "snapshots", &snap, "creating");
    let changed =
        cloud.put(Member, &path, json!({"snapshot": {"name": " t ", "display_description": "d"}})).expect(200);
    assert_eq!((&changed["snapshot"]["name"], &changed["snapshot"]["description"]), (&json!("t"), &json!("d")));
    assert_eq!(cloud.put(Member, &path, json!({"snapshot": {}})).status, 400);
    let refused = "Invalid snapshot: Snapshot status must be available or error and must not be part of a group.";
    cloud.delete(Member, &path).refuse(400, refused);
    status(&cloud, "snapshots", &snap, "error");
    groups(&cloud);
    cloud.sql("UPDATE snapshots SET group_snapshot_id = 'g' WHERE id = ?", &[(&snap).into()]);
    cloud.delete(Member, &path).refuse(400, refused);
    cloud.sql("UPDATE snapshots SET group_snapshot_id = NULL WHERE id = ?", &[(&snap).into()]);
    cloud.delete(Reader, &path).refuse(403, "Policy doesn't allow volume:delete_snapshot to be performed.");
    let before = orders(&cloud);
    cloud.delete(Member, &path).expect(202);
    assert_eq!(orders(&cloud), before + 1);
    assert_eq!(cloud.get(Member, &path).expect(200)["snapshot"]["status"], json!("deleting"));
    let action = format!("{path}/action");
    cloud
        .post(Member, &action, json!({"os-force_delete": {}}))
        .refuse(403, "Policy doesn't allow volume_extension:snapshot_admin_actions:force_delete to be performed.");
    cloud.post(Admin, &action, json!({"os-force_delete": {}})).expect(202);
    let missing = format!("Snapshot {snap} could not be found.");
    cloud.get(Stranger, &path).refuse(404, &missing);
    cloud.delete(Stranger, &path).refuse(404, &missing);
}

#[test]
fn metadata_are_merged_replaced_and_removed() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let snap = snapshot(&cloud, Member, &id, "s");
    let all = format!("/snapshots/{snap}/metadata");
    assert_eq!(cloud.get(Reader, &all).expect(200), json!({"metadata": {}}));
    cloud.post(Member, &all, json!({"metadata": {"a": "1"}})).expect(200);
    let merged = cloud.post(Member, &all, json!({"metadata": {"b": "2"}})).expect(200);
    assert_eq!(merged, json!({"metadata": {"a": "1", "b": "2"}}));
    assert_eq!(
        cloud.put(Member, &format!("{all}/a"), json!({"meta": {"a": "3"}})).expect(200),
        json!({"meta": {"a": "3"}})
    );
    assert_eq!(cloud.get(Member, &format!("{all}/a")).expect(200), json!({"meta": {"a": "3"}}));
    assert_eq!(cloud.put(Member, &all, json!({"metadata": {"c": ""}})).expect(200), json!({"metadata": {"c": ""}}));
    assert_eq!(cloud.post(Member, &all, json!({"metadata": {"a/b": ""}})).status, 400, "no slash in keys of snapshots");
    assert_eq!(cloud.delete(Member, &format!("{all}/c")).status, 200);
    cloud.delete(Member, &format!("{all}/c")).refuse(404, &format!("Snapshot {snap} has no metadata with key c."));
    cloud
        .post(Reader, &all, json!({"metadata": {}}))
        .refuse(403, "Policy doesn't allow volume:update_snapshot_metadata to be performed.");
}

#[test]
fn statuses_are_set_by_operators_and_reported_by_services() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let snap = snapshot(&cloud, Member, &id, "s");
    let act = |persona, body: Value| cloud.post(persona, &format!("/snapshots/{snap}/action"), body);
    let reset = |persona, text: &str| act(persona, json!({"os-reset_status": {"status": text}}));
    reset(Member, "error")
        .refuse(403, "Policy doesn't allow volume_extension:snapshot_admin_actions:reset_status to be performed.");
    assert_eq!(reset(Admin, "flying").status, 400);
    reset(Admin, "Error").expect(202);
    let report = |text: &str, progress: &str| {
        act(Member, json!({"os-update_snapshot_status": {"status": text, "progress": progress}}))
    };
    report("available", "50%").refuse(400, "Snapshot status error not allowed for update_snapshot_status");
    reset(Admin, "creating").expect(202);
    report("deleting", "50%")
        .refuse(400, "Provided snapshot status deleting not allowed for snapshot with status creating.");
    report("creating", "150%")
        .refuse(400, "Invalid input received: progress must be an integer percentage between 0 and 100");
    report("creating", "50%").expect(202);
    report("available", "").expect(202);
    let shown = cloud.get(Member, &format!("/snapshots/{snap}")).expect(200)["snapshot"].clone();
    assert_eq!(
        (&shown["status"], &shown["os-extended-snapshot-attributes:progress"]),
        (&json!("available"), &json!("50%"))
    );
    reset(Admin, "deleting").expect(202);
    report("error_deleting", "").expect(202);
}
