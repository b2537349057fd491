//! Groups of volumes: create, list, show, members, actions, copies, the end.

use serde_json::{Value, json};

use crate::fixture::{Answer, Cloud, PROJECT, Persona, Persona::*};
use crate::people::{
    HOST, backend, group, group_type, member, names, orders, snapshot, status, used, volume, volume_with,
};

fn act(cloud: &Cloud, persona: Persona, id: &str, action: &str, body: Value) -> Answer {
    cloud.post(persona, &format!("/groups/{id}/action"), json!({ action: body }))
}

fn shown(cloud: &Cloud, id: &str) -> Value {
    cloud.get(Member, &format!("/groups/{id}?list_volume=true")).expect(200)["group"].clone()
}

#[test]
fn a_new_group_is_written_charged_and_ordered() {
    let cloud = Cloud::new();
    let kind = group_type(&cloud);
    let body = json!({"group": {"name": " g ", "description": "d", "group_type": "plain",
        "volume_types": ["__DEFAULT__"]}});
    let made = cloud.post(Member, "3.13 /groups", body).expect(202)["group"].clone();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made, json!({"id": id, "name": "g"}));
    assert_eq!((used(&cloud, PROJECT, "groups"), orders(&cloud)), (1, 1));
    let types = cloud.get(Member, "/types").expect(200);
    let found = shown(&cloud, id);
    let expected = json!({
        "id": id, "status": "creating", "availability_zone": "nova", "created_at": found["created_at"], "name": "g",
        "description": "d", "group_type": kind, "volume_types": [types["volume_types"][0]["id"]],
        "group_snapshot_id": null, "source_group_id": null, "volumes": [], "replication_status": "disabled",
    });
    assert_eq!(found, expected);
    let workers = "SELECT COUNT(*) FROM workers WHERE resource_type = 'Group' AND resource_id = ?";
    assert_eq!(cloud.numbers(workers, &[id.into()]), [1]);
}

#[test]
fn each_field_is_there_from_its_version_on() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    let fields = |persona, version: &str| {
        let path = format!("{version} /groups/{id}?list_volume=1");
        let shown = cloud.get(persona, &path).expect(200)["group"].clone();
        let listed = cloud.get(persona, &format!("{version} /groups/detail?list_volume=1")).expect(200);
        assert_eq!(listed["groups"], json!([shown]), "{version}");
        let mut names: Vec<String> = shown.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    let base = "availability_zone created_at description group_type id name status volume_types";
    let mut expected: Vec<&str> = base.split(' ').collect();
    assert_eq!(fields(Admin, "3.13"), base);
    for (version, new) in [
        ("3.14", &["group_snapshot_id", "source_group_id"][..]),
        ("3.25", &["volumes"]),
        ("3.38", &["replication_status"]),
        ("3.58", &["project_id"]),
    ] {
        expected.extend(new);
        expected.sort_unstable();
        assert_eq!(fields(Admin, version), expected.join(" "), "{version}");
    }
    assert!(!fields(Member, "3.58").contains("project_id"));
    assert_eq!(cloud.get(Member, "3.12 /groups").status, 404);
    assert_eq!(cloud.get(Member, &format!("3.24 /groups/{id}?list_volume=x")).status, 200);
    cloud
        .get(Member, &format!("3.25 /groups/{id}?list_volume=x"))
        .refuse(400, "Value 'x' for 'list_volume' is not a boolean.");
}

