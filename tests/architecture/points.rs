//! Every point at which a fault can kill a process: there is a story that reaches it, and `make crash` kills there. Points
//! are read from the source, so that none can be forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::source::sources;

/// The file that the suites have told which points they reached, and at which they killed.
const LOG: &str = "HEARTH_CRASH_LOG";
/// Whether all of them must have been killed at: `all`.
const WHICH: &str = "HEARTH_CRASH";

/// Where work is carried out whose steps are named `kind.step`, and where its kinds are named.
const WORK: [(&str, &[&str]); 2] = [
    ("src/block_storage/volume/work/", &["src/block_storage/model/work.rs", "src/block_storage/model/service_work.rs"]),
    ("src/block_storage/backup/work/", &["src/block_storage/model/backup_work.rs"]),
];

/// The steps that some kinds of work do not have, and why.
const ABSENT: &[(&[&str], &[&str], &str)] = &[
    (&["after_step"], &["set_log_level", "log_levels", "clean_up"], "asks nothing of the driver"),
    (
        &["before_told", "told"],
        &[
            "set_log_level",
            "log_levels",
            "clean_up",
            "list_manageable",
            "tell_servers",
            "discard_disk",
            "end_export",
            "tend_volume",
            "swap_servers",
            "retype_volume",
            "migrate_volume",
            "upload_volume",
            "reimage_volume",
        ],
        "nobody is told of it",
    ),
];

/// The names of all points.
fn catalogue() -> BTreeSet<String> {
    let mut points = BTreeSet::new();
    for source in sources() {
        let code = source.code.join("\n");
        let named: Vec<&str> = between(&code, "fault::point(\"");
        let mut steps = between(&code, "fault::point_of(kind, \"");
        steps.extend(between(&code, "fault::point_of(order.work.kind(), \""));
        steps.extend(between(&code, "fault::point_of(self.order.work.kind(), \""));
        let calls = code.matches("fault::point").count();
        assert_eq!(calls, named.len() + steps.len(), "{} names a point otherwise", source.name);
        points.extend(named.into_iter().map(str::to_owned));
        if steps.is_empty() {
            continue;
        }
        let (_, files) = WORK.iter().find(|(folder, _)| source.name.starts_with(folder)).expect("its kinds of work");
        for kind in files.iter().flat_map(|file| kinds(file)) {
            let has = |step: &str| !ABSENT.iter().any(|(of, kinds, _)| of.contains(&step) && kinds.contains(&&*kind));
            points.extend(steps.iter().filter(|step| has(step)).map(|step| format!("{kind}.{step}")));
        }
    }
    points
}

/// The names of the kinds of work in a file.
fn kinds(file: &str) -> Vec<String> {
    let text = fs::read_to_string(file).expect("the kinds of work");
    let body = text.split("fn kind(&self)").nth(1).expect("their names").split("\n    }\n").next().unwrap_or_default();
    between(body, "=> \"").into_iter().map(str::to_owned).collect()
}

/// What stands between each `before` and the next quote.
fn between<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_points_are_found() {
    let points = catalogue();
    for point in ["order.after_take", "key.announced", "create_volume.after_step", "restore_backup.before_commit"] {
        assert!(points.contains(point), "{point}");
    }
    assert!(!points.contains("clean_up.after_step"));
    let known: BTreeSet<String> =
        WORK.iter().flat_map(|(_, files)| files.iter().flat_map(|file| kinds(file))).collect();
    assert!(ABSENT.iter().flat_map(|(_, kinds, _)| *kinds).all(|kind| known.contains(*kind)));
}

#[test]
#[ignore = "run by scripts/test and scripts/crash when the suites have told what they killed"]
fn every_point_is_reached_by_a_story_and_make_crash_kills_there() {
    let log = fs::read_to_string(std::env::var(LOG).expect("HEARTH_CRASH_LOG")).expect("what the suites have told");
    let mut told: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (what, point) in log.lines().filter_map(|line| line.split_once(' ')) {
        told.entry(what).or_default().insert(point.to_owned());
    }
    let killed = told.remove("killed").unwrap_or_default();
    let mut reached = told.remove("reached").unwrap_or_default();
    reached.extend(killed.iter().cloned());
    let all = catalogue();
    let strange: Vec<&String> = reached.difference(&all).collect();
    assert!(strange.is_empty(), "reached, although no such point is known, or it counts as absent: {strange:?}");
    let missing: Vec<&String> = all.difference(&reached).collect();
    assert!(missing.is_empty(), "no story reaches {missing:?}");
    if std::env::var(WHICH).is_ok_and(|which| which == "all") {
        let missing: Vec<&String> = all.difference(&killed).collect();
        assert!(missing.is_empty(), "nothing was killed at {missing:?}");
    }
    println!("{} of {} points were killed at, all were reached", killed.len(), all.len());
}
