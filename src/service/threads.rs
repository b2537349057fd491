//! Native threads: what a thread tells the gateway before it waits for something slow, how a panic is contained, and how
//! a lock is taken that no panic can poison.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

thread_local! {
    static BEFORE_WAITING: Cell<Option<fn()>> = const { Cell::new(None) };
    static CONTAINING: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
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

/// Takes a lock. A panic of an earlier holder does not matter: no holder leaves its data half-changed.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work`; where it panics, answers what it said and where, in one line, instead of printing it.
///
/// # Errors
/// The panic's text.
pub fn contain<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CONTAINING.get() {
                return others(panic);
            }
            let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
            let text = text(panic.payload());
            LAST_PANIC.with_borrow_mut(|last| *last = format!("{}{place}", text.replace('\n', " ")));
        }));
    });
    let outer = CONTAINING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CONTAINING.set(outer);
    result.map_err(|_| LAST_PANIC.with_borrow_mut(std::mem::take))
}

fn text(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "a panic without a text",
    }
}

#[cfg(test)]
mod tests {
    use super::{about_to_wait, contain, on_waiting};
    use std::cell::Cell;

    thread_local! {
        static CALLS: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn a_thread_hands_over_once_before_it_waits() {
        on_waiting(Some(|| CALLS.set(CALLS.get() + 1)));
        about_to_wait();
        about_to_wait();
        assert_eq!(CALLS.get(), 1);
    }

    #[test]
    fn a_contained_panic_tells_what_and_where_in_one_line() {
        let text = contain(|| panic!("first\nsecond {}", 3)).expect_err("it panics");
        assert!(text.starts_with("first second 3 at src/service/threads.rs:"), "{text}");
        assert_eq!(contain(|| 7), Ok(7));
    }
}
