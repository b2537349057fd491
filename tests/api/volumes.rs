//! Volumes: create, show, update, delete.

use serde_json::{Value, json};

use crate::fixture::{Answer, Cloud, OTHER_PROJECT, PROJECT, Persona::*};
use crate::people::{HOST, groups, new_volume, orders, snapshot, status, used, volume, volume_with};

fn create(cloud: &Cloud, body: Value) -> Answer {
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
    assert_eq!(used(&cloud, PROJECT, "gigabytes___DEFAULT__"), 2);
    assert_eq!(orders(&cloud), 1);
    let workers = "SELECT COUNT(*) FROM workers WHERE resource_type = 'Volume' AND resource_id = ?";
    assert_eq!(cloud.numbers(workers, &[id.into()]), [1]);
    let shown = cloud.get(Member, &format!("/volumes/{id}")).expect(200)["volume"].clone();
    assert_eq!(shown["os-vol-tenant-attr:tenant_id"], json!(PROJECT));
    assert_eq!(shown.get("os-vol-host-attr:host"), None);
}

#[test]
fn a_body_that_can_not_be_is_refused_before_anything_else() {
    let cloud = Cloud::new();
    let field =
        |name: &str, value: &str, why: &str| format!("Invalid input for field/attribute {name}. Value: {value}. {why}");
    let size = "Invalid input received: Invalid volume size provided for create request: 01 (size argument must be an \
                integer (or string representation of an integer) and greater than zero).";
    let generic = "The server could not comply with the request since it is either malformed or otherwise incorrect.";
    let cases = [
        (json!({"volume": {}}), generic.to_owned()),
        (json!({"volume": {"size": null}}), generic.to_owned()),
        (json!({}), "'volume' is a required property".to_owned()),
        (json!({"volume": {"size": 0}}), field("size", "0", "0 is less than the minimum of 1")),
        (json!({"volume": {"size": "01"}}), size.to_owned()),
        (
            json!({"volume": {"size": 2_147_483_648_i64}}),
            field("size", "2147483648", "2147483648 is greater than the maximum of 2147483647"),
        ),
        (
            json!({"volume": {"size": 1, "metadata": {"a\u{e9}": "b"}}}),
            field(
                "metadata",
                "{'a\u{e9}': 'b'}",
                "'a\u{e9}' does not match any of the regexes: '^[a-zA-Z0-9-_:. /]{1,255}$'",
            ),
        ),
        (
            json!({"volume": {"size": 1, "unknown": 1}}),
            field(
                "volume",
                "{'size': 1, 'unknown': 1}",
                "Additional properties are not allowed ('unknown' was unexpected)",
            ),
        ),
    ];
    for (body, text) in cases {
        cloud.post(Stranger, "/volumes", body).refuse(400, &text);
    }
    assert_eq!(orders(&cloud), 0);
    // Before 3.53 keys that nobody knows are read over.
    cloud.post(Member, "3.52 /volumes", json!({"volume": {"size": 1, "status": "x"}})).expect(202);
    // A body that says nothing of its type is none.
    let headers = [("X-Auth-Token", "member"), ("CONTENT-TYPE", "")];
    assert_eq!(cloud.raw("POST", "/v3/volumes", &headers, None).status, 400);
}

