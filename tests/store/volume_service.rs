//! The statements of the volume service: orders, services, pools, and what it looks for when it starts.

use hearth::block_storage::model::pool::{Capability, Space};
use hearth::block_storage::model::service::VOLUME;
use hearth::block_storage::model::work::{Order, Requester, Work};
use hearth::block_storage::store::messages::{self, Event};
use hearth::block_storage::store::pools::{self, Report};
use hearth::block_storage::store::{census, orders, services, stranded};
use hearth::database::Database;
use hearth::time::Timestamp;
use hearth::{Error, Kind};

use super::fixture::{on_every_schema, unique};

on_every_schema! {
    an_order_is_taken_by_one_and_ended_by_whoever_has_it,
    orders_are_told_oldest_first_with_those_that_have_no_backend,
    an_order_can_be_placed_given_back_and_passed_on,
    a_service_registers_once_and_is_up_when_it_reports,
    a_pool_is_reported_promised_and_counted_anew,
    objects_under_way_without_an_order_are_found,
    residents_of_a_backend_are_told_apart_from_those_of_others,
    messages_vanish_when_their_time_is_over,
}

fn order(backend: Option<&str>, volume_id: &str) -> Order {
    Order {
        id: 0,
        backend: backend.map(str::to_owned),
        volume_id: volume_id.to_owned(),
        snapshot_id: None,
        source_volume_id: None,
        work: Work::DeleteVolume { cascade: false },
        requester: Requester { request_id: "req-1".into(), project_id: "p".into(), user_id: "u".into(), context: None },
        attempts: 0,
    }
}

fn place(database: &Database, order: &Order) {
    database.write(|tx| orders::place(tx, order)).unwrap();
}

/// The orders about one volume that a backend is told of.
fn waiting(database: &Database, backend: &str, volume_id: &str) -> Vec<orders::Waiting> {
    let all = database.read(|c| orders::waiting(c, &[backend], 10_000)).unwrap();
    all.into_iter().filter(|found| found.order.volume_id == volume_id).collect()
}

fn take(database: &Database, found: &orders::Waiting, owner: &str, seconds: i64) -> Option<orders::Held> {
    database.write(|tx| orders::take(tx, found, owner, seconds)).unwrap()
}

fn an_order_is_taken_by_one_and_ended_by_whoever_has_it(database: &Database) {
    let (backend, volume) = (unique(), unique());
    place(database, &order(Some(&backend), &volume));
    let found = &waiting(database, &backend, &volume)[0];
    assert!(!found.held);
    let taken: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|number| scope.spawn(move || take(database, found, &format!("taker {number}"), 60))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().is_some()).collect()
    });
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    assert!(waiting(database, &backend, &volume)[0].held);
    // A lease that ran out is taken over, and whoever had it can not end the order any more.
    let second = unique();
    place(database, &order(Some(&backend), &second));
    let late = take(database, &waiting(database, &backend, &second)[0], "late", -1).unwrap();
    let next = take(database, &waiting(database, &backend, &second)[0], "next", 60).unwrap();
    assert_eq!((late.attempts, next.attempts), (1, 2));
    let lost = database.write(|tx| orders::end(tx, &late)).unwrap_err();
    assert_eq!(lost.kind(), Kind::Conflict);
    database.write(|tx| orders::end(tx, &next)).unwrap();
    assert!(waiting(database, &backend, &second).is_empty());
    // An end whose transaction fails has not happened.
    let third = unique();
    place(database, &order(Some(&backend), &third));
    let held = take(database, &waiting(database, &backend, &third)[0], "next", 60).unwrap();
    let failed = database.write(|tx| orders::end(tx, &held).and_then(|()| Err::<(), _>(Error::conflict("no"))));
    assert!(failed.is_err() && waiting(database, &backend, &third).len() == 1);
}

fn orders_are_told_oldest_first_with_those_that_have_no_backend(database: &Database) {
    let (backend, volume) = (unique(), unique());
    let works = [
        Work::CreateVolume { hints: Default::default(), tried: vec!["h@b#p".to_owned()], image: None },
        Work::ExtendVolume { old_size_gib: 1, new_size_gib: 3 },
    ];
    place(database, &Order { work: works[0].clone(), ..order(None, &volume) });
    place(database, &Order { work: works[1].clone(), ..order(Some(&backend), &volume) });
    place(database, &order(Some(&unique()), &volume));
    let found = waiting(database, &backend, &volume);
    let told: Vec<_> = found.iter().map(|found| (&found.order.work, found.order.backend.as_deref())).collect();
    assert_eq!(told, [(&works[0], None), (&works[1], Some(backend.as_str()))]);
    assert!(found[0].order.id < found[1].order.id);
    assert_eq!(found[0].order.requester.request_id, "req-1");
}

