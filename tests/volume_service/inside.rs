//! Snapshots inside the file of a qcow2 volume: every byte of what is kept, copied, grown and brought back, with the real
//! `qemu-img`, while the volume is free and while QEMU serves it and somebody writes; and what becomes of what was removed.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use hearth::block_storage::model::snapshot::Status;
use hearth::block_storage::volume::drivers::content::path_of;
use hearth::block_storage::volume::drivers::file::{FileDriver, Snapshots};
use hearth::block_storage::volume::drivers::{Content, Driver, Format, Stored};
use hearth::operate::doctor::{Severity, examine};

use super::servers::scratch_folder;
use super::world::{Mount, Of, World, virtual_size};

const GIB: u64 = 1 << 30;
const VOLUME: &str = "volume-1";

/// A folder of qcow2 files, and beside it, as raw files, what they must hold.
struct Place {
    driver: FileDriver,
    folder: PathBuf,
    models: PathBuf,
    _mount: Option<Mount>,
}

impl Place {
    fn at(models: PathBuf, folder: PathBuf, mount: Option<Mount>, snapshots: Snapshots) -> Self {
        let driver = FileDriver::new(folder.clone(), Format::Qcow2, true).keeping(snapshots);
        assert!(driver.acquire().unwrap());
        Self { driver, folder, models, _mount: mount }
    }

    fn new(snapshots: Snapshots) -> Self {
        let models = scratch_folder("inside");
        Self::at(models.clone(), models.join("volumes"), None, snapshots)
    }

    /// One whose file system shares blocks. `None` where this user may not mount.
    fn with_reflinks(snapshots: Snapshots) -> Option<Self> {
        let models = scratch_folder("inside");
        let mount = Mount::with_reflinks(&models.join("xfs"))?;
        Some(Self::at(models.clone(), models.join("xfs"), Some(mount), snapshots))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes a volume of 1 GiB.
    fn create(&self) {
        self.driver.create_volume(VOLUME, 1).unwrap();
        self.model(VOLUME, 1);
    }

    fn model(&self, name: &str, size_gib: u64) -> PathBuf {
        let path = self.models.join(name);
        let file = fs::File::options().write(true).create(true).truncate(false).open(&path).unwrap();
        file.set_len(size_gib * GIB).unwrap();
        path
    }

    /// Writes bytes here and there, some of them over the borders of clusters, into the volume and into its model.
    fn write(&self, seed: u8, places: &[u64]) {
        let mut command = Command::new("qemu-io");
        command.args(["-f", "qcow2"]);
        let model = fs::File::options().write(true).open(self.models.join(VOLUME)).unwrap();
        for (at, seed) in places.iter().zip(seed..) {
            command.args(["-c", &format!("write -q -P {seed} {at} 150000")]);
            model.write_all_at(&[seed; 150_000], *at).unwrap();
        }
        let done = command.arg(self.path(VOLUME)).output().expect("qemu-io is needed for this test");
        assert!(done.status.success() && done.stdout.is_empty(), "{done:?}");
    }

    /// What a name holds becomes what another one must hold.
    fn remember(&self, from: &str, as_name: &str) {
        let copy = ["--sparse=always", "--reflink=auto"];
        let done = Command::new("cp").args(copy).args([self.models.join(from), self.models.join(as_name)]).status();
        assert!(done.unwrap().success());
    }

    fn snapshot(&self, name: &str, size_gib: i64) {
        self.driver.create_snapshot(name, stored(VOLUME, size_gib)).unwrap();
        self.remember(VOLUME, name);
    }

    fn copy(&self, name: &str, size_gib: i64, of: Stored<'_>) {
        self.driver.copy_volume(name, size_gib, of).unwrap();
        self.remember(of.name, name);
        self.model(name, u64::try_from(size_gib).unwrap());
        assert_eq!(virtual_size(&self.path(name), "qcow2"), u64::try_from(size_gib).unwrap() * GIB, "{name}");
        assert_eq!(self.inner(name), Vec::<String>::new(), "{name} is a copy with snapshots inside");
    }

    fn revert(&self, size_gib: i64, to: Stored<'_>) {
        self.driver.revert_volume(stored(VOLUME, size_gib), to).unwrap();
        self.driver.revert_volume(stored(VOLUME, size_gib), to).unwrap();
        self.remember(to.name, VOLUME);
        assert_eq!(virtual_size(&self.path(VOLUME), "qcow2"), u64::try_from(to.size_gib).unwrap() * GIB);
    }

    /// Compares every byte.
    fn assert_holds(&self, stored: Stored<'_>) {
        self.assert_is(&self.driver.read_content(stored).unwrap(), stored.name);
    }

    fn assert_is(&self, content: &Content, name: &str) {
        assert_eq!(content.bytes, fs::metadata(self.models.join(name)).unwrap().len(), "{name}");
        let mut compare = Command::new("qemu-img");
        let files = [path_of(&content.file), self.models.join(name)];
        let done = compare.args(["compare", "-U", "-f", "raw", "-F", "raw"]).args(files).output().unwrap();
        assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stdout));
    }

    /// The internal snapshots that QEMU sees in a file, in which nothing is lost.
    fn inner(&self, name: &str) -> Vec<String> {
        inner(&self.path(name))
    }

    fn names(&self) -> Vec<String> {
        let found = self.driver.inventory().unwrap();
        assert_eq!((found.leftovers.len(), self.driver.untended().unwrap().len()), (0, 0));
        found.names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self._mount.take();
        let _ = fs::remove_dir_all(&self.models);
    }
}

