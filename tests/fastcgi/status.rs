//! The status document and the ping: what they tell, to whom, and when everything else is busy.

use hearth::gateway::{Network, Settings};

use super::bytes::{Answer, Client, PARAMS, STDIN, begin, pairs, request, stream, variables};
use super::fixture::Fixture;

fn fixture(workers: usize) -> Fixture {
    Fixture::start(Settings {
        workers,
        queue: 1,
        status_path: Some("/status".to_owned()),
        ping_path: Some("/ping".to_owned()),
        allowed: vec![Network::parse("192.0.2.0/24").expect("a network")],
        ..Settings::default()
    })
}

fn ask_from(client: &mut Client, address: &str, path: &str) -> Answer {
    let mut list = variables("GET", path, 0);
    list.retain(|(name, _)| name != "REMOTE_ADDR");
    list.push(("REMOTE_ADDR".to_owned(), address.as_bytes().to_vec()));
    client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&list)), stream(STDIN, 1, b"")].concat());
    client.answer(1)
}

#[test]
fn the_status_is_told_in_three_forms_to_allowed_clients_only() {
    let fixture = fixture(3);
    let mut client = fixture.client();
    let mut held = fixture.client();
    held.send(&request(1, true, "GET", "/hold?a", b""));
    fixture.gates.wait("held", 1);
    assert_eq!(client.ask("GET", "/hello", b"").status, 200);
    assert_eq!(client.ask("GET", "/absent", b"").status, 404);

    let text = ask_from(&mut client, "192.0.2.77", "/status").text();
    assert!(
        text.contains("\nworkers_busy          1\n") && text.contains("GET /hold 127.0.0.1 req-test - -"),
        "{text}"
    );

    let json = ask_from(&mut client, "192.0.2.77", "/status?json").text();
    let document: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    for (name, value) in [("workers", 3), ("workers_busy", 1), ("workers_idle", 2), ("queue", 0), ("requests", 2)] {
        assert_eq!(document[name], value, "{name}");
    }
    assert_eq!(document["running"][0]["path"], "/hold");
    assert_eq!(document["routes"][""]["by_class"], serde_json::json!([0, 1, 0, 1, 0]));

    let prometheus = ask_from(&mut client, "192.0.2.77", "/status?prometheus").text();
    for line in [
        "# TYPE hearth_requests_total counter",
        "hearth_requests_total 2",
        "hearth_workers_busy 1",
        "hearth_route_responses_total{route=\"\",class=\"4xx\"} 1",
        "hearth_route_duration_seconds_count{route=\"\"} 2",
    ] {
        assert!(prometheus.lines().any(|found| found == line), "{line} in {prometheus}");
    }
    for path in ["/status", "/status?json", "/ping"] {
        assert_eq!(ask_from(&mut client, "127.0.0.1", path).status, 403);
        assert_eq!(ask_from(&mut client, "no address", path).status, 403);
    }
    fixture.gates.open("release a");
    assert_eq!(held.answer(1).status, 200);
}

#[test]
fn status_and_ping_answer_when_all_workers_and_the_queue_are_busy() {
    let fixture = fixture(1);
    let mut held: Vec<Client> = (0..2).map(|_| fixture.client()).collect();
    for client in &mut held {
        client.send(&request(1, true, "GET", "/hold?a", b""));
        fixture.gates.wait("held", 1);
    }
    let mut client = fixture.client();
    while ask_from(&mut client, "192.0.2.1", "/status?json").text().contains("\"queue\":0") {}
    assert_eq!(client.ask("GET", "/hello", b"").status, 503);
    assert_eq!(ask_from(&mut client, "192.0.2.1", "/ping").text(), "pong\n");
    fixture.gates.open("release a");
    for client in &mut held {
        assert_eq!(client.answer(1).status, 200);
    }
}
