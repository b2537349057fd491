//! Backups: create, list, show, update, delete, restore, records, actions; and the way back to a snapshot.

use std::thread;

use serde_json::{Value, json};

use crate::fixture::{Answer, Cloud, OTHER_PROJECT, PROJECT, Persona::*};
use crate::people::{
    backup, backup_service, made_backup, names, new_volume, orders, snapshot, status, used, volume, volume_with,
};

fn create(cloud: &Cloud, body: Value) -> Answer {
    cloud.post(Member, "/backups", json!({ "backup": body }))
}

fn status_of(cloud: &Cloud, path: &str) -> String {
    let json = cloud.get(Admin, path).expect(200);
    json.as_object().unwrap().values().next().unwrap()["status"].as_str().unwrap().to_owned()
}

fn id(answer: &Value) -> String {
    answer["backup"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_new_backup_is_written_charged_and_ordered_and_the_volume_is_busy_meanwhile() {
    let cloud = Cloud::new();
    backup_service(&cloud);
    let volume = volume_with(&cloud, Member, json!({"size": 3}));
    let before = orders(&cloud);
    let body =
        json!({"volume_id": volume, "name": " b ", "description": "d", "metadata": {"a": "b"}, "container": "c"});
    let made = create(&cloud, body).expect(202);
    let id = id(&made);
    let link = |kind: &str, root: &str| json!({"rel": kind, "href": format!("http://cloud.example{root}/{PROJECT}/backups/{id}")});
    let links = json!([link("self", "/v3"), link("bookmark", "")]);
    assert_eq!(made, json!({"backup": {"id": id, "name": "b", "links": links}}));
    let path = format!("/backups/{id}");
    let shown = cloud.get(Reader, &path).expect(200)["backup"].clone();
    let expected = json!({
        "id": id, "status": "creating", "size": 3, "object_count": 0, "availability_zone": null, "container": "c",
        "created_at": shown["created_at"], "updated_at": null, "name": "b", "description": "d", "fail_reason": null,
        "volume_id": volume, "links": links, "is_incremental": false, "has_dependent_backups": false, "snapshot_id": null,
        "data_timestamp": shown["created_at"], "metadata": {"a": "b"},
    });
    assert_eq!(shown, expected);
    assert_eq!((used(&cloud, PROJECT, "backups"), used(&cloud, PROJECT, "backup_gigabytes")), (1, 3));
    assert_eq!(orders(&cloud), before + 1);
    let order = "SELECT COUNT(*) FROM hearth_orders WHERE role = 'backup' AND host = 'node' AND kind = 'create_backup'";
    assert_eq!(cloud.numbers(order, &[]), [1]);
    let workers = "SELECT COUNT(*) FROM workers WHERE resource_type = 'Backup' AND resource_id = ?";
    assert_eq!(cloud.numbers(workers, &[(&id).into()]), [1]);
    assert_eq!(status_of(&cloud, &format!("/volumes/{volume}")), "backing-up");
    let text =
        format!("Volume to be backed up must be available or in-use, but the current status is \"{}\".", "backing-up");
    create(&cloud, json!({"volume_id": volume})).refuse(400, &format!("Invalid volume: {text}"));
}

#[test]
fn each_version_shows_its_fields_and_takes_its_keys() {
    let cloud = Cloud::new();
    let volume = volume(&cloud, Member, "v");
    let id = backup(&cloud, Member, &volume);
    let keys = |persona, version: &str| -> Vec<String> {
        let shown = cloud.get(persona, &format!("{version} /backups/{id}")).expect(200);
        let listed = cloud.get(persona, &format!("{version} /backups/detail")).expect(200);
        assert_eq!(listed["backups"][0], shown["backup"]);
        shown["backup"].as_object().unwrap().keys().skip(17).cloned().collect()
    };
    for (version, expected) in [
        ("3.0", &[][..]),
        ("3.18", &["os-backup-project-attr:project_id"]),
        ("3.43", &["metadata", "os-backup-project-attr:project_id"]),
        ("3.56", &["metadata", "os-backup-project-attr:project_id", "user_id"]),
    ] {
        assert_eq!(keys(Admin, version), expected, "{version}");
    }
    assert_eq!(keys(Member, "3.71"), ["metadata"]);
    let unexpected = |key: &str| {
        format!(
            "Invalid input for field/attribute backup. Value: {{'volume_id': '{volume}', '{key}': {}}}. Additional \
                 properties are not allowed ('{key}' was unexpected)",
            if key == "metadata" { "{}" } else { "'nova'" }
        )
    };
    let body = |key: &str, value: Value| json!({"backup": {"volume_id": volume, key: value}});
    cloud.post(Member, "3.42 /backups", body("metadata", json!({}))).refuse(400, &unexpected("metadata"));
    cloud
        .post(Member, "3.50 /backups", body("availability_zone", "nova".into()))
        .refuse(400, &unexpected("availability_zone"));
    cloud.put(Member, &format!("3.8 /backups/{id}"), json!({"backup": {"name": "n"}})).expect(404);
    let renamed = cloud.put(Member, &format!("3.9 /backups/{id}"), json!({"backup": {"name": "n"}})).expect(200);
    assert_eq!(renamed["backup"]["name"], "n");
    let body = json!({"backup": {"description": null, "metadata": {"x": "y"}}});
    cloud.put(Member, &format!("/backups/{id}"), body).expect(200);
    let shown = cloud.get(Member, &format!("/backups/{id}")).expect(200)["backup"].clone();
    assert_eq!((&shown["name"], &shown["metadata"]), (&json!("n"), &json!({"x": "y"})));
    cloud.sql("UPDATE backups SET encryption_key_id = 'k' WHERE id = ?", &[(&id).into()]);
    assert_eq!(cloud.get(Member, &format!("/backups/{id}")).expect(200)["backup"]["encryption_key_id"], "k");
}

#[test]
fn lists_are_filtered_sorted_paged_and_counted_and_kept_apart_by_project() {
    let cloud = Cloud::new();
    let one = volume(&cloud, Member, "one");
    let two = volume(&cloud, Member, "two");
    for (volume, name) in [(&one, "a"), (&two, "b"), (&one, "c")] {
        let id = backup(&cloud, Member, volume);
        cloud.put(Member, &format!("/backups/{id}"), json!({"backup": {"name": name}})).expect(200);
    }
    let list = |path: &str| cloud.get(Member, path).expect(200);
    assert_eq!(names(&list("/backups")["backups"]), ["c", "b", "a"]);
    assert_eq!(names(&list("/backups?sort=name:asc")["backups"]), ["a", "b", "c"]);
    cloud.get(Member, "3.36 /backups?sort=name:asc").refuse(400, "Invalid input received: Invalid sort key");
    assert_eq!(names(&list(&format!("/backups?volume_id={one}"))["backups"]), ["c", "a"]);
    assert_eq!(names(&list("/backups?name=b&status=available")["backups"]), ["b"]);
    let page = list("/backups/detail?limit=1&with_count=true");
    assert_eq!((names(&page["backups"]), &page["count"]), (vec!["c"], &json!(3)));
    assert!(page["backups_links"][0]["href"].as_str().unwrap().contains("/backups/detail?limit=1"));
    assert_eq!(cloud.get(Stranger, "/backups").expect(200), json!({"backups": []}));
    assert_eq!(cloud.get(Admin, "/backups?all_tenants=1").expect(200)["backups"].as_array().unwrap().len(), 3);
}

#[test]
fn what_can_not_be_backed_up_is_refused_and_nothing_is_charged() {
    let cloud = Cloud::new();
    backup_service(&cloud);
    let v = volume(&cloud, Member, "v");
    let other = volume(&cloud, Member, "other");
    let snap = snapshot(&cloud, Member, &other, "s");
    let text = format!("Invalid volume: Volume {v} does not match with snapshot.volume_id {other}.");
    create(&cloud, json!({"volume_id": v, "snapshot_id": snap})).refuse(400, &text);
    status(&cloud, "snapshots", &snap, "error");
    let text = "Invalid snapshot: Snapshot to be backed up must be available, but the current status is \"error\".";
    create(&cloud, json!({"volume_id": other, "snapshot_id": snap})).refuse(400, text);
    status(&cloud, "volumes", &v, "in-use");
    let text = "Invalid volume: Backing up an in-use volume must use the force flag.";
    create(&cloud, json!({ "volume_id": v })).refuse(400, text);
    let waiting = new_volume(&cloud, Member, json!({"size": 1}));
    let text =
        "Invalid volume: Volume to be backed up must be available or in-use, but the current status is \"creating\".";
    create(&cloud, json!({"volume_id": waiting, "force": true})).refuse(400, text);
    let text = "Invalid backup: No backups available to do an incremental backup.";
    create(&cloud, json!({"volume_id": other, "incremental": true})).refuse(400, text);
    let text = "Invalid input received: Invalid container name: '../../etc'";
    create(&cloud, json!({"volume_id": other, "container": "../../etc"})).refuse(400, text);
    cloud
        .post(Stranger, "/backups", json!({"backup": {"volume_id": other}}))
        .refuse(404, &format!("Volume {other} could not be found."));
    assert_eq!(used(&cloud, PROJECT, "backups"), 0);
    let made = create(&cloud, json!({"volume_id": v, "force": true})).expect(202);
    assert_eq!(status_of(&cloud, &format!("/backups/{}", id(&made))), "creating");
    let limit = json!({"quota_set": {"backups": 1, "backup_gigabytes": 1}});
    cloud.put(Admin, &format!("/os-quota-sets/{PROJECT}"), limit).expect(200);
    let text = "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested 1G, \
                quota is 1G and 1G has been consumed.";
    create(&cloud, json!({ "volume_id": other })).refuse(413, text);
    let limit = json!({"quota_set": {"backup_gigabytes": 9}});
    cloud.put(Admin, &format!("/os-quota-sets/{PROJECT}"), limit).expect(200);
    let text = "BackupLimitExceeded: Maximum number of backups allowed (1) exceeded";
    create(&cloud, json!({ "volume_id": other })).refuse(413, text);
    assert_eq!(status_of(&cloud, &format!("/volumes/{other}")), "available");
}

#[test]
fn an_incremental_backup_builds_on_the_latest_data_before_its_own() {
    let cloud = Cloud::new();
    let v = volume(&cloud, Member, "v");
    let first = backup(&cloud, Member, &v);
    let snap = snapshot(&cloud, Member, &v, "s");
    let second = backup(&cloud, Member, &v);
    for (name, at) in [(&first, "10"), (&second, "30")] {
        let sql = format!("UPDATE backups SET data_timestamp = '2026-01-01 00:00:{at}' WHERE id = ?");
        cloud.sql(&sql, &[name.into()]);
    }
    cloud.sql("UPDATE snapshots SET created_at = '2026-01-01 00:00:20' WHERE id = ?", &[(&snap).into()]);
    let parent = |id: &str| {
        let sql = "SELECT parent_id FROM backups WHERE id = ?";
        cloud.database.read(|c| c.row(sql, &[id.into()], |row| row.string(0))).unwrap().unwrap()
    };
    let of_snapshot =
        id(&create(&cloud, json!({"volume_id": v, "snapshot_id": snap, "incremental": true})).expect(202));
    assert_eq!(parent(&of_snapshot), first);
    assert_eq!(status_of(&cloud, &format!("/snapshots/{snap}")), "backing-up");
    assert_eq!(status_of(&cloud, &format!("/volumes/{v}")), "available");
    made_backup(&cloud, &of_snapshot);
    let shown = cloud.get(Member, &format!("/backups/{of_snapshot}")).expect(200)["backup"].clone();
    assert_eq!(shown["data_timestamp"], "2026-01-01T00:00:20.000000");
    assert_eq!((&shown["is_incremental"], &shown["snapshot_id"]), (&json!(true), &json!(snap)));
    let third = id(&create(&cloud, json!({"volume_id": v, "incremental": true})).expect(202));
    assert_eq!(parent(&third), second);
    for parent in [&first, &second] {
        let text = "Invalid backup: Incremental backups exist for this backup.";
        cloud.delete(Member, &format!("/backups/{parent}")).refuse(400, text);
        let path = format!("/backups/{parent}/action");
        cloud.post(Admin, &path, json!({"os-force_delete": {}})).refuse(400, text);
    }
}

#[test]
fn without_a_service_of_the_zone_a_backup_is_in_error_and_other_requests_say_so() {
    let cloud = Cloud::new();
    let v = volume(&cloud, Member, "v");
    let good = backup(&cloud, Member, &v);
    let made = create(&cloud, json!({"volume_id": v, "availability_zone": "far"})).expect(202);
    let shown = cloud.get(Member, &format!("/backups/{}", id(&made))).expect(200)["backup"].clone();
    assert_eq!(
        (&shown["status"], &shown["fail_reason"]),
        (&json!("error"), &json!("Service not found for creating backup."))
    );
    let messages = cloud.get(Member, &format!("/messages?resource_uuid={}", id(&made))).expect(200);
    assert_eq!(messages["messages"][0]["event_id"], "VOLUME_VOLUME_BACKUP_013_024");
    assert_eq!(status_of(&cloud, &format!("/volumes/{v}")), "available");
    cloud.sql("UPDATE services SET disabled = true WHERE \"binary\" = 'cinder-backup'", &[]);
    let text = "Service cinder-backup could not be found.";
    cloud.delete(Member, &format!("/backups/{good}")).refuse(404, text);
    let body = json!({"restore": {"volume_id": v}});
    cloud.post(Member, &format!("/backups/{good}/restore"), body).refuse(404, text);
    let before = cloud.numbers("SELECT COUNT(*) FROM volumes", &[]);
    cloud.post(Member, &format!("/backups/{good}/restore"), json!({"restore": {}})).refuse(404, text);
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM volumes", &[]), before, "no volume is made that nobody will fill");
    assert_eq!(status_of(&cloud, &format!("/volumes/{v}")), "available");
}

#[test]
fn a_restore_answers_at_once_and_takes_a_new_volume_or_one_that_is_large_enough() {
    let cloud = Cloud::new();
    let v = volume_with(&cloud, Member, json!({"size": 2}));
    let b = backup(&cloud, Member, &v);
    let path = format!("/backups/{b}/restore");
    let small = volume(&cloud, Member, "small");
    let text = "Invalid volume: volume size 1 is too small to restore backup of size 2.";
    cloud.post(Member, &path, json!({"restore": {"volume_id": small}})).refuse(400, text);
    status(&cloud, "volumes", &small, "in-use");
    let text = "Invalid volume: Volume to be restored to must be available";
    cloud.post(Member, &path, json!({"restore": {"volume_id": small}})).refuse(400, text);
    let foreign = volume(&cloud, Stranger, "foreign");
    let text = format!("Volume {foreign} could not be found.");
    cloud.post(Member, &path, json!({"restore": {"volume_id": foreign}})).refuse(404, &text);
    assert_eq!(used(&cloud, OTHER_PROJECT, "volumes"), 1);

    let answer = cloud.post(Member, &path, json!({"restore": {}})).expect(202)["restore"].clone();
    let made = answer["volume_id"].as_str().unwrap().to_owned();
    let name = format!("restore_backup_{b}");
    assert_eq!(answer, json!({"backup_id": b, "volume_id": made, "volume_name": name}));
    let shown = cloud.get(Member, &format!("/volumes/{made}")).expect(200)["volume"].clone();
    assert_eq!((&shown["status"], &shown["size"]), (&json!("creating"), &json!(2)));
    assert_eq!(status_of(&cloud, &format!("/backups/{b}")), "restoring");
    let text = "Invalid backup: Backup status must be available";
    cloud.post(Member, &path, json!({"restore": {}})).refuse(400, text);
    made_backup(&cloud, &b);
    let answer = cloud.post(Member, &path, json!({"restore": {"volume_id": v, "name": "ignored"}})).expect(202);
    assert_eq!(answer["restore"]["volume_id"], json!(v));
    assert_eq!(status_of(&cloud, &format!("/volumes/{v}")), "restoring-backup");
    made_backup(&cloud, &b);
    cloud.put(Admin, &format!("/os-quota-sets/{PROJECT}"), json!({"quota_set": {"volumes": 3}})).expect(200);
    let text = "VolumeLimitExceeded: Maximum number of volumes allowed (3) exceeded for quota 'volumes'.";
    cloud.post(Member, &path, json!({"restore": {}})).refuse(413, text);
    assert_eq!(status_of(&cloud, &format!("/backups/{b}")), "available");
}

#[test]
fn a_backup_is_deleted_when_it_is_available_or_in_error_and_by_force_always() {
    let cloud = Cloud::new();
    let v = volume(&cloud, Member, "v");
    let b = backup(&cloud, Member, &v);
    let path = format!("/backups/{b}");
    for busy in ["creating", "restoring", "error_deleting", "deleting"] {
        status(&cloud, "backups", &b, busy);
        cloud.delete(Member, &path).refuse(400, "Invalid backup: Backup status must be available or error");
    }
    cloud.post(Admin, &format!("{path}/action"), json!({"os-force_delete": {}})).expect(202);
    assert_eq!(status_of(&cloud, &path), "deleting");
    let order = "SELECT COUNT(*) FROM hearth_orders WHERE kind = 'delete_backup' AND payload LIKE '%\"force\":true%'";
    assert_eq!(cloud.numbers(order, &[]), [1]);
    let reset = |status: &str| json!({"os-reset_status": {"status": status}});
    let text = "Backup status: deleting is invalid, valid statuses are: ['available', 'error'].";
    cloud.post(Admin, &format!("{path}/action"), reset("deleting")).refuse(400, text);
    cloud.post(Admin, &format!("{path}/action"), reset("ERROR")).expect(202);
    assert_eq!(status_of(&cloud, &path), "error");
    cloud.delete(Member, &path).expect(202);
}

#[test]
fn of_many_who_restore_or_delete_one_backup_at_once_exactly_one_does() {
    let cloud = Cloud::new();
    let v = volume(&cloud, Member, "v");
    let b = backup(&cloud, Member, &v);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|number| {
                let (cloud, b, v) = (&cloud, &b, &v);
                scope.spawn(move || match number % 2 {
                    0 => cloud.delete(Member, &format!("/backups/{b}")).status,
                    _ => {
                        cloud
                            .post(Member, &format!("/backups/{b}/restore"), json!({"restore": {"volume_id": v}}))
                            .status
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 202 | 400)), "{statuses:?}");
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM hearth_orders WHERE role = 'backup'", &[]), [1]);
}

#[test]
fn records_go_out_and_come_in_and_what_is_no_record_is_refused() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let cloud = Cloud::new();
    let v = volume(&cloud, Member, "v");
    let b = backup(&cloud, Member, &v);
    let record = cloud.get(Admin, &format!("/backups/{b}/export_record")).expect(200)["backup-record"].clone();
    let driver = "cinder.backup.drivers.posix.PosixBackupDriver";
    assert_eq!(record["backup_service"], driver);
    let text = STANDARD.decode(record["backup_url"].as_str().unwrap()).unwrap();
    let fields: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(
        (&fields["id"], &fields["container"], &fields["driver_info"]),
        (&json!(b), &json!("aa/bb/c"), &json!({}))
    );
    status(&cloud, "backups", &b, "error");
    let text = "Invalid backup: Backup status must be available and not error.";
    cloud.get(Admin, &format!("/backups/{b}/export_record")).refuse(400, text);
    let import = |service: &str, url: &str| {
        let body = json!({"backup-record": {"backup_service": service, "backup_url": url}});
        cloud.post(Admin, "/backups/import_record", body)
    };
    import(driver, record["backup_url"].as_str().unwrap())
        .refuse(400, "Invalid backup: Backup already exists in database.");
    let with = |changes: Value| {
        let mut fields = fields.clone();
        for (key, value) in changes.as_object().unwrap() {
            if value == "absent" {
                fields.as_object_mut().unwrap().remove(key);
            } else {
                fields[key] = value.clone();
            }
        }
        STANDARD.encode(fields.to_string())
    };
    let fresh = "7a1e9d0c-4a1c-4f0e-8e6c-0d4f5b8f2a11";
    for (url, text) in [
        ("!".to_owned(), "Invalid input received: Can't parse backup record."),
        ("y".to_owned(), "Invalid input for field/attribute backup_url. Value: y. 'y' is not a 'base64'"),
        (STANDARD.encode("no json"), "Invalid input received: Can't parse backup record."),
        (with(json!({"id": "absent"})), "Invalid input received: Provided backup record is missing an id"),
        (with(json!({"size": "absent"})), "Invalid input received: Provided backup record is missing size attribute"),
        (
            with(json!({"id": fresh, "container": "absent"})),
            "Invalid backup: Driver successfully decoded imported backup data, but there are missing fields (container).",
        ),
        (with(json!({"id": fresh, "container": "../x"})), "Invalid input received: Invalid container name: '../x'"),
        (
            with(json!({"id": fresh, "service_metadata": "../x"})),
            "Invalid input received: Provided backup record has an invalid service_metadata or container",
        ),
    ] {
        import(driver, &url).refuse(400, text);
    }
    import("other", &with(json!({ "id": fresh }))).refuse(503, "Service other could not be found.");
    assert_eq!(used(&cloud, PROJECT, "backups"), 1);
    let made = import(driver, &with(json!({ "id": fresh }))).expect(201);
    assert_eq!(id(&made), fresh);
    assert_eq!(status_of(&cloud, &format!("/backups/{fresh}")), "available");
    assert_eq!(used(&cloud, PROJECT, "backups"), 2);
}

#[test]
fn a_volume_goes_back_to_its_latest_snapshot_and_to_no_other() {
    let cloud = Cloud::new();
    let v = volume(&cloud, Member, "v");
    let revert = |version: &str, snapshot: Value| {
        let path = format!("{version} /volumes/{v}/action");
        cloud.post(Member, &path, json!({"revert": {"snapshot_id": snapshot}}))
    };
    revert("3.71", Value::Null).refuse(400, &format!("Volume {v} doesn't have any snapshots."));
    let old = snapshot(&cloud, Member, &v, "old");
    let latest = snapshot(&cloud, Member, &v, "latest");
    for (named, shown) in [(json!(old), old.as_str()), (Value::Null, "None")] {
        let text = format!("Specified snapshot {shown} is None or not the latest one of volume {v}.");
        revert("3.71", named).refuse(400, &text);
    }
    revert("3.39", json!(latest)).expect(404);
    cloud.sql("UPDATE volumes SET size = 2 WHERE id = ?", &[(&v).into()]);
    let text = format!(
        "Can't revert volume {v} to its latest snapshot {latest}. The volume size must be equal to the snapshot size."
    );
    revert("3.71", json!(latest)).refuse(400, &text);
    cloud.sql("UPDATE volumes SET size = 1 WHERE id = ?", &[(&v).into()]);
    let busy = |noun: &str| {
        let kind = noun.to_lowercase();
        format!(
            "Invalid {kind}: Can't revert volume {v} to its latest snapshot {latest}. {noun}'s status must be 'available'."
        )
    };
    status(&cloud, "volumes", &v, "in-use");
    revert("3.71", json!(latest)).refuse(409, &busy("Volume"));
    status(&cloud, "volumes", &v, "available");
    status(&cloud, "snapshots", &latest, "error");
    revert("3.71", json!(latest)).refuse(409, &busy("Snapshot"));
    assert_eq!(status_of(&cloud, &format!("/volumes/{v}")), "available", "the volume has not moved alone");
    status(&cloud, "snapshots", &latest, "available");
    revert("3.40", json!(latest)).expect(202);
    assert_eq!(status_of(&cloud, &format!("/volumes/{v}")), "reverting");
    assert_eq!(status_of(&cloud, &format!("/snapshots/{latest}")), "restoring");
    revert("3.71", json!(latest)).refuse(409, &busy("Volume"));
}
