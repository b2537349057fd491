//! Encryption of volume types: what is kept, and that a type has one at most.

use hearth::block_storage::model::encryption::TypeEncryption;
use hearth::block_storage::store::encryption::{self as store, Change};
use hearth::block_storage::store::sources;
use hearth::database::Database;
use hearth::time::Timestamp;

use super::fixture::{on_every_schema, unique};

on_every_schema! {
    it_comes_back_as_it_was_put_in_changed_and_gone,
    types_are_encrypted_alike_or_not,
}

fn put(database: &Database, key_size: Option<i64>) -> TypeEncryption {
    let new = TypeEncryption {
        id: unique(),
        volume_type_id: unique(),
        provider: "luks".to_owned(),
        control_location: "front-end".to_owned(),
        cipher: Some("aes-xts-plain64".to_owned()),
        key_size,
        created_at: Timestamp::parse("2026-01-02T03:04:05"),
        updated_at: None,
    };
    database.write(|tx| store::insert(tx, &new)).unwrap();
    new
}

fn it_comes_back_as_it_was_put_in_changed_and_gone(database: &Database) {
    let new = put(database, Some(256));
    let id = &new.volume_type_id;
    let find = || database.read(|c| store::find(c, id)).unwrap();
    assert_eq!(find().as_ref(), Some(&new));
    let change = Change { provider: Some("é"), cipher: Some(None), key_size: Some(Some(512)), ..Change::default() };
    assert!(database.write(|tx| store::update(tx, id, change)).unwrap());
    let found = find().unwrap();
    assert_eq!((found.provider.as_str(), found.cipher, found.key_size), ("é", None, Some(512)));
    assert!(found.updated_at.is_some());
    assert!(database.write(|tx| store::update(tx, id, Change::default())).unwrap());
    assert!(database.write(|tx| store::delete(tx, id)).unwrap());
    assert_eq!(find(), None);
    assert!(!database.write(|tx| store::delete(tx, id)).unwrap());
    assert!(!database.write(|tx| store::update(tx, id, change)).unwrap());
}

fn types_are_encrypted_alike_or_not(database: &Database) {
    let (one, same, longer, plain) =
        (put(database, Some(256)), put(database, Some(256)), put(database, None), unique());
    let alike = |other: &str| database.read(|c| sources::same_encryption(c, &one.volume_type_id, other)).unwrap();
    assert!(alike(&same.volume_type_id) && !alike(&longer.volume_type_id) && !alike(&plain));
    assert!(database.read(|c| sources::same_encryption(c, &plain, &unique())).unwrap());
}