fn stored(name: &str, size_gib: i64) -> Stored<'_> {
    Stored { name, size_gib, format: Format::Qcow2, attached: false }
}

fn attached(name: &str, size_gib: i64) -> Stored<'_> {
    Stored { attached: true, ..stored(name, size_gib) }
}

/// The internal snapshots of an image, of which the real `qemu-img` says that it is whole and wastes nothing.
pub(super) fn inner(path: &Path) -> Vec<String> {
    let done = Command::new("qemu-img").args(["check", "-U", "-q", "-f", "qcow2"]).arg(path).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let done =
        Command::new("qemu-img").args(["info", "-U", "--output=json", "-f", "qcow2"]).arg(path).output().unwrap();
    let info: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let list = info["snapshots"].as_array().cloned().unwrap_or_default();
    list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

const PLACES: [u64; 5] = [0, 65_536 * 9 - 7, 300_000_001, GIB / 2 - 4096, GIB - 150_000];

/// Everything that can be done to a volume with snapshots, with every byte compared.
fn play(place: &Place) {
    let driver = &place.driver;
    place.create();
    place.write(1, &PLACES);
    place.snapshot("snapshot-1", 1);
    place.write(10, &PLACES[1..3]);
    place.snapshot("snapshot-2", 1);
    // An earlier attempt is replaced.
    place.write(20, &PLACES[2..]);
    place.snapshot("snapshot-2", 1);
    place.write(30, &[7 << 20, 800 << 20]);
    place.copy("volume-2", 2, stored(VOLUME, 1));
    place.copy("volume-3", 1, stored("snapshot-1", 1));
    place.copy("volume-4", 3, stored("snapshot-2", 1));
    driver.extend_volume(stored(VOLUME, 1), 2).unwrap();
    driver.extend_volume(stored(VOLUME, 1), 2).unwrap();
    place.model(VOLUME, 2);
    place.write(40, &[GIB - 70_000, GIB + 5, 2 * GIB - 150_000]);
    place.snapshot("snapshot-3", 2);
    place.write(50, &[GIB + 100_000]);
    // Of the time before the volume grew: as small as it was then, and larger.
    place.copy("volume-5", 1, stored("snapshot-1", 1));
    place.copy("volume-6", 2, stored("snapshot-2", 1));
    let all = [("snapshot-1", 1), ("snapshot-2", 1), ("snapshot-3", 2), (VOLUME, 2), ("volume-2", 2), ("volume-3", 1)];
    let more = [("volume-4", 3), ("volume-5", 1), ("volume-6", 2)];
    all.iter().chain(&more).for_each(|(name, size)| place.assert_holds(stored(name, *size)));
    more.iter().for_each(|(name, _)| driver.delete_volume(name).unwrap());

    place.revert(2, stored("snapshot-3", 2));
    place.assert_holds(stored(VOLUME, 2));
    driver.delete_snapshot(stored("snapshot-3", 2), stored(VOLUME, 2)).unwrap();
    driver.delete_snapshot(stored("snapshot-3", 2), stored(VOLUME, 2)).unwrap();
    place.write(60, &PLACES);
    place.revert(2, stored("snapshot-2", 1));
    [(VOLUME, 1), ("snapshot-2", 1), ("volume-2", 2)]
        .iter()
        .for_each(|(name, size)| place.assert_holds(stored(name, *size)));
    assert_eq!(place.names(), ["snapshot-1", "snapshot-2", VOLUME, "volume-2", "volume-3"]);

    // The volume gets another file, from which what lies beyond the new content is not lost.
    let fill = |raw: &fs::File| raw.write_all_at(&[77; 1 << 20], 0).map_err(hearth::Error::internal);
    driver.write_content(stored(VOLUME, 1), 1 << 20, &fill).unwrap();
    let model = fs::File::options().write(true).open(place.models.join(VOLUME)).unwrap();
    model.write_all_at(&[77; 1 << 20], 0).unwrap();
    place.snapshot("snapshot-4", 1);
    place.write(80, &PLACES);
    // From the file that the volume had.
    place.assert_holds(stored("snapshot-1", 1));
    driver.delete_snapshot(stored("snapshot-1", 1), stored(VOLUME, 1)).unwrap();
    for (name, size) in [(VOLUME, 1), ("snapshot-2", 1), ("snapshot-4", 1)] {
        place.assert_holds(stored(name, size));
        place.inner(name);
    }
    place.revert(1, stored("snapshot-2", 1));
    place.assert_holds(stored(VOLUME, 1));
    place.assert_holds(stored("snapshot-4", 1));
    place.revert(1, stored("snapshot-4", 1));
    // What is given up can be used by who knows nothing of what is inside.
    driver.give_up_snapshot(stored("snapshot-4", 1), stored(VOLUME, 1)).unwrap();
    driver.give_up_snapshot(stored("snapshot-4", 1), stored(VOLUME, 1)).unwrap();
    assert_eq!(place.inner("snapshot-4"), Vec::<String>::new());
    place.assert_holds(stored("snapshot-4", 1));
    driver.delete_snapshot(stored("snapshot-2", 1), stored(VOLUME, 1)).unwrap();
    place.assert_holds(stored(VOLUME, 1));
    assert_eq!(place.inner(VOLUME), Vec::<String>::new());
    driver.delete_volume(VOLUME).unwrap();
    assert_eq!(place.names(), ["snapshot-4", "volume-2", "volume-3"]);
}

#[test]
fn every_byte_is_where_it_was_with_snapshots_inside() {
    play(&Place::new(Snapshots::Internal));
}

#[test]
fn every_byte_is_where_it_was_with_snapshots_in_files_of_their_own() {
    play(&Place::new(Snapshots::Files));
}

#[test]
fn every_byte_is_where_it_was_on_a_file_system_with_reflinks() {
    for snapshots in [Snapshots::Auto, Snapshots::Internal] {
        let Some(place) = Place::with_reflinks(snapshots) else { return };
        play(&place);
    }
}

#[test]
fn a_snapshot_costs_no_data_and_removing_it_gives_back_what_was_written_since() {
    let place = Place::new(Snapshots::Internal);
    place.create();
    let used = || fs::metadata(place.path(VOLUME)).unwrap().blocks() * 512;
    place.write(1, &(0..100).map(|number| number << 20).collect::<Vec<u64>>());
    let before = used();
    place.snapshot("snapshot-1", 1);
    assert!(used() - before < 2 << 20, "{before} bytes before, {} after", used());
    assert_eq!(fs::metadata(place.path("snapshot-1")).unwrap().ino(), fs::metadata(place.path(VOLUME)).unwrap().ino());
    place.write(50, &(0..100).map(|number| number << 20).collect::<Vec<u64>>());
    assert!(used() > before * 3 / 2);
    place.driver.delete_snapshot(stored("snapshot-1", 1), stored(VOLUME, 1)).unwrap();
    assert!(used() < before * 3 / 2, "{before} bytes before, {} after", used());
    place.assert_holds(stored(VOLUME, 1));
}

#[test]
fn where_files_share_blocks_or_all_space_is_taken_beforehand_a_snapshot_is_a_file_of_its_own() {
    let thick = Place::new(Snapshots::Internal);
    let driver = FileDriver::new(thick.folder.clone(), Format::Qcow2, false).keeping(Snapshots::Internal);
    thick.create();
    driver.create_snapshot("snapshot-1", stored(VOLUME, 1)).unwrap();
    assert_eq!(thick.inner(VOLUME), Vec::<String>::new());
    let Some(place) = Place::with_reflinks(Snapshots::Auto) else { return };
    place.create();
    place.snapshot("snapshot-1", 1);
    assert_eq!(place.inner(VOLUME), Vec::<String>::new());
    assert_ne!(fs::metadata(place.path("snapshot-1")).unwrap().ino(), fs::metadata(place.path(VOLUME)).unwrap().ino());
}

/// QEMU, which has an image open and does what it is told.
struct Qemu(Child);

impl Qemu {
    fn open(path: &Path) -> Self {
        let mut command = Command::new("qemu-io");
        command.args(["-f", "qcow2"]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut qemu = Self(command.spawn().expect("qemu-io is needed for this test"));
        // It has the image when it has done something.
        qemu.tell("write -P 200 0 512");
        let mut line = String::new();
        let mut said = std::io::BufReader::new(qemu.0.stdout.take().unwrap());
        while !line.contains("wrote 512/512") {
            line.clear();
            assert!(std::io::BufRead::read_line(&mut said, &mut line).unwrap() > 0, "it could not be opened");
        }
        // Nobody reads what it says from here on, so it is drained.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        qemu
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{command}").unwrap();
    }

    fn close(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
fn a_snapshot_is_read_whole_and_removed_while_somebody_writes_to_its_volume() {
    let place = Place::new(Snapshots::Internal);
    let driver = &place.driver;
    place.create();
    place.write(1, &PLACES);
    place.snapshot("snapshot-1", 1);
    place.write(10, &PLACES[1..]);
    place.snapshot("snapshot-2", 1);
    let mut qemu = Qemu::open(&place.path(VOLUME));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                for at in PLACES.iter().chain(&[5 << 20, 600 << 20]) {
                    qemu.tell(&format!("write -q -P {} {at} 150000", 100 + rounds % 100));
                }
                qemu.tell("flush");
                rounds += 1;
            }
            qemu
        });
        for _ in 0..3 {
            place.assert_holds(stored("snapshot-1", 1));
            place.copy("volume-2", 2, stored("snapshot-2", 1));
            place.assert_holds(stored("volume-2", 2));
        }
        match driver.create_snapshot("snapshot-3", attached(VOLUME, 1)) {
            Ok(()) => driver.delete_snapshot(stored("snapshot-3", 1), attached(VOLUME, 1)).unwrap(),
            Err(refused) => assert!(refused.public().contains("attached"), "{refused}"),
        }
        // Gone for everybody but the file, which QEMU has.
        driver.delete_snapshot(stored("snapshot-1", 1), attached(VOLUME, 1)).unwrap();
        driver.delete_snapshot(stored("snapshot-1", 1), attached(VOLUME, 1)).unwrap();
        // Somebody uses it although no row says so.
        driver.tend_volume(attached(VOLUME, 1)).unwrap();
        assert!(driver.tend_volume(stored(VOLUME, 1)).is_err());
        assert!(driver.create_snapshot("snapshot-3", stored(VOLUME, 1)).is_err());
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap().close();
    });
    assert_eq!(driver.inventory().unwrap().names, ["snapshot-2", VOLUME, "volume-2"]);
    assert_eq!(place.inner(VOLUME), ["snapshot-1", "snapshot-2"]);
    // The next driver that looks, and each change of the volume, find it.
    let next = FileDriver::new(place.folder.clone(), Format::Qcow2, true);
    assert_eq!(next.untended().unwrap(), [VOLUME]);
    next.tend_volume(stored(VOLUME, 1)).unwrap();
    assert_eq!(next.untended().unwrap(), Vec::<String>::new());
    assert_eq!(place.inner(VOLUME), ["snapshot-2"]);
    driver.delete_snapshot(stored("snapshot-2", 1), attached(VOLUME, 1)).unwrap();
    place.remember("snapshot-2", "kept");
    driver.create_snapshot("snapshot-4", stored(VOLUME, 1)).unwrap();
    assert_eq!(place.inner(VOLUME), ["snapshot-4"]);
    driver.delete_snapshot(stored("snapshot-4", 1), attached(VOLUME, 1)).unwrap();
    driver.delete_volume(VOLUME).unwrap();
    assert_eq!(place.names(), ["volume-2"]);
}