#[test]
fn what_a_volume_can_not_be_made_of_is_named() {
    let cloud = Cloud::new();
    let nowhere = "5aef4e43-7b1c-4b55-9c8d-6ad8d2b1c111";
    let found = |noun: &str| format!("{noun} {nowhere} could not be found.");
    let theirs = volume(&cloud, Stranger, "theirs");
    let own = volume(&cloud, Member, "own");
    let broken = volume(&cloud, Member, "broken");
    let snap = snapshot(&cloud, Member, &own, "snap");
    let unfinished = snapshot(&cloud, Member, &own, "unfinished");
    status(&cloud, "volumes", &broken, "error");
    status(&cloud, "snapshots", &unfinished, "creating");
    let removed = "multiattach parameter has been removed. The default behavior is to use multiattach enabled volume \
                   types. Contact your administrator to create a multiattach enabled volume type and use it to create \
                   multiattach volumes.";
    let cases = [
        (json!({"size": 1, "volume_type": "gold"}), 404, "Volume type with name gold could not be found.".to_owned()),
        (json!({"size": 1, "volume_type": nowhere}), 404, found("Volume type")),
        (json!({"size": 1, "snapshot_id": nowhere}), 404, found("Snapshot")),
        (json!({"size": 1, "source_volid": nowhere}), 404, found("Volume")),
        (json!({"size": 1, "source_volid": theirs}), 404, format!("Volume {theirs} could not be found.")),
        (json!({"size": 1, "backup_id": nowhere}), 404, found("Backup")),
        (json!({"size": 1, "group_id": nowhere}), 404, found("Group")),
        (json!({"size": 1, "consistencygroup_id": nowhere}), 404, found("Group")),
        (
            json!({"size": 1, "imageRef": nowhere}),
            400,
            "Invalid image identifier or unable to access requested image.".to_owned(),
        ),
        (json!({"size": 1, "multiattach": "yes"}), 400, removed.to_owned()),
        (json!({"size": 1, "availability_zone": "mars"}), 400, "Availability zone 'mars' is invalid.".to_owned()),
        (
            json!({"size": 1, "source_volid": own, "snapshot_id": snap}),
            400,
            "Invalid input received: May specify only one of backup, imageRef, snapshot, source volume".to_owned(),
        ),
        (
            json!({"size": 1, "source_volid": broken}),
            400,
            "Invalid volume: Originating source volume status must be one of 'available, in-use' values".to_owned(),
        ),
        (
            json!({"size": 1, "snapshot_id": unfinished}),
            400,
            "Invalid snapshot: Originating snapshot status must be one of 'available' values".to_owned(),
        ),
    ];
    let before = used(&cloud, PROJECT, "volumes");
    for (body, status, text) in cases {
        create(&cloud, body).refuse(status, &text);
    }
    assert_eq!(used(&cloud, PROJECT, "volumes"), before);
}

#[test]
fn a_volume_gets_size_type_and_bootability_of_what_it_is_made_of() {
    let cloud = Cloud::new();
    let gold = json!({"volume_type": {"name": "gold"}});
    let gold = cloud.post(Admin, "/types", gold).expect(200)["volume_type"]["id"].clone();
    let source = volume_with(&cloud, Member, json!({"size": 3, "volume_type": "gold"}));
    cloud.sql("UPDATE volumes SET bootable = true WHERE id = ?", &[(&source).into()]);
    cloud.sql(
        "INSERT INTO volume_glance_metadata (deleted, volume_id, \"key\", value) VALUES (false, ?, 'os', 'x')",
        &[(&source).into()],
    );
    let snap = snapshot(&cloud, Member, &source, "snap");
    for body in [json!({"source_volid": source}), json!({"snapshot_id": snap})] {
        let made = create(&cloud, body).expect(202)["volume"].clone();
        assert_eq!((&made["size"], &made["volume_type_id"]), (&json!(3), &gold));
        assert_eq!(made["bootable"], json!("true"));
        let path = format!("/volumes/{}", made["id"].as_str().unwrap());
        let shown = cloud.get(Member, &path).expect(200);
        assert_eq!(shown["volume"]["volume_image_metadata"], json!({"os": "x"}));
    }
    create(&cloud, json!({"source_volid": source, "size": 2})).refuse(
        400,
        "Invalid input received: Volume size '2'GB cannot be smaller than original volume size  3GB. They must be >= \
         original volume size.",
    );
    create(&cloud, json!({"snapshot_id": snap, "size": 2})).refuse(
        400,
        "Invalid input received: Volume size '2'GB cannot be smaller than the snapshot size 3GB. They must be >= original \
         snapshot size.",
    );
    create(&cloud, json!({"source_volid": source, "size": 4})).expect(202);
}

