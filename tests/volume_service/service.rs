//! What a volume service does when nothing goes wrong.

use std::fs;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;

use hearth::block_storage::model::snapshot;
use hearth::block_storage::model::volume::Status;
use hearth::block_storage::model::work::Hints;
use hearth::block_storage::store::metadata::{self, Table};
use hearth::block_storage::store::{pools, services};

use super::world::{Of, World, files, virtual_size};

const GIB: u64 = 1 << 30;

#[test]
fn a_volume_becomes_available_with_a_file_that_qemu_knows() {
    for (format, option) in [("raw", ""), ("qcow2", "nfs_qcow2_volumes = true")] {
        let world = World::with("enabled_backends = file", &format!("[file]\n{option}"));
        let _service = world.start();
        let id = world.create(2, Of::Nothing);
        world.settle();
        let volume = world.volume(&id).unwrap();
        assert_eq!(volume.status, Status::Available);
        assert_eq!(volume.host.as_deref(), Some("node1@file#file"));
        assert_eq!(volume.availability_zone.as_deref(), Some("nova"));
        assert_eq!(volume.shared_targets, Some(false));
        let service = world.read(|c| services::find(c, "node1@file", "cinder-volume")).unwrap();
        assert_eq!(volume.service_uuid, service.uuid);
        let recorded = world.read(|c| metadata::of(c, Table::VolumeAdmin, &id));
        assert_eq!(recorded, [("format".to_owned(), format.to_owned())]);
        let path = world.volumes().join(format!("volume-{id}"));
        assert_eq!(virtual_size(&path, format), 2 * GIB);
        assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20, "a thin volume takes no space");
        assert_eq!(world.usage(), [1, 0, 2]);
        world.assert_whole();
    }
}

#[test]
fn every_operation_leaves_rows_files_and_usage_in_agreement() {
    every_operation(&World::new());
}

/// Each operation once, with a look at all that it leaves.
pub(super) fn every_operation(world: &World) {
    let _service = world.start();
    let first = world.create(1, Of::Nothing);
    world.settle();
    let path = world.volumes().join(format!("volume-{first}"));
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"before", 4096).unwrap();
    let kept = world.create_snapshot(&first);
    world.extend(&first, 3);
    let clone = world.create(4, Of::Volume(&first));
    let copy = world.create(2, Of::Snapshot(&kept));
    world.settle();
    world.assert_whole();
    assert_eq!(world.snapshot(&kept).unwrap().progress.as_deref(), Some("100%"));
    for (id, size_gib) in [(&first, 3), (&clone, 4), (&copy, 2)] {
        let volume = world.volume(id).unwrap();
        assert_eq!((volume.status, volume.size_gib), (Status::Available, size_gib));
        let path = world.volumes().join(format!("volume-{id}"));
        assert_eq!(virtual_size(&path, "raw"), u64::try_from(size_gib).unwrap() * GIB);
        let mut found = [0; 6];
        fs::File::open(path).unwrap().read_exact_at(&mut found, 4096).unwrap();
        assert_eq!(&found, b"before");
    }
    assert_eq!(world.usage(), [3, 1, 3 + 4 + 2 + 1]);
    world.delete(&first, true);
    world.delete(&copy, false);
    world.settle();
    assert!(world.volume(&first).is_none() && world.snapshot(&kept).is_none());
    world.assert_whole();
    assert_eq!(world.usage(), [1, 0, 4]);
    world.delete(&clone, false);
    world.settle();
    assert_eq!(world.usage(), [0, 0, 0]);
    assert_eq!(world.files(), Vec::<String>::new());
}

#[test]
fn a_volume_goes_back_to_its_snapshot() {
    let world = World::new();
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let path = world.volumes().join(format!("volume-{id}"));
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"before", 0).unwrap();
    let kept = world.create_snapshot(&id);
    world.settle();
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"after!", 0).unwrap();
    world.revert(&id, &kept);
    world.settle();
    let mut found = [0; 6];
    fs::File::open(&path).unwrap().read_exact_at(&mut found, 0).unwrap();
    assert_eq!(&found, b"before");
    assert_eq!(world.volume(&id).unwrap().status, Status::Available);
    assert_eq!(world.snapshot(&kept).unwrap().status, snapshot::Status::Available);
    world.assert_whole();
}

#[test]
fn orders_of_one_volume_are_carried_out_in_their_order_however_fast_they_come() {
    let world = World::new();
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let clones: Vec<String> = (0..5).map(|_| world.create(1, Of::Volume(&id))).collect();
    // The source is given up while its clones are still being made.
    world.delete(&id, false);
    world.settle();
    for clone in &clones {
        assert_eq!(world.volume(clone).unwrap().status, Status::Available);
    }
    assert!(world.volume(&id).is_none());
    world.assert_whole();
}

