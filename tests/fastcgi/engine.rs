//! Threads, queue and connections: who waits for whom, and who must not.

use std::io::Read;
use std::time::Duration;

use hearth::gateway::Settings;

use super::bytes::{ABORT, Client, END, PARAMS, STDIN, begin, pairs, record, request, request_of, stream, variables};
use super::fixture::{Fixture, pattern};

fn workers(count: usize) -> Settings {
    Settings { workers: count, ..Settings::default() }
}

/// Lets this process have as many connections as the test needs.
fn allow_descriptors(count: u64) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let current = limit.current.map(|current| current.max(count));
    rustix::process::setrlimit(rustix::process::Resource::Nofile, rustix::process::Rlimit { current, ..limit })
        .expect("so many descriptors are allowed here");
}

#[test]
fn two_thousand_idle_connections_cost_no_thread_and_no_time() {
    allow_descriptors(5_000);
    let fixture = Fixture::start(workers(4));
    let mut kept: Vec<Client> = (0..2_000).map(|_| fixture.client()).collect();
    for client in kept.iter_mut().step_by(7) {
        assert_eq!(client.ask("GET", "/hello", b"").status, 200);
    }
    for _ in 0..20 {
        assert_eq!(fixture.client().ask("GET", "/hello", b"").status, 200);
    }
    wait_until(|| fixture.controller.snapshot().busy == 0);
    for client in &mut kept {
        assert_eq!(client.ask("GET", "/hello", b"").status, 200);
    }
}

#[test]
fn a_handler_that_waits_keeps_nobody_else_waiting() {
    let fixture = Fixture::start(workers(2));
    let mut held = fixture.client();
    held.send(&request(1, true, "GET", "/hold?a", b""));
    fixture.gates.wait("held", 1);
    for _ in 0..10 {
        assert_eq!(fixture.client().ask("GET", "/hello", b"").status, 200);
    }
    fixture.gates.open("release a");
    assert_eq!(held.answer(1).text(), "held a");
}

#[test]
fn a_handler_that_does_not_tell_that_it_waits_keeps_nobody_else_waiting_either() {
    let fixture = Fixture::start(workers(2));
    let (mut held, mut other) = (fixture.client(), fixture.client());
    // The first time the watch has nothing to do yet and must be woken; the second time it is awake.
    for (times, name) in [(1, "a"), (2, "b")] {
        held.send(&request(1, true, "GET", &format!("/busy?{name}"), b""));
        fixture.gates.wait("held", times);
        assert_eq!(other.ask("GET", "/hello", b"").status, 200);
        fixture.gates.open(&format!("release {name}"));
        assert_eq!(held.answer(1).text(), format!("busy {name}"));
    }
}

#[test]
fn a_request_that_waits_does_not_hold_up_another_on_its_own_connection() {
    let fixture = Fixture::start(workers(2));
    let mut client = fixture.client();
    client.send(&request(7, true, "GET", "/hold?a", b""));
    fixture.gates.wait("held", 1);
    client.send(&request(8, true, "GET", "/hello", b""));
    assert_eq!(client.answer(8).text(), "hello\n");
    fixture.gates.open("release a");
    assert_eq!(client.answer(7).text(), "held a");
}

#[test]
fn requests_beyond_the_queue_are_refused_with_503_and_retry_after() {
    let settings = Settings { queue: 2, retry_after_s: 7, ..workers(2) };
    let fixture = Fixture::start(settings);
    let mut held: Vec<Client> = (0..4).map(|_| fixture.client()).collect();
    for (at, client) in held.iter_mut().enumerate() {
        client.send(&request(1, true, "GET", "/hold?all", b""));
        // Two run; the others come to wait behind them.
        fixture.gates.wait("held", (at + 1).min(2));
    }
    wait_until(|| fixture.controller.snapshot().queued == 2);
    let mut refused = fixture.client();
    let answer = refused.ask("GET", "/hello", b"");
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("7")));
    // FCGI_OVERLOADED for a web server that looks at it; those that exist pass on what is in STDOUT.
    assert_eq!(answer.protocol_status, 2);
    fixture.gates.open("release all");
    for client in &mut held {
        assert_eq!(client.answer(1).text(), "held all");
    }
    assert_eq!(refused.ask("GET", "/hello", b"").status, 200);
    assert_eq!(fixture.controller.snapshot().overloaded, 1);
}

