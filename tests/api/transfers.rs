//! Transfers: a volume is offered, withdrawn, and taken by another project.

use serde_json::{Value, json};

use crate::fixture::{Answer, Cloud, OTHER_PROJECT, PROJECT, Persona, Persona::*};
use crate::people::{groups, names, snapshot, status, used, volume, volume_with};

fn offer(cloud: &Cloud, path: &str, body: Value) -> Answer {
    cloud.post(Member, path, json!({ "transfer": body }))
}

/// The id and the key of a transfer of a volume.
fn offered(cloud: &Cloud, volume: &str) -> (String, String) {
    let made = offer(cloud, "/volume-transfers", json!({ "volume_id": volume })).expect(202)["transfer"].clone();
    (made["id"].as_str().unwrap().to_owned(), made["auth_key"].as_str().unwrap().to_owned())
}

fn accept(cloud: &Cloud, persona: Persona, id: &str, key: Value) -> Answer {
    cloud.post(persona, &format!("/volume-transfers/{id}/accept"), json!({"accept": {"auth_key": key}}))
}

fn volume_status(cloud: &Cloud, persona: Persona, id: &str) -> Value {
    cloud.get(persona, &format!("/volumes/{id}")).expect(200)["volume"]["status"].clone()
}

#[test]
fn a_volume_goes_to_another_project_with_its_snapshots_and_its_usage() {
    let cloud = Cloud::new();
    let id = volume_with(&cloud, Member, json!({"size": 3}));
    let snap = snapshot(&cloud, Member, &id, "s");
    let kept = volume(&cloud, Member, "kept");
    let made = offer(&cloud, "/volume-transfers", json!({"volume_id": id, "name": " t "})).expect(202);
    let made = made["transfer"].clone();
    let transfer = made["id"].as_str().unwrap().to_owned();
    let link = format!("http://cloud.example/v3/{PROJECT}/os-volume-transfer/{transfer}");
    let expected = json!({
        "id": transfer, "created_at": made["created_at"], "name": "t", "volume_id": id, "auth_key": made["auth_key"],
        "links": [{"rel": "self", "href": link},
            {"rel": "bookmark", "href": format!("http://cloud.example/{PROJECT}/os-volume-transfer/{transfer}")}],
        "no_snapshots": false, "destination_project_id": null, "source_project_id": PROJECT, "accepted": false,
    });
    assert_eq!(made, expected);
    assert_eq!(volume_status(&cloud, Member, &id), "awaiting-transfer");
    assert_eq!(cloud.get(Stranger, &format!("/volumes/{id}")).status, 404);
    let taken = accept(&cloud, Stranger, &transfer, made["auth_key"].clone()).expect(202);
    assert_eq!((&taken["transfer"]["id"], &taken["transfer"]["volume_id"]), (&json!(transfer), &json!(id)));
    assert_eq!(taken["transfer"].as_object().unwrap().len(), 4);
    assert_eq!(cloud.get(Member, &format!("/volumes/{id}")).status, 404);
    assert_eq!(cloud.get(Member, &format!("/snapshots/{snap}")).status, 404);
    assert_eq!(volume_status(&cloud, Stranger, &id), "available");
    let shown = cloud.get(Stranger, &format!("/snapshots/{snap}")).expect(200)["snapshot"].clone();
    assert_eq!(shown["os-extended-snapshot-attributes:project_id"], json!(OTHER_PROJECT));
    assert_eq!(cloud.get(Member, &format!("/volumes/{kept}")).status, 200);
    for (resource, here, there) in [("volumes", 1, 1), ("snapshots", 0, 1), ("gigabytes", 1, 6)] {
        assert_eq!(
            (used(&cloud, PROJECT, resource), used(&cloud, OTHER_PROJECT, resource)),
            (here, there),
            "{resource}"
        );
    }
    assert_eq!(used(&cloud, OTHER_PROJECT, "gigabytes___DEFAULT__"), 6);
    accept(&cloud, Stranger, &transfer, made["auth_key"].clone())
        .refuse(404, &format!("Transfer {transfer} could not be found."));
    let ended = "SELECT COUNT(*) FROM transfers WHERE id = ? AND deleted = true AND accepted = true \
                 AND destination_project_id = ?";
    assert_eq!(cloud.numbers(ended, &[(&transfer).into(), OTHER_PROJECT.into()]), [1]);
}

