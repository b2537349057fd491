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

/// A volume that the cloud's own service has made, with its file.
pub fn real_volume(cloud: &Cloud, persona: Persona, size: i64) -> String {
    let id = new_volume(cloud, persona, json!({ "size": size }));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let made = || cloud.numbers("SELECT COUNT(*) FROM volumes WHERE id = ? AND status <> 'creating'", &[(&id).into()]);
    while made() == [0] {
        assert!(std::time::Instant::now() < deadline, "volume {id} is not made");
        std::thread::yield_now();
    }
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

/// A backup service that is up.
pub fn backup_service(cloud: &Cloud) {
    cloud.sql(
        "INSERT INTO services (deleted, host, \"binary\", topic, report_count, disabled, availability_zone, frozen, \
         updated_at) VALUES (false, 'node', 'cinder-backup', 'cinder-backup', 1, false, 'nova', false, '2999-01-01 00:00:00')",
        &[],
    );
}

/// A backup that a service has made, of a volume that is available then. Makes the service, where there is none.
pub fn backup(cloud: &Cloud, persona: Persona, volume_id: &str) -> String {
    if cloud.numbers("SELECT 1 FROM services WHERE \"binary\" = 'cinder-backup'", &[]).is_empty() {
        backup_service(cloud);
    }
    let body = json!({"backup": {"volume_id": volume_id}});
    let answer = cloud.post(persona, "/backups", body).expect(202);
    let id = answer["backup"]["id"].as_str().unwrap().to_owned();
    made_backup(cloud, &id);
    id
}

/// Does to a backup what a service does that has made it.
pub fn made_backup(cloud: &Cloud, id: &str) {
    status(cloud, "backups", id, "available");
    let columns = "service = 'cinder.backup.drivers.posix.PosixBackupDriver', container = 'aa/bb/c', \
                   service_metadata = 'volume_p', object_count = 1";
    cloud.sql(&format!("UPDATE backups SET {columns} WHERE id = ?"), &[id.into()]);
    cloud.sql("UPDATE snapshots SET status = 'available' WHERE status = 'backing-up'", &[]);
    cloud.sql("UPDATE volumes SET status = previous_status WHERE status = 'backing-up'", &[]);
    cloud.sql("DELETE FROM workers WHERE resource_type <> 'SENTINEL'", &[]);
    cloud.sql("DELETE FROM hearth_orders WHERE object_id = ?", &[id.into()]);
}

/// Puts an object of a table into a status, as a service would, and ends what is ordered of it.
pub fn status(cloud: &Cloud, table: &str, id: &str, status: &str) {
    cloud.sql(&format!("UPDATE {table} SET status = ? WHERE id = ?"), &[status.into(), id.into()]);
    cloud.sql("DELETE FROM workers WHERE resource_id = ?", &[id.into()]);
}

/// Notes on a volume that a server is to make it so large, as a driver does that can not.
pub fn waits_for_a_server(cloud: &Cloud, volume: &str, size_gib: i64) {
    for (key, value) in [("extend_new_size", size_gib.to_string()), ("extend_reservations", "[]".to_owned())] {
        let sql = "INSERT INTO volume_admin_metadata (deleted, volume_id, \"key\", value) VALUES (false, ?, ?, ?)";
        cloud.sql(sql, &[volume.into(), key.into(), value.into()]);
    }
}

/// A volume type that only the backend of this name suits.
pub fn type_on(cloud: &Cloud, name: &str, backend: &str) -> String {
    let body = json!({"volume_type": {"name": name, "extra_specs": {"volume_backend_name": backend}}});
    let made = cloud.post(Persona::Admin, "/types", body).expect(200);
    made["volume_type"]["id"].as_str().unwrap().to_owned()
}

/// The service and the pool of [`HOST`], which are up for a long time.
pub fn backend(cloud: &Cloud) {
    for sql in [
        "INSERT INTO services (deleted, host, \"binary\", topic, report_count, disabled, availability_zone, frozen, \
         updated_at, uuid) VALUES (false, 'node@file', 'cinder-volume', 'cinder-volume', 1, false, 'nova', false, \
         '2999-01-01 00:00:00', 'u')",
        "INSERT INTO hearth_pools (name, service_host, report, allocated_gib, provisioned_gib, promised_gib, reported_at) \
         VALUES ('node@file#pool', 'node@file', '{\"working\": true}', 0, 0, 0, '2999-01-01 00:00:00')",
    ] {
        cloud.sql(sql, &[]);
    }
}

/// The type of the groups that [`group`] makes; made where it is not there.
pub fn group_type(cloud: &Cloud) -> String {
    let body = json!({"group_type": {"name": "plain"}});
    cloud.post(Persona::Admin, "/group_types", body);
    let sql = "SELECT id FROM group_types WHERE name = 'plain'";
    cloud.database.read(|c| c.row(sql, &[], |row| row.string(0))).unwrap().unwrap()
}

/// A group, for volumes of the default type, that a service has made.
pub fn group(cloud: &Cloud, persona: Persona, name: &str) -> String {
    let kind = group_type(cloud);
    let body = json!({"group": {"name": name, "group_type": kind, "volume_types": ["__DEFAULT__"]}});
    let answer = cloud.post(persona, "/groups", body).expect(202);
    let id = answer["group"]["id"].as_str().unwrap().to_owned();
    cloud.sql("UPDATE \"groups\" SET host = ? WHERE id = ?", &[HOST.into(), (&id).into()]);
    status(cloud, "\"groups\"", &id, "available");
    id
}

/// A volume of 1 GiB in a group that a service has made.
pub fn member(cloud: &Cloud, persona: Persona, group: &str) -> String {
    volume_with(cloud, persona, json!({"size": 1, "group_id": group, "volume_type": "__DEFAULT__"}))
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
