//! Telemetry from request to bytes, in process, beside the least that anybody could do with the same samples: a loop of
//! the bare SQLite driver that inserts the same rows in transactions of the same size, and SQLite's own aggregate over
//! them. Both sides take turns, so that other load on the machine meets both. Prints a table and writes
//! `target/bench/telemetry.json`.
//!
//! `cargo bench --bench telemetry [-- SAMPLES]`: 1,000,000 samples of 100 resources unless told otherwise.
//! `cargo bench --bench telemetry -- engines SAMPLES` asks SQLite, MariaDB and PostgreSQL the same.
//! `cargo bench --bench telemetry -- large FOLDER SAMPLES` fills a store that stays in the folder, and asks it the same as
//! one of a million samples.

#[path = "telemetry/engines.rs"]
mod engines;
#[path = "telemetry/large.rs"]
mod large;
#[path = "../tests/support/servers.rs"]
mod servers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth::config::Config;
use hearth::database::{Database, Options};
use hearth::gateway::{Body, Params, Request};
use hearth::rest::pipeline::{App, Mount};
use hearth::rest::platform::Platform;
use hearth::telemetry::store::{Patience, Store, schema, tuned};
use hearth::telemetry::{self, policy};
use hearth::time::Timestamp;
use serde_json::{Value, json};

const RESOURCES: usize = 100;
const BATCH: usize = 1_000;
/// Batches of one side before the other takes its turn.
const TURN: usize = 10;
/// Single samples of each side, and questions of each kind.
const SINGLES: usize = 400;
const QUESTIONS: usize = 40;
/// The first instant, in seconds since 1970, and the seconds between two samples of a resource.
const BEGIN: i64 = 1_420_070_400;
const STEP: i64 = 600;

