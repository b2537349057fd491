//! What a process was started with: descriptors by their number, and the environment.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Takes over a descriptor that this process was started with, by its number, so that children do not inherit it further.
///
/// To be called once for each number, early, before anything else opens descriptors.
///
/// # Errors
/// Where no such descriptor is open.
pub fn inherited_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the descriptor is only asked for its flags, which fails where it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = rustix::io::fcntl_getfd(borrowed)?;
    rustix::io::fcntl_setfd(borrowed, flags | rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and by this function's contract nothing else in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Removes a variable from this process's environment.
///
/// To be called before the first thread is started: other threads may read the environment at any time.
pub fn forget_variable(name: &str) {
    if std::env::var_os(name).is_some() {
        // SAFETY: by this function's contract there is no other thread.
        unsafe { std::env::remove_var(name) };
    }
}
