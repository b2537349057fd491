//! Points at which a test kills this process, to show that what is left can be recovered. Without the environment
//! variables `HEARTH_FAULT` and `HEARTH_FAULT_TRACE` a point costs one comparison. Not here: the names of the points, which
//! stand where they are.

use std::fs::File;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// The variable: the name of a point, or `name:n` for the n-th time that it is reached.
pub const VARIABLE: &str = "HEARTH_FAULT";
/// The variable: a file to which the name of each point is added that is reached, one a line.
pub const TRACE: &str = "HEARTH_FAULT_TRACE";

struct Faults {
    point: String,
    /// How often the point is passed before it kills.
    passes: AtomicU32,
    trace: Option<File>,
}

static FAULTS: OnceLock<Option<Faults>> = OnceLock::new();

/// Ends the process as `kill -9` does where the environment names this point.
pub fn point(name: &str) {
    let Some(faults) = FAULTS.get_or_init(from_environment) else { return };
    if let Some(mut trace) = faults.trace.as_ref() {
        // One write, so that what other threads add stands before or behind it. A test that misses it says so.
        let _ = trace.write_all(format!("{name}\n").as_bytes());
    }
    if faults.point == name && faults.passes.fetch_sub(1, Ordering::Relaxed) == 1 {
        // Nothing is flushed, dropped or told: that is the point. It can only fail for want of a process.
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

/// As [`point`], for the point `work.step`.
pub fn point_of(work: &str, step: &str) {
    if FAULTS.get_or_init(from_environment).is_some() {
        point(&format!("{work}.{step}"));
    }
}

fn from_environment() -> Option<Faults> {
    let (fault, trace) = (std::env::var(VARIABLE).ok(), std::env::var_os(TRACE));
    if fault.is_none() && trace.is_none() {
        return None;
    }
    let text = fault.unwrap_or_default();
    let (point, passes) = text.split_once(':').unwrap_or((&text, "1"));
    let trace = trace.and_then(|path| File::options().create(true).append(true).open(path).ok());
    Some(Faults { point: point.to_owned(), passes: AtomicU32::new(passes.parse().unwrap_or(1)), trace })
}
