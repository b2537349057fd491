//! HTTP/1.1 on the same engine: kept connections, bodies in both framings, pipelining, and what is refused.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use hearth::gateway::{Listener, Protocol, Settings};

use super::bytes::DEADLINE;
use super::fixture::{Fixture, pattern};

struct Http {
    socket: UnixStream,
    unread: Vec<u8>,
}

/// An answer: its status line and fields, and its body.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Http {
    fn to(fixture: &Fixture) -> Self {
        let socket = UnixStream::connect(&fixture.path).expect("it listens");
        socket.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        Self { socket, unread: Vec::new() }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("taken");
    }

    fn fill(&mut self) -> bool {
        let mut buffer = [0; 65_536];
        match self.socket.read(&mut buffer) {
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "nothing comes");
                false
            }
        }
    }

    fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head).expect("text");
            }
            assert!(self.fill(), "the connection ended before an answer: {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            assert!(self.fill(), "the connection ended within an answer");
        }
        self.unread.drain(..length).collect()
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(2).position(|window| window == b"\r\n") {
                return String::from_utf8(self.take(end + 2)).expect("text").trim_end().to_owned();
            }
            assert!(self.fill(), "the connection ended within an answer");
        }
    }

    /// The next answer. `bodiless` where the request's method was HEAD.
    fn answer(&mut self, bodiless: bool) -> Answer {
        let head = self.head();
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).expect("a status");
        let mut answer = Answer { status, head, body: Vec::new() };
        if bodiless {
            return answer;
        }
        if let Some(length) = answer.field("Content-Length").and_then(|length| length.parse().ok()) {
            answer.body = self.take(length);
        } else if answer.field("Transfer-Encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line(), 16).expect("a size");
                let chunk = self.take(size + 2);
                answer.body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        } else if answer.field("Connection") == Some("close") && status != 204 {
            while self.fill() {}
            answer.body = std::mem::take(&mut self.unread);
        }
        answer
    }

    fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request);
        self.answer(false)
    }

    fn is_ended(&mut self) -> bool {
        self.unread.is_empty() && !self.fill()
    }
}

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

fn fixture() -> Fixture {
    Fixture::http(Settings { workers: 2, ..Settings::default() })
}

#[test]
fn connections_are_kept_as_the_client_asks() {
    let fixture = fixture();
    let mut client = Http::to(&fixture);
    for _ in 0..3 {
        let answer = client.ask(HELLO);
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello\n"));
        assert!(answer.field("Date").is_some_and(|date| date.ends_with(" GMT")));
        assert_eq!(answer.field("Connection"), None);
    }
    let answer = client.ask("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!((answer.text().as_str(), answer.field("Connection")), ("hello\n", Some("close")));
    assert!(client.is_ended());
    let mut old = Http::to(&fixture);
    assert_eq!(old.ask("GET /hello HTTP/1.0\r\n\r\n").text(), "hello\n");
    assert!(old.is_ended());
    let mut old = Http::to(&fixture);
    for _ in 0..2 {
        let answer = old.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(answer.field("Connection"), Some("keep-alive"));
    }
}

#[test]
fn a_request_cut_at_any_byte_is_the_same_over_http() {
    let fixture = fixture();
    let mut client = Http::to(&fixture);
    for request in [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\na body",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\na \r\n4\r\nbody\r\n0\r\nT: x\r\n\r\n",
    ] {
        for cut in 1..request.len() {
            client.send(&request[..cut]);
            client.send(&request[cut..]);
            assert_eq!(client.answer(false).text(), "a body", "cut at {cut}");
        }
    }
}

#[test]
fn bodies_of_any_length_come_whole_in_both_framings() {
    let fixture = Fixture::http(Settings { body_limit_in_memory: 50_000, ..Settings::default() });
    let mut client = Http::to(&fixture);
    for length in [0, 1, 49_999, 50_001, 1_000_000] {
        let body = pattern(length);
        client.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.send(&body);
        assert!(client.answer(false).body == body, "{length} bytes by length");
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(7_000) {
            client.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        client.send("0\r\n\r\n");
        assert!(client.answer(false).body == body, "{length} bytes in chunks");
    }
}

#[test]
fn requests_sent_ahead_are_answered_in_their_order() {
    let fixture = fixture();
    let mut client = Http::to(&fixture);
    let echo = |n: usize| format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n{n:04}");
    client.send((0..500).map(echo).collect::<String>());
    for n in 0..500 {
        assert_eq!(client.answer(false).text(), format!("{n:04}"));
    }
    // While the first is being worked on, nothing of the second happens.
    client.send("GET /hold?a HTTP/1.1\r\nHost: a\r\n\r\n");
    fixture.gates.wait("held", 1);
    client.send(HELLO.repeat(3_000));
    fixture.gates.open("release a");
    assert_eq!(client.answer(false).text(), "held a");
    for _ in 0..3_000 {
        assert_eq!(client.answer(false).text(), "hello\n");
    }
}

#[test]
fn a_client_that_expects_continue_is_told_to() {
    let fixture = Fixture::http(Settings { body_limit_in_memory: 100, ..Settings::default() });
    let mut client = Http::to(&fixture);
    for length in [10, 1_000] {
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        ));
        assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
        client.send(pattern(length));
        assert!(client.answer(false).body == pattern(length));
    }
    // A handler that does not want the body says so first, and the connection can not go on.
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n");
    let answer = client.answer(false);
    assert_eq!(answer.status, 413);
    assert!(client.is_ended());
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let fixture = Fixture::http(Settings { body_limit_in_memory: 100, ..Settings::default() });
    // A short rest is dropped and the connection goes on.
    let mut client = Http::to(&fixture);
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    assert_eq!(client.answer(false).status, 413);
    client.send(pattern(200_000));
    assert_eq!(client.ask(HELLO).text(), "hello\n");
    // A long one is not waited for, but the answer is not lost either.
    let mut client = Http::to(&fixture);
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n");
    client.send(pattern(100_000));
    assert_eq!(client.answer(false).status, 413);
    assert!(client.is_ended());
}

