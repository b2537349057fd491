//! A responder in a process of its own, with its listening socket on fd 0 as web servers start one: this test program run
//! again, as Hearth's gateway or as the crate `fastcgi`.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth::gateway::{Handler, Listener, Protocol, Server, Settings, cgi, launch};
use hearth::service::signals::{self, Order};
use rustix::process::{Pid, Signal};

use super::bytes::{Client, DEADLINE};
use super::fixture::{Gates, folder, handle, pattern};

/// The variable that makes this test program a responder.
const ROLE: &str = "HEARTH_TEST_ROLE";

/// Whose responder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Hearth,
    Crate,
}

/// How a responder is started.
#[derive(Default)]
pub(crate) struct Options {
    /// The most descriptors that it may have.
    pub(crate) descriptors: Option<u64>,
    /// `FCGI_WEB_SERVER_ADDRS`.
    pub(crate) web_server_addrs: Option<&'static str>,
    /// On TCP instead of a unix socket.
    pub(crate) tcp: bool,
    /// fd 0 is `/dev/null`.
    pub(crate) no_socket: bool,
    /// Requests after which it asks to be replaced.
    pub(crate) max_requests: Option<u64>,
    /// It makes its socket itself.
    pub(crate) own_socket: bool,
    pub(crate) workers: Option<usize>,
}

/// A running responder.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    process: Child,
    folder: PathBuf,
    pub(crate) address: Option<SocketAddr>,
}

impl Target {
    pub(crate) fn start(kind: Kind) -> Self {
        Self::start_with(kind, Options::default())
    }

    pub(crate) fn start_with(kind: Kind, options: Options) -> Self {
        let folder = folder();
        let mut address = None;
        let stdin: Stdio = if options.no_socket || options.own_socket {
            Stdio::null()
        } else if options.tcp {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            address = listener.local_addr().ok();
            OwnedFd::from(listener).into()
        } else {
            OwnedFd::from(UnixListener::bind(folder.join("socket")).expect("a unix socket")).into()
        };
        let mut command = again("serve");
        command.stdin(stdin).env("HEARTH_TEST_FOLDER", &folder);
        command.stderr(File::create(folder.join("log")).expect("a log"));
        command.env(ROLE, if kind == Kind::Hearth { "hearth" } else { "crate" });
        let numbers = [
            ("HEARTH_TEST_NOFILE", options.descriptors),
            ("HEARTH_TEST_MAX_REQUESTS", options.max_requests),
            ("HEARTH_TEST_WORKERS", options.workers.map(|count| count as u64)),
            ("HEARTH_TEST_OWN_SOCKET", options.own_socket.then_some(1)),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                command.env(name, number.to_string());
            }
        }
        if let Some(addresses) = options.web_server_addrs {
            command.env("FCGI_WEB_SERVER_ADDRS", addresses);
        }
        let process = command.spawn().expect("this program runs");
        let target = Self { kind, process, folder, address };
        if options.own_socket {
            target.wait_for("its socket", || UnixStream::connect(target.socket()).is_ok());
            // It catches signals before it answers the first request.
            assert_eq!(target.client().ask("GET", "/hello", b"").status, 200);
        }
        target
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// How long this responder is waited for.
    fn deadline(&self) -> Duration {
        if self.kind == Kind::Hearth { DEADLINE } else { Duration::from_secs(8) }
    }

    pub(crate) fn client(&self) -> Client {
        match self.address {
            Some(address) => Client::tcp(address, self.deadline()),
            None => Client::unix(&self.socket(), self.deadline()),
        }
    }

