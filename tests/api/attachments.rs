//! Attachments: reserved, connected, complete and ended as Nova does it, with a real volume service.

use serde_json::{Value, json};

use crate::concurrency::{at_once, one_won};
use crate::fixture::{Answer, Cloud, PROJECT, Persona::*};
use crate::people::{orders, real_volume, volume};

const SERVER: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const OTHER_SERVER: &str = "bbbbbbbb-0000-4000-8000-000000000002";

pub(crate) fn connector(host: &str) -> Value {
    json!({"host": host, "ip": "192.0.2.1", "initiator": "iqn.1993-08.org.debian:01:1", "mountpoint": "/dev/vdb", "multipath": false})
}

fn create(cloud: &Cloud, volume: &str, server: &str, connector: Value) -> Answer {
    let body = json!({"attachment": {"volume_uuid": volume, "instance_uuid": server, "connector": connector}});
    cloud.post(Member, "3.44 /attachments", body)
}

fn reserve(cloud: &Cloud, volume: &str, server: &str) -> String {
    create(cloud, volume, server, Value::Null).expect(200)["attachment"]["id"].as_str().unwrap().to_owned()
}

fn connect(cloud: &Cloud, attachment: &str, host: &str) -> Answer {
    let body = json!({"attachment": {"connector": connector(host)}});
    cloud.put(Member, &format!("3.44 /attachments/{attachment}"), body)
}

fn complete(cloud: &Cloud, attachment: &str) -> Answer {
    cloud.post(Member, &format!("3.44 /attachments/{attachment}/action"), json!({"os-complete": null}))
}

/// The status of a volume and of its attachments together.
#[track_caller]
fn assert_status(cloud: &Cloud, volume: &str, status: &str, together: &str) {
    let found = cloud.get(Member, &format!("/volumes/{volume}")).expect(200);
    assert_eq!(found["volume"]["status"], status);
    let sql = "SELECT COUNT(*) FROM volumes WHERE id = ? AND attach_status = ?";
    assert_eq!(cloud.numbers(sql, &[volume.into(), together.into()]), [1], "attach_status is not {together}");
}

#[test]
fn nova_attaches_a_volume_moves_its_server_to_another_host_and_detaches_it() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    let reserved = create(&cloud, &id, SERVER, Value::Null).expect(200)["attachment"].clone();
    let first = reserved["id"].as_str().unwrap().to_owned();
    assert_eq!(
        reserved,
        json!({"id": first, "status": "reserved", "instance": SERVER, "volume_id": id, "attached_at": "",
            "detached_at": "", "attach_mode": "null", "connection_info": {}})
    );
    assert_status(&cloud, &id, "reserved", "detached");
    create(&cloud, &id, OTHER_SERVER, Value::Null).refuse(
        400,
        &format!(
            "Invalid volume: Volume {id} status must be available or downloading to reserve, but the current status is \
             reserved."
        ),
    );
    let connected = connect(&cloud, &first, "one").expect(200)["attachment"].clone();
    let path = cloud.volumes().join(format!("volume-{id}"));
    let expected = json!({
        "name": format!("volume-{id}"), "device_path": path, "format": "raw", "qos_specs": null, "access_mode": "rw",
        "encrypted": false, "cacheable": false, "enforce_multipath": false, "driver_volume_type": "gpfs",
        "attachment_id": first,
    });
    assert_eq!(connected["connection_info"], expected);
    assert_eq!((&connected["status"], &connected["attach_mode"]), (&json!("attaching"), &json!("rw")));
    assert_ne!(connected["attached_at"], "");
    assert_status(&cloud, &id, "attaching", "attaching");
    // Nova tries again where an answer was lost.
    assert_eq!(connect(&cloud, &first, "one").expect(200)["attachment"]["connection_info"], expected);
    assert_eq!(complete(&cloud, &first).status, 204);
    assert_status(&cloud, &id, "in-use", "attached");
    let shown = cloud.get(Member, &format!("/volumes/{id}")).expect(200)["volume"]["attachments"].clone();
    assert_eq!(shown[0]["attachment_id"], json!(first));
    assert_eq!((&shown[0]["server_id"], &shown[0]["device"]), (&json!(SERVER), &json!("/dev/vdb")));
    refused_while_attached(&cloud, &id);

    let second = create(&cloud, &id, SERVER, connector("two")).expect(200)["attachment"].clone();
    assert_eq!((&second["status"], &second["connection_info"]["device_path"]), (&json!("attaching"), &json!(path)));
    assert_status(&cloud, &id, "in-use", "attached");
    let second = second["id"].as_str().unwrap().to_owned();
    assert_eq!(complete(&cloud, &second).status, 204);
    let left = cloud.delete(Member, &format!("3.44 /attachments/{first}")).expect(200);
    let summary = json!({"id": second, "status": "attached", "instance": SERVER, "volume_id": id});
    assert_eq!(left, json!({ "attachments": [summary] }));
    assert_status(&cloud, &id, "in-use", "attached");

    let action = |body: Value| cloud.post(Member, &format!("3.44 /volumes/{id}/action"), body).expect(202);
    action(json!({"os-begin_detaching": null}));
    action(json!({"os-roll_detaching": null}));
    action(json!({"os-begin_detaching": null}));
    assert_status(&cloud, &id, "detaching", "attached");
    let path = format!("3.44 /attachments/{second}");
    assert_eq!(cloud.delete(Member, &path).expect(200), json!({"attachments": []}));
    assert_status(&cloud, &id, "available", "detached");
    let gone = format!("Volume attachment could not be found with filter: attachment_id = {second}.");
    cloud.delete(Member, &path).refuse(404, &gone);
    connect(&cloud, &second, "two").refuse(404, &gone);
    complete(&cloud, &second).refuse(404, &gone);
    assert_eq!(orders(&cloud), 0);
    cloud.delete(Member, &format!("/volumes/{id}")).expect(202);
}

