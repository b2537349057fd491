//! What a volume service does when storage, programs or rows are not as they should be: never stuck, always told.

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Command;

use hearth::block_storage::model::snapshot;
use hearth::block_storage::model::volume::{self, Status};
use hearth::block_storage::store::{pools, snapshots, volumes};

use super::world::{Mount, Of, World, files};

fn status(world: &World, id: &str) -> Status {
    world.volume(id).unwrap().status
}

#[test]
fn a_full_disk_fails_what_needs_space_and_nothing_else() {
    // Without the filter that would see the full disk coming.
    let world = World::with(
        "scheduler_default_filters = CapabilitiesFilter\nenabled_backends = file",
        "[file]\nhearth_file_path = %F/small\n",
    );
    let small = world.folder.join("small");
    let Some(_mount) = Mount::memory(&small, 8) else { return };
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let path = small.join(format!("volume-{id}"));
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &file, &vec![7; 5 << 20]).unwrap();
    let snapshot = world.create_snapshot(&id);
    let clone = world.create(1, Of::Volume(&id));
    world.settle();
    assert_eq!(world.snapshot(&snapshot).unwrap().status, snapshot::Status::Error);
    assert_eq!(world.messages(&snapshot), ["VOLUME_VOLUME_SNAPSHOT_009_013"]);
    assert_eq!(status(&world, &clone), Status::Error);
    assert_eq!(world.messages(&clone), ["VOLUME_VOLUME_008_012"]);
    assert_eq!(status(&world, &id), Status::Available);
    assert_eq!(files(&small), [format!("volume-{id}")], "nothing half done is left");
    assert_eq!(world.usage(), world.truth(), "what failed counts until its owner removes it");
    // What failed can be removed, and an empty volume still finds a place.
    world.delete_snapshot(&snapshot);
    world.delete(&clone, false);
    let empty = world.create(1, Of::Nothing);
    world.settle();
    assert_eq!(status(&world, &empty), Status::Available);
    assert_eq!(world.usage(), [2, 0, 2]);
    assert_eq!(world.usage(), world.truth());
}

#[test]
fn a_volume_that_does_not_fit_one_disk_is_made_on_another() {
    let world = World::with(
        "backend_stats_polling_interval = 60\nenabled_backends = small, large",
        "[small]\nhearth_file_path = %F/small\nnfs_sparsed_volumes = false\nmax_over_subscription_ratio = 1\n\
         [large]\nhearth_file_path = %F/large\n",
    );
    let small = world.folder.join("small");
    let Some(_mount) = Mount::memory(&small, 64) else { return };
    let _service = world.start();
    // The scheduler is told that there is most room on the small one, as if it had been there a moment ago.
    let lie = "UPDATE hearth_pools SET report = ? WHERE name LIKE '%small'";
    let report = r#"{"working": true, "total": 1e9, "free": 1e9, "max_over_subscription_ratio": 1.0, "thick": true}"#;
    world.database.write(|tx| tx.execute(lie, &[report.into()])).unwrap();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.status, volume.host.as_deref()), (Status::Available, Some("node1@large#large")));
    assert_eq!(files(&small), Vec::<String>::new());
    assert_eq!(world.usage(), [1, 0, 1]);
    assert_eq!(world.messages(&id), Vec::<String>::new());
}

#[test]
fn a_thick_volume_that_can_not_grow_keeps_its_size_and_its_project_its_gigabytes() {
    let world =
        World::with("enabled_backends = file", "[file]\nhearth_file_path = %F/small\nnfs_sparsed_volumes = false\n");
    let small = world.folder.join("small");
    let Some(_mount) = Mount::memory(&small, 1100) else { return };
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    assert_eq!(status(&world, &id), Status::Available);
    // Refused before anything is tried, because the pool has no room: back to where it was.
    world.extend(&id, 2);
    world.settle();
    assert_eq!(status(&world, &id), Status::Available);
    assert_eq!(world.messages(&id), ["VOLUME_VOLUME_007_003"]);
    assert_eq!(world.usage(), [1, 0, 1]);
}

