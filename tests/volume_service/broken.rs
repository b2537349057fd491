//! Every operation on storage that is full, read-only or damaged, or without the program that it needs: it ends in the status
//! and with the message that it should, usage is what the rows say, no file is left, and what failed can be removed. A
//! table of operations, and of what troubles them.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use hearth::block_storage::model::work::Hints;
use hearth::block_storage::store::pools;

use super::moving::{migrate, retype, type_on};
use super::world::{Mount, Of, World, files};

/// Data of a volume in bytes.
const DATA: usize = 3 << 20;

/// What is wrong, and with files of which format.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    /// No byte is free.
    Full,
    /// Nothing may be written.
    ReadOnly,
    /// The service does not find `qemu-img`.
    NoProgram,
    /// The file of the volume is not what it was.
    Damaged,
    /// The file of the volume is gone.
    Gone,
}

use Trouble::{Damaged, Full, Gone, NoProgram, ReadOnly};

/// What is asked for; how it ends where it fails: the status of its object, and what the owner is told, in the numbers of
/// Cinder's catalogue; and which troubles it fails with, by the format of the files.
struct Operation {
    name: &'static str,
    run: fn(&Scene) -> String,
    status: &'static str,
    told: &'static [&'static str],
    raw: &'static [Trouble],
    qcow2: &'static [Trouble],
}

const CREATE_FAILED: &[&str] = &["VOLUME_VOLUME_008_012"];

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "create",
        run: |scene| scene.world.create(1, Of::Nothing),
        status: "error",
        // The other backend has the same disk.
        told: &["VOLUME_VOLUME_008_012", "VOLUME_VOLUME_001_003"],
        // A sparse file takes no space.
        raw: &[ReadOnly],
        qcow2: &[Full, ReadOnly, NoProgram],
    },
    Operation {
        name: "clone",
        run: |scene| scene.world.create(1, Of::Volume(&scene.volume)),
        status: "error",
        told: CREATE_FAILED,
        raw: &[Full, ReadOnly, Gone],
        // A file with a snapshot inside is copied by the program.
        qcow2: &[Full, ReadOnly, NoProgram, Damaged, Gone],
    },
    Operation {
        name: "create from a snapshot, larger",
        run: |scene| scene.world.create(2, Of::Snapshot(&scene.snapshot)),
        status: "error",
        told: CREATE_FAILED,
        raw: &[Full, ReadOnly],
        // The snapshot is in the volume's file, which has its name too, whatever becomes of the other one.
        qcow2: &[Full, ReadOnly, NoProgram, Damaged],
    },
    Operation {
        name: "snapshot",
        run: |scene| scene.world.create_snapshot(&scene.volume),
        status: "error",
        told: &["VOLUME_VOLUME_SNAPSHOT_009_013"],
        raw: &[Full, ReadOnly, Gone],
        qcow2: &[Full, ReadOnly, NoProgram, Damaged, Gone],
    },
    Operation {
        name: "extend",
        run: |scene| {
            scene.world.extend(&scene.volume, 3);
            scene.volume.clone()
        },
        status: "error_extending",
        told: &["VOLUME_VOLUME_007_010"],
        raw: &[ReadOnly, Gone],
        qcow2: &[Full, ReadOnly, NoProgram, Damaged, Gone],
    },
    Operation {
        name: "revert",
        run: |scene| {
            scene.world.revert(&scene.volume, &scene.snapshot);
            scene.volume.clone()
        },
        status: "error",
        // Cinder has no words for it.
        told: &[],
        raw: &[Full, ReadOnly],
        // Within its file it takes no space.
        qcow2: &[ReadOnly, NoProgram, Damaged],
    },
    Operation {
        name: "migrate",
        run: |scene| {
            migrate(&scene.world, &scene.alone, "node1@other", true);
            scene.alone.clone()
        },
        status: "available",
        // Cinder says nothing here.
        told: &["VOLUME_VOLUME_001_003"],
        raw: &[Full, ReadOnly, Gone],
        qcow2: &[Full, ReadOnly, NoProgram, Damaged, Gone],
    },
    Operation {
        name: "retype",
        run: |scene| {
            let elsewhere = type_on(&scene.world, "other");
            retype(&scene.world, &scene.alone, &elsewhere, true);
            scene.alone.clone()
        },
        status: "available",
        told: &["VOLUME_VOLUME_001_003"],
        raw: &[Full, ReadOnly, Gone],
        qcow2: &[Full, ReadOnly, NoProgram, Damaged, Gone],
    },
    Operation {
        name: "delete a snapshot",
        run: |scene| {
            scene.world.delete_snapshot(&scene.snapshot);
            scene.snapshot.clone()
        },
        status: "error_deleting",
        told: &["VOLUME_VOLUME_SNAPSHOT_010_016"],
        raw: &[ReadOnly],
        qcow2: &[ReadOnly],
    },
    Operation {
        name: "delete",
        run: |scene| {
            scene.world.delete(&scene.alone, false);
            scene.alone.clone()
        },
        status: "error_deleting",
        told: &[],
        raw: &[ReadOnly],
        qcow2: &[ReadOnly],
    },
];

