//! Volume types: who sees which, names that are unique although no index says so, and what is left of deleted ones.

use std::sync::Barrier;

use hearth::Kind;
use hearth::block_storage::model::volume_type::VolumeType;
use hearth::block_storage::store::volume_types::{self as store, Change, Eyes};
use hearth::database::Database;
use hearth::time::Timestamp;

use super::fixture::{on_every_schema, unique};

on_every_schema! {
    a_type_comes_back_as_it_was_put_in,
    a_private_type_is_seen_by_the_projects_that_were_granted_it,
    a_name_is_given_once_however_many_ask_for_it_at_once,
    a_type_is_found_by_its_id_before_its_name,
    a_deleted_type_is_known_to_its_volumes_alone,
    a_grant_that_was_taken_back_can_be_given_again,
    a_project_has_one_default_type,
}

fn new_type(is_public: bool, specs: &[(&str, Option<&str>)]) -> VolumeType {
    let id = unique();
    VolumeType {
        name: format!("type {id}"),
        id,
        description: Some("déjà vu".to_owned()),
        is_public,
        qos_specs_id: None,
        created_at: Timestamp::parse("2026-01-02T03:04:05"),
        updated_at: None,
        deleted: false,
        extra_specs: specs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect(),
    }
}

fn put(database: &Database, new: &VolumeType) -> hearth::Result<()> {
    database.write(|tx| {
        store::lock(tx)?;
        store::insert(tx, new)
    })
}

fn find(database: &Database, id: &str, eyes: Eyes<'_>) -> Option<VolumeType> {
    database.read(|c| store::find(c, id, eyes)).unwrap()
}

fn a_type_comes_back_as_it_was_put_in(database: &Database) {
    let made = new_type(true, &[("b", Some("2")), ("a", None), ("multiattach", Some("<is> True"))]);
    put(database, &made).unwrap();
    assert_eq!(find(database, &made.id, Eyes::All).as_ref(), Some(&made));
    let all = database.read(|c| store::all(c, Eyes::All)).unwrap();
    assert_eq!(all.iter().find(|item| item.id == made.id), Some(&made));

    let change = Change { description: Some("new"), is_public: Some(false), ..Change::default() };
    database.write(|tx| store::update(tx, &made.id, change)).unwrap();
    database.write(|tx| store::put_extra_specs(tx, &made.id, &[("a", Some("1")), ("c", Some(""))])).unwrap();
    assert!(database.write(|tx| store::delete_extra_spec(tx, &made.id, "b")).unwrap());
    assert!(!database.write(|tx| store::delete_extra_spec(tx, &made.id, "b")).unwrap());
    let found = find(database, &made.id, Eyes::All).unwrap();
    assert_eq!((found.name, found.description.as_deref(), found.is_public), (made.name, Some("new"), false));
    assert!(found.updated_at.is_some());
    let specs: Vec<_> = found.extra_specs.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    assert_eq!(specs, [("a", Some("1")), ("multiattach", Some("<is> True")), ("c", Some(""))]);
    let missing = database.write(|tx| store::update(tx, &unique(), change)).expect_err("no type");
    assert_eq!(missing.kind(), Kind::NotFound);
}

fn a_private_type_is_seen_by_the_projects_that_were_granted_it(database: &Database) {
    let (secret, mine, other) = (new_type(false, &[]), unique(), unique());
    put(database, &secret).unwrap();
    let sees = |eyes| {
        let listed = database.read(|c| store::all(c, eyes)).unwrap().iter().any(|item| item.id == secret.id);
        let shown = find(database, &secret.id, eyes).is_some();
        let named = database.read(|c| store::find_by_name(c, &secret.name, eyes)).unwrap().is_some();
        assert_eq!((listed, shown), (named, named));
        named
    };
    assert!(sees(Eyes::All));
    assert!(!sees(Eyes::Project(&mine)));
    database.write(|tx| store::add_access(tx, &secret.id, &mine)).unwrap();
    assert!(sees(Eyes::Project(&mine)));
    assert!(!sees(Eyes::Project(&other)));
}

