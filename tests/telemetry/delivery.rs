//! Calling whom alarms tell: real receivers on loopback, slow and broken ones among them, and `kill -9` around everything that
//! is written and sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hearth::config::Config;
use hearth::database::{Connection, Database, Engine, Options, outbox};
use hearth::telemetry::alarms;
use hearth::telemetry::model::EventFilter;
use hearth::telemetry::store::Store;
use serde_json::{Value as Json, json};

use crate::crash_stories;
use crate::service::{ADMIN, Services};

/// Longest wait for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A receiver of actions.
struct Hears {
    url: String,
    told: Receiver<(String, Json)>,
}

/// Reads one request: its head, and its body as JSON.
fn request(stream: &mut TcpStream) -> Option<(String, Json)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = head {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse::<usize>().ok()?;
            if bytes.len() >= end + 4 + length {
                return Some((head, serde_json::from_slice(&bytes[end + 4..end + 4 + length]).ok()?));
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// A receiver that answers these statuses one after the other, and then 200.
fn hears(mut statuses: Vec<u16>) -> Hears {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(asked) = request(&mut stream) else { continue };
            let status = if statuses.is_empty() { 200 } else { statuses.remove(0) };
            let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            if tell.send(asked).is_err() {
                return;
            }
        }
    });
    Hears { url, told }
}

/// An alarm that fires on every event of the operators' project, and calls these.
pub(crate) fn waiting(services: &Services, actions: &[&str]) -> String {
    let alarm =
        json!({"name": "e", "type": "event", "event_rule": {}, "alarm_actions": actions, "repeat_actions": true});
    let answer = services.post(ADMIN, "/alarming/v2/alarms", &alarm);
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json["alarm_id"].as_str().unwrap().to_owned()
}

pub(crate) fn happen(services: &Services) {
    let event = json!({"message_id": "m", "event_type": "x", "traits": [["project_id", 1, "operators"]]});
    Store::new(services.database.clone()).event_arrived(&event, &crate::evaluation::kept()).unwrap();
}

pub(crate) fn start(services: &Services, lines: &str) -> alarms::Alarms {
    let text = format!("[hearth_alarms]\npoll_interval = 0.02\naction_retry_interval = 0.02\n{lines}");
    alarms::start(&Arc::new(Config::from_text(&text).unwrap()), &services.database).unwrap()
}

#[test]
fn receivers_are_called_as_the_service_calls_them_and_again_where_they_fail() {
    let services = Services::new();
    let (good, broken, refusing) = (hears(vec![]), hears(vec![503, 429]), hears(vec![404]));
    // Nobody listens there any more.
    let dead = format!("http://{}/", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    waiting(&services, &[&dead, &good.url, &broken.url, &refusing.url, "log://", "test://"]);
    happen(&services);
    let service = start(&services, "");
    let (head, body) = good.told.recv_timeout(PATIENCE).unwrap();
    assert!(head.starts_with("post /hook?a=b http/1.1"), "{head}");
    assert!(head.contains("content-type: application/json") && head.contains("x-openstack-request-id: req-"), "{head}");
    let mut keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["alarm_id", "alarm_name", "current", "previous", "reason", "reason_data", "severity"]);
    for _ in 0..3 {
        assert_eq!(broken.told.recv_timeout(PATIENCE).unwrap().1, body);
    }
    refusing.told.recv_timeout(PATIENCE).unwrap();
    let store = Store::new(services.database.clone());
    let begun = std::time::Instant::now();
    while store.waiting_actions().unwrap().0 > 0 {
        assert!(begun.elapsed() < PATIENCE, "an action is never given up");
        std::thread::yield_now();
    }
    service.stop();
    service.wait();
    assert!(broken.told.try_recv().is_err() && refusing.told.try_recv().is_err() && good.told.try_recv().is_err());
}

#[test]
fn a_receiver_that_never_answers_holds_up_nobody_else() {
    let services = Services::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = format!("http://{}/", silent.local_addr().unwrap());
    waiting(&services, &[&slow]);
    for _ in 0..20 {
        happen(&services);
    }
    let good = hears(vec![]);
    waiting(&services, &[&good.url]);
    happen(&services);
    let service = start(&services, "notifier_threads = 4\naction_timeout = 600\n");
    // All that the silent one gets is a part of the threads.
    let held = silent.accept().unwrap();
    good.told.recv_timeout(PATIENCE).expect("the other receiver is called");
    service.stop();
    drop((held, silent));
    service.wait();
}