#[test]
fn a_burst_of_orders_is_carried_out_whole() {
    let world = World::new();
    let _service = world.start();
    let ids: Vec<String> = (0..40).map(|_| world.create(1, Of::Nothing)).collect();
    for id in &ids {
        world.wait("a volume", || (world.volume(id)?.status == Status::Available).then_some(()));
        world.delete(id, false);
    }
    world.settle();
    world.assert_whole();
    assert_eq!(world.usage(), [0, 0, 0]);
}

#[test]
fn the_service_says_that_it_is_up_and_what_there_is_room_for() {
    let world =
        World::with("enabled_backends = file", "[file]\nreserved_percentage = 7\nvolume_backend_name = files\n");
    let _service = world.start();
    let service = world.read(|c| services::find(c, "node1@file", "cinder-volume")).unwrap();
    assert!(service.is_up(hearth::time::Timestamp::now(), 60));
    assert!(!service.disabled);
    world.create(3, Of::Nothing);
    world.settle();
    let found = world.read(|c| pools::list(c, 60));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "node1@file#files");
    assert!(found[0].up && found[0].enabled && found[0].thin);
    assert_eq!((found[0].allocated_gib, found[0].provisioned_gib), (3.0, 3.0));
    assert_eq!(found[0].reserved_percentage, 7);
    let reports = |world: &World| {
        let service = world.read(|c| services::find(c, "node1@file", "cinder-volume"));
        service.unwrap().report_count
    };
    let before = reports(&world);
    world.wait("the next report", || (reports(&world) > before).then_some(()));
    // What was promised since the last report is now counted from the rows, and is the same.
    let again = world.read(|c| pools::list(c, 60));
    assert_eq!((again[0].allocated_gib, again[0].provisioned_gib), (3.0, 3.0));
}

#[test]
fn volumes_go_where_room_and_hints_send_them() {
    let world = World::with(
        "enabled_backends = one, two",
        "[one]\nmax_over_subscription_ratio = 100000\n[two]\nmax_over_subscription_ratio = 200000\n",
    );
    let _service = world.start();
    let host = |id: &str| world.volume(id).unwrap().host.unwrap();
    let roomy = world.create(1, Of::Nothing);
    world.settle();
    assert_eq!(host(&roomy), "node1@two#two");
    let apart = Hints { different_host: vec![roomy.clone()], ..Hints::default() };
    let apart = world.create_where(1, Of::Nothing, &apart, None);
    world.settle();
    assert_eq!(host(&apart), "node1@one#one");
    let together = Hints { same_host: Some(vec![apart.clone()]), ..Hints::default() };
    let together = world.create_where(1, Of::Nothing, &together, None);
    let beside = world.create(1, Of::Volume(&apart));
    world.settle();
    assert_eq!((host(&together), host(&beside)), ("node1@one#one".to_owned(), "node1@one#one".to_owned()));
    assert_eq!(files(&world.folder.join("volumes/one")).len(), 3);
}

#[test]
fn a_volume_that_fits_nowhere_is_in_error_and_its_user_is_told() {
    let world = World::new();
    let _service = world.start();
    let far = world.create_where(1, Of::Nothing, &Hints::default(), Some("elsewhere"));
    world.settle();
    let volume = world.volume(&far).unwrap();
    assert_eq!((volume.status, volume.host), (Status::Error, None));
    assert_eq!(world.messages(&far), ["VOLUME_VOLUME_001_003"]);
    assert_eq!(world.usage(), [1, 0, 1], "it counts until its owner removes it");
    world.assert_whole();
    let service = world.read(|c| services::find(c, "node1@file", "cinder-volume")).unwrap();
    world.database.write(|tx| services::set_disabled(tx, service.id, true, Some("repairs"))).unwrap();
    let refused = world.create(1, Of::Nothing);
    world.settle();
    assert_eq!(world.volume(&refused).unwrap().status, Status::Error);
}

#[test]
fn a_volume_waits_for_a_service_that_is_not_there_yet() {
    let world = World::new();
    let id = world.create(1, Of::Nothing);
    assert_eq!(world.volume(&id).unwrap().status, Status::Creating);
    let _service = world.start();
    world.settle();
    assert_eq!(world.volume(&id).unwrap().status, Status::Available);
}

#[test]
fn a_second_service_of_the_same_backend_takes_over_when_the_first_is_killed() {
    let world = World::new();
    let first = world.spawn(None);
    world.wait_for_service("node1@file");
    let second = world.spawn(None);
    let before = world.create(1, Of::Nothing);
    world.settle();
    first.kill();
    let after = world.create(1, Of::Nothing);
    world.settle();
    for id in [before, after] {
        assert_eq!(world.volume(&id).unwrap().status, Status::Available);
    }
    world.assert_whole();
    second.stop();
}