fn a_name_is_given_once_however_many_ask_for_it_at_once(database: &Database) {
    const THREADS: usize = 5;
    let name = unique();
    let start = Barrier::new(THREADS);
    let ask = || {
        let new = VolumeType { name: name.clone(), ..new_type(true, &[]) };
        start.wait();
        put(database, &new).map_err(|error| error.kind())
    };
    let mut answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    });
    answers.sort_by_key(Result::is_err);
    assert_eq!(answers[0], Ok(()));
    assert_eq!(answers[1..], [Err(Kind::Conflict); THREADS - 1]);
}

fn a_type_is_found_by_its_id_before_its_name(database: &Database) {
    let first = new_type(true, &[]);
    let second = VolumeType { name: first.id.clone(), ..new_type(true, &[]) };
    put(database, &first).unwrap();
    put(database, &second).unwrap();
    let resolve = |text: &str| database.read(|c| store::resolve(c, text, Eyes::All));
    assert_eq!(resolve(&first.id).unwrap().id, first.id);
    assert_eq!(resolve(&first.name).unwrap().id, first.id);
    database.write(|tx| store::delete(tx, &first.id)).unwrap();
    assert_eq!(resolve(&first.id).unwrap().id, second.id);
    let (id, name) = (unique(), "no such type");
    assert_eq!(resolve(&id).expect_err("none").public(), format!("Volume type {id} could not be found."));
    let by_name = resolve(name).expect_err("none");
    assert_eq!(by_name.public(), "Volume type with name no such type could not be found.");
}

fn a_deleted_type_is_known_to_its_volumes_alone(database: &Database) {
    let gone = new_type(false, &[("a", Some("1"))]);
    put(database, &gone).unwrap();
    database.write(|tx| store::add_access(tx, &gone.id, "p")).unwrap();
    assert!(!database.read(|c| store::is_used(c, &gone.id)).unwrap());
    database.write(|tx| store::delete(tx, &gone.id)).unwrap();
    assert_eq!(find(database, &gone.id, Eyes::All), None);
    let known = database.read(|c| store::of_object(c, &gone.id)).unwrap().unwrap();
    assert_eq!((known.name.as_str(), known.deleted), (gone.name.as_str(), true));
    assert_eq!(database.read(|c| store::access_list(c, &gone.id)).unwrap(), [""; 0]);
    put(database, &VolumeType { name: gone.name, ..new_type(true, &[]) }).unwrap();
}

fn a_grant_that_was_taken_back_can_be_given_again(database: &Database) {
    let (secret, project) = (new_type(false, &[]), unique());
    put(database, &secret).unwrap();
    let add = || database.write(|tx| store::add_access(tx, &secret.id, &project));
    let remove = || database.write(|tx| store::remove_access(tx, &secret.id, &project)).unwrap();
    for _ in 0..2 {
        add().unwrap();
        assert_eq!(add().expect_err("twice").kind(), Kind::Conflict);
        assert!(remove());
        assert!(!remove());
    }
}

fn a_project_has_one_default_type(database: &Database) {
    let (first, second, project) = (new_type(true, &[]), new_type(true, &[]), unique());
    put(database, &first).unwrap();
    put(database, &second).unwrap();
    let default = || database.read(|c| store::project_default(c, &project)).unwrap();
    assert_eq!(default(), None);
    for kind in [&first, &second] {
        database.write(|tx| store::set_project_default(tx, &project, &kind.id)).unwrap();
        assert_eq!(default().as_ref(), Some(&kind.id));
    }
    assert!(database.read(|c| store::is_project_default(c, &second.id)).unwrap());
    assert!(!database.read(|c| store::is_project_default(c, &first.id)).unwrap());
    let all = database.read(store::project_defaults).unwrap();
    assert!(all.contains(&(project.clone(), Some(second.id.clone()))));
    database.write(|tx| store::unset_project_default(tx, &project)).unwrap();
    assert_eq!(default(), None);
}
