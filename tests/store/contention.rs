//! Transactions that get in each other's way: threads, processes, deadlocks, long waits. No caller sees any of it.

use std::sync::mpsc;
use std::time::Duration;

use hearth::database::{Database, Engine, Options};
use hearth::{Error, Kind};

use super::child::{ACCOUNTS, Process, TRANSFERS, pair, transfer};
use super::fixture::{self, on_every_engine};
use super::servers;

on_every_engine! {
    a_deadlock_of_two_threads_is_tried_again,
    threads_that_cross_each_other_all_succeed,
    processes_that_cross_each_other_all_succeed,
    processes_that_reconnect_for_each_transaction_all_succeed,
    a_writer_waits_longer_than_one_lock_timeout,
    a_database_that_stays_locked_is_unavailable_after_the_time_to_retry,
    a_statement_that_runs_too_long_is_broken_off_and_the_connection_serves_on,
    a_panic_in_a_transaction_leaves_nothing_and_no_lock,
}

/// A database with accounts of balance 0; its URL.
fn accounts(engine: Engine) -> (String, Database) {
    let url = servers::empty_database(engine);
    let database = fixture::open(&url);
    database
        .write(|tx| {
            tx.execute("CREATE TABLE accounts (id INTEGER NOT NULL PRIMARY KEY, balance INTEGER NOT NULL)", &[])?;
            for id in 0..ACCOUNTS {
                tx.execute("INSERT INTO accounts (id, balance) VALUES (?, 0)", &[id.into()])?;
            }
            Ok(())
        })
        .expect("accounts");
    (url, database)
}

fn balances(database: &Database) -> Vec<i64> {
    let sql = "SELECT balance FROM accounts ORDER BY id";
    database.read(|c| c.rows(sql, &[], |row| row.int(0))).expect("balances")
}

/// The balances after `makers` have each made all their transfers.
fn expected(makers: i64) -> Vec<i64> {
    let mut all = vec![0; usize::try_from(ACCOUNTS).expect("a few accounts")];
    for maker in 0..makers {
        for at in 0..TRANSFERS {
            let (from, to) = pair(maker, at);
            all[usize::try_from(from).expect("an account")] -= 1;
            all[usize::try_from(to).expect("an account")] += 1;
        }
    }
    all
}

fn a_deadlock_of_two_threads_is_tried_again(engine: Engine) {
    let (_, database) = accounts(engine);
    let (to_first, from_second) = mpsc::channel();
    let (to_second, from_first) = mpsc::channel();
    let add = |id: i64, other: i64, tell: mpsc::Sender<()>, heard: mpsc::Receiver<()>| {
        let mut attempts = 0;
        database
            .write(|tx| {
                attempts += 1;
                let sql = "UPDATE accounts SET balance = balance + 1 WHERE id = ?";
                tx.execute(sql, &[id.into()])?;
                // Each holds its row before it asks for the other's. Where there is one writer at a time, the other
                // can not come here, and the wait ends without it.
                let _ = tell.send(());
                if attempts == 1 {
                    let _ = heard.recv_timeout(Duration::from_millis(500));
                }
                tx.execute(sql, &[other.into()])
            })
            .expect("a transaction");
        attempts
    };
    let attempts = std::thread::scope(|scope| {
        let first = scope.spawn(|| add(0, 1, to_second, from_second));
        let second = scope.spawn(|| add(1, 0, to_first, from_first));
        first.join().expect("a thread") + second.join().expect("a thread")
    });
    assert_eq!(balances(&database)[..2], [2, 2]);
    match engine {
        Engine::Sqlite => assert_eq!(attempts, 2, "one writer at a time knows no deadlock"),
        Engine::Mysql | Engine::Postgres => assert!(attempts > 2, "there was no deadlock"),
    }
}

fn threads_that_cross_each_other_all_succeed(engine: Engine) {
    let (_, database) = accounts(engine);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let database = &database;
            scope.spawn(move || {
                for at in 0..TRANSFERS {
                    let (from, to) = pair(number, at);
                    database.write(|tx| transfer(tx, from, to)).expect("a transfer");
                }
            });
        }
    });
    assert_eq!(balances(&database), expected(6));
}

