//! What the API promises beyond what the live service did: whole batches, zones, periods to their ends, projects apart.

use hearth::telemetry::{ALARMING_ROUTES, METERING_ROUTES};
use serde_json::{Value as Json, json};

use crate::service::{ADMIN, Answer, Caller, MEMBER, STRANGER, Services};

/// A sample of the meter `volume.size`.
fn sample(resource: &str, volume: f64, time: &str) -> Json {
    json!({"counter_name": "volume.size", "counter_type": "gauge", "counter_unit": "GiB", "counter_volume": volume,
        "resource_id": resource, "timestamp": time, "resource_metadata": {"status": "ok", "flavor.name": "m1"}})
}

fn post(services: &Services, caller: Caller, samples: &[Json]) -> Answer {
    services.post(caller, "/metering/v2/meters/volume.size", &json!(samples))
}

/// The values of a field of a list.
fn all<'a>(answer: &'a Answer, field: &str) -> Vec<&'a Json> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json.as_array().unwrap().iter().map(|item| &item[field]).collect()
}

fn statistics(services: &Services, query: &str) -> Answer {
    services.get(ADMIN, &format!("/metering/v2/meters/volume.size/statistics?{query}"))
}

#[test]
fn a_posted_sample_is_there_when_the_answer_comes_and_only_for_its_project() {
    let services = Services::new();
    let posted = post(&services, MEMBER, &[sample("r1", 5.0, "2015-01-01T10:00:00+02:00")]);
    assert_eq!(posted.status, 201);
    let posted = &posted.json[0];
    assert_eq!((&posted["project_id"], &posted["user_id"]), (&json!("p1"), &json!("u1")));
    assert_eq!(
        (&posted["source"], &posted["timestamp"]),
        (&json!("p1:openstack"), &json!("2015-01-01T10:00:00+02:00"))
    );
    let path = format!("/metering/v2/samples/{}", posted["message_id"].as_str().unwrap());
    for caller in [MEMBER, ADMIN] {
        let found = services.get(caller, &path);
        assert_eq!((found.status, &found.json["timestamp"]), (200, &json!("2015-01-01T08:00:00")));
        assert_eq!(found.json["metadata"], json!({"status": "ok", "flavor.name": "m1"}));
    }
    let hidden = services.get(STRANGER, &path);
    assert_eq!(hidden.status, 404);
    assert_eq!(hidden.fault(), format!("Sample {} Not Found", posted["message_id"].as_str().unwrap()));
    for path in ["/samples", "/meters", "/meters?unique=true", "/resources", "/meters/volume.size"] {
        let url = format!("/metering/v2{path}");
        assert_eq!(services.get(MEMBER, &url).json.as_array().map(Vec::len), Some(1), "{path}");
        assert_eq!(services.get(STRANGER, &url).json, json!([]), "{path}");
    }
    assert_eq!(services.get(STRANGER, "/metering/v2/meters/volume.size/statistics").json, json!([]));
    assert_eq!(services.get(STRANGER, "/metering/v2/resources/r1").status, 404);
    for query in ["q.field=project_id&q.value=p1", "q.field=project&q.op=eq&q.value=p1&q.type="] {
        let refused = services.get(STRANGER, &format!("/metering/v2/samples?{query}"));
        assert_eq!((refused.status, refused.fault()), (401, "Not Authorized to access project p1"));
    }
}

#[test]
fn a_batch_with_one_bad_sample_is_not_stored_at_all() {
    let services = Services::new();
    let (good, mut bad) = (sample("r1", 1.0, "2015-01-01T10:00:00"), sample("r2", 2.0, "2015-01-01T10:00:00"));
    for (field, value) in [
        ("counter_type", json!("blob")),
        ("counter_volume", json!("5x")),
        ("timestamp", json!("yesterday")),
        ("project_id", json!("p2")),
        ("message_id", json!("mine")),
        ("resource_id", json!("x".repeat(256))),
        ("resource_id", json!("nul\u{0}")),
        ("resource_metadata", json!({"a": {"b": "c"}})),
        ("counter_name", json!("other")),
        ("unknown", json!(1)),
    ] {
        let before = bad.clone();
        bad[field] = value;
        assert_eq!(post(&services, MEMBER, &[good.clone(), bad.clone()]).status, 400, "{field}");
        bad = before;
    }
    assert_eq!(services.get(ADMIN, "/metering/v2/samples").json, json!([]));
    assert_eq!(post(&services, MEMBER, &[good, bad]).status, 201);
    assert_eq!(services.get(ADMIN, "/metering/v2/samples").json.as_array().map(Vec::len), Some(2));
}

