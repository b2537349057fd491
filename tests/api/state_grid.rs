//! Every operation on an object of every status, against what was observed of Cinder (`tests/data/block_storage/states/`):
//! the answer, and the status right after it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hearth::block_storage::model::{backup, group, group_snapshot, snapshot, volume};
use serde_json::Value;

use crate::fixture::{Cloud, Persona::Admin};
use crate::states::{
    ATTACHMENT, BACKUP, DIFFERS, GROUP, GROUP_SNAPSHOT, Kind, OPERATIONS, SNAPSHOT, TRANSFER, VOLUME, configured, rows,
    statuses, world,
};

/// Whether the storage service answers while the request waits.
fn waits_for_storage(kind: &Kind, operation: &str) -> bool {
    kind.noun == "attachment"
        || matches!(operation, "os-initialize_connection" | "os-terminate_connection" | "os-detach" | "os-force_detach")
}

/// Starts the volume service, which has then looked at what was there before: it takes up whatever is on its way.
fn serve(cloud: &mut Cloud) {
    std::fs::create_dir_all(cloud.volumes()).unwrap();
    for id in [VOLUME.id, "00000000-0000-4000-8000-000000000015"] {
        std::fs::File::create(cloud.volumes().join(format!("volume-{id}"))).unwrap().set_len(1 << 30).unwrap();
    }
    cloud.sql("DELETE FROM hearth_pools WHERE name = 'node@file#file'", &[]);
    cloud.serve();
    let deadline = Instant::now() + Duration::from_secs(60);
    while cloud.numbers("SELECT 1 FROM hearth_pools WHERE name = 'node@file#file'", &[]).is_empty() {
        assert!(Instant::now() < deadline, "the volume service does not report");
        std::thread::yield_now();
    }
}

/// Answer and status after it, of one operation on an object of one status: a cell of the tables.
fn cell(kind: &Kind, row: &[&str], status: &str) -> String {
    let [_, operation, version, method, path, body, arranged] = row else { panic!("{row:?}") };
    let mut cloud = Cloud::on(world(), &configured());
    for statement in arranged.split("; ").filter(|statement| !statement.is_empty()) {
        cloud.sql(statement, &[]);
    }
    if waits_for_storage(kind, operation) {
        serve(&mut cloud);
    }
    let sql = format!("UPDATE {} SET {} = ? WHERE id = ?", kind.table, kind.column);
    cloud.sql(&sql, &[status.into(), kind.id.into()]);
    let body = (!body.is_empty()).then(|| serde_json::from_str::<Value>(body).unwrap());
    let answer = cloud.send(Admin, method, &format!("{version} {path}"), body).status;
    let sql = format!("SELECT {}, deleted FROM {} WHERE id = ?", kind.column, kind.table);
    let find =
        |c: &mut hearth::database::Connection| c.row(&sql, &[kind.id.into()], |row| Ok((row.string(0)?, row.bool(1)?)));
    match cloud.database.read(find).unwrap() {
        None => format!("{answer} gone"),
        Some((_, true)) => format!("{answer} gone"),
        Some((after, _)) if after == status => answer.to_string(),
        Some((after, _)) => format!("{answer} {after}"),
    }
}

/// Compares a kind's whole table. Every difference must have a row in `differs.tsv`, and every row there a difference.
fn compare(kind: &Kind) {
    let columns = statuses(kind.observed);
    let observed: Vec<Vec<&str>> = rows(kind.observed).collect();
    let operations: Vec<Vec<&str>> = rows(OPERATIONS).filter(|row| row[0] == kind.noun).collect();
    let names = |rows: &[Vec<&'static str>], at: usize| rows.iter().map(|row| row[at]).collect::<Vec<_>>();
    assert_eq!(names(&observed, 0), names(&operations, 1), "what is observed is what is asked");
    let mut wrong = String::new();
    let mut unused: BTreeSet<Vec<&str>> = rows(DIFFERS).filter(|row| row[0] == kind.noun).collect();
    for (row, expected) in operations.iter().zip(&observed) {
        for (status, expected) in columns.iter().zip(&expected[1..]) {
            let found = cell(kind, row, status);
            if found == *expected {
                continue;
            }
            let accepted = rows(DIFFERS).find(|differs| {
                differs[..2] == row[..2] && differs[2].split(' ').any(|name| name == *status) && differs[3] == found
            });
            match accepted {
                Some(differs) => drop(unused.remove(&differs)),
                None => wrong += &format!("{}\t{}\t{status}\t{found}\t(Cinder: {expected})\n", row[0], row[1]),
            }
        }
    }
    assert!(wrong.is_empty(), "these differ from Cinder:\n{wrong}");
    assert!(unused.is_empty(), "these rows of differs.tsv tell of no difference: {unused:?}");
}

#[test]
fn operations_on_volumes_are_carried_out_from_the_statuses_of_cinder() {
    compare(&VOLUME);
}

#[test]
fn operations_on_snapshots_are_carried_out_from_the_statuses_of_cinder() {
    compare(&SNAPSHOT);
}

#[test]
fn operations_on_backups_are_carried_out_from_the_statuses_of_cinder() {
    compare(&BACKUP);
}

#[test]
fn operations_on_groups_are_carried_out_from_the_statuses_of_cinder() {
    compare(&GROUP);
}

#[test]
fn operations_on_group_snapshots_are_carried_out_from_the_statuses_of_cinder() {
    compare(&GROUP_SNAPSHOT);
}

#[test]
fn operations_on_attachments_are_carried_out_from_the_statuses_of_cinder() {
    compare(&ATTACHMENT);
}

#[test]
fn transfers_are_taken_and_withdrawn_in_the_statuses_of_cinder() {
    compare(&TRANSFER);
}

#[test]
fn the_tables_have_every_status_as_a_column() {
    fn all<S: hearth::block_storage::model::status::Status + 'static>() -> BTreeSet<&'static str> {
        S::ALL.iter().map(|status| status.name()).collect()
    }
    for (kind, expected) in [
        (&VOLUME, all::<volume::Status>()),
        (&TRANSFER, all::<volume::Status>()),
        (&SNAPSHOT, all::<snapshot::Status>()),
        (&BACKUP, all::<backup::Status>()),
        (&GROUP, all::<group::Status>()),
        (&GROUP_SNAPSHOT, all::<group_snapshot::Status>()),
        (&ATTACHMENT, all::<volume::AttachStatus>()),
    ] {
        assert_eq!(statuses(kind.observed).into_iter().collect::<BTreeSet<_>>(), expected, "{}", kind.noun);
    }
}
