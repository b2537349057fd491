//! A server in this process with a handler that does what the path says, on sockets of its own.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use hearth::gateway::{
    Body, Controller, Listener, Protocol, Request, Response, ResponseBody, Server, Settings, Spool, running,
};

use super::bytes::{Client, DEADLINE};

/// Events that handlers and tests wait for, by name.
#[derive(Clone, Default)]
pub(crate) struct Gates(Arc<(Mutex<HashMap<String, usize>>, Condvar)>);

impl Gates {
    /// Counts an event.
    pub(crate) fn open(&self, name: &str) {
        *self.0.0.lock().expect("no panic").entry(name.to_owned()).or_default() += 1;
        self.0.1.notify_all();
    }

    /// Waits until an event was counted `times`.
    pub(crate) fn wait(&self, name: &str, times: usize) {
        let deadline = Instant::now() + DEADLINE;
        let mut counts = self.0.0.lock().expect("no panic");
        while counts.get(name).copied().unwrap_or(0) < times {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the event {name:?} did not come {times} times");
            counts = self.0.1.wait_timeout(counts, left).expect("no panic").0;
        }
    }
}

/// A running server.
pub(crate) struct Fixture {
    pub(crate) controller: Controller,
    pub(crate) gates: Gates,
    pub(crate) path: PathBuf,
    folder: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Fixture {
    pub(crate) fn start(settings: Settings) -> Self {
        Self::listening(settings, Protocol::FastCgi, Vec::new())
    }

    pub(crate) fn http(settings: Settings) -> Self {
        Self::listening(settings, Protocol::Http, Vec::new())
    }

    pub(crate) fn listening(settings: Settings, protocol: Protocol, mut listeners: Vec<Listener>) -> Self {
        let folder = folder();
        let path = folder.join("socket");
        let gates = Gates::default();
        listeners.push(Listener::unix(&path, 0o600, protocol).expect("a unix socket"));
        let handler = {
            let gates = gates.clone();
            move |request| handle(request, &gates)
        };
        let server = Server::new(settings, Arc::new(handler), listeners).expect("a server");
        let controller = server.controller();
        let thread = std::thread::spawn(move || server.run().expect("the server runs"));
        Self { controller, gates, path, folder, thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::unix(&self.path, DEADLINE)
    }

    /// Waits until the server has ended by itself.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let deadline = Instant::now() + DEADLINE;
            while !thread.is_finished() {
                assert!(Instant::now() < deadline, "the server does not end");
                std::thread::yield_now();
            }
            thread.join().expect("the server did not panic");
        }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.controller.stop();
        self.controller.stop();
        self.controller.abort_after(DEADLINE);
        if !std::thread::panicking() {
            self.join();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A folder of its own for one test.
pub(crate) fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hearth-fastcgi-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).expect("a folder");
    folder
}

/// Does what the path says. Everything that a test of bytes needs of an application.
pub(crate) fn handle(mut request: Request, gates: &Gates) -> Response {
    let path = request.path().into_owned();
    let text = |body: String| Response::new(200, "text/plain", body);
    let query = request.query().to_owned();
    let number = query.parse::<usize>().unwrap_or(0);
    running::set_request_id("req-test");
    match path.as_str() {
        "/hello" => text("hello\n".to_owned()),
        "/params" => {
            let mut lines = Vec::new();
            for (name, value) in request.params.iter() {
                lines.extend_from_slice(&[name, b"=", value, b"\n"].concat());
            }
            Response::new(200, "application/octet-stream", lines)
        }
        "/param-count" => text(request.params.len().to_string()),
        "/echo" => match request.body.read_to_end(usize::MAX >> 1) {
            Ok(body) => Response::new(200, "application/octet-stream", body),
            Err(error) => Response::new(400, "text/plain", error.kind().to_string()),
        },
        "/length" => {
            let whole = matches!(request.body, Body::Whole(_));
            match length(request.body, gates) {
                Ok(length) => text(format!("{length} {}", if whole { "whole" } else { "arriving" })),
                Err(error) => {
                    gates.open(&format!("body failed: {}", error.kind()));
                    Response::new(400, "text/plain", error.kind().to_string())
                }
            }
        }
        "/early" => Response::new(413, "text/plain", "too large"),
        "/hold" => {
            gates.open("held");
            hearth::service::threads::about_to_wait();
            gates.wait(&format!("release {query}"), 1);
            gates.open("released");
            text(format!("held {query}"))
        }
        "/busy" => {
            // As /hold, but without telling that it waits.
            gates.open("held");
            gates.wait(&format!("release {query}"), 1);
            text(format!("busy {query}"))
        }
        "/panic" => panic!("as the path says"),
        "/bytes" => Response::new(200, "application/octet-stream", pattern(number)),
        // A part in a file, and the rest in memory.
        "/spooled" => {
            let bytes = pattern(number);
            let (first, rest) = bytes.split_at(number / 4 * 3);
            let mut spool = Spool::default();
            for piece in first.chunks(100_000) {
                assert!(spool.append(piece), "the folder for temporary files takes it");
            }
            let body = ResponseBody::Spooled(spool.end(rest.to_vec()));
            Response { body, ..Response::new(200, "application/octet-stream", "") }
        }
        "/stream" => {
            let (length, gates) = (number, gates.clone());
            let writer = move |out: &mut dyn std::io::Write| {
                gates.open("streaming");
                for part in pattern(length).chunks(10_000) {
                    if let Err(error) = out.write_all(part) {
                        gates.open("stream failed");
                        return Err(error);
                    }
                }
                Ok(())
            };
            let body = ResponseBody::Stream(Box::new(writer));
            Response { body, ..Response::new(200, "application/octet-stream", "") }
        }
        "/stream-panic" => {
            let body = ResponseBody::Stream(Box::new(move |out| {
                if number > 0 {
                    out.write_all(&pattern(number))?;
                    out.flush()?;
                }
                panic!("as the path says")
            }));
            Response { body, ..Response::new(200, "application/octet-stream", "") }
        }
        "/nothing" => Response::new(204, "text/plain", ""),
        _ => Response::new(404, "text/plain", "no such path\n"),
    }
}

fn length(body: Body, gates: &Gates) -> std::io::Result<usize> {
    match body {
        Body::Whole(bytes) => Ok(bytes.len()),
        Body::Arriving(mut reader) => {
            gates.open("reading");
            let (mut buffer, mut length) = (vec![0; 65_536], 0);
            loop {
                match reader.read(&mut buffer)? {
                    0 => return Ok(length),
                    count => length += count,
                }
            }
        }
    }
}

/// Bytes that tell when one is missing or out of its place.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}
