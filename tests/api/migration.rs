//! Moving a volume to a backend that an operator names, and what a server says that has copied a volume or made one larger, as
//! callers see it; moving the content is in `tests/volume_service`.

use serde_json::{Value, json};

use crate::fixture::Cloud;
use crate::fixture::Persona::{Admin, Member};
use crate::people;

fn refusal(volume: &str) -> String {
    format!(
        "Invalid volume: Volume {volume} status must be available or in-use, must not be migrating, have snapshots, be \
         replicated, be part of a group and destination host/cluster must be different than the current one"
    )
}

fn to(host: &str) -> Value {
    json!({"os-migrate_volume": {"host": host}})
}

/// A volume of the service of [`people::HOST`], and the path of its actions.
fn placed(cloud: &Cloud) -> (String, String) {
    people::backend(cloud);
    let volume = people::volume(cloud, Member, "v");
    let path = format!("/volumes/{volume}/action");
    (volume, path)
}

fn shown(cloud: &Cloud, volume: &str) -> Value {
    cloud.get(Admin, &format!("/volumes/{volume}")).expect(200)["volume"].clone()
}

#[test]
fn a_volume_that_is_to_move_says_so_and_is_locked_where_that_is_wanted() {
    let cloud = Cloud::new();
    let (volume, path) = placed(&cloud);
    cloud.post(Admin, &path, to("node@file")).expect(202);
    let now = shown(&cloud, &volume);
    assert_eq!((&now["status"], &now["migration_status"]), (&json!("available"), &json!("starting")));
    assert_eq!(now["os-vol-mig-status-attr:migstat"], json!("starting"));
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM hearth_orders WHERE kind = 'migrate_volume'", &[]), [1]);
    cloud.post(Admin, &path, to("node@file")).refuse(400, &refusal(&volume));

    cloud.sql("UPDATE volumes SET migration_status = NULL", &[]);
    let locked = json!({"os-migrate_volume": {"host": "node@file", "force_host_copy": "False", "lock_volume": true}});
    cloud.post(Admin, &path, locked.clone()).expect(202);
    let now = shown(&cloud, &volume);
    assert_eq!((&now["status"], &now["migration_status"]), (&json!("maintenance"), &json!("starting")));
    // A volume in use can not be locked, and moves all the same.
    cloud.sql("UPDATE volumes SET migration_status = 'error', status = 'in-use'", &[]);
    cloud.post(Admin, &path, locked).expect(202);
    assert_eq!(shown(&cloud, &volume)["status"], json!("in-use"));
}

#[test]
fn who_asks_for_the_impossible_is_told_so_in_the_order_of_cinder() {
    let cloud = Cloud::new();
    let (volume, path) = placed(&cloud);
    let rule = "volume_extension:volume_admin_actions:migrate_volume";
    cloud.post(Member, &path, to("")).refuse(403, &format!("Policy doesn't allow {rule} to be performed."));
    let neither = "Invalid input received: One and only one of cluster and host must be set.";
    cloud.post(Admin, &path, to("")).refuse(400, neither);
    cloud.post(Admin, &path, json!({"os-migrate_volume": {"host": "h", "cluster": "c"}})).refuse(400, neither);
    let old = format!("3.15 {path}");
    cloud.post(Admin, &old, to("")).refuse(400, "Invalid input received: Host field is missing.");
    let words = "Invalid input for field/attribute os-migrate_volume. Value: {}. 'host' is a required property";
    cloud.post(Admin, &old, json!({"os-migrate_volume": {}})).refuse(400, words);
    cloud.post(Admin, &path, to("nobody")).refuse(400, "Invalid host: No available service named 'nobody'");
    let cluster = json!({"os-migrate_volume": {"cluster": "c@file"}});
    cloud.post(Admin, &path, cluster).refuse(400, "Invalid host: No available service named 'c@file'");
    cloud.post(Admin, &path, to(people::HOST)).refuse(400, &refusal(&volume));
    cloud.sql("UPDATE services SET disabled = true", &[]);
    cloud.post(Admin, &path, to("node@file")).refuse(400, "Invalid host: No available service named 'node@file'");
    cloud.sql("UPDATE services SET disabled = false", &[]);
    people::groups(&cloud);
    for change in [
        "status = 'error'",
        "status = 'available', migration_status = 'migrating'",
        "migration_status = 'success', replication_status = 'enabled'",
        "replication_status = 'disabled', group_id = 'g'",
    ] {
        cloud.sql(&format!("UPDATE volumes SET {change}"), &[]);
        cloud.post(Admin, &path, to("node@file")).refuse(400, &refusal(&volume));
    }
    cloud.sql("UPDATE volumes SET group_id = NULL, migration_status = NULL", &[]);
    people::snapshot(&cloud, Member, &volume, "s");
    cloud.post(Admin, &path, to("node@file")).refuse(400, &refusal(&volume));
}

/// A volume in the middle of a move, and the volume that it is to become.
fn two(cloud: &Cloud) -> (String, String) {
    let (volume, _) = placed(cloud);
    let new = people::volume(cloud, Member, "v");
    let target = format!("target:{volume}");
    cloud.sql(
        "UPDATE volumes SET migration_status = ?, host = 'node@other#pool', use_quota = false WHERE id = ?",
        &[target.as_str().into(), (&new).into()],
    );
    let sql =
        "UPDATE volumes SET migration_status = 'migrating', previous_status = 'in-use', status = 'in-use' WHERE id = ?";
    cloud.sql(sql, &[(&volume).into()]);
    (volume, new)
}

