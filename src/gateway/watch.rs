//! The watch: a thread that looks at all others every few milliseconds while something runs, and sleeps otherwise. It
//! takes the polling from a thread whose handler takes long, and reports and answers requests past their time. Before it
//! sleeps it returns free memory to the system.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::link::overloaded;
use super::reply;
use super::workers::{Engine, PATIENCE};
use crate::sys::memory;

/// The time without a request after which the watch sleeps until the next one.
const QUIET: Duration = Duration::from_secs(1);
/// How often the ages of requests are looked at.
const AGES: Duration = Duration::from_millis(50);
/// The longest time between two looks while requests come. Each look costs a wake-up, which is much beside a request
/// where a web server spreads few requests over many processes; so that looks come seldom while none finds a request
/// running, and every [`PATIENCE`] as soon as one does.
const SELDOM: Duration = Duration::from_millis(25);

impl Engine {
    /// The life of the watch.
    pub(super) fn keep_watch(&self) {
        let mut aged = Instant::now();
        let (mut served, mut changed) = (0, None::<Instant>);
        let (mut pace, mut gave_back) = (PATIENCE, false);
        loop {
            let now = Instant::now();
            let requests = self.counters.requests.load(Ordering::Relaxed);
            if requests != served {
                (served, changed) = (requests, Some(now));
            }
            let state = self.state();
            if state.finished {
                return;
            }
            let recent = changed.is_some_and(|at| now.saturating_duration_since(at) < QUIET);
            let running = self.is_anything_running();
            pace = if running { PATIENCE } else { (pace * 2).min(SELDOM) };
            let quiet = !recent && !running;
            if quiet && !gave_back {
                // What the last requests took lies in the allocator; nobody waits for it now.
                drop(state);
                memory::give_back();
                gave_back = true;
                continue;
            }
            let wait = if quiet {
                // Set under the lock that a worker takes before it looks: it can not miss it.
                self.watch_sleeps.store(true, Ordering::Relaxed);
                Duration::from_secs(3_600)
            } else {
                pace
            };
            drop(self.watch.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner));
            if quiet {
                self.watch_sleeps.store(false, Ordering::Relaxed);
                changed = Some(Instant::now());
                gave_back = false;
                continue;
            }
            self.offer_overdue();
            if now.saturating_duration_since(aged) >= AGES {
                aged = now;
                self.look_at_ages(now);
            }
        }
    }

    fn is_anything_running(&self) -> bool {
        self.queued() > 0 || self.slots.iter().any(|slot| slot.lock().running.since.is_some())
    }

    fn look_at_ages(&self, now: Instant) {
        let settings = self.settings.load();
        let Some(limit) = settings.request_timeout else { return };
        let Some(since) = now.checked_sub(limit) else { return };
        for job in self.take_overdue(since) {
            self.counters.overloaded.fetch_add(1, Ordering::Relaxed);
            overloaded(&job.exchange, &settings);
            job.exchange.connection.attend();
        }
        for (number, slot) in self.slots.iter().enumerate() {
            let mut place = slot.lock();
            if place.running.is_slow || place.running.since.is_none_or(|started| started > since) {
                continue;
            }
            place.running.is_slow = true;
            let (running, exchange) = (place.running.clone(), place.exchange.as_ref().map(Arc::clone));
            drop(place);
            self.counters.slow.fetch_add(1, Ordering::Relaxed);
            let age = running.since.map_or(Duration::ZERO, |started| now.saturating_duration_since(started));
            log::warn!(
                "a request is slow: {} {} route={} request_id={} project_id={} client={} age={age:.1?} thread=worker-{number}",
                running.method,
                running.path,
                running.route,
                running.request_id,
                running.project_id,
                running.client,
            );
            let Some(exchange) = exchange else { continue };
            if exchange.answer(reply::plain(504, "the request took too long"), settings.send_timeout) {
                self.counters.timed_out.fetch_add(1, Ordering::Relaxed);
                if exchange.needs_attention() {
                    exchange.connection.attend();
                }
            }
        }
    }
}