#[test]
fn zones_of_a_query_are_applied() {
    let services = Services::new();
    let times = ["2015-01-01T08:00:00", "2015-01-01T09:00:00", "2015-01-01T10:00:00"];
    post(&services, MEMBER, &times.map(|time| sample("r1", 1.0, time)));
    let times = |query: &str| {
        let answer = services.get(ADMIN, &format!("/metering/v2/samples?{query}"));
        all(&answer, "timestamp").into_iter().map(|time| time.as_str().unwrap()[11..13].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(times("q.field=timestamp&q.op=ge&q.value=2015-01-01T11:00:00%2B02:00"), ["10", "09"]);
    assert_eq!(times("q.field=timestamp&q.op=gt&q.value=2015-01-01T09:00:00Z"), ["10"]);
    assert_eq!(times("q.field=timestamp&q.op=lt&q.value=2015-01-01"), [""; 0]);
    let both =
        "q.field=timestamp&q.op=ge&q.value=2015-01-01T09:00:00&q.field=timestamp&q.op=le&q.value=2015-01-01T09:00:00";
    assert_eq!(times(both), ["09"]);
    let wide = "&q.field=search_offset&q.op=eq&q.value=60";
    assert_eq!(times(&format!("{both}{wide}")), ["10", "09", "08"]);
}

#[test]
fn periods_hold_every_sample_to_the_last_one() {
    let services = Services::new();
    post(&services, MEMBER, &[sample("r1", 2.0, "2015-01-01T10:00:00")]);
    let lone = statistics(&services, "period=60");
    assert_eq!((all(&lone, "count"), all(&lone, "period")), (vec![&json!(1)], vec![&json!(60)]));
    assert_eq!(all(&lone, "period_end"), [&json!("2015-01-01T10:01:00")]);
    post(&services, MEMBER, &[sample("r1", 4.0, "2015-01-01T11:00:00"), sample("r2", 6.0, "2015-01-01T10:59:59")]);
    // The sample at 11:00 lies on the very boundary.
    assert_eq!(all(&statistics(&services, "period=3600"), "sum"), [&json!(8.0), &json!(4.0)]);
    let range =
        "q.field=timestamp&q.op=ge&q.value=2015-01-01T09:30:00&q.field=timestamp&q.op=le&q.value=2015-01-01T11:00:00";
    let within = statistics(&services, &format!("{range}&period=3600"));
    assert_eq!(all(&within, "period_start"), [&json!("2015-01-01T09:30:00"), &json!("2015-01-01T10:30:00")]);
    assert_eq!(all(&within, "count"), [&json!(1), &json!(2)]);
    let whole = statistics(&services, "");
    let [row] = whole.json.as_array().unwrap().as_slice() else { panic!("{}", whole.text) };
    assert_eq!(
        *row,
        json!({"groupby": null, "unit": "GiB", "min": 2.0, "max": 6.0, "avg": 4.0, "sum": 12.0, "count": 3,
            "duration": 3600.0, "duration_start": "2015-01-01T10:00:00", "duration_end": "2015-01-01T11:00:00",
            "period": 0, "period_start": "2015-01-01T10:00:00", "period_end": "2015-01-01T11:00:00"})
    );
}

#[test]
fn every_aggregate_and_grouping_answers() {
    let services = Services::new();
    post(&services, MEMBER, &[sample("r1", 2.0, "2015-01-01T10:00:00"), sample("r2", 4.0, "2015-01-01T10:00:01")]);
    post(&services, STRANGER, &[sample("r2", 6.0, "2015-01-01T10:00:02")]);
    let mut query = "groupby=unknown".to_owned();
    assert_eq!(statistics(&services, &query).status, 400);
    query = ["max", "min", "sum", "avg", "count", "stddev"]
        .map(|name| format!("aggregate.func={name}&aggregate.param="))
        .join("&");
    query.push_str(
        "&aggregate.func=cardinality&aggregate.param=resource_id&aggregate.func=cardinality&aggregate.param=project_id",
    );
    let answer = statistics(&services, &query);
    let aggregate = &answer.json[0]["aggregate"];
    let deviation = aggregate["stddev"].as_f64().unwrap();
    assert!((deviation - (8.0_f64 / 3.0).sqrt()).abs() < 1e-15, "{deviation}");
    let expected = json!({"max": 6.0, "min": 2.0, "sum": 12.0, "avg": 4.0, "count": 3.0, "stddev": deviation,
        "cardinality/resource_id": 2.0, "cardinality/project_id": 2.0});
    assert_eq!(aggregate, &expected);
    assert!(answer.json[0].get("count").is_none());
    for (grouping, groups) in [
        ("resource_id", json!([{"resource_id": "r1"}, {"resource_id": "r2"}])),
        ("project_id", json!([{"project_id": "p1"}, {"project_id": "p2"}])),
        ("user_id", json!([{"user_id": "u1"}, {"user_id": "u2"}])),
        ("source", json!([{"source": "p1:openstack"}, {"source": "p2:openstack"}])),
        ("resource_metadata.flavor.name", json!([{"resource_metadata.flavor.name": "m1"}])),
    ] {
        let answer = statistics(&services, &format!("groupby={grouping}&groupby={grouping}"));
        let found: Vec<&Json> = all(&answer, "groupby");
        assert_eq!(json!(found), groups);
    }
    for (query, text) in [
        ("aggregate.func=cardinality&aggregate.param=foo", "Bad aggregate: cardinality.foo"),
        ("aggregate.func=cardinality", "Bad aggregate: cardinality.None"),
        (
            "period=86400000000000000",
            "Invalid period 86400000000000000: days=1000000000000; must have magnitude <= 999999999",
        ),
        ("period=315360000000", "Invalid period 315360000000: date value out of range"),
    ] {
        let refused = statistics(&services, query);
        assert_eq!((refused.status, refused.fault()), (400, text));
    }
    assert_eq!(statistics(&services, "aggregate=max").status, 400);
}

#[test]
fn statistics_with_too_many_rows_are_refused() {
    let services = Services::with("[hearth_telemetry]\nmax_statistics = 2");
    let times = ["2015-01-01T08:00:00", "2015-01-01T09:00:00", "2028-01-01T10:00:00"];
    post(&services, MEMBER, &times.map(|time| sample("r1", 1.0, time)));
    let refused = statistics(&services, "period=600");
    assert_eq!(refused.status, 400);
    assert!(refused.fault().starts_with("The statistics have more than 2 rows"), "{}", refused.text);
    assert_eq!(all(&statistics(&services, "period=86400"), "count"), [&json!(2), &json!(1)]);
}

#[test]
fn agents_publish_and_publish_again_without_doubling() {
    let services = Services::new();
    for (recorded, expected) in [
        (include_str!("../data/telemetry/publisher-samples-batch.json"), 3),
        (include_str!("../data/telemetry/publisher-samples-individual.json"), 3),
    ] {
        let recorded: Json = serde_json::from_str(recorded).unwrap();
        for request in recorded["requests"].as_array().unwrap() {
            let body: Json = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
            assert_eq!(services.post(ADMIN, "/metering/v2/samples", &body).status, 201);
        }
        let samples = services.get(ADMIN, "/metering/v2/samples");
        assert_eq!(all(&samples, "id").len(), expected, "the ids are the same in both recordings");
    }
    let found = services.get(ADMIN, "/metering/v2/samples?q.field=meter&q.value=cpu").json;
    let [cpu] = found.as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&cpu["type"], &cpu["volume"], &cpu["unit"]), (&json!("cumulative"), &json!(123456789.0), &json!("ns")));
    assert_eq!((&cpu["source"], &cpu["project_id"]), (&json!("openstack"), &json!("proj1")));
    assert_eq!(cpu["id"], "117a11ea-e67b-11f1-a6e8-02fc00000001");
    assert_eq!(cpu["metadata"], json!({"display_name": "vm", "nested.a": "[1, 2]"}));
    let foreign = json!([{"name": "cpu", "type": "gauge", "unit": "ns", "volume": 1, "project_id": "p2", "resource_id": "r",
        "timestamp": "2026-11-22T13:45:00", "resource_metadata": null, "source": "openstack", "id": "msg-1"}]);
    assert_eq!(services.post(MEMBER, "/metering/v2/samples", &foreign).status, 400);
    assert_eq!(services.post(ADMIN, "/metering/v2/samples", &foreign).status, 201);
    assert_eq!(services.get(ADMIN, "/metering/v2/samples/msg-1").status, 200);
}