#[test]
fn snapshots_stay_behind_where_that_was_offered() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let snap = snapshot(&cloud, Member, &id, "s");
    status(&cloud, "snapshots", &snap, "creating");
    let text = format!("Invalid snapshot: snapshot: {snap} status must be available");
    offer(&cloud, "/volume-transfers", json!({ "volume_id": id })).refuse(400, &text);
    offer(&cloud, "/os-volume-transfer", json!({ "volume_id": id })).refuse(400, &text);
    let body = json!({"volume_id": id, "no_snapshots": "yes"});
    assert_eq!(offer(&cloud, "3.54 /volume-transfers", body.clone()).status, 400);
    assert_eq!(offer(&cloud, "/os-volume-transfer", body.clone()).status, 400);
    let made = offer(&cloud, "3.55 /volume-transfers", body).expect(202)["transfer"].clone();
    assert_eq!(made["no_snapshots"], json!(true));
    accept(&cloud, Stranger, made["id"].as_str().unwrap(), made["auth_key"].clone()).expect(202);
    assert_eq!(cloud.get(Member, &format!("/snapshots/{snap}")).status, 200);
    assert_eq!((used(&cloud, PROJECT, "snapshots"), used(&cloud, OTHER_PROJECT, "snapshots")), (1, 0));
    assert_eq!((used(&cloud, PROJECT, "gigabytes"), used(&cloud, OTHER_PROJECT, "gigabytes")), (1, 1));
}

#[test]
fn a_key_of_cinders_opens_and_a_wrong_one_does_not() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let (transfer, key) = offered(&cloud, &id);
    let wrong = format!("Invalid auth key: Attempt to transfer {transfer} with invalid auth key.");
    for other in [json!("0000000000000000"), json!(""), json!(7), json!(key.to_uppercase() + " ")] {
        accept(&cloud, Stranger, &transfer, other).refuse(400, &wrong);
    }
    assert_eq!(accept(&cloud, Stranger, &transfer, json!(null)).status, 400);
    assert_eq!(volume_status(&cloud, Member, &id), "awaiting-transfer");
    // As Cinder 29 writes it: the salt, and the HMAC-SHA1 of the key 1234 with it.
    let sql =
        "UPDATE transfers SET salt = 'c5a8fcf3', crypt_hash = '3c19c8ad22f2526e078123947c322096ac63c5a4' WHERE id = ?";
    cloud.sql(sql, &[(&transfer).into()]);
    accept(&cloud, Stranger, &transfer, json!(key)).refuse(400, &wrong);
    accept(&cloud, Stranger, &transfer, json!(1234)).expect(202);
}

#[test]
fn an_offer_is_withdrawn() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let (transfer, key) = offered(&cloud, &id);
    let path = format!("/volume-transfers/{transfer}");
    cloud.delete(Stranger, &path).refuse(404, &format!("Transfer {transfer} could not be found."));
    cloud.delete(Reader, &path).refuse(403, "Policy doesn't allow volume:delete_transfer to be performed.");
    cloud.get(Stranger, &path).refuse(404, &format!("Transfer {transfer} could not be found."));
    let shown = cloud.get(Reader, &path).expect(200)["transfer"].clone();
    assert_eq!(shown.get("auth_key"), None);
    cloud.delete(Member, &format!("/os-volume-transfer/{transfer}")).expect(202);
    assert_eq!(volume_status(&cloud, Member, &id), "available");
    accept(&cloud, Stranger, &transfer, json!(key)).refuse(404, &format!("Transfer {transfer} could not be found."));
    // Where an operator has moved the volume, only the transfer ends.
    let (transfer, _) = offered(&cloud, &id);
    status(&cloud, "volumes", &id, "error");
    cloud.delete(Member, &format!("/volume-transfers/{transfer}")).expect(202);
    assert_eq!(volume_status(&cloud, Member, &id), "error");
}