fn refused_while_attached(cloud: &Cloud, id: &str) {
    let action = |body: Value| cloud.post(Admin, &format!("3.41 /volumes/{id}/action"), body).status;
    assert_eq!(cloud.delete(Admin, &format!("/volumes/{id}")).status, 400);
    assert_eq!(cloud.delete(Admin, &format!("/volumes/{id}?cascade=true&force=true")).status, 400);
    assert_eq!(action(json!({"os-force_delete": {}})), 400);
    assert_eq!(action(json!({"os-extend": {"new_size": 2}})), 400);
    assert_eq!(action(json!({"os-reserve": {}})), 400);
    assert_eq!(action(json!({"os-update_readonly_flag": {"readonly": true}})), 400);
    let snapshot = json!({"snapshot": {"volume_id": id}});
    assert_eq!(cloud.post(Member, "3.65 /snapshots", snapshot).status, 400);
    let transfer = json!({"transfer": {"volume_id": id}});
    assert_eq!(cloud.post(Member, "/volume-transfers", transfer).status, 400);
}

#[test]
fn a_volume_that_allows_one_connection_gets_one() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    let own: Vec<String> = (0..8).map(|_| reserve(&cloud, &id, SERVER)).collect();
    one_won(&at_once(|caller| connect(&cloud, &own[caller], &format!("host{caller}")).status), 200, 409);
    let with = "SELECT COUNT(*) FROM volume_attachment WHERE volume_id = ? AND connection_info IS NOT NULL";
    assert_eq!(cloud.numbers(with, &[(&id).into()]), [1]);
    assert_status(&cloud, &id, "attaching", "attaching");
    for attachment in own {
        cloud.delete(Member, &format!("/attachments/{attachment}")).expect(200);
    }
    assert_status(&cloud, &id, "available", "detached");
}

#[test]
fn one_of_many_servers_reserves_a_volume_and_one_caller_ends_an_attachment() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    let server = |caller: usize| format!("aaaaaaaa-0000-4000-8000-00000000001{caller}");
    one_won(&at_once(|caller| create(&cloud, &id, &server(caller), connector("one")).status), 200, 400);
    let listed = cloud.get(Member, "3.44 /attachments").expect(200)["attachments"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let path = format!("/attachments/{}", listed[0]["id"].as_str().unwrap());
    one_won(&at_once(|_| cloud.delete(Member, &path).status), 200, 404);
    assert_status(&cloud, &id, "available", "detached");
}

