//! Volumes that are made of backups, and volumes that are encrypted.

use std::os::unix::fs::OpenOptionsExt as _;

use hearth::block_storage::key_store::{Holder, KeyStore};
use serde_json::{Value, json};

use super::cloud::{Cloud, GIB};

/// A cloud with a key store of its own.
pub(super) fn with_keys() -> Cloud {
    with_keys_and("")
}

/// As [`with_keys`], with a line more in `[key_manager]`.
pub(super) fn with_keys_and(line: &str) -> Cloud {
    let section = format!("[key_manager]\nbackend = local\n{line}\n[hearth_keys]\nmaster_key_file = %F/master.key");
    let cloud = Cloud::with(&section, false);
    let path = cloud.world.folder.join("master.key");
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, "5a".repeat(32).as_bytes()).unwrap();
    cloud
}

pub(super) fn encrypted_type(cloud: &Cloud, name: &str) -> String {
    let made = cloud.expect(200, "POST", "/types", Some(json!({"volume_type": {"name": name}})));
    let id = made["volume_type"]["id"].as_str().unwrap().to_owned();
    let body = json!({"encryption": {"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64",
        "key_size": 256}});
    cloud.expect(200, "POST", &format!("/types/{id}/encryption"), Some(body));
    id
}

fn new_volume(cloud: &Cloud, body: Value) -> String {
    let made = cloud.expect(202, "POST", "/volumes", Some(json!({ "volume": body })));
    cloud.world.settle();
    made["volume"]["id"].as_str().unwrap().to_owned()
}

fn key(cloud: &Cloud, volume: &str) -> Option<Vec<u8>> {
    let shown = cloud.expect(200, "GET", &format!("/volumes/{volume}/encryption"), None);
    let store = KeyStore::open(cloud.world.config(), &cloud.world.database).unwrap();
    shown["encryption_key_id"].as_str().map(|id| store.reveal(id).unwrap())
}

/// How many keys are kept, after those that are due were removed.
fn kept(cloud: &Cloud) -> i64 {
    KeyStore::open(cloud.world.config(), &cloud.world.database).unwrap().sweep(Holder::Service);
    assert_eq!(cloud.world.count("SELECT count(*) FROM hearth_loose_keys"), 0, "a key has no owner");
    cloud.world.count("SELECT count(*) FROM hearth_sealed_keys")
}

#[test]
fn a_volume_made_of_a_backup_holds_its_data_and_may_be_larger() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let _backups = cloud.start();
    let volume = cloud.volume(1);
    cloud.write(&volume, &[(GIB / 2, b"what the user wrote"), (0, b"at the beginning")]);
    let expected = cloud.keep(&volume, "expected");
    let full = cloud.backed_up(&volume, json!({"name": "full"}));
    cloud.write(&volume, &[(GIB / 4, b"later")]);
    let later = cloud.keep(&volume, "later");
    let child = cloud.backed_up(&volume, json!({"incremental": true}));

    let made = cloud.create_of(&full, json!({"name": "mine", "metadata": {"a": "b"}}));
    assert_eq!(cloud.backup(&full)["status"], "restoring");
    cloud.world.settle();
    let shown = cloud.expect(200, "GET", &format!("/volumes/{made}"), None)["volume"].clone();
    assert_eq!((&shown["status"], &shown["size"], &shown["name"]), (&json!("available"), &json!(1), &json!("mine")));
    assert_eq!(shown["metadata"]["src_backup_id"], json!(full));
    cloud.assert_same(&cloud.raw(&made), &expected);
    let larger = cloud.create_of(&child, json!({"size": 2}));
    cloud.world.settle();
    assert_eq!(cloud.status(&larger), "available");
    cloud.assert_same(&cloud.raw(&larger), &later);
    for backup in [&full, &child] {
        assert_eq!(cloud.backup(backup)["status"], "available");
    }
    cloud.assert_whole();
}

