//! QoS specs: rows of one table that hold several things, and names that are unique although no index says so.

use std::sync::Barrier;

use hearth::Kind;
use hearth::block_storage::model::qos_specs::QosSpecs;
use hearth::block_storage::store::{qos_specs as store, volume_types};
use hearth::database::Database;

use super::fixture::{on_every_schema, unique};

on_every_schema! {
    they_come_back_as_they_were_put_in,
    a_name_is_given_once_however_many_ask_for_it_at_once,
    keys_and_all_of_them_go_softly,
    a_type_has_one_set_of_them,
}

fn new(specs: &[(&str, Option<&str>)]) -> QosSpecs {
    let id = unique();
    QosSpecs {
        name: format!("qos {id}"),
        id,
        consumer: "both".to_owned(),
        specs: specs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect(),
        created_at: None,
        updated_at: None,
    }
}

fn put(database: &Database, new: &QosSpecs) -> hearth::Result<()> {
    database.write(|tx| {
        volume_types::lock(tx)?;
        store::insert(tx, new)
    })
}

/// What is stored, with its keys in order and without times.
fn find(database: &Database, id: &str) -> Option<QosSpecs> {
    let found = database.read(|c| store::find(c, id)).unwrap();
    found.map(|mut found| {
        found.specs.sort();
        QosSpecs { created_at: None, updated_at: None, ..found }
    })
}

fn they_come_back_as_they_were_put_in(database: &Database) {
    let made = new(&[("a", Some("1")), ("b", None), ("c", Some("é"))]);
    put(database, &made).unwrap();
    assert_eq!(find(database, &made.id).as_ref(), Some(&made));
    let all = database.read(store::all).unwrap();
    let listed = all.into_iter().find(|item| item.id == made.id).unwrap();
    assert!(listed.created_at.is_some() && listed.updated_at.is_none());
    assert_eq!((listed.name, listed.consumer, listed.specs.len()), (made.name.clone(), made.consumer.clone(), 3));

    let pairs = [("a".to_owned(), None), ("d".to_owned(), Some("4".to_owned()))];
    database.write(|tx| store::put(tx, &made.id, Some("front-end"), &pairs)).unwrap();
    let changed = find(database, &made.id).unwrap();
    let specs = [("a", None), ("b", None), ("c", Some("é")), ("d", Some("4"))];
    let specs = specs.map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
    assert_eq!((changed.consumer.as_str(), changed.specs), ("front-end", specs.to_vec()));
}

fn a_name_is_given_once_however_many_ask_for_it_at_once(database: &Database) {
    let name = format!("one {}", unique());
    let barrier = Barrier::new(4);
    let answers: Vec<hearth::Result<()>> = std::thread::scope(|scope| {
        let ask = || {
            let asked = QosSpecs { name: name.clone(), ..new(&[]) };
            barrier.wait();
            put(database, &asked)
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(refused.clone().all(|error| error.kind() == Kind::Conflict), "{answers:?}");
}

fn keys_and_all_of_them_go_softly(database: &Database) {
    let made = new(&[("a", Some("1")), ("b", None)]);
    put(database, &made).unwrap();
    let delete = |key: &str| database.write(|tx| store::delete_key(tx, &made.id, key)).unwrap();
    assert_eq!([delete("a"), delete("a"), delete("consumer"), delete("z")], [true, false, false, false]);
    assert_eq!(find(database, &made.id).unwrap().specs, [("b".to_owned(), None)]);
    database.write(|tx| store::delete(tx, &made.id)).unwrap();
    assert_eq!(find(database, &made.id), None);
    let sql = "SELECT count(*) FROM quality_of_service_specs WHERE (id = ? OR specs_id = ?) AND deleted = true";
    let rows = database.read(|c| c.row(sql, &[(&made.id).into(), (&made.id).into()], |row| row.int(0))).unwrap();
    assert_eq!(rows, Some(4), "a root, a consumer and two keys");
    put(database, &QosSpecs { id: unique(), ..made }).unwrap();
}

fn a_type_has_one_set_of_them(database: &Database) {
    let (one, other, volume_type) = (new(&[]), new(&[]), unique());
    put(database, &one).unwrap();
    put(database, &other).unwrap();
    let sql = "INSERT INTO volume_types (id, name, deleted, is_public) VALUES (?, ?, false, true)";
    database.write(|tx| tx.execute(sql, &[(&volume_type).into(), (&volume_type).into()])).unwrap();
    let types = |id: &str| {
        let found = database.read(|c| store::associations(c, id)).unwrap();
        found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    database.write(|tx| store::associate(tx, &one.id, &volume_type)).unwrap();
    assert_eq!((types(&one.id), types(&other.id)), (vec![volume_type.clone()], vec![]));
    database.write(|tx| store::disassociate(tx, &other.id, Some(&volume_type))).unwrap();
    database.write(|tx| store::disassociate(tx, &other.id, None)).unwrap();
    assert_eq!(types(&one.id).len(), 1);
    database.write(|tx| store::disassociate(tx, &one.id, Some(&volume_type))).unwrap();
    assert_eq!(types(&one.id).len(), 0);
    let missing = database.write(|tx| store::associate(tx, &one.id, "nothing"));
    assert_eq!(missing.map_err(|error| error.kind()), Err(Kind::NotFound));
}