    /// What it has written to its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + self.deadline();
        while !condition() {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            std::thread::yield_now();
        }
    }

    /// A figure of `/proc/PID/status`.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line of that name");
        line.split_whitespace().nth(1).and_then(|figure| figure.parse().ok()).expect("a figure")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("a process id");
        rustix::process::kill_process(id, signal).expect("it runs");
    }

    /// Whether the process has ended, and without a failure.
    pub(crate) fn ended(&mut self) -> Option<bool> {
        self.process.try_wait().expect("it is ours").map(|status| status.success())
    }

    pub(crate) fn wait_for_end(&mut self) -> bool {
        let deadline = Instant::now() + self.deadline();
        loop {
            if let Some(ended) = self.ended() {
                return ended;
            }
            assert!(Instant::now() < deadline, "the process does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if std::thread::panicking() && self.kind == Kind::Hearth {
            eprintln!("the log of process {}:\n{}", self.process.id(), self.log());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// This program once more, to run one function of this file.
pub(crate) fn again(function: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", &format!("child::{function}"), "--ignored", "--nocapture", "--test-threads=1"]);
    command.stdout(Stdio::null());
    command
}

/// A logger to standard error, one line each.
struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("hearth") || record.target().starts_with("fastcgi") {
            let _ = writeln!(std::io::stderr(), "LOG {} {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The responder's process. Started by [`Target::start_with`]; without its variable it is no responder and no test.
#[test]
#[ignore = "a responder, not a test: other tests start it"]
fn serve() {
    let Ok(role) = std::env::var(ROLE) else { return };
    if let Some(most) = number("HEARTH_TEST_NOFILE") {
        let limit = rustix::process::Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("a limit");
    }
    match role.as_str() {
        "crate" => fastcgi::run(serve_by_crate),
        _ => serve_by_hearth(),
    }
    // The test runner's own closing lines are not wanted.
    std::process::exit(0);
}

fn serve_by_hearth() {
    log::set_logger(&Log).expect("the only logger");
    log::set_max_level(log::LevelFilter::Info);
    let settings = Settings {
        workers: number("HEARTH_TEST_WORKERS").unwrap_or(4),
        max_requests: number("HEARTH_TEST_MAX_REQUESTS"),
        web_server_addrs: launch::web_server_addrs(),
        drain_timeout: Duration::from_secs(5),
        ..Settings::default()
    };
    let mut listeners = match Listener::given(Protocol::FastCgi) {
        Ok(listeners) => listeners,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(3);
        }
    };
    if listeners.is_empty() {
        if std::env::var_os("HEARTH_TEST_OWN_SOCKET").is_none() {
            eprintln!("no listening socket");
            std::process::exit(3);
        }
        let folder = PathBuf::from(std::env::var_os("HEARTH_TEST_FOLDER").expect("a folder"));
        listeners.push(Listener::unix(folder.join("socket"), 0o600, Protocol::FastCgi).expect("a socket"));
    }
    let gates = Gates::default();
    let server = Server::new(settings, Arc::new(move |request| handle(request, &gates)), listeners).expect("a server");
    let controller = server.controller();
    signals::listen(move |order| match order {
        Order::Stop => controller.stop(),
        Order::Replace => {
            if let Err(error) = controller.replace() {
                log::error!("{error}");
            }
        }
        Order::Reload => {
            log::info!("reloaded");
            controller.reload(Settings { params_count_limit: 7, ..(*controller.settings()).clone() });
        }
    })
    .expect("signals");
    server.run().expect("it runs");
}

/// The same application on the crate: a thread for each connection.
fn serve_by_crate(mut request: fastcgi::Request) {
    let path = request.param("REQUEST_URI").unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let mut status = 200;
    let body = match path {
        "/hello" => b"hello\n".to_vec(),
        "/params" => request.params().flat_map(|(name, value)| format!("{name}={value}\n").into_bytes()).collect(),
        "/param-count" => request.params().count().to_string().into_bytes(),
        "/echo" => {
            let mut body = Vec::new();
            let _ = request.stdin().read_to_end(&mut body);
            body
        }
        "/length" => {
            let (mut buffer, mut length) = (vec![0; 65_536], 0);
            while let Ok(count @ 1..) = request.stdin().read(&mut buffer) {
                length += count;
            }
            format!("{length} arriving").into_bytes()
        }
        "/early" => {
            status = 413;
            b"too large".to_vec()
        }
        "/panic" => panic!("as the path says"),
        "/bytes" => pattern(query.parse().unwrap_or(0)),
        _ => {
            status = 404;
            Vec::new()
        }
    };
    let head = format!("Status: {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut out = request.stdout();
    let _ = out.write_all(head.as_bytes()).and_then(|()| out.write_all(&body));
}

/// A CGI process: answers with what it was given. Started by the tests of `processes.rs`.
#[test]
#[ignore = "a CGI program, not a test: other tests start it"]
fn answer_once() {
    if std::env::var_os("GATEWAY_INTERFACE").is_none() {
        return;
    }
    assert_eq!(launch::detect(), launch::Launch::Cgi);
    cgi::clean_environment();
    let handler: Box<Handler> = Box::new(|request| {
        let proxy = std::env::var_os("HTTP_PROXY").is_some();
        let mut response = handle(request, &Gates::default());
        response.headers.push(("X-Proxy".into(), proxy.to_string().into()));
        response
    });
    cgi::run(&*handler).expect("an answer");
    std::process::exit(0);
}
