//! Clusters with their services, freezing, and where objects are that are in the hands of a service.

use hearth::block_storage::store::{clusters, services, workers};
use hearth::database::{Database, Value};
use hearth::time::Timestamp;

use super::fixture::{on_every_schema, unique};

on_every_schema! {
    a_cluster_counts_its_services_and_those_that_are_down,
    what_is_frozen_is_not_frozen_again,
    an_object_is_where_its_volume_is,
}

fn execute(database: &Database, sql: &str, params: &[Value<'_>]) {
    database.write(|tx| tx.execute(sql, params)).unwrap();
}

fn cluster(database: &Database) -> String {
    let name = format!("{}@b", unique());
    let sql = "INSERT INTO clusters (created_at, deleted, name, \"binary\", disabled, race_preventer, frozen) \
               VALUES (?, false, ?, 'cinder-volume', false, 0, false)";
    execute(database, sql, &[Timestamp::now().into(), (&name).into()]);
    name
}

/// A service of a cluster that reported so many seconds before `now`.
fn service(database: &Database, cluster: &str, now: Timestamp, seconds_ago: i64) -> i64 {
    let host = format!("{}@b", unique());
    database
        .write(|tx| {
            let made = services::register(tx, &host, "cinder-volume", "nova", true)?;
            let reported = now.plus_seconds(-seconds_ago);
            let sql = "UPDATE services SET cluster_name = ?, updated_at = ? WHERE id = ?";
            tx.execute(sql, &[cluster.into(), reported.into(), made.id.into()])?;
            Ok(made.id)
        })
        .unwrap()
}

fn a_cluster_counts_its_services_and_those_that_are_down(database: &Database) {
    let (name, empty) = (cluster(database), cluster(database));
    let now = Timestamp::parse("2026-03-04T05:06:07").unwrap();
    for seconds_ago in [5, 90, 7] {
        service(database, &name, now, seconds_ago);
    }
    let find = |name: &str| {
        let all = database.read(|c| clusters::all(c, now, 60)).unwrap();
        all.into_iter().find(|item| item.name == name).unwrap()
    };
    let found = find(&name);
    assert_eq!((found.hosts, found.down_hosts), (3, 1));
    assert_eq!(found.last_heartbeat, Some(now.plus_seconds(-5)));
    assert!(found.is_up(now, 60) && !found.is_up(now, 1));
    let found = find(&empty);
    assert_eq!((found.hosts, found.down_hosts, found.last_heartbeat), (0, 0, None));

    database.write(|tx| clusters::set_disabled(tx, found.id, true, Some("why"))).unwrap();
    let found = find(&empty);
    assert_eq!((found.disabled, found.disabled_reason.as_deref()), (true, Some("why")));
    execute(database, "UPDATE clusters SET deleted = true WHERE name = ?", &[(&empty).into()]);
    let all = database.read(|c| clusters::all(c, now, 60)).unwrap();
    assert!(all.iter().all(|item| item.name != empty));
}

fn what_is_frozen_is_not_frozen_again(database: &Database) {
    let name = cluster(database);
    let now = Timestamp::now();
    let id = service(database, &name, now, 0);
    let cluster_id =
        database.read(|c| clusters::all(c, now, 60)).unwrap().iter().find(|item| item.name == name).unwrap().id;
    let freeze = |frozen: bool| {
        database.write(|tx| Ok((services::set_frozen(tx, id, frozen)?, clusters::set_frozen(tx, cluster_id, frozen)?)))
    };
    assert_eq!(freeze(false).unwrap(), (false, false));
    assert_eq!(freeze(true).unwrap(), (true, true));
    assert_eq!(freeze(true).unwrap(), (false, false));
    let all = database.read(|c| services::list(c, None, None)).unwrap();
    let found = all.iter().find(|item| item.id == id).unwrap();
    assert_eq!((found.frozen, found.disabled, found.disabled_reason.as_deref()), (true, true, Some("frozen")));
    assert_eq!(freeze(false).unwrap(), (true, true));
    // Services of older releases may hold nothing there.
    execute(database, "UPDATE services SET frozen = NULL WHERE id = ?", &[id.into()]);
    assert!(!freeze(false).unwrap().0);
    assert!(freeze(true).unwrap().0);
}

fn an_object_is_where_its_volume_is(database: &Database) {
    let (volume, snapshot, new) = (unique(), unique(), unique());
    let sql = "INSERT INTO volumes (id, deleted, host, volume_type_id, use_quota) VALUES (?, false, ?, 'x', true)";
    execute(database, sql, &[(&volume).into(), "h@b#p".into()]);
    execute(database, sql, &[(&new).into(), None::<&str>.into()]);
    let sql =
        "INSERT INTO snapshots (id, deleted, volume_id, volume_type_id, use_quota) VALUES (?, false, ?, 'x', true)";
    execute(database, sql, &[(&snapshot).into(), (&volume).into()]);
    for (kind, id) in [(workers::VOLUME, &volume), (workers::SNAPSHOT, &snapshot), (workers::VOLUME, &new)] {
        database.write(|tx| workers::begin(tx, kind, id, "deleting")).unwrap();
    }
    let places = |id: &str, kind: Option<&str>| database.read(|c| workers::places(c, id, kind)).unwrap();
    let there = vec![Some("h@b".to_owned())];
    assert_eq!(places(&volume, None), there);
    assert_eq!(places(&snapshot, Some(workers::SNAPSHOT)), there);
    assert_eq!(places(&snapshot, Some(workers::VOLUME)), []);
    assert_eq!(places(&new, None), [None]);
    assert_eq!(places("nowhere", None), []);
    database.write(|tx| workers::end(tx, workers::VOLUME, &volume)).unwrap();
    assert_eq!(places(&volume, None), []);
}
