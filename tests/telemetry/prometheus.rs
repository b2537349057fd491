//! Rules on a real Prometheus, which scrapes what this test measures: the way of an alarm through its states, whose series
//! each caller's queries find, and what a query that is wrong, or a server that is gone, makes of an alarm.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth::database::Engine;
use serde_json::{Value as Json, json};

use crate::evaluation::World;
use crate::servers;
use crate::service::{ADMIN, Caller, MEMBER, STRANGER};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
const SAMPLES: &str = "volume_load{project=\"p1\",volume=\"a\"} 20\nvolume_load{project=\"p2\",volume=\"b\"} 5\nvolume_load 3\n\
                       secret{project=\"p2\",volume=\"a\"} 1\n";

/// Measures, for a Prometheus that looks at them each second.
struct Measures {
    address: String,
    text: Arc<Mutex<String>>,
    number: Arc<AtomicU64>,
    scraped: Receiver<u64>,
}

impl Measures {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (text, number) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicU64::new(0)));
        let (tell, scraped) = channel();
        let (said, which) = (text.clone(), number.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Of what a scrape holds that is cut off nothing must be told.
                let _ = answer(stream.unwrap(), &said, &which, &tell);
            }
        });
        Self { address, text, number, scraped }
    }

    /// From now on these are measured, and Prometheus knows: it has asked once more after it took them.
    fn set(&self, text: &str) {
        let number = {
            let mut said = self.text.lock().unwrap();
            text.clone_into(&mut said);
            self.number.fetch_add(1, Ordering::Relaxed) + 1
        };
        let mut seen = 0;
        while seen < 2 {
            seen += u32::from(self.scraped.recv_timeout(PATIENCE).expect("Prometheus scrapes") == number);
        }
    }
}

fn answer(mut stream: TcpStream, text: &Mutex<String>, number: &AtomicU64, tell: &Sender<u64>) -> std::io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?).lines();
    while head.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let text = text.lock().unwrap();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )?;
    let _ = tell.send(number.load(Ordering::Relaxed));
    Ok(())
}

/// A Prometheus that scrapes an address.
fn prometheus(scraped: &str) -> ((Child, ChildStdin), String) {
    let folder = servers::scratch_folder("prometheus");
    let file = folder.join("prometheus.yml");
    let lines = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: test\n  static_configs:\n  \
         - targets: ['{scraped}']\n"
    );
    std::fs::write(&file, lines).unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg("--web.listen-address=127.0.0.1:0");
    let (running, log) = servers::kept(&command, &folder, "TERM", &["Server is ready", "Listening on"]);
    let address = log.iter().find_map(|line| line.split_once("\"Listening on\" address=")).expect("its address").1;
    (running, format!("http://{}/", address.trim()))
}

fn rule(query: &str, comparison: &str, threshold: f64) -> Json {
    json!({"name": query, "type": "prometheus", "alarm_actions": ["http://a/"], "ok_actions": ["http://ok/"],
        "prometheus_rule": {"query": query, "threshold": threshold, "comparison_operator": comparison}})
}

fn make(world: &World, caller: Caller, alarm: &Json) -> String {
    let answer = world.services.post(caller, "/alarming/v2/alarms", alarm);
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json["alarm_id"].as_str().unwrap().to_owned()
}

fn state(world: &World, id: &str) -> String {
    let shown = world.services.get(ADMIN, &format!("/alarming/v2/alarms/{id}")).json;
    format!("{}: {}", shown["state"].as_str().unwrap(), shown["state_reason"].as_str().unwrap())
}

fn next(world: &World) {
    world.turn(60);
    assert!(world.evaluate() > 0);
}