#[test]
fn a_driver_that_fails_to_extend_leaves_the_volume_in_error_and_gives_the_gigabytes_back() {
    let world = World::with(
        "scheduler_default_filters = CapabilitiesFilter\nenabled_backends = file",
        "[file]\nhearth_file_path = %F/small\nnfs_sparsed_volumes = false\n",
    );
    let small = world.folder.join("small");
    let Some(_mount) = Mount::memory(&small, 1100) else { return };
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    world.extend(&id, 2);
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.status, volume.size_gib), (Status::ErrorExtending, 1));
    assert_eq!(world.messages(&id), ["VOLUME_VOLUME_007_010"]);
    assert_eq!(world.usage(), [1, 0, 1]);
    assert_eq!(fs::metadata(small.join(format!("volume-{id}"))).unwrap().len(), 1 << 30);
    world.delete(&id, false);
    world.settle();
    assert_eq!(world.usage(), [0, 0, 0]);
}

#[test]
fn a_folder_that_becomes_read_only_takes_its_service_down_until_it_is_writable_again() {
    let world = World::with(
        "scheduler_default_filters = CapabilitiesFilter\nenabled_backends = file",
        "[file]\nhearth_file_path = %F/small\n",
    );
    let small = world.folder.join("small");
    let Some(mount) = Mount::memory(&small, 8) else { return };
    let _service = world.start();
    let kept = world.create(1, Of::Nothing);
    world.settle();
    mount.again("ro");
    // Whatever is asked for before the next look fails at the driver; after it, nothing is begun any more.
    world.delete(&kept, false);
    world.wait("the pool to be down", || world.read(|c| pools::list(c, 60)).iter().all(|pool| !pool.up).then_some(()));
    let refused = world.create(1, Of::Nothing);
    world.wait("the refusal", || (status(&world, &refused) == Status::Error).then_some(()));
    assert_eq!(world.messages(&refused), ["VOLUME_VOLUME_001_003"]);
    mount.again("rw");
    world.wait("the pool to be up", || world.read(|c| pools::list(c, 60)).iter().any(|pool| pool.up).then_some(()));
    world.settle();
    match world.volume(&kept) {
        // It was begun before the look: an administrator removes it.
        Some(volume) => assert_eq!(volume.status, Status::ErrorDeleting),
        None => assert_eq!(files(&small), Vec::<String>::new()),
    }
    let next = world.create(1, Of::Nothing);
    world.settle();
    assert_eq!(status(&world, &next), Status::Available);
    assert_eq!(world.usage(), world.truth());
}

#[test]
fn without_qemu_img_a_qcow2_backend_is_down_and_raw_ones_are_not() {
    let world = World::with("enabled_backends = slow, plain", "[slow]\nnfs_qcow2_volumes = true\n[plain]\n");
    let empty = world.folder.join("empty");
    fs::create_dir(&empty).unwrap();
    let service = world.spawn_with_path(&empty);
    world.wait_for_service("node1@plain");
    let id = world.create(1, Of::Nothing);
    world.settle();
    assert_eq!(world.volume(&id).unwrap().host.as_deref(), Some("node1@plain#plain"));
    let up: Vec<bool> = world.read(|c| pools::list(c, 60)).iter().map(|pool| pool.up).collect();
    assert_eq!(up, [true, false]);
    service.stop();
}

#[test]
fn what_nobody_was_asked_to_do_is_settled_at_the_next_start() {
    let world = World::new();
    let service = world.start();
    let ids: Vec<String> = (0..3).map(|_| world.create(1, Of::Nothing)).collect();
    world.settle();
    let snapshots: Vec<String> = (0..2).map(|_| world.create_snapshot(&ids[0])).collect();
    world.settle();
    drop(service);
    world
        .database
        .write(|tx| {
            for (id, status) in ids.iter().zip(["available", "creating", "deleting"]) {
                volumes::change(tx, id, &[("status", status.into())])?;
            }
            for (id, status) in snapshots.iter().zip(["creating", "deleting"]) {
                snapshots::change(tx, id, &[("status", status.into())])?;
            }
            Ok(())
        })
        .unwrap();
    let _service = world.start();
    world.settle();
    assert_eq!(status(&world, &ids[0]), Status::Available);
    assert_eq!(status(&world, &ids[1]), Status::Error);
    assert!(world.volume(&ids[2]).is_none());
    assert_eq!(world.snapshot(&snapshots[0]).unwrap().status, snapshot::Status::Error);
    assert!(world.snapshot(&snapshots[1]).is_none());
    assert_eq!(world.usage(), world.truth());
}

