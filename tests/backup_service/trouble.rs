//! What goes wrong ends in a status that the owner can act on, with a reason, and leaves nothing behind.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::cloud::Cloud;

fn refused(cloud: &Cloud, method: &str, path: &str, body: Option<serde_json::Value>, status: u16, text: &str) {
    let (found, json) = cloud.send(method, path, body);
    let message = json.as_object().and_then(|fault| fault.values().next()).map(|fault| &fault["message"]);
    assert_eq!((found, message.and_then(|text| text.as_str())), (status, Some(text)), "{method} {path}");
}

#[test]
fn without_a_backup_service_a_backup_is_in_error_at_once_and_the_volume_stays_as_it_is() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let volume = cloud.volume(1);
    let backup = cloud.back_up(&volume, json!({}));
    let shown = cloud.backup(&backup);
    assert_eq!(
        (&shown["status"], &shown["fail_reason"]),
        (&json!("error"), &json!("Service not found for creating backup."))
    );
    assert_eq!(cloud.world.messages(&backup), ["VOLUME_VOLUME_BACKUP_013_024"]);
    assert_eq!(cloud.status(&volume), "available");
    let path = format!("/backups/{backup}");
    refused(&cloud, "DELETE", &path, None, 404, "Service cinder-backup could not be found.");
    let record = json!({"backup-record": {"backup_service": "s", "backup_url": "e30="}});
    refused(&cloud, "POST", "/backups/import_record", Some(record), 503, "Service s could not be found.");
    let _backups = cloud.start();
    cloud.delete(&backup);
    cloud.world.settle();
    cloud.assert_whole();
    assert_eq!(cloud.usage(), [0, 0]);
}

#[test]
fn a_missing_or_damaged_object_fails_the_restore_and_the_old_content_of_the_volume_stays() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let _backups = cloud.start();
    let volume = cloud.volume(1);
    cloud.write(&volume, &[(4096, b"old")]);
    let backup = cloud.backed_up(&volume, json!({}));
    cloud.write(&volume, &[(4096, b"new")]);
    let object = cloud.objects().into_iter().find(|name| name.ends_with("-00001")).unwrap();
    let object = cloud.world.folder.join("backup").join(object);
    let whole = fs::read(&object).unwrap();
    let mut other = whole.clone();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    for damage in [Some(other), Some(whole[..whole.len() / 2].to_vec()), None] {
        match damage {
            Some(bytes) => fs::write(&object, bytes).unwrap(),
            None => fs::remove_file(&object).unwrap(),
        }
        cloud.restore(&backup, Some(&volume));
        cloud.world.settle();
        assert_eq!(cloud.status(&volume), "error_restoring");
        assert_eq!(cloud.backup(&backup)["status"], "available");
        assert_eq!(cloud.read(&volume, 4096, 3), b"new");
        cloud.assert_whole();
        let reset = json!({"os-reset_status": {"status": "available"}});
        cloud.expect(202, "POST", &format!("/volumes/{volume}/action"), Some(reset));
    }
    assert_eq!(cloud.world.messages(&backup), ["VOLUME_VOLUME_BACKUP_015_026"; 3]);
    fs::write(&object, whole).unwrap();
    cloud.restore(&backup, Some(&volume));
    cloud.world.settle();
    assert_eq!(cloud.read(&volume, 4096, 3), b"old");
}

#[test]
fn a_backup_of_a_file_that_is_gone_fails_with_its_reason_and_leaves_no_object() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let _backups = cloud.start();
    let volume = cloud.volume(1);
    fs::remove_file(cloud.path(&volume)).unwrap();
    let backup = cloud.back_up(&volume, json!({}));
    cloud.world.settle();
    let shown = cloud.backup(&backup);
    assert_eq!(
        (&shown["status"], &shown["fail_reason"]),
        (&json!("error"), &json!("A file of the backend is missing."))
    );
    assert_eq!(cloud.world.messages(&backup), ["VOLUME_VOLUME_BACKUP_013_020"]);
    assert_eq!(cloud.status(&volume), "available");
    assert_eq!(cloud.world.volume(&volume).unwrap().previous_status.unwrap().to_string(), "error_backing-up");
    assert_eq!(cloud.objects(), Vec::<String>::new());
    cloud.assert_whole();
}

#[test]
fn an_incremental_backup_needs_the_same_blocks_and_no_larger_volume() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let service = cloud.start();
    let volume = cloud.volume(1);
    let body = json!({"backup": {"volume_id": volume, "incremental": true}});
    let text = "Invalid backup: No backups available to do an incremental backup.";
    refused(&cloud, "POST", "/backups", Some(body), 400, text);
    assert_eq!(cloud.usage(), [0, 0]);
    cloud.backed_up(&volume, json!({}));
    drop(service);
    let text = fs::read_to_string(cloud.world.folder.join("hearth.conf")).unwrap();
    let text = format!("{text}\n[DEFAULT]\nbackup_sha_block_size_bytes = 65536\nbackup_file_size = 67108864\n");
    let config = hearth::config::Config::from_text(&text).unwrap();
    let other = hearth::block_storage::backup::start(&config, cloud.world.database.clone()).unwrap();
    let backup = cloud.back_up(&volume, json!({"incremental": true}));
    cloud.world.settle();
    let why = "Hash block size has changed since the last backup. New hash block size: 65536. Old hash block size: 32768. \
               Do a full backup.";
    assert_eq!(cloud.backup(&backup)["fail_reason"], why);
    other.stop();
    other.wait();
    let _service = cloud.start();
    cloud.world.extend(&volume, 2);
    cloud.world.settle();
    let backup = cloud.back_up(&volume, json!({"incremental": true}));
    cloud.world.settle();
    let why = "Volume size increased since the last backup. Do a full backup.";
    assert_eq!(cloud.backup(&backup)["fail_reason"], why);
    cloud.assert_whole();
}