#[test]
fn what_a_killed_program_left_is_found_and_freed() {
    let place = Place::new(Snapshots::Internal);
    place.create();
    place.write(1, &PLACES);
    place.snapshot("snapshot-1", 1);
    // As a program leaves it that was killed before its snapshot was in the table: clusters that nobody counts on.
    let path = place.path(VOLUME);
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut count = [0; 12];
    file.read_exact_at(&mut count, 60).unwrap();
    file.write_all_at(&[0; 12], 60).unwrap();
    drop(file);
    fs::remove_file(place.path("snapshot-1")).unwrap();
    let check = || Command::new("qemu-img").args(["check", "-q", "-f", "qcow2"]).arg(&path).status().unwrap().code();
    assert_eq!(check(), Some(3), "nothing was lost, so there is nothing to find");
    fs::write(place.path(".volume-1.upkeep"), "").unwrap();
    fs::write(place.path(".volume-gone.upkeep"), "").unwrap();
    assert_eq!(place.driver.sweep().unwrap(), 0);
    assert_eq!(place.driver.untended().unwrap(), [VOLUME]);
    place.driver.tend_volume(stored(VOLUME, 1)).unwrap();
    assert_eq!(check(), Some(0));
    place.assert_holds(stored(VOLUME, 1));
    assert_eq!(place.names(), [VOLUME]);
}

