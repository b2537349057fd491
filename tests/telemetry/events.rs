//! Events: what is published is found by type, time and traits, once, and only by those whose it is.

use hearth::database::Engine;
use hearth::telemetry::METERING_ROUTES;
use hearth::telemetry::model::expression::Comparison;
use hearth::telemetry::model::{Event, EventFilter, Trait, TraitTest, TraitValue, Whose};
use hearth::time::Timestamp;
use serde_json::{Value as Json, json};

use crate::scratch::{on_every_engine, store};
use crate::service::{ADMIN, Answer, Caller, MEMBER, STRANGER, Services};

on_every_engine! {
    events_are_found_by_every_condition_at_once,
    an_event_is_stored_once_by_many_threads_that_send_it_at_once,
}

/// Events of two types, three projects and one without, with a trait of each type that tells their number.
pub(crate) fn event(number: i64) -> Event {
    let text = |name: &str, value: &str| Trait { name: name.to_owned(), value: TraitValue::Text(value.to_owned()) };
    let mut traits = vec![
        Trait { name: "size".to_owned(), value: TraitValue::Integer(number) },
        Trait { name: "rate".to_owned(), value: TraitValue::Float(number as f64 / 2.0) },
        Trait { name: "created_at".to_owned(), value: TraitValue::Time(Timestamp(number * 1_000_000)) },
        text("name", &format!("Volume {:03} {}", number % 10, "é".repeat(200))),
    ];
    if number % 4 != 0 {
        traits.push(text("project_id", &format!("p{}", number % 4)));
        traits.push(text("user_id", &format!("u{}", number % 2)));
    }
    Event {
        message_id: format!("message {number}"),
        event_type: ["volume.create.end", "volume.delete.end"][(number % 2) as usize].to_owned(),
        // Every instant has several events, and the later ids are the earlier events.
        generated: Timestamp((100 - number / 3) * 1_000_000),
        traits,
        raw: (number % 5 == 0).then(|| r#"{"a":[1,null]}"#.to_owned()),
    }
}

fn holds(event: &Event, test: &TraitTest) -> bool {
    event.traits.iter().any(|one| {
        let ordering = match (&one.value, &test.value) {
            (TraitValue::Text(one), TraitValue::Text(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
            (TraitValue::Integer(one), TraitValue::Integer(other)) => Some(one.cmp(other)),
            (TraitValue::Float(one), TraitValue::Float(other)) => one.partial_cmp(other),
            (TraitValue::Time(one), TraitValue::Time(other)) => Some(one.cmp(other)),
            _ => None,
        };
        one.name == test.name
            && ordering.is_some_and(|ordering| match test.comparison {
                Comparison::Equal => ordering.is_eq(),
                Comparison::Unequal => ordering.is_ne(),
                Comparison::Less => ordering.is_lt(),
                Comparison::AtMost => ordering.is_le(),
                Comparison::Greater => ordering.is_gt(),
                Comparison::AtLeast => ordering.is_ge(),
            })
    })
}

fn meant(event: &Event, filter: &EventFilter) -> bool {
    let whose = match &filter.whose {
        Whose::All => true,
        Whose::ProjectOrNone(project) => event.text("project_id").is_none_or(|own| own == project),
        Whose::User { project_id, user_id } => {
            event.text("project_id") == Some(project_id) && event.text("user_id") == Some(user_id)
        }
    };
    whose
        && filter.event_type.as_ref().is_none_or(|kind| *kind == event.event_type)
        && filter.message_id.as_ref().is_none_or(|id| *id == event.message_id)
        && filter.from.is_none_or(|from| event.generated >= from)
        && filter.to.is_none_or(|to| event.generated <= to)
        && filter.traits.iter().all(|test| holds(event, test))
}

fn events_are_found_by_every_condition_at_once(engine: Engine) {
    let store = store(engine);
    let events: Vec<Event> = (0..150).map(event).collect();
    let (first, second) = events.split_at(70);
    assert_eq!(store.record_events(first).unwrap(), 70);
    // What was stored before, and what comes twice in one batch, counts once.
    let again: Vec<Event> = first[50..].iter().chain(second).chain(&second[..5]).cloned().collect();
    assert_eq!(store.record_events(&again).unwrap(), 80);
    assert_eq!(store.record_events(&events).unwrap(), 0);
    let mut expected = events.clone();
    for event in &mut expected {
        event.traits.sort_by(|one, other| one.name.cmp(&other.name));
    }
    // Those of one instant come as they were stored.
    expected.sort_by_key(|event| event.generated);

    let test = |name: &str, comparison, value| TraitTest { name: name.to_owned(), comparison, value };
    let name = format!("Volume 003 {}", "é".repeat(200));
    let whose = [
        Whose::All,
        Whose::ProjectOrNone("p1".to_owned()),
        Whose::ProjectOrNone("unknown".to_owned()),
        Whose::User { project_id: "p1".to_owned(), user_id: "u1".to_owned() },
        Whose::User { project_id: "p1".to_owned(), user_id: "u0".to_owned() },
    ];
    let all = [
        Comparison::Equal,
        Comparison::Unequal,
        Comparison::Less,
        Comparison::AtMost,
        Comparison::Greater,
        Comparison::AtLeast,
    ];
    let mut tests: Vec<Vec<TraitTest>> = vec![Vec::new()];
    for comparison in all {
        tests.push(vec![test("size", comparison, TraitValue::Integer(33))]);
        tests.push(vec![test("rate", comparison, TraitValue::Float(20.5))]);
        tests.push(vec![test("created_at", comparison, TraitValue::Time(Timestamp(41_000_000)))]);
        tests.push(vec![
            test("name", comparison, TraitValue::Text(name.clone())),
            test("size", Comparison::Greater, TraitValue::Integer(20)),
        ]);
    }
    // A trait of another type, and one that nothing has.
    tests.push(vec![test("size", Comparison::Equal, TraitValue::Text("33".to_owned()))]);
    tests.push(vec![test("volume", Comparison::Unequal, TraitValue::Integer(1))]);
    let mut hits = 0;
    for whose in &whose {
        for traits in &tests {
            for event_type in [None, Some("volume.create.end"), Some("volume.attach.end")] {
                for (from, to) in [(None, None), (Some(60), Some(90)), (Some(101), None)] {
                    let second = |second: i64| Timestamp(second * 1_000_000);
                    let filter = EventFilter {
                        whose: whose.clone(),
                        event_type: event_type.map(str::to_owned),
                        message_id: None,
                        from: from.map(second),
                        to: to.map(second),
                        traits: traits.clone(),
                    };
                    let found = store.events(&filter, 20).unwrap();
                    let wanted: Vec<Event> =
                        expected.iter().filter(|event| meant(event, &filter)).take(20).cloned().collect();
                    assert_eq!(found, wanted, "{filter:?}");
                    hits += found.len();
                }
            }
        }
    }
    assert!(hits > 1000, "the conditions find {hits} events");
    let one = EventFilter { message_id: Some("message 7".to_owned()), ..EventFilter::default() };
    assert_eq!(store.events(&one, 10).unwrap().len(), 1);
    assert_eq!(store.event_types(10).unwrap(), ["volume.create.end", "volume.delete.end"]);
    let names: Vec<String> =
        store.trait_descriptions("volume.create.end", 10).unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["created_at", "name", "project_id", "rate", "size", "user_id"]);
    let sizes = store.traits("volume.delete.end", "size", 3).unwrap();
    assert_eq!(
        sizes.iter().map(|one| &one.value).collect::<Vec<_>>(),
        [147, 149, 145].map(TraitValue::Integer).iter().collect::<Vec<_>>()
    );
    assert_eq!(store.traits("volume.create.end", "nothing", 3).unwrap(), []);
}

fn an_event_is_stored_once_by_many_threads_that_send_it_at_once(engine: Engine) {
    let store = store(engine);
    let events: Vec<Event> = (0..60).map(event).collect();
    let stored: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (store, mut events) = (&store, events.clone());
                events.rotate_left(thread * 15);
                scope.spawn(move || events.chunks(7).map(|batch| store.record_events(batch).unwrap()).sum::<usize>())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(stored, 60);
    assert_eq!(store.events(&EventFilter::default(), 1000).unwrap().len(), 60);
}

/// An event as agents publish it, of a project and a user.
fn published(id: &str, project: Option<&str>, user: &str, size: i64) -> Json {
    let mut traits = vec![json!(["size", 2, size]), json!(["rate", 3, 1.5]), json!(["display_name", 1, "näme"])];
    traits.push(json!(["created_at", 4, "2026-11-22T13:44:00+02:00"]));
    if let Some(project) = project {
        traits.push(json!(["project_id", 1, project]));
        traits.push(json!(["user_id", 1, user]));
    }
    let generated = format!("2026-11-22T13:45:{size:02}");
    json!({"message_id": id, "event_type": "volume.create.end", "generated": generated, "traits": traits, "raw": {}})
}

fn publish(services: &Services, caller: Caller, events: &[Json]) -> Answer {
    services.post(caller, "/metering/v2/events", &json!(events))
}

/// The ids of events that a caller finds.
fn ids(services: &Services, caller: Caller, query: &str) -> Vec<String> {
    let answer = services.get(caller, &format!("/metering/v2/events{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let events = answer.json.as_array().unwrap().clone();
    events.iter().map(|event| event["message_id"].as_str().unwrap().to_owned()).collect()
}

fn some() -> Services {
    let services = Services::new();
    let events = [
        published("c", Some("p1"), "u1", 3),
        published("a", Some("p1"), "u1", 1),
        published("b", Some("p1"), "other", 2),
        published("d", Some("operators"), "root", 4),
        published("e", None, "", 5),
    ];
    assert_eq!(publish(&services, ADMIN, &events).status, 201);
    services
}

#[test]
fn a_caller_sees_the_events_of_its_own_and_an_administrator_those_of_its_project_and_of_none() {
    let services = some();
    assert_eq!(ids(&services, MEMBER, ""), ["a", "c"]);
    assert_eq!(ids(&services, STRANGER, ""), [""; 0]);
    assert_eq!(ids(&services, ADMIN, ""), ["d", "e"]);
    // Naming another's project or user finds nothing more.
    assert_eq!(ids(&services, STRANGER, "?q.field=project_id&q.value=p1"), [""; 0]);
    assert_eq!(ids(&services, MEMBER, "?q.field=user_id&q.value=other"), [""; 0]);
    for (caller, id, status) in
        [(MEMBER, "a", 200), (MEMBER, "b", 404), (ADMIN, "a", 404), (ADMIN, "e", 200), (STRANGER, "e", 404)]
    {
        let answer = services.get(caller, &format!("/metering/v2/events/{id}"));
        assert_eq!(answer.status, status, "{id}");
        if status == 404 {
            assert_eq!(answer.fault(), format!("Event {id} Not Found"));
        }
    }
    let event = services.get(MEMBER, "/metering/v2/events/a").json;
    let expected = json!({"message_id": "a", "event_type": "volume.create.end", "generated": "2026-11-22T13:45:01",
        "traits": [
            {"name": "created_at", "type": "datetime", "value": "2026-11-22T11:44:00"},
            {"name": "display_name", "type": "string", "value": "näme"},
            {"name": "project_id", "type": "string", "value": "p1"},
            {"name": "rate", "type": "float", "value": "1.5"},
            {"name": "size", "type": "integer", "value": "1"},
            {"name": "user_id", "type": "string", "value": "u1"}],
        "raw": {}});
    assert_eq!(event, expected);
}

#[test]
fn events_are_asked_for_by_type_time_and_traits() {
    let services = some();
    for (query, found) in [
        ("?limit=1", vec!["a"]),
        ("?q.field=event_type&q.value=volume.create.end", vec!["a", "c"]),
        ("?q.field=event_type&q.value=volume.delete.end", vec![]),
        ("?q.field=message_id&q.op=eq&q.value=c&q.type=", vec!["c"]),
        ("?q.field=start_timestamp&q.op=ge&q.value=2026-11-22T13:45:02", vec!["c"]),
        ("?q.field=end_timestamp&q.op=le&q.value=2026-11-22T15:45:01%2B02:00", vec!["a"]),
        ("?q.field=size&q.op=gt&q.value=1&q.type=integer", vec!["c"]),
        ("?q.field=size&q.op=le&q.value=3&q.type=integer", vec!["a", "c"]),
        // A trait of another type is another trait.
        ("?q.field=size&q.op=eq&q.value=1&q.type=string", vec![]),
        ("?q.field=rate&q.op=ge&q.value=1.5&q.type=float", vec!["a", "c"]),
        ("?q.field=display_name&q.op=ne&q.value=n%C3%A4me", vec![]),
        ("?q.field=display_name&q.op=eq&q.value=n%C3%A4me&q.type=string", vec!["a", "c"]),
        ("?q.field=created_at&q.op=eq&q.value=2026-11-22T11:44:00Z&q.type=datetime", vec!["a", "c"]),
        ("?q.field=created_at&q.op=lt&q.value=2026-11-22T11:44:00&q.type=datetime", vec![]),
    ] {
        assert_eq!(ids(&services, MEMBER, query), found, "{query}");
    }
    for (query, text) in [
        ("limit=0", "Limit must be positive"),
        ("bogus=1", "Unknown argument: \"bogus\""),
        (
            "q.field=event_type&q.op=gt&q.value=a",
            "Operator gt is not supported. Only `eq' operator is available for field event_type",
        ),
        ("q.field=size&q.value=x&q.type=integer", "Unable to convert the value x to the expected data type integer."),
        (
            "q.field=size&q.value=x&q.type=boolean",
            "The data type boolean is not supported. The supported data type list is: ['integer', 'float', 'string', \
             'datetime']",
        ),
    ] {
        let refused = services.get(MEMBER, &format!("/metering/v2/events?{query}"));
        assert_eq!((refused.status, refused.fault()), (400, text));
    }
}

#[test]
fn types_and_traits_are_told_to_administrators_alone() {
    let services = some();
    for (path, found) in [
        ("/event_types", json!(["volume.create.end"])),
        ("/event_types/x/traits", json!([])),
        (
            "/event_types/volume.create.end/traits?limit=2",
            json!([{"name": "created_at", "type": "datetime"}, {"name": "display_name", "type": "string"}]),
        ),
        (
            "/event_types/volume.create.end/traits/size?limit=2",
            json!([{"name": "size", "type": "integer", "value": "1"}, {"name": "size", "type": "integer", "value": "2"}]),
        ),
        ("/event_types/volume.create.end/traits/x", json!([])),
    ] {
        let answer = services.get(ADMIN, &format!("/metering/v2{path}"));
        assert_eq!((answer.status, answer.json), (200, found), "{path}");
        let refused = services.get(MEMBER, &format!("/metering/v2{path}"));
        let text = refused.json["error_message"].as_str().unwrap();
        assert!(
            text.starts_with("401 Unauthorized\n\n") && text.contains("Not Authorized to access project p1"),
            "{text}"
        );
        assert_eq!(refused.status, 401);
    }
    assert_eq!(services.get(ADMIN, "/metering/v2/event_types/volume.create.end").status, 404);
}

#[test]
fn a_batch_with_one_bad_event_is_not_stored_at_all_and_a_repeated_one_is_stored_once() {
    let services = Services::new();
    let (good, bad) = (published("a", None, "", 1), published("b", None, "", 2));
    for (field, value) in [
        ("message_id", Json::Null),
        ("message_id", json!("x".repeat(256))),
        ("event_type", json!("nul\u{0}")),
        ("event_type", json!(5)),
        ("generated", json!("yesterday")),
        ("traits", json!([["size", 2, "five"]])),
        ("traits", json!([["size", 2]])),
        ("traits", json!([["project_id", 1, "p".repeat(256)]])),
    ] {
        let mut wrong = bad.clone();
        wrong[field] = value;
        assert_eq!(publish(&services, ADMIN, &[good.clone(), wrong]).status, 400, "{field}");
    }
    assert_eq!(ids(&services, ADMIN, ""), [""; 0]);
    assert_eq!(publish(&services, ADMIN, &[]).status, 201);
    assert_eq!(publish(&services, ADMIN, &[good.clone(), bad, good.clone()]).status, 201);
    assert_eq!(services.post(ADMIN, "/metering/v2/events", &good).status, 201);
    assert_eq!(ids(&services, ADMIN, ""), ["a", "b"]);
    let long = json!({"message_id": "c", "event_type": "t", "generated": "2026-11-22T13:45:00", "raw": {"payload": [1]},
        "traits": [["text", 1, "x\u{0}é".repeat(100_000)]]});
    assert_eq!(services.post(ADMIN, "/metering/v2/events", &long).status, 201);
    let found = services.get(ADMIN, "/metering/v2/events/c").json;
    assert_eq!((&found["traits"][0]["value"], &found["raw"]), (&long["traits"][0][2], &long["raw"]));
}

#[test]
fn recorded_requests_of_the_publisher_are_taken() {
    let services = Services::new();
    for recorded in [
        include_str!("../data/telemetry/publisher-events-batch.json"),
        include_str!("../data/telemetry/publisher-events-individual.json"),
    ] {
        let recorded: Json = serde_json::from_str(recorded).unwrap();
        for request in recorded["requests"].as_array().unwrap() {
            let body: Json = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
            assert_eq!(services.post(ADMIN, "/metering/v2/events", &body).status, 201);
        }
        assert_eq!(ids(&services, ADMIN, ""), ["msg-1", "msg-2"]);
    }
    let found = services.get(ADMIN, "/metering/v2/events/msg-2").json;
    assert_eq!(found["raw"], json!({"payload": {"volume_id": "vol2"}}));
}

#[test]
fn bare_payloads_become_events_of_the_type_that_the_url_names() {
    let services = Services::new();
    let recorded: Json =
        serde_json::from_str(include_str!("../data/telemetry/publisher-events-raw_only.json")).unwrap();
    let body: Json = serde_json::from_str(recorded["requests"][0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(services.post(ADMIN, "/metering/v2/events?event_type=volume.create.end", &body).status, 201);
    let found = services.get(ADMIN, "/metering/v2/events?q.field=resource_id&q.value=vol2").json;
    let [event] = found.as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!(event["event_type"], "volume.create.end");
    assert_eq!(uuid::Uuid::parse_str(event["message_id"].as_str().unwrap()).unwrap().get_version_num(), 1);
    // Nothing tells what they are about.
    assert_eq!(services.post(ADMIN, "/metering/v2/events", &body).status, 400);
    assert_eq!(services.post(ADMIN, "/metering/v2/events?event_type=a", &json!([5])).status, 400);
    assert_eq!(services.post(MEMBER, "/metering/v2/events?event_type=a", &body).status, 403);
}

#[test]
fn agents_without_a_token_publish_where_the_configuration_admits_them_and_do_nothing_else() {
    const NOBODY: Caller = &[("X-Nobody", "1")];
    let json = [("Content-Type", "application/json")];
    let body = json!([published("a", Some("p1"), "u1", 1)]).to_string();
    let send = |services: &Services, path: &str, headers: &[(&str, &str)], body: &str| {
        let headers: Vec<(&str, &str)> = json.iter().chain(headers).copied().collect();
        services.send("POST", &format!("/metering/v2{path}"), NOBODY, &headers, Some(body.as_bytes())).status
    };
    // user:pw, user:wrong, other:pw
    let [right, wrong, other] = ["Basic dXNlcjpwdw==", "Basic dXNlcjp3cm9uZw==", "Basic b3RoZXI6cHc="];
    let closed = Services::new();
    for headers in [&[][..], &[("Authorization", right)], &[("X-Forwarded-For", "127.0.0.1")]] {
        assert_eq!(send(&closed, "/events", headers, &body), 401);
    }
    let services = Services::with("[hearth_telemetry]\npublishers = a:b, user:pw");
    for (headers, status) in [
        (&[("Authorization", wrong)][..], 401),
        (&[("Authorization", other)], 401),
        (&[("Authorization", "Basic ???")], 401),
        (&[("Authorization", "Bearer dXNlcjpwdw==")], 401),
        (&[], 401),
        (&[("Authorization", right), ("X-Auth-Token", "t")], 401),
        (&[("Authorization", right)], 201),
    ] {
        assert_eq!(send(&services, "/events", headers, &body), status, "{headers:?}");
    }
    let sample = r#"{"name": "n", "type": "gauge", "volume": 1, "project_id": "p1", "resource_id": "r1",
        "timestamp": "2015-01-01T10:00:00", "id": "x"}"#;
    assert_eq!(send(&services, "/samples", &[("Authorization", right)], sample), 201);
    assert_eq!(ids(&services, MEMBER, ""), ["a"]);
    assert_eq!(send(&services, "/meters/n", &[("Authorization", right)], "[]"), 401);
    assert_eq!(send(&services, "/query/samples", &[("Authorization", right)], "{}"), 401);
    for route in METERING_ROUTES.iter().copied().flatten().filter(|route| route.method.name() == "GET") {
        let url = format!("/metering/v2{}", route.path);
        let answer = services.send("GET", &url, NOBODY, &[("Authorization", right)], None);
        assert_eq!(answer.status, 401, "{url}");
    }
    let near = Services::with("[hearth_telemetry]\npublisher_networks = 192.0.2.0/24");
    let from = |address| near.from("POST", "/metering/v2/events", address, &json, Some(body.as_bytes())).status;
    assert_eq!((from("192.0.2.7"), from("198.51.100.1")), (201, 401));
}
