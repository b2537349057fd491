//! What the database layer costs beside the bare drivers, on each engine: 1,000 rows of 12 cells each through `Row`; the
//! way from nothing to the first row, as CGI goes it; and a page of a project with 1,000 and with 1,000,000 volumes.
//! Prints tables and writes `target/bench/database.json`; each pair is measured in turns, so that other load falls on both.

use std::time::{Duration, Instant};

use hearth::database::select::{Key, Select};
use hearth::database::{Database, Engine, Options, migrate, orders};
use mysql::prelude::Queryable;
use postgres::fallible_iterator::FallibleIterator;

#[path = "../tests/support/servers.rs"]
mod servers;

const ROUNDS: usize = 200;
const COLUMNS: &str = "id, project_id, display_name, display_description, size, status, host, created_at, updated_at, \
     deleted, bootable, volume_type_id";

fn main() {
    // `cargo test --benches` only asks whether this still builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut figures = serde_json::Map::new();
    println!("1,000 rows of 12 cells, medians of {ROUNDS} in turns\n");
    println!("{:<20} {:>14} {:>14} {:>8}", "", "bare, µs", "Row, µs", "ratio");
    for engine in servers::ENGINES {
        let url = servers::empty_database(engine);
        let database = filled(&url, 1_000);
        let (bare, ours) = match engine {
            Engine::Sqlite => in_turns(&mut sqlite(&url), &mut || rows(&database)),
            Engine::Mysql => in_turns(&mut mariadb(&url), &mut || rows(&database)),
            Engine::Postgres => in_turns(&mut postgresql(&url), &mut || rows(&database)),
        };
        show(engine.name(), bare, ours);
        figures.insert(format!("rows, {}", engine.name()), pair(bare, ours));
    }
    println!("\nFrom nothing to the first row of an existing file of SQLite\n");
    let url = servers::empty_database(Engine::Sqlite);
    drop(filled(&url, 1_000));
    let file = url.trim_start_matches("sqlite:///").to_owned();
    let mut bare = || {
        let connection = rusqlite::Connection::open(&file).unwrap();
        usize::try_from(connection.query_row("SELECT count(*) FROM services", [], |row| row.get::<_, i64>(0)).unwrap())
            .unwrap()
    };
    let mut ours = || {
        let database = Database::open(&url, Options::default()).unwrap();
        let first = database.read(|c| c.row("SELECT count(*) FROM services", &[], |row| row.int(0)));
        usize::try_from(first.unwrap().unwrap()).unwrap()
    };
    let (bare, ours) = in_turns(&mut bare, &mut ours);
    show("SQLite", bare, ours);
    figures.insert("first row, SQLite".to_owned(), pair(bare, ours));
    println!("\nA page of 100 of one project, newest first, beginning in the middle\n");
    println!("{:<20} {:>14} {:>14} {:>8}", "", "of 1,000, µs", "of 1 M, µs", "ratio");
    for engine in servers::ENGINES {
        let [mut small, mut large] = [1_000, 1_000_000].map(|volumes| {
            let database = filled(&servers::empty_database(engine), volumes);
            move || page(&database, volumes / 2)
        });
        let (small, large) = in_turns(&mut small, &mut large);
        show(engine.name(), small, large);
        figures.insert(format!("page of 1,000 and of 1,000,000, {}", engine.name()), pair(small, large));
    }
    std::fs::create_dir_all("target/bench").unwrap();
    std::fs::write("target/bench/database.json", serde_json::to_string_pretty(&figures).unwrap()).unwrap();
}

fn pair(one: Duration, other: Duration) -> serde_json::Value {
    serde_json::json!({"first_us": one.as_secs_f64() * 1e6, "second_us": other.as_secs_f64() * 1e6})
}

fn show(name: &str, one: Duration, other: Duration) {
    let ratio = other.as_secs_f64() / one.as_secs_f64();
    println!("{name:<20} {:>14.1} {:>14.1} {ratio:>8.2}", one.as_secs_f64() * 1e6, other.as_secs_f64() * 1e6);
}

/// The medians of two, measured in turns. They must agree on what they read.
fn in_turns(one: &mut dyn FnMut() -> usize, other: &mut dyn FnMut() -> usize) -> (Duration, Duration) {
    let timed = |run: &mut dyn FnMut() -> usize| {
        let started = Instant::now();
        let read = run();
        (started.elapsed(), read)
    };
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (one, other) = (timed(one), timed(other));
        assert_eq!(one.1, other.1, "both read the same");
        times.0.push(one.0);
        times.1.push(other.0);
    }
    times.0.sort_unstable();
    times.1.sort_unstable();
    (times.0[ROUNDS / 2], times.1[ROUNDS / 2])
}

/// A database with so many volumes of one project.
fn filled(url: &str, volumes: i64) -> Database {
    let statement_timeout = Duration::from_secs(600);
    let database = Database::open(url, Options { create: true, statement_timeout, ..Options::default() }).unwrap();
    migrate::sync(&database, &migrate::Wanted { cinder: true, components: &[&orders::PLATFORM] }).unwrap();
    let digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
                  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let number = "(a.d + 10 * b.d + 100 * c.d + ?)";
    let (id, time) = match database.engine() {
        Engine::Sqlite => {
            (format!("printf('%036d', {number})"), format!("datetime({number}, 'unixepoch') || '.000000'"))
        }
        Engine::Mysql => (format!("LPAD({number}, 36, '0')"), format!("FROM_UNIXTIME({number})")),
        Engine::Postgres => {
            (format!("LPAD({number}::text, 36, '0')"), format!("TO_TIMESTAMP({number}) AT TIME ZONE 'UTC'"))
        }
    };
    let sql = format!(
        "INSERT INTO volumes (id, project_id, display_name, display_description, size, status, host, created_at, \
         updated_at, deleted, bootable, volume_type_id, use_quota) \
         SELECT {id}, '0a1d7e94c3b84f6f9d52e8a6b7c4f310', 'a volume', 'of some words', 10, 'available', \
         'host@backend#pool', {time}, NULL, false, true, '6f1d3f0b-59d8-4d0c-a9a1-0b6f6f3f8a11', true \
         FROM {digits} a CROSS JOIN {digits} b CROSS JOIN {digits} c"
    );
    for thousand in (0..volumes).step_by(1_000) {
        database.write(|tx| tx.execute(&sql, &[thousand.into(), thousand.into()])).unwrap();
    }
    database
}