#[test]
fn a_group_needs_types_and_a_zone_that_exist() {
    let cloud = Cloud::with("use_default_quota_class = false\nquota_groups = 1");
    group_type(&cloud);
    let create = |group_type: &str, volume_type: &str, zone: Value| {
        let body = json!({"group_type": group_type, "volume_types": [volume_type], "availability_zone": zone});
        cloud.post(Member, "/groups", json!({ "group": body }))
    };
    create("none", "__DEFAULT__", json!(null)).refuse(404, "Group type with name none could not be found.");
    create("plain", "none", json!(null)).refuse(404, "Volume type with name none could not be found.");
    create("plain", "__DEFAULT__", json!("mars"))
        .refuse(400, "Invalid input received: Availability zone 'mars' is invalid.");
    let reserved = cloud.get(Admin, "/group_types?sort=name:asc").expect(200)["group_types"][0]["id"].clone();
    create("default_cgsnapshot_type", "__DEFAULT__", json!(null)).refuse(
        400,
        &format!(
            "Group_type {} is reserved for migrating CGs to groups. Migrated group can only be operated by CG APIs.",
            reserved.as_str().unwrap()
        ),
    );
    for wrong in [
        json!({"group_type": "plain"}),
        json!({"group_type": "plain", "volume_types": []}),
        json!({"group_type": "plain", "volume_types": ["a", "a"]}),
        json!({"group_type": "", "volume_types": ["a"]}),
        json!({"group_type": "plain", "volume_types": ["__DEFAULT__"], "colour": "red"}),
    ] {
        assert_eq!(cloud.post(Member, "/groups", json!({ "group": wrong })).status, 400, "{wrong}");
    }
    assert_eq!((used(&cloud, PROJECT, "groups"), orders(&cloud)), (0, 0));
    create("plain", "__DEFAULT__", json!("nova")).expect(202);
    create("plain", "__DEFAULT__", json!(null))
        .refuse(413, "GroupLimitExceeded: Maximum number of groups allowed (1) exceeded");
}

#[test]
fn lists_are_filtered_sorted_and_paged_and_hide_consistency_groups() {
    let cloud = Cloud::new();
    for name in ["a", "b", "c"] {
        group(&cloud, Member, name);
    }
    cloud.sql(
        "INSERT INTO \"groups\" (id, project_id, name, status, group_type_id, deleted) \
         SELECT 'cg', ?, 'cg', 'available', id, false FROM group_types WHERE name = 'default_cgsnapshot_type'",
        &[PROJECT.into()],
    );
    let list = |persona, query: &str| cloud.get(persona, &format!("/groups?{query}")).expect(200);
    for (persona, query, expected) in [
        (Member, "sort=name:asc", &["a", "b", "c"][..]),
        (Member, "name=b", &["b"]),
        (Admin, "status=error", &[]),
        (Admin, "sort=name:asc&all_tenants=1", &["a", "b", "c"]),
        (Stranger, "", &[]),
    ] {
        assert_eq!(names(&list(persona, query)["groups"]), expected, "{query}");
    }
    let page = list(Member, "sort=name:asc&limit=1");
    let marker = page["groups"][0]["id"].as_str().unwrap();
    let next = format!("http://cloud.example/v3/{PROJECT}/groups?sort=name%3Aasc&limit=1&marker={marker}");
    assert_eq!(page["group_links"], json!([{"rel": "next", "href": next}]));
    assert_eq!(names(&list(Member, &format!("sort=name:asc&marker={marker}"))["groups"]), ["b", "c"]);
    cloud.get(Member, "/groups?colour=red").refuse(400, "Invalid filters colour are found in query options.");
    cloud.get(Member, "/groups?marker=x").refuse(404, "Group x could not be found.");
    assert_eq!(cloud.get(Member, "/groups/cg").status, 400);
    assert_eq!(act(&cloud, Member, "cg", "delete", json!({})).status, 400);
}

