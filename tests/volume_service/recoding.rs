//! Volumes that get a type which is encrypted otherwise: every byte is there for who has the new key, for nobody else, and no key is
//! left over. QEMU opens what was written, as a host would.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use hearth::block_storage::key_store::{self, Holder, KeyStore, NewKey};
use hearth::block_storage::model::volume::Status;

use super::moving::{ENABLED, assert_whole, file_of, retype_with, sections, type_on, usage_of};
use super::world::{Of, World};

const GIB: u64 = 1 << 30;
const DATA: &[u8] = b"what nobody else may read";

/// A world with two backends and keys that are kept sealed.
fn world() -> World {
    let keys = "[key_manager]\nbackend = local\n[hearth_keys]\nmaster_key_file = %F/master.key\n";
    let world = World::with(ENABLED, &format!("{keys}{}", sections(["raw", "raw"])));
    key_store::make_master_key(&world.folder.join("master.key")).unwrap();
    world
}

/// A type whose volumes lie on this backend and are encrypted like this.
fn encrypted_type(world: &World, backend: &str, cipher: &str, bits: i64) -> String {
    let id = type_on(world, backend);
    let sql = "INSERT INTO encryption (encryption_id, volume_type_id, provider, control_location, cipher, key_size, deleted) \
               VALUES (?, ?, 'luks', 'front-end', ?, ?, false)";
    let encryption = uuid::Uuid::new_v4().to_string();
    let params = [(&encryption).into(), (&id).into(), cipher.into(), bits.into()];
    world.database.write(|tx| tx.execute(sql, &params)).unwrap();
    id
}

fn keys(world: &World) -> KeyStore<'_> {
    KeyStore::open(world.config(), &world.database).unwrap()
}

/// A key, as the API makes it for a volume.
fn new_key(world: &World, bits: i64) -> NewKey {
    keys(world).create(Holder::Service, "aes", Some(bits)).unwrap()
}

/// A volume with data here and there, but for its last bytes, and the same as a file.
fn filled(world: &World) -> (String, PathBuf) {
    let id = world.create(1, Of::Nothing);
    world.settle();
    let (path, content) = (file_of(world, &world.volume(&id).unwrap()), world.folder.join(format!("content-{id}")));
    for path in [&path, &content] {
        let file = fs::File::options().write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(GIB).unwrap();
        for at in [0, 4095, 300_000_001, GIB - (4 << 20)] {
            file.write_all_at(DATA, at).unwrap();
        }
    }
    (id, content)
}

/// Fails unless the volume holds `content` for whoever has its key.
fn assert_encrypted(world: &World, id: &str, content: &Path) {
    let volume = world.volume(id).unwrap();
    let path = file_of(world, &volume);
    let key = keys(world).reveal(volume.encryption_key_id.as_deref().unwrap()).unwrap();
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let secret = format!("secret,id=key,data={digits}");
    let sealed = format!("driver=luks,key-secret=key,file.driver=file,file.filename={}", path.display());
    let plain = format!("driver=raw,file.driver=file,file.filename={}", content.display());
    let mut compare = Command::new("qemu-img");
    let done = compare.args(["compare", "--object", &secret, "--image-opts", &plain, &sealed]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let mut beginning = vec![0; 4 << 20];
    fs::File::open(path).unwrap().read_exact_at(&mut beginning, 0).unwrap();
    assert!(!beginning.windows(DATA.len()).any(|window| window == DATA), "it is readable");
}

fn assert_plain(world: &World, id: &str, content: &Path) {
    let path = file_of(world, &world.volume(id).unwrap());
    let mut compare = Command::new("qemu-img");
    let done = compare.args(["compare", "-f", "raw"]).args([content, &path]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// Waits until no key is left but these.
fn assert_keys(world: &World, expected: &[&str]) {
    world.wait("keys that are let go to be removed", || {
        let kept = world.read(|c| c.rows("SELECT id FROM hearth_sealed_keys ORDER BY id", &[], |row| row.string(0)));
        let loose = world.count("SELECT count(*) FROM hearth_loose_keys");
        (kept == expected && loose == 0).then_some(())
    });
}

#[test]
fn a_volume_is_encrypted_encrypted_otherwise_and_decrypted_with_every_byte() {
    let world = world();
    let _service = world.start();
    let (id, content) = filled(&world);
    let here = encrypted_type(&world, "file", "aes-xts-plain64", 256);
    let first = new_key(&world, 256);
    retype_with(&world, &id, &here, true, Some(Some(&first)));
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Available, Some("success")));
    assert_eq!((volume.host.as_deref(), &volume.volume_type_id), (Some("node1@file#file"), &here));
    assert_eq!(volume.encryption_key_id.as_ref(), Some(&first.id));
    assert_encrypted(&world, &id, &content);
    assert_keys(&world, &[&first.id]);
    assert_whole(&world);
    let there = encrypted_type(&world, "other", "aes-cbc-essiv:sha256", 256);
    let second = new_key(&world, 256);
    retype_with(&world, &id, &there, true, Some(Some(&second)));
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!(
        (volume.host.as_deref(), volume.encryption_key_id.as_ref()),
        (Some("node1@other#other"), Some(&second.id))
    );
    assert_encrypted(&world, &id, &content);
    assert_keys(&world, &[&second.id]);
    let plain = type_on(&world, "file");
    retype_with(&world, &id, &plain, true, Some(None));
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.host.as_deref(), volume.encryption_key_id), (Some("node1@file#file"), None));
    assert_plain(&world, &id, &content);
    assert_keys(&world, &[]);
    assert_whole(&world);
}

