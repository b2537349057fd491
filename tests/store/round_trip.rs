//! Every type goes in and comes out as it was, on every engine, NULL included.

use hearth::Kind;
use hearth::database::table::{
    Table, any_text, big_int, boolean, bytes, counter, int, long_text, real, text, time, time_micros,
};
use hearth::database::{Database, Engine, Options, Value};
use hearth::time::Timestamp;

use super::fixture::{self, on_every_engine};
use super::servers;

on_every_engine! {
    every_type_comes_out_as_it_went_in,
    null_comes_out_as_null_of_every_type,
    text_of_every_kind_comes_out_as_it_went_in,
    sums_and_counts_are_whole_numbers,
    a_value_of_the_wrong_type_is_an_error_and_no_panic,
    matched_rows_are_counted_whether_or_not_they_change,
    a_duplicate_is_told_apart_from_other_failures,
    many_rows_are_inserted_whole_or_not_at_all,
    an_upsert_inserts_or_changes,
    ids_grow_and_are_answered,
    what_does_not_fit_is_refused_where_the_engine_looks,
    quotes_and_backslashes_mean_the_same_in_every_mode_of_sql,
    what_nobody_has_made_yet_is_told_with_what_makes_it,
}

const EVERYTHING: Table = Table::new(
    "everything",
    "id",
    &[&[
        counter("id"),
        text("key", 255),
        long_text("long"),
        any_text("any"),
        int("binary"),
        big_int("groups"),
        real("real"),
        boolean("flag"),
        time("at"),
        time_micros("micros"),
        bytes("bytes"),
    ]],
)
.unique(&[&["key"]]);

const INSERT: &str = "INSERT INTO everything (\"key\", \"long\", \"any\", \"binary\", \"groups\", \"real\", flag, at, micros, \
     bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const SELECT: &str = "SELECT id, \"key\", \"long\", \"any\", \"binary\", \"groups\", \"real\", flag, at, micros, bytes \
     FROM everything WHERE id = ?";

fn database(engine: Engine) -> Database {
    let database = fixture::empty(engine);
    for statement in EVERYTHING.create(engine) {
        database.write(|tx| tx.execute(&statement, &[])).expect("a table");
    }
    database
}

fn every_type_comes_out_as_it_went_in(engine: Engine) {
    let database = database(engine);
    let micros = Timestamp::parse("2026-02-28T23:59:59.999999").expect("a time");
    // MariaDB and MySQL keep whole seconds in an ordinary DATETIME, and so does Cinder there.
    let at = match engine {
        Engine::Mysql => Timestamp(micros.0 - 999_999),
        Engine::Sqlite | Engine::Postgres => micros,
    };
    let blob: Vec<u8> = (0..=255).collect();
    for (int, big, real, flag) in [
        (0, 0, 0.0, false),
        (i64::from(i32::MAX), i64::MAX, f64::MAX, true),
        (i64::from(i32::MIN), i64::MIN, -1.5e-300, true),
    ] {
        let params: [Value<'_>; 10] = [
            format!("k{int}").into(),
            "l".into(),
            "a".into(),
            int.into(),
            big.into(),
            real.into(),
            flag.into(),
            at.into(),
            micros.into(),
            blob.as_slice().into(),
        ];
        let id = database.write(|tx| tx.insert_id(INSERT, &params)).expect("a row");
        let found = database.read(|c| {
            c.row(SELECT, &[id.into()], |row| {
                assert_eq!(row.text(1)?, format!("k{int}"));
                assert_eq!((row.int(4)?, row.int(5)?, row.real(6)?, row.bool(7)?), (int, big, real, flag));
                assert_eq!((row.time(8)?, row.time(9)?, row.bytes(10)?), (at, micros, blob.as_slice()));
                Ok(())
            })
        });
        assert_eq!(found.expect("a row"), Some(()));
    }
}

fn null_comes_out_as_null_of_every_type(engine: Engine) {
    let database = database(engine);
    let params: Vec<Value<'_>> = (0..10).map(|_| Value::Null).collect();
    let id = database.write(|tx| tx.insert_id(INSERT, &params)).expect("a row");
    let found = database.read(|c| {
        c.row(SELECT, &[id.into()], |row| {
            assert_eq!((row.opt_text(1)?, row.opt_string(2)?, row.opt_text(3)?), (None, None, None));
            assert_eq!((row.opt_int(4)?, row.opt_int(5)?, row.opt_real(6)?), (None, None, None));
            assert_eq!((row.opt_bool(7)?, row.opt_time(8)?, row.opt_time(9)?), (None, None, None));
            assert_eq!(row.opt_bytes(10)?, None);
            assert_eq!(row.text(1).expect_err("NULL").kind(), Kind::Internal);
            Ok(())
        })
    });
    assert_eq!(found.expect("a row"), Some(()));
}