#[test]
fn a_multiattach_volume_serves_several_servers() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    cloud.sql("UPDATE volumes SET multiattach = true WHERE id = ?", &[(&id).into()]);
    let first = reserve(&cloud, &id, SERVER);
    connect(&cloud, &first, "one").expect(200);
    complete(&cloud, &first);
    let second = reserve(&cloud, &id, OTHER_SERVER);
    assert_status(&cloud, &id, "reserved", "attached");
    connect(&cloud, &second, "two").expect(200);
    complete(&cloud, &second);
    assert_status(&cloud, &id, "in-use", "attached");
    cloud.delete(Member, &format!("/attachments/{first}")).expect(200);
    assert_status(&cloud, &id, "in-use", "attached");
    cloud.delete(Member, &format!("/attachments/{second}")).expect(200);
    assert_status(&cloud, &id, "available", "detached");
}

#[test]
fn a_bootable_volume_is_attached_again_only_by_whom_the_rules_allow() {
    let file = std::env::temp_dir().join(format!("hearth-bootable-{}.yaml", std::process::id()));
    std::fs::write(&file, "\"volume:multiattach_bootable_volume\": \"!\"\n").unwrap();
    let cloud = Cloud::serving(&format!("[oslo_policy]\npolicy_file = {}", file.display()));
    let id = real_volume(&cloud, Member, 1);
    cloud.sql("UPDATE volumes SET multiattach = true, bootable = true WHERE id = ?", &[(&id).into()]);
    let first = reserve(&cloud, &id, SERVER);
    complete(&cloud, &first);
    create(&cloud, &id, OTHER_SERVER, Value::Null)
        .refuse(403, "Policy doesn't allow volume:multiattach_bootable_volume to be performed.");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn without_an_answer_in_time_nothing_is_done_and_it_can_be_tried_again() {
    let mut cloud = Cloud::with("host = node\nrpc_response_timeout = 1");
    let id = volume(&cloud, Member, "v");
    create(&cloud, &id, SERVER, connector("one")).refuse(500, "Unable to create attachment for volume.");
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM hearth_orders WHERE kind = 'connect'", &[]), [0]);
    assert_status(&cloud, &id, "reserved", "detached");
    let listed = cloud.get(Member, "/attachments/detail").expect(200)["attachments"].clone();
    assert_eq!((&listed[0]["status"], &listed[0]["connection_info"]), (&json!("reserved"), &json!({})));
    let attachment = listed[0]["id"].as_str().unwrap();
    connect(&cloud, attachment, "one").refuse(500, "Unable to update the attachment.");
    cloud.serve();
    // Its file was never made, and the caller learns nothing of files.
    connect(&cloud, attachment, "one").refuse(500, "Unable to update the attachment.");
    assert_status(&cloud, &id, "reserved", "detached");
    std::fs::File::create(cloud.volumes().join(format!("volume-{id}"))).unwrap();
    connect(&cloud, attachment, "one").expect(200);
    assert_status(&cloud, &id, "attaching", "attaching");
}

#[test]
fn what_can_not_be_attached_is_refused() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    let post = |version: &str, body: Value| {
        cloud.post(Member, &format!("{version} /attachments"), json!({ "attachment": body }))
    };
    for body in [
        json!({}),
        json!({"volume_uuid": "x"}),
        json!({"volume_uuid": id, "instance_uuid": null}),
        json!({"volume_uuid": id, "connector": "x"}),
        json!({"volume_uuid": id, "mode": "wr"}),
        json!({"volume_uuid": id, "type": 1}),
    ] {
        assert_eq!(post("3.54", body.clone()).status, 400, "{body}");
    }
    assert_eq!(post("3.26", json!({ "volume_uuid": id })).status, 404);
    assert_eq!(post("3.53", json!({"volume_uuid": id, "mode": "ro"})).status, 400);
    cloud.sql("UPDATE volumes SET status = 'error_extending' WHERE id = ?", &[(&id).into()]);
    post("3.54", json!({ "volume_uuid": id })).refuse(
        400,
        &format!(
            "Invalid volume: Volume attachments can not be created if the volume is in an error state. The Volume {id} \
             currently has a status of: error_extending "
        ),
    );
    cloud.sql("UPDATE volumes SET status = 'available' WHERE id = ?", &[(&id).into()]);
    cloud
        .post(Stranger, "/attachments", json!({"attachment": {"volume_uuid": id}}))
        .refuse(404, &format!("Volume {id} could not be found."));
    let made =
        post("3.54", json!({"volume_uuid": id, "mode": "ro", "connector": {}})).expect(200)["attachment"].clone();
    assert_eq!(
        (&made["status"], &made["attach_mode"], &made["instance"]),
        (&json!("reserved"), &json!("ro"), &json!(null))
    );
    let attachment = made["id"].as_str().unwrap();
    let put = |connector: Value| {
        cloud.put(Member, &format!("/attachments/{attachment}"), json!({"attachment": {"connector": connector}}))
    };
    assert_eq!(put(json!({})).status, 400);
    put(json!({"ip": "192.0.2.1"}))
        .refuse(400, "Invalid input received: Connector doesn't have required information: host");
    cloud.sql("UPDATE volumes SET status = 'error' WHERE id = ?", &[(&id).into()]);
    put(connector("one")).refuse(
        409,
        &format!(
            "Resource conflict: Volume attachments can not be updated if the volume is in an error state. The Volume \
             {id} currently has a status of: error "
        ),
    );
    cloud.sql("UPDATE volumes SET status = 'reserved' WHERE id = ?", &[(&id).into()]);
    // What was said at first holds, whatever the host says.
    let connected = put(connector("one")).expect(200)["attachment"].clone();
    assert_eq!((&connected["attach_mode"], &connected["connection_info"]["access_mode"]), (&json!("ro"), &json!("ro")));
    let complete = cloud.post(Member, &format!("3.43 /attachments/{attachment}/action"), json!({"os-complete": {}}));
    assert_eq!(complete.status, 404);
}

