//! Moves between statuses: allowed for one of all who ask, and ended where they began.

use std::sync::Barrier;

use hearth::database::transition::{self, Allowed, End, Move, Object};
use hearth::database::{Connection, Database, Value};
use hearth::time::Timestamp;

use super::fixture::{on_every_schema, unique};

on_every_schema! {
    a_move_happens_for_one_of_all_who_ask,
    a_move_is_refused_by_status_guard_or_absence_and_changes_nothing,
    a_move_may_lead_elsewhere_from_some_statuses,
    a_move_that_is_worked_on_has_a_row_in_workers_until_it_ends,
    an_object_that_was_reset_meanwhile_is_left_where_it_is,
    what_ends_is_marked_as_deleted,
}

fn volume(database: &Database, status: &str) -> String {
    let id = unique();
    let sql = "INSERT INTO volumes (id, volume_type_id, status, attach_status, size, deleted, use_quota) \
               VALUES (?, 't', ?, 'detached', 1, ?, ?)";
    let params = [(&id).into(), status.into(), false.into(), true.into()];
    database.write(|tx| tx.execute(sql, &params)).expect("a volume");
    id
}

fn object(id: &str) -> Object<'_> {
    Object { table: "volumes", worker: "Volume", id }
}

fn extend<'a>(columns: &'a [(&'a str, Value<'a>)]) -> Move<'a> {
    Move {
        from: Allowed::Only(vec!["available", "in-use"]),
        to: Some("extending"),
        instead: Vec::new(),
        guards: vec!["attach_status = 'detached'"],
        columns,
        worked_on: true,
    }
}

/// Status, size, and whether the row was marked as deleted with a time.
fn state(database: &Database, id: &str) -> (String, i64, bool) {
    let sql = "SELECT status, size, deleted, deleted_at FROM volumes WHERE id = ?";
    let read = |c: &mut Connection| {
        c.row(sql, &[id.into()], |row| {
            let deleted = row.bool(2)?;
            assert_eq!(deleted, row.opt_time(3)?.is_some());
            Ok((row.string(0)?, row.int(1)?, deleted))
        })
    };
    database.read(read).expect("a state").expect("a volume")
}

/// The status that `workers` names for the volume.
fn worked_on(database: &Database, id: &str) -> Vec<String> {
    let sql = "SELECT status FROM workers WHERE resource_type = 'Volume' AND resource_id = ?";
    database.read(|c| c.rows(sql, &[id.into()], |row| row.string(0))).expect("workers")
}

fn a_move_happens_for_one_of_all_who_ask(database: &Database) {
    for _ in 0..5 {
        let id = volume(database, "available");
        let together = Barrier::new(5);
        let ask = || {
            together.wait();
            let columns = [("size", Value::from(2))];
            database.write(|tx| transition::begin(tx, object(&id), &extend(&columns))).expect("an answer")
        };
        let moved: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..5).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| usize::from(thread.join().expect("a thread"))).sum()
        });
        assert_eq!(moved, 1);
        assert_eq!(state(database, &id), ("extending".to_owned(), 2, false));
    }
}

fn a_move_is_refused_by_status_guard_or_absence_and_changes_nothing(database: &Database) {
    let begin =
        |id: &str, step: &Move<'_>| database.write(|tx| transition::begin(tx, object(id), step)).expect("an answer");
    let columns = [("size", Value::from(9))];
    let busy = volume(database, "deleting");
    assert!(!begin(&busy, &extend(&columns)));
    assert_eq!(state(database, &busy), ("deleting".to_owned(), 1, false));
    let free = volume(database, "available");
    assert!(!begin(&free, &Move { guards: vec!["size > 1"], ..extend(&columns) }));
    assert!(!begin(&free, &Move { from: Allowed::Only(Vec::new()), ..extend(&columns) }));
    assert!(!begin(&free, &Move { from: Allowed::Except(vec!["available"]), ..extend(&columns) }));
    assert_eq!(state(database, &free), ("available".to_owned(), 1, false));
    assert!(!begin(&unique(), &Move { from: Allowed::Any, guards: Vec::new(), ..extend(&columns) }));
    assert_eq!(worked_on(database, &free), Vec::<String>::new());
    assert!(begin(&free, &Move { from: Allowed::Except(vec!["deleting"]), to: None, ..extend(&columns) }));
    assert_eq!(state(database, &free), ("available".to_owned(), 9, false));
}

fn a_move_may_lead_elsewhere_from_some_statuses(database: &Database) {
    let step = Move { instead: vec![("in-use", "reserved")], ..extend(&[]) };
    for (from, to) in [("available", "extending"), ("in-use", "reserved")] {
        let id = volume(database, from);
        assert!(database.write(|tx| transition::begin(tx, object(&id), &step)).expect("an answer"));
        assert_eq!(state(database, &id).0, to);
    }
}

fn a_move_that_is_worked_on_has_a_row_in_workers_until_it_ends(database: &Database) {
    let id = volume(database, "available");
    assert!(database.write(|tx| transition::begin(tx, object(&id), &extend(&[]))).expect("an answer"));
    assert_eq!(worked_on(database, &id), ["extending"]);
    // The same again, as after a crash between the two transactions of a service.
    database.write(|tx| transition::work_begins(tx, "Volume", &id, "extending")).expect("noted");
    assert_eq!(worked_on(database, &id), ["extending"]);
    let columns = [("size", Value::from(5))];
    let ended = database
        .write(|tx| transition::finish(tx, object(&id), &["extending"], End::Status("available"), &columns))
        .expect("an answer");
    assert!(ended);
    assert_eq!((state(database, &id), worked_on(database, &id)), (("available".to_owned(), 5, false), Vec::new()));
}

fn an_object_that_was_reset_meanwhile_is_left_where_it_is(database: &Database) {
    let id = volume(database, "available");
    assert!(database.write(|tx| transition::begin(tx, object(&id), &extend(&[]))).expect("an answer"));
    database
        .write(|tx| tx.execute("UPDATE volumes SET status = 'error' WHERE id = ?", &[(&id).into()]))
        .expect("a reset");
    let columns = [("size", Value::from(5))];
    let ended = database
        .write(|tx| transition::finish(tx, object(&id), &["extending"], End::Status("available"), &columns))
        .expect("an answer");
    assert!(!ended);
    assert_eq!((state(database, &id), worked_on(database, &id)), (("error".to_owned(), 1, false), Vec::new()));
}

fn what_ends_is_marked_as_deleted(database: &Database) {
    let id = volume(database, "deleting");
    let before = Timestamp::now().plus_seconds(-2);
    let ended =
        database.write(|tx| transition::finish(tx, object(&id), &["deleting"], End::Deleted, &[])).expect("an answer");
    assert!(ended);
    assert_eq!(state(database, &id), ("deleted".to_owned(), 1, true));
    let at = database
        .read(|c| c.row("SELECT deleted_at FROM volumes WHERE id = ?", &[(&id).into()], |row| row.time(0)))
        .expect("a time");
    assert!(at.is_some_and(|at| at > before));
    let again = database.write(|tx| transition::finish(tx, object(&id), &["deleted"], End::Status("available"), &[]));
    assert!(!again.expect("an answer"), "what ended does not come back");
}
