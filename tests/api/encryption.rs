//! Encryption of volume types and of their volumes.

use serde_json::{Value, json};

use crate::fixture::{Cloud, Persona::*};
use crate::people;

/// A key manager that has keys.
const KEY_MANAGER: &str = "[key_manager]\nbackend = cinder.keymgr.conf_key_mgr.ConfKeyManager\nfixed_key = 00ff\n";

/// Makes a volume type and answers its id.
fn volume_type(cloud: &Cloud, name: &str, specs: Value) -> String {
    let body = json!({"volume_type": {"name": name, "extra_specs": specs}});
    let answer = cloud.post(Admin, "/types", body).expect(200);
    answer["volume_type"]["id"].as_str().unwrap().to_owned()
}

fn luks() -> Value {
    json!({"encryption": {"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64",
        "key_size": 256}})
}

/// Makes an encrypted volume type and answers its id.
fn encrypted_type(cloud: &Cloud, name: &str) -> String {
    let id = volume_type(cloud, name, json!({}));
    cloud.post(Admin, &format!("/types/{id}/encryption"), luks()).expect(200);
    id
}

#[test]
fn a_type_is_encrypted_changed_and_no_longer_encrypted() {
    let cloud = Cloud::new();
    let id = volume_type(&cloud, "vault", json!({}));
    let path = format!("/types/{id}/encryption");
    let none = format!("Volume type encryption for type {id} does not exist.");
    assert_eq!(cloud.get(Admin, &path).expect(200), json!({}));
    cloud.get(Admin, &format!("{path}/cipher")).refuse(404, &none);
    cloud.put(Admin, &format!("{path}/x"), json!({"encryption": {"cipher": "aes"}})).refuse(404, &none);
    cloud.delete(Admin, &format!("{path}/x")).refuse(404, &none);

    let body = json!({"encryption": {"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64",
        "key_size": "256", "note": "kept"}});
    let made = cloud.post(Admin, &path, body).expect(200)["encryption"].clone();
    let encryption_id = made["encryption_id"].as_str().unwrap();
    let expected = json!({"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64",
        "key_size": 256, "note": "kept", "encryption_id": encryption_id, "volume_type_id": id});
    assert_eq!(made, expected);
    let shown = cloud.get(Admin, &path).expect(200);
    assert!(shown["created_at"].is_string());
    let expected = json!({"encryption_id": encryption_id, "volume_type_id": id, "provider": "luks", "key_size": 256,
        "control_location": "front-end", "cipher": "aes-xts-plain64", "created_at": shown["created_at"],
        "updated_at": null, "deleted": false, "deleted_at": null});
    assert_eq!(shown, expected);
    let twice = format!("Volume type encryption for type {id} already exists.");
    cloud.post(Admin, &path, luks()).refuse(400, &twice);

    let change = json!({"encryption": {"key_size": "512", "cipher": null}});
    let echoed = cloud.put(Admin, &format!("{path}/{encryption_id}"), change).expect(200);
    assert_eq!(echoed, json!({"encryption": {"key_size": 512, "cipher": null}}));
    let one = |key: &str| cloud.get(Admin, &format!("{path}/{key}"));
    assert_eq!(one("key_size").expect(200), json!({"key_size": 512}));
    assert_eq!(one("cipher").expect(200), json!({"cipher": null}));
    assert_eq!(one("provider").expect(200), json!({"provider": "luks"}));
    one("colour").refuse(404, &none);

    cloud.delete(Admin, &format!("{path}/{encryption_id}")).expect(202);
    assert_eq!(cloud.get(Admin, &path).expect(200), json!({}));
    cloud.post(Admin, &path, luks()).expect(200);
    for answer in [cloud.get(Admin, "/types/x/encryption"), cloud.post(Admin, "/types/x/encryption", luks())] {
        answer.refuse(404, "Volume type x could not be found.");
    }
}

#[test]
fn only_whole_descriptions_are_taken() {
    let cloud = Cloud::new();
    let path = format!("/types/{}/encryption", volume_type(&cloud, "vault", json!({})));
    for encryption in [
        json!({}),
        json!({"provider": "luks"}),
        json!({"control_location": "front-end"}),
        json!({"provider": "luks", "control_location": "middle"}),
        json!({"provider": null, "control_location": "back-end"}),
        json!({"provider": "luks", "control_location": "back-end", "key_size": -1}),
        json!({"provider": "luks", "control_location": "back-end", "key_size": "many"}),
        json!({"provider": "luks", "control_location": "back-end", "key_size": 2_147_483_648_i64}),
        json!({"provider": "l".repeat(256), "control_location": "back-end"}),
    ] {
        cloud.post(Admin, &path, json!({ "encryption": encryption })).expect(400);
    }
    assert_eq!(cloud.get(Admin, &path).expect(200), json!({}));
    let least = json!({"encryption": {"provider": "", "control_location": "back-end", "key_size": null}});
    cloud.post(Admin, &path, least).expect(200);
}