fn an_order_can_be_placed_given_back_and_passed_on(database: &Database) {
    let (volume, here, there) = (unique(), unique(), unique());
    place(database, &order(None, &volume));
    let held = take(database, &waiting(database, &here, &volume)[0], "me", 60).unwrap();
    let held = database.write(|tx| orders::assign(tx, held.clone(), &here)).unwrap();
    assert_eq!(held.backend.as_deref(), Some(here.as_str()));
    assert!(waiting(database, &there, &volume).is_empty(), "it has a place now");
    database.write(|tx| orders::renew(tx, "me", 60)).unwrap();
    let other = Work::DeleteVolume { cascade: true };
    database.write(|tx| orders::pass_on(tx, &held, &there, &other)).unwrap();
    assert!(waiting(database, &here, &volume).is_empty());
    let passed = &waiting(database, &there, &volume)[0];
    assert_eq!((&passed.order.work, passed.held, passed.order.attempts), (&other, false, 0));
    let held = take(database, passed, "you", 60).unwrap();
    database.write(|tx| orders::give_back(tx, &held)).unwrap();
    let given = &waiting(database, &there, &volume)[0];
    assert_eq!((given.held, given.order.attempts), (false, 0));
    take(database, given, "gone", 60).unwrap();
    assert_eq!(database.write(|tx| orders::free(tx, &there)).unwrap(), 1);
    let freed = &waiting(database, &there, &volume)[0];
    assert_eq!((freed.held, freed.order.attempts), (false, 1), "an attempt that ended in a crash counts");
}

fn a_service_registers_once_and_is_up_when_it_reports(database: &Database) {
    let host = format!("{}@file_1", unique());
    let register = |zone: &str| database.write(|tx| services::register(tx, &host, VOLUME, zone, true)).unwrap();
    let (first, second) = (register("nova"), register("far"));
    assert_eq!((first.id, &first.uuid), (second.id, &second.uuid));
    assert_eq!(second.availability_zone.as_deref(), Some("far"));
    let find = || database.read(|c| services::find(c, &host, VOLUME)).unwrap().unwrap();
    assert!(!find().is_up(Timestamp::now(), 60), "it has not reported yet");
    database.write(|tx| services::report(tx, &[first.id])).unwrap();
    assert!(find().is_up(Timestamp::now(), 60) && find().report_count == 1);
    assert!(!find().is_up(Timestamp::now().plus_seconds(100), 60));
    assert!(database.write(|tx| services::set_disabled(tx, first.id, true, Some("repairs"))).unwrap());
    assert_eq!((find().disabled, find().disabled_reason.as_deref()), (true, Some("repairs")));
    // Freezing disables too, and says so itself.
    assert!(database.write(|tx| services::set_frozen(tx, first.id, true)).unwrap());
    assert_eq!((find().disabled, find().disabled_reason.as_deref(), find().frozen), (true, Some("frozen"), true));
    let node = host.split('@').next().unwrap();
    let list = |host: &str| database.read(|c| services::list(c, Some(host), Some(VOLUME))).unwrap().len();
    // The underscore is no wildcard.
    assert_eq!((list(node), list(&host), list(&host.replace('_', "x"))), (1, 1, 0));
}

fn report(name: &str) -> Report {
    Report {
        name: name.to_owned(),
        working: true,
        total: Space::Gib(100.0),
        free: Space::Gib(80.5),
        reserved_percentage: 3,
        max_over_subscription_ratio: Some(2.0),
        thin: true,
        thick: false,
        other: vec![("volume_backend_name".to_owned(), Capability::Text("fast".to_owned()))],
    }
}

fn a_pool_is_reported_promised_and_counted_anew(database: &Database) {
    let host = format!("{}@file", unique());
    let name = format!("{host}#fast");
    let find = || {
        let all = database.read(|c| pools::list(c, 60)).unwrap();
        all.into_iter().find(|pool| pool.name == name)
    };
    let service = database.write(|tx| services::register(tx, &host, VOLUME, "far", true)).unwrap();
    database.write(|tx| pools::report(tx, &report(&name))).unwrap();
    assert!(!find().unwrap().up, "the service has not reported");
    database.write(|tx| services::report(tx, &[service.id])).unwrap();
    let pool = find().unwrap();
    assert!(pool.up && pool.enabled && pool.thin);
    assert_eq!((pool.availability_zone.as_str(), pool.free, pool.reserved_percentage), ("far", Space::Gib(80.5), 3));
    assert_eq!(pool.other, report(&name).other);
    database.write(|tx| pools::promise(tx, &name, 10, true)).unwrap();
    database.write(|tx| pools::promise(tx, &name, 5, false)).unwrap();
    let pool = find().unwrap();
    assert_eq!((pool.allocated_gib, pool.provisioned_gib, pool.free), (10.0, 15.0, Space::Gib(65.5)));
    let volume = volume(database, Some(&name), "available");
    snapshot(database, &volume, "available");
    database.write(|tx| pools::report(tx, &report(&name))).unwrap();
    let pool = find().unwrap();
    assert_eq!((pool.allocated_gib, pool.provisioned_gib, pool.free), (7.0, 14.0, Space::Gib(80.5)));
    let other = format!("{host}#other");
    database.write(|tx| pools::forget_others(tx, &host, std::slice::from_ref(&other))).unwrap();
    assert_eq!(find(), None);
}

