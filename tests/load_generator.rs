//! `hearth bench` against servers on the loopback that answer in every way that HTTP/1.1 allows, and in some that it does
//! not. The servers are threads of the test; the load generator is the real one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use hearth::operate::bench::{Arguments, Report, measure, run};

/// Answers each request of each connection with the next of `answers`, over and over. `close` ends a connection after
/// every answer.
fn server(answers: &'static [&'static [u8]], close: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream, answers, close));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answers: &[&[u8]], close: bool) {
    let mut seen = Vec::new();
    for answer in answers.iter().cycle() {
        while !seen.ends_with(b"\r\n\r\n") {
            let mut piece = [0; 1024];
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(count) => seen.extend_from_slice(&piece[..count]),
            }
        }
        assert!(seen.starts_with(b"GET /path?q HTTP/1.1\r\n"));
        seen.clear();
        // In two pieces, so that an answer arrives split.
        let middle = answer.len() / 2;
        if stream.write_all(&answer[..middle]).and_then(|()| stream.write_all(&answer[middle..])).is_err() || close {
            return;
        }
    }
}

fn arguments(address: SocketAddr) -> Arguments {
    Arguments {
        url: format!("http://{address}/path?q"),
        connections: 2,
        seconds: 1,
        headers: vec!["X-Test: yes".to_owned()],
        anywhere: false,
        json: false,
    }
}

fn load(answers: &'static [&'static [u8]], close: bool) -> Report {
    measure(&arguments(server(answers, close))).unwrap()
}

const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nTrailer: a\r\n\r\n";
const EMPTY: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const INTERIM_AND_ERROR: &[u8] =
    b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";

#[test]
fn answers_of_every_framing_are_counted_by_their_status() {
    let report = load(&[PLAIN, CHUNKED, EMPTY, INTERIM_AND_ERROR], false);
    assert_eq!(report.failures(), 0, "{report}");
    let (good, bad) = (report.answers_of_class(2), report.answers_of_class(5));
    assert_eq!(good + bad, report.requests());
    // Two connections, each somewhere in its round of four.
    assert!(bad > 0 && good.abs_diff(3 * bad) <= 6, "{report}");
}

#[test]
fn a_server_that_ends_every_connection_is_asked_on_new_ones() {
    let until_close: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\n\r\nto the end"];
    let report = load(until_close, true);
    assert_eq!(report.failures(), 0, "{report}");
    assert!(report.requests() > 2);
    let told: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"];
    assert_eq!(load(told, true).failures(), 0);
}

#[test]
fn malformed_answers_are_failures_between_those_that_are_right() {
    let cases: [&[&[u8]]; 4] = [
        &[PLAIN, b"SSH-2.0-OpenSSH_9.2\r\n\r\n"],
        &[PLAIN, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
        &[PLAIN, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nmore than two"],
        &[PLAIN, b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"],
    ];
    for answers in cases {
        let report = load(answers, false);
        assert!(report.failures() > 0 && report.answers_of_class(2) > 0, "{report}");
        assert_eq!(report.requests(), report.answers_of_class(2), "{report}");
    }
}

#[test]
fn an_answer_that_ends_too_early_is_a_failure() {
    let short: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"];
    let error = measure(&arguments(server(short, true))).unwrap_err();
    assert_eq!(error.kind(), hearth::Kind::Unavailable);
    assert!(error.cause().unwrap().contains("broken"), "{error}");
}

#[test]
fn a_port_where_nobody_listens_is_an_error_and_ends_in_time() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = measure(&arguments(address)).unwrap_err();
    assert_eq!(error.kind(), hearth::Kind::Unavailable);
    assert!(error.cause().unwrap().contains("connect"), "{error}");
}

#[test]
fn the_report_is_lines_for_people_and_an_object_for_programs() {
    let mut wanted = arguments(server(&[PLAIN], false));
    let mut text = Vec::new();
    run(&wanted, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("answers     2xx") && text.contains("failures    none") && text.contains("p99.9"), "{text}");
    wanted.json = true;
    let mut json = Vec::new();
    run(&wanted, &mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["requests"], json["answers"]["2xx"]);
    assert!(json["latency_us"]["p50"].as_u64().unwrap() <= json["latency_us"]["max"].as_u64().unwrap());
}