#[test]
fn a_backup_that_is_deleted_by_force_while_it_is_made_is_gone_with_all_its_objects() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let service = cloud.start();
    let volume = cloud.volume(1);
    cloud.write(&volume, &[(0, b"data")]);
    drop(service);
    // The service dies after it has put something; what follows finds it.
    let backup = cloud.back_up(&volume, json!({}));
    cloud.spawn(Some("object.after_rename:2")).wait_for_death();
    assert_ne!(cloud.objects(), Vec::<String>::new());
    let action = format!("/backups/{backup}/action");
    cloud.expect(202, "POST", &action, Some(json!({"os-force_delete": {}})));
    let _service = cloud.start();
    cloud.world.settle();
    cloud.expect(404, "GET", &format!("/backups/{backup}"), None);
    assert_eq!((cloud.objects(), cloud.usage()), (Vec::new(), [0, 0]));
    assert_eq!(cloud.status(&volume), "available");
    cloud.assert_whole();
}

#[test]
fn a_second_service_of_a_host_stands_by_and_a_folder_that_is_no_folder_takes_the_service_down() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let volume = cloud.volume(1);
    let first = cloud.start();
    let _second = cloud.start();
    cloud.backed_up(&volume, json!({}));
    drop(first);
    cloud.backed_up(&volume, json!({}));
    cloud.assert_whole();
    let other = Cloud::new();
    fs::write(other.world.folder.join("backup"), b"").unwrap();
    let _service = other.start();
    assert_eq!(other.world.count("SELECT count(*) FROM services WHERE \"binary\" = 'cinder-backup'"), 0);
}

#[test]
fn a_record_brings_a_backup_back_that_the_database_has_lost() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let _backups = cloud.start();
    let volume = cloud.volume(1);
    cloud.write(&volume, &[(12_345, b"precious")]);
    let backup = cloud.backed_up(&volume, json!({"name": "n", "metadata": {"k": "v"}}));
    let before = cloud.backup(&backup);
    let record = cloud.expect(200, "GET", &format!("/backups/{backup}/export_record"), None);
    let import = || cloud.send("POST", "/backups/import_record", Some(record.clone()));
    assert_eq!(import().0, 400, "it is there already");
    for sql in [
        "DELETE FROM backup_metadata",
        "DELETE FROM backups",
        "UPDATE quota_usages SET in_use = 0 WHERE resource LIKE 'backup%'",
    ] {
        cloud.world.database.write(|tx| tx.execute(sql, &[])).unwrap();
    }
    let (status, made) = import();
    assert_eq!((status, made["backup"]["id"].as_str()), (201, Some(backup.as_str())), "{made}");
    let mut after = cloud.backup(&backup);
    for time in ["created_at", "updated_at", "data_timestamp"] {
        after[time] = before[time].clone();
    }
    assert_eq!(after, before);
    let restored = cloud.restore(&backup, None);
    cloud.world.settle();
    assert_eq!(cloud.read(&restored, 12_345, 8), b"precious");
    cloud.assert_whole();
    // One that was deleted can be imported too; its objects are gone, and the restore says so.
    cloud.delete(&backup);
    cloud.world.settle();
    assert_eq!(import().0, 201);
    let restored = cloud.restore(&backup, None);
    cloud.world.settle();
    assert_eq!(cloud.status(&restored), "error_restoring");
}

#[test]
fn a_record_that_is_imported_beside_its_backup_keeps_the_objects_until_the_last_of_both_is_deleted() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let _backups = cloud.start();
    let volume = cloud.volume(1);
    cloud.write(&volume, &[(12_345, b"precious")]);
    let first = cloud.backed_up(&volume, json!({}));
    let record = cloud.expect(200, "GET", &format!("/backups/{first}/export_record"), None)["backup-record"].clone();
    let mut inside: serde_json::Value =
        serde_json::from_slice(&STANDARD.decode(record["backup_url"].as_str().unwrap()).unwrap()).unwrap();
    let second = "6a3d6c5e-2f0a-4f8e-9d6f-3c1f6b2a7e10";
    inside["id"] = json!(second);
    let url = STANDARD.encode(inside.to_string());
    let body = json!({"backup-record": {"backup_service": record["backup_service"], "backup_url": url}});
    cloud.expect(201, "POST", "/backups/import_record", Some(body));
    cloud.delete(&first);
    cloud.world.settle();
    let restored = cloud.restore(second, None);
    cloud.world.settle();
    assert_eq!(cloud.read(&restored, 12_345, 8), b"precious", "the objects are still those of the other record");
    cloud.delete(second);
    cloud.world.settle();
    cloud.expect(404, "GET", &format!("/backups/{second}"), None);
    assert_eq!(cloud.objects(), Vec::<String>::new());
    cloud.assert_whole();
}