fn main() {
    // `cargo test --benches` only asks whether this still builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [mode, folder, samples] = arguments.as_slice()
        && mode == "large"
    {
        return large::run(std::path::Path::new(folder), samples.parse().expect("a number of samples"));
    }
    if let [mode, samples] = arguments.as_slice()
        && mode == "engines"
    {
        return engines::run(samples.parse().expect("a number of samples"));
    }
    let samples = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("hearth-bench-telemetry-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let app = app(&format!("sqlite:///{}", folder.join("hearth.db").display()));
    let bare = Bare::new(&folder.join("bare.db"));
    let mut figures = serde_json::Map::new();
    let mut show = |name: &str, hearth: f64, bare: f64, unit: &str| {
        println!("{name:<44} {hearth:>14.1} {bare:>14.1} {:>9.2}  {unit}", hearth / bare);
        figures.insert(name.to_owned(), json!({"hearth": hearth, "bare": bare, "unit": unit}));
    };
    println!("{samples} samples of {RESOURCES} resources, SQLite, durable commits; medians, or totals of ingestion\n");
    println!("{:<44} {:>14} {:>14} {:>9}", "", "Hearth", "bare SQLite", "ratio");

    let (mut hearth_time, mut bare_time) = (Duration::ZERO, Duration::ZERO);
    let batches = samples / BATCH;
    for turn in (0..batches).step_by(TURN) {
        let numbers = turn..(turn + TURN).min(batches);
        let bodies: Vec<Vec<u8>> = numbers.clone().map(|batch| body(batch * BATCH, BATCH)).collect();
        let rows: Vec<Vec<Row>> = numbers.map(|batch| rows(batch * BATCH, BATCH)).collect();
        hearth_time += timed(|| bodies.into_iter().for_each(|body| post(&app, body)));
        bare_time += timed(|| rows.iter().for_each(|rows| bare.insert(rows)));
    }
    let rate = |time: Duration| (batches * BATCH) as f64 / time.as_secs_f64();
    show("ingestion, batches of 1,000", rate(hearth_time), rate(bare_time), "samples/s");

    let single = |at: usize| samples + at;
    let hearth_time = timed(|| (0..SINGLES).for_each(|at| post(&app, body(single(at), 1))));
    let bare_time = timed(|| (0..SINGLES).for_each(|at| bare.insert(&rows(single(at), 1))));
    let rate = |time: Duration| SINGLES as f64 / time.as_secs_f64();
    show("ingestion, one by one, one client", rate(hearth_time), rate(bare_time), "samples/s");
    let many = timed(|| {
        std::thread::scope(|scope| {
            for client in 0..4 {
                let app = &app;
                scope
                    .spawn(move || (0..SINGLES).for_each(|at| post(app, body(single((client + 1) * SINGLES + at), 1))));
            }
        });
    });
    show("ingestion, one by one, four clients", 4.0 * rate(many), rate(bare_time), "samples/s");

    let last = samples as i64 / RESOURCES as i64 * STEP / 3_600;
    let day = day(samples / 2, "r7");
    let all = "count(*), min(volume), max(volume), avg(volume), sum(volume), min(at), max(at)";
    for (name, query, sql) in [
        ("statistics, whole meter", String::new(), format!("SELECT {all} FROM sample WHERE meter = 'cpu'")),
        (
            "statistics, one resource",
            "q.field=resource_id&q.value=r7".to_owned(),
            format!("SELECT {all} FROM sample WHERE meter = 'cpu' AND resource_id = 'r7'"),
        ),
        (
            "statistics, one resource, a day by the hour",
            format!("{day}&period=3600"),
            format!(
                "SELECT {all} FROM sample WHERE meter = 'cpu' AND resource_id = 'r7' AND at >= {} AND at < {} GROUP BY at / 3600000000",
                (BEGIN + ((last / 2).max(24) - 24) * 3_600) * 1_000_000,
                (BEGIN + (last / 2).max(24) * 3_600) * 1_000_000
            ),
        ),
        (
            "statistics, whole meter by resource",
            "groupby=resource_id".to_owned(),
            format!("SELECT {all}, resource_id FROM sample WHERE meter = 'cpu' GROUP BY resource_id"),
        ),
        (
            "statistics, whole meter by the day",
            "period=86400".to_owned(),
            format!("SELECT {all} FROM sample WHERE meter = 'cpu' GROUP BY at / 86400000000"),
        ),
    ] {
        let url = format!("/v2/meters/cpu/statistics?{query}");
        let (hearth, bare) = take_turns(|| get(&app, &url), || bare.rows(&sql));
        show(name, hearth, bare, "µs");
    }
    for (name, url, sql) in [
        ("samples?limit=100", "/v2/samples?limit=100", "SELECT * FROM sample ORDER BY at DESC LIMIT 100"),
        (
            "meters/cpu?limit=100",
            "/v2/meters/cpu?limit=100",
            "SELECT * FROM sample WHERE meter = 'cpu' ORDER BY at DESC LIMIT 100",
        ),
        ("meters?limit=100", "/v2/meters?limit=100", "SELECT DISTINCT meter, resource_id FROM sample LIMIT 100"),
        (
            "resources?limit=100",
            "/v2/resources?limit=100",
            "SELECT resource_id, min(at), max(at) FROM sample GROUP BY resource_id LIMIT 100",
        ),
    ] {
        let (hearth, bare) = take_turns(|| get(&app, url), || bare.rows(sql));
        show(name, hearth, bare, "µs");
    }
    let total = batches * BATCH + SINGLES * 5;
    checkpoint(&folder.join("hearth.db"));
    checkpoint(&folder.join("bare.db"));
    let size = |name: &str| std::fs::metadata(folder.join(name)).unwrap().len() as f64;
    show("on disk", size("hearth.db") / total as f64, size("bare.db") / (total - 4 * SINGLES) as f64, "bytes/sample");

    std::fs::create_dir_all("target/bench").unwrap();
    std::fs::write("target/bench/telemetry.json", serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The arguments that ask for the 24 hours before sample `number`, of one resource or of all of them.
fn day(number: usize, resource: &str) -> String {
    let end = (number as i64 / RESOURCES as i64 * STEP / 3_600).max(24);
    let hour = |at: i64| Timestamp((BEGIN + at * 3_600) * 1_000_000).iso_short();
    let of = if resource.is_empty() { String::new() } else { format!("q.field=resource_id&q.op=&q.value={resource}&") };
    format!("{of}q.field=timestamp&q.op=ge&q.value={}&q.field=timestamp&q.op=lt&q.value={}", hour(end - 24), hour(end))
}

/// One sample as both sides store it.
struct Row {
    resource: String,
    at: i64,
    volume: f64,
}

fn rows(first: usize, count: usize) -> Vec<Row> {
    let row = |number: usize| Row {
        resource: format!("r{}", number % RESOURCES),
        at: (BEGIN + (number / RESOURCES) as i64 * STEP) * 1_000_000,
        volume: (number * 7919 % 100_000) as f64 / 7.0,
    };
    (first..first + count).map(row).collect()
}

/// The body of a POST of these samples.
fn body(first: usize, count: usize) -> Vec<u8> {
    let sample = |row: Row| {
        json!({"counter_name": "cpu", "counter_type": "gauge", "counter_unit": "ns", "counter_volume": row.volume,
            "resource_id": row.resource, "project_id": "0a1d7e94c3b84f6f9d52e8a6b7c4f310", "user_id": "u1",
            "timestamp": Timestamp(row.at).iso_short(),
            "resource_metadata": {"display_name": row.resource, "flavor.name": "m1.small", "status": "active"}})
    };
    Value::Array(rows(first, count).into_iter().map(sample).collect()).to_string().into_bytes()
}

fn app(url: &str) -> App {
    let database = Database::open(url, tuned(Options { create: true, ..Options::default() })).unwrap();
    schema::sync(&database).unwrap();
    Store::new(database.clone()).keep_partitions(Timestamp::now(), Patience::Long).unwrap();
    let config = Arc::new(Config::from_text("[DEFAULT]\nauth_strategy = noauth\n").unwrap());
    let platform = Arc::new(Platform::open(config, policy::ALL).unwrap());
    let endpoint = Arc::new(telemetry::metering(platform, database));
    App::new(vec![Mount { prefix: String::new(), port: 0, endpoint }])
}

fn handle(app: &App, method: &str, url: &str, body: Vec<u8>) -> (u16, u64) {
    let mut params = Params::default();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    for (name, value) in [
        ("REQUEST_METHOD", method),
        ("REQUEST_URI", url),
        ("QUERY_STRING", query),
        ("CONTENT_TYPE", "application/json"),
        ("HTTP_HOST", "localhost"),
    ] {
        params.push(name.as_bytes(), value.as_bytes());
    }
    let response = app.handle(Request { params, body: Body::Whole(body) });
    (response.status, response.body.length().expect("telemetry streams nothing"))
}

fn post(app: &App, body: Vec<u8>) {
    assert_eq!(handle(app, "POST", "/v2/meters/cpu", body).0, 201);
}

fn get(app: &App, url: &str) {
    let (status, bytes) = handle(app, "GET", url, Vec::new());
    assert!(status == 200 && bytes > 10, "{url}: {status}, {bytes} bytes");
}

/// The same rows by the driver alone, in the most obvious table, with ids of its own and no index but the one that finds a
/// sample by its id.
struct Bare(rusqlite::Connection);

impl Bare {
    fn new(file: &std::path::Path) -> Self {
        let connection = rusqlite::Connection::open(file).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE sample (message_id BLOB UNIQUE, \
                 meter TEXT, type TEXT, unit TEXT, volume REAL, resource_id TEXT, project_id TEXT, user_id TEXT, \
                 source TEXT, at INTEGER, recorded_at INTEGER, metadata TEXT)",
            )
            .unwrap();
        Self(connection)
    }

    fn insert(&self, rows: &[Row]) {
        let transaction = self.0.unchecked_transaction().unwrap();
        let sql = "INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let mut statement = transaction.prepare_cached(sql).unwrap();
        for row in rows {
            let id = uuid::Uuid::now_v1(&[1, 2, 3, 4, 5, 6]);
            let metadata = format!(
                "{{\"display_name\":\"{}\",\"flavor\":{{\"name\":\"m1.small\"}},\"status\":\"active\"}}",
                row.resource
            );
            let now = Timestamp::now().0;
            statement
                .execute(rusqlite::params![
                    id.as_bytes(),
                    "cpu",
                    "gauge",
                    "ns",
                    row.volume,
                    row.resource,
                    "0a1d7e94c3b84f6f9d52e8a6b7c4f310",
                    "u1",
                    "0a1d7e94c3b84f6f9d52e8a6b7c4f310:openstack",
                    row.at,
                    now,
                    metadata
                ])
                .unwrap();
        }
        drop(statement);
        transaction.commit().unwrap();
    }

    fn rows(&self, sql: &str) {
        let mut statement = self.0.prepare_cached(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut count = 0;
        while rows.next().unwrap().is_some() {
            count += 1;
        }
        assert!(count > 0, "{sql}");
    }
}

fn timed(run: impl FnOnce()) -> Duration {
    let started = Instant::now();
    run();
    started.elapsed()
}

/// The medians of both sides in microseconds; the side that takes long is asked less often.
fn take_turns(hearth: impl Fn(), bare: impl Fn()) -> (f64, f64) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for _ in 0..QUESTIONS {
        ours.push(timed(&hearth));
        if theirs.len() < 3 || started.elapsed() < Duration::from_secs(5) {
            theirs.push(timed(&bare));
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    };
    (median(&mut ours), median(&mut theirs))
}

fn checkpoint(file: &std::path::Path) {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}