#[test]
fn the_encryption_of_a_type_stays_while_it_has_volumes() {
    let cloud = Cloud::with(KEY_MANAGER);
    let plain = volume_type(&cloud, "plain", json!({}));
    people::volume_with(&cloud, Member, json!({"size": 1, "volume_type": plain}));
    let text = |verb: &str| format!("Cannot {verb} encryption specs. Volume type in use.");
    cloud.post(Admin, &format!("/types/{plain}/encryption"), luks()).refuse(400, &text("create"));

    let vault = encrypted_type(&cloud, "vault");
    let volume = people::volume_with(&cloud, Member, json!({"size": 1, "volume_type": vault}));
    let path = format!("/types/{vault}/encryption/x");
    cloud.put(Admin, &path, json!({"encryption": {"cipher": "aes"}})).refuse(400, &text("update"));
    cloud.delete(Admin, &path).refuse(400, &text("delete"));
    cloud.sql("UPDATE volumes SET deleted = true WHERE id = ?", &[volume.into()]);
    cloud.delete(Admin, &path).expect(202);
}

#[test]
fn a_volume_of_an_encrypted_type_has_a_key_and_says_how_it_is_encrypted() {
    let cloud = Cloud::with(KEY_MANAGER);
    let vault = encrypted_type(&cloud, "vault");
    let id = people::volume_with(&cloud, Member, json!({"size": 1, "volume_type": vault}));
    let shown = cloud.get(Member, &format!("/volumes/{id}")).expect(200)["volume"].clone();
    assert_eq!((&shown["encrypted"], shown.get("encryption_key_id")), (&json!(true), None));
    let path = format!("/volumes/{id}/encryption");
    let key = "00000000-0000-0000-0000-000000000000";
    let expected = json!({"encryption_key_id": key, "control_location": "front-end", "cipher": "aes-xts-plain64",
        "key_size": 256, "provider": "luks"});
    assert_eq!(cloud.get(Reader, &path).expect(200), expected);
    assert_eq!(cloud.get(Member, &format!("{path}/key_size")).expect(200), json!(256));
    assert_eq!(cloud.get(Member, &format!("{path}/encryption_key_id")).expect(200), json!(key));
    let missing = format!("Volume {id} has no encryption metadata with key colour.");
    cloud.get(Member, &format!("{path}/colour")).refuse(404, &missing);

    // What is made of it is encrypted with it.
    let snapshot = people::snapshot(&cloud, Member, &id, "copy");
    for source in [json!({"size": 1, "source_volid": id}), json!({"size": 1, "snapshot_id": snapshot})] {
        let copy = people::volume_with(&cloud, Member, source);
        assert_eq!(cloud.get(Member, &format!("/volumes/{copy}/encryption")).expect(200), expected);
    }
    let plain = volume_type(&cloud, "plain", json!({}));
    let other = json!({"volume": {"size": 1, "source_volid": id, "volume_type": plain}});
    cloud.post(Member, "/volumes", other).expect(400);
}

#[test]
fn a_volume_that_is_not_encrypted_has_no_key() {
    let cloud = Cloud::new();
    let id = people::volume(&cloud, Member, "plain");
    let path = format!("/volumes/{id}/encryption");
    assert_eq!(cloud.get(Member, &path).expect(200), json!({"encryption_key_id": null}));
    assert_eq!(cloud.get(Member, &format!("{path}/encryption_key_id")).expect(200), json!(null));
    cloud.get(Member, &format!("{path}/cipher")).expect(404);
    assert_eq!(cloud.get(Member, &format!("/volumes/{id}")).expect(200)["volume"]["encrypted"], json!(false));
}

#[test]
fn without_a_key_manager_no_encrypted_volume_is_made() {
    let conf = "[key_manager]\nbackend = cinder.keymgr.conf_key_mgr.ConfKeyManager\n";
    for lines in ["", conf, &format!("{conf}fixed_key = xyz\n"), "[key_manager]\nbackend = vault\nfixed_key = 00ff\n"] {
        let cloud = Cloud::with(lines);
        let vault = encrypted_type(&cloud, "vault");
        let body = json!({"volume": {"size": 1, "volume_type": vault}});
        cloud.post(Member, "/volumes", body).refuse(400, "Key manager error");
        assert_eq!(cloud.numbers("SELECT count(*) FROM volumes", &[]), [0]);
        assert_eq!(people::used(&cloud, Member.project(), "volumes"), 0);
    }
}

#[test]
fn a_key_needs_a_cipher_and_one_attachment_at_a_time() {
    let cloud = Cloud::with(KEY_MANAGER);
    let vague = volume_type(&cloud, "vague", json!({}));
    let body = json!({"encryption": {"provider": "luks", "control_location": "front-end"}});
    cloud.post(Admin, &format!("/types/{vague}/encryption"), body).expect(200);
    let new = |id: &str| cloud.post(Admin, "/volumes", json!({"volume": {"size": 1, "volume_type": id}}));
    new(&vague).refuse(400, "Invalid encryption spec");
    let shared = volume_type(&cloud, "shared", json!({"multiattach": "<is> True"}));
    cloud.post(Admin, &format!("/types/{shared}/encryption"), luks()).expect(200);
    new(&shared).refuse(400, "Invalid volume: Multiattach cannot be used with encrypted volumes.");
}
