//! Levels of logs, and cleaning up after services: what is asked of which service. What a service does then is tested with
//! real ones.

use serde_json::{Value, json};

use crate::fixture::{Cloud, Persona::*};
use crate::people;
use crate::services::service;

/// A cloud whose only service of its own is `node@file`, beside one of somebody else and one that is down.
fn cloud(lines: &str) -> Cloud {
    let cloud = Cloud::with(&format!("host = here\n{lines}"));
    people::backend(&cloud);
    service(&cloud, "other@lvm", "cinder-volume", "az1", 5);
    service(&cloud, "node3@file", "cinder-volume", "az1", 3_600);
    service(&cloud, "node", "cinder-scheduler", "az1", 5);
    cloud
}

/// Kind and host of each order that waits.
fn orders(cloud: &Cloud) -> Vec<(String, String, Value)> {
    let sql = "SELECT kind, host, payload FROM hearth_orders ORDER BY id";
    let read = |row: &hearth::database::Row<'_>| {
        let payload: Value = serde_json::from_str(row.text(2)?).unwrap();
        Ok((row.string(0)?, row.string(1)?, payload["work"].clone()))
    };
    cloud.database.read(|c| c.rows(sql, &[], read)).unwrap()
}

fn hosts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["host"].as_str().unwrap()).collect()
}

#[test]
fn the_services_that_are_meant_and_can_be_reached_are_told_a_level() {
    let cloud = cloud("");
    let set = |body: Value| cloud.put(Admin, "/os-services/set-log", body);
    let work = |prefix: &str| json!({"prefix": prefix, "level": "DEBUG"});
    let told = |prefix: &str| ("set_log_level".to_owned(), "node@file".to_owned(), work(prefix));
    assert_eq!(set(json!({"level": "debug", "prefix": "hearth"})).status, 202);
    assert_eq!(set(json!({"level": "DEBUG", "binary": "*", "server": "node"})).status, 202);
    assert_eq!(orders(&cloud), [told("hearth"), told("")]);
    for body in [
        json!({"level": "DEBUG", "binary": "cinder-api"}),
        json!({"level": "DEBUG", "binary": "cinder-backup"}),
        json!({"level": "DEBUG", "server": "other@lvm"}),
    ] {
        set(body).expect(202);
    }
    assert_eq!(orders(&cloud).len(), 2);

    set(json!({"level": "loud"})).refuse(400, "Invalid input received: loud is not a valid log level.");
    set(json!({})).refuse(400, "Invalid input received:  is not a valid log level.");
    set(json!({"level": "DEBUG", "binary": "nova-api"})).expect(400);
    set(json!({"level": "DEBUG", "colour": "red"})).expect(400);
    cloud.put(Admin, "3.31 /os-services/set-log", json!({"level": "DEBUG"})).expect(404);
    cloud.put(Member, "/os-services/set-log", json!({"level": "DEBUG"})).expect(403);
}

#[test]
fn levels_are_told_by_each_process_that_is_meant() {
    let cloud = cloud("rpc_response_timeout = 0");
    let asked = |body: Value| cloud.put(Admin, "/os-services/get-log", body);
    let own = json!({"log_levels": [{"host": "here", "binary": "cinder-api", "levels": {}}]});
    assert_eq!(asked(json!({"binary": "cinder-api"})).expect(200), own, "tests write no log");
    assert_eq!(asked(json!({"server": "here"})).expect(200), own);
    assert_eq!(asked(json!({"binary": "cinder-api", "server": "there"})).expect(200), json!({"log_levels": []}));
    // A service that is up and does not answer is an error, and its order is taken back.
    asked(json!({"binary": "cinder-volume"})).expect(500);
    assert_eq!(orders(&cloud), []);
    asked(json!({"binary": "cinder-scheduler"})).expect(200);
    cloud.put(Member, "/os-services/get-log", json!({})).expect(403);
}

#[test]
fn services_are_told_to_clean_up_where_they_can_be_reached() {
    let cloud = cloud("");
    let ask = |body: Value| cloud.post(Admin, "/workers/cleanup", body).expect(202);
    let down = ask(json!({}));
    assert_eq!((hosts(&down["cleaning"]), hosts(&down["unavailable"])), (vec![], vec!["node3@file"]));
    let up = ask(json!({"is_up": true, "binary": "cinder-volume"}));
    assert_eq!((hosts(&up["cleaning"]), hosts(&up["unavailable"])), (vec!["node@file"], vec!["other@lvm"]));
    let own = up["cleaning"][0].clone();
    assert_eq!(own, json!({"id": own["id"], "host": "node@file", "binary": "cinder-volume", "cluster_name": null}));
    let work = json!({"resource_type": null, "resource_id": null});
    assert_eq!(orders(&cloud), [("clean_up".to_owned(), "node@file".to_owned(), work)]);

    for body in [json!({"is_up": "yes", "service_id": own["id"]}), json!({"is_up": 1 == 1, "host": "node@file"})] {
        assert_eq!(hosts(&ask(body)["cleaning"]), ["node@file"]);
    }
    assert_eq!(hosts(&ask(json!({"is_up": true, "disabled": true}))["cleaning"]), [""; 0]);
    assert_eq!(hosts(&ask(json!({"is_up": true, "cluster_name": "c"}))["cleaning"]), [""; 0]);

    let post = |body: Value| cloud.post(Admin, "/workers/cleanup", body);
    let text = "Invalid input received: Resource type backup not valid, must be Volume or Snapshot";
    post(json!({"resource_type": "backup"})).refuse(400, text);
    post(json!({"resource_id": "x"})).expect(400);
    post(json!({"binary": "cinder-backup"})).expect(400);
    cloud.post(Admin, "3.23 /workers/cleanup", json!({})).expect(404);
    cloud.post(Member, "/workers/cleanup", json!({})).expect(403);
}

#[test]
fn one_object_is_cleaned_up_by_the_service_that_has_it() {
    let cloud = cloud("");
    let id = people::volume(&cloud, Member, "mine");
    let body = json!({"is_up": true, "resource_id": id, "resource_type": "volume"});
    let text = format!("Invalid input received: There is no resource with UUID {id} pending cleanup.");
    cloud.post(Admin, "/workers/cleanup", body.clone()).refuse(400, &text);
    cloud.sql("DELETE FROM hearth_orders", &[]);
    cloud.sql(
        "INSERT INTO workers (created_at, updated_at, deleted, resource_type, resource_id, status, race_preventer) \
         VALUES ('2026-01-01 00:00:00', '2026-01-01 00:00:00', false, 'Volume', ?, 'deleting', 0)",
        &[(&id).into()],
    );
    let told = cloud.post(Admin, "/workers/cleanup", body).expect(202);
    assert_eq!((hosts(&told["cleaning"]), hosts(&told["unavailable"])), (vec!["node@file"], vec![]));
    assert_eq!(orders(&cloud)[0].2, json!({"resource_type": "Volume", "resource_id": id}));
    let snapshot = json!({"is_up": true, "resource_id": id, "resource_type": "Snapshot"});
    cloud.post(Admin, "/workers/cleanup", snapshot).refuse(400, &text);
}
