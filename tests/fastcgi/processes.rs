//! The gateway as a process: signals, a fresh executable on the same socket, replacement after so many requests, and CGI.

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Stdio;

use rustix::process::Signal;

use super::bytes::{Client, DEADLINE, request};
use super::child::{Kind, Options, Target, again};
use super::fixture::{folder, pattern};

fn start(options: Options) -> Target {
    Target::start_with(Kind::Hearth, options)
}

/// A client whose long answer has begun: a request in progress, whatever the process is told meanwhile.
fn in_progress(target: &Target) -> UnixStream {
    let mut socket = UnixStream::connect(target.socket()).expect("it listens");
    socket.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    socket.write_all(&request(1, false, "GET", "/stream?3000000", b"")).expect("taken");
    socket.read_exact(&mut [0; 8]).expect("a beginning");
    socket
}

/// Bytes of the rest of that answer: its body, records and end.
fn rest(mut socket: UnixStream) -> usize {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("the rest");
    assert_eq!(bytes[bytes.len() - 16..][..2], [1, 3], "the answer ends with END_REQUEST");
    bytes.len()
}

#[test]
fn sigterm_and_sigusr1_finish_what_runs_and_take_no_more() {
    for signal in [Signal::TERM, Signal::USR1, Signal::INT] {
        let mut target = start(Options { own_socket: true, ..Options::default() });
        let socket = in_progress(&target);
        target.signal(signal);
        target.wait_for("the socket to be gone", || UnixStream::connect(target.socket()).is_err());
        assert!(!target.socket().exists(), "the file of the socket stays");
        assert!(rest(socket) > 3_000_000);
        assert!(target.wait_for_end());
    }
}

#[test]
fn sigterm_in_the_manner_of_mod_fcgid_loses_no_request() {
    // One request at a time on one connection each, the signal at any moment between.
    for after in [0, 1, 3] {
        let mut target = start(Options::default());
        for _ in 0..after {
            let mut client = target.client();
            client.send(&request(1, false, "GET", "/hello", b""));
            assert_eq!(client.answer(1).status, 200);
        }
        let socket = in_progress(&target);
        target.signal(Signal::TERM);
        assert!(rest(socket) > 3_000_000);
        assert!(target.wait_for_end());
    }
}

#[test]
fn sigusr2_starts_a_fresh_executable_on_the_same_socket_at_once() {
    let mut target = start(Options { own_socket: true, ..Options::default() });
    let old = in_progress(&target);
    assert_eq!(target.client().ask("GET", "/hello", b"").status, 200);
    target.signal(Signal::USR2);
    target.wait_for("the successor", || target.log().contains("takes the requests from now on"));
    // The old process is still at its request; the new one answers.
    assert_eq!(target.ended(), None);
    for _ in 0..20 {
        assert_eq!(target.client().ask("GET", "/hello", b"").status, 200);
    }
    assert!(rest(old) > 3_000_000);
    assert!(target.wait_for_end());
    let log = target.log();
    let id = log.split("process ").nth(1).and_then(|text| text.split(' ').next()).and_then(|id| id.parse().ok());
    let successor = id.and_then(rustix::process::Pid::from_raw).expect("its process id");
    // The successor can be told the same, and passes the file of the socket on until the last removes it.
    assert_eq!(target.client().ask("GET", "/hello", b"").status, 200);
    rustix::process::kill_process(successor, Signal::TERM).expect("it runs");
    target.wait_for("the socket to be gone", || !target.socket().exists());
}

#[test]
fn no_request_is_lost_while_executables_are_replaced() {
    let target = start(Options { own_socket: true, workers: Some(2), ..Options::default() });
    let stop = std::sync::atomic::AtomicBool::new(false);
    let answered = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        let mut client = Client::unix(&target.socket(), DEADLINE);
                        client.send(&request(1, false, "GET", "/hello", b""));
                        assert_eq!(client.answer(1).text(), "hello\n");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let mut process = None;
        for round in 1..=3 {
            match process {
                None => target.signal(Signal::USR2),
                Some(id) => rustix::process::kill_process(id, Signal::USR2).expect("it runs"),
            }
            let told = |log: &str| log.matches("takes the requests from now on").count();
            target.wait_for("the successor", || told(&target.log()) == round);
            let log = target.log();
            let id = log.split("LOG INFO process ").nth(round).and_then(|text| text.split(' ').next());
            process = id.and_then(|id| id.parse().ok()).and_then(rustix::process::Pid::from_raw);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let answered: usize = clients.into_iter().map(|client| client.join().expect("no request failed")).sum();
        rustix::process::kill_process(process.expect("a successor"), Signal::TERM).expect("it runs");
        answered
    });
    assert!(answered > 0);
    target.wait_for("the socket to be gone", || !target.socket().exists());
}