#[test]
fn what_can_not_be_offered_or_taken_is_refused() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    status(&cloud, "volumes", &id, "in-use");
    let create = |version: &str, body: Value| offer(&cloud, &format!("{version} /volume-transfers"), body);
    create("3.71", json!({ "volume_id": id })).refuse(400, "Invalid volume: status must be available");
    status(&cloud, "volumes", &id, "available");
    cloud.sql("UPDATE volumes SET encryption_key_id = 'k' WHERE id = ?", &[(&id).into()]);
    let text = "Invalid volume: transferring encrypted volume is not supported";
    create("3.69", json!({ "volume_id": id })).refuse(400, text);
    offer(&cloud, "/os-volume-transfer", json!({ "volume_id": id })).refuse(400, text);
    create("3.70", json!({"volume_id": id, "no_snapshots": true}))
        .refuse(400, "Invalid volume: transferring an encrypted volume without its snapshots is not supported");
    cloud.sql("UPDATE volumes SET encryption_key_id = NULL WHERE id = ?", &[(&id).into()]);
    for body in
        [json!({}), json!({"volume_id": "x"}), json!({"volume_id": id, "name": " "}), json!({"volume_id": id, "x": 1})]
    {
        assert_eq!(create("3.71", body.clone()).status, 400, "{body}");
    }
    let elsewhere = "00000000-0000-4000-8000-000000000000";
    create("3.71", json!({ "volume_id": elsewhere })).refuse(404, &format!("Volume {elsewhere} could not be found."));
    cloud
        .post(Stranger, "/volume-transfers", json!({"transfer": {"volume_id": id}}))
        .refuse(404, &format!("Volume {id} could not be found."));
    let (transfer, key) = offered(&cloud, &id);
    groups(&cloud);
    for column in ["consistencygroup_id", "group_id"] {
        cloud.sql(&format!("UPDATE volumes SET {column} = 'g' WHERE id = ?"), &[(&id).into()]);
        accept(&cloud, Stranger, &transfer, json!(key))
            .refuse(400, &format!("Invalid volume: Volume {id} must not be part of a consistency group."));
        cloud.sql(&format!("UPDATE volumes SET {column} = NULL WHERE id = ?"), &[(&id).into()]);
    }
    status(&cloud, "volumes", &id, "error");
    let text = format!("Invalid volume: Transfer {transfer}: Volume id {id} expected in awaiting-transfer state.");
    accept(&cloud, Stranger, &transfer, json!(key)).refuse(400, &text);
    assert_eq!((used(&cloud, PROJECT, "volumes"), used(&cloud, OTHER_PROJECT, "volumes")), (1, 0));
    let shown = cloud.get(Member, &format!("/volume-transfers/{transfer}")).expect(200);
    assert_eq!(shown["transfer"]["accepted"], json!(false));
}

