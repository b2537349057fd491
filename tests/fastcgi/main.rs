//! The gateway by bytes: split, interleaved, aborted, oversized, slow and random input, against the real engine on real
//! sockets. `tests/data/gateway.tsv` has what web servers and clients were seen to do, each with the test that stands for it.

mod baseline;
mod bytes;
mod cases;
mod child;
mod engine;
mod fixture;
mod http;
mod long;
mod processes;
mod random;
mod records;
mod status;

/// The sources in which a test may stand.
const SOURCES: &[&str] = &[
    include_str!("cases.rs"),
    include_str!("engine.rs"),
    include_str!("processes.rs"),
    include_str!("records.rs"),
    include_str!("../../src/gateway/message.rs"),
];

#[test]
fn every_observation_has_its_test() {
    let table = include_str!("../data/gateway.tsv");
    let rows: Vec<_> = table.lines().skip(1).map(|line| line.split_once('\t').expect("two columns")).collect();
    assert!(rows.len() > 30);
    for (observation, test) in rows {
        let defined = SOURCES.iter().any(|source| source.contains(&format!("fn {test}(")));
        assert!(defined, "{observation}: there is no test {test}");
    }
}