#[test]
fn sighup_reads_the_configuration_again() {
    let target = start(Options::default());
    assert_eq!(target.client().ask("GET", "/hello", b"").status, 200);
    target.signal(Signal::HUP);
    target.wait_for("the reload", || target.log().contains("reloaded"));
    // The new limit is of seven variables; a request has six.
    let mut list = super::bytes::variables("GET", "/hello", 0);
    list.extend([("A".to_owned(), b"".to_vec()), ("B".to_owned(), b"".to_vec())]);
    let mut client = target.client();
    let params = super::bytes::stream(super::bytes::PARAMS, 1, &super::bytes::pairs(&list));
    target.wait_for("the new limit", || target.client().ask("GET", "/hello", b"").status == 200);
    client.send(&[super::bytes::begin(1, true), params].concat());
    assert_eq!(client.answer(1).status, 431);
}

#[test]
fn a_process_with_a_given_socket_ends_after_so_many_requests() {
    let mut target = start(Options { max_requests: Some(5), ..Options::default() });
    for _ in 0..5 {
        let mut client = target.client();
        client.send(&request(1, false, "GET", "/hello", b""));
        assert_eq!(client.answer(1).status, 200);
    }
    assert!(target.wait_for_end());
}

#[test]
fn a_process_with_a_socket_of_its_own_is_replaced_after_so_many_requests() {
    let mut target = start(Options { max_requests: Some(6), own_socket: true, ..Options::default() });
    for _ in 0..5 {
        assert_eq!(target.client().ask("GET", "/hello", b"").status, 200);
    }
    assert!(target.wait_for_end());
    for _ in 0..4 {
        assert_eq!(target.client().ask("GET", "/hello", b"").status, 200);
    }
    let log = target.log();
    let id = log.split("process ").find_map(|text| text.split(' ').next().and_then(|id| id.parse().ok()));
    rustix::process::kill_process(id.and_then(rustix::process::Pid::from_raw).expect("its id"), Signal::TERM)
        .expect("it runs");
    target.wait_for("the socket to be gone", || !target.socket().exists());
}

#[test]
fn a_service_manager_is_told_when_requests_are_answered() {
    let folder = folder();
    let socket = UnixDatagram::bind(folder.join("notify")).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    let listener = std::os::unix::net::UnixListener::bind(folder.join("socket")).expect("a socket");
    let mut command = again("serve");
    command.env("HEARTH_TEST_ROLE", "hearth").env("NOTIFY_SOCKET", folder.join("notify"));
    let mut process = command.stdin(std::os::fd::OwnedFd::from(listener)).spawn().expect("it runs");
    let mut buffer = [0; 200];
    let count = socket.recv(&mut buffer).expect("a message");
    let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
    assert_eq!(text, format!("READY=1\nMAINPID={}", process.id()));
    let id = i32::try_from(process.id()).ok().and_then(rustix::process::Pid::from_raw).expect("an id");
    rustix::process::kill_process(id, Signal::TERM).expect("it runs");
    let count = socket.recv(&mut buffer).expect("a message");
    assert_eq!(&buffer[..count], b"STOPPING=1");
    assert!(process.wait().expect("it ends").success());
    let _ = std::fs::remove_dir_all(folder);
}

/// Runs the CGI program once.
fn cgi(variables: &[(&str, &str)], body: &[u8]) -> String {
    let mut command = again("answer_once");
    command.env("GATEWAY_INTERFACE", "CGI/1.1").envs(variables.iter().copied());
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut input = process.stdin.take().expect("a pipe");
    // A program that does not want the body closes its end.
    let _ = input.write_all(body);
    drop(input);
    let output = process.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    // What the test runner prints before is no part of the answer.
    text[text.find("Status:").expect("an answer")..].to_owned()
}

#[test]
fn cgi_answers_one_request_from_the_environment_and_standard_input() {
    let variables = [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/echo"), ("CONTENT_LENGTH", "6")];
    let answer = cgi(&variables, b"a body and more than announced");
    assert!(answer.starts_with("Status: 200 OK\r\n") && answer.contains("Content-Length: 6\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\na body"), "{answer}");
    let long = pattern(600_000);
    let length = long.len().to_string();
    let variables = [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/length"), ("CONTENT_LENGTH", &length)];
    assert!(cgi(&variables, &long).ends_with("600000 arriving"));
    let answer = cgi(&[("REQUEST_METHOD", "HEAD"), ("REQUEST_URI", "/hello")], b"");
    assert!(answer.contains("Content-Length: 6\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    let answer = cgi(&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/panic")], b"");
    assert!(answer.starts_with("Status: 500 "), "{answer}");
}

#[test]
fn a_proxy_header_never_becomes_a_proxy_setting() {
    let variables =
        [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/params"), ("HTTP_PROXY", "http://evil"), ("HTTP_HOST", "a")];
    let answer = cgi(&variables, b"");
    assert!(answer.contains("X-Proxy: false\r\n") && answer.contains("HTTP_HOST=a\n"), "{answer}");
    assert!(!answer.contains("evil"), "{answer}");
}
