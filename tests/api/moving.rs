//! What moves a volume's content or the volume itself, as callers see it; the work is in `tests/volume_service`.

use serde_json::json;

use crate::fixture::Cloud;
use crate::fixture::Persona::{Admin, Member, Reader};
use crate::people;

#[test]
fn a_volume_goes_back_to_its_newest_snapshot_alone_and_both_are_busy_meanwhile() {
    let cloud = Cloud::new();
    let volume = people::volume(&cloud, Member, "v");
    let path = format!("/volumes/{volume}/action");
    let revert = |id: &str| json!({"revert": {"snapshot_id": id}});
    cloud.post(Member, &path, revert("x")).refuse(400, &format!("Volume {volume} doesn't have any snapshots."));
    let older = people::snapshot(&cloud, Member, &volume, "older");
    cloud.sql("UPDATE snapshots SET created_at = '2020-01-01 00:00:00' WHERE id = ?", &[(&older).into()]);
    let newer = people::snapshot(&cloud, Member, &volume, "newer");
    let not_it = format!("Specified snapshot {older} is None or not the latest one of volume {volume}.");
    cloud.post(Member, &path, revert(&older)).refuse(400, &not_it);
    cloud
        .post(Reader, &path, revert(&newer))
        .refuse(403, "Policy doesn't allow volume:revert_to_snapshot to be performed.");

    cloud.post(Member, &path, revert(&newer)).expect(202);
    let status = |path: String, noun: &str| cloud.get(Member, &path).expect(200)[noun]["status"].clone();
    assert_eq!(status(format!("/volumes/{volume}"), "volume"), json!("reverting"));
    assert_eq!(status(format!("/snapshots/{newer}"), "snapshot"), json!("restoring"));
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM hearth_orders WHERE kind = 'revert_to_snapshot'", &[]), [1]);
    let busy = format!(
        "Invalid volume: Can't revert volume {volume} to its latest snapshot {newer}. Volume's status must be 'available'."
    );
    cloud.post(Member, &path, revert(&newer)).refuse(409, &busy);

    // The volume has grown: it no longer fits.
    people::status(&cloud, "volumes", &volume, "available");
    people::status(&cloud, "snapshots", &newer, "available");
    cloud.sql("UPDATE volumes SET size = 2 WHERE id = ?", &[(&volume).into()]);
    let larger = format!(
        "Can't revert volume {volume} to its latest snapshot {newer}. The volume size must be equal to the snapshot size."
    );
    cloud.post(Member, &path, revert(&newer)).refuse(400, &larger);
}

#[test]
fn a_file_that_is_taken_over_is_counted_only_when_its_size_is_known() {
    let cloud = Cloud::new();
    people::volume(&cloud, Member, "v");
    let used = people::used(&cloud, crate::fixture::PROJECT, "volumes");
    cloud.sql(
        "INSERT INTO services (deleted, host, \"binary\", topic, report_count, disabled, availability_zone, frozen, updated_at, \
         uuid) VALUES (false, 'node@file', 'cinder-volume', 'cinder-volume', 1, false, 'nova', false, '2999-01-01 00:00:00', 'u')",
        &[],
    );
    let body = |host: &str| json!({"volume": {"host": host, "ref": {"source-name": "disk"}, "name": " x "}});
    let made = cloud.post(Admin, "/manageable_volumes", body("node@file")).expect(202)["volume"].clone();
    assert_eq!((&made["status"], &made["size"], &made["name"]), (&json!("creating"), &json!(0), &json!("x")));
    assert_eq!(made.get("group_id"), None, "the answer has the fields of the first version");
    assert_eq!(people::used(&cloud, crate::fixture::PROJECT, "volumes"), used);
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM hearth_orders WHERE kind = 'manage_volume'", &[]), [1]);
    cloud.post(Admin, "/manageable_volumes", body("nobody")).refuse(400, "Host 'nobody' not found");
    cloud
        .post(Member, "/manageable_volumes", body("node@file"))
        .refuse(403, "Policy doesn't allow volume_extension:volume_manage to be performed.");
    let neither = "Invalid input received: One and only one of cluster and host must be set.";
    cloud.get(Admin, "/manageable_volumes").refuse(400, neither);
    cloud.sql("UPDATE services SET disabled = true", &[]);
    cloud.post(Admin, "/manageable_volumes", body("node@file")).refuse(400, "Service is unavailable at this time.");
}

#[test]
fn what_could_not_be_taken_over_counts_nothing_however_it_is_counted() {
    let cloud = Cloud::serving("");
    people::real_volume(&cloud, Member, 1);
    let used = |amount: i64| {
        let mut out = Vec::new();
        let wrong = hearth::operate::quota::run(&cloud.config, &cloud.database, None, true, &mut out).unwrap();
        assert!(!wrong, "{}", String::from_utf8(out).unwrap());
        assert_eq!(people::used(&cloud, crate::fixture::PROJECT, "volumes"), amount);
    };
    let body = json!({"volume": {"host": "node@file", "ref": {"source-name": "nothing"}}});
    let made = cloud.post(Admin, "/manageable_volumes", body).expect(202)["volume"]["id"].clone();
    let path = format!("/volumes/{}", made.as_str().unwrap());
    let until = |holds: &dyn Fn() -> bool| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !holds() {
            assert!(std::time::Instant::now() < deadline, "{}", cloud.get(Admin, &path).text);
            std::thread::yield_now();
        }
    };
    until(&|| cloud.get(Admin, &path).json["volume"]["status"] == "error");
    used(1);
    let reset =
        |status: &str| cloud.post(Admin, &format!("{path}/action"), json!({"os-reset_status": {"status": status}}));
    reset("available").refuse(400, "Cannot reset-state to available because no backend has the volume.");
    reset("error").expect(202);
    used(1);
    cloud.delete(Admin, &path).expect(202);
    until(&|| cloud.get(Admin, &path).status == 404);
    used(1);
}

#[test]
fn a_volume_with_snapshots_is_not_given_up_and_one_is_given_up_once() {
    let cloud = Cloud::new();
    let volume = people::volume(&cloud, Member, "v");
    let snapshot = people::snapshot(&cloud, Member, &volume, "s");
    let (path, own) = (format!("/volumes/{volume}/action"), format!("/snapshots/{snapshot}/action"));
    let body = json!({"os-unmanage": {}});
    assert_eq!(cloud.post(Admin, &path, body.clone()).status, 400);
    cloud.post(Admin, &own, body.clone()).expect(202);
    let twice = "Invalid snapshot: Snapshot status must be available or error and must not be part of a group.";
    cloud.post(Admin, &own, body.clone()).refuse(400, twice);
    cloud.sql("UPDATE snapshots SET deleted = true", &[]);
    cloud.post(Admin, &path, body.clone()).expect(202);
    assert_eq!(cloud.post(Admin, &path, body).status, 400);
    let sql = "SELECT COUNT(*) FROM hearth_orders WHERE kind IN ('unmanage_volume', 'unmanage_snapshot')";
    assert_eq!(cloud.numbers(sql, &[]), [2]);
}