#[test]
fn a_server_that_has_copied_a_volume_lets_it_have_the_new_disk() {
    let cloud = Cloud::new();
    let (volume, new) = two(&cloud);
    let reserve = json!({"attachment": {"volume_uuid": new}});
    let attachment = cloud.post(Member, "/attachments", reserve).expect(200)["attachment"]["id"].clone();
    cloud.sql("UPDATE volume_attachment SET attach_status = 'attached'", &[]);
    let path = format!("/volumes/{volume}/action");
    let body = json!({"os-migrate_volume_completion": {"new_volume": new, "error": false}});
    let answer = cloud.post(Admin, &path, body).expect(200);
    assert_eq!(answer, json!({ "save_volume_id": volume }));
    let now = shown(&cloud, &volume);
    assert_eq!((&now["status"], &now["migration_status"]), (&json!("in-use"), &json!("success")));
    assert_eq!(now["os-vol-host-attr:host"], json!("node@other#pool"));
    assert_eq!(now["os-vol-mig-status-attr:name_id"], json!(new));
    assert_eq!(now["attachments"][0]["attachment_id"], attachment, "the server's attachment is the volume's now");
    let old = shown(&cloud, &new);
    assert_eq!((&old["status"], &old["migration_status"]), (&json!("deleting"), &json!("deleting")));
    assert_eq!(old["os-vol-host-attr:host"], json!(people::HOST));
    assert_eq!(old["os-vol-mig-status-attr:name_id"], json!(volume));
    assert_eq!(old["description"], json!(format!("migration src for {volume}")));
    let sql =
        "SELECT COUNT(*) FROM hearth_orders WHERE kind = 'delete_volume' AND host = 'node@file' AND object_id = ?";
    assert_eq!(cloud.numbers(sql, &[(&new).into()]), [1]);
}

#[test]
fn a_server_that_could_not_copy_a_volume_lets_it_keep_its_disk() {
    let cloud = Cloud::new();
    let (volume, new) = two(&cloud);
    let path = format!("/volumes/{volume}/action");
    let body = json!({"os-migrate_volume_completion": {"new_volume": new, "error": "True"}});
    assert_eq!(cloud.post(Admin, &path, body).expect(200), json!({ "save_volume_id": volume }));
    let now = shown(&cloud, &volume);
    assert_eq!((&now["status"], &now["migration_status"]), (&json!("in-use"), &json!("error")));
    assert_eq!(now["os-vol-host-attr:host"], json!(people::HOST));
    assert_eq!(shown(&cloud, &new)["status"], json!("deleting"));
}

#[test]
fn only_the_two_of_one_move_go_together() {
    let cloud = Cloud::new();
    let (volume, new) = two(&cloud);
    let other = people::volume(&cloud, Member, "other");
    let complete = |one: &str, two: &str| {
        let body = json!({"os-migrate_volume_completion": {"new_volume": two}});
        cloud.post(Admin, &format!("/volumes/{one}/action"), body)
    };
    complete(&other, &new).refuse(400, "Invalid volume: Source volume not mid-migration.");
    complete(&volume, &other).refuse(400, "Invalid volume: Destination volume not mid-migration.");
    let words = format!("Invalid volume: Destination has migration_status migrating, expected target:{new}.");
    complete(&new, &volume).refuse(400, &words);
    // Two that nobody moves: a server has exchanged them by itself.
    let third = people::volume(&cloud, Member, "third");
    assert_eq!(complete(&other, &third).expect(200), json!({ "save_volume_id": third }));
}

#[test]
fn a_server_that_has_made_a_volume_larger_ends_the_extension() {
    let cloud = Cloud::new();
    let volume = people::volume(&cloud, Member, "v");
    let path = format!("/volumes/{volume}/action");
    let ended = |error: Value| cloud.post(Admin, &path, json!({"os-extend_volume_completion": {"error": error}}));
    ended(json!(false)).refuse(400, "Invalid volume: Volume is not being extended.");
    people::status(&cloud, "volumes", &volume, "extending");
    ended(json!(false)).refuse(400, "Invalid volume: Required volume admin metadata is malformed or missing.");
    people::waits_for_a_server(&cloud, &volume, 1);
    ended(json!(null)).refuse(
        400,
        "Invalid volume: The target volume size provided in volume admin metadata 1 is smaller or equal to the current volume \
         size.",
    );
    cloud.sql("DELETE FROM volume_admin_metadata", &[]);
    people::waits_for_a_server(&cloud, &volume, 3);
    cloud.sql("UPDATE volume_admin_metadata SET value = '{}' WHERE value = '[]'", &[]);
    let words = "Invalid volume: The stored quota reservations for extending the volume must be in a list format.";
    ended(json!(null)).refuse(400, words);
    // What another service has reserved is used from now on.
    cloud.sql("UPDATE volume_admin_metadata SET value = '[\"r\"]' WHERE value = '{}'", &[]);
    cloud.sql("UPDATE quota_usages SET reserved = 2 WHERE resource = 'gigabytes'", &[]);
    cloud.sql(
        "INSERT INTO reservations (deleted, uuid, usage_id, project_id, resource, delta) \
         SELECT false, 'r', id, project_id, resource, 2 FROM quota_usages WHERE resource = 'gigabytes'",
        &[],
    );
    ended(json!("")).expect(202);
    let now = shown(&cloud, &volume);
    assert_eq!((&now["status"], &now["size"]), (&json!("available"), &json!(3)));
    let sql = "SELECT in_use * 10 + reserved FROM quota_usages WHERE resource = 'gigabytes'";
    assert_eq!(cloud.numbers(sql, &[]), [30]);
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM volume_admin_metadata WHERE deleted = false", &[]), [0]);

    people::status(&cloud, "volumes", &volume, "extending");
    people::waits_for_a_server(&cloud, &volume, 4);
    ended(json!(true)).expect(202);
    let now = shown(&cloud, &volume);
    assert_eq!((&now["status"], &now["size"]), (&json!("error_extending"), &json!(3)));
}
