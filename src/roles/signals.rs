//! What signals ask a role to do.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use crate::error::{Error, Result};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// TERM, USR1, INT: finish what runs, take no more.
    Stop,
    /// HUP: read the configuration again.
    Reload,
    /// USR2: start a fresh executable on the same sockets, then stop.
    Replace,
}

/// The signals of this process.
pub struct Signals(signal_hook::iterator::Signals);

impl Signals {
    /// Takes over the signals of this process.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn watch() -> Result<Self> {
        signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2])
            .map(Self)
            .map_err(Error::internal)
    }

    /// Calls `act` for each signal, for ever.
    pub fn each(mut self, mut act: impl FnMut(Wish)) {
        for signal in self.0.forever() {
            act(wish(signal));
        }
    }

    /// Waits for the next signal.
    pub fn next(&mut self) -> Option<Wish> {
        self.0.forever().next().map(wish)
    }
}

fn wish(signal: i32) -> Wish {
    match signal {
        SIGHUP => Wish::Reload,
        SIGUSR2 => Wish::Replace,
        _ => Wish::Stop,
    }
}
