//! Answers that are too long to be held in memory: whole through each protocol, and gone with their clients.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use hearth::gateway::Settings;

use super::bytes::{DEADLINE, PARAMS, STDIN, begin, pairs, request, stream, variables};
use super::engine::wait_until;
use super::fixture::{Fixture, pattern};

/// Files without a name that this process has open and that have so many bytes: each test has lengths of its own.
fn files_of(length: usize) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").expect("the descriptors of this process");
    let is_one = |path: std::path::PathBuf| {
        std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.nlink() == 0 && file.len() == length as u64)
    };
    open.filter(|entry| entry.as_ref().is_ok_and(|entry| is_one(entry.path()))).count()
}

#[test]
fn a_long_answer_comes_whole_in_records_of_both_forms() {
    let fixture = Fixture::start(Settings::default());
    for (path, length) in [("/spooled", 3_000_001), ("/bytes", 3_000_002), ("/bytes", 300_000), ("/spooled", 3)] {
        // The second is what mod_proxy_fcgi says, which gets the terse form.
        for script in ["/srv/hearth", "proxy:fcgi://localhost/"] {
            let mut client = fixture.client();
            let mut asked = variables("GET", &format!("{path}?{length}"), 0);
            asked.push(("SCRIPT_FILENAME".to_owned(), script.as_bytes().to_vec()));
            client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&asked)), stream(STDIN, 1, b"")].concat());
            let answer = client.answer(1);
            assert_eq!((answer.status, answer.protocol_status), (200, 0));
            assert_eq!(answer.header("Content-Length"), Some(length.to_string().as_str()));
            assert!(answer.body == pattern(length), "{path}?{length}, {script}");
        }
    }
}

#[test]
fn a_question_for_the_head_of_a_long_answer_gets_its_length_alone() {
    let fixture = Fixture::start(Settings::default());
    let mut client = fixture.client();
    for _ in 0..2 {
        let answer = client.ask("HEAD", "/spooled?3000011", b"");
        assert_eq!((answer.header("Content-Length"), answer.body.len()), (Some("3000011"), 0));
    }
    wait_until(|| files_of(3_000_011 / 4 * 3) == 0);
}

#[test]
fn what_comes_after_a_long_answer_on_its_connection_is_whole_too() {
    let fixture = Fixture::start(Settings::default());
    let mut client = fixture.client();
    client.send(&request(1, true, "GET", "/spooled?3000021", b""));
    client.send(&request(2, true, "GET", "/hello", b""));
    client.send(&request(3, true, "GET", "/spooled?3000022", b""));
    client.send(&request(4, true, "GET", "/bytes?400000", b""));
    assert!(client.answer(3).body == pattern(3_000_022));
    assert!(client.answer(1).body == pattern(3_000_021));
    assert!(client.answer(4).body == pattern(400_000));
    assert_eq!(client.answer(2).text(), "hello\n");
}

#[test]
fn long_answers_come_whole_by_http_one_behind_the_other() {
    let fixture = Fixture::http(Settings::default());
    let mut socket = UnixStream::connect(&fixture.path).expect("it listens");
    socket.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    let ask = |method: &str, path: &str, more: &str| format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let asked = [
        ask("GET", "/spooled?3000031", ""),
        ask("GET", "/hello", ""),
        ask("HEAD", "/spooled?3000032", ""),
        ask("GET", "/bytes?3000033", "Connection: close\r\n"),
    ];
    socket.write_all(asked.concat().as_bytes()).expect("taken");
    let mut came = Vec::new();
    socket.read_to_end(&mut came).expect("everything comes");
    let mut rest = &came[..];
    for (length, body) in [(3_000_031, true), (6, true), (3_000_032, false), (3_000_033, true)] {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains(&format!("Content-Length: {length}\r\n")), "{head}");
        rest = &rest[end..];
        if body {
            let expected = if length == 6 { b"hello\n".to_vec() } else { pattern(length) };
            assert!(rest[..length] == expected[..], "{length} bytes");
            rest = &rest[length..];
        }
    }
    assert!(rest.is_empty());
}

#[test]
fn a_client_that_goes_away_within_a_long_answer_leaves_nothing_behind() {
    let fixture = Fixture::start(Settings::default());
    let stored = 40_000_004 / 4 * 3;
    let mut client = fixture.client();
    client.send(&request(1, true, "GET", "/spooled?40000004", b""));
    assert!(!client.record().expect("the beginning").content.is_empty());
    wait_until(|| fixture.controller.snapshot().busy == 0);
    assert_eq!(files_of(stored), 1, "what the client has not taken waits in its file, and holds no worker");
    drop(client);
    wait_until(|| files_of(stored) == 0 && fixture.controller.snapshot().open == 0);
}

#[test]
fn a_client_that_takes_nothing_is_given_up_and_delays_nobody() {
    let fixture =
        Fixture::start(Settings { workers: 1, send_timeout: Duration::from_millis(100), ..Settings::default() });
    let stored = 40_000_008 / 4 * 3;
    let mut client = fixture.client();
    client.send(&request(1, true, "GET", "/spooled?40000008", b""));
    assert!(!client.record().expect("the beginning").content.is_empty());
    assert_eq!(fixture.client().ask("GET", "/hello", b"").status, 200);
    wait_until(|| files_of(stored) == 0);
    assert_eq!(fixture.client().ask("GET", "/hello", b"").status, 200);
}
