//! Answers that are made in pieces and do not stay in memory: the same as short ones, to the byte, and errors in time.

use hearth::Error;
use hearth::telemetry::model::{Filter, Sample};
use hearth::telemetry::store::{Store, Taker};
use serde_json::{Value as Json, json};

use crate::service::{ADMIN, Services};

const RESOURCES: usize = 40;
const EACH: usize = 50;

/// A service with 2,000 samples of 40 resources, none at the time of another.
fn filled() -> Services {
    let services = Services::new();
    let sample = |number: usize| {
        let time = format!("2015-01-01T{:02}:{:02}:{:02}", number / 3_600, number / 60 % 60, number % 60);
        json!({"counter_name": format!("meter \"{}\"", number % 3), "counter_type": "gauge", "counter_unit": "°", "timestamp": time,
            "counter_volume": number as f64 / 7.0, "resource_id": format!("resource <{}>", number % RESOURCES),
            "resource_metadata": {"name": "x".repeat(number % 90), "a\\b": number.to_string()}})
    };
    for first in (0..RESOURCES * EACH).step_by(500) {
        let samples: Vec<Json> = (first..first + 500).map(sample).collect();
        for meter in 0..3 {
            let name = format!("meter \"{meter}\"");
            let of_meter: Vec<&Json> =
                samples.iter().filter(|sample| sample["counter_name"] == name.as_str()).collect();
            let posted = services.post(ADMIN, &format!("/metering/v2/meters/meter%20%22{meter}%22"), &json!(of_meter));
            assert_eq!(posted.status, 201, "{}", posted.text);
        }
    }
    services
}

#[test]
fn a_long_list_is_the_same_as_its_items_in_short_ones() {
    let services = filled();
    let mut times: Vec<(String, String)> = Vec::new();
    for resource in 0..RESOURCES {
        let query = format!("q.field=resource_id&q.op=eq&q.value=resource%20%3C{resource}%3E&limit=1000");
        let short = services.get(ADMIN, &format!("/metering/v2/samples?{query}"));
        assert!(short.status == 200 && !short.is_spooled, "{}", short.text);
        let items = short.json.as_array().unwrap();
        assert_eq!(items.len(), EACH);
        times.extend(items.iter().map(|item| (item["timestamp"].as_str().unwrap().to_owned(), item.to_string())));
    }
    times.sort_unstable_by(|a, b| b.cmp(a));
    for most in [RESOURCES * EACH, 1_500, 251] {
        let long = services.get(ADMIN, &format!("/metering/v2/samples?limit={most}"));
        assert_eq!((long.status, long.is_spooled), (200, most > 251));
        let expected: Vec<&str> = times.iter().take(most).map(|(_, item)| item.as_str()).collect();
        assert!(long.text == format!("[{}]", expected.join(",")), "{most} items");
    }
    let xml = services.send("GET", "/metering/v2/samples?limit=2000", ADMIN, &[("Accept", "application/xml")], None);
    assert!(xml.is_spooled && xml.text.starts_with("<result><item><id>") && xml.text.ends_with("</item></result>"));
    assert_eq!(xml.text.matches("<recorded_at>").count(), RESOURCES * EACH);
    assert_eq!(xml.header("content-type"), Some("application/xml; charset=UTF-8"));
}

#[test]
fn long_statistics_are_the_same_as_their_rows_alone() {
    let services = filled();
    let path = "/metering/v2/meters/meter%20%220%22/statistics";
    let start = "q.field=timestamp&q.op=ge&q.value=2015-01-01T00:00:00";
    let long = services.get(ADMIN, &format!("{path}?period=3&{start}"));
    assert!(long.status == 200 && long.is_spooled, "{}", long.text);
    let rows = long.json.as_array().unwrap();
    // The samples of a meter are three seconds apart.
    assert_eq!(rows.len(), (RESOURCES * EACH).div_ceil(3));
    let at_once = long.json.to_string();
    assert!(long.text == at_once, "a list as it is written at once");
    for at in [0, 249, 250, 251, rows.len() - 1] {
        let second = at * 3 + 3;
        let end = format!("2015-01-01T{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
        let short = services.get(ADMIN, &format!("{path}?period=3&{start}&q.field=timestamp&q.op=lt&q.value={end}"));
        assert_eq!(short.json.as_array().unwrap().last(), Some(&rows[at]), "row {at}");
    }
}

#[test]
fn an_error_behind_the_first_piece_is_the_whole_answer() {
    let services = filled();
    let oldest =
        "DELETE FROM telemetry_metadata WHERE id = (SELECT metadata FROM telemetry_sample ORDER BY at LIMIT 1)";
    assert_eq!(services.database.write(|tx| tx.execute(oldest, &[])).unwrap(), 1);
    let path = "/metering/v2/samples?limit=";
    let failed = services.get(ADMIN, &format!("{path}2000"));
    assert_eq!((failed.status, failed.is_spooled), (500, false));
    assert!(!failed.fault().is_empty());
    assert_eq!(services.get(ADMIN, &format!("{path}1999")).json.as_array().map(Vec::len), Some(1_999));
}

/// Takes a piece and then no more.
struct Tired(usize);

impl Taker<Sample> for Tired {
    fn begin(&mut self) {
        self.0 = 0;
    }

    fn take(&mut self, items: Vec<Sample>) -> hearth::Result<()> {
        self.0 += items.len();
        if self.0 > items.len() { Err(Error::unavailable("too slow", "a test")) } else { Ok(()) }
    }
}

#[test]
fn a_question_that_ends_in_the_middle_leaves_its_connection_to_others() {
    let services = filled();
    let store = Store::new(services.database.clone());
    let mut tired = Tired(0);
    let error = store.give_samples(&Filter::default(), 2_000, &mut tired).unwrap_err();
    assert_eq!((error.kind(), error.public()), (hearth::Kind::Unavailable, "too slow"));
    assert!(tired.0 > 0 && tired.0 < 2_000);
    for _ in 0..20 {
        assert!(store.give_samples(&Filter::default(), 2_000, &mut Tired(0)).is_err());
    }
    assert_eq!(store.samples(&Filter::default(), 2_000).unwrap().len(), 2_000);
}