#[test]
fn a_volume_of_a_group_has_a_type_of_the_group_and_stays_with_it() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    cloud.post(Admin, "/types", json!({"volume_type": {"name": "other"}})).expect(200);
    let create = |volume_type: Value| {
        let body = json!({"size": 1, "group_id": id, "volume_type": volume_type});
        cloud.post(Member, "/volumes", json!({ "volume": body }))
    };
    create(json!(null))
        .refuse(400, "Invalid input received: volume_type must be provided when creating a volume in a group.");
    assert_eq!(create(json!("other")).status, 400);
    let inside = member(&cloud, Member, &id);
    let found = cloud.get(Member, &format!("/volumes/{inside}")).expect(200)["volume"].clone();
    assert_eq!((&found["group_id"], &found["consistencygroup_id"]), (&json!(id), &json!(null)));
    let refused = "Invalid volume: Volume status must be available or error or error_restoring or error_extending or \
                   error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a \
                   transfer, or be disassociated from snapshots after volume transfer.";
    cloud.delete(Member, &format!("/volumes/{inside}")).refuse(400, refused);
    let listed = cloud.get(Member, &format!("/volumes?group_id={id}")).expect(200);
    assert_eq!(listed["volumes"].as_array().unwrap().len(), 1);
    status(&cloud, "\"groups\"", &id, "error");
    create(json!("__DEFAULT__"))
        .refuse(400, "Invalid Group: Originating group status must be one of 'available, creating' values");
    let body = json!({"volume": {"size": 1, "group_id": "none", "volume_type": "__DEFAULT__"}});
    // Versions that do not show groups look for them all the same, as Cinder does.
    for version in ["", "3.12 "] {
        cloud.post(Member, &format!("{version}/volumes"), body.clone()).refuse(404, "Group none could not be found.");
    }
}

#[test]
fn volumes_enter_at_once_and_leave_by_order() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    let (one, two) = (volume(&cloud, Member, "1"), member(&cloud, Member, &id));
    let before = orders(&cloud);
    let put = |body: Value| cloud.put(Member, &format!("/groups/{id}"), json!({ "group": body }));
    put(json!({"add_volumes": one, "remove_volumes": two, "name": " new "})).expect(202);
    assert_eq!(orders(&cloud), before + 1);
    let now = shown(&cloud, &id);
    assert_eq!((&now["status"], &now["name"]), (&json!("updating"), &json!("new")));
    let mut members: Vec<&str> = now["volumes"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    members.sort_unstable();
    let mut expected = [one.as_str(), two.as_str()];
    expected.sort_unstable();
    assert_eq!(members, expected, "who leaves is there until the service has been told");
    put(json!({"remove_volumes": one})).refuse(400, "Invalid Group: Group status must be available.");
    assert_eq!(cloud.delete(Member, &format!("/volumes/{one}")).status, 400, "it belongs to the group already");
    // A name changes in any status, and the status stays.
    put(json!({"name": "newer"})).expect(202);
    assert_eq!(shown(&cloud, &id)["status"], json!("updating"));
}

