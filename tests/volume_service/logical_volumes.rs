//! The driver lvm on a real volume group, exported by LIO: only where the kernel has device-mapper, which is on the machine
//! of `scripts/machine`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::Command;

use hearth::block_storage::model::{snapshot, volume};
use hearth::block_storage::store::attachments;
use serde_json::Value as Json;

use super::crash_stories::everywhere;
use super::daemon::{Daemon, initiate, url};
use super::world::{Of, World};

const GIB: u64 = 1 << 30;
/// The volume group.
const GROUP: &str = "hearth-test";
/// What the volume holds, in its middle.
const DATA: &[u8; 12] = b"what is kept";

/// A volume group on the disk that the machine was given, and a world whose only backend has it.
struct Grouped {
    world: World,
    daemon: Option<Daemon>,
}

impl Grouped {
    fn new() -> Self {
        let disk = std::env::var("HEARTH_TEST_DISK").expect("scripts/machine names an empty disk");
        lvm("vgcreate", &["--yes", GROUP, &disk]);
        let daemon = Daemon::start().unwrap();
        let section = format!("[lvm]\nvolume_driver = lvm\nvolume_group = {GROUP}\n{}", daemon.section());
        Self { world: World::with("enabled_backends = lvm", &section), daemon: Some(daemon) }
    }

    /// The names of what is in the pool.
    fn logical(&self) -> Vec<String> {
        let listed = lvm("lvs", &["--noheadings", "--options", "lv_name,pool_lv", GROUP]);
        let lines = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut names: Vec<String> = lines.filter(|line| line.len() == 2).map(|line| line[0].to_owned()).collect();
        names.sort();
        names
    }