#[test]
fn a_volume_that_nobody_has_written_to_is_left_for_its_first_host_to_encrypt() {
    let world = world();
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let (encrypted, plain) = (encrypted_type(&world, "file", "aes-xts-plain64", 512), type_on(&world, "other"));
    let key = new_key(&world, 512);
    retype_with(&world, &id, &encrypted, true, Some(Some(&key)));
    world.settle();
    assert_eq!(world.volume(&id).unwrap().encryption_key_id.as_ref(), Some(&key.id));
    assert_keys(&world, &[&key.id]);
    retype_with(&world, &id, &plain, true, Some(None));
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((&volume.volume_type_id, volume.encryption_key_id), (&plain, None));
    assert_keys(&world, &[]);
    assert_whole(&world);
}

#[test]
fn a_volume_without_room_for_its_encryption_keeps_its_type_and_its_content() {
    let world = world();
    let _service = world.start();
    let (id, content) = filled(&world);
    let path = file_of(&world, &world.volume(&id).unwrap());
    for path in [&path, &content] {
        fs::File::options().write(true).open(path).unwrap().write_all_at(DATA, GIB - 1000).unwrap();
    }
    let encrypted = encrypted_type(&world, "file", "aes-xts-plain64", 256);
    let key = new_key(&world, 256);
    retype_with(&world, &id, &encrypted, true, Some(Some(&key)));
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Available, Some("error")));
    assert_eq!((volume.encryption_key_id, volume.name_id), (None, None));
    assert_eq!(world.messages(&id).len(), 1, "its owner is told");
    assert_plain(&world, &id, &content);
    assert_keys(&world, &[]);
    assert_whole(&world);
}

#[test]
fn a_service_that_is_killed_while_it_encrypts_or_decrypts_leaves_one_disk_and_one_key() {
    // To encrypt costs a volume that is written from its beginning to its end; moves without that are killed everywhere.
    let points = ["retype_volume.before_commit", "file.after_rename:2"];
    let world = world();
    let service = world.start();
    let (id, content) = filled(&world);
    drop(service);
    let (encrypted, plain) = (encrypted_type(&world, "file", "aes-xts-plain64", 256), type_on(&world, "other"));
    for (at, point) in points.into_iter().enumerate() {
        println!("killed at {point}");
        let doomed = world.spawn(Some(point));
        let key = (at % 2 == 0).then(|| new_key(&world, 256));
        let new_type = if key.is_some() { &encrypted } else { &plain };
        retype_with(&world, &id, new_type, true, Some(key.as_ref()));
        doomed.wait_for_death();
        let next = world.spawn(None);
        world.settle();
        let volume = world.volume(&id).unwrap();
        assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Available, Some("success")));
        assert_eq!(
            (&volume.volume_type_id, &volume.encryption_key_id),
            (new_type, &key.as_ref().map(|key| key.id.clone()))
        );
        match &key {
            Some(key) => {
                assert_encrypted(&world, &id, &content);
                assert_keys(&world, &[&key.id]);
            }
            None => {
                assert_plain(&world, &id, &content);
                assert_keys(&world, &[]);
            }
        }
        next.stop();
        assert_whole(&world);
    }
    assert_eq!(usage_of(&world, "__DEFAULT__"), [0, 0, 0]);
}