/// A volume of 7 GiB.
fn volume(database: &Database, host: Option<&str>, status: &str) -> String {
    let id = unique();
    database
        .write(|tx| {
            let kind = tx.row("SELECT id FROM volume_types WHERE name = '__DEFAULT__'", &[], |row| row.string(0))?;
            let now = Timestamp::now();
            tx.execute(
                "INSERT INTO volumes (id, project_id, volume_type_id, size, status, host, created_at, deleted, use_quota) \
                 VALUES (?, 'p', ?, 7, ?, ?, ?, ?, ?)",
                &[(&id).into(), kind.into(), status.into(), host.into(), now.into(), false.into(), true.into()],
            )
        })
        .unwrap();
    id
}

/// A snapshot of 7 GiB.
fn snapshot(database: &Database, volume: &str, status: &str) -> String {
    let id = unique();
    database
        .write(|tx| {
            let kind =
                tx.row("SELECT volume_type_id FROM volumes WHERE id = ?", &[volume.into()], |row| row.string(0))?;
            let now = Timestamp::now();
            tx.execute(
                "INSERT INTO snapshots (id, project_id, volume_id, volume_type_id, volume_size, status, created_at, \
                 deleted, use_quota) VALUES (?, 'p', ?, ?, 7, ?, ?, ?, ?)",
                &[(&id).into(), volume.into(), kind.into(), status.into(), now.into(), false.into(), true.into()],
            )
        })
        .unwrap();
    id
}

fn objects_under_way_without_an_order_are_found(database: &Database) {
    let host = format!("{}@file_1", unique());
    let pool = format!("{host}#p");
    let calm = volume(database, Some(&pool), "available");
    let lost = volume(database, Some(&pool), "extending");
    let ordered = volume(database, Some(&pool), "deleting");
    place(database, &order(Some(&host), &ordered));
    volume(database, Some(&pool.replace('_', "x")), "creating");
    let nowhere = volume(database, None, "creating");
    let half = snapshot(database, &calm, "creating");
    snapshot(database, &ordered, "deleting");
    snapshot(database, &calm, "available");
    let found = database.read(|c| stranded::on_backend(c, &host)).unwrap();
    let told: Vec<_> = found.iter().map(|found| (found.kind, found.id.as_str(), found.status.as_str())).collect();
    assert_eq!(told, [("volume", lost.as_str(), "extending"), ("snapshot", half.as_str(), "creating")]);
    assert_eq!(found[1].volume_id, calm);
    let everywhere = database.read(stranded::everywhere).unwrap();
    assert!(everywhere.iter().any(|found| found.id == nowhere && found.host.is_none()));
}

fn residents_of_a_backend_are_told_apart_from_those_of_others(database: &Database) {
    let host = format!("{}@file", unique());
    let here = volume(database, Some(&format!("{host}#p")), "available");
    let of_it = snapshot(database, &here, "error_deleting");
    volume(database, Some(&format!("{host}2#p")), "available");
    let found = database.read(|c| census::residents(c, &host)).unwrap();
    let told: Vec<_> = found.iter().map(|found| (found.is_snapshot, found.disk_id.as_str())).collect();
    assert_eq!(told, [(false, here.as_str()), (true, of_it.as_str())]);
    let in_error = database.read(census::in_error).unwrap();
    assert!(
        in_error.iter().any(|(is_snapshot, status, count)| *is_snapshot && status == "error_deleting" && *count > 0)
    );
}

fn messages_vanish_when_their_time_is_over(database: &Database) {
    let event = Event { resource_type: "VOLUME", action: "008", detail: "012" };
    let (old, new) = (unique(), unique());
    let requester = order(None, "v").requester;
    database
        .write(|tx| {
            messages::create(tx, &requester, &old, event, -10)?;
            messages::create(tx, &requester, &new, event, 1000)
        })
        .unwrap();
    assert!(database.write(|tx| messages::remove_expired(tx)).unwrap() >= 1);
    let left = |id: &str| {
        let sql = "SELECT event_id FROM messages WHERE resource_uuid = ?";
        database.read(|c| c.row(sql, &[id.into()], |row| row.string(0))).unwrap()
    };
    assert_eq!((left(&old), left(&new).as_deref()), (None, Some("VOLUME_VOLUME_008_012")));
}
