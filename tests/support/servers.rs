//! Real database servers for tests: MariaDB and PostgreSQL in folders of their own under the temporary folder, reached by
//! unix sockets, and files of SQLite. A server ends when the test's process ends, however that ends.
//!
//! Include it with `#[path = "../support/servers.rs"] mod servers;`.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use hearth::database::{Database, Engine, Options};

/// All engines.
pub(crate) const ENGINES: [Engine; 3] = [Engine::Sqlite, Engine::Mysql, Engine::Postgres];

/// Runs the server in `$1` onwards until its own input ends, then stops it by the signal in `$SIGNAL` and, unless the
/// input said `keep`, removes the folder.
const KEEPER: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
trap '' INT
read -r word <&3
kill -"$SIGNAL" "$server" 2>/dev/null
wait "$server"
[ "$word" = keep ] || rm -rf "$FOLDER"
"#;

/// A running server.
pub(crate) struct Server {
    engine: Engine,
    folder: PathBuf,
    /// Whether commits wait for the disk.
    durable: bool,
    running: Option<(Child, ChildStdin)>,
}

impl Server {
    /// Starts a server with no databases. No test cuts the power, so nothing waits for the disk.
    pub(crate) fn start(engine: Engine) -> Self {
        Self::begin(engine, false)
    }

    /// The same with commits that wait for the disk, for who measures them.
    pub(crate) fn durable(engine: Engine) -> Self {
        Self::begin(engine, true)
    }

    fn begin(engine: Engine, durable: bool) -> Self {
        let folder = scratch_folder(engine.name().split(' ').next().unwrap_or("db"));
        let mut server = Self { engine, folder, durable, running: None };
        match engine {
            Engine::Sqlite => {}
            Engine::Mysql => server.install_mariadb(),
            Engine::Postgres => server.install_postgres(),
        }
        server.run();
        server
    }

    /// The URL of a database of this server, in the form of `cinder.conf`.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.display();
        match self.engine {
            Engine::Sqlite => format!("sqlite:///{folder}/{database}.db"),
            Engine::Mysql => {
                format!("mysql+pymysql://root@localhost/{database}?charset=utf8&unix_socket={folder}/mariadb.sock")
            }
            Engine::Postgres => format!("postgresql+psycopg2://postgres@/{database}?host={folder}"),
        }
    }

    /// Makes an empty database; its URL.
    pub(crate) fn create(&self, database: &str) -> String {
        let administration = match self.engine {
            Engine::Sqlite => return self.url(database),
            Engine::Mysql => "mysql",
            Engine::Postgres => "postgres",
        };
        let administration = Database::open(&self.url(administration), Options::default()).expect("a database");
        let sql = format!("CREATE DATABASE \"{database}\"");
        administration.read(|c| c.execute(&sql, &[])).expect("the database is made");
        self.url(database)
    }

    /// Stops the server as its service manager would, and starts it again on the same data.
    pub(crate) fn restart(&mut self) {
        self.stop(b"keep\n");
        self.run();
    }

    /// Stops the server; its data stay until it is dropped.
    pub(crate) fn halt(&mut self) {
        self.stop(b"keep\n");
    }

    /// Starts it again after [`Server::halt`].
    pub(crate) fn resume(&mut self) {
        self.run();
    }

    fn stop(&mut self, word: &[u8]) {
        if let Some((mut keeper, mut input)) = self.running.take() {
            input.write_all(word).expect("the keeper listens");
            drop(input);
            keeper.wait().expect("the keeper ends");
        }
    }

    fn install_mariadb(&self) {
        let log = fs::File::create(self.folder.join("install.log")).expect("a log");
        let status = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(as_root().then_some("--user=root"))
            .arg(format!("--datadir={}/data", self.folder.display()))
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .status()
            .expect("mariadb-install-db of the package mariadb-server starts");
        assert!(status.success(), "mariadb-install-db failed; see {}", self.folder.join("install.log").display());
    }

    fn install_postgres(&self) {
        let log = fs::File::create(self.folder.join("install.log")).expect("a log");
        if as_root() {
            let own = Command::new("chown").arg("postgres").arg(&self.folder).status().expect("chown starts");
            assert!(own.success(), "the folder could not be given to the user postgres");
        }
        let mut command = self.as_postgres("initdb");
        let status = command
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(self.folder.join("data"))
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .status()
            .expect("initdb of the package postgresql starts");
        assert!(status.success(), "initdb failed; see {}", self.folder.join("install.log").display());
    }

    /// A program of PostgreSQL; as the user postgres where this is root, whom PostgreSQL refuses.
    fn as_postgres(&self, program: &str) -> Command {
        let path = postgres_program(program);
        let mut command = if as_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(&self.folder);
        command
    }

    fn run(&mut self) {
        let folder = self.folder.display();
        let (command, ready, signal) = match self.engine {
            // Nothing to run but the keeper, which removes the folder.
            Engine::Sqlite => (Command::new("true"), &[][..], "TERM"),
            Engine::Mysql => {
                let mut command = Command::new(mariadb_program());
                let quick = ["--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=2"];
                command
                    .args(["--no-defaults", "--skip-networking"])
                    .arg(format!("--innodb-buffer-pool-size={}", if self.durable { "256M" } else { "64M" }))
                    .args((!self.durable).then_some(quick).into_iter().flatten())
                    .args(as_root().then_some("--user=root"))
                    .args(
                        ["datadir=", "socket=", "pid-file="]
                            .iter()
                            .zip(["data", "mariadb.sock", "pid"])
                            .map(|(option, name)| format!("--{option}{folder}/{name}")),
                    );
                (command, &["ready for connections"][..], "TERM")
            }
            Engine::Postgres => {
                let mut command = self.as_postgres("postgres");
                command.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder).args([
                    "-c",
                    "listen_addresses=",
                    "-c",
                    if self.durable { "fsync=on" } else { "fsync=off" },
                    "-c",
                    "max_connections=150",
                    // A second each, else; tests make deadlocks by the hundred.
                    "-c",
                    "deadlock_timeout=50ms",
                ]);
                (command, &["database system is ready to accept connections"][..], "INT")
            }
        };
        let (running, _) = kept(&command, &self.folder, signal, ready);
        self.running = Some(running);
    }
}

