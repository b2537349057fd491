//! Alarms on members of load balancers, by a small server that speaks as Octavia does: what it is asked, what its answers make
//! of an alarm, and what becomes of one when it is gone.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use hearth::database::Engine;
use serde_json::{Value as Json, json};

use crate::evaluation::World;
use crate::service::MEMBER;

/// What Octavia has, and what it was asked.
struct Octavia {
    url: String,
    members: Arc<Mutex<Vec<Json>>>,
    asked: Receiver<String>,
}

impl Octavia {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/load-balancer", listener.local_addr().unwrap());
        let members = Arc::new(Mutex::new(Vec::new()));
        let (tell, asked) = channel();
        let has = members.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let path = answer(stream.unwrap(), &has.lock().unwrap());
                if tell.send(path).is_err() {
                    return;
                }
            }
        });
        Self { url, members, asked }
    }

    /// What it was asked since.
    fn asked(&self) -> Vec<String> {
        self.asked.try_iter().collect()
    }
}

/// Answers one request with a page of one member, as with `pagination_max_limit = 1`; the path that was asked for.
fn answer(mut stream: TcpStream, members: &[Json]) -> String {
    let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let line = head.next().unwrap();
    while head.next().is_some_and(|line| !line.is_empty()) {}
    let path = line.split(' ').nth(1).unwrap().to_owned();
    let at = path.split_once("marker=").map_or(0, |(_, marker)| marker.parse::<usize>().unwrap());
    let links = match at + 1 < members.len() {
        true => {
            json!([{"rel": "next", "href": format!("http://octavia.invalid:9876/v2.0/lbaas/x?limit=1&marker={}", at + 1)}])
        }
        false => json!([]),
    };
    let (status, body) = match path.starts_with("/load-balancer/v2.0/lbaas/pools/p%2F1/members") {
        true => ("200 OK", json!({"members": members.get(at).into_iter().collect::<Vec<_>>(), "members_links": links})),
        false => ("404 Not Found", json!({"faultstring": "Pool not found.", "faultcode": "Client", "debuginfo": null})),
    };
    let body = body.to_string();
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .unwrap();
    path
}

fn alarm(pool: &str) -> Json {
    json!({"name": "health", "type": "loadbalancer_member_health", "alarm_actions": ["http://a/"], "ok_actions": ["http://ok/"],
        "insufficient_data_actions": ["http://unknown/"],
        "loadbalancer_member_health_rule": {"pool_id": pool, "stack_id": "s", "autoscaling_group_id": "g"}})
}

#[test]
fn members_in_error_make_an_alarm_once_they_are_not_new_any_more() {
    let octavia = Octavia::new();
    let lines = format!("[hearth_alarms]\noctavia_auth = none\noctavia_url = {}/\n", octavia.url);
    let world = World::new(Engine::Sqlite, &lines);
    let id = world.make(&alarm("p/1"));
    let member = |name: &str, status: &str, up: bool, made: &str| json!({"id": name, "operating_status": status, "admin_state_up": up, "created_at": made});
    let new = hearth::time::Timestamp::now().plus_seconds(3_600).iso_short();
    let healthy = [
        member("a", "ONLINE", true, "2026-01-01T00:00:00"),
        member("b", "ERROR", false, "2026-01-01T00:00:00"),
        member("c", "ERROR", true, &new),
        member("d", "ERROR", true, "soon"),
    ];
    *octavia.members.lock().unwrap() = healthy.to_vec();
    assert_eq!(world.evaluate(), 1);
    assert_eq!(world.state(&id), "ok");
    let path = "/load-balancer/v2.0/lbaas/pools/p%2F1/members";
    let pages: Vec<String> =
        std::iter::once(path.to_owned()).chain((1..4).map(|at| format!("{path}?limit=1&marker={at}"))).collect();
    assert_eq!(octavia.asked(), pages);
    // The new one is not new any more.
    world.turn(200);
    assert_eq!(world.evaluate(), 1);
    assert_eq!(world.state(&id), "alarm");
    let [(ok, told), (url, body)]: [(String, Json); 2] = world.actions().try_into().unwrap();
    assert_eq!((ok.as_str(), &told["reason_data"]["count"]), ("http://ok/", &json!(0)));
    assert_eq!(told["reason"], "Transition to ok due to 0 members unhealthy, most recent: None");
    assert_eq!(url, "http://a/");
    let data = json!({"type": "loadbalancer_member_health", "count": 1, "most_recent": healthy[2],
        "unhealthy_members": [healthy[2]], "pool_id": "p/1", "stack_id": "s", "asg_id": "g"});
    assert_eq!(body["reason_data"], data);
    let reason = body["reason"].as_str().unwrap();
    let start = "Transition to alarm due to 1 members unhealthy, most recent: {'id': 'c', 'operating_status': 'ERROR', \
                 'admin_state_up': True,";
    assert!(reason.starts_with(start), "{reason}");
    // Nothing changes, and nobody is told.
    world.turn(100);
    assert_eq!(world.evaluate(), 1);
    assert!(world.actions().is_empty());
}

#[test]
fn an_octavia_that_does_not_know_the_pool_leaves_an_alarm_unknown_and_without_one_none_is_made() {
    let octavia = Octavia::new();
    let world =
        World::new(Engine::Sqlite, &format!("[hearth_alarms]\noctavia_auth = none\noctavia_url = {}\n", octavia.url));
    let id = world.make(&alarm("other"));
    world.set(&id, "ok");
    assert_eq!(world.evaluate(), 1);
    assert_eq!(world.state(&id), "insufficient data");
    assert_eq!(world.show(&id)["state_reason"], "failed to communicate with load balancing service");
    let nowhere = World::new(Engine::Sqlite, "");
    let refused = nowhere.services.post(MEMBER, "/alarming/v2/alarms", &alarm("p"));
    let text =
        "Alarms of type loadbalancer_member_health can not be made here: no load balancing service is configured";
    assert_eq!((refused.status, refused.fault()), (400, text));
}
