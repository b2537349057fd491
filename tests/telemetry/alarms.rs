//! The API of alarms: what rules may say, whose alarms are whose, what is written of them, on every engine.

use hearth::database::Engine;
use hearth::telemetry::{ALARMING_ROUTES, METERING_ROUTES};
use serde_json::{Value as Json, json};

use crate::scratch::on_every_engine;
use crate::service::{ADMIN, Answer, Caller, MEMBER, READER, STRANGER, Services};

on_every_engine! {
    an_alarm_lives_from_its_creation_to_its_deletion_with_its_history,
    lists_are_sorted_and_paged,
    quotas_hold_for_a_project_and_for_a_user,
    expressions_find_alarms_and_their_history,
}

/// An alarm that fires on an event.
fn event(name: &str) -> Json {
    json!({"name": name, "type": "event", "event_rule": {"event_type": "volume.create.end"}})
}

/// An alarm on statistics.
fn threshold(name: &str, rule: &Json) -> Json {
    let mut alarm = json!({"name": name, "type": "threshold", "threshold_rule": {"meter_name": "m", "threshold": 1}});
    for (key, value) in rule.as_object().unwrap() {
        alarm["threshold_rule"][key] = value.clone();
    }
    alarm
}

fn create(services: &Services, caller: Caller, alarm: &Json) -> Answer {
    services.post(caller, "/alarming/v2/alarms", alarm)
}

fn made(services: &Services, caller: Caller, alarm: &Json) -> String {
    let answer = create(services, caller, alarm);
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json["alarm_id"].as_str().unwrap().to_owned()
}

fn put(services: &Services, caller: Caller, path: &str, body: &Json) -> Answer {
    let json = [("Content-Type", "application/json")];
    services.send("PUT", &format!("/alarming/v2{path}"), caller, &json, Some(body.to_string().as_bytes()))
}

fn delete(services: &Services, caller: Caller, path: &str) -> Answer {
    services.send("DELETE", &format!("/alarming/v2{path}"), caller, &[], None)
}