#[test]
fn the_quota_of_the_new_owner_is_asked() {
    let cloud = Cloud::with(
        "use_default_quota_class = false\nquota_volumes = 1\nquota_gigabytes = 5\nper_volume_size_limit = 9",
    );
    let limit = |persona: Persona, limits: Value| {
        let project = persona.project();
        cloud.put(Admin, &format!("/os-quota-sets/{project}"), json!({ "quota_set": limits })).expect(200);
    };
    limit(Member, json!({"gigabytes": -1}));
    let id = volume_with(&cloud, Member, json!({"size": 3}));
    snapshot(&cloud, Member, &id, "s");
    let (transfer, key) = offered(&cloud, &id);
    let taken = || accept(&cloud, Stranger, &transfer, json!(key));
    taken().refuse(
        413,
        "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 3G, \
         quota is 5G and 3G has been consumed.",
    );
    limit(Stranger, json!({"gigabytes": 6, "per_volume_gigabytes": 2}));
    assert_eq!(taken().status, 413);
    limit(Stranger, json!({"per_volume_gigabytes": 3, "snapshots": 0}));
    taken().refuse(413, "SnapshotLimitExceeded: Maximum number of snapshots allowed (0) exceeded");
    assert_eq!(volume_status(&cloud, Member, &id), "awaiting-transfer");
    assert_eq!((used(&cloud, PROJECT, "gigabytes"), used(&cloud, OTHER_PROJECT, "gigabytes")), (6, 0));
    limit(Stranger, json!({"snapshots": 1}));
    taken().expect(202);
    assert_eq!((used(&cloud, PROJECT, "gigabytes"), used(&cloud, OTHER_PROJECT, "gigabytes")), (0, 6));
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let cloud = Cloud::new();
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        let id = volume(&cloud, Member, name);
        let made = offer(&cloud, "/volume-transfers", json!({"volume_id": id, "name": name})).expect(202);
        let time = format!("2026-01-01 00:0{at}:00.000000");
        let id = made["transfer"]["id"].as_str().unwrap();
        cloud.sql("UPDATE transfers SET created_at = ? WHERE id = ?", &[time.into(), id.into()]);
    }
    let list = |path: &str| cloud.get(Member, path).expect(200);
    for (path, expected) in [
        ("3.58 /volume-transfers", "a b c"),
        ("3.59 /volume-transfers", "c b a"),
        ("3.71 /volume-transfers/detail", "c b a"),
        ("3.71 /os-volume-transfer", "a b c"),
        ("3.71 /os-volume-transfer/detail", "a b c"),
        ("/volume-transfers?sort=name:asc", "a b c"),
        ("/volume-transfers?sort_key=name&sort_dir=desc", "c b a"),
        ("/volume-transfers?name=b", "b"),
        ("/volume-transfers?display_name=b", "b"),
        ("/volume-transfers?limit=2", "c b"),
        ("/volume-transfers?limit=2&offset=1", "b a"),
        ("/volume-transfers?limit=0", ""),
        ("/volume-transfers?nonsense=1", ""),
        ("/volume-transfers?crypt_hash=x", ""),
        ("/volume-transfers?accepted=false&name=a", "a"),
        ("/volume-transfers?all_tenants=1", "c b a"),
    ] {
        assert_eq!(names(&list(path)["transfers"]).join(" "), expected, "{path}");
    }
    let page = list("/volume-transfers/detail?limit=1&sort=name");
    let next = page["transfers_links"][0]["href"].as_str().unwrap().to_owned();
    let path = next.split_once(PROJECT).unwrap().1;
    assert!(path.starts_with("/volume-transfers/detail?"), "{next}");
    assert_eq!(names(&list(path)["transfers"]), ["b"]);
    cloud.get(Member, "/volume-transfers?marker=x").refuse(404, "Transfer x could not be found.");
    cloud.get(Member, "/volume-transfers?sort=salt").refuse(400, "Invalid input received: Invalid sort key");
    assert_eq!(cloud.get(Stranger, "/volume-transfers").expect(200), json!({"transfers": []}));
    assert_eq!(cloud.get(Stranger, "/volume-transfers?all_tenants=1").expect(200), json!({"transfers": []}));
    let all = cloud.get(Admin, "/volume-transfers?all_tenants=1").expect(200);
    assert_eq!(names(&all["transfers"]), ["c", "b", "a"]);
}

#[test]
fn each_field_is_there_from_its_version_on() {
    let cloud = Cloud::new();
    let (transfer, _) = offered(&cloud, &volume(&cloud, Member, "v"));
    let mut expected: Vec<&str> = "created_at id links name volume_id".split(' ').collect();
    for (version, new) in [
        ("3.54", ""),
        ("3.55", "no_snapshots"),
        ("3.56", ""),
        ("3.57", "accepted destination_project_id source_project_id"),
    ] {
        expected.extend(new.split_whitespace());
        expected.sort_unstable();
        let shown =
            cloud.get(Member, &format!("{version} /volume-transfers/{transfer}")).expect(200)["transfer"].clone();
        let mut fields: Vec<&String> = shown.as_object().unwrap().keys().collect();
        fields.sort();
        assert_eq!(fields, expected, "{version}");
        let listed = cloud.get(Member, &format!("{version} /os-volume-transfer/detail")).expect(200);
        assert_eq!(listed, json!({ "transfers": [shown] }), "{version}");
    }
    let listed = cloud.get(Member, "/os-volume-transfer").expect(200)["transfers"][0].clone();
    let fields: Vec<&String> = listed.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["id", "volume_id", "name", "links"]);
}
