//! Records as the specification has them: cut, padded, of unknown types, with values asked for.

use hearth::gateway::Settings;

use super::bytes::{
    BEGIN, DATA, GET_VALUES, GET_VALUES_RESULT, PARAMS, STDIN, UNKNOWN_TYPE, begin, pairs, record, record_of, request,
    stream, variables,
};
use super::fixture::Fixture;

#[test]
fn a_request_is_answered_and_its_connection_kept() {
    let fixture = Fixture::start(Settings::default());
    let mut client = fixture.client();
    for _ in 0..3 {
        let answer = client.ask("GET", "/hello", b"");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello\n"));
        assert_eq!((answer.app_status, answer.protocol_status), (0, 0));
        assert_eq!(answer.header("Content-Length"), Some("6"));
    }
}

#[test]
fn a_connection_that_is_not_to_be_kept_ends_after_the_answer() {
    let fixture = Fixture::start(Settings::default());
    let mut client = fixture.client();
    client.send(&request(1, false, "GET", "/hello", b""));
    assert_eq!(client.answer(1).text(), "hello\n");
    assert!(client.is_ended());
}

#[test]
fn a_request_cut_at_any_byte_is_the_same() {
    let fixture = Fixture::start(Settings::default());
    let bytes = request(1, true, "POST", "/echo", b"a body");
    let mut client = fixture.client();
    for cut in 1..bytes.len() {
        client.send(&bytes[..cut]);
        client.send(&bytes[cut..]);
        assert_eq!(client.answer(1).text(), "a body", "cut at {cut}");
    }
}

#[test]
fn a_request_that_arrives_byte_by_byte_is_the_same() {
    let fixture = Fixture::start(Settings::default());
    let mut client = fixture.client();
    for byte in request(1, true, "POST", "/echo", b"a body") {
        client.send(&[byte]);
    }
    assert_eq!(client.answer(1).text(), "a body");
}

#[test]
fn parameters_in_records_of_any_size_are_the_same() {
    let fixture = Fixture::start(Settings::default());
    let mut client = fixture.client();
    let list = pairs(&variables("POST", "/echo", 4));
    for size in [1, 2, 3, 7, 64, 200] {
        let mut bytes = begin(1, true);
        for part in list.chunks(size) {
            bytes.extend(record_of(1, PARAMS, 1, part, 255));
        }
        bytes.extend(record_of(1, PARAMS, 1, &[], 3));
        bytes.extend(record_of(1, STDIN, 1, b"bo", 6));
        bytes.extend(record_of(1, STDIN, 1, b"dy", 255));
        bytes.extend(record(STDIN, 1, b""));
        client.send(&bytes);
        assert_eq!(client.answer(1).text(), "body", "records of {size} bytes");
    }
}

#[test]
fn values_are_told_truthfully_and_once_each() {
    let settings = Settings { workers: 3, queue: 7, connections: 123, ..Settings::default() };
    let fixture = Fixture::start(settings);
    let mut client = fixture.client();
    let names: Vec<(&str, &str)> =
        ["FCGI_MPXS_CONNS", "FCGI_MAX_REQS", "UNKNOWN", "FCGI_MAX_CONNS"].map(|n| (n, "")).into();
    client.send(&record(GET_VALUES, 0, &pairs(&names)));
    let expected = pairs(&[("FCGI_MAX_CONNS", "123"), ("FCGI_MAX_REQS", "10"), ("FCGI_MPXS_CONNS", "1")]);
    let reply = client.record().expect("a result");
    assert_eq!((reply.kind, reply.id, reply.content), (GET_VALUES_RESULT, 0, expected));
    let many: Vec<(&str, &str)> = vec![("FCGI_MAX_REQS", ""); 4_000];
    client.send(&record(GET_VALUES, 0, &pairs(&many)));
    let reply = client.record().expect("a result");
    assert_eq!(reply.content, pairs(&[("FCGI_MAX_REQS", "10")]));
    assert_eq!(client.ask("GET", "/hello", b"").text(), "hello\n");
}

#[test]
fn an_unknown_management_record_is_answered_as_the_specification_says() {
    let fixture = Fixture::start(Settings::default());
    let mut client = fixture.client();
    for kind in [12, 99, 255] {
        client.send(&record_of(1, kind, 0, b"whatever", 5));
        let reply = client.record().expect("an answer");
        assert_eq!((reply.kind, reply.id, reply.content), (UNKNOWN_TYPE, 0, vec![kind, 0, 0, 0, 0, 0, 0, 0]));
    }
    assert_eq!(client.ask("GET", "/hello", b"").text(), "hello\n");
}

#[test]
fn roles_other_than_responder_are_refused_and_the_connection_goes_on() {
    let fixture = Fixture::start(Settings::default());
    let mut client = fixture.client();
    for role in [0, 2, 3, 255] {
        client.send(&record(BEGIN, 1, &[0, role, 1, 0, 0, 0, 0, 0]));
        client.send(&stream(PARAMS, 1, &pairs(&variables("GET", "/hello", 0))));
        client.send(&stream(STDIN, 1, b"body"));
        client.send(&stream(DATA, 1, b"data"));
        let answer = client.answer(1);
        assert_eq!((answer.protocol_status, answer.body.len()), (3, 0), "role {role}");
    }
    assert_eq!(client.ask("GET", "/hello", b"").text(), "hello\n");
}

#[test]
fn records_that_belong_to_no_request_are_dropped() {
    let fixture = Fixture::start(Settings::default());
    let mut client = fixture.client();
    for kind in [PARAMS, STDIN, DATA, 2, 3, 6, 77] {
        client.send(&record_of(1, kind, 9, b"stray bytes", 1));
        client.send(&record(kind, 9, b""));
    }
    assert_eq!(client.ask("GET", "/hello", b"").text(), "hello\n");
}