#[test]
fn the_type_limits_sizes_and_zones_and_multiattach_is_a_matter_of_policy() {
    let cloud = Cloud::new();
    let specs = json!({"provisioning:min_vol_size": "2", "provisioning:max_vol_size": "4", "multiattach": "<is> True",
        "RESKEY:availability_zones": "nova,mars"});
    cloud.post(Admin, "/types", json!({"volume_type": {"name": "gold", "extra_specs": specs}})).expect(200);
    let lost = json!({"name": "lost", "extra_specs": {"RESKEY:availability_zones": "mars,venus"}});
    cloud.post(Admin, "/types", json!({"volume_type": lost})).expect(200);
    let of = |kind: &str, size: i64| json!({"volume_type": kind, "size": size});
    create(&cloud, of("gold", 1)).refuse(
        400,
        "Invalid input received: Specified volume size of '1' is less than the minimum required size of '2' for volume \
         type 'gold'.",
    );
    create(&cloud, of("gold", 5)).refuse(
        400,
        "Invalid input received: Specified volume size of '5' is greater than the maximum allowable size of '4' for \
         volume type 'gold'.",
    );
    create(&cloud, of("lost", 1))
        .refuse(400, "Volume type is only supported in these availability zones: ['mars', 'venus']");
    let made = create(&cloud, of("gold", 2)).expect(202);
    assert_eq!(made["volume"]["multiattach"], json!(true));
    assert_eq!(made["volume"]["availability_zone"], json!("nova"), "the only zone that is both known and allowed");
    cloud
        .post(Reader, "/volumes", json!({"volume": of("gold", 2)}))
        .refuse(403, "Policy doesn't allow volume:create to be performed.");
}

#[test]
fn a_project_may_have_a_default_type_of_its_own() {
    let cloud = Cloud::new();
    cloud.post(Admin, "/types", json!({"volume_type": {"name": "gold"}})).expect(200);
    let path = format!("/default-types/{PROJECT}");
    cloud.put(Admin, &path, json!({"default_type": {"volume_type": "gold"}})).expect(200);
    let made = create(&cloud, json!({"size": 1})).expect(202);
    assert_eq!(made["volume"]["volume_type"], json!("gold"));
    let theirs = cloud.post(Stranger, "/volumes", json!({"volume": {"size": 1}})).expect(202);
    assert_eq!(theirs["volume"]["volume_type"], json!("__DEFAULT__"));
}

#[test]
fn the_quota_is_charged_by_what_is_made_and_nothing_is_left_of_what_is_refused() {
    let cloud = Cloud::with(
        "use_default_quota_class = false\nquota_volumes = 2\nquota_gigabytes = 10\nper_volume_size_limit = 8",
    );
    create(&cloud, json!({"size": 9}))
        .refuse(413, "VolumeSizeExceedsLimit: Requested volume size 9G is larger than maximum allowed limit 8G.");
    create(&cloud, json!({"size": 6})).expect(202);
    let refused = create(&cloud, json!({"size": 5}));
    assert_eq!(refused.header("Retry-After"), Some("0"));
    let overs = "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested \
                 5G, quota is 10G and 6G has been consumed.";
    assert_eq!(refused.expect(413), json!({"overLimit": {"code": 413, "message": overs, "retryAfter": "0"}}));
    create(&cloud, json!({"size": 4})).expect(202);
    cloud.put(Admin, &format!("/os-quota-sets/{PROJECT}"), json!({"quota_set": {"gigabytes": -1}})).expect(200);
    create(&cloud, json!({"size": 1}))
        .refuse(413, "VolumeLimitExceeded: Maximum number of volumes allowed (2) exceeded for quota 'volumes'.");
    assert_eq!((used(&cloud, PROJECT, "volumes"), used(&cloud, PROJECT, "gigabytes")), (2, 10));
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM volumes", &[]), [2]);
    assert_eq!(orders(&cloud), 2);
}