#[test]
fn files_that_were_copied_one_by_one_to_another_folder_hold_what_they_did() {
    let place = Place::new(Snapshots::Internal);
    place.create();
    place.write(1, &PLACES);
    place.snapshot("snapshot-1", 1);
    place.write(10, &PLACES);
    place.snapshot("snapshot-2", 1);
    place.write(20, &PLACES);
    for name in place.names() {
        let copy = ["--sparse=always", "--reflink=auto"];
        let (from, to) = (place.path(&name), place.path("copy"));
        assert!(Command::new("cp").args(copy).args([&from, &to]).status().unwrap().success());
        fs::rename(to, from).unwrap();
    }
    let all = [(VOLUME, 1), ("snapshot-1", 1), ("snapshot-2", 1)];
    all.iter().for_each(|(name, size)| place.assert_holds(stored(name, *size)));
    place.revert(1, stored("snapshot-2", 1));
    place.driver.delete_snapshot(stored("snapshot-2", 1), stored(VOLUME, 1)).unwrap();
    place.assert_holds(stored("snapshot-1", 1));
    place.assert_holds(stored(VOLUME, 1));
    place.driver.delete_snapshot(stored("snapshot-1", 1), stored(VOLUME, 1)).unwrap();
    assert_eq!((place.names(), place.inner(VOLUME)), (vec![VOLUME.to_owned()], Vec::new()));
}

