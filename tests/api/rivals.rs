//! Operations that exclude each other, at once, on every engine: exactly one of the callers wins, whoever it is, and the
//! object has the status that the winner gave it. Which operations exclude each other is read from the observed tables.

use std::collections::BTreeMap;
use std::sync::Barrier;

use hearth::database::Engine;
use serde_json::Value;

use crate::fixture::{Cloud, Persona::Admin};
use crate::servers;
use crate::states::{self, DIFFERS, GROUP, Kind, OPERATIONS, SNAPSHOT, VOLUME, configured, rows, statuses};

/// An operation that leads from the status of the race to another one.
#[derive(Clone)]
struct Rival {
    row: Vec<&'static str>,
    /// The status that it leads to.
    to: &'static str,
}

/// The pairs of operations that each lead from `from` to a status from which neither is carried out.
fn pairs(kind: &Kind, from: &str) -> Vec<[Rival; 2]> {
    let columns = statuses(kind.observed);
    let cells: BTreeMap<&str, BTreeMap<&str, &str>> = rows(kind.observed)
        .map(|row| (row[0], columns.iter().copied().zip(row[1..].iter().copied()).collect()))
        .collect();
    let differs = |operation: &str| {
        rows(DIFFERS).any(|row| row[..2] == [kind.noun, operation] && row[2].split(' ').any(|name| name == from))
    };
    // The same server may say again that it is attached.
    let all = rows(OPERATIONS).filter(|row| row[0] == kind.noun && row[1] != "os-attach" && !differs(row[1]));
    let moving: Vec<Rival> = all
        .filter_map(|row| {
            let (answer, to) = cells[row[1]][from].split_once(' ')?;
            (answer.starts_with('2') && to != "gone").then_some(Rival { row, to })
        })
        .collect();
    let refused = |operation: &Rival, after: &Rival| cells[operation.row[1]][after.to].starts_with('4');
    let mut found = Vec::new();
    for (at, one) in moving.iter().enumerate() {
        for other in &moving[at..] {
            if [(one, one), (one, other), (other, one), (other, other)].iter().all(|(late, first)| refused(late, first))
            {
                found.push([one.clone(), other.clone()]);
            }
        }
    }
    found
}

/// Four callers, two for each of two operations, on one object.
fn race(cloud: &Cloud, number: usize, kind: &Kind, from: &str, pair: &[Rival; 2]) {
    states::fill(cloud, number);
    let id = states::of_copy(number, kind.id);
    for statement in pair.iter().flat_map(|rival| rival.row[6].split("; ")).filter(|statement| !statement.is_empty()) {
        cloud.sql(&states::of_copy(number, statement), &[]);
    }
    cloud.sql(&format!("UPDATE {} SET {} = ? WHERE id = ?", kind.table, kind.column), &[from.into(), (&id).into()]);
    let start = Barrier::new(4);
    let answers: Vec<(usize, u16)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|caller| {
                let (start, row) = (&start, &pair[caller % 2].row);
                scope.spawn(move || {
                    let body = states::of_copy(number, row[5]);
                    let body = (!body.is_empty()).then(|| serde_json::from_str::<Value>(&body).unwrap());
                    let path = states::of_copy(number, &format!("{} {}", row[2], row[4]));
                    start.wait();
                    (caller % 2, cloud.send(Admin, row[3], &path, body).status)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let names = pair.each_ref().map(|rival| rival.row[1]);
    let winners: Vec<usize> = answers.iter().filter(|(_, status)| *status < 300).map(|(which, _)| *which).collect();
    let lost = answers.iter().filter(|(_, status)| (400..500).contains(status)).count();
    assert_eq!((winners.len(), lost), (1, 3), "{names:?} of a {} that is {from}: {answers:?}", kind.noun);
    let sql = format!("SELECT {} FROM {} WHERE id = ?", kind.column, kind.table);
    let after = cloud.database.read(|c| c.row(&sql, &[(&id).into()], |row| row.string(0))).unwrap().unwrap();
    assert_eq!(after, pair[winners[0]].to, "{names:?} of a {} that was {from}: {answers:?}", kind.noun);
}

fn exactly_one_wins(engine: Engine) {
    let cloud = Cloud::at(&servers::empty_database(engine), &configured());
    states::fill(&cloud, 0);
    let mut number = 0;
    for (kind, from, at_least) in
        [(&VOLUME, "available", 60), (&VOLUME, "in-use", 5), (&SNAPSHOT, "available", 5), (&GROUP, "available", 1)]
    {
        let pairs = pairs(kind, from);
        assert!(pairs.len() >= at_least, "{} pairs of operations on a {} that is {from}", pairs.len(), kind.noun);
        for pair in &pairs {
            number += 1;
            race(&cloud, number, kind, from, pair);
        }
    }
    println!("{number} races on {engine:?}");
}

#[test]
fn exactly_one_of_operations_that_exclude_each_other_wins_on_sqlite() {
    exactly_one_wins(Engine::Sqlite);
}

#[test]
fn exactly_one_of_operations_that_exclude_each_other_wins_on_mariadb() {
    exactly_one_wins(Engine::Mysql);
}

#[test]
fn exactly_one_of_operations_that_exclude_each_other_wins_on_postgresql() {
    exactly_one_wins(Engine::Postgres);
}
