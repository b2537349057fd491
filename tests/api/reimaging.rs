//! Volumes that are kept for a server and get the content of an image: Nova is told when it is there, and waits for that.

use serde_json::{Value, json};

use crate::compute::{Compute, own_user};
use crate::fixture::Cloud;
use crate::fixture::Persona::Member;
use crate::image_service::{self, IMAGE};
use crate::people::real_volume;

const SERVER: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// Writes the image over a volume and waits until nobody has anything to do; the volume then.
fn reimage(cloud: &Cloud, volume: &str, reserved: bool) -> Value {
    let body = json!({"os-reimage": {"image_id": IMAGE, "reimage_reserved": reserved}});
    cloud.post(Member, &format!("3.68 /volumes/{volume}/action"), body).expect(202);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while crate::people::orders(cloud) > 0 {
        assert!(std::time::Instant::now() < deadline, "an order is never done");
        std::thread::yield_now();
    }
    cloud.get(Member, &format!("/volumes/{volume}")).expect(200)["volume"].clone()
}

#[test]
fn nova_is_told_that_the_volume_of_a_server_has_its_new_content_and_its_owner_if_nova_does_not_listen() {
    let nova = Compute::start();
    let glance = format!("glance_api_servers = {}", image_service::url());
    let mut cloud = Cloud::with(&format!("host = node\n{glance}\nauth_strategy = keystone\n{}", own_user(nova.url())));
    cloud.serve();
    let id = real_volume(&cloud, Member, 1);
    assert_eq!(reimage(&cloud, &id, false)["status"], json!("available"));
    assert_eq!(nova.told(), Vec::<String>::new(), "no server waits for it");
    let body = json!({"attachment": {"volume_uuid": id, "instance_uuid": SERVER}});
    cloud.post(Member, "/attachments", body).expect(200);
    let refused = json!({"os-reimage": {"image_id": IMAGE}});
    cloud.post(Member, &format!("3.68 /volumes/{id}/action"), refused).expect(400);
    assert_eq!(reimage(&cloud, &id, true)["status"], json!("reserved"));
    let told = nova.told();
    let (head, event) = told[0].split_at(told[0].find('{').unwrap());
    assert_eq!((told.len(), head), (1, "own compute 2.93 "));
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(event, json!({"events": [{"name": "volume-reimaged", "server_uuid": SERVER, "tag": id}]}));
    let messages = || cloud.get(Member, "/messages").expect(200)["messages"].clone();
    assert_eq!(messages(), json!([]));
    nova.fails();
    assert_eq!(reimage(&cloud, &id, true)["status"], json!("reserved"), "its content is there all the same");
    assert_eq!(messages()[0]["user_message"], json!("reimage volume:Compute service failed to reimage volume."));
}