/// A snapshot is read in the format of its volume, and would be damaged from the beginning.
#[test]
fn a_raw_file_becomes_no_snapshot_of_a_qcow2_volume_and_stays_where_it_is() {
    let world = World::with("enabled_backends = file", "[file]\nnfs_qcow2_volumes = true");
    let _service = world.start();
    let volume = world.create(1, Of::Nothing);
    world.settle();
    let file = world.volumes().join("stranger");
    fs::File::create(&file).unwrap().set_len(GIB).unwrap();
    let id = world.manage_snapshot(&volume, "stranger");
    world.settle();
    assert_eq!(world.snapshot(&id).unwrap().status, Status::Error);
    assert_eq!(fs::metadata(&file).unwrap().len(), GIB);
    world.delete_snapshot(&id);
    world.settle();
    assert_eq!(world.usage(), [1, 0, 1]);
    assert!(file.exists());
}

#[test]
fn what_was_removed_from_a_volume_in_use_goes_when_nobody_uses_it_and_the_doctor_knows() {
    let world =
        World::with("enabled_backends = file", "[file]\nnfs_qcow2_volumes = true\nhearth_file_snapshots = internal");
    let service = world.start();
    let volume = world.create(1, Of::Nothing);
    world.settle();
    let [first, second] = [(); 2].map(|()| {
        let id = world.create_snapshot(&volume);
        world.settle();
        id
    });
    let set = |status: &str, attach_status: &str| {
        let sql = "UPDATE volumes SET status = ?, attach_status = ? WHERE id = ?";
        let params = [status.into(), attach_status.into(), (&volume).into()];
        world.database.write(|tx| tx.execute(sql, &params)).unwrap();
    };
    set("in-use", "attached");
    let path = world.volumes().join(format!("volume-{volume}"));
    let qemu = Qemu::open(&path);
    world.delete_snapshot(&first);
    world.settle();
    assert!(world.snapshot(&first).is_none());
    let mark = format!(".volume-{volume}.upkeep");
    assert!(world.files().contains(&mark));
    assert_eq!(world.usage(), [1, 1, 2]);
    let told = |severity| {
        examine(world.config(), &world.database)
            .iter()
            .any(|one| one.severity == severity && one.what.contains(&volume))
    };
    assert!(told(Severity::Notice) && !told(Severity::Warning));
    world.wait_for_reports("node1@file", 2);
    qemu.close();
    assert_eq!(inner(&path).len(), 2, "it went under somebody's hands");
    set("available", "detached");
    world.wait("its end", || (!world.files().contains(&mark)).then_some(()));
    world.settle();
    assert_eq!(inner(&path), [format!("snapshot-{second}")]);
    assert_eq!(examine(world.config(), &world.database), []);
    drop(service);

    // Also what an earlier service left.
    fs::write(world.volumes().join(&mark), "").unwrap();
    assert!(told(Severity::Warning));
    let _service = world.start();
    world.settle();
    world.assert_whole();
    assert_eq!(world.snapshot(&second).unwrap().status, Status::Available);
}
