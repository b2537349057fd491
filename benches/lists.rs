//! A list of 1,000 volumes in full, from request to bytes, beside the least that anybody could do: the same columns by the
//! bare SQLite driver, written by `serde_json`. Prints a table and writes `target/bench/lists.json`; the figures are medians
//! of one run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth::block_storage::{self, policies};
use hearth::config::Config;
use hearth::database::{Database, Options, migrate};
use hearth::gateway::{Body, Params, Request};
use hearth::rest::pipeline::{App, Mount};
use hearth::rest::platform::Platform;
use serde_json::{Map, Value, json};

const VOLUMES: usize = 1000;
const ROUNDS: usize = 60;
const PROJECT: &str = "0a1d7e94c3b84f6f9d52e8a6b7c4f310";

fn main() {
    // `cargo test --benches` only asks whether this still builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let file = std::env::temp_dir().join(format!("hearth-bench-lists-{}.db", std::process::id()));
    let url = format!("sqlite:///{}", file.display());
    let database = Database::open(&url, Options { create: true, ..Options::default() }).unwrap();
    let components = [&hearth::database::orders::PLATFORM, &block_storage::store::tables::COMPONENT];
    migrate::sync(&database, &migrate::Wanted { cinder: true, components: &components }).unwrap();
    fill(&database);
    let app = app(&database);
    let bare = rusqlite::Connection::open(&file).unwrap();
    println!("{VOLUMES} volumes in full, two metadata each, on SQLite; medians of {ROUNDS}\n");
    println!("{:<44} {:>10} {:>10}", "", "µs", "bytes");
    let mut figures = Map::new();
    let mut show = |name: &str, run: &mut dyn FnMut() -> usize| {
        let (time, bytes) = median(run);
        println!("{name:<44} {:>10} {bytes:>10}", time.as_micros());
        figures.insert(name.to_owned(), json!({"median_us": time.as_micros(), "bytes": bytes}));
        time
    };
    let floor = show("bare driver and serde_json", &mut || bare_list(&bare));
    let detail = show("GET /volumes/detail", &mut || get(&app, "/v3/volumes/detail"));
    show("GET /volumes", &mut || get(&app, "/v3/volumes"));
    show("GET /volumes/detail?limit=100", &mut || get(&app, "/v3/volumes/detail?limit=100"));
    let ratio = detail.as_secs_f64() / floor.as_secs_f64();
    println!("\nfull list against the bare driver: {ratio:.2}");
    figures.insert("full list against the bare driver".to_owned(), json!(ratio));
    std::fs::create_dir_all("target/bench").unwrap();
    std::fs::write("target/bench/lists.json", serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", file.display()));
    }
}

fn median(run: &mut dyn FnMut() -> usize) -> (Duration, usize) {
    let mut bytes = 0;
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            bytes = run();
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[ROUNDS / 2], bytes)
}

fn fill(database: &Database) {
    database
        .write(|tx| {
            let kind = tx.row("SELECT id FROM volume_types", &[], |row| row.string(0))?.unwrap();
            for at in 0..VOLUMES {
                let id = format!("{at:08x}-0000-4000-8000-000000000000");
                let time = format!("2026-01-01 00:{:02}:{:02}.{at:06}", at / 60 % 60, at % 60);
                tx.execute(
                    "INSERT INTO volumes (id, deleted, created_at, updated_at, project_id, user_id, display_name, \
                     display_description, size, status, attach_status, host, availability_zone, volume_type_id, bootable, \
                     multiattach, shared_targets, use_quota) VALUES (?, false, ?, ?, ?, 'u', ?, 'a description', 1, \
                     'available', 'detached', 'node@file#pool', 'nova', ?, false, false, true, true)",
                    &[
                        (&id).into(),
                        (&time).into(),
                        (&time).into(),
                        PROJECT.into(),
                        format!("volume {at}").into(),
                        (&kind).into(),
                    ],
                )?;
                for key in ["role", "owner"] {
                    tx.execute(
                        "INSERT INTO volume_metadata (deleted, volume_id, \"key\", value) VALUES (false, ?, ?, 'value')",
                        &[(&id).into(), key.into()],
                    )?;
                }
            }
            Ok(())
        })
        .unwrap();
}

