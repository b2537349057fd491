//! A block storage service with a fresh SQLite database, and the people who call it.

#![allow(unreachable_pub, dead_code, reason = "every test takes of the fixture what it needs")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use hearth::block_storage::rpc::server::RunningRole;
use hearth::block_storage::{self, policies};
use hearth::config::Config;
use hearth::database::{Database, Options, Value, migrate, orders};
use hearth::gateway::{Body, Params, Request};
use hearth::identity::policy::Policy;
use hearth::identity::{Authenticate, Context, Identity};
use hearth::rest::pipeline::{App, Mount};
use hearth::rest::platform::Platform;
use hearth::{Error, Kind, Result};
use serde_json::Value as Json;

/// The project of the people who belong here.
pub const PROJECT: &str = "0a1d7e94c3b84f6f9d52e8a6b7c4f310";
/// The project of the stranger.
pub const OTHER_PROJECT: &str = "99999999aaaaaaaabbbbbbbbcccccccc";
/// The project of services.
pub const SERVICE_PROJECT: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persona {
    /// An administrator of [`PROJECT`].
    Admin,
    /// A member of [`PROJECT`].
    Member,
    /// A reader of [`PROJECT`].
    Reader,
    /// A member of [`OTHER_PROJECT`].
    Stranger,
    /// Somebody without a token.
    Anonymous,
    /// A service: the role `service` in a project of its own.
    Service,
}

impl Persona {
    /// Everybody, in the order of the table of authorizations.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Member, Self::Reader, Self::Stranger, Self::Anonymous, Self::Service];

    /// The project of the token.
    pub fn project(self) -> &'static str {
        match self {
            Self::Stranger => OTHER_PROJECT,
            Self::Service => SERVICE_PROJECT,
            _ => PROJECT,
        }
    }

    /// The roles of the token, implied ones among them.
    fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Admin => &["admin", "manager", "member", "reader"],
            Self::Member | Self::Stranger => &["member", "reader"],
            Self::Reader => &["reader"],
            Self::Anonymous => &[],
            Self::Service => &["service"],
        }
    }

    /// The token: the persona's name.
    fn token(self) -> Option<&'static str> {
        match self {
            Self::Admin => Some("admin"),
            Self::Member => Some("member"),
            Self::Reader => Some("reader"),
            Self::Stranger => Some("stranger"),
            Self::Anonymous => None,
            Self::Service => Some("service"),
        }
    }
}

/// Knows the personas by their tokens, as Keystone would: what a role may do is decided by the real rules.
struct Personas(Arc<Policy>);

impl Authenticate for Personas {
    fn context(&self, request: &Request) -> Result<Context> {
        let token = request.header("x-auth-token");
        let found = Persona::ALL.into_iter().find(|persona| token.is_some() && persona.token() == token);
        let persona = found
            .ok_or_else(|| Error::new(Kind::Unauthenticated, "The request you have made requires authentication."))?;
        let identity = Identity {
            user_id: format!("{:032x}", persona as u8),
            project_id: persona.project().to_owned(),
            roles: persona.roles().iter().map(|role| (*role).to_owned()).collect(),
            is_admin_project: true,
            ..Identity::default()
        };
        let mut context = Context::new(Arc::new(identity), request);
        context.service_token = request.header("x-service-token") == Persona::Service.token();
        self.0.decide_admin(&mut context);
        Ok(context)
    }

    fn challenge(&self) -> Option<&str> {
        None
    }
}

/// Shows errors of the service beside the test that fails by them.
struct Shown;

