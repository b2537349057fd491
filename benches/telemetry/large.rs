//! The same questions of a large store and of one of a million samples, in turns: what they cost has to depend on what is
//! answered and not on what is stored. The large store stays in its folder, and a run goes on where the one before ended.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hearth::rest::pipeline::App;
use serde_json::json;

use super::{BATCH, RESOURCES, app, body, checkpoint, day, get, post, take_turns, timed};

/// Samples of the store that the large one is measured beside.
const SMALL: usize = 1_000_000;
/// Samples between two lines of progress.
const STEP: usize = 1_000_000;
/// Threads that post: what they send at once is committed together.
const CLIENTS: usize = 4;

/// Fills `folder/large.db` up to `samples` and `folder/small.db` up to a million, and prints what questions cost there.
pub(super) fn run(folder: &Path, samples: usize) {
    std::fs::create_dir_all(folder).unwrap();
    // Whoever ends cargo does not end this program, and two that fill one store tell nothing of its speed or room.
    let alone = std::fs::File::create(folder.join("lock")).unwrap();
    alone.try_lock().expect("nobody else works in the folder");
    let small = filled(&folder.join("small.db"), SMALL.min(samples));
    let large = filled(&folder.join("large.db"), samples);
    let mut figures = serde_json::Map::new();
    println!("\n{:<48} {:>14} {:>14} {:>9}", "medians in µs", samples, SMALL.min(samples), "ratio");
    let middle = SMALL.min(samples) / 2;
    for (name, url) in [
        ("statistics, whole meter", "/v2/meters/cpu/statistics".to_owned()),
        (
            "statistics, whole meter, a day by the hour",
            format!("/v2/meters/cpu/statistics?{}&period=3600", day(middle, "")),
        ),
        (
            "statistics, one resource, a day by the hour",
            format!("/v2/meters/cpu/statistics?{}&period=3600", day(middle, "r7")),
        ),
        ("statistics, whole meter by resource", "/v2/meters/cpu/statistics?groupby=resource_id".to_owned()),
        ("samples?limit=100", "/v2/samples?limit=100".to_owned()),
        ("meters/cpu?limit=100", "/v2/meters/cpu?limit=100".to_owned()),
        ("meters?limit=100", "/v2/meters?limit=100".to_owned()),
        ("resources?limit=100", "/v2/resources?limit=100".to_owned()),
    ] {
        let (at_large, at_small) = take_turns(|| get(&large, &url), || get(&small, &url));
        println!("{name:<48} {at_large:>14.1} {at_small:>14.1} {:>9.2}", at_large / at_small);
        figures.insert(name.to_owned(), json!({"large": at_large, "small": at_small, "unit": "µs"}));
    }
    drop((large, small));
    for name in ["large.db", "small.db"] {
        let file = folder.join(name);
        checkpoint(&file);
        let (bytes, count) = (room(&file), stored(&file));
        println!("{name}: {bytes:.1} bytes a sample, {count} samples");
        figures.insert(format!("{name}, bytes a sample"), json!(bytes));
    }
    std::fs::write(folder.join("figures.json"), serde_json::to_string_pretty(&figures).unwrap()).unwrap();
}

/// A store with so many samples; those that are missing are posted.
fn filled(file: &Path, samples: usize) -> App {
    let app = app(&format!("sqlite:///{}", file.display()));
    let begun = stored(file);
    let mut done = begun;
    let started = Instant::now();
    let mut making = Duration::ZERO;
    while done < samples {
        let end = (done / STEP * STEP + STEP).min(samples);
        let since = Instant::now();
        let next = AtomicUsize::new(done);
        let spent: Duration = std::thread::scope(|scope| {
            let client = || {
                let mut making = Duration::ZERO;
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= end {
                        return making;
                    }
                    let mut bytes = Vec::new();
                    making += timed(|| bytes = body(first, BATCH.min(end - first)));
                    post(&app, bytes);
                }
            };
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).sum()
        });
        making += spent / CLIENTS as u32;
        let rate = (end - done) as f64 / since.elapsed().as_secs_f64();
        done = end;
        let (name, bytes) = (file.display(), room(file));
        println!(
            "{name}: {done} samples of {RESOURCES} resources, the last at {rate:.0} a second, {bytes:.1} bytes each"
        );
    }
    if done > begun {
        println!(
            "{}: filled in {:.0} s, of which the bodies took {:.0} s",
            file.display(),
            started.elapsed().as_secs_f64(),
            making.as_secs_f64()
        );
    }
    app
}

/// Samples that a file holds. A run that was broken off may have left gaps of a few batches, which are as good as full.
fn stored(file: &Path) -> usize {
    let connection = rusqlite::Connection::open(file).unwrap();
    let sql = "SELECT COALESCE(SUM(samples), 0) FROM telemetry_stream_rollup WHERE level = 0";
    let count: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}

/// Bytes of a file for each sample that it holds, whoever stored it.
fn room(file: &Path) -> f64 {
    std::fs::metadata(file).unwrap().len() as f64 / stored(file) as f64
}