#[test]
fn a_read_only_volume_is_attached_read_only() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    let flag = |readonly: bool| {
        let body = json!({"os-update_readonly_flag": {"readonly": readonly}});
        cloud.post(Member, &format!("/volumes/{id}/action"), body).expect(202);
    };
    for (readonly, mode) in [(true, "ro"), (false, "rw")] {
        flag(readonly);
        let made = create(&cloud, &id, SERVER, connector("one")).expect(200)["attachment"].clone();
        assert_eq!((&made["attach_mode"], &made["connection_info"]["access_mode"]), (&json!(mode), &json!(mode)));
        cloud.delete(Member, &format!("/attachments/{}", made["id"].as_str().unwrap())).expect(200);
    }
}

#[test]
fn the_hypervisor_is_told_of_the_quality_of_service_that_it_sees_to() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 2);
    let body = json!({"qos_specs": {"name": "q", "consumer": "front-end", "read_iops_sec_per_gb": "100", "x": "y"}});
    let specs = cloud.post(Admin, "/qos-specs", body).expect(200)["qos_specs"]["id"].as_str().unwrap().to_owned();
    let sql = "UPDATE volume_types SET qos_specs_id = ? WHERE id = (SELECT volume_type_id FROM volumes WHERE id = ?)";
    cloud.sql(sql, &[(&specs).into(), (&id).into()]);
    let made = create(&cloud, &id, SERVER, connector("one")).expect(200);
    assert_eq!(made["attachment"]["connection_info"]["qos_specs"], json!({"x": "y", "read_iops_sec": 200}));
}

