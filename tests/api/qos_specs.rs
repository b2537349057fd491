//! QoS specs and the volume types that have them.

use serde_json::{Value, json};

use crate::fixture::{Cloud, PROJECT, Persona::*};

/// Makes QoS specs and answers their id.
fn made(cloud: &Cloud, specs: Value) -> String {
    let answer = cloud.post(Admin, "/qos-specs", json!({ "qos_specs": specs })).expect(200);
    answer["qos_specs"]["id"].as_str().unwrap().to_owned()
}

/// Makes a volume type and answers its id.
fn volume_type(cloud: &Cloud, name: &str) -> String {
    let answer = cloud.post(Admin, "/types", json!({"volume_type": {"name": name}})).expect(200);
    answer["volume_type"]["id"].as_str().unwrap().to_owned()
}

fn shown(cloud: &Cloud, id: &str) -> Value {
    cloud.get(Admin, &format!("/qos-specs/{id}")).expect(200)["qos_specs"].clone()
}

fn names(cloud: &Cloud, query: &str) -> Vec<String> {
    let list = cloud.get(Admin, &format!("/qos-specs{query}")).expect(200);
    let items = list["qos_specs"].as_array().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn they_are_made_with_a_consumer_and_shown_with_links() {
    let cloud = Cloud::new();
    let body = json!({"qos_specs": {"name": " fast ", "consumer": "both", "total_iops_sec": "500", "note": null}});
    let answer = cloud.post(Admin, "/qos-specs", body.clone()).expect(200);
    let id = answer["qos_specs"]["id"].as_str().unwrap();
    let link = |rel: &str, version: &str| json!({"rel": rel, "href": format!("http://cloud.example{version}/{PROJECT}/qos-specs/{id}")});
    let expected = json!({
        "qos_specs": {"id": id, "name": "fast", "consumer": "both", "specs": {"total_iops_sec": "500", "note": null}},
        "links": [link("self", "/v3"), link("bookmark", "")],
    });
    assert_eq!(answer, expected);
    assert_eq!(cloud.get(Admin, &format!("/qos-specs/{id}")).expect(200), expected);
    let list = cloud.get(Admin, "/qos-specs").expect(200);
    assert_eq!(list, json!({"qos_specs": [expected["qos_specs"]]}), "a list has no links of its items");

    cloud.post(Admin, "/qos-specs", body).refuse(409, "QoS Specs fast already exists.");
    let plain = made(&cloud, json!({"name": "plain"}));
    assert_eq!(shown(&cloud, &plain), json!({"id": plain, "name": "plain", "consumer": "back-end", "specs": {}}));
    cloud.get(Admin, "/qos-specs/nowhere").refuse(404, "No such QoS spec nowhere.");
}

#[test]
fn what_can_not_be_kept_is_refused() {
    let cloud = Cloud::new();
    let said =
        |specs: Value, text: &str| cloud.post(Admin, "/qos-specs", json!({ "qos_specs": specs })).refuse(400, text);
    said(
        json!({"name": "a", "consumer": "me"}),
        "Invalid qos specs: Valid consumer of QoS specs are: ['back-end', 'front-end', 'both']",
    );
    said(json!({"name": "a", "k": 5}), "Invalid input received: Value for key \"k\" is not a string or unicode");
    said(json!({"name": "a", "": "v"}), "Invalid input received: Key \"\" has 0 characters, less than 1.");
    said(
        json!({"name": "a", "k": "x".repeat(256)}),
        "Invalid input received: Value for key \"k\" has 256 characters, more than 255.",
    );
    let long = "k".repeat(256);
    said(
        json!({"name": "a", &long: "v"}),
        &format!("Invalid input received: Key \"{long}\" has 256 characters, more than 255."),
    );
    for body in [json!({}), json!({"qos_specs": {}}), json!({"qos_specs": {"name": " "}}), json!({"qos_specs": "x"})] {
        cloud.post(Admin, "/qos-specs", body).expect(400);
    }
    let id = made(&cloud, json!({"name": "a", "k": "v"}));
    let path = format!("/qos-specs/{id}");
    for specs in [json!({"k": 1}), json!({"k?": "v"}), json!({"consumer": "me"}), json!({"k": "x".repeat(256)})] {
        cloud.put(Admin, &path, json!({ "qos_specs": specs })).expect(400);
    }
    assert_eq!(shown(&cloud, &id)["specs"], json!({"k": "v"}));
    cloud.delete(Admin, &format!("{path}?force=maybe")).refuse(400, "Value 'maybe' for 'force' is not a boolean.");
}

#[test]
fn keys_are_set_and_removed_together_or_not_at_all() {
    let cloud = Cloud::new();
    let id = made(&cloud, json!({"name": "a", "k": "v", "l": "w"}));
    let path = format!("/qos-specs/{id}");
    let body = json!({"qos_specs": {"k": "new", "m": null, "consumer": "front-end"}});
    assert_eq!(cloud.put(Admin, &path, body.clone()).expect(200), body);
    let expected = json!({"id": id, "name": "a", "consumer": "front-end", "specs": {"k": "new", "l": "w", "m": null}});
    assert_eq!(shown(&cloud, &id), expected);

    let keys = format!("{path}/delete_keys");
    let missing = format!("QoS spec {id} has no spec with key z.");
    cloud.put(Admin, &keys, json!({"keys": ["k", "z"]})).refuse(404, &missing);
    assert_eq!(shown(&cloud, &id), expected);
    let consumer = format!("QoS spec {id} has no spec with key consumer.");
    cloud.put(Admin, &keys, json!({"keys": ["consumer"]})).refuse(404, &consumer);
    cloud.put(Admin, &keys, json!({"keys": ["k", "m"]})).expect(202);
    assert_eq!(shown(&cloud, &id)["specs"], json!({"l": "w"}));
    cloud.put(Admin, &keys, json!({"keys": ["l", "l"]})).expect(400);
    for (path, body) in [("/qos-specs/x", body), ("/qos-specs/x/delete_keys", json!({"keys": ["k"]}))] {
        cloud.put(Admin, path, body).refuse(404, "No such QoS spec x.");
    }
    // A key that was removed can be set again.
    cloud.put(Admin, &path, json!({"qos_specs": {"k": "back"}})).expect(200);
    assert_eq!(shown(&cloud, &id)["specs"], json!({"k": "back", "l": "w"}));
}

#[test]
fn a_type_shows_the_specs_that_it_was_given() {
    let cloud = Cloud::new();
    let (fast, slow) = (made(&cloud, json!({"name": "fast"})), made(&cloud, json!({"name": "slow"})));
    let (gold, silver) = (volume_type(&cloud, "gold"), volume_type(&cloud, "silver"));
    let of_type =
        |id: &str| cloud.get(Admin, &format!("/types/{id}")).expect(200)["volume_type"]["qos_specs_id"].clone();
    let act = |id: &str, action: &str, type_id: &str| {
        cloud.get(Admin, &format!("/qos-specs/{id}/{action}?vol_type_id={type_id}"))
    };
    act(&fast, "associate", &gold).expect(202);
    act(&fast, "associate", &gold).expect(202);
    act(&fast, "associate", &silver).expect(202);
    assert_eq!((of_type(&gold), of_type(&silver)), (json!(fast), json!(fast)));
    assert_eq!(cloud.get(Member, &format!("/types/{gold}")).expect(200)["volume_type"].get("qos_specs_id"), None);
    let taken = format!("Invalid volume type: Type {gold} is already associated with another qos specs: {fast}");
    act(&slow, "associate", &gold).refuse(400, &taken);

    let row = |name: &str, id: &str| json!({"association_type": "volume_type", "name": name, "id": id});
    let associations = |id: &str| cloud.get(Admin, &format!("/qos-specs/{id}/associations")).expect(200);
    let mut both = associations(&fast)["qos_associations"].as_array().unwrap().clone();
    both.sort_by_key(|item| item["name"].as_str().unwrap().to_owned());
    assert_eq!(both, [row("gold", &gold), row("silver", &silver)]);

    act(&slow, "disassociate", &gold).expect(202);
    assert_eq!(of_type(&gold), json!(fast), "only those that it has are taken from it");
    act(&fast, "disassociate", &gold).expect(202);
    assert_eq!(of_type(&gold), json!(null));
    act(&slow, "associate", &gold).expect(202);
    act(&fast, "disassociate_all", "").expect(202);
    assert_eq!((of_type(&gold), of_type(&silver)), (json!(slow), json!(null)));
    assert_eq!(associations(&fast), json!({"qos_associations": []}));
    assert_eq!(associations(&slow), json!({"qos_associations": [row("gold", &gold)]}));

    for action in ["associate", "disassociate"] {
        act(&fast, action, "").refuse(400, "Volume Type id must not be None.");
        cloud.get(Admin, &format!("/qos-specs/{fast}/{action}")).refuse(400, "Volume Type id must not be None.");
        act(&fast, action, "nothing").refuse(404, "Volume type nothing could not be found.");
        act("nothing", action, &gold).refuse(404, "No such QoS spec nothing.");
    }
    for action in ["associations", "disassociate_all"] {
        act("nothing", action, "").refuse(404, "No such QoS spec nothing.");
    }
}

#[test]
fn specs_that_a_type_has_are_deleted_by_force_alone() {
    let cloud = Cloud::new();
    let id = made(&cloud, json!({"name": "fast", "k": "v"}));
    let gold = volume_type(&cloud, "gold");
    cloud.get(Admin, &format!("/qos-specs/{id}/associate?vol_type_id={gold}")).expect(202);
    let path = format!("/qos-specs/{id}");
    cloud.delete(Admin, &path).refuse(400, "Qos specs still in use.");
    cloud.delete(Admin, &format!("{path}?force=false")).refuse(400, "Qos specs still in use.");
    cloud.delete(Admin, &format!("{path}?force=True")).expect(202);
    assert_eq!(cloud.get(Admin, &format!("/types/{gold}")).expect(200)["volume_type"]["qos_specs_id"], json!(null));
    cloud.delete(Admin, &path).refuse(404, &format!("No such QoS spec {id}."));
    // The name is free again, and nothing of the old ones comes back.
    let again = made(&cloud, json!({"name": "fast"}));
    assert_eq!(shown(&cloud, &again)["specs"], json!({}));
    cloud.delete(Admin, &format!("/qos-specs/{again}")).expect(202);
    assert_eq!(names(&cloud, ""), [""; 0]);
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let cloud = Cloud::new();
    for (name, consumer) in [("b", "both"), ("a", "back-end"), ("c", "both")] {
        made(&cloud, json!({"name": name, "consumer": consumer}));
    }
    assert_eq!(names(&cloud, "?sort=name:asc"), ["a", "b", "c"]);
    assert_eq!(names(&cloud, "?sort=name:asc&consumer=both"), ["b", "c"]);
    assert_eq!(names(&cloud, "?name=a"), ["a"]);
    assert_eq!(names(&cloud, "?colour=red"), [""; 0]);
    let page = cloud.get(Admin, "/qos-specs?sort=name:asc&limit=2").expect(200);
    let marker = page["qos_specs"][1]["id"].as_str().unwrap();
    let next = page["qos_specs_links"][0]["href"].as_str().unwrap();
    assert!(next.contains("/qos-specs?sort=name%3Aasc&limit=2&marker=") && next.ends_with(marker), "{next}");
    assert_eq!(names(&cloud, &format!("?sort=name:asc&limit=2&marker={marker}")), ["c"]);
    cloud.get(Admin, "/qos-specs?marker=x").refuse(404, "No such QoS spec x.");
    cloud.get(Admin, "/qos-specs?sort_key=colour").refuse(400, "Invalid input received: Invalid sort key");
}