#[test]
fn what_may_not_enter_or_leave_is_refused_whole() {
    let cloud = Cloud::new();
    let (id, other) = (group(&cloud, Member, "g"), group(&cloud, Member, "h"));
    let (fine, inside) = (volume(&cloud, Member, "1"), member(&cloud, Member, &id));
    let elsewhere = member(&cloud, Member, &other);
    let refuse = |key: &str, volumes: &str, text: &str| {
        let body = json!({"group": {key: volumes}});
        cloud.put(Member, &format!("/groups/{id}"), body).refuse(400, text);
    };
    let no = |volume: &str| format!("Invalid volume: Cannot add volume {volume} to group {id}");
    let strange = volume(&cloud, Stranger, "s");
    refuse("add_volumes", &strange, &format!("{} because volume cannot be found.", no(&strange)));
    let text = format!("{} because it is already in group {other}.", no(&elsewhere));
    refuse("add_volumes", &format!("{fine},{elsewhere}"), &text);
    cloud.post(Admin, "/types", json!({"volume_type": {"name": "other"}})).expect(200);
    let odd = volume_with(&cloud, Member, json!({"size": 1, "volume_type": "other"}));
    let kind = cloud.get(Member, &format!("/volumes/{odd}")).expect(200)["volume"]["volume_type_id"].clone();
    let kind = kind.as_str().unwrap();
    let text = format!("{} because volume type {kind} is not supported by the group.", no(&odd));
    refuse("add_volumes", &odd, &text);
    let busy = volume(&cloud, Member, "busy");
    status(&cloud, "volumes", &busy, "extending");
    let text = format!(
        "{} because volume is in an invalid state: extending. Valid states are: ('available', 'in-use').",
        no(&busy)
    );
    refuse("add_volumes", &busy, &text);
    cloud.sql("UPDATE volumes SET status = 'available', host = 'far@file#pool' WHERE id = ?", &[(&busy).into()]);
    refuse("add_volumes", &busy, "Invalid volume: Volume is not local to this node.");
    let text = format!("Invalid volume: Cannot remove volume {fine} from group {id} because it is not in the group.");
    refuse("remove_volumes", &fine, &text);
    status(&cloud, "volumes", &inside, "extending");
    let text = format!(
        "Invalid volume: Cannot remove volume {inside} from group {id} because volume is in an invalid state: extending. \
         Valid states are: ('available', 'in-use', 'error', 'error_deleting')."
    );
    refuse("remove_volumes", &inside, &text);
    let both = json!({"group": {"add_volumes": fine, "remove_volumes": fine}});
    cloud
        .put(Member, &format!("/groups/{id}"), both)
        .refuse(400, &format!("Invalid volume: UUIDs ['{fine}'] are in both add and remove volume list."));
    let text = format!(
        "Invalid Group: Cannot update group {id} because no valid name, description, add_volumes, or remove_volumes were \
         provided."
    );
    refuse("name", "g", &text);
    refuse("add_volumes", &inside, &text);
    assert_eq!(cloud.put(Member, &format!("/groups/{id}"), json!({"group": {}})).status, 400);
    assert_eq!(shown(&cloud, &id)["volumes"], json!([inside]));
    assert_eq!(shown(&cloud, &id)["status"], json!("available"));
}

#[test]
fn a_group_with_volumes_is_deleted_with_them_or_not_at_all() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    let (one, two) = (member(&cloud, Member, &id), member(&cloud, Member, &id));
    let delete = |flag: bool| act(&cloud, Member, &id, "delete", json!({ "delete-volumes": flag }));
    delete(false).refuse(
        400,
        &format!("Invalid Group: Group {id} still contains volumes. The delete-volumes flag is required to delete it."),
    );
    status(&cloud, "\"groups\"", &id, "updating");
    delete(false)
        .refuse(400, "Invalid Group: Group status must be available or error, but current status is: updating");
    let snap = snapshot(&cloud, Member, &one, "s");
    delete(true).refuse(400, "Invalid Group: Volume in group still has dependent snapshots.");
    cloud.sql("UPDATE snapshots SET deleted = true WHERE id = ?", &[(&snap).into()]);
    cloud.sql("UPDATE volumes SET attach_status = 'attached' WHERE id = ?", &[(&two).into()]);
    delete(true).refuse(400, &format!("Invalid Group: Volume in group {id} is attached. Need to detach first."));
    cloud.sql("UPDATE volumes SET attach_status = 'detached' WHERE id = ?", &[(&two).into()]);
    cloud.sql("INSERT INTO group_snapshots (id, group_id, deleted) VALUES ('s', ?, false)", &[(&id).into()]);
    delete(true).refuse(400, "Invalid Group: Group has existing snapshots.");
    cloud.sql("DELETE FROM group_snapshots", &[]);
    let copy = "UPDATE \"groups\" SET source_group_id = ?, status = 'creating' WHERE id = ?";
    let other = group(&cloud, Member, "copy");
    cloud.sql(copy, &[(&id).into(), (&other).into()]);
    delete(true).refuse(
        400,
        &format!(
            "Invalid Group: Cannot delete group {id}. Group status must be available or error and must not have dependent \
             group snapshots, and it cannot be the source for an ongoing group or group snapshot creation."
        ),
    );
    assert_eq!(shown(&cloud, &id)["status"], json!("updating"), "nothing has happened yet");
    status(&cloud, "\"groups\"", &other, "available");
    let before = orders(&cloud);
    delete(true).expect(202);
    assert_eq!(orders(&cloud), before + 3, "one for each volume, one for the group");
    assert_eq!(shown(&cloud, &id)["status"], json!("deleting"));
    for volume in [one, two] {
        let found = cloud.get(Member, &format!("/volumes/{volume}")).expect(200);
        assert_eq!(found["volume"]["status"], json!("deleting"));
    }
}