/// Queries that find series of `p1` above zero, and are what Prometheus takes when they are held to it.
const FINDING: &[&str] = &[
    r#"{__name__=~"volume_.*"}"#,
    r#"volume_load{volume="a"} > 10"#,
    "sum by (volume) (volume_load)",
    "sum(volume_load) without (volume)",
    "volume_load / on(volume) group_left(project) volume_load",
    "volume_load > bool 1 and ignoring(volume) volume_load offset 1ms or volume_load unless volume_load",
    "max_over_time(volume_load[1m]) - -0x1F * 1e-3",
    "count_over_time(volume_load[1m:10ms] @ end())",
    r#"label_replace(volume_load, "to", "$1", "volume", '(.*)') # and "more"#,
    "topk(1, volume_load) + on() group_left quantile(.5, volume_load)",
    "scalar(sum(volume_load))",
    "time() + Inf",
    "volume_load # of all\n{volume='a'}",
];
/// Queries that would find the series of `p2`, if one could get around being held to `p1`.
const REACHING: &[&str] = &[
    "secret",
    r#"secret{project="p2"}"#,
    r#"{__name__="secret",project=~".*"}"#,
    "nothing{ # ' \n} or secret # '",
    "nothing or on( # ) \" \n ) secret # \"",
    "count_over_time(nothing[5m # ] ' \n]) or secret # '",
    r#"nothing or on(")", ")") secret"#,
    r#"nothing{a="b" or project="p2"} or secret"#,
];

#[test]
fn a_real_prometheus_is_asked_for_the_series_of_the_project() {
    let measures = Measures::new();
    let (running, url) = prometheus(&measures.address);
    let world = World::new(Engine::Sqlite, &format!("[hearth_alarms]\nprometheus_url = {url}\n"));
    let own = world.make(&rule("volume_load", "gt", 10.0));
    next(&world);
    assert_eq!((world.state(&own), world.history(&own).len()), ("insufficient data".to_owned(), 1));

    measures.set(SAMPLES);
    let found = |samples, last| {
        format!("alarm: Transition to alarm due to {samples} samples outside threshold, most recent: {last}")
    };
    let other = make(&world, STRANGER, &rule("volume_load", "gt", 10.0));
    let all = make(&world, ADMIN, &rule("sum(volume_load)", "eq", 28.0));
    let mut for_another = rule("sum(volume_load)", "eq", 20.0);
    for_another["project_id"] = json!("p1");
    let for_another = make(&world, ADMIN, &for_another);
    let of = |queries: &'static [&str], comparison| {
        queries.iter().map(|query| (*query, world.make(&rule(query, comparison, 0.0)))).collect::<Vec<_>>()
    };
    let (finding, reaching) = (of(FINDING, "gt"), of(REACHING, "ge"));
    next(&world);
    assert_eq!(state(&world, &own), found(1, "20.0"));
    assert_eq!(state(&world, &other), "ok: Transition to ok due to 1 samples inside threshold, most recent: 5.0");
    assert_eq!((state(&world, &all), state(&world, &for_another)), (found(1, "28.0"), found(1, "20.0")));
    for (query, id) in finding {
        assert!(
            state(&world, &id).starts_with("alarm: Transition to alarm due to 1 "),
            "{query}: {}",
            state(&world, &id)
        );
    }
    for (query, id) in reaching {
        assert!(state(&world, &id).starts_with("insufficient data: "), "{query}: {}", state(&world, &id));
    }
    world.actions();

    measures.set("volume_load{project=\"p1\"} 5\n");
    next(&world);
    assert_eq!(state(&world, &own), "ok: Transition to ok due to 1 samples inside threshold, most recent: 5.0");
    assert!(world.actions().iter().any(|(url, told)| url == "http://ok/" && told["alarm_id"] == json!(own)));
    measures.set("");
    next(&world);
    assert_eq!(state(&world, &own), "insufficient data: datapoints are unknown");
    let kinds: Vec<Json> = world.history(&own).iter().map(|row| row["type"].clone()).collect();
    assert_eq!(kinds, ["state transition", "state transition", "state transition", "creation"]);

    let wrong = world.make(&rule("volume_load >", "gt", 10.0));
    world.set(&wrong, "ok");
    next(&world);
    let refused = state(&world, &wrong);
    let begin = "insufficient data: alarm statistics retrieval failed: Prometheus refuses the query: ";
    assert!(refused.starts_with(begin) && refused.contains("parse error"), "{refused}");

    world.set(&own, "ok");
    let (mut keeper, input) = running;
    drop(input);
    keeper.wait().unwrap();
    next(&world);
    assert_eq!(
        state(&world, &own),
        "insufficient data: alarm statistics retrieval failed: nobody answers as is expected"
    );
    let newest = world.services.get(MEMBER, &format!("/alarming/v2/alarms/{own}/history")).json[0].clone();
    assert_eq!(newest["type"], "state transition");
}