#[test]
fn answers_to_head_have_no_body() {
    let fixture = fixture();
    let mut client = Http::to(&fixture);
    for (path, length) in [("/hello", Some("6")), ("/stream?5000", None), ("/nothing", None)] {
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.answer(true).field("Content-Length"), length, "{path}");
    }
    assert_eq!(client.ask(HELLO).text(), "hello\n");
}

#[test]
fn streamed_answers_come_whole_to_both_versions() {
    let fixture = fixture();
    let mut client = Http::to(&fixture);
    for length in [0, 5, 1_000_000] {
        let answer = client.ask(format!("GET /stream?{length} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(answer.body == pattern(length), "{length} bytes");
        let mut old = Http::to(&fixture);
        let answer = old.ask(format!("GET /stream?{length} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        assert_eq!(answer.field("Connection"), Some("close"));
        assert!(answer.body == pattern(length), "{length} bytes to an old client");
    }
}

#[test]
fn what_could_smuggle_a_request_is_refused_and_ends_the_connection() {
    let fixture = fixture();
    let smuggled = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    for (head, status) in [
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 4\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\n\n", 400),
        ("GET /hello HTTP/1.1\r\nX: y\r\n\r\n", 400),
        ("GET /hello HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        ("\u{16}\u{3}\u{1}\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbodyX0\r\n\r\n", 400),
    ] {
        let mut client = Http::to(&fixture);
        client.send(head);
        // The refusal may come first; then this is not taken any more.
        let _ = client.socket.write_all(smuggled.as_bytes());
        let answer = client.answer(false);
        assert_eq!((answer.status, answer.field("Connection")), (status, Some("close")), "{head:?}");
        assert!(client.is_ended(), "{head:?}");
    }
    assert_eq!(Http::to(&fixture).ask(HELLO).status, 200);
}

#[test]
fn a_malformed_chunk_within_a_running_request_ends_its_body() {
    let fixture = Fixture::http(Settings { body_limit_in_memory: 10, ..Settings::default() });
    let mut client = Http::to(&fixture);
    client.send("POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n");
    client.send(pattern(32));
    fixture.gates.wait("reading", 1);
    client.send("\r\nzz\r\n");
    assert_eq!(client.answer(false).status, 400);
    assert!(client.is_ended());
    fixture.gates.wait("body failed: invalid data", 1);
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let fixture = Fixture::http(Settings { params_limit: 2_000, ..Settings::default() });
    for extra in [format!("X: {}\r\n", "y".repeat(3_000)), "X: y\r\n".repeat(99), "z".repeat(5_000)] {
        let mut client = Http::to(&fixture);
        let _ = client.socket.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{extra}").as_bytes());
        let _ = client.socket.write_all(format!("{}\r\n\r\n", "X: y\r\n".repeat(300)).as_bytes());
        assert_eq!(client.answer(false).status, 431);
        assert!(client.is_ended());
    }
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let fixture = Fixture::http(Settings { idle_timeout: Some(Duration::from_millis(100)), ..Settings::default() });
    let mut client = Http::to(&fixture);
    assert_eq!(client.ask(HELLO).status, 200);
    assert!(client.is_ended());
}

#[test]
fn a_client_that_has_sent_everything_still_gets_its_answer() {
    let fixture = fixture();
    let mut client = Http::to(&fixture);
    client.send("GET /hold?a HTTP/1.1\r\nHost: a\r\n\r\n");
    client.socket.shutdown(std::net::Shutdown::Write).expect("half closed");
    fixture.gates.wait("held", 1);
    fixture.gates.open("release a");
    assert_eq!(client.answer(false).text(), "held a");
    assert!(client.is_ended());
}

#[test]
fn both_protocols_are_served_side_by_side_on_every_kind_of_socket() {
    let mut listeners = vec![Listener::tcp("127.0.0.1:0", Protocol::Http).expect("a port")];
    // Not every machine has IPv6.
    listeners.extend(Listener::tcp("[::1]:0", Protocol::FastCgi).ok());
    let addresses: Vec<_> = listeners.iter().filter_map(Listener::address).collect();
    let fixture = Fixture::listening(Settings::default(), Protocol::FastCgi, listeners);
    let mut tcp = std::net::TcpStream::connect(addresses[0]).expect("it listens");
    tcp.write_all(b"GET /params HTTP/1.0\r\nHost: example:81\r\n\r\n").expect("taken");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).expect("an answer");
    let port = tcp.local_addr().expect("an address").port();
    for line in [
        "REMOTE_ADDR=127.0.0.1".to_owned(),
        format!("REMOTE_PORT={port}"),
        format!("SERVER_PORT={}", addresses[0].port()),
        "SERVER_NAME=example".to_owned(),
    ] {
        assert!(answer.lines().any(|found| found == line), "{line} in {answer}");
    }
    assert_eq!(fixture.client().ask("GET", "/hello", b"").status, 200);
    if let Some(address) = addresses.get(1) {
        let mut client = super::bytes::Client::tcp(*address, DEADLINE);
        assert_eq!(client.ask("GET", "/hello", b"").status, 200);
    }
}
