//! Volume types, their access lists, their extra specs and the projects' default types.

use serde_json::{Value, json};

use crate::fixture::{Cloud, OTHER_PROJECT, PROJECT, Persona::*};

/// Makes a type and answers its id.
fn made(cloud: &Cloud, name: &str, public: bool, specs: Value) -> String {
    let body = json!({"volume_type": {"name": name, "os-volume-type-access:is_public": public, "extra_specs": specs}});
    cloud.post(Admin, "/types", body).expect(200)["volume_type"]["id"].as_str().unwrap().to_owned()
}

fn names(list: &Value) -> Vec<&str> {
    list["volume_types"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

/// A volume of a type, put where no API is needed.
fn volume_of(cloud: &Cloud, type_id: &str) {
    cloud.sql(
        "INSERT INTO volumes (id, deleted, project_id, size, status, volume_type_id, use_quota) \
         VALUES (?, false, ?, 1, 'available', ?, true)",
        &["11111111-2222-4333-8444-555555555555".into(), PROJECT.into(), type_id.into()],
    );
}

#[test]
fn a_new_database_has_one_type_and_it_is_the_default() {
    let cloud = Cloud::new();
    let list = cloud.get(Reader, "/types").expect(200);
    assert_eq!(names(&list), ["__DEFAULT__"]);
    let default = cloud.get(Reader, "/types/default").expect(200);
    assert_eq!(default["volume_type"]["id"], list["volume_types"][0]["id"]);
    assert_eq!(default["volume_type"]["is_public"], json!(true));
}

#[test]
fn a_type_is_made_shown_changed_and_deleted() {
    let cloud = Cloud::new();
    let body = json!({"volume_type": {"name": "gold", "description": "fast", "extra_specs": {"a b": "1", "c": null}}});
    let gold = cloud.post(Admin, "/types", body.clone()).expect(200)["volume_type"].clone();
    let mut expected = json!({"id": gold["id"], "name": "gold", "is_public": true, "description": "fast",
        "extra_specs": {"a b": "1", "c": null}, "os-volume-type-access:is_public": true});
    assert_eq!(gold, expected);
    expected["qos_specs_id"] = json!(null);
    let path = format!("/types/{}", gold["id"].as_str().unwrap());
    assert_eq!(cloud.get(Admin, &path).expect(200)["volume_type"], expected);

    cloud.post(Admin, "/types", body).refuse(409, "Volume Type gold already exists.");
    let silver = json!({"volume_type": {"name": "silver"}});
    let changed = cloud.put(Admin, &path, silver).expect(200)["volume_type"].clone();
    assert_eq!((&changed["name"], &changed["description"]), (&json!("silver"), &json!("fast")));
    assert_eq!(changed.get("os-volume-type-access:is_public"), None);
    let taken = json!({"volume_type": {"name": "__DEFAULT__"}});
    cloud.put(Admin, &path, taken).refuse(409, "Volume Type __DEFAULT__ already exists.");
    cloud
        .put(Admin, &path, json!({"volume_type": {}}))
        .refuse(400, "Specify volume type name, description, is_public or a combination thereof.");
    cloud.put(Admin, &path, json!({"volume_type": {"name": "  "}})).refuse(400, "Volume type name can not be empty.");

    let deleted = cloud.delete(Admin, &path);
    assert_eq!((deleted.status, deleted.text.as_str()), (202, ""));
    let id = gold["id"].as_str().unwrap();
    cloud.get(Admin, &path).refuse(404, &format!("Volume type {id} could not be found."));
    cloud.delete(Admin, &path).refuse(404, &format!("Volume type {id} could not be found."));
    made(&cloud, "silver", true, json!({}));
}

#[test]
fn bodies_are_checked_before_anything_else() {
    let cloud = Cloud::new();
    for (body, text) in [
        (json!({}), "'volume_type' is a required property"),
        (
            json!({"volume_type": {}}),
            "Invalid input for field/attribute volume_type. Value: {}. 'name' is a required property",
        ),
        (
            json!({"volume_type": {"name": "x", "colour": 1}}),
            "Invalid input for field/attribute volume_type. Value: {'name': 'x', 'colour': 1}. Additional properties are \
             not allowed ('colour' was unexpected)",
        ),
        (json!({"volume_type": {"name": " "}}), "An invalid 'name' value was provided. The 'name' can not be empty."),
    ] {
        cloud.post(Admin, "/types", body).refuse(400, text);
    }
    cloud.post(Member, "/types", json!({"volume_type": {"name": 1}})).expect(400);
    let policy = "Policy doesn't allow volume_extension:type_create to be performed.";
    cloud.post(Member, "/types", json!({"volume_type": {"name": "x"}})).refuse(403, policy);
}

#[test]
fn a_private_type_is_seen_by_those_who_were_granted_it() {
    let cloud = Cloud::new();
    let id = made(&cloud, "secret", false, json!({}));
    let path = format!("/types/{id}");
    cloud.get(Member, &path).expect(404);
    assert_eq!(names(&cloud.get(Member, "/types").expect(200)), ["__DEFAULT__"]);
    assert_eq!(names(&cloud.get(Admin, "/types").expect(200)), ["__DEFAULT__"]);
    assert_eq!(names(&cloud.get(Admin, "/types?is_public=False").expect(200)), ["secret"]);
    assert_eq!(names(&cloud.get(Admin, "/types?is_public=None").expect(200)), ["secret", "__DEFAULT__"]);
    cloud.get(Admin, "/types?is_public=maybe").refuse(400, "Invalid is_public filter [maybe]");
    assert_eq!(names(&cloud.get(Member, "/types?is_public=None").expect(200)), ["__DEFAULT__"]);

    let action = format!("{path}/action");
    let add = json!({"addProjectAccess": {"project": PROJECT}});
    cloud.post(Member, &action, add.clone()).expect(403);
    cloud.post(Admin, &action, add.clone()).expect(202);
    let again = format!("Volume type access for {id} / {PROJECT} combination already exists.");
    cloud.post(Admin, &action, add).refuse(409, &again);
    cloud.get(Member, &path).expect(200);
    assert_eq!(names(&cloud.get(Member, "/types").expect(200)), ["secret", "__DEFAULT__"]);
    cloud.get(Stranger, &path).expect(404);
    let list = cloud.get(Admin, &format!("{path}/os-volume-type-access")).expect(200);
    assert_eq!(list, json!({"volume_type_access": [{"volume_type_id": id, "project_id": PROJECT}]}));

    let remove = json!({"removeProjectAccess": {"project": PROJECT}});
    cloud.post(Admin, &action, remove.clone()).expect(202);
    cloud.get(Member, &path).expect(404);
    let gone = format!("Volume type access not found for {id} / {PROJECT} combination.");
    cloud.post(Admin, &action, remove).refuse(404, &gone);
    cloud.post(Admin, &action, json!({"addProjectAccess": {"project": OTHER_PROJECT}})).expect(202);
}

#[test]
fn a_public_type_has_no_access_list() {
    let cloud = Cloud::new();
    let id = made(&cloud, "open", true, json!({}));
    let path = format!("/types/{id}");
    cloud
        .get(Admin, &format!("{path}/os-volume-type-access"))
        .refuse(404, "Access list not available for public volume types.");
    cloud
        .post(Admin, &format!("{path}/action"), json!({"addProjectAccess": {"project": PROJECT}}))
        .refuse(400, "Invalid volume type: Type access modification is not applicable to public volume type.");
}

#[test]
fn only_some_extra_specs_are_for_everybodys_eyes() {
    let cloud = Cloud::new();
    let specs = json!({"multiattach": "<is> True", "volume_backend_name": "ssd"});
    let path = format!("/types/{}", made(&cloud, "gold", true, specs.clone()));
    assert_eq!(cloud.get(Admin, &path).expect(200)["volume_type"]["extra_specs"], specs);
    let seen = json!({"multiattach": "<is> True"});
    let member = cloud.get(Member, &path).expect(200)["volume_type"].clone();
    assert_eq!((&member["extra_specs"], member.get("qos_specs_id")), (&seen, None));
    assert_eq!(member["os-volume-type-access:is_public"], json!(true));
    let reader = cloud.get(Reader, &path).expect(200)["volume_type"].clone();
    assert_eq!(reader.get("os-volume-type-access:is_public"), None);
    assert_eq!(cloud.get(Member, &format!("{path}/extra_specs")).expect(200), json!({"extra_specs": seen}));
    cloud.get(Member, &format!("{path}/extra_specs/volume_backend_name")).expect(404);
    let one = cloud.get(Admin, &format!("{path}/extra_specs/volume_backend_name")).expect(200);
    assert_eq!(one, json!({"volume_backend_name": "ssd"}));
}

#[test]
fn lists_are_filtered_by_extra_specs_from_3_52_on() {
    let cloud = Cloud::new();
    made(&cloud, "gold", true, json!({"multiattach": "<is> True", "volume_backend_name": "ssd"}));
    made(&cloud, "zoned", true, json!({"RESKEY:availability_zones": "az1,az2"}));
    let by = |persona, query: &str| names(&cloud.get(persona, query).expect(200)).join(" ");
    assert_eq!(by(Member, "/types?extra_specs={'multiattach':'<is>+True'}"), "gold");
    assert_eq!(by(Member, "/types?extra_specs={\"RESKEY:availability_zones\":\"az2\"}"), "zoned");
    assert_eq!(by(Member, "/types?extra_specs={'volume_backend_name':'ssd'}"), "");
    assert_eq!(by(Admin, "/types?extra_specs={'volume_backend_name':'ssd'}"), "gold");
    assert_eq!(by(Member, "3.51 /types?extra_specs={'multiattach':'<is>+True'}"), "zoned gold __DEFAULT__");
    assert_eq!(by(Admin, "/types?name=gold"), "gold");
    assert_eq!(by(Admin, "/types?colour=gold"), "");
    assert_eq!(by(Member, "3.51 /types?colour=gold"), "zoned gold __DEFAULT__");
    cloud.get(Member, "/types?colour=gold").refuse(400, "Invalid filters colour are found in query options.");
    cloud.get(Member, "/types?extra_specs=gold").expect(400);
}

#[test]
fn lists_are_sorted_and_paged() {
    let cloud = Cloud::new();
    let ids = ["c", "a", "b"].map(|name| made(&cloud, name, true, json!({})));
    let by = |query: &str| names(&cloud.get(Admin, query).expect(200)).join(" ");
    assert_eq!(by("/types?sort=name:asc"), "__DEFAULT__ a b c");
    assert_eq!(by("/types"), "b a c __DEFAULT__");
    let page = cloud.get(Admin, "/types?limit=2&sort=name:asc").expect(200);
    assert_eq!(names(&page), ["__DEFAULT__", "a"]);
    let next = page["volume_type_links"][0]["href"].as_str().unwrap().to_owned();
    assert_eq!(next, format!("http://cloud.example/v3/{PROJECT}/types?limit=2&sort=name%3Aasc&marker={}", ids[1]));
    let rest = by(next.strip_prefix(&format!("http://cloud.example/v3/{PROJECT}")).unwrap());
    assert_eq!(rest, "b c");
    cloud.get(Admin, "/types?marker=none").refuse(404, "Volume type none could not be found.");
    cloud.get(Admin, "/types?sort=colour").refuse(400, "Invalid input received: Invalid sort key");
}

#[test]
fn extra_specs_are_written_while_no_volume_has_the_type() {
    let cloud = Cloud::new();
    let id = made(&cloud, "gold", true, json!({"a": "1"}));
    let path = format!("/types/{id}/extra_specs");
    let body = json!({"extra_specs": {"b:c": "2", "a": null}});
    assert_eq!(cloud.post(Admin, &path, body.clone()).expect(200), body);
    assert_eq!(cloud.get(Admin, &path).expect(200), json!({"extra_specs": {"a": null, "b:c": "2"}}));
    assert_eq!(cloud.put(Admin, &format!("{path}/a"), json!({"a": "3"})).expect(200), json!({"a": "3"}));
    cloud.put(Admin, &format!("{path}/a"), json!({"b": "3"})).refuse(400, "Request body and URI mismatch");
    cloud.put(Admin, &format!("{path}/a"), json!({"a": "1", "b": "2"})).expect(400);
    cloud.put(Admin, &format!("{path}/a"), json!({})).expect(400);
    cloud.post(Admin, &path, json!({"extra_specs": {"with blank": "1"}})).expect(400);
    cloud.put(Admin, &format!("{path}/with%20blank"), json!({"with blank": "1"})).expect(400);
    cloud.delete(Admin, &format!("{path}/b:c")).expect(202);
    let missing = format!("Volume Type {id} has no extra specs with key b:c.");
    cloud.delete(Admin, &format!("{path}/b:c")).refuse(404, &missing);
    cloud.get(Admin, &format!("{path}/b:c")).refuse(404, &missing);
    let both = json!({"extra_specs": {"multiattach": "<is> True", "cacheable": "<is> True"}});
    cloud.post(Admin, &path, both).refuse(400, "cacheable cannot be set with multiattach.");

    volume_of(&cloud, &id);
    let used = "Volume Type is currently in use.";
    cloud.post(Admin, &path, json!({"extra_specs": {"x": "1"}})).refuse(400, used);
    cloud.put(Admin, &format!("{path}/a"), json!({"a": "4"})).refuse(400, used);
    cloud.delete(Admin, &format!("{path}/a")).refuse(400, used);
}

#[test]
fn a_type_that_is_needed_stays() {
    let cloud = Cloud::new();
    let id = made(&cloud, "gold", true, json!({}));
    volume_of(&cloud, &id);
    cloud.delete(Admin, &format!("/types/{id}")).refuse(400, "Target volume type is still in use.");
    let default = cloud.get(Admin, "/types/default").expect(200)["volume_type"]["id"].as_str().unwrap().to_owned();
    cloud
        .delete(Admin, &format!("/types/{default}"))
        .refuse(400, &format!("The volume type {default} is a default volume type and cannot be deleted."));
}
