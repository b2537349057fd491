//! Work orders: each to one taker, per object in order, held by leases.

use std::collections::BTreeSet;

use hearth::database::orders::{self, Order, Taken, Watch};
use hearth::database::{Database, Engine, migrate};

use super::child::Process;
use super::fixture::{self, on_every_engine};
use super::servers;

on_every_engine! {
    orders_on_one_object_are_taken_one_after_the_other,
    an_order_waits_for_its_role_and_its_host,
    a_lease_that_ran_out_lets_another_take_the_order_with_what_is_known,
    a_lost_lease_neither_finishes_nor_renews,
    a_failed_order_comes_back_when_it_is_time,
    a_role_that_starts_takes_back_what_it_held_before,
    many_processes_take_each_order_once,
    an_order_vanishes_with_the_transaction_that_placed_it,
    a_watch_tells_of_every_commit,
    taking_nothing_looks_at_an_index,
}

fn database(engine: Engine) -> (String, Database) {
    let url = servers::empty_database(engine);
    let database = fixture::open(&url);
    migrate::sync(&database, &fixture::WANTED).expect("the tables are made");
    (url, database)
}

fn place(database: &Database, kind: &str, object: &str) -> i64 {
    let order =
        Order { role: "volume", host: "host", kind, object_type: "volume", object_id: object, payload: "{\"a\":1}" };
    database.write(|tx| orders::place(tx, &order)).expect("an order")
}

fn take(database: &Database, owner: &str, most: u32) -> Vec<Taken> {
    orders::take(database, "volume", "host", owner, 60, most).expect("orders")
}

fn kinds(taken: &[Taken]) -> Vec<&str> {
    taken.iter().map(|order| order.kind.as_str()).collect()
}

fn orders_on_one_object_are_taken_one_after_the_other(engine: Engine) {
    let (_, database) = database(engine);
    for (kind, object) in [("create", "a"), ("extend", "a"), ("create", "b"), ("delete", "a")] {
        place(&database, kind, object);
    }
    let first = take(&database, "me", 10);
    assert_eq!(kinds(&first), ["create", "create"]);
    assert_eq!((first[0].object_id.as_str(), first[0].payload.as_str(), first[0].attempts), ("a", "{\"a\":1}", 1));
    assert_eq!(take(&database, "you", 10), []);
    assert!(database.write(|tx| orders::finish(tx, &first[0])).expect("an end"));
    let second = take(&database, "you", 10);
    assert_eq!(kinds(&second), ["extend"]);
    assert!(database.write(|tx| orders::finish(tx, &second[0])).expect("an end"));
    assert_eq!(kinds(&take(&database, "me", 10)), ["delete"]);
}

fn an_order_waits_for_its_role_and_its_host(engine: Engine) {
    let (_, database) = database(engine);
    for (role, host, object) in
        [("volume", "host", "a"), ("volume", "other", "b"), ("backup", "host", "c"), ("volume", "", "d")]
    {
        let order = Order { role, host, kind: "k", object_type: "volume", object_id: object, payload: "" };
        database.write(|tx| orders::place(tx, &order)).expect("an order");
    }
    let taken = take(&database, "me", 10);
    assert_eq!(taken.iter().map(|order| order.object_id.as_str()).collect::<Vec<_>>(), ["a", "d"]);
    let waiting = database.read(orders::waiting).expect("counts");
    let counts: Vec<_> = waiting.iter().map(|(role, host, rows, _)| (role.as_str(), host.as_str(), *rows)).collect();
    assert_eq!(counts, [("backup", "host", 1), ("volume", "", 1), ("volume", "host", 1), ("volume", "other", 1)]);
}

fn a_lease_that_ran_out_lets_another_take_the_order_with_what_is_known(engine: Engine) {
    let (_, database) = database(engine);
    let id = place(&database, "create", "a");
    // A lease into the past: it has run out as soon as it is given.
    let lost = orders::take(&database, "volume", "host", "dead", -1, 1).expect("orders").remove(0);
    assert!(database.write(|tx| orders::note(tx, &lost, "made the file")).expect("a note"));
    let again = take(&database, "alive", 1).remove(0);
    assert_eq!((again.id, again.attempts, again.progress.as_deref()), (id, 2, Some("made the file")));
}

