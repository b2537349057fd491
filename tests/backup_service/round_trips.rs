//! What is backed up comes back, byte for byte.

use std::fs;

use serde_json::json;

use super::cloud::{Cloud, GIB};
use super::world::Of;

/// Pieces of data at the ends of a volume, across the borders of objects, and in one that is otherwise empty.
fn pattern(of: u8) -> Vec<(u64, Vec<u8>)> {
    let noise = |seed: u8, length: usize| -> Vec<u8> {
        let mut state = u32::from(seed).wrapping_mul(2_654_435_761) | 1;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[1] | 1
        };
        (0..length).map(next).collect()
    };
    vec![
        (0, noise(of, 70_000)),
        ((1 << 25) - 4096, noise(of.wrapping_add(1), 8192)),
        (GIB / 2 + 512, noise(of.wrapping_add(2), 3 << 20)),
        (GIB - 4096, noise(of.wrapping_add(3), 4096)),
    ]
}

fn write(cloud: &Cloud, volume: &str, parts: &[(u64, Vec<u8>)]) {
    let parts: Vec<(u64, &[u8])> = parts.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
    cloud.write(volume, &parts);
}

#[test]
fn a_raw_volume_comes_back_from_full_and_incremental_backups_and_from_one_of_a_snapshot() {
    every_kind(&Cloud::new());
}

#[test]
fn a_qcow2_volume_comes_back_from_full_and_incremental_backups_and_from_one_of_a_snapshot() {
    every_kind(&Cloud::with("", true));
}

fn every_kind(cloud: &Cloud) {
    let _volumes = cloud.world.start();
    let _backups = cloud.start();
    let volume = cloud.volume(1);
    let metadata = json!({"metadata": {"kept": "with the backup"}});
    cloud.expect(200, "POST", &format!("/volumes/{volume}/metadata"), Some(metadata));
    write(cloud, &volume, &pattern(1));
    let first = cloud.keep(&volume, "first");
    let full = cloud.backed_up(&volume, json!({"name": "full"}));
    assert_eq!(cloud.status(&volume), "available");
    let snapshot = cloud.world.create_snapshot(&volume);
    cloud.world.settle();
    write(cloud, &volume, &pattern(7)[1..3]);
    let second = cloud.keep(&volume, "second");
    let of_snapshot = cloud.backed_up(&volume, json!({ "snapshot_id": snapshot }));
    let child = cloud.backed_up(&volume, json!({"incremental": true}));
    let shown = cloud.backup(&child);
    assert_eq!(shown["is_incremental"], true);
    assert!(shown["object_count"].as_i64().unwrap() < cloud.backup(&full)["object_count"].as_i64().unwrap());
    write(cloud, &volume, &[(GIB / 4, vec![9; 100])]);
    let third = cloud.keep(&volume, "third");
    let grandchild = cloud.backed_up(&volume, json!({"incremental": true}));
    assert_eq!(cloud.backup(&child)["has_dependent_backups"], true);
    assert_eq!(cloud.backup(&grandchild)["object_count"], 1);

    // To a new volume, which gets what the backup kept of the old one.
    for (backup, expected) in [(&full, &first), (&of_snapshot, &first), (&child, &second), (&grandchild, &third)] {
        let restored = cloud.restore(backup, None);
        cloud.world.settle();
        let shown = cloud.expect(200, "GET", &format!("/volumes/{restored}"), None);
        assert_eq!(shown["volume"]["status"], "available");
        let metadata = json!({"kept": "with the backup", "src_backup_id": backup});
        assert_eq!(shown["volume"]["metadata"], metadata);
        cloud.assert_same(&cloud.raw(&restored), expected);
    }
    // To the volume itself, and to a larger one that holds other things.
    cloud.restore(&full, Some(&volume));
    let larger = cloud.volume(2);
    write(cloud, &larger, &[(GIB - 6000, vec![3; 5000]), (GIB + 4096, vec![5; 5000])]);
    let before = cloud.keep(&larger, "before");
    cloud.restore(&child, Some(&larger));
    cloud.world.settle();
    cloud.assert_same(&cloud.raw(&volume), &first);
    let larger = cloud.raw(&larger);
    cloud.assert_same(&larger, &second);
    // What lies beyond the backup stays.
    cloud.assert_same_within(&larger, &before, GIB..2 * GIB);

    assert_eq!(cloud.usage(), [4, 4]);
    cloud.assert_whole();
    // What others build on stays.
    let (status, refusal) = cloud.send("DELETE", &format!("/backups/{child}"), None);
    assert_eq!(status, 400);
    assert_eq!(refusal["badRequest"]["message"], "Invalid backup: Incremental backups exist for this backup.");
    for backup in [&grandchild, &child, &full, &of_snapshot] {
        cloud.delete(backup);
        cloud.world.settle();
    }
    assert_eq!(cloud.objects(), Vec::<String>::new());
    assert_eq!(cloud.usage(), [0, 0]);
    cloud.assert_whole();
}

