//! Backups and restores where a disk is full or read-only, where a file is damaged or gone, or where `qemu-img` is missing:
//! each ends in the status and with the message that it should, usage is exact, nothing is left, and it can be done again when
//! the trouble is over. A table of operations, and of what troubles them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::cloud::Cloud;
use super::crash_stories::is_sample;
use super::world::Mount;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    /// The disk of the backups has no byte left.
    FullOfBackups,
    /// That of the volumes.
    FullOfVolumes,
    /// Nothing may be written among the backups.
    BackupsReadOnly,
    /// Nothing may be written among the volumes.
    VolumesReadOnly,
    /// The service does not find `qemu-img`.
    NoProgram,
    /// An object of the backup is damaged.
    Damaged,
    /// The file of the volume is gone.
    Gone,
}

use Trouble::{BackupsReadOnly, Damaged, FullOfBackups, FullOfVolumes, Gone, NoProgram, VolumesReadOnly};

const ALL: [Trouble; 7] = [FullOfBackups, FullOfVolumes, BackupsReadOnly, VolumesReadOnly, NoProgram, Damaged, Gone];

struct Operation {
    name: &'static str,
    /// Answers the id of what is told of.
    run: fn(&Scene) -> String,
    /// The status of the backup and of the volume where it fails.
    ends: (&'static str, &'static str),
    told: &'static str,
    fails: &'static [Trouble],
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "create",
        run: |scene| scene.cloud.back_up(&scene.volume, json!({})),
        ends: ("error", "available"),
        told: "VOLUME_VOLUME_BACKUP_013_020",
        // A qcow2 volume is read by way of a file beside it.
        fails: &[FullOfBackups, BackupsReadOnly, FullOfVolumes, VolumesReadOnly, NoProgram, Gone],
    },
    Operation {
        name: "restore",
        run: |scene| {
            scene.cloud.restore(&scene.backup, Some(&scene.volume));
            scene.backup.clone()
        },
        ends: ("available", "error_restoring"),
        told: "VOLUME_VOLUME_BACKUP_015_026",
        // What is restored takes the place of what is there, or of nothing.
        fails: &[FullOfVolumes, VolumesReadOnly, NoProgram, Damaged],
    },
    Operation {
        name: "delete",
        run: |scene| {
            scene.cloud.delete(&scene.backup);
            scene.backup.clone()
        },
        ends: ("error_deleting", "available"),
        told: "VOLUME_VOLUME_BACKUP_014_025",
        fails: &[BackupsReadOnly],
    },
];

/// A qcow2 volume with data and a backup of it, each on a small disk of its own.
struct Scene {
    cloud: Cloud,
    disks: [(PathBuf, Mount); 2],
    programs: PathBuf,
    volume: String,
    backup: String,
}

impl Scene {
    /// `None` where this user may not mount.
    fn set() -> Option<Self> {
        let lines = "report_interval = 600\nbackup_sha_block_size_bytes = 65536\n\
                     backup_posix_path = %F/kept/backups";
        let cloud = Cloud::with(lines, true);
        let folder = &cloud.world.folder;
        let (kept, volumes) = (folder.join("kept"), folder.join("volumes"));
        let disks = [(kept.clone(), Mount::memory(&kept, 16)?), (volumes.clone(), Mount::memory(&volumes, 16)?)];
        let programs = folder.join("programs");
        fs::create_dir(&programs).unwrap();
        Some(Self { cloud, disks, programs, volume: String::new(), backup: String::new() })
    }

    fn disk(&self, trouble: Trouble) -> &(PathBuf, Mount) {
        let [backups, volumes] = &self.disks;
        if matches!(trouble, FullOfBackups | BackupsReadOnly) { backups } else { volumes }
    }