/// Starts a server that writes its log to its error output, and waits until the log holds all of `ready`; the log until
/// then. The server ends by `signal`, and its folder with it, when the input that is answered ends or hears a line; after
/// the line `keep` the folder stays.
pub(crate) fn kept(
    command: &Command,
    folder: &Path,
    signal: &str,
    ready: &[&str],
) -> ((Child, ChildStdin), Vec<String>) {
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(folder)
        .env("SIGNAL", signal)
        .env("FOLDER", folder)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh starts");
    let input = keeper.stdin.take().expect("an input");
    let mut lines = BufReader::new(keeper.stderr.take().expect("an error output")).lines().map_while(Result::ok);
    let (mut log, mut awaited) = (Vec::new(), ready.to_vec());
    let started = awaited.is_empty()
        || lines.by_ref().any(|line| {
            awaited.retain(|words| !line.contains(words));
            log.push(line);
            awaited.is_empty()
        });
    assert!(started, "{} did not start:\n{}", command.get_program().to_string_lossy(), log.join("\n"));
    // The server goes on writing its log, and would be stopped by a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    ((keeper, input), log)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(b"remove\n");
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The server of an engine that all tests of this process share.
pub(crate) fn shared(engine: Engine) -> &'static Server {
    static SERVERS: [OnceLock<Server>; 3] = [const { OnceLock::new() }; 3];
    let at = ENGINES.iter().position(|other| *other == engine).expect("an engine of the list");
    SERVERS[at].get_or_init(|| Server::start(engine))
}

/// The URL of a new empty database on the shared server.
pub(crate) fn empty_database(engine: Engine) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    shared(engine).create(&format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed)))
}

/// A new folder under the temporary one.
pub(crate) fn scratch_folder(name: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("hearth-{}-{}-{number}", name.to_lowercase(), std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn as_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn mariadb_program() -> PathBuf {
    let known = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd", "/usr/bin/mariadbd"];
    known.iter().map(PathBuf::from).find(|path| path.exists()).unwrap_or_else(|| "mariadbd".into())
}

/// A program of the newest PostgreSQL that is installed.
fn postgres_program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let newest =
        versions.map(|entry| entry.path()).filter(|path| path.join("bin").join(name).exists()).max_by_key(|path| {
            path.file_name().and_then(|version| version.to_str()).and_then(|version| version.parse::<u32>().ok())
        });
    newest.map_or_else(|| Path::new(name).to_path_buf(), |path| path.join("bin").join(name))
}