#[test]
fn a_volume_that_can_not_be_made_of_a_backup_is_refused_or_in_error() {
    let cloud = Cloud::new();
    let volumes = cloud.world.start();
    let backups = cloud.start();
    let volume = new_volume(&cloud, json!({"size": 2}));
    let backup = cloud.backed_up(&volume, json!({}));
    let refuse = |body: Value, status: u16, text: &str| {
        let (found, answer) = cloud.send("POST", "/volumes", Some(json!({ "volume": body })));
        let message = answer.as_object().and_then(|fault| fault.values().next()).map(|fault| &fault["message"]);
        assert_eq!((found, message), (status, Some(&json!(text))), "{answer}");
    };
    let small = "Invalid input received: Volume size 1GB cannot be smaller than the backup size 2GB. It must be >= backup size.";
    refuse(json!({"size": 1, "backup_id": backup}), 400, small);
    let many = "Invalid input received: May specify only one of backup, imageRef, snapshot, source volume";
    refuse(json!({"backup_id": backup, "source_volid": volume}), 400, many);
    let nowhere = "00000000-0000-4000-8000-000000000000";
    refuse(json!({"size": 1, "backup_id": nowhere}), 404, &format!("Backup {nowhere} could not be found."));
    let set = |status: &str| {
        let sql = "UPDATE backups SET status = ? WHERE id = ?";
        cloud.world.database.write(|tx| tx.execute(sql, &[status.into(), (&backup).into()])).unwrap();
    };
    set("error");
    let busy = "Invalid backup: Originating backup status must be one of 'available' values";
    refuse(json!({"backup_id": backup}), 400, busy);
    set("available");

    // Objects that are lost, and a volume that can not be made.
    std::fs::rename(cloud.world.folder.join("backup"), cloud.world.folder.join("elsewhere")).unwrap();
    std::fs::create_dir(cloud.world.folder.join("backup")).unwrap();
    let made = cloud.create_of(&backup, json!({}));
    cloud.world.settle();
    assert_eq!((cloud.status(&made).as_str(), &cloud.backup(&backup)["status"]), ("error", &json!("available")));
    assert_eq!(cloud.world.messages(&backup), ["VOLUME_VOLUME_BACKUP_015_026"]);
    let zone = json!({"backup_id": backup, "size": 2});
    cloud.world.database.write(|tx| tx.execute("UPDATE hearth_pools SET report = '{}'", &[])).unwrap();
    drop(volumes);
    let made = cloud.expect(202, "POST", "/volumes", Some(json!({ "volume": zone })))["volume"].clone();
    let id = made["id"].as_str().unwrap();
    let sql = "UPDATE volumes SET status = 'error' WHERE id = ?";
    cloud.world.database.write(|tx| tx.execute(sql, &[id.into()])).unwrap();
    let ended = || (cloud.backup(&backup)["status"] == "available").then_some(());
    cloud.world.wait("the end of the restore", ended);
    assert_eq!(cloud.status(id), "error");

    // Without a backup service nothing begins.
    drop(backups);
    cloud.world.database.write(|tx| tx.execute("UPDATE services SET updated_at = NULL", &[])).unwrap();
    refuse(json!({"backup_id": backup}), 404, "Service cinder-backup could not be found.");
}