#[test]
fn each_field_is_there_from_its_version_on_and_only_for_those_who_may_see_it() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let fields = |persona, version: &str| {
        let shown = cloud.get(persona, &format!("{version} /volumes/{id}")).expect(200);
        let mut names: Vec<String> = shown["volume"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let base = "attachments availability_zone bootable consistencygroup_id created_at description encrypted id links \
                metadata multiattach name os-vol-tenant-attr:tenant_id replication_status size snapshot_id source_volid \
                status updated_at user_id volume_type";
    let mut expected: Vec<&str> = base.split_whitespace().collect();
    let steps: [(&str, &[&str]); 10] = [
        ("3.0", &[]),
        ("3.12", &[]),
        ("3.13", &["group_id"]),
        ("3.47", &[]),
        ("3.48", &["shared_targets", "service_uuid"]),
        ("3.62", &[]),
        ("3.63", &["volume_type_id"]),
        ("3.64", &[]),
        ("3.65", &["consumes_quota"]),
        ("3.71", &[]),
    ];
    for (version, new) in steps {
        expected.extend(new);
        expected.sort_unstable();
        assert_eq!(fields(Member, version), expected, "{version}");
        assert_eq!(fields(Reader, version), expected, "{version}");
    }
    let mut seen: Vec<&str> = expected.clone();
    seen.extend(["migration_status", "provider_id", "cluster_name", "os-vol-host-attr:host"]);
    seen.extend(["os-vol-mig-status-attr:migstat", "os-vol-mig-status-attr:name_id"]);
    seen.sort_unstable();
    assert_eq!(fields(Admin, "3.71"), seen);
    assert!(!fields(Admin, "3.20").contains(&"provider_id".to_owned()));
    assert!(fields(Admin, "3.21").contains(&"provider_id".to_owned()));
    assert!(!fields(Admin, "3.60").contains(&"cluster_name".to_owned()));
    cloud.sql(
        "UPDATE volumes SET shared_targets = NULL, encryption_key_id = ? WHERE id = ?",
        &["5aef4e43-7b1c-4b55-9c8d-6ad8d2b1c111".into(), (&id).into()],
    );
    let shown = |version: &str| cloud.get(Member, &format!("{version} /volumes/{id}")).expect(200)["volume"].clone();
    assert_eq!((&shown("3.68")["shared_targets"], &shown("3.69")["shared_targets"]), (&json!(true), &Value::Null));
    assert_eq!((shown("3.63").get("encryption_key_id"), &shown("3.63")["encrypted"]), (None, &json!(true)));
    assert_eq!(shown("3.64")["encryption_key_id"], json!("5aef4e43-7b1c-4b55-9c8d-6ad8d2b1c111"));
    let fixed = "00000000-0000-0000-0000-000000000000";
    cloud.sql("UPDATE volumes SET encryption_key_id = ? WHERE id = ?", &[fixed.into(), (&id).into()]);
    assert_eq!(shown("3.64").get("encryption_key_id"), None);
    for (inside, outside) in
        [("managing", "creating"), ("error_managing", "error"), ("error_managing_deleting", "deleting")]
    {
        status(&cloud, "volumes", &id, inside);
        assert_eq!(shown("3.0")["status"], json!(outside));
    }
}

#[test]
fn an_attachment_is_shown_with_its_host_only_to_administrators() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    for (attachment, state) in [("a1", "attached"), ("a2", "reserved")] {
        cloud.sql(
            "INSERT INTO volume_attachment (id, volume_id, deleted, attach_status, instance_uuid, attached_host, \
             mountpoint, attach_time) VALUES (?, ?, false, ?, 'server', 'node', '/dev/vdb', '2026-11-22 11:36:41.000001')",
            &[attachment.into(), (&id).into(), state.into()],
        );
    }
    let mut expected = json!([{"id": id, "attachment_id": "a1", "volume_id": id, "server_id": "server",
        "host_name": null, "device": "/dev/vdb", "attached_at": "2026-11-22T11:36:41.000001"}]);
    let shown = |persona| cloud.get(persona, &format!("/volumes/{id}")).expect(200)["volume"]["attachments"].clone();
    assert_eq!(shown(Member), expected);
    expected[0]["host_name"] = json!("node");
    assert_eq!(shown(Admin), expected);
}

#[test]
fn a_foreign_volume_is_not_there() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let text = format!("Volume {id} could not be found.");
    let path = format!("/volumes/{id}");
    cloud.get(Stranger, &path).refuse(404, &text);
    cloud.put(Stranger, &path, json!({"volume": {"name": "x"}})).refuse(404, &text);
    cloud.delete(Stranger, &path).refuse(404, &text);
    cloud.get(Stranger, &format!("{path}/metadata")).refuse(404, &text);
    cloud.post(Stranger, &format!("{path}/action"), json!({"os-extend": {"new_size": 2}})).refuse(404, &text);
    assert_eq!(cloud.get(Anonymous, &path).status, 401);
    cloud
        .put(Reader, &path, json!({"volume": {"name": "x"}}))
        .refuse(403, "Policy doesn't allow volume:update to be performed.");
    cloud.delete(Reader, &path).refuse(403, "Policy doesn't allow volume:delete to be performed.");
    // A role alone opens nothing: a service without one in the project does not even learn of it.
    cloud.get(Service, &path).refuse(404, &text);
    assert_eq!(OTHER_PROJECT, Stranger.project());
}

