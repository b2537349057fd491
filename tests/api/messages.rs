//! Messages to users about work that failed after the answer.

use serde_json::{Value, json};

use crate::fixture::{Cloud, OTHER_PROJECT, PROJECT, Persona::*};

fn message(cloud: &Cloud, id: &str, project: &str, event: &str, action: Option<&str>, detail: Option<&str>) {
    cloud.sql(
        "INSERT INTO messages (id, project_id, request_id, resource_type, resource_uuid, event_id, action_id, detail_id, \
         message_level, created_at, expires_at, deleted) VALUES (?, ?, 'req-1', 'VOLUME', 'v', ?, ?, ?, 'ERROR', ?, \
         '2026-02-01 00:00:00.000000', false)",
        &[
            id.into(),
            project.into(),
            event.into(),
            action.into(),
            detail.into(),
            format!("2026-01-01 00:00:0{}.000000", id.len()).into(),
        ],
    );
}

fn three(cloud: &Cloud) {
    message(cloud, "a", PROJECT, "VOLUME_VOLUME_008_012", Some("008"), Some("012"));
    message(cloud, "bb", PROJECT, "VOLUME_000002", None, None);
    message(cloud, "ccc", OTHER_PROJECT, "VOLUME_VOLUME_999_999", Some("999"), Some("999"));
}

fn ids(list: &Value) -> Vec<&str> {
    list["messages"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[test]
fn a_message_says_in_words_what_went_wrong() {
    let cloud = Cloud::new();
    three(&cloud);
    let shown = cloud.get(Reader, "/messages/a").expect(200)["message"].clone();
    let expected = json!({
        "id": "a", "event_id": "VOLUME_VOLUME_008_012", "message_level": "ERROR", "request_id": "req-1",
        "user_message": "create volume from backend storage:Driver failed to create the volume.",
        "created_at": "2026-01-01T00:00:01.000000", "guaranteed_until": "2026-02-01T00:00:00.000000",
        "links": shown["links"], "resource_type": "VOLUME", "resource_uuid": "v",
    });
    assert_eq!(shown, expected);
    let words = |persona, id: &str| {
        cloud.get(persona, &format!("/messages/{id}")).expect(200)["message"]["user_message"].clone()
    };
    assert!(words(Reader, "bb").as_str().unwrap().starts_with("No storage could be allocated"));
    assert_eq!(words(Admin, "ccc"), json!("unknown action:An unknown error occurred."));
    cloud.get(Member, "/messages/ccc").refuse(404, "Message ccc could not be found.");
    cloud.get(Member, "3.2 /messages/a").refuse(404, "The resource could not be found.");
}

#[test]
fn everybody_lists_the_own_projects_and_administrators_all() {
    let cloud = Cloud::new();
    three(&cloud);
    for (persona, query, expected) in [
        (Reader, "", &["bb", "a"][..]),
        (Stranger, "", &["ccc"]),
        (Admin, "", &["ccc", "bb", "a"]),
        (Reader, "?sort=created_at:asc&limit=1", &["a"]),
        (Reader, "?event_id=VOLUME_000002", &["bb"]),
        (Reader, "?resource_uuid=w", &[]),
        (Reader, "?marker=bb", &["a"]),
    ] {
        assert_eq!(ids(&cloud.get(persona, &format!("/messages{query}")).expect(200)), expected, "{query}");
    }
    assert_eq!(ids(&cloud.get(Reader, "3.4 /messages?limit=1&event_id=x").expect(200)), ["bb", "a"]);
    cloud.get(Reader, "/messages?colour=red").refuse(400, "Invalid filters colour are found in query options.");
    assert!(cloud.get(Reader, "/messages?limit=1").expect(200)["messages_links"].is_array());
}

#[test]
fn a_message_is_deleted_once() {
    let cloud = Cloud::new();
    three(&cloud);
    cloud.delete(Reader, "/messages/a").refuse(403, "Policy doesn't allow message:delete to be performed.");
    assert_eq!(cloud.delete(Member, "/messages/a").status, 204);
    cloud.delete(Member, "/messages/a").refuse(404, "Message a could not be found.");
    cloud.delete(Stranger, "/messages/bb").refuse(404, "Message bb could not be found.");
}
