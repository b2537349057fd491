//! The file driver on the file system of the temporary folder, with the real `qemu-img`.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use hearth::block_storage::model::pool::Space;
use hearth::block_storage::volume::drivers::file::FileDriver;
use hearth::block_storage::volume::drivers::{Driver, Format, Stored};

use super::world::Mount;

const GIB: u64 = 1 << 30;

struct Backend {
    driver: FileDriver,
    format: Format,
    folder: PathBuf,
}

fn backend(format: Format, thin: bool) -> Backend {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("hearth-files-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    let driver = FileDriver::new(folder.join("volumes"), format, thin);
    assert!(driver.acquire().unwrap());
    driver.check().unwrap();
    Backend { driver, format, folder }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Backend {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join("volumes").join(name)
    }

    fn names(&self) -> Vec<String> {
        let inventory = self.driver.inventory().unwrap();
        assert_eq!(inventory.leftovers, Vec::<String>::new());
        inventory.names
    }

    fn write(&self, name: &str, at: u64, text: &[u8]) {
        let path = self.path(name);
        if self.format == Format::Raw {
            std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(text, at).unwrap();
        } else {
            let command = format!("write -q -P {} {at} {}", text[0], text.len());
            let done = Command::new("qemu-io").args(["-f", "qcow2", "-c", &command]).arg(path).status().unwrap();
            assert!(done.success());
        }
    }
}

/// What the real `qemu-img` says of a file: format, size in bytes, bytes on disk.
fn examined(path: &Path, format: Format) -> (String, u64, u64) {
    let output = Command::new("qemu-img")
        .args(["info", "--output=json", "-f", format.name()])
        .arg(path)
        .output()
        .expect("qemu-img is needed for this test");
    assert!(output.status.success(), "{output:?}");
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| info[name].as_u64().unwrap();
    (info["format"].as_str().unwrap().to_owned(), number("virtual-size"), number("actual-size"))
}

fn stored(name: &str, size_gib: i64, format: Format) -> Stored<'_> {
    Stored { name, size_gib, format, attached: false }
}

#[test]
fn both_formats_are_made_grown_and_removed_as_qemu_sees_them() {
    for format in [Format::Raw, Format::Qcow2] {
        let backend = backend(format, true);
        let driver = &backend.driver;
        assert_eq!(driver.create_volume("volume-1", 2).unwrap(), format);
        let path = backend.path("volume-1");
        let (found, size, used) = examined(&path, format);
        assert_eq!((found.as_str(), size), (format.name(), 2 * GIB));
        assert!(used < 1 << 20, "a thin volume takes {used} bytes");
        driver.extend_volume(stored("volume-1", 2, format), 5).unwrap();
        driver.extend_volume(stored("volume-1", 2, format), 5).unwrap();
        assert_eq!(examined(&path, format).1, 5 * GIB);
        driver.extend_volume(stored("volume-1", 5, format), 3).unwrap();
        assert_eq!(examined(&path, format).1, 5 * GIB, "a volume never shrinks");
        assert_eq!(backend.names(), ["volume-1"]);
        driver.delete_volume("volume-1").unwrap();
        driver.delete_volume("volume-1").unwrap();
        assert_eq!(backend.names(), Vec::<String>::new());
    }
}

#[test]
fn a_thick_volume_has_its_space_at_once() {
    for format in [Format::Raw, Format::Qcow2] {
        let backend = backend(format, false);
        let used = || std::fs::metadata(backend.path("volume-1")).unwrap().blocks() * 512;
        backend.driver.create_volume("volume-1", 1).unwrap();
        assert!(used() >= GIB, "{format:?} takes {} bytes", used());
        backend.driver.extend_volume(stored("volume-1", 1, format), 2).unwrap();
        assert!(used() >= 2 * GIB, "{format:?} takes {} bytes", used());
        assert_eq!(examined(&backend.path("volume-1"), format).1, 2 * GIB);
    }
}