fn run_children(engine: Engine, role: &str) {
    let (url, database) = accounts(engine);
    let children: Vec<Process> = (0..6).map(|number| Process::start(role, &url, number)).collect();
    for child in children {
        assert!(child.ends_well());
    }
    assert_eq!(balances(&database), expected(6));
}

fn processes_that_cross_each_other_all_succeed(engine: Engine) {
    run_children(engine, "transfers");
}

fn processes_that_reconnect_for_each_transaction_all_succeed(engine: Engine) {
    run_children(engine, "transfers_and_reconnects");
}

/// Runs `meanwhile` while another connection holds the lock of account 0, until a message or `hold` has passed.
fn while_locked<T: Send>(url: &str, hold: Duration, meanwhile: impl FnOnce() -> T + Send) -> T {
    let holder = fixture::open(url);
    let (locked, is_locked) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            holder
                .write(|tx| {
                    tx.execute("UPDATE accounts SET balance = 5 WHERE id = 0", &[])?;
                    locked.send(()).map_err(Error::internal)?;
                    let _ = is_done.recv_timeout(hold);
                    Ok(())
                })
                .expect("the holder commits");
        });
        is_locked.recv().expect("the lock is held");
        let outcome = meanwhile();
        let _ = done.send(());
        outcome
    })
}

fn a_writer_waits_longer_than_one_lock_timeout(engine: Engine) {
    let (url, _) = accounts(engine);
    let options = Options { lock_timeout: Duration::from_millis(100), ..Options::default() };
    let impatient = Database::open(&url, options).expect("a database");
    let sql = "UPDATE accounts SET balance = balance + 1 WHERE id = 0";
    let changed = while_locked(&url, Duration::from_millis(1500), || impatient.write(|tx| tx.execute(sql, &[])));
    assert_eq!(changed.expect("an update"), 1);
    assert_eq!(balances(&impatient)[0], 6);
}

fn a_database_that_stays_locked_is_unavailable_after_the_time_to_retry(engine: Engine) {
    let (url, _) = accounts(engine);
    let (lock_timeout, retry_for) = (Duration::from_millis(50), Duration::from_millis(100));
    let options = Options { lock_timeout, retry_for, ..Options::default() };
    let impatient = Database::open(&url, options).expect("a database");
    let sql = "UPDATE accounts SET balance = 7 WHERE id = 0";
    let error = while_locked(&url, Duration::from_secs(60), || impatient.write(|tx| tx.execute(sql, &[])));
    assert_eq!(error.expect_err("the lock is held").kind(), Kind::Unavailable);
    assert_eq!(balances(&impatient)[0], 5);
}

fn a_statement_that_runs_too_long_is_broken_off_and_the_connection_serves_on(engine: Engine) {
    let url = servers::empty_database(engine);
    let options = Options { statement_timeout: Duration::from_millis(300), create: true, ..Options::default() };
    let database = Database::open(&url, options).expect("a database");
    let endless = match engine {
        Engine::Sqlite | Engine::Postgres => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"
        }
        Engine::Mysql => {
            "SELECT count(*) FROM information_schema.columns a, information_schema.columns b, \
             information_schema.columns c WHERE a.column_name <> CONCAT(b.column_name, c.column_name)"
        }
    };
    let error = database.read(|c| c.row(endless, &[], |row| row.int(0))).expect_err("too slow");
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert_eq!(database.read(|c| c.row("SELECT 1", &[], |row| row.int(0))).expect("the next"), Some(1));
}

fn a_panic_in_a_transaction_leaves_nothing_and_no_lock(engine: Engine) {
    let (_, database) = accounts(engine);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        database.write(|tx| -> hearth::Result<()> {
            tx.execute("UPDATE accounts SET balance = 9 WHERE id = 0", &[])?;
            panic!("on purpose");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(balances(&database)[0], 0);
    database.write(|tx| transfer(tx, 0, 1)).expect("a transfer");
    assert_eq!(balances(&database)[..2], [-1, 1]);
}
