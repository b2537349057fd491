//! What requests about images ask of Glance, and what they leave in the database.

use serde_json::json;

use crate::fixture::{Cloud, Persona::*};
use crate::image_service::{self, IMAGE, asked};
use crate::people::{status, volume};

fn cloud() -> Cloud {
    Cloud::with(&format!("glance_api_servers = {}", image_service::url()))
}

fn orders(cloud: &Cloud) -> i64 {
    let sql = "SELECT count(*) FROM hearth_orders";
    cloud.database.read(|c| c.row(sql, &[], |row| row.int(0))).unwrap().unwrap()
}

#[test]
fn an_upload_is_ordered_in_the_transaction_that_moves_the_status() {
    let cloud = cloud();
    let id = volume(&cloud, Member, "v");
    status(&cloud, "volumes", &id, "available");
    let before = orders(&cloud);
    let body =
        json!({"os-volume_upload_image": {"image_name": "my-own-image", "disk_format": "qcow2", "protected": "yes"}});
    let told = cloud.post(Member, &format!("3.1 /volumes/{id}/action"), body.clone()).expect(202);
    assert_eq!(told["os-volume_upload_image"]["status"], "uploading");
    assert_eq!(orders(&cloud), before + 1);
    let made = asked("my-own-image");
    assert_eq!(made.len(), 1);
    for part in [r#""visibility":"private""#, r#""protected":true"#, r#""disk_format":"qcow2""#] {
        assert!(made[0].contains(part), "{} lacks {part}", made[0]);
    }
    assert!(!made[0].to_ascii_lowercase().contains("x-auth-token"), "without Keystone there are no tokens");
    cloud.post(Member, &format!("/volumes/{id}/action"), body).expect(400);
    assert_eq!(orders(&cloud), before + 1);
}

#[test]
fn only_administrators_make_public_images() {
    let cloud = cloud();
    let id = volume(&cloud, Member, "v");
    status(&cloud, "volumes", &id, "available");
    let body = json!({"os-volume_upload_image": {"image_name": "public-image", "visibility": "public"}});
    cloud.post(Member, &format!("3.1 /volumes/{id}/action"), body.clone()).expect(403);
    assert!(asked("public-image").is_empty(), "Glance is not asked for what is refused here");
    cloud.post(Admin, &format!("3.1 /volumes/{id}/action"), body).expect(202);
}

#[test]
fn an_attached_volume_is_uploaded_by_force_alone_and_only_where_that_is_allowed() {
    let forced = json!({"os-volume_upload_image": {"image_name": "x", "force": true}});
    for (allowed, force, from, expected) in [
        (false, true, "in-use", 400),
        (true, false, "in-use", 400),
        (true, true, "in-use", 202),
        (true, true, "error", 400),
        (false, true, "available", 202),
    ] {
        let lines = format!("glance_api_servers = {}\nenable_force_upload = {allowed}", image_service::url());
        let cloud = Cloud::with(&lines);
        let id = volume(&cloud, Member, "v");
        status(&cloud, "volumes", &id, from);
        let body = if force { forced.clone() } else { json!({"os-volume_upload_image": {"image_name": "x"}}) };
        let answer = cloud.post(Member, &format!("/volumes/{id}/action"), body);
        assert_eq!(answer.status, expected, "{allowed} {force} {from}");
    }
}

#[test]
fn a_volume_that_several_servers_have_is_not_reimaged() {
    let cloud = cloud();
    let id = volume(&cloud, Member, "v");
    status(&cloud, "volumes", &id, "available");
    for _ in 0..2 {
        let sql =
            "INSERT INTO volume_attachment (id, volume_id, deleted, attach_status) VALUES (?, ?, false, 'reserved')";
        cloud.sql(sql, &[uuid::Uuid::new_v4().to_string().into(), (&id).into()]);
    }
    let body = json!({"os-reimage": {"image_id": IMAGE}});
    cloud.post(Member, &format!("3.68 /volumes/{id}/action"), body.clone()).expect(409);
    cloud.post(Member, &format!("3.67 /volumes/{id}/action"), body).expect(404);
}

#[test]
fn without_glance_the_answer_is_quick_and_says_so() {
    let cloud = Cloud::with("glance_num_retries = 0\nglance_api_servers = 127.0.0.1:9");
    let id = volume(&cloud, Member, "v");
    status(&cloud, "volumes", &id, "available");
    let told = cloud.post(Member, "/volumes", json!({"volume": {"size": 1, "imageRef": IMAGE}})).expect(400);
    let text = "Invalid image identifier or unable to access requested image.";
    assert_eq!(told["badRequest"]["message"], text);
    let upload = json!({"os-volume_upload_image": {"image_name": "x"}});
    let told = cloud.post(Member, &format!("/volumes/{id}/action"), upload).expect(400);
    assert_eq!(told["badRequest"]["message"], "The Image service is temporarily unavailable.");
    cloud.post(Member, &format!("3.68 /volumes/{id}/action"), json!({"os-reimage": {"image_id": IMAGE}})).expect(503);
}
