//! A fresh executable in this one's place: it is started on the same listening sockets, and when it says that it answers
//! requests, this process takes no more and finishes what it has. Where it fails to start, nothing changes.
//!
//! Under a supervisor that waits for this very process (mod_fcgid), that one's own way of replacing processes is the right
//! one. systemd is told the new process's id; spawn-fcgi does not care.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::listener::{Listener, PASSED_ON};
use crate::service::{exec, sd_notify};

/// The variable that names the descriptor on which a successor says that it answers requests.
const READY: &str = "HEARTH_READY";
/// How long a successor may take until it answers requests.
const START: Duration = Duration::from_secs(60);

/// The file of this program. After an upgrade another file has its name, and only the name is right.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Remembers the file of this program, before it may be replaced.
pub(super) fn remember_program() {
    if let Ok(program) = std::env::current_exe() {
        PROGRAM.get_or_init(|| program);
    }
}

/// Tells whoever started this process that it answers requests.
pub(super) fn tell_ready() {
    if let Some(number) = std::env::var(READY).ok().and_then(|number| number.parse().ok()) {
        static TOLD: OnceLock<()> = OnceLock::new();
        if TOLD.set(()).is_ok()
            && let Ok(descriptor) = crate::sys::started::inherited_descriptor(number)
            && let Err(error) = File::from(descriptor).write_all(b"1")
        {
            log::warn!("the process before this one could not be told that this one answers: {error}");
        }
    }
    sd_notify::ready();
}

/// Starts the successor and waits until it answers requests.
///
/// # Errors
/// Where it can not be started or does not come to answer requests; the caller goes on as before.
pub(super) fn start(listeners: &[Listener]) -> io::Result<u32> {
    let program = PROGRAM.get().map(PathBuf::as_path).unwrap_or(Path::new("/proc/self/exe"));
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut descriptors = vec![theirs];
    let mut names = Vec::new();
    for listener in listeners {
        let copy: OwnedFd = listener.as_fd().try_clone_to_owned()?;
        names.push(listener.pass_on(copy.as_raw_fd()));
        descriptors.push(copy);
    }
    let ready = descriptors.first().map_or(-1, AsRawFd::as_raw_fd);
    let environment = [(PASSED_ON, names.join(",")), (READY, ready.to_string())];
    let id = exec::start_successor(program, &environment, descriptors)?;
    let timeout = Timespec::try_from(START).map_err(io::Error::other)?;
    let mut poll = [PollFd::new(&ours, PollFlags::IN)];
    let ready = rustix::io::retry_on_intr(|| rustix::event::poll(&mut poll, Some(&timeout)))?;
    if ready == 0 {
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("process {id} does not come to answer requests")));
    }
    match File::from(ours).read(&mut [0; 1]) {
        Ok(1) => Ok(id),
        _ => Err(io::Error::other(format!("process {id} ended before it answered a request"))),
    }
}
