//! What each thread is doing: the layers above tell it, the status document and the time-out log read it. A thread's
//! place is locked by nobody else except while somebody reads the status, so that telling costs next to nothing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::exchange::Exchange;
use super::message::Request;
use crate::service::metrics::Histogram;
use crate::service::threads::lock;

/// Bytes of a path that are kept for the status.
const PATH_KEPT: usize = 256;

/// What is known of the request that a thread is handling.
#[derive(Debug, Default, Clone)]
pub struct Running {
    /// The request id, once the pipeline has made one.
    pub request_id: String,
    /// The project of the caller, once identity is known.
    pub project_id: String,
    /// The route's pattern, once one has matched; counts and latencies are kept by it.
    pub route: &'static str,
    /// The method.
    pub method: String,
    /// The start of the path, without the query.
    pub path: String,
    /// The client's address as the web server tells it.
    pub client: String,
    /// When the request was whole, or its body began to arrive.
    pub since: Option<Instant>,
    /// Whether it has passed the request time-out.
    pub is_slow: bool,
}

/// Counts and latencies of one route.
#[derive(Debug, Default, Clone)]
pub struct RouteCounts {
    /// Answers by the first digit of their status: 1xx is the first.
    pub by_class: [u64; 5],
    /// Time from the whole request to its sent answer.
    pub latency: Histogram,
}

/// One thread's place.
#[derive(Default)]
pub(super) struct Slot(Mutex<SlotState>);

#[derive(Default)]
pub(super) struct SlotState {
    pub(super) running: Running,
    pub(super) exchange: Option<Arc<Exchange>>,
    pub(super) routes: HashMap<&'static str, RouteCounts>,
}

thread_local! {
    static SLOT: RefCell<Arc<Slot>> = RefCell::default();
}

/// This thread's place from now on.
pub(super) fn take_place(slot: Arc<Slot>) {
    SLOT.set(slot);
}

fn with<R>(action: impl FnOnce(&mut SlotState) -> R) -> R {
    SLOT.with_borrow(|slot| action(&mut lock(&slot.0)))
}

/// Tells the request id of the request that this thread handles.
pub fn set_request_id(id: &str) {
    with(|slot| {
        slot.running.request_id.clear();
        slot.running.request_id.push_str(id);
    });
}

/// Tells the project of the request that this thread handles.
pub fn set_project(id: &str) {
    with(|slot| {
        slot.running.project_id.clear();
        slot.running.project_id.push_str(id);
    });
}

/// Tells the route of the request that this thread handles.
pub fn set_route(route: &'static str) {
    with(|slot| slot.running.route = route);
}

/// The request id of the request that this thread handles; empty between requests and on other threads.
pub fn request_id() -> String {
    with(|slot| slot.running.request_id.clone())
}

/// Appends the request id of the request that this thread handles; nothing between requests and on other threads. Called
/// for each log line, also by a thread that ends or that looks at the status: it never waits and never fails.
pub fn append_request_id(into: &mut String) {
    let _ = SLOT.try_with(|slot| {
        if let Ok(slot) = slot.try_borrow()
            && let Ok(slot) = slot.0.try_lock()
        {
            into.push_str(&slot.running.request_id);
        }
    });
}

impl Slot {
    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, SlotState> {
        lock(&self.0)
    }

    /// The thread of this place begins a request.
    pub(super) fn begin(&self, request: &Request, exchange: &Arc<Exchange>, since: Instant) {
        fn refill(text: &mut String, with: &str) {
            text.clear();
            text.push_str(with);
        }
        let slot = &mut *self.lock();
        let running = &mut slot.running;
        refill(&mut running.method, request.method());
        let path = request.path();
        let end = (0..=PATH_KEPT.min(path.len())).rev().find(|at| path.is_char_boundary(*at)).unwrap_or(0);
        refill(&mut running.path, path.get(..end).unwrap_or_default());
        refill(&mut running.client, request.param("REMOTE_ADDR").unwrap_or_default());
        running.request_id.clear();
        running.project_id.clear();
        running.route = "";
        running.since = Some(since);
        running.is_slow = false;
        slot.exchange = Some(Arc::clone(exchange));
    }

    /// The thread of this place has ended its request. Whether it was slow.
    pub(super) fn end(&self, status: u16, now: Instant) -> bool {
        let slot = &mut *self.lock();
        slot.exchange = None;
        let counts = slot.routes.entry(slot.running.route).or_default();
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(count) = counts.by_class.get_mut(class) {
            *count += 1;
        }
        if let Some(since) = slot.running.since.take() {
            counts.latency.observe(now.saturating_duration_since(since));
        }
        slot.running.request_id.clear();
        slot.running.is_slow
    }
}
