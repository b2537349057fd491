//! The driver with commands that are recorded, and carried out on files in place of devices: which commands each step gives,
//! and that a step that was broken off after any of them can be repeated.

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::FileExt;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex, PoisonError};

    use super::super::*;

    /// A volume group of files.
    #[derive(Default)]
    struct State {
        lines: Vec<String>,
        /// Length and pool of each volume.
        volumes: BTreeMap<String, (u64, String)>,
        /// How many commands that change something are carried out before one fails.
        left: Option<usize>,
    }

    #[derive(Clone)]
    struct Recorder {
        folder: PathBuf,
        state: Arc<Mutex<State>>,
    }

    impl Recorder {
        fn path(&self, name: &str) -> PathBuf {
            self.folder.join("hv").join(name)
        }

        fn lines(&self) -> Vec<String> {
            std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).lines)
        }

        fn fail_after(&self, count: Option<usize>) {
            self.state.lock().unwrap().left = count;
        }

        fn names(&self) -> Vec<String> {
            self.state.lock().unwrap().volumes.keys().cloned().collect()
        }
    }

    impl Commands for Recorder {
        fn run(&self, name: &'static str, arguments: &[&str]) -> Result<String> {
            let mut state = self.state.lock().unwrap();
            if name == "lvs" {
                let row = |(name, (bytes, pool)): (&String, &(u64, String))| json!({"lv_name": name, "lv_size": bytes.to_string(), "pool_lv": pool, "data_percent": "25.00"});
                let rows: Vec<Json> = state.volumes.iter().map(row).collect();
                return Ok(json!({"report": [{"lv": rows}]}).to_string());
            }
            if state.left == Some(0) {
                return Err(Error::unavailable("broken off", name));
            }
            state.left = state.left.map(|left| left - 1);
            state.lines.push(format!("{name} {}", arguments.join(" ")));
            let value = |key: &str| {
                let at = arguments.iter().position(|word| *word == key).unwrap();
                arguments[at + 1].to_owned()
            };
            let last = arguments[arguments.len() - 1].trim_start_matches("hv/").to_owned();
            let number = |text: String| text.trim_end_matches('b').parse::<u64>().unwrap();
            match name {
                "lvcreate" if arguments.contains(&"thin-pool") => {
                    state.volumes.insert(value("--name"), (100 * GIB, String::new()));
                }
                "lvcreate" if arguments.contains(&"--thin") => {
                    let (new, bytes) = (value("--name"), number(value("--virtualsize")));
                    File::create_new(self.path(&new)).unwrap().set_len(bytes).unwrap();
                    assert!(state.volumes.insert(new, (bytes, last)).is_none());
                }
                "lvcreate" => {
                    let new = value("--name");
                    let source = state.volumes[&last].clone();
                    // What the tests write lies at the beginning; a copy of all would write out the holes.
                    let mut start = [0; 8192];
                    File::open(self.path(&last)).unwrap().read_exact_at(&mut start, 0).unwrap();
                    let file = File::create_new(self.path(&new)).unwrap();
                    file.write_all_at(&start, 0).unwrap();
                    file.set_len(source.0).unwrap();
                    assert!(state.volumes.insert(new, source).is_none());
                }
                "lvextend" => {
                    let bytes = number(value("--size"));
                    OpenOptions::new().write(true).open(self.path(&last)).unwrap().set_len(bytes).unwrap();
                    state.volumes.get_mut(&last).unwrap().0 = bytes;
                }
                "lvremove" => {
                    fs::remove_file(self.path(&last)).unwrap();
                    state.volumes.remove(&last).unwrap();
                }
                "lvrename" => {
                    assert!(!state.volumes.contains_key(&last), "{last} is there");
                    fs::rename(self.path(arguments[1]), self.path(&last)).unwrap();
                    let moved = state.volumes.remove(arguments[1]).unwrap();
                    state.volumes.insert(last, moved);
                }
                "vgchange" => {}
                other => panic!("{other} was not expected"),
            }
            Ok(String::new())
        }
    }

    struct Group {
        recorder: Recorder,
        driver: LvmDriver,
    }

    impl Group {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("hearth-lvm-{}", uuid::Uuid::new_v4()));
            fs::create_dir_all(folder.join("hv")).unwrap();
            let recorder = Recorder { folder: folder.clone(), state: Arc::default() };
            let config = Config::from_text("[DEFAULT]\nenabled_backends = one\n[one]\nvolume_group = hv\n").unwrap();
            let driver = LvmDriver::open(&config, "one").unwrap();
            let commands = Box::new(recorder.clone());
            let driver = LvmDriver { devices: folder.clone(), lock_path: folder.join("lock"), commands, ..driver };
            assert!(driver.acquire().unwrap());
            Self { recorder, driver }
        }

        fn write(&self, logical: &str, text: &str) {
            let file = OpenOptions::new().write(true).open(self.recorder.path(logical)).unwrap();
            file.write_all_at(text.as_bytes(), 4096).unwrap();
        }

        fn read(&self, logical: &str) -> String {
            let mut found = [0; 6];
            File::open(self.recorder.path(logical)).unwrap().read_exact_at(&mut found, 4096).unwrap();
            String::from_utf8_lossy(&found).into_owned()
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.recorder.folder);
        }
    }

    fn stored(name: &str) -> Stored<'_> {
        Stored { name, size_gib: 1, format: Format::Raw, attached: false }
    }

    #[test]
    fn each_step_gives_the_commands_of_thin_volumes() {
        let group = Group::new();
        let (driver, recorder) = (&group.driver, &group.recorder);
        assert_eq!(
            recorder.lines(),
            [
                "lvcreate --yes --type thin-pool --extents 95%FREE --name hv-pool hv",
                "vgchange --activate y --ignoreactivationskip hv"
            ]
        );
        driver.create_volume("volume-a", 1).unwrap();
        assert_eq!(recorder.lines(), ["lvcreate --yes --thin --virtualsize 1073741824b --name volume-a hv/hv-pool"]);
        group.write("volume-a", "before");
        // A name that lvm2 keeps for itself.
        driver.create_snapshot("snapshot-b", stored("volume-a")).unwrap();
        assert_eq!(
            recorder.lines(),
            ["lvcreate --yes --snapshot --setactivationskip n --name _snapshot-b hv/volume-a"]
        );
        driver.extend_volume(stored("volume-a"), 2).unwrap();
        driver.extend_volume(stored("volume-a"), 2).unwrap();
        assert_eq!(recorder.lines(), ["lvextend --size 2147483648b hv/volume-a"]);
        driver.copy_volume("volume-c", 3, stored("snapshot-b")).unwrap();
        assert_eq!(
            recorder.lines(),
            [
                "lvcreate --yes --snapshot --setactivationskip n --name hearth-part-volume-c hv/_snapshot-b",
                "lvextend --size 3221225472b hv/hearth-part-volume-c",
                "lvrename hv hearth-part-volume-c volume-c"
            ]
        );
        assert_eq!(group.read("volume-c"), "before");
        group.write("volume-a", "after!");
        driver.revert_volume(stored("volume-a"), stored("snapshot-b")).unwrap();
        assert_eq!(
            recorder.lines(),
            [
                "lvcreate --yes --snapshot --setactivationskip n --name hearth-part-volume-a hv/_snapshot-b",
                "lvremove --yes hv/volume-a",
                "lvrename hv hearth-part-volume-a volume-a"
            ]
        );
        assert_eq!((group.read("volume-a"), group.read("_snapshot-b")), ("before".to_owned(), "before".to_owned()));
        driver.delete_snapshot(stored("snapshot-b"), stored("volume-a")).unwrap();
        driver.delete_snapshot(stored("snapshot-b"), stored("volume-a")).unwrap();
        assert_eq!(recorder.lines(), ["lvremove --yes hv/_snapshot-b"]);
        driver.adopt("volume-c", "volume-d", 3).unwrap();
        driver.adopt("volume-c", "volume-d", 3).unwrap();
        assert_eq!(recorder.lines(), ["lvrename hv volume-c volume-d"]);
    }

    #[test]
    fn what_lies_in_the_group_is_told_without_what_is_unfinished() {
        let group = Group::new();
        let driver = &group.driver;
        driver.create_volume("volume-a", 1).unwrap();
        driver.create_snapshot("snapshot-b", stored("volume-a")).unwrap();
        driver.create_volume("hearth-part-volume-x", 1).unwrap();
        driver.create_volume("hearth-content-volume-x", 1).unwrap();
        let found = driver.inventory().unwrap();
        assert_eq!(
            (found.names, found.leftovers),
            (vec!["snapshot-b".to_owned(), "volume-a".to_owned()], vec!["hearth-part-volume-x".to_owned()])
        );
        assert_eq!(driver.found().unwrap().len(), 2);
        assert_eq!(driver.examine("snapshot-b").unwrap(), GIB);
        assert_eq!(driver.examine("hv-pool").unwrap_err().kind(), crate::Kind::Invalid);
        assert_eq!(driver.sweep().unwrap(), 1);
        driver.forget_content("volume-x").unwrap();
        assert_eq!(group.recorder.names(), ["_snapshot-b", "hv-pool", "volume-a"]);
        assert_eq!(driver.capacity().unwrap(), Capacity { total: Space::Gib(100.0), free: Space::Gib(75.0) });
        assert_eq!(
            driver.local_path("snapshot-b").unwrap().strip_prefix(&group.recorder.folder),
            Ok(Path::new("hv/_snapshot-b"))
        );
    }

    #[test]
    fn a_step_that_was_broken_off_after_any_command_is_repeated_to_the_same_end() {
        type Step = fn(&LvmDriver) -> Result<()>;
        let steps: [Step; 4] = [
            |driver| driver.copy_volume("volume-c", 2, stored("snapshot-b")).map(drop),
            |driver| driver.revert_volume(stored("volume-a"), stored("snapshot-b")),
            |driver| driver.create_snapshot("snapshot-c", stored("volume-a")),
            |driver| {
                driver.write_content(stored("volume-a"), 8192, &|raw| {
                    raw.write_all_at(b"other!", 4096).map_err(|error| failed(&error))
                })
            },
        ];
        for step in steps {
            let mut ends = Vec::new();
            for count in [None, Some(0), Some(1), Some(2), Some(3)] {
                let group = Group::new();
                group.driver.create_volume("volume-a", 1).unwrap();
                group.write("volume-a", "before");
                group.driver.create_snapshot("snapshot-b", stored("volume-a")).unwrap();
                group.write("volume-a", "after!");
                group.recorder.fail_after(count);
                let broken_off = step(&group.driver).is_err();
                group.recorder.fail_after(None);
                if broken_off {
                    group.driver.sweep().unwrap();
                    // Only where the volume itself had gone already can content no longer be put beside it.
                    match step(&group.driver) {
                        Ok(()) => {}
                        Err(_) => continue,
                    }
                }
                let names = group.recorder.names();
                let texts: Vec<String> =
                    names.iter().filter(|name| *name != "hv-pool").map(|name| group.read(name)).collect();
                ends.push((names, texts));
            }
            assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
        }
    }

    #[test]
    fn content_comes_in_and_goes_out_whole() {
        let group = Group::new();
        let driver = &group.driver;
        driver.create_volume("volume-a", 1).unwrap();
        group.write("volume-a", "before");
        let content = driver.read_content(stored("volume-a")).unwrap();
        assert_eq!(content.bytes, GIB);
        driver.import_volume("volume-b", 2, &content).unwrap();
        assert_eq!((group.read("volume-b"), driver.examine("volume-b").unwrap()), ("before".to_owned(), 2 * GIB));
        let refused = driver.read_content(Stored { attached: true, ..stored("volume-a") }).unwrap_err();
        assert!(refused.cause().unwrap().contains("make a snapshot"), "{refused}");
    }

    #[test]
    fn options_that_can_not_be_followed_are_told_with_their_section() {
        for (line, word) in
            [("volume_group = a/b", "a/b"), ("volume_group = -x", "-x"), ("lvm_type = default", "default")]
        {
            let text = format!("[DEFAULT]\nenabled_backends = one\n[one]\nvolume_driver = lvm\n{line}\n");
            let Err(error) = LvmDriver::open(&Config::from_text(&text).unwrap(), "one") else {
                panic!("{line} was taken")
            };
            assert!(error.public().contains("[one]") && error.public().contains(word), "{error}");
        }
    }
}