fn names(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

fn an_alarm_lives_from_its_creation_to_its_deletion_with_its_history(engine: Engine) {
    let services = Services::on(engine, "");
    let id = made(&services, MEMBER, &event("first"));
    let path = format!("/alarms/{id}");
    let url = format!("/alarming/v2{path}");
    assert_eq!(put(&services, MEMBER, &format!("{path}/state"), &json!("ok")).json, json!("ok"));
    assert_eq!(services.get(MEMBER, &format!("{url}/state")).json, json!("ok"));
    let mut changed = event("second");
    changed["state"] = json!("ok");
    changed["severity"] = json!("critical");
    let answer = put(&services, MEMBER, &path, &changed);
    assert_eq!((answer.status, &answer.json["name"]), (200, &json!("second")));
    assert_eq!(answer.json["state_reason"], "Manually set via API");
    // The same definition once more changes nothing that history tells.
    assert_eq!(put(&services, MEMBER, &path, &changed).status, 200);
    let history = services.get(MEMBER, &format!("{url}/history"));
    let rows = history.json.as_array().unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| row["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["rule change", "state transition", "creation"]);
    assert_eq!(rows[0]["detail"], r#"{"name": "second", "severity": "critical"}"#);
    assert_eq!(rows[1]["detail"], r#"{"state": "ok", "state_reason": "Manually set via API"}"#);
    let later = "q.field=timestamp&q.op=gt&q.value=2100-01-01";
    assert_eq!(services.get(MEMBER, &format!("{url}/history?{later}")).json, json!([]));
    let kind = services.get(MEMBER, &format!("{url}/history?q.field=type&q.value=creation"));
    assert_eq!(kind.json.as_array().map(Vec::len), Some(1));
    for caller in [STRANGER, READER] {
        let status = if caller == READER { 403 } else { 404 };
        assert_eq!(delete(&services, caller, &path).status, status);
        assert_eq!(put(&services, caller, &path, &changed).status, status);
    }
    let hidden = services.get(STRANGER, &url);
    assert_eq!((hidden.status, hidden.fault()), (404, format!("Alarm {id} not found").as_str()));
    assert_eq!(services.get(READER, &url).status, 200);
    assert_eq!(delete(&services, MEMBER, &path).status, 204);
    assert_eq!(services.get(MEMBER, &format!("{url}/history")).status, 404);
    assert_eq!(services.post(ADMIN, "/alarming/v2/query/alarms/history", &json!({})).json, json!([]));
}

fn lists_are_sorted_and_paged(engine: Engine) {
    let services = Services::on(engine, "");
    for (name, severity) in [("b", "critical"), ("a", "low"), ("d", "moderate"), ("c", "low")] {
        let mut alarm = event(name);
        alarm["severity"] = json!(severity);
        made(&services, MEMBER, &alarm);
    }
    made(&services, STRANGER, &event("other"));
    let list = |caller, query: &str| services.get(caller, &format!("/alarming/v2/alarms?{query}"));
    assert_eq!(names(&list(MEMBER, "")), ["c", "d", "a", "b"]);
    assert_eq!(names(&list(MEMBER, "sort=name")), ["a", "b", "c", "d"]);
    assert_eq!(names(&list(MEMBER, "sort=severity:desc&sort=name:asc")), ["b", "d", "a", "c"]);
    let mut walked = Vec::new();
    let mut marker = String::new();
    loop {
        let page = list(MEMBER, &format!("sort=severity&sort=name:desc&limit=2&marker={marker}"));
        let Some(last) = page.json.as_array().unwrap().last() else { break };
        walked.extend(names(&page).into_iter().map(str::to_owned));
        marker = last["alarm_id"].as_str().unwrap().to_owned();
    }
    assert_eq!(walked, ["c", "a", "d", "b"]);
    assert_eq!(names(&list(ADMIN, "")), [""; 0], "an administrator's list is that of its own project");
    assert_eq!(names(&list(ADMIN, "q.field=all_projects&q.value=true")).len(), 5);
    assert_eq!(names(&list(ADMIN, "q.field=project_id&q.value=p2")), ["other"]);
    assert_eq!(names(&list(MEMBER, "q.field=severity&q.value=low")), ["c", "a"]);
    assert_eq!(names(&list(MEMBER, "q.field=enabled&q.value=false")), [""; 0]);
    assert_eq!(names(&list(MEMBER, "q.field=repeat_actions&q.value=False&q.field=name&q.value=d")), ["d"]);
    for (query, status, text) in [
        ("q.field=project_id&q.value=p2", 401, "Not Authorized to access project p2"),
        ("q.field=all_projects&q.value=true", 403, "RBAC Authorization Failed"),
        ("q.field=bogus&q.value=x", 400, "Invalid input for field/attribute field. Value: '{'bogus'}'. only fields"),
        (
            "q.field=name&q.op=ne&q.value=x",
            400,
            "Invalid input for field/attribute op. Value: '{'ne'}'. only operations",
        ),
        ("limit=-1", 400, "Invalid input for field/attribute limit. Value: '-1'. it should be a positive integer."),
        (
            "sort=bogus",
            400,
            "Invalid input for field/attribute sort. Value: 'bogus'. the sort parameter should be a pair",
        ),
        ("marker=nobody", 400, "Marker nobody not found."),
        ("bogus=1", 400, "Unknown argument: \"bogus\""),
        ("q.field=enabled&q.value=maybe", 400, "Unable to convert the value maybe to the expected data type boolean."),
    ] {
        let refused = list(MEMBER, query);
        assert_eq!(refused.status, status, "{query}: {}", refused.text);
        assert!(refused.fault().starts_with(text), "{query}: {}", refused.text);
    }
}

fn quotas_hold_for_a_project_and_for_a_user(engine: Engine) {
    let services = Services::on(engine, "[api]\nproject_alarm_quota = 2\nuser_alarm_quota = 3\n");
    let other: Caller = &[("X-Roles", "member,reader"), ("X-User-Id", "u9"), ("X-Project-Id", "p1")];
    made(&services, MEMBER, &event("a"));
    made(&services, other, &event("b"));
    let refused = create(&services, other, &event("c"));
    assert_eq!((refused.status, refused.fault()), (403, "Alarm quota exceeded for user u9 on project p1"));
    let shown = services.get(MEMBER, "/alarming/v2/quotas").json;
    assert_eq!(shown, json!({"project_id": "p1", "quotas": [{"resource": "alarms", "limit": 2}]}));
    let quota = json!({"project_id": "p1", "quotas": [{"resource": "alarms", "limit": -1}]});
    assert_eq!(services.post(MEMBER, "/alarming/v2/quotas", &quota).status, 403);
    let set = services.post(ADMIN, "/alarming/v2/quotas", &quota);
    assert_eq!((set.status, &set.json), (201, &quota));
    made(&services, MEMBER, &event("c"));
    made(&services, MEMBER, &event("d"));
    let refused = create(&services, MEMBER, &event("e"));
    assert_eq!((refused.status, refused.fault()), (403, "Alarm quota exceeded for user u1 on project p1"));
    assert_eq!(delete(&services, ADMIN, "/quotas/p1").status, 204);
    assert_eq!(services.get(ADMIN, "/alarming/v2/quotas?project_id=p1").json["quotas"][0]["limit"], 2);
    assert_eq!(services.get(STRANGER, "/alarming/v2/quotas?project_id=p1").status, 403);
    for (body, text) in [
        (json!({"project_id": "p", "quotas": [{"resource": "x", "limit": 1}]}), "Value should be one of: alarms"),
        (json!({"project_id": "p", "quotas": [{"resource": "alarms", "limit": -2}]}), "greater or equal to -1"),
        (json!({"project_id": "p", "quotas": [{"resource": "alarms"}]}), "Mandatory field missing."),
        (json!({"quotas": []}), "Mandatory field missing."),
    ] {
        let refused = services.post(ADMIN, "/alarming/v2/quotas", &body);
        assert!(refused.status == 400 && refused.fault().contains(text), "{body}: {}", refused.text);
    }
}

fn expressions_find_alarms_and_their_history(engine: Engine) {
    let services = Services::on(engine, "");
    let id = made(&services, MEMBER, &event("volume grew"));
    made(&services, MEMBER, &threshold("load is high", &json!({})));
    made(&services, STRANGER, &event("volume of another"));
    put(&services, MEMBER, &format!("/alarms/{id}/state"), &json!("alarm"));
    let query = |caller, filter: Json| {
        services.post(caller, "/alarming/v2/query/alarms", &json!({"filter": filter.to_string()}))
    };
    assert_eq!(names(&query(MEMBER, json!({"=": {"state": "alarm"}}))), ["volume grew"]);
    assert_eq!(names(&query(MEMBER, json!({"=~": {"name": "^volume"}}))), ["volume grew"]);
    assert_eq!(names(&query(MEMBER, json!({"not": {"=": {"type": "event"}}}))), ["load is high"]);
    let either = json!({"or": [{"in": {"name": ["load is high", "x"]}}, {"and": [{"=": {"enabled": true}},
        {">": {"timestamp": "2015-01-01T00:00:00"}}, {"=": {"type": "event"}}]}]});
    assert_eq!(names(&query(MEMBER, either.clone())), ["load is high", "volume grew"]);
    assert_eq!(names(&query(ADMIN, either)).len(), 3);
    let refused = query(MEMBER, json!({"=": {"project": "p2"}}));
    assert_eq!((refused.status, refused.fault()), (401, "Not Authorized to access project p2"));
    for filter in ["{", "{\"=\": {\"bogus\": 1}}", "{\"and\": []}", "[]"] {
        let refused = services.post(MEMBER, "/alarming/v2/query/alarms", &json!({ "filter": filter }));
        assert!(refused.status == 400 && refused.fault().starts_with("Filter expression not valid:"), "{filter}");
    }
    let history = |body: Json| services.post(MEMBER, "/alarming/v2/query/alarms/history", &body);
    let all = history(json!({"orderby": "[{\"timestamp\": \"ASC\"}]"}));
    let kinds: Vec<&str> = all.json.as_array().unwrap().iter().map(|row| row["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["creation", "creation", "state transition"]);
    assert_eq!(history(json!({"limit": 1})).json[0]["type"], "state transition");
    assert_eq!(history(json!({"limit": 0})).fault(), "Limit should be positive");
}

#[test]
fn what_a_definition_lacks_or_has_too_much_is_refused_in_the_services_words() {
    let services = Services::with("[api]\nalarm_max_actions = 2\n");
    let input = |field: &str, value: &str, reason: &str| {
        format!("Invalid input for field/attribute {field}. Value: '{value}'. {reason}")
    };
    let missing = |field: &str| input(field, "None", "Mandatory field missing.");
    let with = |key: &str, value: Json| {
        let mut alarm = threshold("a", &json!({}));
        alarm[key] = value;
        alarm
    };
    let constraint = |start: &str, zone: &str| {
        with("time_constraints", json!([{"name": "c", "start": start, "duration": 10, "timezone": zone}]))
    };
    let gnocchi = json!({"name": "g", "type": "gnocchi_resources_threshold", "gnocchi_resources_threshold_rule":
        {"metric": "m", "resource_id": "r", "resource_type": "volume", "threshold": 1, "aggregation_method": "mode"}});
    let composite = |rule: Json| json!({"name": "c", "type": "composite", "composite_rule": rule});
    for (alarm, text) in [
        (json!({"type": "threshold"}), missing("name")),
        (json!({"name": "a"}), missing("type")),
        (json!({"name": "a", "type": "nope"}), input("type", "nope", "Value should be one of: event")),
        (json!({"name": "a", "type": "event"}), "event_rule must be set for event type alarm".to_owned()),
        (with("bogus", json!(1)), "Unknown attribute for argument data: bogus".to_owned()),
        (with("event_rule", json!({})), "event_rule and threshold_rule cannot be set at the same time".to_owned()),
        (with("enabled", json!("maybe")), "Invalid input for field/attribute data. Value: '{'name': 'a'".to_owned()),
        (with("state", json!("bad")), input("state", "bad", "Value should be one of: ok, alarm, insufficient data")),
        (with("severity", json!("bad")), input("severity", "bad", "Value should be one of: low, moderate, critical")),
        (with("ok_actions", json!(["ftp://x"])), "Unsupported action ftp://x".to_owned()),
        (with("ok_actions", json!(["trust+http://x"])), "Unsupported action trust+http://x".to_owned()),
        (with("ok_actions", json!(["x"])), "Unsupported action x".to_owned()),
        (
            with("ok_actions", json!(["http://a", "http://b", "http://c"])),
            "ok_actions count exceeds maximum value 2".to_owned(),
        ),
        (with("name", json!(1)), input("name", "1", "Wrong type. Expected '<class 'str'>', got '<class 'int'>'")),
        (constraint("bad", ""), input("start", "bad", "Exactly 5, 6 or 7 columns has to be specified")),
        (constraint("0 0 * * *", "Mars"), "Timezone Mars is not valid".to_owned()),
        (threshold("a", &json!({"threshold": null})), missing("threshold")),
        (
            threshold("a", &json!({"comparison_operator": "bad"})),
            input("comparison_operator", "bad", "Value should be one of: lt, le, eq, ne, ge, gt"),
        ),
        (threshold("a", &json!({"period": 0})), input("period", "0", "Value should be greater or equal to 1")),
        (threshold("a", &json!({"more": 0})), "Unknown attribute for argument data.threshold_rule: more".to_owned()),
        (
            threshold("a", &json!({"query": [{"field": "timestamp", "op": "gt", "value": "2015-01-01"}]})),
            "Unknown argument: \"timestamp\": not valid for this resource".to_owned(),
        ),
        (
            json!({"name": "c", "type": "combination", "combination_rule": {"alarm_ids": ["x"]}}),
            "Alarm combination rule should contain at least two different alarm ids.".to_owned(),
        ),
        (gnocchi, "aggregation_method should be in ['mean', 'sum', 'last'".to_owned()),
        (composite(json!({"xor": []})), "Threshold rules should be combined with \"and\" or \"or\"".to_owned()),
        (composite(json!({"or": [{"query": "up", "threshold": 1}]})), "type must be set in every rule".to_owned()),
        (composite(json!({"or": [1]})), "Invalid input composite rule: 1, it should be a dict".to_owned()),
        (
            composite(json!({"or": [{"type": "event", "event_type": "x"}]})),
            "Unsupported sub-rule type :event in composite rule, should be one of: ['gnocchi".to_owned(),
        ),
    ] {
        let refused = create(&services, MEMBER, &alarm);
        assert_eq!(refused.status, 400, "{alarm}: {}", refused.text);
        assert!(refused.fault().starts_with(&text), "{alarm}: {} and not {text}", refused.fault());
    }
    let absent = json!({"name": "c", "type": "combination", "combination_rule": {"alarm_ids": ["x", "y"]}});
    let refused = create(&services, MEMBER, &absent);
    assert_eq!((refused.status, refused.fault()), (404, "Alarm x not found in project p1"));
    let mut deep = json!({"or": [{"type": "prometheus", "query": "up", "threshold": 1}]});
    for _ in 0..30 {
        deep = json!({ "and": [deep] });
    }
    assert_eq!(create(&services, MEMBER, &composite(deep)).fault(), "The composite rule nests too deep");
    let bad = services.send("POST", "/alarming/v2/alarms", MEMBER, &[("Content-Type", "application/json")], Some(b"{"));
    assert_eq!((bad.status, bad.fault()), (400, "Request is not in valid JSON format"));
    assert_eq!(put(&services, MEMBER, "/alarms/x/state", &json!("bad")).fault(), "state invalid");
    assert_eq!(names(&services.get(MEMBER, "/alarming/v2/alarms")), [""; 0]);
}

#[test]
fn rules_are_filled_in_described_and_held_to_their_project() {
    let services = Services::new();
    let shown = create(&services, MEMBER, &threshold("t", &json!({}))).json;
    assert_eq!(
        shown["threshold_rule"],
        json!({"meter_name": "m", "evaluation_periods": 1, "period": 60, "statistic": "avg", "threshold": 1.0,
            "query": [{"field": "project_id", "op": "eq", "value": "p1"}], "comparison_operator": "eq",
            "exclude_outliers": false})
    );
    assert_eq!(shown["description"], "Alarm when m is eq a avg of 1.0 over 60 seconds");
    let other = json!({"query": [{"field": "project_id", "value": "p2"}]});
    assert_eq!(create(&services, MEMBER, &threshold("t", &other)).fault(), "Not Authorized to access project p2");
    let mut of_another = threshold("t", &json!({}));
    of_another["project_id"] = json!("p2");
    assert_eq!(create(&services, MEMBER, &of_another).fault(), "Not Authorized to access project p2");
    let by_admin = create(&services, ADMIN, &of_another).json;
    assert_eq!(by_admin["threshold_rule"]["query"][0]["value"], "p2", "what an administrator makes for a project");
    assert_eq!(create(&services, ADMIN, &threshold("t", &json!({}))).json["threshold_rule"]["query"], json!([]));
    let (a, b) = (made(&services, MEMBER, &event("a")), made(&services, MEMBER, &event("b")));
    let combined = json!({"name": "c", "type": "combination", "combination_rule": {"alarm_ids": [a, b]}});
    let shown = create(&services, MEMBER, &combined).json;
    assert_eq!(shown["description"], format!("Combined state of alarms {a} and {b}"));
    let c = shown["alarm_id"].as_str().unwrap();
    let own = json!({"name": "c", "type": "combination", "combination_rule": {"alarm_ids": [a, c]}});
    let path = format!("/alarms/{c}");
    assert_eq!(
        put(&services, MEMBER, &path, &own).fault(),
        format!("Cannot specify alarm {c} itself in combination rule")
    );
    let d = made(
        &services,
        MEMBER,
        &json!({"name": "d", "type": "combination", "combination_rule": {"alarm_ids": [a, c]}}),
    );
    let circle = json!({"name": "c", "type": "combination", "combination_rule": {"alarm_ids": [a, d]}});
    assert_eq!(put(&services, MEMBER, &path, &circle).fault(), format!("The combination depends on alarm {c} itself"));
    let search = json!({"name": "g", "type": "gnocchi_aggregation_by_resources_threshold",
        "gnocchi_aggregation_by_resources_threshold_rule": {"metric": "m", "query": "{\"=\": {\"a\": 1}}",
            "resource_type": "volume", "threshold": 1, "aggregation_method": "rate:mean"}});
    let shown = create(&services, MEMBER, &search).json;
    let rule = &shown["gnocchi_aggregation_by_resources_threshold_rule"];
    let query: Json = serde_json::from_str(rule["query"].as_str().unwrap()).unwrap();
    assert_eq!(query["and"][1], json!({"=": {"a": 1}}));
    assert_eq!(query["and"][0]["or"][0], json!({"=": {"created_by_project_id": "p1"}}));
    let again = put(
        &services,
        MEMBER,
        &format!("/alarms/{}", shown["alarm_id"].as_str().unwrap()),
        &json!({"name": "g",
        "type": "gnocchi_aggregation_by_resources_threshold", "gnocchi_aggregation_by_resources_threshold_rule": rule}),
    );
    assert_eq!(again.json["gnocchi_aggregation_by_resources_threshold_rule"]["query"], rule["query"]);
    let prometheus = json!({"name": "p", "type": "composite", "composite_rule": {"or": [
        {"type": "prometheus", "query": "up", "threshold": 1}, {"type": "threshold", "meter_name": "m", "threshold": 2}]}});
    let shown = create(&services, MEMBER, &prometheus).json;
    assert_eq!(
        shown["composite_rule"]["or"][0],
        json!({"comparison_operator": "eq", "threshold": 1.0, "query": "up", "type": "prometheus"})
    );
    assert_eq!(shown["composite_rule"]["or"][1]["query"][0]["value"], "p1");
    let mut log = event("l");
    log["alarm_actions"] = json!(["log://", "http://x", "log://"]);
    assert_eq!(create(&services, MEMBER, &log).status, 401);
    assert_eq!(create(&services, ADMIN, &log).json["alarm_actions"], json!(["log://", "http://x"]));
}

/// Every route: method, path below the version, and the status for a reader, a member, a stranger and an administrator. The
/// alarm belongs to the member's project.
const AUTHORIZATION: &[(&str, &str, [u16; 4])] = &[
    ("GET", "/alarms", [200, 200, 200, 200]),
    ("POST", "/alarms", [403, 201, 201, 201]),
    ("GET", "/alarms/{alarm_id}", [200, 200, 404, 200]),
    ("PUT", "/alarms/{alarm_id}", [403, 200, 404, 200]),
    ("GET", "/alarms/{alarm_id}/state", [200, 200, 404, 200]),
    ("PUT", "/alarms/{alarm_id}/state", [403, 200, 404, 200]),
    ("GET", "/alarms/{alarm_id}/history", [200, 200, 404, 200]),
    ("POST", "/query/alarms", [200, 200, 200, 200]),
    ("POST", "/query/alarms/history", [200, 200, 200, 200]),
    ("DELETE", "/alarms/{alarm_id}", [403, 204, 404, 204]),
    ("GET", "/quotas", [200, 200, 200, 200]),
    ("POST", "/quotas", [403, 403, 403, 201]),
    ("DELETE", "/quotas/{project_id}", [403, 403, 403, 204]),
    ("GET", "/metrics", [200, 200, 200, 200]),
    ("GET", "/capabilities", [200, 200, 200, 200]),
    ("GET", "/capabilities/", [200, 200, 200, 200]),
];

#[test]
fn every_route_of_alarms_answers_each_caller_as_the_table_says() {
    let rows = ALARMING_ROUTES.iter().copied().flatten();
    let mut routes: Vec<(&str, &str)> = rows.map(|route| (route.method.name(), route.path)).collect();
    let mut table: Vec<(&str, &str)> = AUTHORIZATION.iter().map(|(method, path, _)| (*method, *path)).collect();
    routes.sort_unstable();
    table.sort_unstable();
    assert_eq!(routes, table);
    let metering: Vec<&str> = METERING_ROUTES.iter().copied().flatten().map(|route| route.path).collect();
    let services = Services::with("enable_evaluation_results_metrics = true\n");
    for (method, path, statuses) in AUTHORIZATION {
        for service in ["alarming", "metering"] {
            if service == "metering" && !(path.contains("alarms") && metering.contains(path)) {
                continue;
            }
            for (caller, status) in [READER, MEMBER, STRANGER, ADMIN].into_iter().zip(statuses) {
                let id = made(&services, MEMBER, &event("a"));
                let url = format!("/{service}/v2{path}").replace("{alarm_id}", &id).replace("{project_id}", "p1");
                let body = match *path {
                    _ if *method == "GET" || *method == "DELETE" => None,
                    "/alarms/{alarm_id}/state" => Some(json!("ok")),
                    "/quotas" => Some(json!({"project_id": "p1", "quotas": []})),
                    _ if path.starts_with("/query") => Some(json!({})),
                    _ => Some(event("b")),
                };
                let body = body.map(|body| body.to_string());
                let json = [("Content-Type", "application/json")];
                let answer = services.send(method, &url, caller, &json, body.as_deref().map(str::as_bytes));
                assert_eq!(answer.status, *status, "{method} {url} {caller:?}: {}", answer.text);
                let anonymous = services.send(method, &url, &[("X-Nobody", "1")], &[], None);
                assert_eq!(anonymous.status, 401, "{method} {path}");
            }
        }
    }
}