fn text_of_every_kind_comes_out_as_it_went_in(engine: Engine) {
    let database = database(engine);
    let long = "\u{1F525}".repeat(15_000);
    let longest = "b\\'\"`\u{1F525}%_".repeat(200_000);
    for (number, key) in
        ["", "  blanks  ", "\u{1F525}\u{10FFFF}e\u{301}\u{202E}", "'; DROP TABLE x; --", "a\\b\"c`d\ne\tf"]
            .into_iter()
            .enumerate()
    {
        let params: [Value<'_>; 3] = [key.into(), (&long).into(), (&longest).into()];
        let sql = "INSERT INTO everything (\"key\", \"long\", \"any\") VALUES (?, ?, ?)";
        let id = database.write(|tx| tx.insert_id(sql, &params)).expect("a row");
        let found =
            database.read(|c| c.row(SELECT, &[id.into()], |row| Ok((row.string(1)?, row.string(2)?, row.string(3)?))));
        let (found, found_long, found_longest) = found.expect("a row").expect("a row");
        assert_eq!(found, key, "{number}");
        assert!(found_long == long && found_longest == longest, "{number}");
        let by_key = "SELECT count(*) FROM everything WHERE \"key\" = ?";
        assert_eq!(database.read(|c| c.row(by_key, &[key.into()], |row| row.int(0))).expect("a count"), Some(1));
    }
}

fn sums_and_counts_are_whole_numbers(engine: Engine) {
    let database = database(engine);
    let sums = "SELECT count(*), sum(\"binary\"), sum(\"groups\"), avg(\"binary\"), max(\"binary\"), \
                sum(CASE WHEN flag = ? THEN 1 ELSE 0 END) FROM everything";
    let none = database.read(|c| {
        c.row(sums, &[true.into()], |row| {
            Ok((row.int(0)?, row.opt_int(1)?, row.opt_int(2)?, row.opt_real(3)?, row.opt_int(4)?, row.opt_int(5)?))
        })
    });
    assert_eq!(none.expect("sums"), Some((0, None, None, None, None, None)));
    for (number, big) in [(10_000, 5_000_000_000_i64), (20_001, 40_000), (-3, -1)] {
        let sql = "INSERT INTO everything (\"binary\", \"groups\", flag) VALUES (?, ?, ?)";
        database.write(|tx| tx.execute(sql, &[number.into(), big.into(), (number > 0).into()])).expect("a row");
    }
    let some = database.read(|c| {
        c.row(sums, &[true.into()], |row| {
            let average = row.real(3)?;
            assert!((average - 9_999.333_333).abs() < 0.001, "{average}");
            Ok((row.int(0)?, row.int(1)?, row.int(2)?, row.int(4)?, row.int(5)?))
        })
    });
    assert_eq!(some.expect("sums"), Some((3, 29_998, 5_000_039_999, 20_001, 2)));
    let compared = "SELECT max(id) FROM everything HAVING sum(\"groups\") > ? AND sum(\"groups\") < ?";
    let found =
        database.read(|c| c.row(compared, &[5_000_000_000_i64.into(), 5_000_040_000_i64.into()], |row| row.int(0)));
    assert_eq!(found.expect("a comparison"), Some(3));
}

fn a_value_of_the_wrong_type_is_an_error_and_no_panic(engine: Engine) {
    let database = database(engine);
    let answer = database.read(|c| {
        c.row("SELECT 'a', 1", &[], |row| {
            assert_eq!(row.int(0).expect_err("text").kind(), Kind::Internal);
            assert_eq!(row.text(1).expect_err("a number").kind(), Kind::Internal);
            assert_eq!(row.time(0).expect_err("text").kind(), Kind::Internal);
            assert_eq!(row.text(2).expect_err("no such column").kind(), Kind::Internal);
            Ok(())
        })
    });
    assert_eq!(answer.expect("a row"), Some(()));
    for params in [vec![], vec![1.into(), 2.into()]] {
        let error = database.read(|c| c.row(SELECT, &params, |_| Ok(()))).expect_err("the wrong number of values");
        assert_eq!(error.kind(), Kind::Internal, "{error}");
    }
    assert_eq!(database.read(|c| c.execute("SELEC 1", &[])).expect_err("no SQL").kind(), Kind::Internal);
}

fn matched_rows_are_counted_whether_or_not_they_change(engine: Engine) {
    let database = database(engine);
    for _ in 0..3 {
        database.write(|tx| tx.execute("INSERT INTO everything (\"binary\") VALUES (5)", &[])).expect("a row");
    }
    let update = "UPDATE everything SET \"binary\" = ? WHERE \"binary\" = ?";
    assert_eq!(database.write(|tx| tx.execute(update, &[5.into(), 5.into()])).expect("an update"), 3);
    assert_eq!(database.write(|tx| tx.execute(update, &[5.into(), 6.into()])).expect("an update"), 0);
    assert_eq!(database.write(|tx| tx.execute("DELETE FROM everything", &[])).expect("a deletion"), 3);
}

fn a_duplicate_is_told_apart_from_other_failures(engine: Engine) {
    let database = database(engine);
    let sql = "INSERT INTO everything (\"key\") VALUES (?)";
    database.write(|tx| tx.execute(sql, &["a".into()])).expect("a row");
    let error = database.write(|tx| tx.execute(sql, &["a".into()])).expect_err("a duplicate");
    assert_eq!(error.kind(), Kind::Duplicate, "{error}");
    let present = database.write(|tx| {
        let present = tx.insert_if_absent(sql, &["a".into()])?;
        let absent = tx.insert_if_absent(sql, &["b".into()])?;
        Ok((present, absent))
    });
    assert_eq!(present.expect("no failure"), (false, true));
    let error = database.write(|tx| tx.execute("INSERT INTO missing VALUES (1)", &[])).expect_err("no table");
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
}

fn many_rows_are_inserted_whole_or_not_at_all(engine: Engine) {
    let database = database(engine);
    let start = "INSERT INTO everything (\"key\", \"groups\") VALUES ";
    let insert = |from: i32, end: i32| {
        let row = |n: i32| [Value::from(n.to_string()), Value::Int(n.into())];
        database.write(|tx| tx.insert_rows(start, "", (from..end).map(row)))
    };
    for (from, end) in [(0, 0), (0, 1), (1, 351), (351, 374)] {
        insert(from, end).expect("rows");
    }
    assert_eq!(insert(370, 380).expect_err("some are there").kind(), Kind::Duplicate);
    let sums = "SELECT count(*), COALESCE(SUM(\"groups\"), 0) FROM everything";
    let found = database.read(|c| c.row(sums, &[], |row| Ok((row.int(0)?, row.int(1)?))));
    assert_eq!(found.expect("an answer"), Some((374, 374 * 373 / 2)));
}

fn an_upsert_inserts_or_changes(engine: Engine) {
    let database = database(engine);
    let sql = "INSERT INTO everything (\"key\", \"binary\", \"groups\") VALUES (?, ?, ?) ON CONFLICT (\"key\") DO UPDATE \
               SET \"binary\" = excluded.\"binary\", \"groups\" = everything.\"groups\" + excluded.\"groups\"";
    for number in 1..=3 {
        database.write(|tx| tx.execute(sql, &["a".into(), number.into(), number.into()])).expect("an upsert");
    }
    let found = database
        .read(|c| c.rows("SELECT \"binary\", \"groups\" FROM everything", &[], |row| Ok((row.int(0)?, row.int(1)?))));
    assert_eq!(found.expect("rows"), [(3, 6)]);
}

fn ids_grow_and_are_answered(engine: Engine) {
    let database = database(engine);
    let sql = "INSERT INTO everything (flag) VALUES (?)";
    let ids =
        database.write(|tx| (0..3).map(|_| tx.insert_id(sql, &[true.into()])).collect::<hearth::Result<Vec<_>>>());
    assert_eq!(ids.expect("ids"), [1, 2, 3]);
    database.write(|tx| tx.execute("DELETE FROM everything", &[])).expect("a deletion");
    assert_eq!(database.write(|tx| tx.insert_id(sql, &[true.into()])).expect("an id"), 4);
}

fn what_does_not_fit_is_refused_where_the_engine_looks(engine: Engine) {
    let database = database(engine);
    let sql = "INSERT INTO everything (\"key\") VALUES (?)";
    let outcome = database.write(|tx| tx.execute(sql, &["x".repeat(256).into()]));
    match engine {
        Engine::Sqlite => assert_eq!(outcome.expect("SQLite takes text of any length"), 1),
        Engine::Mysql | Engine::Postgres => assert_eq!(outcome.expect_err("too long").kind(), Kind::Invalid),
    }
}

fn quotes_and_backslashes_mean_the_same_in_every_mode_of_sql(engine: Engine) {
    let url = servers::empty_database(engine);
    for mode in ["TRADITIONAL", "ANSI,STRICT_ALL_TABLES", ""] {
        let options = Options { mysql_sql_mode: mode.to_owned(), create: true, ..Options::default() };
        let database = Database::open(&url, options).expect("a database");
        let answer = database.read(|c| c.row("SELECT '\\' AS \"key\"", &[], |row| row.string(0)));
        assert_eq!(answer.expect("a row").as_deref(), Some("\\"), "{mode}");
    }
    let options = Options { mysql_sql_mode: "x'; DROP TABLE t".to_owned(), create: true, ..Options::default() };
    let answer = Database::open(&url, options).expect("a database").read(|c| c.row("SELECT 1", &[], |row| row.int(0)));
    match engine {
        Engine::Mysql => assert_eq!(answer.expect_err("no mode").kind(), Kind::Unavailable),
        Engine::Sqlite | Engine::Postgres => assert_eq!(answer.expect("a row"), Some(1)),
    }
}

fn what_nobody_has_made_yet_is_told_with_what_makes_it(engine: Engine) {
    let database = database(engine);
    for sql in ["SELECT id FROM absent", "SELECT absent FROM everything"] {
        let error = database.read(|c| c.execute(sql, &[])).expect_err("it is missing");
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        assert!(error.to_string().contains("'hearth db sync'"), "{error}");
    }
}
