//! Volumes that grow while servers use them: Nova is told, by the volume service and with its own token.

use serde_json::{Value, json};

use crate::compute::{Compute, own_user};
use crate::fixture::Cloud;
use crate::fixture::Persona::{Admin, Member};
use crate::people::real_volume;

const SERVER: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// Attaches a volume to a server, as Nova does.
fn attach(cloud: &Cloud, volume: &str) {
    let body = json!({"attachment": {"volume_uuid": volume, "instance_uuid": SERVER,
        "connector": {"host": "h", "mountpoint": "/dev/vdb"}}});
    let made = cloud.post(Member, "/attachments", body).expect(200)["attachment"]["id"].clone();
    let path = format!("/attachments/{}/action", made.as_str().unwrap());
    cloud.post(Member, &path, json!({"os-complete": {}})).expect(204);
}

/// Makes a volume larger and waits until nobody has anything to do.
fn extend(cloud: &Cloud, volume: &str, size: i64) -> Value {
    let body = json!({"os-extend": {"new_size": size}});
    cloud.post(Member, &format!("/volumes/{volume}/action"), body).expect(202);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while crate::people::orders(cloud) > 0 {
        assert!(std::time::Instant::now() < deadline, "an order is never done");
        std::thread::yield_now();
    }
    cloud.get(Admin, &format!("/volumes/{volume}")).expect(200)["volume"].clone()
}

#[test]
fn nova_is_told_that_a_volume_has_grown_and_its_owner_if_nova_does_not_listen() {
    let nova = Compute::start();
    let mut cloud = Cloud::with(&format!("host = node\nauth_strategy = keystone\n{}", own_user(nova.url())));
    cloud.serve();
    let id = real_volume(&cloud, Member, 1);
    assert_eq!(extend(&cloud, &id, 2)["size"], json!(2));
    assert_eq!(nova.told(), Vec::<String>::new(), "no server uses it");
    attach(&cloud, &id);
    let grown = extend(&cloud, &id, 3);
    assert_eq!((&grown["size"], &grown["status"]), (&json!(3), &json!("in-use")));
    let told = nova.told();
    let (head, event) = told[0].split_at(told[0].find('{').unwrap());
    assert_eq!((told.len(), head), (1, "own compute 2.51 "));
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(event, json!({"events": [{"name": "volume-extended", "server_uuid": SERVER, "tag": id}]}));
    let messages = || cloud.get(Member, "/messages").expect(200)["messages"].clone();
    assert_eq!(messages(), json!([]));
    nova.fails();
    assert_eq!(extend(&cloud, &id, 4)["size"], json!(4), "the volume has grown all the same");
    assert_eq!(messages()[0]["user_message"], json!("extend volume:Compute service failed to extend volume."));
    assert_eq!(messages()[0]["resource_uuid"], json!(id));
}

#[test]
fn without_keystone_there_is_no_nova_to_be_told() {
    let cloud = Cloud::serving("");
    let id = real_volume(&cloud, Member, 1);
    attach(&cloud, &id);
    assert_eq!(extend(&cloud, &id, 2)["size"], json!(2));
    assert_eq!(cloud.get(Member, "/messages").expect(200)["messages"], json!([]));
}
