//! A real Keystone for tests, and what an administrator does in it. `keystone.sh` beside this file installs and serves it;
//! it ends with the process that started it.
#![allow(dead_code, reason = "each suite uses what it needs")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a server may take to start: the first one of a machine installs Keystone.
const START: Duration = Duration::from_secs(600);

/// Longest wait for anything else.
const PATIENCE: Duration = Duration::from_secs(60);

/// One server. Several may share their data.
pub(crate) struct Keystone {
    data: PathBuf,
    port: u16,
    environment: Vec<(String, String)>,
    server: Option<Child>,
}

impl Keystone {
    /// A server with data of its own.
    pub(crate) fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keystone");
        std::fs::create_dir_all(&folder).unwrap();
        forget_the_dead(&folder);
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self::serve(folder.join(name), &[])
    }

    /// A further server with the same data and other options, such as `OS_TOKEN__EXPIRATION`.
    pub(crate) fn beside(&self, environment: &[(&str, &str)]) -> Self {
        Self::serve(self.data.clone(), environment)
    }

    /// One that another process serves.
    pub(crate) fn at(port: u16) -> Self {
        Self { data: PathBuf::new(), port, environment: Vec::new(), server: None }
    }

    fn serve(data: PathBuf, environment: &[(&str, &str)]) -> Self {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut keystone = Self { data, port, environment, server: None };
        keystone.start_again();
        keystone
    }

    /// Starts the server that was stopped, on the same port.
    pub(crate) fn start_again(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/keystone.sh");
        let mut command = Command::new(script);
        command.arg(&self.data).arg(self.port.to_string()).stdin(Stdio::piped()).envs(self.environment.clone());
        let mut server = command.spawn().expect("tests/support/keystone.sh can be started");
        let deadline = Instant::now() + START;
        while !ureq_agent().get(format!("{}/", self.url())).call().is_ok_and(|answer| answer.status() == 200) {
            assert!(server.try_wait().unwrap().is_none(), "Keystone ended; see {}", self.data.display());
            assert!(Instant::now() < deadline, "Keystone did not start; see {}", self.data.display());
            std::thread::park_timeout(Duration::from_millis(50));
        }
        self.server = Some(server);
    }

    /// Stops the server; its data stay.
    pub(crate) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            server.wait().unwrap();
        }
    }

    /// The port on which it answers.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it answers, with `/v3`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v3", self.port)
    }

    /// A token for a user of the default domain by its password.
    pub(crate) fn token(&self, user: &str, scope: &Value) -> String {
        let user = json!({"name": user, "domain": {"id": "default"}, "password": "secret"});
        self.authenticate(&json!({"methods": ["password"], "password": {"user": user}}), scope)
    }

    /// A token by any method; without a scope where that is null.
    pub(crate) fn authenticate(&self, identity: &Value, scope: &Value) -> String {
        let mut auth = json!({"identity": identity});
        if !scope.is_null() {
            auth["scope"] = scope.clone();
        }
        let url = format!("{}/auth/tokens?nocatalog", self.url());
        let answer = ureq_agent().post(url).send_json(json!({"auth": auth})).unwrap();
        assert_eq!(answer.status(), 201, "{auth}");
        answer.headers()["X-Subject-Token"].to_str().unwrap().to_owned()
    }

    /// Asks as the administrator; the answer's body, null where it is empty.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask_as(&self.token("admin", &project("admin")), method, path, body)
    }

    /// Asks with a token.
    pub(crate) fn ask_as(&self, token: &str, method: &str, path: &str, body: &Value) -> Value {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url()));
        let request = request.header("X-Auth-Token", token).header("Content-Type", "application/json");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut answer = ureq_agent().run(request.body(body).unwrap()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(answer.status().is_success(), "{method} {path}: {} {text}", answer.status());
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Makes a project and gives its id.
    pub(crate) fn make_project(&self, name: &str) -> String {
        let made = self.ask("POST", "/projects", &json!({"project": {"name": name, "domain_id": "default"}}));
        made["project"]["id"].as_str().unwrap().to_owned()
    }

    /// Makes a user with the password `secret` and the given role in a project, and gives its id.
    pub(crate) fn make_user(&self, name: &str, role: &str, project_id: &str) -> String {
        let user = json!({"user": {"name": name, "password": "secret", "domain_id": "default"}});
        let id = self.ask("POST", "/users", &user)["user"]["id"].as_str().unwrap().to_owned();
        let role = self.role(role);
        self.ask("PUT", &format!("/projects/{project_id}/users/{id}/roles/{role}"), &Value::Null);
        id
    }

    /// The id of a role.
    pub(crate) fn role(&self, name: &str) -> String {
        let roles = self.ask("GET", &format!("/roles?name={name}"), &Value::Null);
        roles["roles"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Revokes a token, as its owner.
    pub(crate) fn revoke(&self, token: &str) {
        let url = format!("{}/auth/tokens", self.url());
        let request = ureq_agent().delete(url).header("X-Auth-Token", token).header("X-Subject-Token", token);
        assert_eq!(request.call().unwrap().status(), 204);
    }

    /// Whether Keystone vouches for a token.
    pub(crate) fn vouches_for(&self, token: &str) -> bool {
        let url = format!("{}/auth/tokens?nocatalog", self.url());
        let own = self.token("admin", &project("admin"));
        let request = ureq_agent().get(url).header("X-Auth-Token", own).header("X-Subject-Token", token);
        request.call().unwrap().status() == 200
    }
}

impl Drop for Keystone {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The scope of a project of the default domain.
pub(crate) fn project(name: &str) -> Value {
    json!({"project": {"name": name, "domain": {"id": "default"}}})
}

/// Waits until `holds`.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Removes the data that processes left which are gone.
fn forget_the_dead(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(process).exists() {
            // Another process may do the same.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn ureq_agent() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().new_agent()
}