    fn device(&self, volume: &str) -> File {
        let path = format!("/dev/{GROUP}/volume-{volume}");
        OpenOptions::new().read(true).write(true).open(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn write(&self, volume: &str, at: u64, text: &[u8]) {
        let device = self.device(volume);
        device.write_all_at(text, at).unwrap();
        device.sync_all().unwrap();
    }

    fn read(&self, volume: &str, at: u64) -> [u8; DATA.len()] {
        let mut found = [0; DATA.len()];
        self.device(volume).read_exact_at(&mut found, at).unwrap();
        found
    }

    /// Fails unless a volume is there, of this size, with this in its middle.
    fn assert_volume(&self, id: &str, size_gib: i64, data: &[u8; DATA.len()]) {
        let volume = self.world.volume(id).unwrap();
        let told = self.world.messages(id);
        assert_eq!((volume.status, volume.size_gib), (volume::Status::Available, size_gib), "{told:?}");
        let length = rustix::fs::seek(self.device(id), rustix::fs::SeekFrom::End(0)).unwrap();
        assert_eq!(length, u64::try_from(size_gib).unwrap() * GIB);
        assert_eq!(self.read(id, GIB / 2), *data, "{id}");
    }

    /// Fails unless nothing is under way, and what is in the pool is what the rows tell of.
    fn assert_whole(&self) {
        let mut expected: Vec<String> = self.world.read(|c| {
            let sql = "SELECT id, 'volume-' FROM volumes WHERE deleted = false \
                       UNION ALL SELECT id, '_snapshot-' FROM snapshots WHERE deleted = false";
            c.rows(sql, &[], |row| Ok(format!("{}{}", row.text(1)?, row.text(0)?)))
        });
        expected.sort();
        assert_eq!(self.logical(), expected);
        assert_eq!(self.world.usage(), self.world.truth());
        assert_eq!(self.world.count("SELECT count(*) FROM hearth_orders WHERE role <> 'answer'"), 0);
    }
}

impl Drop for Grouped {
    fn drop(&mut self) {
        // Devices are held by what exports them.
        drop(self.daemon.take());
        lvm("vgremove", &["--yes", "--force", GROUP]);
    }
}

/// Runs a command of lvm2; answers what it prints.
fn lvm(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(name).args(arguments).output().unwrap();
    assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs device-mapper: see scripts/machine"]
fn logical_volumes_hold_what_was_written_through_snapshots_copies_and_growth() {
    let grouped = Grouped::new();
    let world = &grouped.world;
    let _service = world.start();
    let volume = world.create(1, Of::Nothing);
    world.settle();
    grouped.assert_volume(&volume, 1, &[0; DATA.len()]);
    grouped.write(&volume, GIB / 2, DATA);
    let snapshot = world.create_snapshot(&volume);
    world.settle();
    assert_eq!(world.snapshot(&snapshot).unwrap().status, snapshot::Status::Available);
    grouped.write(&volume, GIB / 2, b"what is new.");
    let of_snapshot = world.create(2, Of::Snapshot(&snapshot));
    let clone = world.create(1, Of::Volume(&volume));
    world.settle();
    grouped.assert_volume(&of_snapshot, 2, DATA);
    grouped.assert_volume(&clone, 1, b"what is new.");
    grouped.assert_volume(&volume, 1, b"what is new.");
    // None of them is another one.
    grouped.write(&clone, GIB / 2, b"of the clone");
    world.extend(&volume, 2);
    world.settle();
    grouped.assert_volume(&volume, 2, b"what is new.");
    grouped.write(&volume, 2 * GIB - 4096, DATA);
    grouped.assert_volume(&clone, 1, b"of the clone");
    grouped.assert_whole();
    world.delete(&volume, true);
    world.delete(&clone, false);
    world.delete(&of_snapshot, false);
    world.settle();
    grouped.assert_whole();
    assert_eq!(grouped.logical(), Vec::<String>::new());
}

#[test]
#[ignore = "needs device-mapper and LIO: see scripts/machine"]
fn a_logical_volume_is_exported_while_somebody_uses_it_and_grows_meanwhile() {
    let grouped = Grouped::new();
    let world = &grouped.world;
    let _service = world.start();
    let volume = world.create(1, Of::Nothing);
    world.settle();
    let attachment = world.reserve(&volume);
    world.connect(&volume, &attachment);
    world.settle();
    let found = world.read(|c| attachments::by_id(c, &attachment)).unwrap();
    let told: Json = serde_json::from_str(found.connection.as_deref().expect("it is connected")).unwrap();
    initiate(&url(&told), &["write -P 65 4096 8192", "flush", "read -P 65 4096 8192"]).unwrap();
    world.extend_attached(&volume, 2);
    world.settle();
    initiate(&url(&told), &["write -P 66 1536M 4096", "read -P 65 4096 8192"]).unwrap();
    world.disconnect(&volume, &attachment);
    world.settle();
    assert_eq!(grouped.read(&volume, 4096), [65; DATA.len()]);
    assert_eq!(grouped.daemon.as_ref().unwrap().targets(), Vec::<String>::new());
    world
        .database
        .write(|tx| {
            let free = [("status", "available".into()), ("attach_status", "detached".into())];
            hearth::block_storage::store::volumes::change(tx, &volume, &free)
        })
        .unwrap();
    world.delete(&volume, false);
    world.settle();
    grouped.assert_whole();
}

/// What is asked for, and what there must be in the end.
type Killed = (&'static str, fn(&Grouped, &str, &str) -> String, fn(&Grouped, &str));

const OPERATIONS: &[Killed] = &[
    (
        "create_volume",
        |grouped, _, _| grouped.world.create(2, Of::Nothing),
        |grouped, id| grouped.assert_volume(id, 2, &[0; DATA.len()]),
    ),
    (
        "create_volume of a snapshot",
        |grouped, _, snapshot| grouped.world.create(2, Of::Snapshot(snapshot)),
        |grouped, id| grouped.assert_volume(id, 2, DATA),
    ),
    (
        "create_volume of a volume",
        |grouped, volume, _| grouped.world.create(1, Of::Volume(volume)),
        |grouped, id| grouped.assert_volume(id, 1, DATA),
    ),
    (
        "create_snapshot",
        |grouped, volume, _| grouped.world.create_snapshot(volume),
        |grouped, id| assert_eq!(grouped.world.snapshot(id).unwrap().status, snapshot::Status::Available),
    ),
    (
        "delete_snapshot",
        |grouped, _, snapshot| {
            grouped.world.delete_snapshot(snapshot);
            snapshot.to_owned()
        },
        |grouped, id| assert!(grouped.world.snapshot(id).is_none()),
    ),
    (
        "extend_volume",
        |grouped, volume, _| {
            grouped.world.extend(volume, 2);
            volume.to_owned()
        },
        |grouped, id| grouped.assert_volume(id, 2, DATA),
    ),
    (
        "delete_volume",
        |grouped, volume, _| {
            grouped.world.delete(volume, true);
            volume.to_owned()
        },
        |grouped, id| assert!(grouped.world.volume(id).is_none()),
    ),
];

#[test]
#[ignore = "needs device-mapper: see scripts/machine"]
fn whatever_is_killed_among_logical_volumes_is_finished_after_the_next_start() {
    for (name, run, check) in OPERATIONS {
        everywhere(&format!("{name} of LVM"), |fate| {
            let grouped = Grouped::new();
            let world = &grouped.world;
            let service = world.start();
            let volume = world.create(1, Of::Nothing);
            world.settle();
            grouped.write(&volume, GIB / 2, DATA);
            let snapshot = world.create_snapshot(&volume);
            world.settle();
            drop(service);
            let id = world.meet(fate, "node1@lvm", || run(&grouped, &volume, &snapshot));
            check(&grouped, &id);
            grouped.assert_whole();
        });
    }
}
