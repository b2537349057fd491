//! The volume service is killed at every point at which it can be, in every operation, and started again. Then rows,
//! files, usage and workers must be what they would have been without the crash, or say that the work failed.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use hearth::block_storage::model::snapshot;
use hearth::block_storage::model::volume::{AttachStatus, Status};
use hearth::block_storage::model::work::{Order, Requester, Work};
use hearth::block_storage::store::{attachments, orders};

use super::crash_stories::everywhere;
use super::inside::inner;
use super::world::{Of, World, virtual_size};

const GIB: u64 = 1 << 30;
const DATA: &[u8] = b"what the user wrote";

/// One operation: what there is before, what is asked for, and what there must be in the end.
struct Operation {
    name: &'static str,
    run: fn(&Scene<'_>) -> String,
    check: fn(&Scene<'_>, &str),
    /// What the cloud must be told, each once, whatever happened.
    told: &'static [&'static str],
}

/// A world with a volume of 1 GiB that holds data, and a snapshot of it.
struct Scene<'a> {
    world: &'a World,
    format: &'a str,
    /// Whether snapshots are inside the files of volumes.
    inside: bool,
    volume: String,
    snapshot: String,
}

impl Scene<'_> {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.world.volumes().join(name)
    }

    fn assert_available(&self, id: &str, size_gib: i64) {
        let volume = self.world.volume(id).unwrap();
        assert_eq!((volume.status, volume.size_gib), (Status::Available, size_gib));
        let path = self.path(&format!("volume-{id}"));
        assert_eq!(virtual_size(&path, self.format), u64::try_from(size_gib).unwrap() * GIB);
    }

    fn assert_data(&self, name: &str) {
        assert!(holds(&self.path(name), self.format), "{name} does not hold the data");
    }

    /// As [`Scene::assert_data`], of a snapshot, whose volume holds something else meanwhile.
    fn assert_kept(&self, id: &str) {
        let name = format!("snapshot-{id}");
        if !self.inside {
            return self.assert_data(&name);
        }
        let raw = self.world.folder.join(&name);
        let mut convert = std::process::Command::new("qemu-img");
        let done =
            convert.args(["convert", "-f", "qcow2", "-O", "raw", "-l", &name]).args([&self.path(&name), &raw]).status();
        assert!(done.unwrap().success());
        let mut found = [0; 4096];
        fs::File::open(raw).unwrap().read_exact_at(&mut found, GIB / 2).unwrap();
        assert_eq!(found, [120; 4096], "{name} does not hold the data");
    }

    /// Lets the volume hold something else than its snapshot.
    fn overwrite(&self) {
        let path = self.path(&format!("volume-{}", self.volume));
        if self.format == "raw" {
            fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(&[7; 30], GIB / 2).unwrap();
        } else {
            assert!(qemu_io(&path, &format!("write -q -P 7 {} 70000", GIB / 2)).is_empty());
        }
    }

    /// In the files of all volumes is what the rows tell of, and nothing is lost in them.
    fn assert_nothing_else_inside(&self) {
        for name in self.world.files().into_iter().filter(|name| name.starts_with("volume-")) {
            let found = inner(&self.path(&name));
            let own = |one: &String| self.path(one).exists();
            assert!(self.inside || found.is_empty(), "{name} has {found:?} inside");
            assert!(found.iter().all(own), "{name} has {found:?} inside");
        }
    }
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "create_volume",
        told: &["volume.create.start", "volume.create.end"],
        run: |scene| scene.world.create(2, Of::Nothing),
        check: |scene, id| scene.assert_available(id, 2),
    },
    Operation {
        name: "create_volume of a snapshot",
        told: &["volume.create.start", "volume.create.end"],
        run: |scene| scene.world.create(3, Of::Snapshot(&scene.snapshot)),
        check: |scene, id| {
            scene.assert_available(id, 3);
            scene.assert_data(&format!("volume-{id}"));
        },
    },
    Operation {
        name: "create_volume of a volume",
        told: &["volume.create.start", "volume.create.end"],
        run: |scene| scene.world.create(1, Of::Volume(&scene.volume)),
        check: |scene, id| {
            scene.assert_available(id, 1);
            scene.assert_data(&format!("volume-{id}"));
        },
    },
    Operation {
        name: "extend_volume",
        told: &["volume.resize.start", "volume.resize.end"],
        run: |scene| {
            scene.world.extend(&scene.volume, 4);
            scene.volume.clone()
        },
        check: |scene, id| {
            scene.assert_available(id, 4);
            scene.assert_data(&format!("volume-{id}"));
        },
    },
    Operation {
        name: "create_snapshot",
        told: &["snapshot.create.start", "snapshot.create.end"],
        run: |scene| scene.world.create_snapshot(&scene.volume),
        check: |scene, id| {
            assert_eq!(scene.world.snapshot(id).unwrap().status, snapshot::Status::Available);
            scene.assert_data(&format!("volume-{}", scene.volume));
            scene.overwrite();
            scene.assert_kept(id);
        },
    },
    Operation {
        name: "delete_snapshot",
        told: &["snapshot.delete.start", "snapshot.delete.end"],
        run: |scene| {
            scene.world.delete_snapshot(&scene.snapshot);
            scene.snapshot.clone()
        },
        check: |scene, id| {
            assert!(scene.world.snapshot(id).is_none());
            scene.assert_data(&format!("volume-{}", scene.volume));
        },
    },
    Operation {
        name: "delete_volume",
        told: &["volume.delete.start", "snapshot.delete.start", "snapshot.delete.end", "volume.delete.end"],
        run: |scene| {
            scene.world.delete(&scene.volume, true);
            scene.volume.clone()
        },
        check: |scene, id| {
            assert!(scene.world.volume(id).is_none() && scene.world.snapshot(&scene.snapshot).is_none());
            assert_eq!(scene.world.usage(), [0, 0, 0]);
        },
    },
    Operation {
        name: "revert_to_snapshot",
        told: &["volume.revert.start", "snapshot.revert.start", "volume.revert.end", "snapshot.revert.end"],
        run: |scene| {
            scene.overwrite();
            scene.world.revert(&scene.volume, &scene.snapshot);
            scene.volume.clone()
        },
        check: |scene, id| {
            scene.assert_available(id, 1);
            scene.assert_data(&format!("volume-{id}"));
            assert_eq!(scene.world.snapshot(&scene.snapshot).unwrap().status, snapshot::Status::Available);
        },
    },
    Operation {
        name: "manage_volume",
        told: &["volume.manage_existing.start", "volume.manage_existing.end"],
        run: |scene| {
            let file = scene.path("stranger");
            fs::File::create(&file).unwrap().set_len(GIB + 5).unwrap();
            write(&file, "raw");
            scene.world.manage("stranger")
        },
        check: |scene, id| {
            let volume = scene.world.volume(id).unwrap();
            // A started GiB counts whole.
            assert_eq!((volume.status, volume.size_gib), (Status::Available, 2));
            assert_eq!(volume.host.as_deref(), Some("node1@file#file"));
            let file = scene.path(&format!("volume-{id}"));
            assert!(holds(&file, "raw") && fs::metadata(file).unwrap().len() == 2 * GIB);
            assert_eq!(scene.world.usage(), [2, 1, 4]);
        },
    },
    Operation {
        name: "unmanage_volume",
        told: &["volume.unmanage.start", "volume.unmanage.end"],
        run: |scene| {
            scene.world.unmanage(&scene.volume);
            scene.volume.clone()
        },
        check: |scene, id| {
            assert!(scene.world.volume(id).is_none());
            assert_eq!(scene.world.usage(), [0, 0, 0]);
            scene.assert_data(&format!("volume-{id}"));
            fs::remove_file(scene.path(&format!("volume-{id}"))).unwrap();
        },
    },
    Operation {
        name: "manage_snapshot",
        told: &["snapshot.manage_existing_snapshot.start", "snapshot.manage_existing_snapshot.end"],
        run: |scene| {
            fs::File::create(scene.path("stranger")).unwrap().set_len(GIB).unwrap();
            scene.world.manage_snapshot(&scene.volume, "stranger")
        },
        check: |scene, id| {
            assert_eq!(scene.world.snapshot(id).unwrap().status, snapshot::Status::Available);
            assert_eq!(scene.world.usage(), [1, 2, 3]);
        },
    },
    Operation {
        name: "unmanage_snapshot",
        told: &["snapshot.delete.start", "snapshot.delete.end"],
        run: |scene| {
            scene.world.unmanage_snapshot(&scene.snapshot);
            scene.snapshot.clone()
        },
        check: |scene, id| {
            assert!(scene.world.snapshot(id).is_none());
            scene.assert_data(&format!("snapshot-{id}"));
            fs::remove_file(scene.path(&format!("snapshot-{id}"))).unwrap();
        },
    },
    Operation {
        name: "connect",
        told: &["volume.attach.start"],
        run: |scene| {
            let id = scene.world.reserve(&scene.volume);
            scene.world.connect(&scene.volume, &id);
            id
        },
        check: |scene, id| {
            let found = scene.world.read(|c| attachments::by_id(c, id)).unwrap();
            let connected = scene.format == "raw";
            let (own, volume) = if connected {
                (AttachStatus::Attaching, Status::Attaching)
            } else {
                // Without an export nobody could be told the format.
                (AttachStatus::Reserved, Status::Available)
            };
            assert_eq!((found.status, found.is_connected()), (own, connected));
            assert_eq!(scene.world.volume(&scene.volume).unwrap().status, volume);
            assert_eq!(scene.world.count("SELECT count(*) FROM hearth_orders WHERE role = 'answer'"), 1);
        },
    },
    Operation {
        name: "disconnect",
        told: &["volume.detach.start", "volume.detach.end"],
        run: |scene| {
            let id = scene.world.reserve(&scene.volume);
            scene.world.disconnect(&scene.volume, &id);
            id
        },
        check: |scene, id| {
            assert!(scene.world.read(|c| attachments::by_id(c, id)).is_none());
            scene.assert_available(&scene.volume, 1);
            assert_eq!(scene.world.count("SELECT count(*) FROM hearth_orders WHERE role = 'answer'"), 1);
        },
    },
];

