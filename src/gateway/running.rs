//! What a worker thread is doing: the layers above tell it, the status document and the time-out log read it.

use std::cell::RefCell;

/// What is known of the request that a thread is handling.
#[derive(Debug, Default, Clone)]
pub struct Running {
    /// The request id, once the pipeline has made one.
    pub request_id: String,
    /// The project of the caller, once identity is known.
    pub project_id: String,
    /// The route's pattern, once one has matched; counts and latencies are kept by it.
    pub route: &'static str,
}

thread_local! {
    static CURRENT: RefCell<Running> = RefCell::default();
}

/// Tells the request id of the request that this thread handles.
pub fn set_request_id(id: &str) {
    CURRENT.with_borrow_mut(|current| {
        current.request_id.clear();
        current.request_id.push_str(id);
    });
}

/// Tells the project of the request that this thread handles.
pub fn set_project(id: &str) {
    CURRENT.with_borrow_mut(|current| {
        current.project_id.clear();
        current.project_id.push_str(id);
    });
}

/// Tells the route of the request that this thread handles.
pub fn set_route(route: &'static str) {
    CURRENT.with_borrow_mut(|current| current.route = route);
}

/// The request id of the request that this thread handles; empty between requests and on other threads.
pub fn request_id() -> String {
    CURRENT.with_borrow(|current| current.request_id.clone())
}

/// Appends the request id of the request that this thread handles; nothing between requests and on other threads.
pub fn append_request_id(into: &mut String) {
    // A thread that ends has no request any more.
    let _ = CURRENT.try_with(|current| {
        if let Ok(current) = current.try_borrow() {
            into.push_str(&current.request_id);
        }
    });
}