#[test]
fn encrypted_volumes_come_back_with_keys_of_their_own() {
    let cloud = with_keys();
    let _volumes = cloud.world.start();
    let _backups = cloud.start();
    let vault = encrypted_type(&cloud, "vault");
    let volume = new_volume(&cloud, json!({"size": 1, "volume_type": vault}));
    cloud.write(&volume, &[(0, b"cipher text")]);
    let expected = cloud.keep(&volume, "expected");
    let secret = key(&cloud, &volume).unwrap();
    let backup = cloud.backed_up(&volume, json!({}));
    assert_eq!(kept(&cloud), 2);

    // Into another one of the type, which loses the key that it had.
    let target = new_volume(&cloud, json!({"size": 1, "volume_type": vault}));
    assert_ne!(key(&cloud, &target), Some(secret.clone()));
    cloud.restore(&backup, Some(&target));
    cloud.world.settle();
    assert_eq!(cloud.status(&target), "available");
    cloud.assert_same(&cloud.raw(&target), &expected);
    assert_eq!(key(&cloud, &target), Some(secret.clone()));
    assert_eq!(kept(&cloud), 3);

    // The volume and its key go; the backup still opens.
    cloud.expect(202, "DELETE", &format!("/volumes/{volume}"), None);
    cloud.world.settle();
    assert_eq!(kept(&cloud), 2);
    let made = cloud.create_of(&backup, json!({"volume_type": vault}));
    cloud.world.settle();
    assert_eq!((cloud.status(&made).as_str(), key(&cloud, &made)), ("available", Some(secret)));
    cloud.assert_same(&cloud.raw(&made), &expected);

    // A snapshot of before a restore keeps the key that its volume has no more, and gives it back with its content.
    let other = new_volume(&cloud, json!({"size": 1, "volume_type": vault}));
    let own = key(&cloud, &other);
    let made = cloud.expect(202, "POST", "/snapshots", Some(json!({"snapshot": {"volume_id": other}})));
    let snapshot = made["snapshot"]["id"].as_str().unwrap().to_owned();
    cloud.world.settle();
    cloud.restore(&backup, Some(&other));
    cloud.world.settle();
    assert_ne!(key(&cloud, &other), own);
    assert_eq!(kept(&cloud), 5);
    let offer = json!({"transfer": {"volume_id": other}});
    assert_eq!(cloud.send("POST", "/volume-transfers", Some(offer)).0, 400);
    let revert = json!({"revert": {"snapshot_id": snapshot}});
    cloud.expect(202, "POST", &format!("/volumes/{other}/action"), Some(revert));
    cloud.world.settle();
    assert_eq!((cloud.status(&other).as_str(), key(&cloud, &other)), ("available", own));
    assert_eq!(kept(&cloud), 4);
    cloud.restore(&backup, Some(&other));
    cloud.world.settle();
    cloud.expect(202, "DELETE", &format!("/snapshots/{snapshot}"), None);
    cloud.world.settle();
    assert_eq!(kept(&cloud), 4);
    cloud.expect(202, "DELETE", &format!("/volumes/{other}"), None);
    cloud.world.settle();
    assert_eq!(kept(&cloud), 3);

    // What was not encrypted is not made unreadable by a key.
    let plain = cloud.volume(1);
    cloud.write(&plain, &[(0, b"plain text")]);
    let open = cloud.backed_up(&plain, json!({}));
    cloud.restore(&open, Some(&target));
    cloud.world.settle();
    let fresh = cloud.create_of(&open, json!({"volume_type": vault}));
    cloud.world.settle();
    assert_eq!((key(&cloud, &target), key(&cloud, &fresh)), (None, None));
    assert_eq!(cloud.status(&target), "available");

    // Into one that is encrypted otherwise, or not at all: its own content and its own key stay.
    let other = encrypted_type(&cloud, "other");
    let other = new_volume(&cloud, json!({"size": 1, "volume_type": other}));
    for wrong in [&other, &plain] {
        let before = (cloud.keep(wrong, "before"), key(&cloud, wrong));
        cloud.restore(&backup, Some(wrong));
        cloud.world.settle();
        assert_eq!(cloud.status(wrong), "error_restoring");
        assert_eq!(key(&cloud, wrong), before.1);
        cloud.assert_same(&cloud.raw(wrong), &before.0);
    }
    assert_eq!(cloud.backup(&backup)["status"], "available");
    cloud.delete(&backup);
    cloud.world.settle();
    assert_eq!(kept(&cloud), 2, "those of two volumes");
    cloud.assert_whole();
}

#[test]
fn a_key_is_neither_lost_nor_left_over_when_a_service_dies() {
    for point in ["restore_backup.after_step", "restore_backup.before_commit", "restore_backup.after_commit"] {
        let cloud = with_keys();
        let _volumes = cloud.world.start();
        let vault = encrypted_type(&cloud, "vault");
        let volume = new_volume(&cloud, json!({"size": 1, "volume_type": vault}));
        cloud.write(&volume, &[(0, b"cipher text")]);
        let secret = key(&cloud, &volume);
        let service = cloud.start();
        let backup = cloud.backed_up(&volume, json!({}));
        let target = new_volume(&cloud, json!({"size": 1, "volume_type": vault}));
        drop(service);
        let doomed = cloud.spawn(Some(point));
        cloud.restore(&backup, Some(&target));
        doomed.wait_for_death();
        let _next = cloud.spawn(None);
        cloud.world.settle();
        assert_eq!((cloud.status(&target).as_str(), key(&cloud, &target)), ("available", secret), "{point}");
        assert_eq!(kept(&cloud), 3, "{point}");
        cloud.assert_whole();
    }
}