#[test]
fn a_request_that_has_waited_too_long_in_the_queue_is_refused() {
    let settings = Settings { request_timeout: Some(Duration::from_millis(80)), ..workers(1) };
    let fixture = Fixture::start(settings);
    let (mut held, mut waiting) = (fixture.client(), fixture.client());
    held.send(&request(1, true, "GET", "/hold?a", b""));
    fixture.gates.wait("held", 1);
    let answer = waiting.ask("GET", "/hello", b"");
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
    assert_eq!(held.answer(1).status, 504);
    fixture.gates.open("release a");
}

#[test]
fn a_slow_request_is_answered_with_504_and_its_late_answer_is_dropped() {
    let fixture = Fixture::start(Settings { request_timeout: Some(Duration::from_millis(60)), ..workers(2) });
    let mut client = fixture.client();
    client.send(&request(1, true, "GET", "/hold?a", b""));
    assert_eq!(client.answer(1).status, 504);
    wait_until(|| fixture.controller.snapshot().timed_out == 1);
    let status = fixture.controller.snapshot();
    assert_eq!((status.slow, status.busy), (1, 1));
    let (_, running) = &status.running[0];
    assert_eq!((running.path.as_str(), running.request_id.as_str(), running.is_slow), ("/hold", "req-test", true));
    // The id is free again, and the late answer never reaches the new request.
    client.send(&request(1, true, "GET", "/hello", b""));
    assert_eq!(client.answer(1).text(), "hello\n");
    fixture.gates.open("release a");
    fixture.gates.wait("released", 1);
    assert_eq!(client.ask("GET", "/hello", b"").text(), "hello\n");
}

#[test]
fn more_requests_at_once_on_one_connection_than_allowed_are_refused() {
    let fixture = Fixture::start(Settings { requests_per_connection: 2, ..workers(4) });
    let mut client = fixture.client();
    for id in [1, 2] {
        client.send(&request(id, true, "GET", "/hold?all", b""));
        fixture.gates.wait("held", usize::from(id));
    }
    client.send(&request(3, true, "GET", "/hello", b""));
    assert_eq!(client.answer(3).status, 503);
    for id in [4, 5, 6] {
        client.send(&begin(id, true));
    }
    assert_eq!(client.answer(6).status, 503);
    fixture.gates.open("release all");
    assert_eq!((client.answer(1).status, client.answer(2).status), (200, 200));
}

#[test]
fn sixty_requests_interleaved_on_one_connection_are_all_answered() {
    let fixture = Fixture::start(workers(3));
    let mut client = fixture.client();
    let bodies: Vec<Vec<u8>> = (1..=60).map(|id| pattern(id * 331)).collect();
    let all: Vec<Vec<u8>> = (1_u16..).zip(&bodies).map(|(id, body)| request(id, true, "POST", "/echo", body)).collect();
    // Record by record in turn.
    let mut cuts: Vec<Vec<&[u8]>> = all.iter().map(|bytes| records_of(bytes)).collect();
    while cuts.iter().any(|records| !records.is_empty()) {
        for records in cuts.iter_mut().filter(|records| !records.is_empty()) {
            client.send(records.remove(0));
        }
    }
    for (id, body) in (1_u16..=60).zip(&bodies).rev() {
        assert!(client.answer(id).body == *body, "request {id}");
    }
}

fn records_of(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = 8 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]])) + usize::from(bytes[6]);
        let (record, rest) = bytes.split_at(length);
        records.push(record);
        bytes = rest;
    }
    records
}

#[test]
fn a_large_body_arrives_while_its_handler_runs() {
    let fixture = Fixture::start(Settings { body_limit_in_memory: 1_000, ..workers(2) });
    let mut client = fixture.client();
    client.send(&request(1, true, "POST", "/length", &[b'x'; 1_000]));
    assert_eq!(client.answer(1).text(), "1000 whole");
    let body = pattern(700_000);
    client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&variables("POST", "/echo", body.len())))].concat());
    for part in body.chunks(33_333) {
        client.send(&record(STDIN, 1, part));
    }
    client.send(&record(STDIN, 1, b""));
    assert!(client.answer(1).body == body);
}