    fn objects(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, into) } else { into.push(path) }
            }
        }
        let mut found = Vec::new();
        walk(&self.disks[0].0.join("backups"), &mut found);
        found.retain(|path| !path.file_name().unwrap().to_str().unwrap().ends_with(".lock"));
        found.sort();
        found
    }

    fn begin(&self, trouble: Trouble) {
        let (folder, mount) = self.disk(trouble);
        match trouble {
            FullOfBackups | FullOfVolumes => {
                let file = fs::File::create(folder.join("filler")).unwrap();
                // To the last block.
                for length in [1 << 20, 4096] {
                    while std::io::Write::write_all(&mut &file, &vec![1; length]).is_ok() {}
                }
            }
            BackupsReadOnly | VolumesReadOnly => mount.again("ro"),
            NoProgram => fs::remove_file(self.programs.join("qemu-img")).unwrap(),
            Damaged => {
                let object = self.objects().into_iter().find(|path| path.to_str().unwrap().ends_with("-00001"));
                let object = object.unwrap();
                let mut bytes = fs::read(&object).unwrap();
                bytes[0] ^= 1;
                fs::write(object, bytes).unwrap();
            }
            Gone => fs::remove_file(self.cloud.path(&self.volume)).unwrap(),
        }
    }

    fn end(&self, trouble: Trouble) {
        let (folder, mount) = self.disk(trouble);
        match trouble {
            FullOfBackups | FullOfVolumes => fs::remove_file(folder.join("filler")).unwrap(),
            BackupsReadOnly | VolumesReadOnly => mount.again("rw"),
            NoProgram => self.install(),
            Damaged | Gone => {}
        }
    }

    fn install(&self) {
        let paths = std::env::var_os("PATH").unwrap();
        let found = std::env::split_paths(&paths).map(|folder| folder.join("qemu-img")).find(|path| path.exists());
        std::os::unix::fs::symlink(found.expect("qemu-img"), self.programs.join("qemu-img")).unwrap();
    }

    /// Removes all backups, as their owner does, after an operator has set right what could not be removed.
    fn remove_backups(&self) {
        let cloud = &self.cloud;
        let rows = "SELECT id, status FROM backups WHERE deleted = false";
        for (id, status) in cloud.world.read(|c| c.rows(rows, &[], |row| Ok((row.string(0)?, row.string(1)?)))) {
            assert!(["available", "error", "error_deleting"].contains(&&*status), "{id} is stuck in {status}");
            if status == "error_deleting" {
                let reset = json!({"os-reset_status": {"status": "error"}});
                cloud.expect(202, "POST", &format!("/backups/{id}/action"), Some(reset));
            }
            cloud.delete(&id);
        }
        cloud.world.settle();
        assert_eq!(cloud.usage(), [0, 0]);
        assert_eq!(self.objects(), Vec::<PathBuf>::new());
    }
}

/// Bytes that no compression makes fewer.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

#[test]
fn whatever_is_wrong_ends_in_a_status_that_its_owner_can_act_on() {
    for operation in OPERATIONS {
        for trouble in ALL {
            if is_sample() && !operation.fails.contains(&trouble) {
                continue;
            }
            println!("{}, {trouble:?}", operation.name);
            let Some(mut scene) = Scene::set() else { return };
            scene.install();
            let volumes = scene.cloud.world.start();
            let _backups = scene.cloud.spawn_as(|command| {
                command.env("PATH", &scene.programs);
            });
            super::crash::wait_until_up(&scene.cloud);
            scene.volume = scene.cloud.volume(1);
            scene.cloud.write(&scene.volume, &[(0, &noise(3 << 20))]);
            scene.backup = scene.cloud.backed_up(&scene.volume, json!({}));
            scene.begin(trouble);
            let id = (operation.run)(&scene);
            let cloud = &scene.cloud;
            cloud.world.settle();
            let messages = cloud.world.messages(&id);
            if operation.fails.contains(&trouble) {
                let backup = cloud.backup(&id);
                let found = (backup["status"].as_str().unwrap(), &*cloud.status(&scene.volume));
                assert_eq!(found, operation.ends, "{}", backup["fail_reason"]);
                assert_eq!(messages, [operation.told]);
                if operation.name != "restore" {
                    assert_ne!(backup["fail_reason"], json!(null), "nobody says why");
                }
            } else {
                assert_eq!(
                    (messages.len(), &*cloud.status(&scene.volume)),
                    (0, "available"),
                    "it should not have failed"
                );
            }
            scene.end(trouble);
            cloud.assert_whole();
            scene.remove_backups();
            drop(volumes);
        }
    }
}
