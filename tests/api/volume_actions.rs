//! Actions on volumes, and metadata of volumes.

use serde_json::{Value, json};

use crate::fixture::{Answer, Cloud, PROJECT, Persona, Persona::*};
use crate::people::{new_volume, orders, status, used, volume, volume_with};

fn act(cloud: &Cloud, persona: Persona, id: &str, action: Value) -> Answer {
    cloud.post(persona, &format!("/volumes/{id}/action"), action)
}

fn shown(cloud: &Cloud, id: &str, field: &str) -> Value {
    cloud.get(Admin, &format!("/volumes/{id}")).expect(200)["volume"][field].clone()
}

#[test]
fn an_action_is_one_key_that_is_known() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let no_such = |name: &str| {
        format!("There is no such action: {name}. Verify the request body and Content-Type header and try again.")
    };
    act(&cloud, Member, &id, json!({"os-fly": {}})).refuse(400, &no_such("os-fly"));
    act(&cloud, Member, &id, json!({"os-extend": {}, "x": 1})).refuse(400, "Malformed request body");
    act(&cloud, Member, &id, json!([])).refuse(400, "Malformed request body");
    cloud.send(Member, "POST", &format!("/volumes/{id}/action"), None).refuse(400, &no_such("None"));
    // A wrong body is told before a volume that is not there, and before a right that is missing.
    act(&cloud, Reader, "x", json!({"os-extend": {"new_size": "two"}}))
        .refuse(400, "Invalid input for field/attribute new_size. Value: two. 'two' does not match '^[0-9]+$'");
}

#[test]
fn an_extension_is_charged_and_ordered() {
    let cloud = Cloud::with("use_default_quota_class = false\nquota_gigabytes = 5\nper_volume_size_limit = 9");
    let id = volume_with(&cloud, Member, json!({"size": 2}));
    let extend = |persona, size: Value| act(&cloud, persona, &id, json!({"os-extend": {"new_size": size}}));
    extend(Member, json!(2)).refuse(
        400,
        "Invalid input received: New size for extend must be greater than current size. (current: 2, extended: 2).",
    );
    extend(Reader, json!(3)).refuse(403, "Policy doesn't allow volume:extend to be performed.");
    extend(Member, json!(10))
        .refuse(413, "VolumeSizeExceedsLimit: Requested volume size 10G is larger than maximum allowed limit 9G.");
    extend(Member, json!(6)).refuse(
        413,
        "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 4G, \
         quota is 5G and 2G has been consumed.",
    );
    assert_eq!(shown(&cloud, &id, "status"), json!("available"), "a refusal leaves nothing behind");
    let before = orders(&cloud);
    assert_eq!(extend(Member, json!("4")).status, 202);
    assert_eq!((shown(&cloud, &id, "status"), shown(&cloud, &id, "size")), (json!("extending"), json!(2)));
    assert_eq!((used(&cloud, PROJECT, "gigabytes"), orders(&cloud)), (4, before + 1));
    extend(Member, json!(5)).refuse(
        400,
        &format!(
            "Invalid volume: Volume {id} status must be '{{'status': 'available'}}' to extend, currently extending."
        ),
    );
}

#[test]
fn a_volume_in_use_grows_only_from_3_42_on() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    status(&cloud, "volumes", &id, "in-use");
    let url = format!("/volumes/{id}/action");
    let body = json!({"os-extend": {"new_size": 2}});
    cloud.post(Member, &format!("3.41 {url}"), body.clone()).refuse(
        400,
        &format!("Invalid volume: Volume {id} status must be '{{'status': 'available'}}' to extend, currently in-use."),
    );
    cloud
        .post(Reader, &format!("3.42 {url}"), body.clone())
        .refuse(403, "Policy doesn't allow volume:extend_attached_volume to be performed.");
    cloud.post(Member, &format!("3.42 {url}"), body).expect(202);
    let before = "SELECT COUNT(*) FROM volumes WHERE previous_status = 'in-use' AND status = 'extending'";
    assert_eq!(cloud.numbers(before, &[]), [1]);
}

#[test]
fn flags_are_set_where_the_status_allows_it() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    for (value, text) in [(json!("Yes"), "true"), (json!(false), "false")] {
        assert_eq!(act(&cloud, Member, &id, json!({"os-set_bootable": {"bootable": value}})).status, 200);
        assert_eq!(shown(&cloud, &id, "bootable"), json!(text));
    }
    let readonly =
        |persona, value: Value| act(&cloud, persona, &id, json!({"os-update_readonly_flag": {"readonly": value}}));
    for (value, text) in [(json!(true), "True"), (json!("0"), "False")] {
        assert_eq!(readonly(Member, value).status, 202);
        assert_eq!(shown(&cloud, &id, "metadata"), json!({"readonly": text}));
    }
    // It is shown with the owner's metadata, and is not one of them.
    assert_eq!(cloud.get(Member, &format!("/volumes/{id}/metadata")).expect(200), json!({"metadata": {}}));
    readonly(Reader, json!(true)).refuse(403, "Policy doesn't allow volume:update_readonly_flag to be performed.");
    readonly(Member, json!("perhaps")).expect(400);
    status(&cloud, "volumes", &id, "in-use");
    readonly(Member, json!(true)).refuse(
        400,
        &format!(
            "Invalid volume: Volume {id} status must be available to update readonly flag, but current status is: in-use."
        ),
    );
    status(&cloud, "volumes", &id, "maintenance");
    act(&cloud, Member, &id, json!({"os-set_bootable": {"bootable": true}}))
        .refuse(400, "Invalid volume: The volume cannot be updated during maintenance.");
}