#[test]
fn a_body_that_nobody_reads_stops_its_connection_and_no_other() {
    let fixture = Fixture::start(Settings { body_limit_in_memory: 10_000, ..workers(2) });
    let mut writer = std::os::unix::net::UnixStream::connect(&fixture.path).expect("it listens");
    let mut head = begin(1, true);
    head.extend(stream(PARAMS, 1, &pairs(&variables("POST", "/hold?a", 100_000_000))));
    std::io::Write::write_all(&mut writer, &head).expect("taken");
    fixture.gates.wait("held", 1);
    // What the kernel and the window hold is taken, and no more.
    writer.set_nonblocking(true).expect("non-blocking");
    let block = record(STDIN, 1, &[b'x'; 30_000]);
    let (mut sent, mut other) = (0, fixture.client());
    let mut refusals = 0;
    while refusals < 20 {
        match std::io::Write::write(&mut writer, &block) {
            Ok(count) => (sent, refusals) = (sent + count, 0),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                refusals += 1;
                assert_eq!(other.ask("GET", "/hello", b"").status, 200);
            }
        }
    }
    assert!(sent < 2_000_000, "{sent} bytes were taken");
    fixture.gates.open("release a");
    fixture.gates.wait("released", 1);
    // Once it is answered, the rest is dropped and the connection moves again.
    writer.set_nonblocking(false).expect("blocking");
    writer.set_write_timeout(Some(super::bytes::DEADLINE)).expect("a time-out");
    std::io::Write::write_all(&mut writer, &vec![0; 3_000_000]).expect_err_or_taken();
}

trait Either {
    fn expect_err_or_taken(self);
}

impl Either for std::io::Result<()> {
    /// Zeros are no records: the connection may end, but it may not stand still.
    fn expect_err_or_taken(self) {
        if let Err(error) = self {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the connection stands still");
        }
    }
}

#[test]
fn a_body_that_is_read_slowly_comes_whole() {
    let fixture = Fixture::start(Settings { body_limit_in_memory: 4_096, ..workers(2) });
    let mut client = fixture.client();
    let length = 5_000_000;
    client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&variables("POST", "/length", length)))].concat());
    for part in pattern(length).chunks(65_535) {
        client.send(&record(STDIN, 1, part));
    }
    client.send(&record(STDIN, 1, b""));
    assert_eq!(client.answer(1).text(), "5000000 arriving");
}

#[test]
fn a_body_shorter_than_announced_is_refused_and_a_longer_one_cut() {
    let fixture = Fixture::start(workers(2));
    let mut client = fixture.client();
    let asked = |length: usize| stream(PARAMS, 1, &pairs(&variables("POST", "/echo", length)));
    client.send(&[begin(1, true), asked(10), stream(STDIN, 1, b"short")].concat());
    assert_eq!(client.answer(1).status, 400);
    client.send(&[begin(1, true), asked(4), stream(STDIN, 1, b"longer than four")].concat());
    assert_eq!(client.answer(1).text(), "long");
    let mut list = variables("POST", "/echo", 0);
    list.retain(|(name, _)| name != "CONTENT_LENGTH");
    client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&list)), stream(STDIN, 1, b"unannounced")].concat());
    assert_eq!(client.answer(1).text(), "unannounced");
    list.push(("CONTENT_LENGTH".to_owned(), b"many".to_vec()));
    client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&list)), stream(STDIN, 1, b"")].concat());
    assert_eq!(client.answer(1).status, 400);
    assert_eq!(client.ask("GET", "/hello", b"").status, 200);
}

#[test]
fn an_aborted_request_ends_at_once_and_its_handler_learns_it() {
    let fixture = Fixture::start(Settings { body_limit_in_memory: 100, ..workers(2) });
    let mut client = fixture.client();
    client.send(&[begin(3, true), stream(PARAMS, 3, &pairs(&variables("POST", "/length", 1_000_000)))].concat());
    client.send(&record(STDIN, 3, &[b'x'; 500]));
    fixture.gates.wait("reading", 1);
    client.send(&record(ABORT, 3, b""));
    let end = client.record().expect("an end");
    assert_eq!((end.kind, end.id), (END, 3));
    fixture.gates.wait("body failed: connection aborted", 1);
    // The id is free, and what the handler answered is dropped.
    client.send(&request(3, true, "GET", "/hello", b""));
    assert_eq!(client.answer(3).text(), "hello\n");
}

#[test]
fn a_request_aborted_while_it_runs_ends_at_once() {
    let fixture = Fixture::start(workers(2));
    let mut client = fixture.client();
    client.send(&request(3, true, "GET", "/hold?a", b""));
    fixture.gates.wait("held", 1);
    client.send(&record(ABORT, 3, b""));
    assert_eq!(client.record().map(|record| (record.kind, record.id)), Some((END, 3)));
    fixture.gates.open("release a");
    fixture.gates.wait("released", 1);
    assert_eq!(client.ask("GET", "/hello", b"").text(), "hello\n");
    // An abort of what was answered already is no event.
    client.send(&record(ABORT, 1, b""));
    assert_eq!(client.ask("GET", "/hello", b"").text(), "hello\n");
}

