//! The keys of encrypted volumes where each has its own: made, copied, handed over, and removed with what has them.

use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, OnceLock};

use hearth::block_storage::key_store::KeyStore;
use serde_json::{Value, json};

use crate::fixture::{Cloud, Persona::*};
use crate::people;

/// The lines of a key store with a master key of its own.
fn local() -> String {
    static LINES: OnceLock<String> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("hearth-api-{}-master.key", std::process::id()));
        let mut options = std::fs::File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        std::io::Write::write_all(&mut file, "5a".repeat(32).as_bytes()).unwrap();
        format!("[key_manager]\nbackend = local\n[hearth_keys]\nmaster_key_file = {}\n", path.display())
    });
    lines.clone()
}

/// A cloud with an encrypted volume type; its id.
fn vault(cloud: &Cloud) -> String {
    let made = cloud.post(Admin, "/types", json!({"volume_type": {"name": "vault"}})).expect(200);
    let id = made["volume_type"]["id"].as_str().unwrap().to_owned();
    let body = json!({"encryption": {"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64",
        "key_size": 512}});
    cloud.post(Admin, &format!("/types/{id}/encryption"), body).expect(200);
    id
}

fn key_of(cloud: &Cloud, persona: crate::fixture::Persona, path: &str, noun: &str) -> String {
    let shown = cloud.get(persona, path).expect(200);
    shown[noun]["encryption_key_id"].as_str().unwrap().to_owned()
}

fn volume_key(cloud: &Cloud, id: &str) -> String {
    key_of(cloud, Member, &format!("/volumes/{id}"), "volume")
}

/// The bytes of a key.
fn bytes(cloud: &Cloud, key: &str) -> Option<Vec<u8>> {
    KeyStore::open(&cloud.config, &cloud.database).unwrap().reveal(key).ok()
}

fn kept(cloud: &Cloud) -> i64 {
    cloud.numbers("SELECT count(*) FROM hearth_sealed_keys", &[])[0]
}

fn loose(cloud: &Cloud) -> i64 {
    cloud.numbers("SELECT count(*) FROM hearth_loose_keys", &[])[0]
}

#[test]
fn every_volume_has_a_key_of_its_own_and_copies_open_what_their_source_holds() {
    let cloud = Cloud::with(&local());
    let vault = vault(&cloud);
    let new = |more: Value| {
        let mut body = json!({"size": 1, "volume_type": vault});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        people::volume_with(&cloud, Member, body)
    };
    let (first, second) = (new(json!({})), new(json!({})));
    let (key, other) = (volume_key(&cloud, &first), volume_key(&cloud, &second));
    assert_eq!(bytes(&cloud, &key).unwrap().len(), 64);
    assert_ne!(bytes(&cloud, &key), bytes(&cloud, &other));
    let shown = cloud.get(Member, &format!("/volumes/{first}/encryption")).expect(200);
    assert_eq!(shown["encryption_key_id"], json!(key));

    let snapshot = people::snapshot(&cloud, Member, &first, "s");
    for copy in [new(json!({"source_volid": first})), new(json!({"snapshot_id": snapshot}))] {
        let copied = volume_key(&cloud, &copy);
        assert_ne!(copied, key);
        assert_eq!(bytes(&cloud, &copied), bytes(&cloud, &key));
    }
    assert_eq!((kept(&cloud), loose(&cloud)), (4, 0));
    // Nobody who has the database alone has a key.
    let sealed = cloud.database.read(|c| c.rows("SELECT sealed FROM hearth_sealed_keys", &[], |row| row.string(0)));
    let hex: String = bytes(&cloud, &key).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(sealed.unwrap().iter().all(|text| !text.contains(&hex)));
}

#[test]
fn a_key_ends_with_its_volume_and_with_a_request_that_is_refused() {
    let cloud = Cloud::with(&local());
    let vault = vault(&cloud);
    let body = json!({"volume": {"size": 1, "volume_type": vault}});
    // One that no service has is removed at once.
    let id = people::new_volume(&cloud, Member, body["volume"].clone());
    assert_eq!((kept(&cloud), loose(&cloud)), (1, 0));
    cloud.delete(Member, &format!("/volumes/{id}")).expect(202);
    assert_eq!((kept(&cloud), loose(&cloud)), (0, 0));
    let limit = json!({"quota_set": {"volumes": 0}});
    cloud.put(Admin, &format!("/os-quota-sets/{}", Member.project()), limit).expect(200);
    assert_eq!(cloud.post(Member, "/volumes", body).status, 413);
    assert_eq!((kept(&cloud), loose(&cloud)), (0, 0));
}

