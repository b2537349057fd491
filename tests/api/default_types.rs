//! Default types of projects.

use serde_json::json;

use crate::fixture::{Cloud, OTHER_PROJECT, PROJECT, Persona::*};

#[test]
fn a_project_can_have_a_default_type_of_its_own() {
    let cloud = Cloud::new();
    let gold = cloud.post(Admin, "/types", json!({"volume_type": {"name": "gold"}})).expect(200)["volume_type"].clone();
    let (id, path) = (&gold["id"], format!("/default-types/{PROJECT}"));
    cloud.get(Admin, &path).refuse(404, &format!("Default type for project {PROJECT} not found."));
    let body = json!({"default_type": {"volume_type": "gold"}});
    let expected = json!({"default_type": {"project_id": PROJECT, "volume_type_id": id}});
    assert_eq!(cloud.put(Admin, &path, body.clone()).expect(200), expected);
    assert_eq!(cloud.put(Admin, &path, json!({"default_type": {"volume_type": id}})).expect(200), expected);
    assert_eq!(cloud.get(Admin, &path).expect(200), expected);
    let list = cloud.get(Admin, "/default-types").expect(200);
    assert_eq!(list, json!({"default_types": [{"project_id": PROJECT, "volume_type_id": id}]}));
    assert_eq!(cloud.get(Member, "/types/default").expect(200)["volume_type"]["name"], "gold");
    assert_eq!(cloud.get(Stranger, "/types/default").expect(200)["volume_type"]["name"], "__DEFAULT__");

    let text = format!("The volume type {} is a default volume type and cannot be deleted.", id.as_str().unwrap());
    let type_path = format!("/types/{}", id.as_str().unwrap());
    cloud.delete(Admin, &type_path).refuse(400, &text);
    assert_eq!(cloud.delete(Admin, &path).status, 204);
    assert_eq!(cloud.delete(Admin, &path).status, 204);
    assert_eq!(cloud.get(Member, "/types/default").expect(200)["volume_type"]["name"], "__DEFAULT__");
    cloud.delete(Admin, &type_path).expect(202);
}

#[test]
fn default_types_are_for_administrators_and_for_types_that_exist() {
    let cloud = Cloud::new();
    let path = format!("/default-types/{OTHER_PROJECT}");
    let body = json!({"default_type": {"volume_type": "gold"}});
    cloud.put(Admin, &path, body.clone()).refuse(400, "Volume type with name gold could not be found.");
    cloud.put(Admin, &path, json!({})).refuse(400, "'default_type' is a required property");
    cloud.put(Member, &path, body).refuse(403, "You are not authorized to perform this operation.");
    cloud.get(Stranger, &path).refuse(403, "You are not authorized to perform this operation.");
    cloud.get(Admin, "3.61 /default-types").expect(404);
}