#[test]
fn an_operator_may_set_any_status_that_is_one() {
    let cloud = Cloud::new();
    let id = new_volume(&cloud, Member, json!({"size": 1}));
    let reset = |persona, body: Value| act(&cloud, persona, &id, json!({ "os-reset_status": body }));
    reset(Member, json!({"status": "error"}))
        .refuse(403, "Policy doesn't allow volume_extension:volume_admin_actions:reset_status to be performed.");
    reset(Admin, json!({})).refuse(400, "Must specify 'status', 'attach_status' or 'migration_status' for update.");
    assert!(
        reset(Admin, json!({"status": "flying"})).text.contains("Volume status: flying is invalid, valid statuses are")
    );
    reset(Admin, json!({"status": "deleting"})).refuse(400, "Cannot reset-state to deleting");
    reset(Admin, json!({"status": "in-use"}))
        .refuse(400, "Cannot reset-state to in-use because volume does not have any attachments.");
    assert_eq!(reset(Admin, json!({"status": "ERROR", "migration_status": "migrating"})).status, 202);
    assert_eq!(
        (shown(&cloud, &id, "status"), shown(&cloud, &id, "migration_status")),
        (json!("error"), json!("migrating"))
    );
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM workers WHERE resource_id = ?", &[(&id).into()]), [0]);
    reset(Admin, json!({"migration_status": "none"})).expect(202);
    assert_eq!(shown(&cloud, &id, "migration_status"), Value::Null);
    cloud.sql(
        "INSERT INTO volume_attachment (id, volume_id, deleted, attach_status) VALUES ('a', ?, false, 'attached')",
        &[(&id).into()],
    );
    reset(Admin, json!({"status": "in-use", "attach_status": "attached"})).expect(202);
    assert_eq!(shown(&cloud, &id, "attachments").as_array().unwrap().len(), 1);
    reset(Admin, json!({"attach_status": "detached"})).expect(202);
    assert_eq!((shown(&cloud, &id, "status"), shown(&cloud, &id, "attachments")), (json!("available"), json!([])));
    act(&cloud, Admin, "5aef4e43-7b1c-4b55-9c8d-6ad8d2b1c111", json!({"os-reset_status": {"status": "error"}}))
        .refuse(404, "Volume 5aef4e43-7b1c-4b55-9c8d-6ad8d2b1c111 could not be found.");
}

#[test]
fn the_old_protocol_reserves_and_detaches() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let plain = |action: &str| act(&cloud, Member, &id, json!({ action: null }));
    assert_eq!(plain("os-reserve").status, 202);
    assert_eq!(shown(&cloud, &id, "status"), json!("attaching"));
    plain("os-reserve")
        .refuse(400, "Invalid volume: Volume status must be available to reserve, but the status is attaching.");
    plain("os-unreserve").expect(202);
    assert_eq!(shown(&cloud, &id, "status"), json!("available"));
    plain("os-unreserve").expect(202);
    plain("os-begin_detaching").refuse(
        400,
        "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to \
         detach.",
    );
    cloud.sql("UPDATE volumes SET status = 'in-use', attach_status = 'attached' WHERE id = ?", &[(&id).into()]);
    plain("os-begin_detaching").expect(202);
    assert_eq!(shown(&cloud, &id, "status"), json!("detaching"));
    plain("os-roll_detaching").expect(202);
    plain("os-roll_detaching").expect(202);
    assert_eq!(shown(&cloud, &id, "status"), json!("in-use"));
    cloud.sql("UPDATE volumes SET migration_status = 'migrating' WHERE id = ?", &[(&id).into()]);
    plain("os-begin_detaching").expect(202);
    assert_eq!(shown(&cloud, &id, "status"), json!("in-use"), "a migration detaches by itself");
    cloud.sql("UPDATE volumes SET multiattach = true, migration_status = NULL WHERE id = ?", &[(&id).into()]);
    cloud.sql(
        "INSERT INTO volume_attachment (id, volume_id, deleted, attach_status) VALUES ('a', ?, false, 'attached')",
        &[(&id).into()],
    );
    plain("os-reserve").expect(202);
    plain("os-unreserve").expect(202);
    assert_eq!(shown(&cloud, &id, "status"), json!("in-use"), "it is still attached elsewhere");
    status(&cloud, "volumes", &id, "error");
    plain("os-reserve")
        .refuse(400, "Invalid volume: Volume status must be available or in-use to reserve, but the status is error.");
}

