//! The answers of a live Aodh 22, request by request, beside ours. `tests/data/telemetry` holds what was sent to it and what
//! it answered; [`ACCEPTED`] holds where we differ, and why.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;

use crate::service::Services;

const RECORDED: &str = include_str!("../data/telemetry/aodh-22.txt");
const THERE: &str = "http://localhost:28780";
const HERE: &str = "http://localhost:28777/alarming";

/// Where we differ: what the command holds, the status that we answer, and why.
const ACCEPTED: &[(&str, u16, &str)] = &[
    (
        "\"threshold_rule\"",
        201,
        "rules on samples of Hearth's own are rules of Aodh before Pike, and are evaluated here",
    ),
    ("gnocchi_resources_threshold_rule", 201, "Gnocchi is asked when the alarm is evaluated, not when it is made"),
    ("\"composite_rule\":{\"or\"", 201, "there the scope of one tenant's rule spoils the rules of all others"),
    ("-XDELETE http://localhost:28780/v2/alarms/", 204, "there the database was locked"),
];

/// What was deleted here and not there: it is asked for after that.
const GONE: u16 = 404;

struct Exchange {
    command: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    answer: String,
    status: u16,
    location: String,
}

/// Reads `[-XMETHOD ]URL[ -H HEADER: VALUE]...[ -d BODY]`, the answer's body, and `[STATUS loc=LOCATION]`.
fn exchange(block: &str) -> Exchange {
    let (command, rest) = block.split_once('\n').unwrap();
    let (answer, last) = rest.trim_end().rsplit_once('\n').unwrap();
    let (status, location) = last.trim_matches(['[', ']']).split_once(" loc=").unwrap();
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
        url: url.trim().strip_prefix(THERE).unwrap().to_owned(),
        headers: parts.map(header).collect(),
        body,
        answer: answer.to_owned(),
        status: status.parse().unwrap(),
        location: location.to_owned(),
    }
}

#[test]
fn answers_about_alarms_are_those_of_the_live_service() {
    let services = Services::with(
        "enable_evaluation_results_metrics = true\n[api]\nproject_alarm_quota = 50\n[hearth_alarms]\noctavia_url = http://127.0.0.1:1\n",
    );
    let mut differences = Vec::new();
    // Ids there and here.
    let mut ids: HashMap<String, String> = HashMap::new();
    let mut deleted = false;
    let mut compared = 0;
    for exchange in RECORDED.split(">>> ").filter(|block| !block.trim().is_empty()).map(exchange) {
        let mut url = exchange.url.clone();
        for (there, here) in &ids {
            url = url.replace(there.as_str(), here);
        }
        let headers: Vec<(&str, &str)> =
            exchange.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let ours = services.send(
            &exchange.method,
            &format!("/alarming{url}"),
            &headers,
            &[],
            exchange.body.as_deref().map(str::as_bytes),
        );
        let accepted = ACCEPTED.iter().find(|(part, ..)| exchange.command.contains(part)).map(|(_, status, _)| *status);
        if let Some(status) = accepted.or((deleted && url.starts_with("/v2/alarms/")).then_some(GONE)) {
            assert_eq!(ours.status, status, "{}: {}", exchange.command, ours.text);
            deleted |= exchange.method == "DELETE" && status == 204;
            continue;
        }
        compared += 1;
        let theirs: Json = serde_json::from_str(&exchange.answer.replace(THERE, HERE)).unwrap_or_default();
        if let (Some(there), Some(here)) = (theirs["alarm_id"].as_str(), ours.json["alarm_id"].as_str()) {
            ids.insert(there.to_owned(), here.to_owned());
        }
        let location = exchange.location.replace(THERE, HERE);
        let location = ids.iter().fold(location, |text, (there, here)| text.replace(there.as_str(), here));
        assert_eq!(ours.header("location").unwrap_or(""), location, "{}", exchange.command);
        // Long answers were recorded to their middle only.
        let cut = theirs.is_null() && !exchange.answer.trim().is_empty();
        let (theirs, own) = (comparable(&theirs), comparable(&ours.json));
        if exchange.status != ours.status || !cut && theirs != own {
            differences.push(format!(
                "{}\n  there {} {theirs}\n  here  {} {own}",
                exchange.command, exchange.status, ours.status
            ));
        }
    }
    assert!(compared > 20, "only {compared} requests were compared");
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// An answer without what is new in every run.
fn comparable(json: &Json) -> Json {
    match json {
        Json::Object(map) => {
            let entry = |(key, value): (&String, &Json)| match (key.as_str(), value) {
                ("alarm_id" | "event_id", Json::String(id)) => {
                    (key.clone(), Json::from(format!("a UUID of {} letters", id.len())))
                }
                ("timestamp" | "state_timestamp" | "evaluate_timestamp", Json::String(at)) => {
                    (key.clone(), Json::from(format!("a time of {} letters", at.len())))
                }
                ("detail", Json::String(text)) => {
                    (key.clone(), comparable(&serde_json::from_str(text).unwrap_or_default()))
                }
                _ => (key.clone(), comparable(value)),
            };
            // In the order of the keys, so that equal objects are equal texts.
            Json::Object(map.iter().map(entry).collect::<BTreeMap<_, _>>().into_iter().collect())
        }
        // XML is not written, and the version document does not promise it.
        Json::Array(items) => items.iter().filter(|item| item["base"] != "application/xml").map(comparable).collect(),
        other => other.clone(),
    }
}