/// A snapshot was removed from a volume that was in use, which nobody uses any more.
const TENDING: Operation = Operation {
    name: "tend_volume",
    told: &[],
    run: |scene| {
        set_attached(scene, "detached");
        let volume = scene.world.volume(&scene.volume).unwrap();
        let order = Order {
            id: 0,
            backend: Some("node1@file".to_owned()),
            volume_id: volume.id.clone(),
            snapshot_id: None,
            source_volume_id: None,
            work: Work::TendVolume,
            requester: Requester::default(),
            attempts: 0,
        };
        scene.world.database.write(|tx| orders::place(tx, &order)).unwrap();
        scene.world.doorbell.ring();
        volume.id
    },
    check: |scene, id| {
        scene.assert_available(id, 1);
        scene.assert_data(&format!("volume-{id}"));
        assert_eq!(inner(&scene.path(&format!("volume-{id}"))), Vec::<String>::new());
    },
};

#[test]
fn whatever_is_killed_is_finished_after_the_next_start_with_raw_files() {
    OPERATIONS.iter().for_each(|operation| kill_everywhere(operation, "raw", false));
}

#[test]
fn whatever_is_killed_is_finished_after_the_next_start_with_qcow2_files() {
    // A raw file becomes no snapshot of theirs.
    let possible = OPERATIONS.iter().filter(|operation| operation.name != "manage_snapshot");
    possible.for_each(|operation| kill_everywhere(operation, "qcow2", false));
}

