//! The answers of a live Ceilometer 7.1.1 on SQLite, request by request, beside ours. `tests/data/telemetry` holds what
//! was sent to it and what it answered; [`ACCEPTED`] holds where we differ, and why.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::service::Services;

const RECORDED: &str = include_str!("../data/telemetry/ceilometer-7.1.1.txt");

/// What our answer may be instead.
enum Instead {
    /// This status; the body is looked at by other tests.
    Status(u16),
    /// The request is not sent: what it did there it can not do here.
    NotSent,
}

use Instead::{NotSent, Status};

/// Where we differ: what the command holds, what we answer, and why.
const ACCEPTED: &[(&str, Instead, &str)] = &[
    (
        "-XPOST http://localhost:28777/v2/meters/volume.size -H Content-Type",
        NotSent,
        "it was lost there, and is stored here",
    ),
    ("/v2/meters/volume.size?limit=1", NotSent, "of two samples with one time either may be the first"),
    ("aggregate.func=stddev", Status(200), "there it failed on SQLite"),
    ("groupby=source", Status(200), "there it was not implemented on SQL"),
    ("/v2/alarms", Status(200), "there alarms had moved to Aodh, and here they are served as before"),
    ("metadata.status\\\":[\\\"ok", Status(200), "there 'in' was not implemented for metadata"),
    ("/v2/meters?limit=0 -H X-Roles: admin -H Accept: application/xml", Status(400), "compared as text elsewhere"),
    ("Accept: application/xml", Status(200), "the order of fields is that of JSON"),
];

/// A request and its answer there.
struct Exchange {
    command: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    answer: String,
    status: u16,
}

fn exchanges() -> Vec<Exchange> {
    let blocks = RECORDED.split(">>> ").filter(|block| !block.trim().is_empty());
    blocks.map(exchange).collect()
}

/// Reads `[-XMETHOD ]URL[ -H HEADER: VALUE]...[ -d BODY]`, the answer's body, and `[STATUS TYPE]`.
fn exchange(block: &str) -> Exchange {
    let (command, rest) = block.split_once('\n').unwrap();
    let (answer, last) = rest.trim_end().rsplit_once('\n').unwrap();
    let status = last.trim_start_matches('[').split(' ').next().unwrap().parse().unwrap();
    let (line, body) = match command.split_once(" -d ") {
        Some((line, body)) => (line, Some(body.to_owned())),
        None => (command, None),
    };
    let mut parts = line.split(" -H ");
    let start = parts.next().unwrap();
    let (method, url) = match start.strip_prefix("-X") {
        Some(rest) => rest.split_once(' ').unwrap(),
        None => ("GET", start),
    };
    let header = |part: &str| {
        let (name, value) = part.split_once(": ").unwrap();
        (name.to_owned(), value.trim().to_owned())
    };
    Exchange {
        command: command.to_owned(),
        method: method.to_owned(),
        path: url.trim().strip_prefix("http://localhost:28777").unwrap().to_owned(),
        headers: parts.map(header).collect(),
        body,
        answer: answer.to_owned(),
        status,
    }
}

#[test]
fn answers_are_those_of_the_live_service() {
    let services = Services::new();
    let mut differences = Vec::new();
    let mut compared = 0;
    for exchange in exchanges() {
        let accepted = ACCEPTED.iter().find(|(part, ..)| exchange.command.contains(part));
        if matches!(accepted, Some((_, NotSent, _))) {
            continue;
        }
        let mut headers: Vec<(&str, &str)> =
            exchange.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if exchange.body.is_some() && !exchange.command.contains("Content-Type") {
            headers.push(("Content-Type", "application/x-www-form-urlencoded"));
        }
        let url = format!("/metering{}", exchange.path);
        let ours = services.send(&exchange.method, &url, &headers, &[], exchange.body.as_deref().map(str::as_bytes));
        compared += 1;
        if let Some((_, Status(status), _)) = accepted {
            assert_eq!(ours.status, *status, "{}", exchange.command);
            continue;
        }
        let theirs: Json =
            serde_json::from_str(&exchange.answer.replace("http://localhost:28777", "http://localhost:28777/metering"))
                .unwrap();
        let (theirs, own) = (comparable(&theirs), comparable(&ours.json));
        if (exchange.status, &theirs) != (ours.status, &own) {
            differences.push(format!(
                "{}\n  there {} {theirs}\n  here  {} {own}",
                exchange.command, exchange.status, ours.status
            ));
        }
    }
    assert!(compared > 60, "only {compared} requests were compared");
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// An answer without what is new in every run, and without what only Python 2 writes.
fn comparable(json: &Json) -> Json {
    match json {
        Json::Object(map) => {
            let entry = |(key, value): (&String, &Json)| match (key.as_str(), value) {
                ("message_id" | "id", Json::String(id)) => {
                    let uuid = uuid::Uuid::parse_str(id).unwrap();
                    (key.clone(), Json::from(format!("a UUID of version {}", uuid.get_version_num())))
                }
                ("recorded_at", Json::String(_)) => (key.clone(), Json::from("a time")),
                ("faultstring", Json::String(text)) => (key.clone(), Json::from(without_python_2(text))),
                _ => (key.clone(), comparable(value)),
            };
            // In the order of the keys, so that equal objects are equal texts.
            Json::Object(map.iter().map(entry).collect::<BTreeMap<_, _>>().into_iter().collect())
        }
        Json::Array(items) => {
            let mut items: Vec<Json> = items.iter().map(comparable).collect();
            // What has one timestamp, and what has none, is in no order there.
            items.sort_by_key(|item| (std::cmp::Reverse(item["timestamp"].to_string()), item.to_string()));
            Json::Array(items)
        }
        other => other.clone(),
    }
}

/// Texts of values without Python 2's marks, and without values of dictionaries, whose order is that of their hashes.
fn without_python_2(text: &str) -> String {
    // After these words there comes a whole schema, and clients read no further.
    for head in ["Filter expression not valid:", "Order-by expression not valid:"] {
        if text.starts_with(head) {
            return head.to_owned();
        }
    }
    let text = text
        .replace("u'", "'")
        .replace("set(['bogus'])", "{'bogus'}")
        .replace("<type 'unicode'>", "<class 'str'>")
        .replace("<type '", "<class '");
    match (text.find("Value: '"), text.rfind("'. ")) {
        (Some(start), Some(end)) if text.contains('{') && start < end => format!("{}…{}", &text[..start], &text[end..]),
        _ => text,
    }
}
