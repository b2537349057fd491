//! `docs/states.md`: every operation in every status, printed from the rows that the stores run. A test compares.

use std::fmt::Write as _;

use super::status::{From, Status, Transition};
use super::{attachment, backup, group, group_snapshot, snapshot, volume};

/// The page.
pub fn page() -> String {
    let mut out = String::from(
        "# Statuses and operations\n\n\
         This page is printed from the rows beside the statuses (`src/block_storage/model/`), which are also what the\n\
         database is asked: a move is one conditional UPDATE, so of many callers exactly one makes it. After a change of\n\
         the rows, `HEARTH_REWRITE=1 cargo test --lib states` prints it anew.\n\n\
         In the tables `-` means that the operation is refused, `=` that it leaves the status as it is, and a status that\n\
         the operation leads to it. What a volume service then does ends in the status after `/`, or in the one after `!`\n\
         where it fails; `gone` is the end of the object.\n",
    );
    let volumes: Vec<&volume::Move> = volume::MOVES.iter().chain(attachment::MOVES).copied().collect();
    object(&mut out, "Volumes", &volumes, volume::Guard::words);
    object(&mut out, "Snapshots", snapshot::MOVES, snapshot::Guard::words);
    object(&mut out, "Groups", group::MOVES, group::Guard::words);
    object(&mut out, "Group snapshots", group_snapshot::MOVES, group_snapshot::Guard::words);
    object(&mut out, "Backups", backup::MOVES, backup::Guard::words);
    out
}

fn object<S: Status, G: Copy>(
    out: &mut String,
    title: &str,
    moves: &[&Transition<S, G>],
    words: fn(G) -> &'static str,
) {
    // Writing into a String can not fail.
    let _ = writeln!(out, "\n## {title}\n\n| operation | from | conditions |\n|---|---|---|");
    for rule in moves {
        let names = |list: &[S]| list.iter().map(|status| status.name()).collect::<Vec<_>>().join(", ");
        let from = match rule.from {
            From::Any => "every status".to_owned(),
            From::Only(list) => names(list),
            From::Except(list) => format!("every status but {}", names(list)),
        };
        let guards: Vec<&str> = rule.guards.iter().map(|guard| words(*guard)).collect();
        let _ = writeln!(out, "| {} | {from} | {} |", rule.name, guards.join("; "));
    }
    let mut operations: Vec<&str> = Vec::new();
    for rule in moves {
        if !operations.contains(&rule.name) {
            operations.push(rule.name);
        }
    }
    let _ = writeln!(out, "\n| status | {} |\n|---|{}", operations.join(" | "), "---|".repeat(operations.len()));
    for status in S::ALL {
        let cells: Vec<String> = operations.iter().map(|name| cell(moves, name, *status)).collect();
        let _ = writeln!(out, "| {} | {} |", status.name(), cells.join(" | "));
    }
}

/// Where the rows of one operation take an object of one status.
fn cell<S: Status, G>(moves: &[&Transition<S, G>], name: &str, status: S) -> String {
    let mut ends: Vec<String> = Vec::new();
    for rule in moves.iter().filter(|rule| rule.name == name && rule.from.holds(status)) {
        let end = match (rule.target(status), rule.failed) {
            (None, _) => "=".to_owned(),
            (Some(to), None) => to.name().to_owned(),
            (Some(to), Some(failed)) => {
                let done = rule.done.map_or("gone", Status::name);
                format!("{} / {done} ! {}", to.name(), failed.name())
            }
        };
        if !ends.contains(&end) {
            ends.push(end);
        }
    }
    if ends.is_empty() { "-".to_owned() } else { ends.join(" or ") }
}

#[cfg(test)]
mod tests {
    use super::super::status::Status;
    use super::super::{backup, snapshot, volume};

    #[test]
    fn the_page_shows_what_the_rows_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/states.md");
        let page = super::page();
        if std::env::var_os("HEARTH_REWRITE").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page, "docs/states.md is not what the rows say: HEARTH_REWRITE=1 cargo test --lib states");
    }

    #[test]
    fn every_status_reads_back_and_every_work_can_fail() {
        for status in volume::Status::ALL {
            assert_eq!(volume::Status::parse(status.name()), Some(*status));
        }
        for status in snapshot::Status::ALL {
            assert_eq!(snapshot::Status::parse(status.name()), Some(*status));
        }
        for status in backup::Status::ALL {
            assert_eq!(backup::Status::parse(status.name()), Some(*status));
        }
        for rule in volume::MOVES.iter().filter(|rule| rule.done.is_some()) {
            assert!(rule.to.is_some() && rule.failed.is_some(), "{}", rule.name);
        }
    }

    #[test]
    fn no_object_of_one_status_has_two_moves_of_one_operation_under_the_same_conditions() {
        for (at, one) in volume::MOVES.iter().enumerate() {
            for other in volume::MOVES.iter().skip(at + 1).filter(|other| other.name == one.name) {
                let both = volume::Status::ALL.iter().any(|s| one.from.holds(*s) && other.from.holds(*s));
                assert!(!both || one.guards != other.guards, "{}", one.name);
            }
        }
    }
}