#[test]
fn whatever_is_killed_is_finished_after_the_next_start_with_snapshots_inside() {
    let about_snapshots = |operation: &&Operation| {
        let apart = ["manage_snapshot", "manage_volume", "unmanage_volume"].contains(&operation.name);
        !apart && (operation.name.contains("snapshot") || operation.name.ends_with("delete_volume"))
    };
    OPERATIONS.iter().filter(about_snapshots).for_each(|operation| kill_everywhere(operation, "qcow2", true));
    kill_everywhere(&TENDING, "qcow2", true);
}

/// Plays an operation, watched, and killed at each point that it passes.
fn kill_everywhere(operation: &Operation, format: &str, inside: bool) {
    let kind = if inside { "snapshots inside" } else { "files of their own" };
    everywhere(&format!("{} with {format} files and {kind}", operation.name), |fate| {
        let mut options = format!("hearth_file_snapshots = {}", if inside { "internal" } else { "files" });
        if format == "qcow2" {
            options.push_str("\nnfs_qcow2_volumes = true");
        }
        // Nobody takes what this driver keeps.
        let notifications = "[oslo_messaging_notifications]\ndriver = hearth_telemetry";
        let world = World::with("enabled_backends = file", &format!("[file]\n{options}\n{notifications}"));
        let scene = set(&world, format, inside);
        match operation.name {
            "unmanage_volume" => without_snapshot(&scene, false),
            "tend_volume" => without_snapshot(&scene, true),
            _ => {}
        }
        let before = world.told().len();
        let id = world.meet(fate, "node1@file", || (operation.run)(&scene));
        (operation.check)(&scene, &id);
        world.assert_whole();
        if format == "qcow2" && !operation.name.contains("manage") {
            scene.assert_nothing_else_inside();
        }
        assert_eq!(&world.told()[before..], operation.told);
    });
}