#[test]
fn a_copy_costs_what_was_written_and_not_what_was_promised() {
    for format in [Format::Raw, Format::Qcow2] {
        let backend = backend(format, true);
        let driver = &backend.driver;
        driver.create_volume("volume-1", 8).unwrap();
        backend.write("volume-1", 5 * GIB, &[b'x'; 70_000]);
        driver.create_snapshot("snapshot-1", stored("volume-1", 8, format)).unwrap();
        backend.write("volume-1", 5 * GIB, &[b'y'; 70_000]);
        driver.copy_volume("volume-2", 9, stored("snapshot-1", 8, format)).unwrap();
        driver.copy_volume("volume-3", 8, stored("volume-1", 8, format)).unwrap();
        for (name, size, content) in [("volume-2", 9, b'x'), ("volume-3", 8, b'y')] {
            let path = backend.path(name);
            let (_, bytes, used) = examined(&path, format);
            assert_eq!(bytes, size * GIB, "{name}");
            assert!(used < 2 << 20, "{name} takes {used} bytes");
            let verify = format!("read -q -P {content} {} 70000", 5 * GIB);
            let done = Command::new("qemu-io").args(["-r", "-f", format.name(), "-c", &verify]).arg(path).output();
            assert!(done.unwrap().stdout.is_empty(), "{name} has other bytes");
        }
        let mut found = [0];
        let content = driver.read_content(stored("snapshot-1", 8, format)).unwrap();
        content.file.read_exact_at(&mut found, 5 * GIB + 69_999).unwrap();
        assert_eq!((found, content.bytes), ([b'x'], 8 * GIB));
        driver.delete_snapshot(stored("snapshot-1", 8, format), stored("volume-1", 8, format)).unwrap();
        assert_eq!(backend.names(), ["volume-1", "volume-2", "volume-3"]);
    }
}

#[test]
fn a_volume_goes_back_to_its_snapshot_at_the_snapshots_size() {
    let backend = backend(Format::Raw, true);
    let driver = &backend.driver;
    driver.create_volume("volume-1", 1).unwrap();
    backend.write("volume-1", 0, b"before");
    driver.create_snapshot("snapshot-1", stored("volume-1", 1, Format::Raw)).unwrap();
    backend.write("volume-1", 0, b"after!");
    driver.revert_volume(stored("volume-1", 1, Format::Raw), stored("snapshot-1", 1, Format::Raw)).unwrap();
    let mut found = [0; 6];
    std::fs::File::open(backend.path("volume-1")).unwrap().read_exact_at(&mut found, 0).unwrap();
    assert_eq!(&found, b"before");
}

#[test]
fn an_attached_volume_is_copied_only_where_the_copy_is_of_one_moment() {
    let backend = backend(Format::Raw, true);
    let driver = &backend.driver;
    driver.create_volume("volume-1", 1).unwrap();
    backend.write("volume-1", 0, b"data");
    let attached = Stored { attached: true, ..stored("volume-1", 1, Format::Raw) };
    match driver.create_snapshot("snapshot-1", attached) {
        Ok(()) => assert_eq!(backend.names(), ["snapshot-1", "volume-1"], "a file system with reflinks"),
        Err(error) => {
            assert!(error.public().contains("attached"), "{error}");
            assert_eq!(backend.names(), ["volume-1"]);
        }
    }
}