fn app(database: &Database) -> App {
    let config = Arc::new(Config::from_text("auth_strategy = noauth").unwrap());
    let platform = Arc::new(Platform::open(config, policies::ALL).unwrap());
    let service = block_storage::service(platform, database.clone());
    App::new(vec![Mount { prefix: String::new(), port: 0, endpoint: Arc::new(service) }])
}

fn get(app: &App, url: &str) -> usize {
    let mut params = Params::default();
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", url),
        ("QUERY_STRING", url.split_once('?').map_or("", |(_, query)| query)),
        ("HTTP_HOST", "cloud.example"),
        ("HTTP_OPENSTACK_API_VERSION", "volume 3.71"),
    ] {
        params.push(name.as_bytes(), value.as_bytes());
    }
    let response = app.handle(Request { params, body: Body::Whole(Vec::new()) });
    assert_eq!(response.status, 200);
    response.body.length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0)
}

/// The same list by hand, with nothing that a service needs: no rights, no versions, no pages.
fn bare_list(connection: &rusqlite::Connection) -> usize {
    const NAMES: [&str; 31] = [
        "id",
        "project_id",
        "user_id",
        "created_at",
        "updated_at",
        "display_name",
        "display_description",
        "size",
        "status",
        "previous_status",
        "attach_status",
        "migration_status",
        "replication_status",
        "host",
        "cluster_name",
        "service_uuid",
        "availability_zone",
        "volume_type_id",
        "snapshot_id",
        "source_volid",
        "group_id",
        "consistencygroup_id",
        "_name_id",
        "provider_location",
        "provider_auth",
        "provider_id",
        "encryption_key_id",
        "bootable",
        "multiattach",
        "shared_targets",
        "use_quota",
    ];
    let sql = format!(
        "SELECT {} FROM volumes WHERE deleted = false AND project_id = ? ORDER BY created_at DESC, id DESC LIMIT 1000",
        NAMES.join(", ")
    );
    let mut statement = connection.prepare_cached(&sql).unwrap();
    let mut rows = statement.query([PROJECT]).unwrap();
    let mut volumes: Vec<Map<String, Value>> = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let mut volume = Map::new();
        for (at, name) in NAMES.iter().enumerate() {
            let value = match row.get_ref(at).unwrap() {
                rusqlite::types::ValueRef::Text(text) => Value::from(std::str::from_utf8(text).unwrap()),
                rusqlite::types::ValueRef::Integer(number) => Value::from(number),
                _ => Value::Null,
            };
            volume.insert((*name).to_owned(), value);
        }
        let id = volume["id"].as_str().unwrap();
        let links = json!([
            {"rel": "self", "href": format!("http://cloud.example/v3/volumes/{id}")},
            {"rel": "bookmark", "href": format!("http://cloud.example/volumes/{id}")},
        ]);
        volume.insert("links".to_owned(), links);
        volume.insert("metadata".to_owned(), Value::Object(Map::new()));
        volume.insert("attachments".to_owned(), json!([]));
        volumes.push(volume);
    }
    let sql = "SELECT volume_id, \"key\", value FROM volume_metadata WHERE deleted = false \
               AND volume_id IN (SELECT id FROM volumes WHERE project_id = ?)";
    let mut statement = connection.prepare_cached(sql).unwrap();
    let mut rows = statement.query([PROJECT]).unwrap();
    let places: std::collections::HashMap<String, usize> =
        volumes.iter().enumerate().map(|(at, volume)| (volume["id"].as_str().unwrap().to_owned(), at)).collect();
    while let Some(row) = rows.next().unwrap() {
        let id: String = row.get(0).unwrap();
        if let Some(metadata) = places.get(&id).and_then(|at| volumes[*at].get_mut("metadata")) {
            metadata[row.get::<_, String>(1).unwrap()] = Value::from(row.get::<_, String>(2).unwrap());
        }
    }
    serde_json::to_vec(&json!({ "volumes": volumes })).unwrap().len()
}