#[test]
fn metadata_are_merged_replaced_and_removed() {
    let cloud = Cloud::new();
    let id = volume_with(&cloud, Member, json!({"size": 1, "metadata": {"a": "1"}}));
    let all = format!("/volumes/{id}/metadata");
    let get = || cloud.get(Reader, &all).expect(200)["metadata"].clone();
    let merged = cloud.post(Member, &all, json!({"metadata": {"b": "2", "a": "3"}})).expect(200);
    assert_eq!(merged, json!({"metadata": {"a": "3", "b": "2"}}));
    assert_eq!(cloud.put(Member, &all, json!({"metadata": {"c/d": ""}})).expect(200), json!({"metadata": {"c/d": ""}}));
    let one = format!("{all}/c%2Fd");
    assert_eq!(cloud.get(Member, &one).expect(200), json!({"meta": {"c/d": ""}}));
    assert_eq!(cloud.put(Member, &one, json!({"meta": {"c/d": "4"}})).expect(200), json!({"meta": {"c/d": "4"}}));
    cloud.put(Member, &one, json!({"meta": {"x": "4"}})).refuse(400, "Request body and URI mismatch");
    let two = "{'c/d': '4', 'x': '5'}";
    let text = format!("Invalid input for field/attribute meta. Value: {two}. {two} has too many properties");
    cloud.put(Member, &one, json!({"meta": {"c/d": "4", "x": "5"}})).refuse(400, &text);
    cloud.put(Member, &format!("{all}/new"), json!({"meta": {"new": "5"}})).expect(200);
    assert_eq!(get(), json!({"c/d": "4", "new": "5"}));
    let gone = format!("Volume {id} has no metadata with key x.");
    cloud.get(Member, &format!("{all}/x")).refuse(404, &gone);
    cloud.delete(Member, &format!("{all}/x")).refuse(404, &gone);
    cloud.delete(Reader, &one).refuse(403, "Policy doesn't allow volume:delete_volume_metadata to be performed.");
    assert_eq!(cloud.delete(Member, &one).status, 200);
    assert_eq!(get(), json!({"new": "5"}));
    assert_eq!(cloud.post(Member, &all, json!({"metadata": {"\u{e9}": ""}})).status, 400);
    assert_eq!(cloud.post(Member, &all, json!({"metadata": {"a": null}})).status, 400);
    for state in ["maintenance", "uploading"] {
        status(&cloud, "volumes", &id, state);
        let text = |what: &str| {
            format!("Invalid volume: {what} volume metadata is not allowed for volumes in {state} status.")
        };
        cloud.post(Member, &all, json!({"metadata": {}})).refuse(400, &text("Updating"));
        cloud.delete(Member, &format!("{all}/new")).refuse(400, &text("Deleting"));
    }
}

#[test]
fn a_tag_keeps_writers_from_undoing_each_other() {
    let cloud = Cloud::new();
    let id = volume_with(&cloud, Member, json!({"size": 1, "metadata": {"a": "1"}}));
    let url = format!("/v3/{PROJECT}/volumes/{id}/metadata");
    let send = |method: &str, version: &str, tag: &str, body: Option<Value>| {
        let headers = [("X-Auth-Token", "member"), ("OpenStack-API-Version", version), ("If-Match", tag)];
        cloud.raw(method, &url, &headers, body)
    };
    let first = cloud.get(Member, &format!("/volumes/{id}/metadata"));
    let tag = first.header("Etag").unwrap().to_owned();
    assert_eq!(first.text, r#"{"metadata": {"a": "1"}}"#);
    assert_eq!(tag.len(), 32);
    assert_eq!(cloud.get(Member, &format!("3.14 /volumes/{id}/metadata")).header("Etag"), None);
    let body = Some(json!({"metadata": {"a": "2"}}));
    assert_eq!(send("PUT", "volume 3.15", &tag, body.clone()).status, 200);
    let refused = send("PUT", "volume 3.15", &tag, body.clone());
    assert_eq!((refused.status, refused.text.as_str()), (412, ""));
    assert_eq!(send("PUT", "volume 3.14", &tag, body.clone()).status, 200, "older versions do not look");
    assert_eq!(send("PUT", "volume 3.15", "*", body).status, 200);
}

#[test]
fn what_an_image_says_may_be_changed() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let none = format!("Glance metadata for volume/snapshot {id} cannot be found.");
    act(&cloud, Member, &id, json!({"os-show_image_metadata": null})).refuse(404, &none);
    let set = json!({"os-set_image_metadata": {"metadata": {"os": "linux", "long": "x".repeat(300)}}});
    let set = act(&cloud, Member, &id, set).expect(200);
    assert_eq!(set["metadata"]["os"], json!("linux"));
    assert_eq!(act(&cloud, Reader, &id, json!({"os-show_image_metadata": null})).expect(200), set);
    assert_eq!(shown(&cloud, &id, "volume_image_metadata"), set["metadata"]);
    let unset = |key: &str| act(&cloud, Member, &id, json!({"os-unset_image_metadata": {"key": key}}));
    assert_eq!(unset("long").status, 200);
    unset("long").refuse(404, &none);
    assert_eq!(shown(&cloud, &id, "volume_image_metadata"), json!({"os": "linux"}));
}