/// A `hearth alarms` of its own, which dies at a point.
fn spawn(config: &std::path::Path, fault: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_hearth"))
        .arg("--config-file")
        .arg(config)
        .arg("alarms")
        .env(hearth::service::fault::VARIABLE, fault)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_transition_happens_once_and_its_action_is_called_through_a_kill_at_any_point() {
    for fault in [
        "alarm.claimed",
        "alarm.before_commit",
        "alarm.after_commit",
        "action.after_send",
        "action.before_commit",
        "notification.after_send",
        "notification.before_commit",
        "telemetry.after_events",
    ] {
        let folder =
            std::env::temp_dir().join(format!("hearth-alarms-{}-{}", std::process::id(), fault.replace('.', "-")));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:///{}", folder.join("telemetry.sqlite").display());
        let database = Database::open(&url, Options { create: true, ..Options::default() }).unwrap();
        // What is told of alarms becomes events of the same database.
        let driver = "[oslo_messaging_notifications]\ndriver = hearth_telemetry\n";
        let services = Services::over(database, driver);
        let hears = hears(vec![]);
        let (a, b) = (waiting(&services, &[]), waiting(&services, &[]));
        let alarm = json!({"name": "c", "type": "combination", "alarm_actions": [hears.url],
            "combination_rule": {"alarm_ids": [a, b]}});
        let made = services.post(ADMIN, "/alarming/v2/alarms", &alarm);
        let id = made.json["alarm_id"].as_str().unwrap();
        happen(&services);
        let config = folder.join("hearth.conf");
        let lines = format!(
            "[DEFAULT]\nstate_path = {}\n[hearth_telemetry]\nconnection = {url}\n[hearth_alarms]\npoll_interval = 0.02\n\
             evaluation_lease = 1\naction_timeout = 1\n[hearth_notifications]\npoll_interval = 0.02\nlease = 1\n{driver}",
            folder.display()
        );
        std::fs::write(&config, lines).unwrap();
        let died = spawn(&config, fault).wait().unwrap();
        assert!(!died.success(), "{fault}");
        let mut next = spawn(&config, "none");
        let (_, told) = hears.told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{fault}: nobody is called"));
        assert_eq!((&told["alarm_id"], &told["current"]), (&json!(id), &json!("alarm")), "{fault}");
        let store = Store::new(services.database.clone());
        let begun = std::time::Instant::now();
        let told = |connection: &mut Connection| outbox::waiting(connection);
        while store.waiting_actions().unwrap().0 > 0 || !store.database().read(told).unwrap().is_empty() {
            assert!(begun.elapsed() < PATIENCE, "{fault}: an action or a notification stays");
            std::thread::sleep(Duration::from_millis(5));
        }
        next.kill().unwrap();
        next.wait().unwrap();
        let history = services.get(ADMIN, &format!("/alarming/v2/alarms/{id}/history")).json;
        let kinds: Vec<&Json> = history.as_array().unwrap().iter().map(|row| &row["type"]).collect();
        assert_eq!(kinds, ["state transition", "creation"], "{fault}");
        let events = store.events(&EventFilter::default(), 1000).unwrap();
        let about = events.iter().filter(|event| event.text("id") == Some(id));
        let mut types: Vec<&str> = about.map(|event| event.event_type.as_str()).collect();
        types.sort_unstable();
        assert_eq!(types, ["alarm.creation", "alarm.state_transition"], "{fault}");
        std::fs::remove_dir_all(&folder).unwrap();
        crash_stories::tell("killed", fault);
    }
}

/// Publishes an event as Ceilometer's agents do, with a CGI program of its own. Answers what it wrote.
fn publish(config: &std::path::Path, fault: &str) -> String {
    let event = json!([{"message_id": "5e0c0ffe-1111-4222-8333-944444444444", "event_type": "x",
        "generated": "2026-01-31T12:00:00", "traits": [["project_id", 1, "operators"]], "raw": {}}]);
    let body = event.to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_hearth"))
        .env("HEARTH_CONFIG", config)
        .env(hearth::service::fault::VARIABLE, fault)
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("REQUEST_METHOD", "POST")
        .env("REQUEST_URI", "/metering/v2/events")
        .env("CONTENT_TYPE", "application/json")
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_X_AUTH_TOKEN", "admin:operators")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn an_event_whose_publisher_got_no_answer_fires_its_alarm_when_it_is_published_again() {
    let fault = "alarm.event.before_commit";
    let folder = std::env::temp_dir().join(format!("hearth-alarms-{}-event", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let url = format!("sqlite:///{}", folder.join("telemetry.sqlite").display());
    let database = Database::open(&url, Options { create: true, ..Options::default() }).unwrap();
    let services = Services::over(database, "");
    let alarm = json!({"name": "e", "type": "event", "event_rule": {"event_type": "x"}});
    let made = services.post(ADMIN, "/alarming/v2/alarms", &alarm);
    let state = format!("/alarming/v2/alarms/{}/state", made.json["alarm_id"].as_str().unwrap());
    let config = folder.join("hearth.conf");
    let lines = format!(
        "[DEFAULT]\nauth_strategy = noauth\nstate_path = {0}\n[database]\nconnection = sqlite:///{0}/cinder.sqlite\n\
         [hearth_telemetry]\nconnection = {url}\n",
        folder.display()
    );
    std::fs::write(&config, lines).unwrap();
    assert_eq!(publish(&config, fault), "");
    assert_eq!(services.get(ADMIN, &state).json, json!("insufficient data"));
    let answer = publish(&config, "none");
    assert!(answer.starts_with("Status: 201"), "{answer}");
    assert_eq!(services.get(ADMIN, &state).json, json!("alarm"));
    std::fs::remove_dir_all(&folder).unwrap();
    crash_stories::tell("killed", fault);
}

#[test]
fn a_database_without_its_tables_is_refused() {
    let database = crate::scratch::database(Engine::Sqlite);
    let refused = alarms::start(&Arc::new(Config::from_text("").unwrap()), &database).err().unwrap();
    assert!(refused.public().contains("hearth db sync"), "{refused}");
}
