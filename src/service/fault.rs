//! Points at which a test kills this process, to show that what is left can be recovered. Without the environment
//! variable `HEARTH_FAULT` a point costs one comparison. Not here: the names of the points, which stand where they are.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// The variable: the name of a point, or `name:n` for the n-th time that it is reached.
pub const VARIABLE: &str = "HEARTH_FAULT";

struct Fault {
    point: String,
    /// How often the point is passed before it kills.
    passes: AtomicU32,
}

static FAULT: OnceLock<Option<Fault>> = OnceLock::new();

/// Ends the process as `kill -9` does where the environment names this point.
pub fn point(name: &str) {
    let Some(fault) = FAULT.get_or_init(from_environment) else { return };
    if fault.point == name && fault.passes.fetch_sub(1, Ordering::Relaxed) == 1 {
        // Nothing is flushed, dropped or told: that is the point. It can only fail for want of a process.
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

/// As [`point`], for the point `work.step`.
pub fn point_of(work: &str, step: &str) {
    if FAULT.get_or_init(from_environment).is_some() {
        point(&format!("{work}.{step}"));
    }
}

fn from_environment() -> Option<Fault> {
    let text = std::env::var(VARIABLE).ok()?;
    let (point, passes) = text.split_once(':').unwrap_or((&text, "1"));
    Some(Fault { point: point.to_owned(), passes: AtomicU32::new(passes.parse().unwrap_or(1)) })
}