fn a_lost_lease_neither_finishes_nor_renews(engine: Engine) {
    let (_, database) = database(engine);
    place(&database, "create", "a");
    let lost = orders::take(&database, "volume", "host", "slow", -1, 1).expect("orders").remove(0);
    let held = take(&database, "quick", 1).remove(0);
    assert!(!orders::renew(&database, &lost, 60).expect("an answer"));
    assert!(!database.write(|tx| orders::finish(tx, &lost)).expect("an answer"));
    assert!(!database.write(|tx| orders::fail(tx, &lost, "late", 0)).expect("an answer"));
    assert!(orders::renew(&database, &held, 60).expect("an answer"));
    assert!(database.write(|tx| orders::finish(tx, &held)).expect("an answer"));
    assert!(!database.write(|tx| orders::finish(tx, &held)).expect("an answer"));
}

fn a_failed_order_comes_back_when_it_is_time(engine: Engine) {
    let (_, database) = database(engine);
    place(&database, "create", "a");
    let first = take(&database, "me", 1).remove(0);
    assert!(database.write(|tx| orders::fail(tx, &first, "no space", 3600)).expect("an answer"));
    assert_eq!(take(&database, "me", 1), []);
    place(&database, "delete", "b");
    let other = take(&database, "me", 1).remove(0);
    assert!(database.write(|tx| orders::fail(tx, &other, "no network", -1)).expect("an answer"));
    let again = take(&database, "me", 1).remove(0);
    assert_eq!((again.id, again.attempts, again.last_error.as_deref()), (other.id, 2, Some("no network")));
}

fn a_role_that_starts_takes_back_what_it_held_before(engine: Engine) {
    let (_, database) = database(engine);
    place(&database, "create", "a");
    assert_eq!(take(&database, "before the crash", 1).len(), 1);
    assert_eq!(take(&database, "after it", 1), []);
    assert_eq!(orders::release(&database, "volume", "another").expect("an answer"), 0);
    assert_eq!(orders::release(&database, "volume", "host").expect("an answer"), 1);
    assert_eq!(take(&database, "after it", 1)[0].attempts, 2);
}

fn many_processes_take_each_order_once(engine: Engine) {
    let (url, database) = database(engine);
    let placed: BTreeSet<i64> =
        (0..60).map(|number| place(&database, "create", &format!("object {}", number % 20))).collect();
    let mut takers: Vec<Process> = (0..4).map(|number| Process::start("takes_orders", &url, number)).collect();
    let said: Vec<i64> = takers.iter_mut().flat_map(|taker| taker.said().collect::<Vec<_>>()).collect();
    assert!(takers.into_iter().all(Process::ends_well));
    assert_eq!(said.len(), placed.len(), "an order was taken twice: {said:?}");
    assert_eq!(said.into_iter().collect::<BTreeSet<_>>(), placed);
}

fn an_order_vanishes_with_the_transaction_that_placed_it(engine: Engine) {
    let (_, database) = database(engine);
    let refused: hearth::Result<()> = database.write(|tx| {
        let order = Order { role: "volume", host: "host", kind: "k", object_type: "v", object_id: "a", payload: "" };
        orders::place(tx, &order)?;
        Err(hearth::Error::conflict("no"))
    });
    assert!(refused.is_err());
    assert_eq!(take(&database, "me", 10), []);
}

fn a_watch_tells_of_every_commit(engine: Engine) {
    let (url, database) = database(engine);
    let mut watch = Watch::on(&database).expect("a watch");
    assert!(watch.changed().expect("an answer"), "the first answer is yes");
    if engine == Engine::Sqlite {
        assert!(!watch.changed().expect("an answer"));
    }
    place(&database, "create", "a");
    assert!(watch.changed().expect("an answer"), "a commit of this process");
    place(&fixture::open(&url), "create", "a");
    assert!(watch.changed().expect("an answer"), "a commit of another connection");
}

fn taking_nothing_looks_at_an_index(engine: Engine) {
    let (_, database) = database(engine);
    for number in 0..300 {
        let object = format!("object {number}");
        let order = Order { role: "other", host: "host", kind: "k", object_type: "v", object_id: &object, payload: "" };
        database.write(|tx| orders::place(tx, &order)).expect("an order");
    }
    let plan = super::plan::of(
        &database,
        "hearth_orders",
        orders::READY,
        &["volume".into(), "host".into(), hearth::time::Timestamp::now().into(), 1.into()],
    );
    assert!(plan.contains("hearth_orders_taker"), "{plan}");
}