/// Makes the scene with a service of this process, which is gone afterwards.
fn set<'a>(world: &'a World, format: &'a str, inside: bool) -> Scene<'a> {
    let service = world.start();
    let volume = world.create(1, Of::Nothing);
    world.settle();
    write(&world.volumes().join(format!("volume-{volume}")), format);
    let snapshot = world.create_snapshot(&volume);
    world.settle();
    drop(service);
    Scene { world, format, inside, volume, snapshot }
}

/// Takes the snapshot out of the scene: a volume that is given up may have none. Somebody may use the volume meanwhile, and
/// afterwards.
fn without_snapshot(scene: &Scene<'_>, in_use: bool) {
    let service = scene.world.start();
    if in_use {
        set_attached(scene, "attached");
    }
    scene.world.delete_snapshot(&scene.snapshot);
    scene.world.settle();
    drop(service);
}

fn set_attached(scene: &Scene<'_>, status: &str) {
    let sql = "UPDATE volumes SET attach_status = ? WHERE id = ?";
    scene.world.database.write(|tx| tx.execute(sql, &[status.into(), (&scene.volume).into()])).unwrap();
}

fn write(path: &Path, format: &str) {
    if format == "raw" {
        fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(DATA, GIB / 2).unwrap();
    } else {
        assert!(qemu_io(path, &format!("write -q -P 120 {} 4096", GIB / 2)).is_empty());
    }
}

fn holds(path: &Path, format: &str) -> bool {
    if format == "raw" {
        let mut found = vec![0; DATA.len()];
        fs::File::open(path).unwrap().read_exact_at(&mut found, GIB / 2).unwrap();
        found == DATA
    } else {
        qemu_io(path, &format!("read -q -P 120 {} 4096", GIB / 2)).is_empty()
    }
}

/// What the real `qemu-io` complains of.
fn qemu_io(path: &Path, command: &str) -> String {
    let output = std::process::Command::new("qemu-io").args(["-f", "qcow2", "-c", command]).arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_volume_that_kills_its_service_again_and_again_is_given_up() {
    let world = World::new();
    let id = world.create(1, Of::Nothing);
    for _ in 0..5 {
        world.spawn(Some("create_volume.begun")).wait_for_death();
    }
    let _service = world.start();
    world.settle();
    assert_eq!(world.volume(&id).unwrap().status, Status::Error);
    assert_eq!(world.messages(&id), ["VOLUME_VOLUME_008_012"]);
    assert_eq!(world.usage(), [1, 0, 1]);
    world.assert_whole();
}
