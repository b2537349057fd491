//! The old attachment protocol, as clients before version 3.27 use it.

use serde_json::{Value, json};

use crate::attachments::connector;
use crate::fixture::{Answer, Cloud, Persona::*};
use crate::people::{orders, real_volume, status};

const SERVER: &str = "aaaaaaaa-0000-4000-8000-000000000001";

fn act(cloud: &Cloud, id: &str, action: &str, body: Value) -> Answer {
    cloud.post(Admin, &format!("3.0 /volumes/{id}/action"), json!({ action: body }))
}

fn shown(cloud: &Cloud, id: &str) -> Value {
    cloud.get(Admin, &format!("/volumes/{id}")).expect(200)["volume"].clone()
}

#[test]
fn a_volume_is_reserved_connected_attached_and_detached() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    act(&cloud, &id, "os-reserve", Value::Null).expect(202);
    let mut host = connector("one");
    host["enforce_multipath"] = json!(true);
    let connection = act(&cloud, &id, "os-initialize_connection", json!({ "connector": host })).expect(200);
    let path = cloud.volumes().join(format!("volume-{id}"));
    assert_eq!(
        connection,
        json!({"connection_info": {
            "driver_volume_type": "gpfs", "enforce_multipath": true,
            "data": {"name": format!("volume-{id}"), "device_path": path, "format": "raw", "qos_specs": null,
                "access_mode": "rw", "encrypted": false, "cacheable": false, "enforce_multipath": true},
        }})
    );
    assert_eq!(shown(&cloud, &id)["status"], "attaching");
    let attach = json!({"instance_uuid": SERVER, "mountpoint": "/dev/vdc", "mode": "rw"});
    act(&cloud, &id, "os-attach", attach.clone()).expect(202);
    let volume = shown(&cloud, &id);
    assert_eq!(volume["status"], "in-use");
    assert_eq!(volume["metadata"], json!({"attached_mode": "rw", "readonly": "False"}));
    assert_eq!(
        (&volume["attachments"][0]["server_id"], &volume["attachments"][0]["device"]),
        (&json!(SERVER), &json!("/dev/vdc"))
    );
    // The same server again is no other attachment, another one is refused.
    act(&cloud, &id, "os-attach", attach).expect(202);
    let text = "Invalid volume: volume is already attached and multiple \
                attachments are not enabled";
    act(&cloud, &id, "os-attach", json!({"host_name": "h", "mountpoint": "/dev/vdc"})).refuse(400, text);
    assert_eq!(shown(&cloud, &id)["attachments"].as_array().unwrap().len(), 1);
    act(&cloud, &id, "os-begin_detaching", Value::Null).expect(202);
    act(&cloud, &id, "os-terminate_connection", json!({ "connector": connector("one") })).expect(202);
    assert_eq!(shown(&cloud, &id)["status"], "detaching");
    act(&cloud, &id, "os-detach", json!({})).expect(202);
    let volume = shown(&cloud, &id);
    assert_eq!((&volume["status"], &volume["attachments"]), (&json!("available"), &json!([])));
    assert_eq!(volume["metadata"], json!({"readonly": "False"}));
    assert_eq!(orders(&cloud), 0);
    // A connection that was never used leaves only the reservation to end.
    act(&cloud, &id, "os-reserve", Value::Null).expect(202);
    act(&cloud, &id, "os-terminate_connection", json!({"connector": null})).expect(202);
    assert_eq!(shown(&cloud, &id)["status"], "available");
}

#[test]
fn detaching_says_which_attachment_where_there_are_several() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    cloud.sql("UPDATE volumes SET multiattach = true WHERE id = ?", &[(&id).into()]);
    for host in ["Host_1", "two"] {
        act(&cloud, &id, "os-attach", json!({"host_name": host, "mountpoint": "/dev/vdc", "mode": "ro"})).expect(202);
    }
    let attachments = shown(&cloud, &id)["attachments"].clone();
    assert_eq!((&attachments[0]["host_name"], &attachments[1]["host_name"]), (&json!("host-1"), &json!("two")));
    let words = "Invalid volume: Detach volume failed: More than one attachment, but no attachment_id \
                 provided.";
    act(&cloud, &id, "os-detach", Value::Null).refuse(400, words);
    act(&cloud, &id, "os-force_detach", json!({})).refuse(400, words);
    let one = |at: usize| json!({"attachment_id": attachments[at]["attachment_id"]});
    act(&cloud, &id, "os-detach", one(0)).expect(202);
    assert_eq!(shown(&cloud, &id)["status"], "in-use");
    act(&cloud, &id, "os-detach", one(0)).expect(202);
    act(&cloud, &id, "os-force_detach", json!({"attachment_id": null, "connector": connector("two")})).expect(202);
    assert_eq!(shown(&cloud, &id)["status"], "available");
    act(&cloud, &id, "os-detach", json!({})).expect(202);
}

#[test]
fn modes_and_statuses_that_do_not_fit_are_refused() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    let attach =
        |mode: &str| act(&cloud, &id, "os-attach", json!({"host_name": "h", "mountpoint": "/d", "mode": mode}));
    act(&cloud, &id, "os-update_readonly_flag", json!({"readonly": true})).expect(202);
    attach("rw").refuse(400, &format!("Invalid attaching mode 'rw' for volume {id}."));
    attach("ro").expect(202);
    act(&cloud, &id, "os-detach", json!({})).expect(202);
    status(&cloud, "volumes", &id, "maintenance");
    attach("ro").refuse(400, "Invalid volume: The volume cannot be attached in maintenance mode.");
    act(&cloud, &id, "os-detach", json!({}))
        .refuse(400, "Invalid volume: The volume cannot be detached in maintenance mode.");
    act(&cloud, &id, "os-initialize_connection", json!({"connector": {}}))
        .refuse(400, "Invalid volume: The volume connection cannot be initialized in maintenance mode.");
    status(&cloud, "volumes", &id, "deleting");
    assert_eq!(attach("ro").status, 400);
    status(&cloud, "volumes", &id, "available");
    for (action, body) in [
        ("os-attach", json!({"mountpoint": "/d"})),
        ("os-attach", json!({"host_name": "h"})),
        ("os-attach", json!({"host_name": "h", "mountpoint": ""})),
        ("os-attach", json!({"instance_uuid": "x", "mountpoint": "/d"})),
        ("os-detach", json!({"attachment_id": "x"})),
        ("os-initialize_connection", json!({})),
        ("os-initialize_connection", json!({"connector": null})),
        ("os-terminate_connection", json!({})),
        ("os-force_detach", json!({"x": 1})),
    ] {
        assert_eq!(act(&cloud, &id, action, body.clone()).status, 400, "{action} {body}");
    }
}
