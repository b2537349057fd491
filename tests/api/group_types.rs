//! Group types and their specs.

use serde_json::{Value, json};

use crate::fixture::{Cloud, OTHER_PROJECT, PROJECT, Persona::*};
use crate::people::names;

/// Makes a group type and answers its id.
pub(crate) fn group_type(cloud: &Cloud, name: &str, public: bool, specs: Value) -> String {
    let body = json!({"group_type": {"name": name, "is_public": public, "group_specs": specs}});
    cloud.post(Admin, "/group_types", body).expect(202)["group_type"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_new_database_has_the_type_of_consistency_groups_and_no_default() {
    let cloud = Cloud::new();
    let list = cloud.get(Reader, "/group_types").expect(200);
    assert_eq!(names(&list["group_types"]), ["default_cgsnapshot_type"]);
    assert_eq!(list["group_types"][0].get("group_specs"), None);
    let list = cloud.get(Admin, "3.11 /group_types").expect(200);
    assert_eq!(list["group_types"][0]["group_specs"], json!({"consistent_group_snapshot_enabled": "<is> True"}));
    cloud.get(Reader, "/group_types/default").refuse(404, "Default group type can not be found.");
    assert_eq!(cloud.get(Admin, "3.10 /group_types").status, 404);
}

#[test]
fn the_default_type_is_the_configured_one() {
    let cloud = Cloud::with("default_group_type = gold");
    cloud.get(Reader, "/group_types/default").refuse(404, "Default group type can not be found.");
    let id = group_type(&cloud, "gold", true, json!({"k": "v"}));
    let expected = json!({"id": id, "name": "gold", "description": null, "is_public": true});
    assert_eq!(cloud.get(Reader, "/group_types/default").expect(200)["group_type"], expected);
    assert_eq!(cloud.get(Admin, "/group_types/default").expect(200)["group_type"]["group_specs"], json!({"k": "v"}));
}

#[test]
fn a_group_type_is_made_shown_changed_and_deleted() {
    let cloud = Cloud::new();
    let body = json!({"group_type": {"name": "gold", "description": "fast", "group_specs": {"a b": "1"}}});
    let gold = cloud.post(Admin, "/group_types", body.clone()).expect(202)["group_type"].clone();
    let id = gold["id"].as_str().unwrap();
    let expected = json!({"id": id, "name": "gold", "description": "fast", "is_public": true,
        "group_specs": {"a b": "1"}});
    assert_eq!(gold, expected);
    let path = format!("/group_types/{id}");
    assert_eq!(cloud.get(Admin, &path).expect(200)["group_type"], expected);
    cloud.post(Admin, "/group_types", body).refuse(409, "Group Type gold already exists.");
    cloud
        .post(Member, "/group_types", json!({"group_type": {"name": "own"}}))
        .refuse(403, "Policy doesn't allow group:group_types:create to be performed.");
    let blank = json!({"group_type": {"name": "  "}});
    assert_eq!(cloud.post(Admin, "/group_types", blank.clone()).status, 400);
    let null = json!({"group_type": {"name": "n", "group_specs": {"k": null}}});
    assert_eq!(cloud.post(Admin, "/group_types", null).status, 400, "specs of a new type have values");

    let silver = json!({"group_type": {"name": "silver", "is_public": "no"}});
    let changed = cloud.put(Admin, &path, silver).expect(200)["group_type"].clone();
    assert_eq!(changed["name"], json!("silver"));
    assert_eq!((&changed["description"], &changed["is_public"]), (&json!("fast"), &json!(false)));
    let taken = json!({"group_type": {"name": "default_cgsnapshot_type"}});
    cloud.put(Admin, &path, taken).refuse(409, "Group Type default_cgsnapshot_type already exists.");
    cloud
        .put(Admin, &path, json!({"group_type": {}}))
        .refuse(400, "Specify group type name, description or a combination thereof.");
    cloud.put(Admin, &path, blank).refuse(400, "Group type name can not be empty.");

    let deleted = cloud.delete(Admin, &path);
    assert_eq!((deleted.status, deleted.text.as_str()), (202, ""));
    let missing = format!("Group type {id} could not be found.");
    cloud.get(Admin, &path).refuse(404, &missing);
    cloud.delete(Admin, &path).refuse(404, &missing);
    cloud.put(Admin, &path, json!({"group_type": {"name": "n"}})).refuse(404, &missing);
    group_type(&cloud, "silver", true, json!({}));
}

#[test]
fn a_type_that_a_group_has_stays() {
    let cloud = Cloud::new();
    let id = group_type(&cloud, "gold", true, json!({}));
    cloud.sql("INSERT INTO \"groups\" (id, group_type_id, deleted) VALUES ('g', ?, false)", &[(&id).into()]);
    cloud.delete(Admin, &format!("/group_types/{id}")).refuse(
        400,
        &format!(
            "Target group type is still in use. Group Type {id} deletion is not allowed with groups present with the type."
        ),
    );
}

#[test]
fn private_types_are_there_for_administrators_and_for_those_who_were_granted_them() {
    let cloud = Cloud::new();
    let id = group_type(&cloud, "secret", false, json!({}));
    let path = format!("/group_types/{id}");
    cloud.get(Member, &path).refuse(404, &format!("Group type {id} could not be found."));
    cloud.get(Admin, &path).expect(200);
    let list = |persona, query: &str| {
        let list = cloud.get(persona, &format!("/group_types{query}")).expect(200);
        let mut names: Vec<String> = names(&list["group_types"]).into_iter().map(str::to_owned).collect();
        names.sort();
        names
    };
    let public = "default_cgsnapshot_type";
    assert_eq!(list(Admin, ""), [public]);
    assert_eq!(list(Admin, "?is_public=false"), ["secret"]);
    assert_eq!(list(Admin, "?is_public=None"), [public, "secret"]);
    assert_eq!(list(Member, "?is_public=None"), [public]);
    cloud.get(Admin, "/group_types?is_public=maybe").refuse(400, "Invalid is_public filter [maybe]");
    cloud.sql(
        "INSERT INTO group_type_projects (group_type_id, project_id, deleted) VALUES (?, ?, false)",
        &[(&id).into(), PROJECT.into()],
    );
    assert_eq!(list(Member, ""), [public, "secret"]);
    assert_eq!(list(Stranger, ""), [public]);
    cloud.get(Member, &path).expect(200);
    cloud.sql("UPDATE group_type_projects SET project_id = ?", &[OTHER_PROJECT.into()]);
    assert_eq!(list(Stranger, ""), [public, "secret"]);
    cloud.delete(Admin, &path).expect(202);
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM group_type_projects", &[]), [0]);
}

#[test]
fn lists_are_sorted_and_paged() {
    let cloud = Cloud::new();
    for name in ["a", "b", "c"] {
        group_type(&cloud, name, true, json!({}));
    }
    let page = cloud.get(Reader, "/group_types?sort=name:asc&limit=2").expect(200);
    assert_eq!(names(&page["group_types"]), ["a", "b"]);
    let marker = page["group_types"][1]["id"].as_str().unwrap();
    let next = format!("http://cloud.example/v3/{PROJECT}/group_types?sort=name%3Aasc&limit=2&marker={marker}");
    assert_eq!(page["group_type_links"], json!([{"rel": "next", "href": next}]));
    let rest = cloud.get(Reader, &format!("/group_types?sort=name:asc&limit=2&marker={marker}")).expect(200);
    assert_eq!(names(&rest["group_types"]), ["c", "default_cgsnapshot_type"]);
    cloud.get(Reader, "/group_types?sort=colour").refuse(400, "Invalid input received: Invalid sort key");
    cloud.get(Reader, "/group_types?marker=x").refuse(404, "Group type x could not be found.");
}

#[test]
fn specs_are_merged_set_and_removed_one_by_one() {
    let cloud = Cloud::new();
    let id = group_type(&cloud, "gold", true, json!({"a": "1"}));
    let all = format!("/group_types/{id}/group_specs");
    let merged = json!({"group_specs": {"b": "2", "c": null}});
    assert_eq!(cloud.post(Admin, &all, merged.clone()).expect(202), merged);
    assert_eq!(cloud.get(Admin, &all).expect(200), json!({"group_specs": {"a": "1", "b": "2", "c": null}}));
    assert_eq!(cloud.put(Admin, &format!("{all}/a"), json!({"a": "3"})).expect(200), json!({"a": "3"}));
    assert_eq!(cloud.get(Admin, &format!("{all}/a")).expect(200), json!({"a": "3"}));
    cloud.put(Admin, &format!("{all}/a"), json!({"b": "3"})).refuse(400, "Request body and URI mismatch");
    assert_eq!(cloud.put(Admin, &format!("{all}/a"), json!({"a": "1", "b": "2"})).status, 400);
    assert_eq!(cloud.post(Admin, &all, json!({"group_specs": {"a b": "1"}})).status, 400, "no blank in later keys");
    let deleted = cloud.delete(Admin, &format!("{all}/a"));
    assert_eq!((deleted.status, deleted.text.as_str()), (202, ""));
    cloud.get(Admin, &format!("{all}/a")).refuse(404, &format!("Group Type {id} has no extra spec with key a."));
    cloud.delete(Admin, &format!("{all}/a")).refuse(404, &format!("Group Type {id} has no specs with key a."));
    cloud.get(Member, &all).refuse(403, "Policy doesn't allow group:group_types_specs:get_all to be performed.");
    cloud.get(Admin, "/group_types/x/group_specs").refuse(404, "Group type x could not be found.");
}