impl log::Log for Shown {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("{}: {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}

/// A service of a test's own.
pub struct Cloud {
    app: App,
    /// Its database, to arrange what has no API and to look at what was written.
    pub database: Database,
    /// The configuration that it started with.
    pub config: Arc<Config>,
    folder: PathBuf,
    volumes: Option<RunningRole>,
}

impl Default for Cloud {
    fn default() -> Self {
        Self::new()
    }
}

impl Cloud {
    /// With the default configuration.
    pub fn new() -> Self {
        Self::with("")
    }

    /// With these lines in the configuration file.
    pub fn with(lines: &str) -> Self {
        Self::on(empty_database(), lines)
    }

    /// The bytes of its database as it is now, for other clouds that start with it.
    pub fn database_file(&self) -> Vec<u8> {
        self.database.read(|c| c.row("PRAGMA wal_checkpoint(TRUNCATE)", &[], |_| Ok(()))).unwrap();
        std::fs::read(self.file()).unwrap()
    }

    /// With this database and these lines in the configuration file.
    pub fn on(database: &[u8], lines: &str) -> Self {
        let folder = folder();
        let file = folder.join("cinder.db");
        std::fs::write(&file, database).unwrap();
        let database = Database::open(&format!("sqlite:///{}", file.display()), Options::default()).unwrap();
        Self::over(folder, database, lines)
    }

    /// With an empty database of any engine, in which it makes its tables.
    pub fn at(url: &str, lines: &str) -> Self {
        let database = Database::open(url, Options { create: true, ..Options::default() }).unwrap();
        make_tables(&database);
        Self::over(folder(), database, lines)
    }

    fn over(folder: PathBuf, database: Database, lines: &str) -> Self {
        if log::set_logger(&Shown).is_ok() {
            log::set_max_level(log::LevelFilter::Warn);
        }
        let state = format!("[DEFAULT]\nstate_path = {}\nauth_strategy = noauth\n{lines}\n", folder.display());
        let config = Arc::new(Config::from_text(&state).unwrap());
        let policy = Arc::new(hearth::identity::policy::open(&config, policies::ALL).unwrap());
        let authenticate = Arc::new(Personas(Arc::clone(&policy)));
        let platform = Arc::new(Platform { config: Arc::clone(&config), policy, authenticate });
        let service = block_storage::service(platform, database.clone());
        let app = App::new(vec![Mount { prefix: String::new(), port: 0, endpoint: Arc::new(service) }]);
        Self { app, database, config, folder, volumes: None }
    }

    /// With these lines in the configuration file, and a volume service for the host `node`.
    pub fn serving(lines: &str) -> Self {
        let mut cloud = Self::with(&format!("host = node\n{lines}"));
        cloud.serve();
        cloud
    }

    /// Starts the volume service in this process.
    pub fn serve(&mut self) {
        let service = block_storage::volume::start(Arc::clone(&self.config), self.database.clone()).unwrap();
        self.volumes = Some(service);
    }

    /// Where its volume service keeps volumes.
    pub fn volumes(&self) -> PathBuf {
        self.folder.join("volumes/file")
    }

    /// `GET` of a path below version and project.
    pub fn get(&self, persona: Persona, path: &str) -> Answer {
        self.send(persona, "GET", path, None)
    }

    /// `POST`.
    pub fn post(&self, persona: Persona, path: &str, body: Json) -> Answer {
        self.send(persona, "POST", path, Some(body))
    }

    /// `PUT`.
    pub fn put(&self, persona: Persona, path: &str, body: Json) -> Answer {
        self.send(persona, "PUT", path, Some(body))
    }

    /// `DELETE`.
    pub fn delete(&self, persona: Persona, path: &str) -> Answer {
        self.send(persona, "DELETE", path, None)
    }

    /// Any method. A `VERSION ` such as `3.52 ` before the path asks for that version; without it, it is 3.71.
    pub fn send(&self, persona: Persona, method: &str, path: &str, body: Option<Json>) -> Answer {
        let (version, path) = path.split_once(' ').unwrap_or(("3.71", path));
        let url = format!("/v3/{}{path}", persona.project());
        let version = format!("volume {version}");
        let mut headers = vec![("OpenStack-API-Version", version.as_str())];
        headers.extend(persona.token().map(|token| ("X-Auth-Token", token)));
        self.raw(method, &url, &headers, body)
    }

    /// A request with exactly this URL and these headers.
    pub fn raw(&self, method: &str, url: &str, headers: &[(&str, &str)], body: Option<Json>) -> Answer {
        let mut params = Params::default();
        let mut push = |name: &str, value: &str| params.push(name.as_bytes(), value.as_bytes());
        push("REQUEST_METHOD", method);
        push("REQUEST_URI", url);
        push("QUERY_STRING", url.split_once('?').map_or("", |(_, query)| query));
        push("HTTP_HOST", "cloud.example");
        push("REQUEST_SCHEME", "http");
        for (name, value) in headers {
            push(&format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_")), value);
        }
        let body = body.map(|body| body.to_string().into_bytes());
        if let Some(body) = &body {
            push("CONTENT_TYPE", "application/json");
            push("CONTENT_LENGTH", &body.len().to_string());
        }
        let response = self.app.handle(Request { params, body: Body::Whole(body.unwrap_or_default()) });
        let mut bytes = Vec::new();
        response.body.write_to(&mut bytes).expect("the whole body");
        let headers = response.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Answer {
            asked: format!("{method} {url}"),
            status: response.status,
            headers,
            json: serde_json::from_slice(&bytes).unwrap_or_default(),
            text: String::from_utf8(bytes).unwrap(),
        }
    }

    /// The file of its database.
    pub fn file(&self) -> PathBuf {
        self.folder.join("cinder.db")
    }

    /// Runs one statement that changes something.
    pub fn sql(&self, statement: &str, params: &[Value<'_>]) {
        self.database.write(|tx| tx.execute(statement, params)).unwrap();
    }

    /// The whole numbers of the first column of an answer.
    pub fn numbers(&self, statement: &str, params: &[Value<'_>]) -> Vec<i64> {
        self.database.read(|c| c.rows(statement, params, |row| Ok(row.opt_int(0)?.unwrap_or(0)))).unwrap()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(service) = self.volumes.take() {
            service.stop();
            service.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A folder that no other cloud has.
fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("hearth-api-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn make_tables(database: &Database) {
    let components = &[&orders::PLATFORM, &hearth::block_storage::store::tables::COMPONENT];
    migrate::sync(database, &migrate::Wanted { cinder: true, components }).unwrap();
}

/// A database with tables and seeds, made once for all tests of this process.
fn empty_database() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let file = std::env::temp_dir().join(format!("hearth-api-{}-template.db", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let options = Options { create: true, ..Options::default() };
        let database = Database::open(&format!("sqlite:///{}", file.display()), options).unwrap();
        make_tables(&database);
        database.read(|c| c.row("PRAGMA wal_checkpoint(TRUNCATE)", &[], |_| Ok(()))).unwrap();
        drop(database);
        let bytes = std::fs::read(&file).unwrap();
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", file.display()));
        }
        bytes
    })
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    asked: String,
    /// The status.
    pub status: u16,
    /// Every header.
    pub headers: Vec<(String, String)>,
    /// The body, where it is JSON; null where it is not.
    pub json: Json,
    /// The body as it is.
    pub text: String,
}

impl Answer {
    /// The body of an answer with this status; fails the test where it has another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Json {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text);
        self.json
    }

    /// Fails the test unless the answer is a fault with this status and this text.
    #[track_caller]
    pub fn refuse(self, status: u16, text: &str) {
        let asked = self.asked.clone();
        let json = self.expect(status);
        let message = json.as_object().and_then(|fault| fault.values().next()).map(|fault| &fault["message"]);
        assert_eq!(message.and_then(Json::as_str), Some(text), "{asked}");
    }

    /// A header by its name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