#[test]
fn an_order_whose_volume_an_operator_has_reset_is_dropped() {
    let world = World::new();
    let id = world.create(1, Of::Nothing);
    world.database.write(|tx| volumes::change(tx, &id, &[("status", "error".into())])).unwrap();
    let service = world.start();
    world.settle();
    assert_eq!(status(&world, &id), Status::Error);
    assert_eq!(world.files(), Vec::<String>::new());
    drop(service);
    let grown = world.create(1, Of::Nothing);
    let service = world.start();
    world.settle();
    drop(service);
    world.extend(&grown, 5);
    world.database.write(|tx| volumes::change(tx, &grown, &[("status", "available".into())])).unwrap();
    let _service = world.start();
    world.settle();
    assert_eq!(world.volume(&grown).unwrap().size_gib, 1);
    assert_eq!(world.usage(), world.truth(), "what was charged for the extension is given back");
}

#[test]
fn a_volume_whose_file_is_gone_can_be_removed_and_not_copied() {
    let world = World::new();
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    fs::remove_file(world.volumes().join(format!("volume-{id}"))).unwrap();
    let clone = world.create(1, Of::Volume(&id));
    let kept = world.create_snapshot(&id);
    world.extend(&id, 2);
    world.settle();
    assert_eq!(status(&world, &clone), Status::Error);
    assert_eq!(world.snapshot(&kept).unwrap().status, snapshot::Status::Error);
    assert_eq!(status(&world, &id), Status::ErrorExtending);
    world.delete_snapshot(&kept);
    world.settle();
    world.delete(&id, false);
    world.delete(&clone, false);
    world.settle();
    assert_eq!(world.usage(), [0, 0, 0]);
}

#[test]
fn a_service_that_stops_gives_back_what_it_has_not_begun() {
    let world = World::with("", "[hearth_volume]\nworkers = 1\n");
    let ids: Vec<String> = (0..20).map(|_| world.create(1, Of::Nothing)).collect();
    let service = world.spawn(None);
    world.wait("the first volume", || ids.iter().find(|id| status(&world, id) == Status::Available));
    service.stop();
    let held = "SELECT count(*) FROM hearth_orders WHERE lease_owner IS NOT NULL";
    assert_eq!(world.count(held), 0);
    let _service = world.start();
    world.settle();
    assert!(ids.iter().all(|id| status(&world, id) == Status::Available));
    world.assert_whole();
}

#[test]
fn the_format_of_a_volume_is_never_guessed_from_what_its_user_wrote() {
    let world = World::new();
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    // A header of qcow2 that names a file of the host as its backing file.
    let path = world.volumes().join(format!("volume-{id}"));
    let secret = world.folder.join("secret");
    fs::write(&secret, vec![b's'; 1 << 20]).unwrap();
    let forged = world.folder.join("forged");
    let made = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
        .args([&secret, &forged])
        .status()
        .unwrap();
    assert!(made.success());
    let header = fs::read(&forged).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&header, 0).unwrap();
    let clone = world.create(2, Of::Volume(&id));
    let kept = world.create_snapshot(&id);
    world.extend(&id, 2);
    world.settle();
    for name in [format!("volume-{clone}"), format!("snapshot-{kept}"), format!("volume-{id}")] {
        let mut found = vec![0; header.len()];
        fs::File::open(world.volumes().join(&name)).unwrap().read_exact_at(&mut found, 0).unwrap();
        assert_eq!(found, header, "{name} is not a copy of the bytes");
    }
    assert_eq!(world.volume(&id).map(|volume: volume::Volume| volume.size_gib), Some(2));
}