#[test]
fn every_algorithm_gives_back_what_it_took_and_any_of_them_reads_the_others() {
    let mut made = Vec::new();
    let cloud = Cloud::new();
    let volumes = cloud.world.start();
    let volume = cloud.volume(1);
    write(&cloud, &volume, &pattern(3));
    let expected = cloud.keep(&volume, "expected");
    for algorithm in ["none", "zlib", "bz2", "zstd"] {
        let text = format!(
            "{}\n[DEFAULT]\nbackup_compression_algorithm = {algorithm}\n",
            fs::read_to_string(cloud.world.folder.join("hearth.conf")).unwrap()
        );
        let config = hearth::config::Config::from_text(&text).unwrap();
        let service = hearth::block_storage::backup::start(&config, cloud.world.database.clone()).unwrap();
        let backup = cloud.backed_up(&volume, json!({ "name": algorithm }));
        let objects = cloud.objects();
        let size = objects.iter().filter(|name| name.contains(&backup));
        let folder = cloud.world.folder.join("backup");
        let size: u64 = size.map(|name| fs::metadata(folder.join(name)).unwrap().len()).sum();
        assert!(algorithm == "none" || size < GIB / 50, "{algorithm} has not compressed anything: {size}");
        made.push(backup);
        service.stop();
        service.wait();
    }
    let _backups = cloud.start();
    for backup in &made {
        let restored = cloud.restore(backup, None);
        cloud.world.settle();
        cloud.assert_same(&cloud.raw(&restored), &expected);
    }
    drop(volumes);
    cloud.assert_whole();
}

#[test]
fn an_attached_volume_is_backed_up_by_force_and_stays_in_use() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let _backups = cloud.start();
    let volume = cloud.volume(1);
    write(&cloud, &volume, &pattern(5));
    cloud
        .world
        .database
        .write(|tx| {
            tx.execute(
                "UPDATE volumes SET status = 'in-use', attach_status = 'attached' WHERE id = ?",
                &[(&volume).into()],
            )
        })
        .unwrap();
    let body = json!({"backup": {"volume_id": volume}});
    let (status, refusal) = cloud.send("POST", "/backups", Some(body));
    assert_eq!(
        (status, refusal["badRequest"]["message"].as_str().unwrap()),
        (400, "Invalid volume: Backing up an in-use volume must use the force flag.")
    );
    let backup = cloud.backed_up(&volume, json!({"force": true}));
    assert_eq!(cloud.status(&volume), "in-use");
    let restored = cloud.restore(&backup, None);
    cloud.world.settle();
    cloud.assert_same(&cloud.raw(&restored), &cloud.raw(&volume));
    cloud.assert_whole();
}

#[test]
fn a_volume_goes_back_to_its_latest_snapshot_through_the_api() {
    for qcow2 in [false, true] {
        let cloud = Cloud::with("", qcow2);
        let _volumes = cloud.world.start();
        let volume = cloud.volume(1);
        let action = format!("/volumes/{volume}/action");
        let old = cloud.world.create_snapshot(&volume);
        write(&cloud, &volume, &pattern(1));
        let expected = cloud.keep(&volume, "expected");
        let latest = cloud.world.create_snapshot(&volume);
        cloud.world.settle();
        write(&cloud, &volume, &pattern(2));
        cloud.expect(400, "POST", &action, Some(json!({"revert": {"snapshot_id": old}})));
        cloud.expect(202, "POST", &action, Some(json!({"revert": {"snapshot_id": latest}})));
        cloud.world.settle();
        assert_eq!(cloud.status(&volume), "available");
        cloud.assert_same(&cloud.raw(&volume), &expected);
        // A snapshot is a copy: what is made of it is what the volume went back to.
        let copy = cloud.world.create(1, Of::Snapshot(&latest));
        cloud.world.settle();
        cloud.assert_same(&cloud.raw(&copy), &expected);
    }
}