/// Two backends on one small disk: a volume with data and a snapshot, and one without a snapshot.
struct Scene {
    world: World,
    disk: PathBuf,
    mount: Mount,
    programs: PathBuf,
    volume: String,
    snapshot: String,
    alone: String,
}

impl Scene {
    /// `None` where this user may not mount.
    fn set(format: &str) -> Option<Self> {
        let option = if format == "qcow2" { "nfs_qcow2_volumes = true" } else { "" };
        // Without the filter that would see the full disk coming, and without a look at the folder that would find it.
        let world = World::with(
            "scheduler_default_filters = CapabilitiesFilter\nreport_interval = 600\nenabled_backends = file, other",
            &format!(
                "[file]\n{option}\nhearth_file_path = %F/disk/file\n[other]\n{option}\nreserved_percentage = 50\n\
                 hearth_file_path = %F/disk/other\n"
            ),
        );
        let disk = world.folder.join("disk");
        let mount = Mount::memory(&disk, 16)?;
        let programs = world.folder.join("programs");
        fs::create_dir(&programs).unwrap();
        Some(Self {
            world,
            disk,
            mount,
            programs,
            volume: String::new(),
            snapshot: String::new(),
            alone: String::new(),
        })
    }

    fn fill(&mut self, format: &str) {
        let world = &self.world;
        let both = || world.read(|c| pools::list(c, 600)).iter().filter(|pool| pool.up).count() == 2;
        world.wait("both pools", || both().then_some(()));
        self.volume = world.create(1, Of::Nothing);
        world.settle();
        let hints = Hints { same_host: Some(vec![self.volume.clone()]), ..Hints::default() };
        self.alone = world.create_where(1, Of::Nothing, &hints, None);
        world.settle();
        for volume in [&self.volume, &self.alone] {
            let path = self.path(volume);
            if format == "raw" {
                let file = fs::File::options().write(true).open(path).unwrap();
                file.write_all_at(&vec![7; DATA], 0).unwrap();
            } else {
                let write = format!("write -q -P 7 0 {DATA}");
                let done = std::process::Command::new("qemu-io").args(["-f", "qcow2", "-c", &write]).arg(path).output();
                assert!(done.unwrap().status.success());
            }
        }
        self.snapshot = world.create_snapshot(&self.volume);
        world.settle();
    }

    fn path(&self, volume: &str) -> PathBuf {
        self.disk.join(format!("file/volume-{volume}"))
    }

    fn begin(&self, trouble: Trouble) {
        match trouble {
            Full => {
                let file = fs::File::create(self.disk.join("filler")).unwrap();
                // To the last block.
                for length in [1 << 20, 4096] {
                    while std::io::Write::write_all(&mut &file, &vec![1; length]).is_ok() {}
                }
            }
            ReadOnly => self.mount.again("ro"),
            NoProgram => fs::remove_file(self.programs.join("qemu-img")).unwrap(),
            Damaged => {
                for volume in [&self.volume, &self.alone] {
                    let file = fs::File::options().write(true).open(self.path(volume)).unwrap();
                    file.write_all_at(&[0xaa; 4096], 0).unwrap();
                }
            }
            Gone => {
                for volume in [&self.volume, &self.alone] {
                    fs::remove_file(self.path(volume)).unwrap();
                }
            }
        }
    }

    fn end(&self, trouble: Trouble) {
        match trouble {
            Full => fs::remove_file(self.disk.join("filler")).unwrap(),
            ReadOnly => self.mount.again("rw"),
            NoProgram => self.install(),
            Damaged | Gone => {}
        }
    }

    fn install(&self) {
        let paths = std::env::var_os("PATH").unwrap();
        let found = std::env::split_paths(&paths).map(|folder| folder.join("qemu-img")).find(|path| path.exists());
        std::os::unix::fs::symlink(found.expect("qemu-img"), self.programs.join("qemu-img")).unwrap();
    }

    /// The status of a volume or a snapshot; empty where it is gone.
    fn status(&self, id: &str) -> String {
        let volume = self.world.volume(id).map(|volume| volume.status.to_string());
        let snapshot = || self.world.snapshot(id).map(|snapshot| snapshot.status.to_string());
        volume.or_else(snapshot).unwrap_or_default()
    }