/// The volumes that a complex query finds.
fn found(services: &Services, caller: Caller, filter: Json, order: &str) -> Vec<f64> {
    let body = json!({"filter": filter.to_string(), "orderby": order});
    let answer = services.post(caller, "/metering/v2/query/samples", &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json.as_array().unwrap().iter().map(|sample| sample["volume"].as_f64().unwrap()).collect()
}

#[test]
fn a_complex_query_combines_conditions_and_orders() {
    let services = Services::new();
    let times = ["2015-01-01T08:00:00", "2015-01-01T09:00:00", "2015-01-01T10:00:00", "2015-01-01T11:00:00"];
    let mut samples: Vec<Json> =
        times.iter().zip(1..).map(|(time, at)| sample(&format!("r{at}"), f64::from(at), time)).collect();
    samples[3]["resource_metadata"] = json!({"status": "error", "size": "5"});
    post(&services, MEMBER, &samples);
    post(&services, STRANGER, &[sample("r1", 9.0, times[0])]);
    let newest = r#"[{"timestamp": "DESC"}]"#;
    for (filter, volumes) in [
        (json!({"=": {"resource": "r2"}}), vec![2.0]),
        (json!({"in": {"resource_id": ["r1", "r3"]}}), vec![3.0, 1.0]),
        (json!({"OR": [{"=": {"resource": "r1"}}, {">": {"counter_volume": 3}}]}), vec![4.0, 1.0]),
        (
            json!({"and": [{">=": {"timestamp": times[1]}}, {"<": {"timestamp": "2015-01-01T12:00:00+01:00"}}]}),
            vec![3.0, 2.0],
        ),
        (json!({"not": {"=~": {"resource": "^r[12]$"}}}), vec![4.0, 3.0]),
        (json!({"=": {"metadata.status": "error"}}), vec![4.0]),
        (json!({"!=": {"metadata.status": "error"}}), vec![3.0, 2.0, 1.0]),
        // What compares with nothing is neither equal nor different.
        (json!({"!=": {"metadata.size": "6"}}), vec![4.0]),
        (json!({"not": {"=": {"metadata.size": "6"}}}), vec![4.0]),
        (json!({"=": {"metadata.size": 5}}), vec![]),
        (json!({"in": {"metadata.status": ["error", "gone"]}}), vec![4.0]),
        (json!({"=": {"message_signature": ""}}), vec![]),
    ] {
        assert_eq!(found(&services, MEMBER, filter.clone(), newest), volumes, "{filter}");
    }
    let everything = json!({">": {"volume": 0}});
    assert_eq!(found(&services, MEMBER, everything.clone(), r#"[{"volume": "asc"}]"#), [1.0, 2.0, 3.0, 4.0]);
    let by_status = r#"[{"unit": "asc"}, {"resource": "desc"}, {"volume": "desc"}]"#;
    assert_eq!(found(&services, ADMIN, everything.clone(), by_status), [4.0, 3.0, 2.0, 9.0, 1.0]);
    assert_eq!(found(&services, STRANGER, everything, newest), [9.0]);
    assert_eq!(found(&services, MEMBER, json!({"=": {"project": "p1"}}), newest).len(), 4);
    let limited = services.post(ADMIN, "/metering/v2/query/samples", &json!({"limit": 2}));
    assert_eq!(limited.json.as_array().map(Vec::len), Some(2));
}

#[test]
fn a_complex_query_that_makes_no_sense_or_looks_elsewhere_is_refused() {
    let services = Services::new();
    let deep = format!("{}{}{}", r#"{"not":"#.repeat(1000), r#"{"=":{"meter":"a"}}"#, "}".repeat(1000));
    for (body, status, text) in [
        (json!({"filter": r#"{"=": {"project_id": "p2"}}"#}), 401, "Not Authorized to access project p2"),
        (json!({"filter": r#"{"not": {"=~": {"project": "p2"}}}"#}), 401, "Not Authorized to access project p2"),
        (json!({"filter": r#"{"in": {"project": ["p2"]}}"#}), 401, "Not Authorized to access project [\"p2\"]"),
        (json!({"filter": "{}"}), 400, "Filter expression not valid: "),
        (json!({"filter": "{"}), 400, "Filter expression not valid: "),
        (json!({"filter": r#"{"and": [{"=": {"meter": "a"}}]}"#}), 400, "Filter expression not valid: "),
        (json!({"filter": r#"{"=~": {"meter": "("}}"#}), 400, "Filter expression not valid: "),
        (json!({"filter": deep}), 400, "Filter expression not valid: "),
        (json!({"filter": r#"{">": {"timestamp": "soon"}}"#}), 400, "Failed to parse the timestamp value soon"),
        (json!({"orderby": r#"[{"timestamp": "up"}]"#}), 400, "Order-by expression not valid: "),
        (json!({"orderby": r#"[{"metadata.a": "asc"}]"#}), 400, "Order-by expression not valid: "),
        (json!({"limit": 0}), 400, "Limit must be positive"),
        (json!({"limit": "x"}), 400, "Invalid input for field/attribute limit. Value: 'x'. unable to convert to int"),
        (json!({"bogus": 1}), 400, "Unknown attribute for argument body: bogus"),
    ] {
        let refused = services.post(MEMBER, "/metering/v2/query/samples", &body);
        assert_eq!(refused.status, status, "{body}");
        assert!(refused.fault().starts_with(text), "{}", refused.text);
    }
}

#[test]
fn lists_have_a_hundred_items_unless_a_limit_is_given() {
    let services = Services::with("[hearth_telemetry]\nmax_limit = 120");
    let many: Vec<Json> = (0..150).map(|at| sample(&format!("r{at}"), 1.0, "2015-01-01T10:00:00")).collect();
    assert_eq!(post(&services, MEMBER, &many).status, 201);
    for path in ["/samples", "/meters", "/resources", "/meters/volume.size"] {
        let count =
            |query: &str| services.get(MEMBER, &format!("/metering/v2{path}{query}")).json.as_array().map(Vec::len);
        assert_eq!(count(""), Some(100), "{path}");
        assert_eq!(count("?limit=7"), Some(7), "{path}");
        assert_eq!(count("?limit=100000"), Some(120), "{path}");
        let refused = services.get(MEMBER, &format!("/metering/v2{path}?limit=-1"));
        assert_eq!((refused.status, refused.fault()), (400, "Limit must be positive"));
    }
}

#[test]
fn a_resource_id_may_hold_a_slash() {
    let services = Services::new();
    post(&services, MEMBER, &[sample("account/container", 1.0, "2015-01-01T10:00:00")]);
    for id in ["account%2Fcontainer", "account%252Fcontainer"] {
        let found = services.get(MEMBER, &format!("/metering/v2/resources/{id}"));
        assert_eq!((found.status, &found.json["resource_id"]), (200, &json!("account/container")), "{id}");
    }
    let links = &services.get(MEMBER, "/metering/v2/resources?meter_links=0").json[0]["links"];
    assert_eq!(
        links,
        &json!([{"href": "http://localhost:28777/metering/v2/resources/account/container", "rel": "self"}])
    );
}

#[test]
fn refusals_have_the_services_own_form() {
    let services = Services::with("[hearth_telemetry]\nmax_request_body_size = 1024");
    let unknown = services.get(MEMBER, "/metering/v2/nothing");
    assert_eq!((unknown.status, unknown.json["error_message"].is_string()), (404, true));
    let method = services.send("DELETE", "/metering/v2/meters/volume.size", MEMBER, &[], None);
    assert_eq!((method.status, method.header("allow")), (405, Some("GET, POST")));
    assert!(method.json["error_message"].as_str().unwrap().starts_with("405 Method Not Allowed"));
    let anonymous = services.send("GET", "/metering/v2/meters", &[("X-Nobody", "1")], &[], None);
    assert_eq!((anonymous.status, anonymous.json["error_message"]["faultcode"].as_str()), (401, Some("Client")));
    let text = services.send("GET", "/metering/v2/meters", MEMBER, &[("Accept", "text/plain")], None);
    assert_eq!(text.status, 406);
    let body = json!([sample("r1", 1.0, "2015-01-01T10:00:00")]).to_string();
    let xml = [("Content-Type", "application/xml")];
    let refused = services.send("POST", "/metering/v2/meters/volume.size", MEMBER, &xml, Some(body.as_bytes()));
    assert_eq!((refused.status, refused.fault()), (415, "Unknown mimetype: application/xml"));
    let many: Vec<Json> = (0..20).map(|_| sample("r1", 1.0, "2015-01-01T10:00:00")).collect();
    assert_eq!(post(&services, MEMBER, &many).status, 413);
    for answer in [unknown, method, anonymous, text, refused] {
        assert!(answer.header("x-openstack-request-id").is_some_and(|id| id.starts_with("req-")));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[test]
fn answers_come_as_xml_for_who_takes_no_json() {
    let services = Services::new();
    let mut ownerless = sample("r1", 5.0, "2015-01-01T10:00:00");
    ownerless["resource_metadata"] = json!({"status": "<ok>", "a.b": "c"});
    assert_eq!(post(&services, MEMBER, &[ownerless]).status, 201);
    let xml = [("Accept", "application/xml")];
    let get = |url: &str| services.send("GET", &format!("/metering/v2{url}"), MEMBER, &xml, None);
    let found = get("/meters/volume.size");
    assert_eq!((found.status, found.header("content-type")), (200, Some("application/xml; charset=UTF-8")));
    let start = "<result><item><source>p1:openstack</source><counter_name>volume.size</counter_name>\
                 <counter_type>gauge</counter_type><counter_unit>GiB</counter_unit><counter_volume>5.0</counter_volume>\
                 <user_id>u1</user_id><project_id>p1</project_id><resource_id>r1</resource_id>\
                 <timestamp>2015-01-01T10:00:00</timestamp><recorded_at>";
    assert!(found.text.starts_with(start), "{}", found.text);
    assert!(found.text.contains("<item><key>status</key><value>&lt;ok&gt;</value></item>"), "{}", found.text);
    assert!(get("/meters?unique=true").text.contains("<resource_id nil=\"true\" />"));
    // As the live service answered it, to the letter.
    let refused = get("/meters?limit=0");
    assert_eq!((refused.status, refused.header("content-type")), (400, Some("application/xml")));
    assert_eq!(
        refused.text,
        "<error_message><error><faultcode>Client</faultcode><faultstring>Limit must be positive</faultstring>\
         <debuginfo/></error></error_message>"
    );
    assert!(get("/event_types").text.starts_with("<error_message>401 Unauthorized"));
}

#[test]
fn version_documents_need_no_token_and_name_their_own_place() {
    let services = Services::new();
    for service in ["metering", "alarming"] {
        for path in ["", "/"] {
            let found = services.send("GET", &format!("/{service}{path}"), &[("X-Nobody", "1")], &[], None);
            let version = &found.json["versions"]["values"][0];
            assert_eq!((found.status, &version["id"]), (200, &json!("v2")));
            assert_eq!(version["links"][0]["href"], format!("http://localhost:28777/{service}/v2"));
        }
    }
}

#[test]
fn capabilities_tell_what_is_served() {
    let services = Services::new();
    let metering = services.get(MEMBER, "/metering/v2/capabilities").json;
    let served = |path: &str| METERING_ROUTES.iter().copied().flatten().any(|route| route.path == path);
    assert_eq!(metering["api"]["samples:query:complex"], served("/query/samples"));
    assert_eq!(metering["api"]["events:query:simple"], served("/events"));
    assert_eq!(metering["api"]["statistics:aggregation:selectable:stddev"], true);
    let alarming = services.get(MEMBER, "/alarming/v2/capabilities").json;
    let alarms = ALARMING_ROUTES.iter().copied().flatten().any(|route| route.path == "/alarms");
    assert_eq!(alarming["api"]["alarms:query:simple"], alarms);
}

/// Every route: method, path below the version, and the status for a member, a stranger and an administrator. The sample
/// and the resource belong to the member's project.
const AUTHORIZATION: &[(&str, &str, [u16; 3])] = &[
    ("GET", "/meters", [200, 200, 200]),
    ("GET", "/meters/", [200, 200, 200]),
    ("GET", "/meters/{meter_name}", [200, 200, 200]),
    ("POST", "/meters/{meter_name}", [201, 400, 201]),
    ("GET", "/meters/{meter_name}/statistics", [200, 200, 200]),
    ("GET", "/samples", [200, 200, 200]),
    ("POST", "/samples", [201, 400, 201]),
    ("GET", "/samples/{sample_id}", [200, 404, 200]),
    ("GET", "/resources", [200, 200, 200]),
    ("GET", "/resources/{resource_id}", [200, 404, 200]),
    ("POST", "/query/samples", [200, 200, 200]),
    ("GET", "/events", [200, 200, 200]),
    ("POST", "/events", [403, 403, 201]),
    ("GET", "/events/{message_id}", [200, 404, 404]),
    ("GET", "/event_types", [401, 401, 200]),
    ("GET", "/event_types/{event_type}", [401, 401, 404]),
    ("GET", "/event_types/{event_type}/traits", [401, 401, 200]),
    ("GET", "/event_types/{event_type}/traits/{trait_name}", [401, 401, 200]),
    ("GET", "/capabilities", [200, 200, 200]),
];

#[test]
fn every_route_answers_each_caller_as_the_table_says() {
    // Those of alarms are tried at both services by the tests of alarms.
    let rows = METERING_ROUTES.iter().copied().flatten().filter(|route| !route.path.contains("/alarms"));
    let routes: Vec<(&str, &str)> = rows.map(|route| (route.method.name(), route.path)).collect();
    let table: Vec<(&str, &str)> = AUTHORIZATION.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert!(routes.iter().all(|route| table.contains(route)), "a route has no row");
    assert_eq!(routes.len(), table.len());
    let services = Services::new();
    let posted = post(&services, MEMBER, &[sample("r1", 1.0, "2015-01-01T10:00:00")]);
    let id = posted.json[0]["message_id"].as_str().unwrap().to_owned();
    let event = json!({"message_id": "m", "event_type": "t", "generated": "2015-01-01T10:00:00",
        "traits": [["project_id", 1, "p1"], ["user_id", 1, "u1"]]});
    assert_eq!(services.post(ADMIN, "/metering/v2/events", &event).status, 201);
    for (method, path, statuses) in AUTHORIZATION {
        let path =
            path.replace("{meter_name}", "volume.size").replace("{sample_id}", &id).replace("{resource_id}", "r1");
        let path = path.replace("{message_id}", "m").replace("{event_type}", "t").replace("{trait_name}", "user_id");
        let url = format!("/metering/v2{path}");
        for (caller, status) in [MEMBER, STRANGER, ADMIN].into_iter().zip(statuses) {
            let mut one = sample("r1", 1.0, "2015-01-01T10:00:00");
            one["project_id"] = json!("p1");
            let published = json!([{"name": "n", "type": "gauge", "volume": 1, "project_id": "p1", "resource_id": "r1",
                "timestamp": "2015-01-01T10:00:00", "id": "x"}]);
            let answer = match *method {
                "GET" => services.get(caller, &url),
                _ if path == "/events" => services.post(caller, &url, &event),
                _ if path == "/samples" => services.post(caller, &url, &published),
                _ if path == "/query/samples" => services.post(caller, &url, &json!({})),
                _ => services.post(caller, &url, &json!([one])),
            };
            assert_eq!(answer.status, *status, "{method} {path} {caller:?}: {}", answer.text);
        }
        let anonymous = services.send(method, &url, &[("X-Nobody", "1")], &[], None);
        assert_eq!(anonymous.status, 401, "{method} {path}");
    }
}