#[test]
fn a_closed_connection_ends_the_body_of_its_running_request() {
    let fixture = Fixture::start(Settings { body_limit_in_memory: 100, ..workers(2) });
    let mut client = fixture.client();
    client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&variables("POST", "/length", 1_000_000)))].concat());
    fixture.gates.wait("reading", 1);
    drop(client);
    fixture.gates.wait("body failed: connection aborted", 1);
    wait_until(|| fixture.controller.snapshot().open == 0);
}

#[test]
fn a_streamed_answer_of_any_length_comes_whole() {
    let fixture = Fixture::start(workers(2));
    let mut client = fixture.client();
    for length in [0, 1, 9_999, 32_768, 65_528, 65_536, 3_000_000] {
        let answer = client.ask("GET", &format!("/stream?{length}"), b"");
        assert!(answer.body == pattern(length), "{length} bytes");
        let answer = client.ask("GET", &format!("/bytes?{length}"), b"");
        assert!(answer.body == pattern(length), "{length} bytes");
        assert_eq!(answer.header("Content-Length"), Some(length.to_string().as_str()));
    }
}

#[test]
fn a_client_that_takes_its_answer_slowly_keeps_nobody_waiting() {
    let fixture = Fixture::start(workers(1));
    let mut slow: Vec<Client> = (0..3).map(|_| fixture.client()).collect();
    for client in &mut slow {
        client.send(&request(1, true, "GET", "/bytes?3000000", b""));
    }
    for _ in 0..5 {
        assert_eq!(fixture.client().ask("GET", "/hello", b"").status, 200);
    }
    for client in &mut slow {
        assert!(client.answer(1).body == pattern(3_000_000));
    }
}

#[test]
fn a_streamed_answer_waits_for_its_client_and_holds_little() {
    let fixture = Fixture::start(workers(2));
    let mut client = fixture.client();
    client.send(&request(1, true, "GET", "/stream?50000000", b""));
    fixture.gates.wait("streaming", 1);
    assert_eq!(fixture.client().ask("GET", "/hello", b"").status, 200);
    assert_eq!(client.answer(1).body.len(), 50_000_000);
}

#[test]
fn a_client_that_goes_away_within_a_streamed_answer_ends_it() {
    let fixture = Fixture::start(workers(2));
    let mut socket = std::os::unix::net::UnixStream::connect(&fixture.path).expect("it listens");
    std::io::Write::write_all(&mut socket, &request(1, true, "GET", "/stream?50000000", b"")).expect("taken");
    socket.read_exact(&mut [0; 1_000]).expect("a beginning");
    drop(socket);
    fixture.gates.wait("stream failed", 1);
    wait_until(|| fixture.controller.snapshot().open == 0);
    assert_eq!(fixture.client().ask("GET", "/hello", b"").status, 200);
}

#[test]
fn an_abort_within_a_streamed_answer_ends_it_and_the_connection_goes_on() {
    let fixture = Fixture::start(workers(2));
    let mut client = fixture.client();
    client.send(&request(5, true, "GET", "/stream?50000000", b""));
    fixture.gates.wait("streaming", 1);
    client.send(&record(ABORT, 5, b""));
    let answer = client.answer(5);
    assert!(answer.body.len() < 50_000_000);
    fixture.gates.wait("stream failed", 1);
    assert_eq!(client.ask("GET", "/hello", b"").text(), "hello\n");
}

#[test]
fn a_panic_in_an_answers_writer_is_an_error_of_its_request_alone() {
    let fixture = Fixture::start(workers(2));
    let mut client = fixture.client();
    assert_eq!(client.ask("GET", "/stream-panic?0", b"").status, 500);
    assert_eq!(client.ask("GET", "/hello", b"").status, 200);
    // Where a part was sent, nobody may take it for the whole: the connection ends without END_REQUEST.
    client.send(&request(1, true, "GET", "/stream-panic?10000", b""));
    assert!(client.try_answer(1).is_none());
    assert_eq!(fixture.client().ask("GET", "/hello", b"").status, 200);
}

#[test]
fn answers_without_a_body_have_none() {
    let fixture = Fixture::start(workers(2));
    let mut client = fixture.client();
    let answer = client.ask("GET", "/nothing", b"");
    assert_eq!((answer.status, answer.body.len(), answer.header("Content-Length")), (204, 0, None));
    let answer = client.ask("HEAD", "/hello", b"");
    assert_eq!((answer.body.len(), answer.header("Content-Length")), (0, Some("6")));
    assert_eq!(client.ask("HEAD", "/stream?1000", b"").body.len(), 0);
}

