//! Volumes and snapshots as tests need them: made through the API, and put into a status as a volume service would.

#![allow(unreachable_pub, dead_code, reason = "every test takes of this file what it needs")]

use serde_json::{Value, json};

use crate::fixture::{Cloud, Persona};

/// Where volumes lie that a service has.
pub const HOST: &str = "node@file#pool";

/// A volume of 1 GiB that a service has made.
pub fn volume(cloud: &Cloud, persona: Persona, name: &str) -> String {
    volume_with(cloud, persona, json!({"name": name, "size": 1}))
}

/// A volume that a service has made.
pub fn volume_with(cloud: &Cloud, persona: Persona, body: Value) -> String {
    let id = new_volume(cloud, persona, body);
    cloud.sql("UPDATE volumes SET host = ? WHERE id = ?", &[HOST.into(), (&id).into()]);
    status(cloud, "volumes", &id, "available");
    id
}

/// A volume that still waits for a service.
pub fn new_volume(cloud: &Cloud, persona: Persona, body: Value) -> String {
    let answer = cloud.post(persona, "/volumes", json!({ "volume": body })).expect(202);
    answer["volume"]["id"].as_str().unwrap().to_owned()
}

/// A snapshot that a service has made.
pub fn snapshot(cloud: &Cloud, persona: Persona, volume_id: &str, name: &str) -> String {
    let body = json!({"snapshot": {"volume_id": volume_id, "name": name}});
    let answer = cloud.post(persona, "/snapshots", body).expect(202);
    let id = answer["snapshot"]["id"].as_str().unwrap().to_owned();
    status(cloud, "snapshots", &id, "available");
    id
}

/// Puts an object of a table into a status, as a service would, and ends what is ordered of it.
pub fn status(cloud: &Cloud, table: &str, id: &str, status: &str) {
    cloud.sql(&format!("UPDATE {table} SET status = ? WHERE id = ?"), &[status.into(), id.into()]);
    cloud.sql("DELETE FROM workers WHERE resource_id = ?", &[id.into()]);
}

/// A group, a consistency group and a group snapshot with the id `g`, for objects that belong to one.
pub fn groups(cloud: &Cloud) {
    for sql in [
        "INSERT INTO \"groups\" (id, deleted) VALUES ('g', false)",
        "INSERT INTO consistencygroups (id, deleted) VALUES ('g', false)",
        "INSERT INTO group_snapshots (id, group_id, deleted) VALUES ('g', 'g', false)",
    ] {
        cloud.sql(sql, &[]);
    }
}

/// What a project uses of a resource, as its quota says.
pub fn used(cloud: &Cloud, project: &str, resource: &str) -> i64 {
    let sql = "SELECT SUM(in_use) FROM quota_usages WHERE project_id = ? AND resource = ? AND deleted = false";
    cloud.numbers(sql, &[project.into(), resource.into()]).into_iter().sum()
}

/// How many orders wait for services.
pub fn orders(cloud: &Cloud) -> i64 {
    cloud.numbers("SELECT COUNT(*) FROM hearth_orders", &[]).into_iter().sum()
}

/// The names of a list, in its order.
pub fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap_or("null")).collect()
}
