//! A world with the API: requests as clients make them, noauth as identity, and services behind.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth::block_storage::backup;
use hearth::block_storage::rpc::server::RunningRole;
use hearth::block_storage::{self, policies};
use hearth::gateway::{Body, Params, Request};
use hearth::rest::pipeline::{App, Mount};
use hearth::rest::platform::Platform;
use serde_json::{Value, json};

use super::world::{PROJECT, World, files};

/// Bytes of one GiB.
pub(super) const GIB: u64 = 1 << 30;
/// What a volume's file holds at some place: where, and what.
pub(super) type Written<'a> = &'a [(u64, &'a [u8])];

pub(super) struct Cloud {
    pub(super) world: World,
    app: App,
    /// Whether the volumes are qcow2 files.
    pub(super) qcow2: bool,
}

impl Cloud {
    /// A cloud whose volumes are raw files.
    pub(super) fn new() -> Self {
        Self::with("", false)
    }

    /// A cloud with these lines in `[DEFAULT]`.
    pub(super) fn with(lines: &str, qcow2: bool) -> Self {
        // Small pieces, so that a volume has many; what is empty is written once and copied.
        let default = format!(
            "auth_strategy = noauth\nenabled_backends = file\nbackup_file_size = {}\n{lines}",
            if lines.contains("backup_sha_block") { 1 << 26 } else { 1 << 25 }
        );
        let world = World::with(&default, &format!("[file]\nnfs_qcow2_volumes = {qcow2}\n"));
        let config = Arc::new(hearth::config::Config::load(&sources(&world)).unwrap());
        let platform = Arc::new(Platform::open(config, policies::ALL).unwrap());
        let service = block_storage::service(platform, world.database.clone());
        let app = App::new(vec![Mount { prefix: String::new(), port: 0, endpoint: Arc::new(service) }]);
        Self { world, app, qcow2 }
    }

    /// A backup service in this process.
    pub(super) fn start(&self) -> Running {
        Running(Some(backup::start(self.world.config(), self.world.database.clone()).unwrap()))
    }

    /// The executable's backup service, which dies at `fault` where one is given.
    pub(super) fn spawn(&self, fault: Option<&str>) -> Service {
        self.spawn_as(|command| {
            command.env(hearth::service::fault::VARIABLE, fault.unwrap_or("none"));
        })
    }

    /// The executable's backup service, with what `prepare` gives it.
    pub(super) fn spawn_as(&self, prepare: impl FnOnce(&mut Command)) -> Service {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
        command.arg("--config-file").arg(self.world.folder.join("hearth.conf")).arg("backup");
        prepare(&mut command);
        let log = fs::File::options().create(true).append(true).open(self.world.folder.join("backup.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Service(command.spawn().unwrap())
    }

    /// Sends a request as an administrator; answers status and body.
    pub(super) fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut params = Params::default();
        let mut push = |name: &str, value: &str| params.push(name.as_bytes(), value.as_bytes());
        let url = format!("/v3/{PROJECT}{path}");
        push("REQUEST_METHOD", method);
        push("REQUEST_URI", &url);
        push("QUERY_STRING", url.split_once('?').map_or("", |(_, query)| query));
        push("REMOTE_ADDR", "127.0.0.1");
        push("HTTP_HOST", "cloud.example");
        push("HTTP_X_AUTH_TOKEN", &format!("admin:{PROJECT}"));
        push("HTTP_OPENSTACK_API_VERSION", "volume 3.71");
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        if !body.is_empty() {
            push("CONTENT_TYPE", "application/json");
            push("CONTENT_LENGTH", &body.len().to_string());
        }
        let response = self.app.handle(Request { params, body: Body::Whole(body) });
        let mut bytes = Vec::new();
        response.body.write_to(&mut bytes).expect("the whole body");
        (response.status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(super) fn expect(&self, status: u16, method: &str, path: &str, body: Option<Value>) -> Value {
        let (found, json) = self.send(method, path, body);
        assert_eq!(found, status, "{method} {path}: {json}");
        json
    }

    /// A volume of the volume service.
    pub(super) fn volume(&self, size_gib: i64) -> String {
        let id = self.world.create(size_gib, super::world::Of::Nothing);
        self.world.settle();
        id
    }

    /// Orders a backup; answers its id.
    pub(super) fn back_up(&self, volume: &str, more: Value) -> String {
        let mut body = json!({ "volume_id": volume });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.expect(202, "POST", "/backups", Some(json!({ "backup": body })));
        made["backup"]["id"].as_str().unwrap().to_owned()
    }

    /// Makes a backup, and waits until it is there.
    pub(super) fn backed_up(&self, volume: &str, more: Value) -> String {
        let id = self.back_up(volume, more);
        self.world.settle();
        let backup = self.backup(&id);
        assert_eq!(backup["status"], "available", "{backup}");
        id
    }

    /// A backup as the API shows it.
    pub(super) fn backup(&self, id: &str) -> Value {
        self.expect(200, "GET", &format!("/backups/{id}"), None)["backup"].clone()
    }

    /// Orders a restore; answers the id of the volume.
    pub(super) fn restore(&self, backup: &str, volume: Option<&str>) -> String {
        let body = json!({"restore": {"volume_id": volume}});
        let begun = self.expect(202, "POST", &format!("/backups/{backup}/restore"), Some(body));
        begun["restore"]["volume_id"].as_str().unwrap().to_owned()
    }

    /// Orders a volume that is made of a backup; its id.
    pub(super) fn create_of(&self, backup: &str, more: Value) -> String {
        let mut body = json!({ "backup_id": backup });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.expect(202, "POST", "/volumes", Some(json!({ "volume": body })));
        assert_eq!(made["volume"]["status"], "creating");
        made["volume"]["id"].as_str().unwrap().to_owned()
    }

    /// The status of a volume, as the API shows it.
    pub(super) fn status(&self, volume: &str) -> String {
        let shown = self.expect(200, "GET", &format!("/volumes/{volume}"), None);
        shown["volume"]["status"].as_str().unwrap().to_owned()
    }

    pub(super) fn delete(&self, backup: &str) {
        self.expect(202, "DELETE", &format!("/backups/{backup}"), None);
    }

    pub(super) fn path(&self, volume: &str) -> PathBuf {
        self.world.volumes().join(format!("volume-{volume}"))
    }

    /// Writes into a volume, as a client would.
    pub(super) fn write(&self, volume: &str, parts: Written<'_>) {
        let path = self.path(volume);
        for (at, bytes) in parts {
            if self.qcow2 {
                let source = self.world.folder.join("written");
                fs::write(&source, bytes).unwrap();
                let command = format!("write -q -s {} {at} {}", source.display(), bytes.len());
                qemu_io(&path, &command);
            } else {
                fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(bytes, *at).unwrap();
            }
        }
    }

    /// The content of a volume as a raw file.
    pub(super) fn raw(&self, volume: &str) -> PathBuf {
        self.raw_of(&self.path(volume))
    }

    /// The content of a volume's or a snapshot's file as a raw file.
    pub(super) fn raw_of(&self, path: &std::path::Path) -> PathBuf {
        if !self.qcow2 {
            return path.to_owned();
        }
        let raw = self.world.folder.join(format!("{}.raw", path.file_name().unwrap().display()));
        let done = Command::new("qemu-img")
            .args(["convert", "-f", "qcow2", "-O", "raw"])
            .arg(path)
            .arg(&raw)
            .status()
            .unwrap();
        assert!(done.success());
        raw
    }

    /// Keeps the content of a volume as it is now, for a comparison.
    pub(super) fn keep(&self, volume: &str, name: &str) -> PathBuf {
        let kept = self.world.folder.join(name);
        let done = Command::new("cp").arg("--sparse=always").arg(self.raw(volume)).arg(&kept).status().unwrap();
        assert!(done.success());
        kept
    }

    /// What a raw volume holds at a place.
    pub(super) fn read(&self, volume: &str, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        fs::File::open(self.path(volume)).unwrap().read_exact_at(&mut bytes, at).unwrap();
        bytes
    }

    /// Fails unless two raw files hold the same in their first GiB.
    pub(super) fn assert_same(&self, one: &std::path::Path, other: &std::path::Path) {
        self.assert_same_within(one, other, 0..GIB);
    }

    /// Fails unless two raw files hold the same in `range`.
    pub(super) fn assert_same_within(
        &self,
        one: &std::path::Path,
        other: &std::path::Path,
        range: std::ops::Range<u64>,
    ) {
        let (one, other) = (fs::File::open(one).unwrap(), fs::File::open(other).unwrap());
        assert!([&one, &other].iter().all(|file| file.metadata().unwrap().len() >= range.end), "one is too short");
        let (mut a, mut b) = (vec![0; 1 << 22], vec![0; 1 << 22]);
        for at in range.step_by(1 << 22) {
            // Most of a volume is a hole, which takes as long to read as data.
            if has_no_data(&one, at, 1 << 22) && has_no_data(&other, at, 1 << 22) {
                continue;
            }
            one.read_exact_at(&mut a, at).unwrap();
            other.read_exact_at(&mut b, at).unwrap();
            assert!(a == b, "they differ after {at}");
        }
    }

    /// All files of backups, below their folder.
    pub(super) fn objects(&self) -> Vec<String> {
        let root = self.world.folder.join("backup");
        let mut found = Vec::new();
        let mut open = vec![root.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.retain(|name| !name.ends_with(".lock") && !name.starts_with(".check"));
        found.sort();
        found
    }

    /// Usage of the project: backups and their gigabytes.
    pub(super) fn usage(&self) -> [i64; 2] {
        ["backups", "backup_gigabytes"].map(|name| {
            let sql = "SELECT in_use FROM quota_usages WHERE project_id = ? AND resource = ?";
            self.world.read(|c| c.row(sql, &[PROJECT.into(), name.into()], |row| row.int(0))).unwrap_or(0)
        })
    }

    /// Fails unless rows, usage, workers and files agree and nothing is under way.
    pub(super) fn assert_whole(&self) {
        let rows = ["count(*)", "coalesce(sum(size), 0)"];
        let truth = rows.map(|what| self.world.count(&format!("SELECT {what} FROM backups WHERE deleted = false")));
        assert_eq!(self.usage(), truth, "usage is not what the rows say");
        let prefixes: Vec<String> = self.world.read(|c| {
            let sql = "SELECT service_metadata FROM backups WHERE deleted = false AND status = 'available'";
            c.rows(sql, &[], |row| row.string(0))
        });
        let stray = |name: &String| !prefixes.iter().any(|prefix| name.rsplit('/').next().unwrap().starts_with(prefix));
        let strays: Vec<String> = self.objects().into_iter().filter(stray).collect();
        assert_eq!(strays, Vec::<String>::new(), "objects of no backup");
        let hidden: Vec<String> =
            files(&self.world.volumes()).into_iter().filter(|name| name.starts_with('.')).collect();
        assert_eq!(hidden, Vec::<String>::new(), "unfinished volumes");
        assert_eq!(self.world.count("SELECT count(*) FROM hearth_orders"), 0, "an order is left");
        assert_eq!(self.world.count("SELECT count(*) FROM workers WHERE resource_type <> 'SENTINEL'"), 0);
        for table in ["volumes", "snapshots", "backups"] {
            let sql = format!(
                "SELECT count(*) FROM {table} WHERE deleted = false AND status IN \
                 ('backing-up', 'restoring-backup', 'restoring', 'creating', 'deleting', 'reverting')"
            );
            assert_eq!(self.world.count(&sql), 0, "something of {table} is stuck");
        }
    }
}

fn sources(world: &World) -> hearth::config::Sources {
    hearth::config::Sources { files: vec![world.folder.join("hearth.conf")], dirs: Vec::new() }
}

/// Whether the file system keeps nothing for these bytes of a file, which read as zeros then.
fn has_no_data(file: &fs::File, at: u64, length: u64) -> bool {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
        Ok(data) => data >= at + length,
        Err(error) => error == rustix::io::Errno::NXIO,
    }
}

/// Runs a command of the real `qemu-io` on a qcow2 file.
fn qemu_io(path: &std::path::Path, command: &str) {
    let output = Command::new("qemu-io").args(["-f", "qcow2", "-c", command]).arg(path).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
}

/// A backup service in this process; stopped when dropped.
pub(super) struct Running(Option<RunningRole>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(role) = self.0.take() {
            role.stop();
            role.wait();
        }
    }
}

/// The executable as a backup service; killed when dropped.
pub(super) struct Service(Child);

impl Service {
    /// Waits for its death at a fault.
    pub(super) fn wait_for_death(mut self) {
        use std::os::unix::process::ExitStatusExt;
        let since = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert_eq!(status.signal(), Some(9), "it ended otherwise than by the fault: {status}");
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(120), "the point of the fault was never reached");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