#[test]
fn a_key_whose_request_died_is_removed_when_its_time_is_over_and_one_in_use_never() {
    let cloud = Cloud::with(&local());
    let vault = vault(&cloud);
    let volume = |size: i64| people::volume_with(&cloud, Member, json!({"size": size, "volume_type": vault}));
    let used = volume_key(&cloud, &volume(1));
    // What two requests leave behind that died after they had made a key; one of them has got it in truth.
    let abandoned = "11111111-1111-4111-8111-111111111111";
    for (id, due) in [(abandoned, "2020-01-01 00:00:00"), (&used, "2020-01-01 00:00:00")] {
        let sql = "INSERT INTO hearth_loose_keys (name, key_id, project_id, due_at, retry_at) VALUES (?, ?, ?, ?, ?)";
        cloud.sql(sql, &[id.into(), id.into(), Member.project().into(), due.into(), due.into()]);
    }
    let sql = "INSERT INTO hearth_sealed_keys (id, project_id, algorithm, bits, sealed, created_at) \
               VALUES (?, 'p', 'aes', 256, 'x', '2020-01-01 00:00:00')";
    cloud.sql(sql, &[abandoned.into()]);
    // The next request of the project removes what is due.
    volume(1);
    assert_eq!((kept(&cloud), loose(&cloud)), (2, 0));
    assert!(bytes(&cloud, &used).is_some());
}

#[test]
fn a_transfer_hands_the_key_over_and_leaves_the_old_owner_none() {
    let cloud = Cloud::with(&local());
    let vault = vault(&cloud);
    let id = people::volume_with(&cloud, Member, json!({"size": 1, "volume_type": vault}));
    let snapshot = people::snapshot(&cloud, Member, &id, "s");
    let keys = || {
        let sql = "SELECT encryption_key_id FROM volumes UNION ALL SELECT encryption_key_id FROM snapshots";
        cloud.database.read(|c| c.rows(sql, &[], |row| row.string(0))).unwrap()
    };
    let first = volume_key(&cloud, &id);
    let secret = bytes(&cloud, &first).unwrap();
    let offer = || cloud.post(Member, "/volume-transfers", json!({"transfer": {"volume_id": id}})).expect(202);
    let withdrawn = offer()["transfer"]["id"].as_str().unwrap().to_owned();
    let held = keys();
    assert!(held[0] == held[1] && held[0] != first, "{held:?} after {first}");
    assert_eq!((bytes(&cloud, &first), bytes(&cloud, &held[0])), (None, Some(secret.clone())));
    cloud.delete(Member, &format!("/volume-transfers/{withdrawn}")).expect(202);
    let back = keys();
    assert!(back[0] == back[1] && back[0] != held[0]);
    assert_eq!(bytes(&cloud, &back[0]), Some(secret.clone()));

    let made = offer()["transfer"].clone();
    let held = keys();
    let wrong = json!({"accept": {"auth_key": "0"}});
    let path = format!("/volume-transfers/{}/accept", made["id"].as_str().unwrap());
    assert_eq!(cloud.post(Stranger, &path, wrong).status, 400);
    assert_eq!(keys(), held, "a wrong key moves nothing");
    cloud.post(Stranger, &path, json!({"accept": {"auth_key": made["auth_key"]}})).expect(202);
    let shown = key_of(&cloud, Stranger, &format!("/volumes/{id}"), "volume");
    assert_eq!(keys(), [shown.clone(), shown.clone()]);
    assert_eq!(bytes(&cloud, &shown), Some(secret));
    assert_eq!(cloud.get(Stranger, &format!("/snapshots/{snapshot}")).status, 200);
    // What the service held in between is its own to remove.
    KeyStore::open(&cloud.config, &cloud.database).unwrap().sweep(hearth::block_storage::key_store::Holder::Service);
    assert_eq!((kept(&cloud), loose(&cloud)), (1, 0));
}

#[test]
fn a_backup_has_a_key_of_its_own() {
    let cloud = Cloud::with(&local());
    let vault = vault(&cloud);
    let id = people::volume_with(&cloud, Member, json!({"size": 1, "volume_type": vault}));
    let backup = people::backup(&cloud, Member, &id);
    let shown = key_of(&cloud, Member, &format!("/backups/{backup}"), "backup");
    let key = volume_key(&cloud, &id);
    assert_ne!(shown, key);
    assert_eq!(bytes(&cloud, &shown), bytes(&cloud, &key));
    assert!(
        cloud.get(Member, &format!("3.63 /backups/{backup}")).expect(200)["backup"].get("encryption_key_id").is_none()
    );

    // Only what is encrypted in the same way can hold it.
    let text =
        "Invalid input received: The backup is of an encrypted volume: the volume must have the same volume type.";
    cloud.post(Member, "/volumes", json!({"volume": {"size": 1, "backup_id": backup}})).refuse(400, text);
    assert_eq!((kept(&cloud), loose(&cloud)), (2, 0));
    let made = json!({"size": 1, "backup_id": backup, "volume_type": vault});
    let made = people::new_volume(&cloud, Member, made);
    let copied = volume_key(&cloud, &made);
    assert!(copied != shown && copied != key);
    assert_eq!(bytes(&cloud, &copied), bytes(&cloud, &key));
}

