//! A database, a folder of volumes, and volume services on them: in this process, or the executable, which can be killed.

mod requests;
mod running;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth::block_storage::model::snapshot::Snapshot;
use hearth::block_storage::model::volume::Volume;
use hearth::block_storage::rpc::Doorbell;
use hearth::block_storage::store::{snapshots, tables, volumes};
use hearth::block_storage::volume::start;
use hearth::config::Config;
use hearth::database::{Connection, Database, Options, migrate, orders};

pub(super) use self::requests::{charge_of, default_type, limits, new_snapshot, new_volume, requester};
pub(super) use self::running::{Mount, Running, Service};
use super::crash_stories::Fate;
use super::servers::scratch_folder;

pub(super) const PROJECT: &str = "0a1d7e94c3b84f6f9d52e8a6b7c4f310";

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_secs(300);

pub(super) struct World {
    pub(super) folder: PathBuf,
    pub(super) database: Database,
    config: Arc<Config>,
    pub(super) doorbell: Doorbell,
}

/// Orders that wait; an answer that nobody fetches is none.
const ORDERS: &str = "SELECT count(*) FROM hearth_orders WHERE role <> 'answer'";

/// What to make a volume of.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    Nothing,
    Snapshot(&'a str),
    Volume(&'a str),
}

impl World {
    /// A world with the one default backend.
    pub(super) fn new() -> Self {
        Self::with("", "")
    }

    /// A world with these lines in `[DEFAULT]`, and these sections. `%F` stands for the world's folder. Space may be
    /// promised so often that the size of the machine's disk does not matter.
    pub(super) fn with(default: &str, sections: &str) -> Self {
        let folder = scratch_folder("volume");
        // The tables are made once and copied, which is much faster.
        fs::write(folder.join("hearth.db"), empty_database()).unwrap();
        let url = format!("sqlite:///{}/hearth.db", folder.display());
        Self::at(folder, &url, default, sections)
    }

    /// A world with the one default backend on a database that is empty.
    pub(super) fn on(url: &str) -> Self {
        Self::on_with(url, "", "")
    }

    /// As [`World::with`], on a database that is empty.
    pub(super) fn on_with(url: &str, default: &str, sections: &str) -> Self {
        make_tables(&Database::open(url, Options { create: true, ..Options::default() }).unwrap());
        Self::at(scratch_folder("volume"), url, default, sections)
    }

    fn at(folder: PathBuf, database: &str, default: &str, sections: &str) -> Self {
        let path = folder.display().to_string();
        let text = format!(
            "[DEFAULT]\nhost = node1\nstate_path = {path}\nreport_interval = 1\nbackend_stats_polling_interval = 1\n\
             {default}\n[database]\nconnection = {database}\n\
             [backend_defaults]\nmax_over_subscription_ratio = 1000000\n{sections}\n"
        );
        let text = text.replace("%F", &path);
        fs::write(folder.join("hearth.conf"), &text).unwrap();
        let config = Arc::new(Config::from_text(&text).unwrap());
        let doorbell = Doorbell::new(&config);
        Self { database: Database::open(database, Options::default()).unwrap(), config, doorbell, folder }
    }

    /// A volume service in this process.
    pub(super) fn start(&self) -> Running {
        Running(Some(start(self.config.clone(), self.database.clone()).unwrap()))
    }

    /// The executable's volume service, which dies at `fault` where one is given.
    pub(super) fn spawn(&self, fault: Option<&str>) -> Service {
        self.spawn_with(&[(hearth::service::fault::VARIABLE, fault.unwrap_or("none"))])
    }

    /// The executable's volume service, which meets its fate while `host` is served and `story` is told, and another one
    /// that ends what it has begun. Answers what the story does.
    pub(super) fn meet<T>(&self, fate: Fate<'_>, host: &str, story: impl FnOnce() -> T) -> T {
        self.meet_and_look(fate, host, story, || ())
    }

    /// As [`World::meet`], with a look at what is left before the next service starts.
    pub(super) fn meet_and_look<T>(
        &self,
        fate: Fate<'_>,
        host: &str,
        story: impl FnOnce() -> T,
        look: impl FnOnce(),
    ) -> T {
        let first = self.spawn_as(|command| fate.befall(command));
        self.wait_for_service(host);
        fate.begin();
        let done = story();
        if fate.is_watched() {
            self.settle();
            first.stop();
        } else {
            first.wait_for_death();
        }
        look();
        let next = self.spawn(None);
        self.settle();
        next.stop();
        done
    }

    /// The executable's volume service, which finds programs in this folder alone.
    pub(super) fn spawn_with_path(&self, folder: &Path) -> Service {
        self.spawn_with(&[("PATH", folder.to_str().unwrap())])
    }

    /// The executable's volume service on another host, which keeps its volumes in a folder of the host's name.
    pub(super) fn spawn_on(&self, host: &str) -> Service {
        let volumes = self.folder.join(host);
        let volumes = volumes.to_str().unwrap();
        self.spawn_with(&[("OS_DEFAULT__HOST", host), ("OS_BACKEND_DEFAULTS__HEARTH_FILE_PATH", volumes)])
    }

    /// The executable's volume service on another host, which has this backend of the configuration alone, and dies at `fault`
    /// where one is given.
    pub(super) fn spawn_backend_on(&self, host: &str, backend: &str, fault: Option<&str>) -> Service {
        let fault = (hearth::service::fault::VARIABLE, fault.unwrap_or("none"));
        self.spawn_with(&[("OS_DEFAULT__HOST", host), ("OS_DEFAULT__ENABLED_BACKENDS", backend), fault])
    }

    /// As [`World::spawn_backend_on`], to meet its fate.
    pub(super) fn spawn_backend_as(&self, host: &str, backend: &str, fate: Fate<'_>) -> Service {
        self.spawn_as(|command| {
            command.env("OS_DEFAULT__HOST", host).env("OS_DEFAULT__ENABLED_BACKENDS", backend);
            fate.befall(command);
        })
    }

    fn spawn_with(&self, variables: &[(&str, &str)]) -> Service {
        self.spawn_as(|command| {
            command.envs(variables.iter().copied());
        })
    }

    fn spawn_as(&self, prepare: impl FnOnce(&mut Command)) -> Service {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
        command.arg("--config-file").arg(self.folder.join("hearth.conf")).arg("volume");
        prepare(&mut command);
        let log = fs::File::options().create(true).append(true).open(self.folder.join("volume.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().unwrap();
        let doorbell = self.folder.join(format!("doorbell/{}-0.sock", child.id()));
        Service { child, doorbell }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The folder of the only backend.
    pub(super) fn volumes(&self) -> PathBuf {
        self.folder.join("volumes/file")
    }

    /// The names of all files of the only backend, leftovers among them, without those that the driver always keeps.
    pub(super) fn files(&self) -> Vec<String> {
        files(&self.volumes())
    }

    /// The files of all backends whose folders have their usual names, each below the name of its backend.
    fn files_of_all(&self) -> Vec<String> {
        let folders = fs::read_dir(self.folder.join("volumes")).into_iter().flatten();
        let mut found: Vec<String> = folders
            .map(|folder| folder.unwrap())
            .flat_map(|folder| {
                let name = folder.file_name().into_string().unwrap();
                files(&folder.path()).into_iter().map(move |file| format!("{name}/{file}"))
            })
            .collect();
        found.sort();
        found
    }

    pub(super) fn read<T>(&self, body: impl FnMut(&mut Connection) -> hearth::Result<T>) -> T {
        self.database.read(body).unwrap()
    }

    pub(super) fn volume(&self, id: &str) -> Option<Volume> {
        self.read(|c| volumes::by_id(c, id))
    }

    pub(super) fn snapshot(&self, id: &str) -> Option<Snapshot> {
        self.read(|c| snapshots::by_id(c, id))
    }

    /// Waits until there is no order left.
    pub(super) fn settle(&self) {
        self.wait("the last order", || (self.count(ORDERS) == 0).then_some(()));
    }

    /// Waits for something to be there.
    pub(super) fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let since = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(since.elapsed() < DEADLINE, "waited in vain for {what}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Waits until the service of a backend is up.
    pub(super) fn wait_for_service(&self, host: &str) {
        let sql = "SELECT count(*) FROM services WHERE host = ? AND updated_at IS NOT NULL";
        self.wait("the service to be up", || {
            let count = self.read(|c| c.row(sql, &[host.into()], |row| row.int(0))).unwrap_or(0);
            (count > 0).then_some(())
        });
    }

    /// Waits until the service of a backend has reported so often.
    pub(super) fn wait_for_reports(&self, host: &str, count: i64) {
        let sql = "SELECT report_count FROM services WHERE host = ?";
        let before = self.read(|c| c.row(sql, &[host.into()], |row| row.int(0))).unwrap_or(0);
        self.wait("the next reports", || {
            let now = self.read(|c| c.row(sql, &[host.into()], |row| row.int(0))).unwrap_or(0);
            (now >= before + count).then_some(())
        });
    }

    pub(super) fn count(&self, sql: &str) -> i64 {
        self.read(|c| c.row(sql, &[], |row| row.int(0))).unwrap_or_default()
    }

    /// Usage of the project: volumes, snapshots, gigabytes, and the same as the volume type counts them.
    pub(super) fn usage(&self) -> [i64; 3] {
        let of = |name: &str| {
            let sql = "SELECT in_use FROM quota_usages WHERE project_id = ? AND resource = ?";
            self.read(|c| c.row(sql, &[PROJECT.into(), name.into()], |row| row.int(0))).unwrap_or(0)
        };
        let names = ["volumes", "snapshots", "gigabytes"];
        let all = names.map(of);
        assert_eq!(all, names.map(|name| of(&format!("{name}___DEFAULT__"))), "the volume type counts otherwise");
        all
    }

    /// What the rows that are there would count.
    pub(super) fn truth(&self) -> [i64; 3] {
        let one = |sql: &str| self.count(sql);
        let volumes = one("SELECT count(*) FROM volumes WHERE deleted = false");
        let snapshots = one("SELECT count(*) FROM snapshots WHERE deleted = false");
        let gib = one("SELECT coalesce(sum(size), 0) FROM volumes WHERE deleted = false")
            + one("SELECT coalesce(sum(volume_size), 0) FROM snapshots WHERE deleted = false");
        [volumes, snapshots, gib]
    }

    /// The events of all messages about an object, oldest first.
    /// What the cloud was told, in order, where the configuration names a driver.
    pub(super) fn told(&self) -> Vec<String> {
        self.read(|c| c.rows("SELECT event_type FROM hearth_notifications ORDER BY id", &[], |row| row.string(0)))
    }

    pub(super) fn messages(&self, id: &str) -> Vec<String> {
        let sql =
            "SELECT event_id FROM messages WHERE resource_uuid = ? AND project_id = ? ORDER BY created_at, event_id";
        self.read(|c| c.rows(sql, &[id.into(), PROJECT.into()], |row| row.string(0)))
    }

    /// Fails unless rows, usage, workers and files agree and nothing is under way.
    pub(super) fn assert_whole(&self) {
        assert_eq!(self.usage(), self.truth(), "usage is not what the rows say");
        self.assert_done();
    }

    /// Fails unless nothing is under way, and the files are those of the rows.
    pub(super) fn assert_done(&self) {
        assert_eq!(self.count(ORDERS), 0, "an order is left");
        // Cinder's own migration seeds one row.
        assert_eq!(self.count("SELECT count(*) FROM workers WHERE resource_type <> 'SENTINEL'"), 0, "a worker is left");
        let mut expected: Vec<String> = self.read(|c| {
            let mut names = c.rows(
                "SELECT coalesce(_name_id, id), host FROM volumes WHERE deleted = false AND status <> 'error' AND host IS NOT NULL",
                &[],
                |row| Ok(format!("{}/volume-{}", section(row.text(1)?), row.text(0)?)),
            )?;
            let sql = "SELECT s.id, v.host FROM snapshots s JOIN volumes v ON v.id = s.volume_id \
                       WHERE s.deleted = false AND s.status <> 'error'";
            names.extend(
                c.rows(sql, &[], |row| Ok(format!("{}/snapshot-{}", section(row.text(1)?), row.text(0)?)))?,
            );
            Ok(names)
        });
        expected.sort();
        // A service that runs probes its folder now and then, with a file that is gone at once.
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.files_of_all() != expected && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(self.files_of_all(), expected, "the files are not those of the rows");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The section of the configuration that describes the backend of a pool.
fn section(pool: &str) -> &str {
    pool.split(['@', '#']).nth(1).unwrap()
}

/// The names in a folder without those that the driver always keeps.
pub(super) fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".hearth.lock")
        .collect();
    names.sort();
    names
}

/// The size in bytes that the real `qemu-img` finds.
pub(super) fn virtual_size(path: &Path, format: &str) -> u64 {
    let mut command = Command::new("qemu-img");
    let output = command.args(["info", "--output=json", "-f", format]).arg(path).output();
    let output = output.expect("qemu-img is needed for this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    info["virtual-size"].as_u64().unwrap()
}

/// The bytes of a database with its tables and nothing else.
fn empty_database() -> &'static [u8] {
    static MADE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    MADE.get_or_init(|| {
        let folder = scratch_folder("tables");
        let path = folder.join("hearth.db");
        let options = Options { create: true, ..Options::default() };
        let database = Database::open(&format!("sqlite:///{}", path.display()), options).unwrap();
        make_tables(&database);
        // Everything into the one file that is copied.
        database.read(|c| c.query("PRAGMA wal_checkpoint(TRUNCATE)", &[], |_| Ok(()))).unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::remove_dir_all(folder).unwrap();
        bytes
    })
}

fn make_tables(database: &Database) {
    let wanted = migrate::Wanted { cinder: true, components: &[&orders::PLATFORM, &tables::COMPONENT] };
    migrate::sync(database, &wanted).unwrap();
}
