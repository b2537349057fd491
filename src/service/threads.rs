//! Native threads: what a thread tells the gateway before it waits for something slow.

use std::cell::Cell;

thread_local! {
    static BEFORE_WAITING: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Sets what this thread does before it waits; the gateway's polling thread hands polling over to another.
pub fn on_waiting(action: Option<fn()>) {
    BEFORE_WAITING.set(action);
}

/// To be called before a wait that may be long (a database, Keystone, a broker, a driver, the client), on any thread.
pub fn about_to_wait() {
    if let Some(action) = BEFORE_WAITING.take() {
        action();
    }
}