#[test]
fn a_group_that_is_copied_has_copies_of_the_keys_of_its_volumes() {
    let cloud = Cloud::with(&local());
    let vault = vault(&cloud);
    people::backend(&cloud);
    let kind = people::group_type(&cloud);
    let body = json!({"group": {"name": "g", "group_type": kind, "volume_types": [vault]}});
    let group = cloud.post(Member, "/groups", body).expect(202)["group"]["id"].as_str().unwrap().to_owned();
    cloud.sql("UPDATE \"groups\" SET host = ? WHERE id = ?", &[people::HOST.into(), (&group).into()]);
    people::status(&cloud, "\"groups\"", &group, "available");
    let body = json!({"size": 1, "volume_type": vault, "group_id": group});
    let members: Vec<String> = (0..2).map(|_| people::volume_with(&cloud, Member, body.clone())).collect();
    let body = json!({"create-from-src": {"source_group_id": group}});
    cloud.post(Member, "/groups/action", body).expect(202);
    for member in &members {
        let sql = "SELECT encryption_key_id FROM volumes WHERE source_volid = ?";
        let copied = cloud.database.read(|c| c.row(sql, &[member.into()], |row| row.string(0))).unwrap().unwrap();
        let key = volume_key(&cloud, member);
        assert_ne!(copied, key);
        assert_eq!(bytes(&cloud, &copied), bytes(&cloud, &key));
    }
    assert_eq!((kept(&cloud), loose(&cloud)), (4, 0));
}

#[test]
fn of_several_requests_at_once_each_volume_has_its_key_and_none_is_over() {
    let cloud = Cloud::with(&local());
    let vault = vault(&cloud);
    let limit = json!({"quota_set": {"volumes": 5}});
    cloud.put(Admin, &format!("/os-quota-sets/{}", Member.project()), limit).expect(200);
    let cloud = Arc::new(cloud);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| cloud.post(Member, "/volumes", json!({"volume": {"size": 1, "volume_type": vault}})).status);
        }
    });
    let keys = "SELECT count(DISTINCT encryption_key_id) FROM volumes WHERE deleted = false";
    assert_eq!((cloud.numbers(keys, &[]), kept(&cloud), loose(&cloud)), (vec![5], 5, 0));
}

#[test]
fn a_volume_that_gets_an_encrypted_type_gets_a_key_and_one_that_loses_it_gives_its_key_back() {
    let mut cloud = Cloud::with(&format!("{}[hearth_volume]\norder_poll_interval = 0.02\n", local()));
    cloud.serve();
    vault(&cloud);
    cloud.post(Admin, "/types", json!({"volume_type": {"name": "open"}})).expect(200);
    let id = people::real_volume(&cloud, Member, 1);
    let retype = |name: &str, policy: &str| {
        let body = json!({"os-retype": {"new_type": name, "migration_policy": policy}});
        cloud.post(Member, &format!("/volumes/{id}/action"), body).expect(202);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while people::orders(&cloud) > 0 {
            assert!(std::time::Instant::now() < deadline, "the volume is never retyped");
            std::thread::yield_now();
        }
        cloud.get(Member, &format!("/volumes/{id}")).expect(200)["volume"].clone()
    };
    // It would have to be written anew, and may not.
    let kept_its_type = retype("vault", "never");
    assert_eq!((&kept_its_type["encrypted"], kept(&cloud)), (&json!(false), 0));
    let encrypted = retype("vault", "on-demand");
    assert_eq!((&encrypted["volume_type"], &encrypted["encrypted"]), (&json!("vault"), &json!(true)));
    assert_eq!(bytes(&cloud, &volume_key(&cloud, &id)).map(|key| key.len()), Some(64));
    assert_eq!((kept(&cloud), loose(&cloud)), (1, 0));
    let opened = retype("open", "on-demand");
    assert_eq!((&opened["volume_type"], &opened["encrypted"]), (&json!("open"), &json!(false)));
    // The request that comes next removes what was let go, if the service has not done so.
    cloud.post(Admin, "/types", json!({"volume_type": {"name": "next"}})).expect(200);
    assert!(kept(&cloud) == loose(&cloud), "a key is kept that nobody will remove");
    // Who may not have the type gets no key.
    cloud.sql("UPDATE volumes SET migration_status = 'migrating'", &[]);
    let body = json!({"os-retype": {"new_type": "vault", "migration_policy": "on-demand"}});
    assert_eq!(cloud.post(Member, &format!("/volumes/{id}/action"), body).status, 400);
    assert!(kept(&cloud) == loose(&cloud), "a key is left of a request that was refused");
}