#[test]
fn who_may_not_connect_a_volume_does_not_read_how_it_is_reached() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    let made = create(&cloud, &id, SERVER, connector("one")).expect(200)["attachment"].clone();
    let path = format!("/attachments/{}", made["id"].as_str().unwrap());
    for (persona, sees) in [(Member, true), (Admin, true), (Reader, false)] {
        let shown = cloud.get(persona, &path).expect(200)["attachment"].clone();
        let listed = cloud.get(persona, "/attachments/detail").expect(200)["attachments"][0].clone();
        assert_eq!(shown, listed);
        assert_eq!(shown["connection_info"], if sees { made["connection_info"].clone() } else { json!({}) });
    }
    let gone =
        format!("Volume attachment could not be found with filter: attachment_id = {}.", made["id"].as_str().unwrap());
    cloud.get(Stranger, &path).refuse(404, &gone);
    cloud.delete(Stranger, &path).refuse(404, &gone);
    cloud.get(Service, "/attachments").refuse(403, "Policy doesn't allow volume:get_all to be performed.");
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let cloud = Cloud::new();
    let volumes: Vec<String> = ["a", "b", "c"].iter().map(|name| volume(&cloud, Member, name)).collect();
    let server = |at: usize| format!("aaaaaaaa-0000-4000-8000-00000000000{at}");
    let ids: Vec<String> =
        volumes.iter().enumerate().map(|(at, volume)| reserve(&cloud, volume, &server(at))).collect();
    for (at, id) in ids.iter().enumerate() {
        let time = format!("2026-01-01 00:0{at}:00.000000");
        cloud.sql("UPDATE volume_attachment SET created_at = ? WHERE id = ?", &[time.into(), id.into()]);
    }
    complete(&cloud, &ids[0]);
    let list = |persona, path: &str| {
        let found = cloud.get(persona, path).expect(200);
        assert_eq!(found.as_object().unwrap().len(), 1, "lists of attachments have no links");
        let at = |item: &Value| ids.iter().position(|id| item["id"] == json!(id)).unwrap().to_string();
        found["attachments"].as_array().unwrap().iter().map(at).collect::<String>()
    };
    for (query, expected) in [
        ("", "210"),
        ("?sort=created_at:asc", "012"),
        ("?limit=2", "21"),
        ("?limit=0", ""),
        ("?offset=1", "10"),
        ("?status=attached", "0"),
        ("?attach_status=reserved", "21"),
        (&format!("?instance_id={}", server(1)), "1"),
        (&format!("?volume_id={}", volumes[2]), "2"),
        (&format!("?marker={}", ids[1]), "0"),
    ] {
        assert_eq!(list(Member, &format!("/attachments{query}")), expected, "{query}");
        assert_eq!(list(Reader, &format!("3.30 /attachments/detail{query}")), expected, "{query}");
    }
    assert_eq!(list(Stranger, "/attachments?all_tenants=1"), "");
    assert_eq!(list(Admin, "/attachments?all_tenants=1&sort=status:asc"), "012");
    cloud.get(Member, "/attachments?connector=x").refuse(400, "Invalid filters connector are found in query options.");
    assert_eq!(list(Admin, "/attachments?connection_info=x"), "");
    cloud
        .get(Member, "/attachments?marker=x")
        .refuse(404, "Volume attachment could not be found with filter: attachment_id = x.");
}

#[test]
fn an_attachment_that_nova_uses_is_ended_by_a_service_alone() {
    let nova = crate::compute::Compute::start();
    let mut cloud =
        Cloud::with(&format!("host = node\nauth_strategy = keystone\n[keystone_authtoken]\nauth_url = {}", nova.url()));
    cloud.serve();
    let id = real_volume(&cloud, Member, 1);
    let attach =
        || create(&cloud, &id, SERVER, connector("one")).expect(200)["attachment"]["id"].as_str().unwrap().to_owned();
    let attachment = attach();
    let path = format!("/attachments/{attachment}");
    let text = format!("ConflictNovaUsingAttachment: Detach volume from instance {SERVER} using the Compute API");
    nova.says(Some(&attachment));
    cloud.delete(Member, &path).refuse(409, &text);
    cloud.delete(Admin, &path).refuse(409, &text);
    let action = |body: Value| cloud.post(Admin, &format!("/volumes/{id}/action"), body);
    action(json!({"os-detach": {}})).refuse(409, &text);
    action(json!({"os-detach": {"attachment_id": attachment}})).refuse(409, &text);
    action(json!({"os-terminate_connection": {"connector": {}}})).refuse(409, &text);
    action(json!({"os-force_detach": {"connector": null}})).refuse(409, &text);
    assert_status(&cloud, &id, "attaching", "attaching");
    nova.fails();
    cloud.delete(Member, &path).refuse(503, "The Compute service is temporarily unavailable.");
    // By another attachment, or by none: then this one was left behind.
    for said in [Some("cccccccc-0000-4000-8000-000000000003"), None] {
        nova.says(said);
        cloud.delete(Member, &format!("/attachments/{}", attachment_of(&cloud))).expect(200);
        attach();
    }
    let last = attachment_of(&cloud);
    nova.says(Some(&last));
    let url = format!("/v3/{PROJECT}/attachments/{last}");
    let ask = |headers: &[(&str, &str)]| {
        let own = [("X-Auth-Token", "member"), ("OpenStack-API-Version", "volume 3.44")];
        cloud.raw("DELETE", &url, &[&own, headers].concat(), None).status
    };
    assert_eq!(ask(&[]), 409);
    assert_eq!(ask(&[("X-Service-Token", "service")]), 200);
    let asked = nova.asked();
    assert!(
        asked.iter().any(|line| line.contains(&format!("/servers/{SERVER}/os-volume_attachments/{id}"))),
        "{asked:?}"
    );
}

fn attachment_of(cloud: &Cloud) -> String {
    cloud.get(Member, "/attachments").expect(200)["attachments"][0]["id"].as_str().unwrap().to_owned()
}