/// Reads every cell through `Row`; the bytes of all text.
fn rows(database: &Database) -> usize {
    let sql = format!("SELECT {COLUMNS} FROM volumes");
    let mut bytes = 0;
    database
        .read(|c| {
            bytes = 0;
            c.query(&sql, &[], |row| {
                bytes += row.text(0)?.len() + row.text(1)?.len() + row.text(2)?.len() + row.text(3)?.len();
                bytes += usize::try_from(row.int(4)?).unwrap_or(0) + row.text(5)?.len() + row.text(6)?.len();
                bytes += usize::from(row.time(7)?.0 >= 0) + usize::from(row.opt_time(8)?.is_some());
                bytes += usize::from(row.bool(9)?) + usize::from(row.bool(10)?) + row.text(11)?.len();
                Ok(())
            })
        })
        .unwrap();
    bytes
}

fn sqlite(url: &str) -> impl FnMut() -> usize {
    let connection = rusqlite::Connection::open(url.trim_start_matches("sqlite:///")).unwrap();
    let sql = format!("SELECT {COLUMNS} FROM volumes");
    move || {
        let mut statement = connection.prepare_cached(&sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut bytes = 0;
        while let Some(row) = rows.next().unwrap() {
            let text = |at: usize| row.get_ref(at).unwrap().as_str().unwrap();
            let number = |at: usize| row.get_ref(at).unwrap().as_i64().unwrap();
            bytes +=
                text(0).len() + text(1).len() + text(2).len() + text(3).len() + usize::try_from(number(4)).unwrap();
            bytes += text(5).len() + text(6).len() + usize::from(text(7).len() == 26);
            bytes += usize::from(row.get_ref(8).unwrap().as_str_or_null().unwrap().is_some());
            bytes += usize::from(number(9) != 0) + usize::from(number(10) != 0) + text(11).len();
        }
        bytes
    }
}

fn mariadb(url: &str) -> impl FnMut() -> usize {
    let (path, options) = url.split_once('?').unwrap();
    let socket = options.rsplit('=').next().unwrap();
    let options = mysql::OptsBuilder::new()
        .user(Some("root"))
        .socket(Some(socket))
        .db_name(path.rsplit('/').next())
        .prefer_socket(false);
    let mut connection = mysql::Conn::new(options).unwrap();
    let sql = format!("SELECT {COLUMNS} FROM volumes");
    move || {
        let mut bytes = 0;
        for row in connection.exec_iter(&sql, ()).unwrap() {
            let row = row.unwrap();
            for at in 0..12 {
                bytes += match row.as_ref(at).unwrap() {
                    mysql::Value::Bytes(text) => std::str::from_utf8(text).unwrap().len(),
                    mysql::Value::Int(number) => usize::try_from(*number).unwrap(),
                    mysql::Value::Date(..) => 1,
                    _ => 0,
                };
            }
        }
        bytes
    }
}

fn postgresql(url: &str) -> impl FnMut() -> usize {
    let (path, folder) = url.split_once("?host=").unwrap();
    let name = path.rsplit('/').next().unwrap();
    let config = format!("host={folder} user=postgres dbname={name}");
    let mut client = postgres::Client::connect(&config, postgres::NoTls).unwrap();
    let statement = client.prepare(&format!("SELECT {COLUMNS} FROM volumes")).unwrap();
    move || {
        let no_params: [&(dyn postgres::types::ToSql + Sync); 0] = [];
        let mut rows = client.query_raw(&statement, no_params).unwrap();
        let mut bytes = 0;
        while let Some(row) = rows.next().unwrap() {
            for at in [0, 1, 2, 3, 5, 6, 11] {
                bytes += row.get::<_, &str>(at).len();
            }
            bytes += usize::try_from(row.get::<_, i32>(4)).unwrap();
            bytes += usize::from(row.get::<_, std::time::SystemTime>(7) >= std::time::UNIX_EPOCH);
            bytes += usize::from(row.get::<_, Option<std::time::SystemTime>>(8).is_some());
            bytes += usize::from(row.get::<_, bool>(9)) + usize::from(row.get::<_, bool>(10));
        }
        bytes
    }
}

/// A page that begins behind the volume with this number; how many rows it has.
fn page(database: &Database, number: i64) -> usize {
    let key = |column: &'static str| Key { column: column.into(), ascending: false, nullable: false };
    let seen = [hearth::time::Timestamp(number * 1_000_000).into(), format!("{number:036}").into()];
    let select = Select::from("volumes")
        .equal("deleted", false)
        .equal("project_id", "0a1d7e94c3b84f6f9d52e8a6b7c4f310")
        .along("hearth_volumes_project")
        .order([key("created_at"), key("id")])
        .after(&seen)
        .limit(100);
    database.read(|c| select.rows(c, COLUMNS, |row| row.string(0))).unwrap().len()
}