#[test]
fn an_update_changes_names_and_replaces_metadata() {
    let cloud = Cloud::new();
    let id = volume_with(&cloud, Member, json!({"size": 1, "name": "v", "metadata": {"a": "1", "b": "2"}}));
    let path = format!("/volumes/{id}");
    let put = |body: Value| cloud.put(Member, &path, json!({ "volume": body }));
    let changed = put(json!({"name": " w ", "display_description": "d", "metadata": {"b": "3"}})).expect(200);
    let changed = &changed["volume"];
    assert_eq!((&changed["name"], &changed["description"]), (&json!("w"), &json!("d")));
    assert_eq!(changed["metadata"], json!({"b": "3"}));
    assert_eq!(changed.get("os-vol-tenant-attr:tenant_id"), None);
    assert!(changed["updated_at"].is_string());
    let changed = put(json!({"name": null, "description": ""})).expect(200)["volume"].clone();
    assert_eq!((&changed["name"], &changed["description"]), (&Value::Null, &json!("")));
    assert_eq!(changed["metadata"], json!({"b": "3"}));
    assert_eq!(put(json!({})).status, 400);
    cloud.put(Member, &format!("3.52 {path}"), json!({"volume": {}})).expect(200);
    assert_eq!(put(json!({"size": 2})).status, 400);
    status(&cloud, "volumes", &id, "maintenance");
    put(json!({"name": "x"})).refuse(400, "Invalid volume: The volume cannot be updated during maintenance.");
}

const KEPT: &str = "must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be \
                    disassociated from snapshots after volume transfer.";

#[test]
fn a_deletion_is_ordered_and_only_from_the_statuses_that_allow_it() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let path = format!("/volumes/{id}");
    let refused = format!(
        "Invalid volume: Volume status must be available or error or error_restoring or error_extending or \
         error_managing and {KEPT}"
    );
    for state in ["creating", "deleting", "in-use", "maintenance", "error_deleting", "extending"] {
        status(&cloud, "volumes", &id, state);
        cloud.delete(Member, &path).refuse(400, &refused);
    }
    status(&cloud, "volumes", &id, "available");
    groups(&cloud);
    let set = |sql: &str| cloud.sql(&format!("UPDATE volumes SET {sql} WHERE id = ?"), &[(&id).into()]);
    for (block, free) in [
        ("attach_status = 'attached'", "attach_status = 'detached'"),
        ("migration_status = 'migrating'", "migration_status = 'error'"),
        ("group_id = 'g'", "group_id = NULL"),
        ("consistencygroup_id = 'g'", "consistencygroup_id = NULL"),
    ] {
        set(block);
        cloud.delete(Member, &path).refuse(400, &refused);
        set(free);
    }
    let snap = snapshot(&cloud, Member, &id, "s");
    cloud.delete(Member, &path).refuse(400, &refused);
    cloud.sql("UPDATE snapshots SET deleted = true WHERE id = ?", &[snap.into()]);
    let before = orders(&cloud);
    let deleted = cloud.delete(Member, &path);
    assert_eq!((deleted.status, deleted.text.as_str()), (202, ""));
    assert_eq!(orders(&cloud), before + 1);
    assert_eq!(cloud.get(Member, &path).expect(200)["volume"]["status"], json!("deleting"));
    assert_eq!(used(&cloud, PROJECT, "volumes"), 1, "the quota is released when the volume is gone");
    status(&cloud, "volumes", &id, "error_managing");
    cloud.delete(Member, &path).expect(202);
    let inside = "SELECT COUNT(*) FROM volumes WHERE id = ? AND status = 'error_managing_deleting'";
    assert_eq!(cloud.numbers(inside, &[(&id).into()]), [1]);
}

#[test]
fn a_volume_that_no_service_has_goes_at_once() {
    let cloud = Cloud::new();
    let id = new_volume(&cloud, Member, json!({"size": 3, "metadata": {"a": "b"}}));
    cloud.delete(Member, &format!("/volumes/{id}")).expect(202);
    cloud.get(Member, &format!("/volumes/{id}")).refuse(404, &format!("Volume {id} could not be found."));
    assert_eq!((used(&cloud, PROJECT, "volumes"), used(&cloud, PROJECT, "gigabytes")), (0, 0));
    let kept = "SELECT COUNT(*) FROM volume_metadata WHERE deleted = false";
    assert_eq!(cloud.numbers(kept, &[]), [0]);
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM workers WHERE resource_id = ?", &[(&id).into()]), [0]);
    cloud.delete(Member, &format!("/volumes/{id}")).refuse(404, &format!("Volume {id} could not be found."));
}

