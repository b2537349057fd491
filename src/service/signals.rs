//! What an operator or a supervisor tells a process by signals. What is done about it is the caller's.
//!
//! | signal | order |
//! |---|---|
//! | SIGTERM, SIGUSR1, SIGINT, SIGQUIT | [`Order::Stop`]: finish what runs, take no more (mod_fcgid, systemd, a terminal) |
//! | SIGUSR2 | [`Order::Replace`]: a fresh executable on the same sockets |
//! | SIGHUP | [`Order::Reload`]: read the configuration again |
//!
//! SIGPIPE is ignored by the language's runtime: a client that went away is an error of the write.

use std::io;
use std::thread;

use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Finish what runs and take no more.
    Stop,
    /// Start a fresh executable in this one's place.
    Replace,
    /// Read the configuration again.
    Reload,
}

/// Lets `obey` act on each signal, on a thread of its own, one after the other.
///
/// # Errors
/// Where the signals can not be caught or the thread not be started.
pub fn listen(mut obey: impl FnMut(Order) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGUSR1, SIGINT, SIGQUIT, SIGUSR2, SIGHUP])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            obey(order(signal));
        }
    })?;
    Ok(())
}

fn order(signal: i32) -> Order {
    match signal {
        SIGUSR2 => Order::Replace,
        SIGHUP => Order::Reload,
        _ => Order::Stop,
    }
}