#[test]
fn a_group_that_no_backend_has_goes_at_once() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    cloud.sql("UPDATE \"groups\" SET host = NULL, status = 'error' WHERE id = ?", &[(&id).into()]);
    let body = json!({"volume": {"size": 1, "group_id": id, "volume_type": "__DEFAULT__"}});
    status(&cloud, "\"groups\"", &id, "creating");
    cloud.post(Member, "/volumes", body).expect(202);
    assert_eq!(act(&cloud, Member, &id, "delete", json!({})).status, 400, "its volume is still there");
    assert_eq!((used(&cloud, PROJECT, "groups"), used(&cloud, PROJECT, "volumes")), (1, 1));
    act(&cloud, Member, &id, "delete", json!({"delete-volumes": "true"})).expect(202);
    assert_eq!((used(&cloud, PROJECT, "groups"), used(&cloud, PROJECT, "volumes")), (0, 0));
    cloud.get(Member, &format!("/groups/{id}")).refuse(404, &format!("Group {id} could not be found."));
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM group_volume_type_mapping WHERE deleted = false", &[]), [0]);
}

#[test]
fn operators_set_statuses() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    let reset = |persona, text: &str| act(&cloud, persona, &id, "reset_status", json!({ "status": text }));
    reset(Member, "error").refuse(403, "Policy doesn't allow group:reset_status to be performed.");
    reset(Admin, "Error").expect(202);
    assert_eq!(shown(&cloud, &id)["status"], json!("error"));
    reset(Admin, " ").refuse(400, "Invalid Group Status: The 'status' can not be empty.");
    let text = "is invalid, valid status are: ('error', 'available', 'creating', 'deleting', 'deleted', 'updating', \
                'in-use', 'error_deleting').";
    reset(Admin, "in-use").refuse(400, &format!("Invalid Group Status: Group status: in-use {text}"));
    let path = format!("3.19 /groups/{id}/action");
    assert_eq!(cloud.post(Admin, &path, json!({"reset_status": {"status": "error"}})).status, 404);
}

#[test]
fn a_group_is_copied_with_its_volumes_in_one_transaction() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    let copy =
        || cloud.post(Member, "/groups/action", json!({"create-from-src": {"name": "c", "source_group_id": id}}));
    let no_host = copy();
    assert_eq!(no_host.status, 400, "{}", no_host.text);
    backend(&cloud);
    copy().refuse(400, "Invalid Group: Source Group is empty. No group will be created.");
    let one = member(&cloud, Member, &id);
    let two = volume_with(&cloud, Member, json!({"size": 2, "group_id": id, "volume_type": "__DEFAULT__"}));
    status(&cloud, "volumes", &two, "error");
    copy().refuse(400, "Invalid volume: Originating source volume status must be one of 'available, in-use' values");
    assert_eq!((used(&cloud, PROJECT, "groups"), used(&cloud, PROJECT, "volumes")), (1, 2), "nothing of it is left");
    status(&cloud, "volumes", &two, "available");
    let before = orders(&cloud);
    let made = copy().expect(202)["group"].clone();
    let made = made["id"].as_str().unwrap();
    assert_eq!(orders(&cloud), before + 3);
    let usage = ["groups", "volumes", "gigabytes"].map(|resource| used(&cloud, PROJECT, resource));
    assert_eq!(usage, [2, 4, 6]);
    let found = shown(&cloud, made);
    assert_eq!((&found["status"], &found["source_group_id"]), (&json!("creating"), &json!(id)));
    let mut sources: Vec<String> = Vec::new();
    for volume in found["volumes"].as_array().unwrap() {
        let volume = cloud.get(Admin, &format!("/volumes/{}", volume.as_str().unwrap())).expect(200)["volume"].clone();
        assert_eq!((&volume["group_id"], &volume["os-vol-host-attr:host"]), (&json!(made), &json!(HOST)));
        sources.push(volume["source_volid"].as_str().unwrap().to_owned());
    }
    sources.sort();
    let mut expected = [one, two];
    expected.sort();
    assert_eq!(sources, expected);
    for wrong in [json!({}), json!({"source_group_id": id, "group_snapshot_id": id}), json!({"source_group_id": "x"})] {
        let answer = cloud.post(Member, "/groups/action", json!({ "create-from-src": wrong }));
        assert_eq!(answer.status, 400, "{wrong}");
    }
    assert_eq!(act(&cloud, Member, &id, "delete", json!({"delete-volumes": true})).status, 400, "it is being copied");
}