#[test]
fn a_file_system_with_reflinks_copies_even_attached_volumes_and_takes_no_space_for_it() {
    let folder = std::env::temp_dir().join(format!("hearth-reflinks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let place = folder.join("xfs");
    if let Some(_mount) = Mount::with_reflinks(&place) {
        let driver = FileDriver::new(place.clone(), Format::Raw, true);
        assert!(driver.acquire().unwrap());
        driver.create_volume("volume-1", 1).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(place.join("volume-1")).unwrap();
        file.write_all_at(&vec![b'x'; 100 << 20], 7).unwrap();
        file.sync_all().unwrap();
        let free = |driver: &FileDriver| match driver.capacity().unwrap().free {
            Space::Gib(gib) => gib,
            other => panic!("{other:?}"),
        };
        let before = free(&driver);
        let attached = Stored { attached: true, ..stored("volume-1", 1, Format::Raw) };
        driver.create_snapshot("snapshot-1", attached).unwrap();
        driver.copy_volume("volume-2", 2, attached).unwrap();
        assert!(before - free(&driver) < 0.03, "{before} GiB before, {} after", free(&driver));
        let mut found = [0; 2];
        std::fs::File::open(place.join("volume-2")).unwrap().read_exact_at(&mut found, 6).unwrap();
        assert_eq!(&found, b"\0x");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_failed_step_leaves_nothing_behind() {
    let backend = backend(Format::Raw, true);
    let error = backend.driver.copy_volume("volume-2", 1, stored("snapshot-none", 1, Format::Raw)).unwrap_err();
    assert_eq!(error.public(), "A file of the backend is missing.");
    let error = backend.driver.create_volume("volume-3", 1 << 33).unwrap_err();
    assert!(!error.public().is_empty());
    assert_eq!(backend.names(), Vec::<String>::new());
}

#[test]
fn names_that_lead_out_of_the_folder_are_refused() {
    let backend = backend(Format::Raw, true);
    for name in ["", "../volume-1", ".hidden", "a/b"] {
        assert!(backend.driver.create_volume(name, 1).is_err(), "{name}");
        assert!(backend.driver.delete_volume(name).is_err(), "{name}");
    }
}

#[test]
fn a_link_in_the_place_of_a_volume_is_not_followed() {
    let backend = backend(Format::Raw, true);
    let outside = backend.folder.join("outside");
    std::fs::write(&outside, b"secret").unwrap();
    std::os::unix::fs::symlink(&outside, backend.path("volume-1")).unwrap();
    assert!(backend.driver.copy_volume("volume-2", 1, stored("volume-1", 1, Format::Raw)).is_err());
    assert!(backend.driver.extend_volume(stored("volume-1", 1, Format::Raw), 2).is_err());
    assert_eq!(std::fs::read(&outside).unwrap(), b"secret");
}

#[test]
fn only_one_process_has_the_folder_and_only_while_it_lives() {
    let backend = backend(Format::Raw, true);
    let other = FileDriver::new(backend.folder.join("volumes"), Format::Raw, true);
    assert!(!other.acquire().unwrap());
    assert!(backend.driver.acquire().unwrap(), "it keeps what it has");
    drop(backend);
    assert!(other.acquire().unwrap());
    std::fs::remove_dir_all(other.inventory().unwrap().place.trim_end_matches("/volumes")).unwrap();
}

#[test]
fn unfinished_files_are_swept_and_nothing_else() {
    let backend = backend(Format::Raw, true);
    backend.driver.create_volume("volume-1", 1).unwrap();
    std::fs::write(backend.path(".volume-2.77-0.part"), b"half").unwrap();
    std::fs::write(backend.path(".keep"), b"a file of the operator").unwrap();
    assert_eq!(backend.driver.inventory().unwrap().leftovers, [".volume-2.77-0.part"]);
    assert_eq!(backend.driver.sweep().unwrap(), 1);
    assert_eq!(backend.names(), ["volume-1"]);
    assert!(backend.path(".keep").exists());
}

#[test]
fn a_folder_that_was_replaced_is_no_longer_used() {
    let backend = backend(Format::Raw, true);
    let root = backend.folder.join("volumes");
    std::fs::rename(&root, backend.folder.join("moved")).unwrap();
    assert!(backend.driver.check().is_err());
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join(".hearth.lock"), b"").unwrap();
    let error = backend.driver.check().unwrap_err();
    assert_eq!(error.public(), "The backend's folder has been replaced.");
}

#[test]
fn capacity_is_that_of_the_file_system() {
    let backend = backend(Format::Raw, true);
    let capacity = backend.driver.capacity().unwrap();
    let (Space::Gib(total), Space::Gib(free)) = (capacity.total, capacity.free) else { panic!("{capacity:?}") };
    assert!(total > 0.0 && free <= total, "{capacity:?}");
}