#[test]
fn a_half_arrived_request_is_given_up_after_its_time() {
    let fixture = Fixture::start(Settings { receive_timeout: Duration::from_millis(100), ..workers(2) });
    let (mut half, mut idle) = (fixture.client(), fixture.client());
    assert_eq!(idle.ask("GET", "/hello", b"").status, 200);
    half.send(&begin(1, true));
    assert!(half.is_ended());
    assert_eq!(idle.ask("GET", "/hello", b"").status, 200, "an idle connection is the web server's to close");
}

#[test]
fn connections_beyond_the_allowed_wait_until_one_ends() {
    let fixture = Fixture::start(Settings { connections: 2, ..workers(2) });
    let mut first: Vec<Client> = (0..2).map(|_| fixture.client()).collect();
    for client in &mut first {
        assert_eq!(client.ask("GET", "/hello", b"").status, 200);
    }
    let mut third = fixture.client();
    third.send(&request(1, true, "GET", "/hello", b""));
    assert_eq!(first[0].ask("GET", "/hello", b"").status, 200);
    assert_eq!(fixture.controller.snapshot().open, 2);
    first.pop();
    assert_eq!(third.answer(1).status, 200);
}

#[test]
fn a_server_that_stops_finishes_what_runs_and_takes_no_more() {
    let mut fixture = Fixture::start(Settings { drain_timeout: Duration::from_millis(100), ..workers(2) });
    let (mut held, mut idle, mut apache) = (fixture.client(), fixture.client(), fixture.client());
    held.send(&request_of("nginx/1.22.1", "/hold?a"));
    fixture.gates.wait("held", 1);
    assert_eq!(idle.ask("GET", "/hello", b"").status, 200);
    assert_eq!(apache.ask("GET", "/hello", b"").status, 200);
    // The socket's own name goes first; by another one it is seen when nobody listens any more.
    let other_name = fixture.path.with_extension("other");
    std::fs::hard_link(&fixture.path, &other_name).expect("a second name");
    fixture.controller.stop();
    wait_until(|| std::os::unix::net::UnixStream::connect(&other_name).is_err());
    // A web server that was just sending on a kept connection gets its answer, and then the connection's end.
    idle.send(&request_of("nginx", "/hello"));
    assert_eq!(idle.answer(1).status, 200);
    assert!(idle.is_left());
    apache.send(&request_of("Apache/2.4.62 (Debian)", "/hello"));
    assert_eq!(apache.answer(1).status, 200);
    assert!(apache.is_ended());
    fixture.gates.open("release a");
    assert_eq!(held.answer(1).text(), "held a");
    assert!(held.is_left());
    fixture.join();
}

#[test]
fn a_server_that_stops_leaves_idle_connections_to_the_web_server_for_a_while() {
    let mut fixture = Fixture::start(Settings { drain_timeout: Duration::from_millis(50), ..workers(2) });
    let mut idle = fixture.client();
    assert_eq!(idle.ask("GET", "/hello", b"").status, 200);
    fixture.controller.stop();
    assert!(idle.is_ended());
    fixture.join();
    let mut fixture = Fixture::start(Settings { drain_timeout: Duration::from_secs(3_600), ..workers(2) });
    let mut idle = fixture.client();
    assert_eq!(idle.ask("GET", "/hello", b"").status, 200);
    fixture.controller.stop();
    fixture.controller.stop();
    assert!(idle.is_ended(), "told twice, it does not wait");
    fixture.join();
}

#[test]
fn a_server_can_be_made_to_end_although_a_handler_does_not() {
    let mut fixture = Fixture::start(workers(2));
    let mut held = fixture.client();
    held.send(&request(1, true, "GET", "/hold?never", b""));
    fixture.gates.wait("held", 1);
    fixture.controller.stop();
    fixture.controller.abort_after(Duration::from_millis(50));
    fixture.join();
    fixture.gates.open("release never");
}

#[test]
fn settings_can_be_changed_while_it_runs() {
    let fixture = Fixture::start(workers(2));
    let mut client = fixture.client();
    assert_eq!(client.ask("GET", "/hello", b"").status, 200);
    fixture.controller.reload(Settings { params_count_limit: 3, ..workers(9) });
    assert_eq!(client.ask("GET", "/hello", b"").status, 431);
    assert_eq!(fixture.controller.snapshot().workers, 2);
}

/// Waits for a condition that another thread brings about.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + super::bytes::DEADLINE;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited in vain");
        std::thread::yield_now();
    }
}
