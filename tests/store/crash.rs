//! What is left after a process was killed in the middle of its work, and after a server was restarted.

use std::sync::Barrier;

use hearth::Kind;
use hearth::database::{Database, Engine, Options};

use super::child::Process;
use super::fixture::{self, on_every_engine};
use super::servers::{self, Server};

on_every_engine! {
    a_killed_writer_leaves_whole_transactions_and_all_that_it_was_told_of,
}

mod mariadb_restart {
    #[test]
    fn connections_that_a_restart_broke_are_replaced() {
        super::connections_that_a_restart_broke_are_replaced(hearth::database::Engine::Mysql);
    }
}

mod postgresql_restart {
    #[test]
    fn connections_that_a_restart_broke_are_replaced() {
        super::connections_that_a_restart_broke_are_replaced(hearth::database::Engine::Postgres);
    }
}

fn a_killed_writer_leaves_whole_transactions_and_all_that_it_was_told_of(engine: Engine) {
    let url = servers::empty_database(engine);
    let database = fixture::open(&url);
    database
        .write(|tx| {
            let sql = "CREATE TABLE pairs (number INTEGER NOT NULL, half INTEGER NOT NULL, PRIMARY KEY (number, half))";
            tx.execute(sql, &[])
        })
        .expect("a table");
    for round in 0..5 {
        let mut writer = Process::start("writes_pairs", &url, round);
        let told: Vec<i64> = writer.said().take(10 + round).collect();
        writer.kill();
        let last = writer.said().last().or(told.last().copied()).expect("the writer said something");
        drop(writer);
        let first = told[0];
        // The server may be at the killed process's last statement still: it ends before the next writer begins.
        let sql = "SELECT number, count(*) FROM pairs WHERE number >= ? GROUP BY number ORDER BY number";
        let found = database.write(|tx| {
            let params = [first.into()];
            tx.rows(sql, &params, |row| Ok((row.int(0)?, row.int(1)?)))
        });
        let found = found.expect("pairs");
        assert!(found.iter().all(|(_, halves)| *halves == 2), "half a transaction: {found:?}");
        assert!(found.len() as i64 > last - first, "what was acknowledged is gone: {found:?} up to {last}");
    }
}

fn connections_that_a_restart_broke_are_replaced(engine: Engine) {
    let mut server = Server::start(engine);
    let url = server.create("restart");
    let database = Database::open(&url, Options::default()).expect("a database");
    database.write(|tx| tx.execute("CREATE TABLE t (a INTEGER)", &[])).expect("a table");
    // Four connections at once, so that the pool holds broken ones too.
    let together = Barrier::new(4);
    let all_at_once = || {
        std::thread::scope(|scope| {
            let read = || {
                let mut met = false;
                database.read(|c| {
                    let one = c.row("SELECT 1", &[], |row| row.int(0))?;
                    if !std::mem::replace(&mut met, true) {
                        together.wait();
                    }
                    Ok(one)
                })
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).collect::<Vec<_>>()
        })
    };
    for answer in all_at_once() {
        assert_eq!(answer.expect("an answer"), Some(1));
    }
    server.restart();
    for answer in all_at_once() {
        assert_eq!(answer.expect("an answer in spite of the restart"), Some(1));
    }
    server.restart();
    for number in 0..4 {
        let insert = "INSERT INTO t (a) VALUES (?)";
        assert_eq!(database.write(|tx| tx.execute(insert, &[number.into()])).expect("a row"), 1);
    }
    server.halt();
    let error = database.read(|c| c.row("SELECT 1", &[], |row| row.int(0))).expect_err("no server");
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    server.resume();
    let rows = database.read(|c| c.row("SELECT count(*) FROM t", &[], |row| row.int(0)));
    assert_eq!(rows.expect("a count"), Some(4));
}