#[test]
fn a_copy_that_the_quota_refuses_leaves_nothing() {
    let cloud = Cloud::with("use_default_quota_class = false\nquota_volumes = 3");
    backend(&cloud);
    let id = group(&cloud, Member, "g");
    member(&cloud, Member, &id);
    member(&cloud, Member, &id);
    let before = orders(&cloud);
    let answer = cloud.post(Member, "/groups/action", json!({"create-from-src": {"source_group_id": id}}));
    answer.refuse(413, "VolumeLimitExceeded: Maximum number of volumes allowed (3) exceeded for quota 'volumes'.");
    assert_eq!((used(&cloud, PROJECT, "groups"), used(&cloud, PROJECT, "volumes"), orders(&cloud)), (1, 2, before));
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM \"groups\"", &[]), [1]);
}

#[test]
fn only_replicated_groups_are_asked_to_replicate_and_their_failure_is_told() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    let inside = member(&cloud, Member, &id);
    let text = format!("Invalid group type: Group {id} is not a replication group type.");
    for action in ["enable_replication", "disable_replication", "failover_replication", "list_replication_targets"] {
        act(&cloud, Member, &id, action, json!({})).refuse(400, &text);
    }
    let specs = json!({"group_specs": {"group_replication_enabled": "<is> True"}});
    cloud.post(Admin, &format!("/group_types/{}/group_specs", group_type(&cloud)), specs).expect(202);
    let types = cloud.get(Member, "/types").expect(200);
    let kind = types["volume_types"][0]["id"].as_str().unwrap();
    let text = format!(
        "Invalid volume type: Volume type {kind} does not have 'replication_enabled' spec key set to '<is> True'."
    );
    act(&cloud, Member, &id, "enable_replication", json!({})).refuse(400, &text);
    cloud.sql(
        "INSERT INTO volume_type_extra_specs (volume_type_id, \"key\", value, deleted) \
         VALUES (?, 'replication_enabled', '<is> True', false)",
        &[kind.into()],
    );
    let targets = act(&cloud, Member, &id, "list_replication_targets", json!({})).expect(200);
    assert_eq!(targets, json!({"replication_targets": []}));
    act(&cloud, Member, &id, "disable_replication", json!({})).refuse(
        400,
        &format!(
            "Invalid Group: Group {id} replication status must be ['enabled', 'error'], but current status is: disabled. \
             Cannot disable replication."
        ),
    );
    cloud.sql("UPDATE volumes SET replication_status = 'disabled'", &[]);
    act(&cloud, Member, &id, "enable_replication", json!({})).expect(202);
    assert_eq!(shown(&cloud, &id)["replication_status"], json!("error"));
    let found = cloud.get(Member, &format!("/volumes/{inside}")).expect(200);
    assert_eq!(found["volume"]["replication_status"], json!("error"));
    assert_eq!(shown(&cloud, &id)["status"], json!("available"), "its volumes are as good as before");
}
