//! Stories that are played once to the end, to see which points of a fault they pass, and then once more for each of these,
//! killed there, as a sample or all of them: [`WHICH`]. What was reached and killed is told to a log that `points.rs` of the suite `architecture` compares with
//! all points of the source: `make crash`.
//!
//! Include it with `#[path = "../support/crash.rs"] mod crash_stories;`.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use hearth::service::fault;

/// The variable: empty for a sample, `all`, or a part of the names of the stories that are played whole.
const WHICH: &str = "HEARTH_CRASH";
/// The variable: the file to which points are told, `reached POINT` and `killed POINT`.
const LOG: &str = "HEARTH_CRASH_LOG";
/// A sample kills at one of so many points.
const SAMPLE: usize = 8;
/// A point that is passed more often is killed at in its first passes alone.
const PASSES: usize = 3;
/// What a trace says between the start of a service and the story.
const BEGINNING: &str = "-- the story begins";

/// What becomes of the service that a story is about.
#[derive(Clone, Copy)]
pub(crate) enum Fate<'a> {
    /// It goes on to its end, and the points that it passes are written to a file.
    Watched(&'a Path),
    /// It is killed at a point.
    Killed(&'a str),
}

impl Fate<'_> {
    /// Lets the process that is started meet its fate.
    pub(crate) fn befall(&self, command: &mut Command) {
        match self {
            Self::Watched(trace) => command.env(fault::TRACE, trace),
            Self::Killed(point) => command.env(fault::VARIABLE, point),
        };
    }

    /// Says that the service is up and that what happens now is the story.
    pub(crate) fn begin(&self) {
        if let Self::Watched(trace) = self {
            add(trace, BEGINNING);
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        matches!(self, Self::Watched(_))
    }
}

/// Whether only some of the points are killed at.
pub(crate) fn is_sample() -> bool {
    std::env::var(WHICH).unwrap_or_default().is_empty()
}

/// Plays a story once to its end, and once for each point that it passed meanwhile: for all of them, or for some.
pub(crate) fn everywhere(story: &str, play: impl Fn(Fate<'_>)) {
    let which = std::env::var(WHICH).unwrap_or_default();
    let whole = which == "all" || (!which.is_empty() && story.contains(&which));
    if !whole && !which.is_empty() {
        return;
    }
    println!("{story}");
    let trace = scratch();
    play(Fate::Watched(&trace));
    let points = passed(&fs::read_to_string(&trace).unwrap_or_default());
    let _ = fs::remove_file(&trace);
    assert!(!points.is_empty(), "{story} passes no point");
    // Every story has others.
    let place: usize = story.bytes().map(usize::from).sum();
    for (number, point) in points.iter().enumerate() {
        tell("reached", point);
        if whole || number % SAMPLE == place % SAMPLE {
            println!("{story}, killed at {point}");
            play(Fate::Killed(point));
            tell("killed", point);
        }
    }
}

/// Says that a test has reached a point, or has killed at it.
pub(crate) fn tell(what: &str, point: &str) {
    if let Some(log) = std::env::var_os(LOG) {
        add(Path::new(&log), &format!("{what} {}", point.split(':').next().unwrap_or(point)));
    }
}

fn add(path: &Path, line: &str) {
    let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// The points of a trace, each pass that is to be killed at: `point` and `point:n`, counted from the start of the process.
fn passed(trace: &str) -> Vec<String> {
    let mut begun = false;
    let mut seen: Vec<&str> = Vec::new();
    let mut own: Vec<&str> = Vec::new();
    let mut points = Vec::new();
    for name in trace.lines() {
        if name == BEGINNING {
            begun = true;
            continue;
        }
        seen.push(name);
        own.extend(begun.then_some(name));
        // How many orders one look takes depends on who is faster.
        let passes = if name.contains("order.") { 1 } else { PASSES };
        if begun && own.iter().filter(|one| **one == name).count() <= passes {
            let pass = seen.iter().filter(|one| **one == name).count();
            points.push(if pass == 1 { name.to_owned() } else { format!("{name}:{pass}") });
        }
    }
    points
}

fn scratch() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("hearth-trace-{}-{number}", std::process::id()))
}

#[test]
fn each_pass_of_a_point_is_killed_at_and_what_came_before_the_story_is_counted() {
    let trace = format!("a\nb\n{BEGINNING}\norder.x\na\nc\nc\nc\nc\norder.x\n");
    assert_eq!(passed(&trace), ["order.x", "a:2", "c", "c:2", "c:3"]);
}
