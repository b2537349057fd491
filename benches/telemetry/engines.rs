//! Telemetry on the three engines in one run, from request to bytes, in process. Commits of all of them wait for the disk. They take
//! turns, so that other load on the machine meets all; the servers run on the same processors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hearth::rest::pipeline::App;
use serde_json::{Value, json};

use super::servers::{ENGINES, Server};
use super::{BATCH, QUESTIONS, RESOURCES, app, body, day, get, post, timed};

/// Threads that post: what they send at once is committed together.
const CLIENTS: usize = 4;
/// Batches of one engine before another takes its turn.
const TURN: usize = 20;
/// Single samples of each engine.
const SINGLES: usize = 800;
/// Turns that they come in.
const SINGLES_TURNS: usize = 8;

/// Stores so many samples on each engine, and prints what that and questions cost.
pub(super) fn run(samples: usize) {
    let servers = ENGINES.map(Server::durable);
    let apps: Vec<App> = servers.iter().map(|server| app(&server.create("telemetry"))).collect();
    let mut figures = serde_json::Map::new();
    let mut show = |name: &str, unit: &str, values: &[f64]| {
        let first = values.first().copied().unwrap_or(f64::NAN);
        let cells: String = values.iter().map(|value| format!("{value:>12.1}")).collect();
        let ratios: String = values.iter().skip(1).map(|value| format!("{:>9.2}", value / first)).collect();
        println!("{name:<44}{cells}{ratios}  {unit}");
        let named = ENGINES.iter().zip(values).map(|(engine, value)| (engine.name().to_owned(), json!(value)));
        figures.insert(name.to_owned(), Value::Object(named.chain([("unit".to_owned(), json!(unit))]).collect()));
    };
    println!(
        "{samples} samples of {RESOURCES} resources, durable commits; totals of ingestion, medians of questions\n"
    );
    let names: String = ["SQLite", "MariaDB", "PostgreSQL"].map(|name| format!("{name:>12}")).concat();
    println!("{:<44}{names}{:>9}{:>9}", "", "ratio", "ratio");

    let mut took = vec![Duration::ZERO; apps.len()];
    for first in (0..samples).step_by(TURN * BATCH) {
        let end = (first + TURN * BATCH).min(samples);
        for (app, took) in apps.iter().zip(&mut took) {
            let bodies = (first..end).step_by(BATCH).map(|at| body(at, BATCH.min(end - at))).collect();
            *took += posted(app, bodies);
        }
    }
    let rates = |count: usize, took: &[Duration]| -> Vec<f64> {
        took.iter().map(|took| count as f64 / took.as_secs_f64()).collect()
    };
    show("ingestion, batches of 1,000, four clients", "samples/s", &rates(samples, &took));
    let mut took = vec![Duration::ZERO; apps.len()];
    for turn in 0..SINGLES_TURNS {
        for (app, took) in apps.iter().zip(&mut took) {
            let count = SINGLES / SINGLES_TURNS;
            *took += posted(app, (0..count).map(|at| body(samples + turn * count + at, 1)).collect());
        }
    }
    show("ingestion, one by one, four clients", "samples/s", &rates(SINGLES, &took));
    let cpu = "/v2/meters/cpu/statistics";
    for (name, url) in [
        ("statistics, whole meter", cpu.to_owned()),
        ("statistics, one resource, a day by the hour", format!("{cpu}?{}&period=3600", day(samples / 2, "r7"))),
        ("statistics, whole meter by resource", format!("{cpu}?groupby=resource_id")),
        ("statistics, whole meter by the day", format!("{cpu}?period=86400")),
        ("samples?limit=100", "/v2/samples?limit=100".to_owned()),
        ("meters/cpu?limit=100", "/v2/meters/cpu?limit=100".to_owned()),
        ("meters?limit=100", "/v2/meters?limit=100".to_owned()),
        ("resources?limit=100", "/v2/resources?limit=100".to_owned()),
    ] {
        let mut times = vec![Vec::with_capacity(QUESTIONS); apps.len()];
        for _ in 0..QUESTIONS {
            apps.iter().zip(&mut times).for_each(|(app, times)| times.push(timed(|| get(app, &url))));
        }
        let medians: Vec<f64> = times
            .iter_mut()
            .map(|times| {
                times.sort_unstable();
                times[times.len() / 2].as_secs_f64() * 1e6
            })
            .collect();
        show(name, "µs", &medians);
    }
    std::fs::create_dir_all("target/bench").unwrap();
    std::fs::write("target/bench/telemetry-engines.json", serde_json::to_string_pretty(&figures).unwrap()).unwrap();
}

/// How long it takes until the clients have posted all of the bodies.
fn posted(app: &App, bodies: Vec<Vec<u8>>) -> Duration {
    let next = AtomicUsize::new(0);
    let client = || {
        while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
            post(app, body.clone());
        }
    };
    timed(|| std::thread::scope(|scope| (0..CLIENTS).for_each(|_| _ = scope.spawn(client))))
}
