//! What a program does between its fork and its exec.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, set_parent_process_death_signal};

/// Has the kernel kill the program when the thread that started it ends, so that a program never works on after a crash
/// of who waits for it.
pub fn die_with_parent(command: &mut Command) {
    let before_exec = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
    // SAFETY: between fork and exec only async-signal-safe functions may be called. This is the one system call prctl; the
    // closure allocates nothing, takes no lock and touches no memory that other threads share.
    unsafe { command.pre_exec(before_exec) };
}

/// Lets the program inherit descriptors under their numbers, although this process closes them in every other program.
pub fn inherit(command: &mut Command, descriptors: Vec<OwnedFd>) {
    let before_exec = move || {
        for descriptor in &descriptors {
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe functions may be called. This is the one system call fcntl for
    // each descriptor, all of which the closure owns; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(before_exec) };
}