#[test]
fn a_cascade_takes_the_snapshots_along_unless_one_of_them_is_busy() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let (one, two) = (snapshot(&cloud, Member, &id, "1"), snapshot(&cloud, Member, &id, "2"));
    groups(&cloud);
    let path = format!("/volumes/{id}?cascade=True");
    status(&cloud, "snapshots", &two, "creating");
    assert_eq!(cloud.delete(Member, &path).status, 400);
    assert_eq!(cloud.get(Member, &format!("/volumes/{id}")).expect(200)["volume"]["status"], json!("available"));
    status(&cloud, "snapshots", &two, "error");
    cloud.sql("UPDATE snapshots SET group_snapshot_id = 'g' WHERE id = ?", &[(&one).into()]);
    assert_eq!(cloud.delete(Member, &path).status, 400, "a member of a group snapshot stays");
    cloud.sql("UPDATE snapshots SET group_snapshot_id = NULL, project_id = 'p' WHERE id = ?", &[(&one).into()]);
    assert_eq!(cloud.delete(Member, &path).status, 400, "somebody else's snapshot stays");
    cloud.delete(Admin, &path).expect(202);
    let leaving = "SELECT COUNT(*) FROM snapshots WHERE status = 'deleting'";
    assert_eq!(cloud.numbers(leaving, &[]), [2]);
    cloud.delete(Member, "/volumes/x?cascade=perhaps").refuse(400, "Value 'perhaps' for 'cascade' is not a boolean.");
}

#[test]
fn only_administrators_may_force_and_only_from_3_23_on() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    status(&cloud, "volumes", &id, "error_deleting");
    let path = format!("/volumes/{id}?force=true");
    cloud.delete(Member, &path).refuse(403, "Policy doesn't allow volume:force_delete to be performed.");
    assert_eq!(cloud.delete(Admin, &format!("3.22 {path}")).status, 400);
    cloud.delete(Admin, &path).expect(202);
    status(&cloud, "volumes", &id, "creating");
    let action = json!({"os-force_delete": null});
    let url = format!("/volumes/{id}/action");
    cloud
        .post(Member, &url, action.clone())
        .refuse(403, "Policy doesn't allow volume_extension:volume_admin_actions:force_delete to be performed.");
    snapshot_row(&cloud, &id);
    cloud.post(Admin, &url, action.clone()).refuse(400, &format!("Invalid volume: Volume  {KEPT}"));
    cloud.delete(Admin, &format!("/volumes/{id}?force=true&cascade=true")).expect(202);
    let leaving = "SELECT COUNT(*) FROM snapshots WHERE status = 'deleting'";
    assert_eq!(cloud.numbers(leaving, &[]), [1], "forced, a cascade asks no snapshot for its status");
}

/// A snapshot that is being made.
fn snapshot_row(cloud: &Cloud, volume_id: &str) {
    cloud.sql(
        "INSERT INTO snapshots (id, volume_id, deleted, project_id, status, volume_size, volume_type_id, use_quota) \
         VALUES ('s', ?, false, ?, 'creating', 1, 't', true)",
        &[volume_id.into(), PROJECT.into()],
    );
}

#[test]
fn nothing_is_changed_on_a_frozen_backend() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let snap = snapshot(&cloud, Member, &id, "s");
    let backend = HOST.split('#').next().unwrap();
    cloud.sql(
        "INSERT INTO services (deleted, host, \"binary\", topic, report_count, disabled, frozen, availability_zone) \
         VALUES (false, ?, 'cinder-volume', 'cinder-volume', 0, false, true, 'nova')",
        &[backend.into()],
    );
    let text = "Invalid input received: Modification operations are not allowed on frozen storage backends.";
    cloud.delete(Member, &format!("/volumes/{id}")).refuse(400, text);
    cloud.delete(Member, &format!("/snapshots/{snap}")).refuse(400, text);
    cloud.post(Member, "/snapshots", json!({"snapshot": {"volume_id": id}})).refuse(400, text);
    cloud.post(Member, &format!("/volumes/{id}/action"), json!({"os-extend": {"new_size": 2}})).expect(202);
}