    /// Removes everything, as its owner does; an operator sets right what could not be removed or is damaged.
    fn remove_all(&self) {
        for (table, column) in [("snapshots", "volume_id"), ("volumes", "id")] {
            let sql = format!("SELECT id, status, {column} FROM {table} WHERE deleted = false");
            let rows = self.world.read(|c| c.rows(&sql, &[], |row| Ok((row.string(0)?, row.string(1)?))));
            for (id, status) in rows {
                let ended = ["available", "error", "error_extending", "error_deleting"];
                assert!(ended.contains(&&*status), "{id} is stuck in {status}");
                if status == "error_deleting" {
                    let reset = format!("UPDATE {table} SET status = 'error' WHERE id = ?");
                    self.world.database.write(|tx| tx.execute(&reset, &[(&id).into()])).unwrap();
                }
                if table == "volumes" { self.world.delete(&id, false) } else { self.world.delete_snapshot(&id) }
            }
            self.world.settle();
        }
        assert_eq!(self.world.count("SELECT count(*) FROM volumes WHERE deleted = false"), 0);
        for folder in ["file", "other"] {
            assert_eq!(files(&self.disk.join(folder)), Vec::<String>::new(), "files are left");
        }
        let used = "SELECT coalesce(sum(in_use), 0) FROM quota_usages";
        assert_eq!(self.world.count(used), 0, "usage is left");
    }
}

/// Usage is what the rows say, and no unfinished file is left; where something in a volume is `tended` later, its mark is.
fn assert_exact(scene: &Scene, tended: bool) {
    let used = "SELECT coalesce(sum(in_use), 0) FROM quota_usages WHERE resource = ";
    let found = ["'volumes'", "'snapshots'", "'gigabytes'"].map(|name| scene.world.count(&format!("{used}{name}")));
    assert_eq!(found, scene.world.truth());
    assert_eq!(scene.world.count("SELECT count(*) FROM workers WHERE resource_type <> 'SENTINEL'"), 0);
    for folder in ["file", "other"] {
        let unfinished = |name: &String| name.starts_with('.') && (!tended || !name.ends_with(".upkeep"));
        let hidden = files(&scene.disk.join(folder)).into_iter().find(unfinished);
        assert_eq!(hidden, None, "an unfinished file is left");
    }
}

fn try_all(format: &str, trouble: Trouble) {
    for operation in OPERATIONS {
        println!("{} with {format} files, {trouble:?}", operation.name);
        let Some(mut scene) = Scene::set(format) else { return };
        scene.install();
        let service = scene.world.spawn_with_path(&scene.programs);
        scene.world.wait_for_service("node1@file");
        scene.world.wait_for_service("node1@other");
        scene.fill(format);
        scene.begin(trouble);
        let id = (operation.run)(&scene);
        scene.world.settle();
        let fails = if format == "raw" { operation.raw } else { operation.qcow2 }.contains(&trouble);
        let (status, told) = (scene.status(&id), scene.world.messages(&id));
        if fails {
            assert_eq!(
                (&*status, &told.iter().map(String::as_str).collect::<Vec<_>>()[..]),
                (operation.status, operation.told)
            );
        } else {
            let done = if operation.name.starts_with("delete") { "" } else { "available" };
            assert_eq!((&*status, told.len()), (done, 0), "it should not have failed");
        }
        if matches!(operation.name, "migrate" | "retype") {
            let volume = scene.world.volume(&id).unwrap();
            let expected = if fails { ("node1@file#file", "error") } else { ("node1@other#other", "success") };
            assert_eq!(
                (volume.host.as_deref(), volume.migration_status.as_deref()),
                (Some(expected.0), Some(expected.1))
            );
        }
        assert_exact(&scene, operation.name == "delete a snapshot" && trouble == NoProgram);
        scene.end(trouble);
        scene.remove_all();
        service.stop();
    }
}

#[test]
fn a_full_disk_ends_every_operation_in_a_status_that_its_owner_can_act_on() {
    ["raw", "qcow2"].iter().for_each(|format| try_all(format, Full));
}

#[test]
fn a_read_only_folder_ends_every_operation_in_a_status_that_its_owner_can_act_on() {
    ["raw", "qcow2"].iter().for_each(|format| try_all(format, ReadOnly));
}

#[test]
fn a_missing_program_ends_every_operation_in_a_status_that_its_owner_can_act_on() {
    try_all("qcow2", NoProgram);
}

#[test]
fn a_damaged_or_missing_file_ends_every_operation_in_a_status_that_its_owner_can_act_on() {
    try_all("qcow2", Damaged);
    ["raw", "qcow2"].iter().for_each(|format| try_all(format, Gone));
}
