//! What is remembered by the hash of a token, and how many threads that miss the same thing wait for one of them.
//! Not here: tokens, and for how long what Keystone says holds.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::service::threads::about_to_wait;

/// The hash of a token, so that memory holds no text that opens anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// Parts that are locked one by one.
const SHARDS: usize = 16;

/// A bounded memory; the values that were put in first are forgotten first.
pub(super) struct Cache<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    /// Most values of one shard.
    capacity: usize,
}

struct Shard<V> {
    values: HashMap<Key, (V, Instant)>,
    /// The keys of `values`, the oldest first.
    order: VecDeque<Key>,
}

/// A thread that panicked with the lock left whole values behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<V: Clone> Cache<V> {
    /// A memory of about `capacity` values.
    pub(super) fn new(capacity: usize) -> Self {
        let shard = |_| Mutex::new(Shard { values: HashMap::new(), order: VecDeque::new() });
        Self { shards: std::array::from_fn(shard), capacity: capacity.div_ceil(SHARDS).max(1) }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard<V>> {
        let [first, ..] = key.0;
        let [shard, ..] = &self.shards;
        lock(self.shards.get(usize::from(first) % SHARDS).unwrap_or(shard))
    }

    /// The value, if its time is not over.
    pub(super) fn value(&self, key: &Key, now: Instant) -> Option<V> {
        self.shard(key).values.get(key).filter(|(_, until)| now < *until).map(|(value, _)| value.clone())
    }

    /// Puts a value in, to be forgotten at `until` or earlier.
    pub(super) fn keep(&self, key: Key, value: V, until: Instant) {
        let mut shard = self.shard(&key);
        if shard.values.insert(key, (value, until)).is_some() {
            return;
        }
        shard.order.push_back(key);
        if shard.order.len() > self.capacity
            && let Some(oldest) = shard.order.pop_front()
        {
            shard.values.remove(&oldest);
        }
    }
}

/// Work that several threads want at once and one of them does.
pub(super) struct Flights<K, T> {
    open: Mutex<HashMap<K, Arc<Flight<T>>>>,
}

struct Flight<T> {
    result: Mutex<Option<T>>,
    landed: Condvar,
}

impl<K: Hash + Eq + Clone, T: Clone> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self { open: Mutex::new(HashMap::new()) }
    }

    /// Does `work`, or waits for the thread that does it for the same key. `failed` is the result where that thread
    /// panics.
    pub(super) fn join(&self, key: &K, work: impl FnOnce() -> T, failed: impl FnOnce() -> T) -> T {
        let mut open = lock(&self.open);
        if let Some(flight) = open.get(key).map(Arc::clone) {
            drop(open);
            about_to_wait();
            let mut result = lock(&flight.result);
            loop {
                if let Some(result) = &*result {
                    return result.clone();
                }
                result = flight.landed.wait(result).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let flight = Arc::new(Flight { result: Mutex::new(None), landed: Condvar::new() });
        open.insert(key.clone(), Arc::clone(&flight));
        drop(open);
        let mut landing = Landing { flights: self, key, flight: &flight, failed: Some(failed) };
        let result = work();
        landing.failed = None;
        *lock(&flight.result) = Some(result.clone());
        result
    }
}

/// Ends a flight whatever happens to its thread.
struct Landing<'a, K: Hash + Eq, T, F: FnOnce() -> T> {
    flights: &'a Flights<K, T>,
    key: &'a K,
    flight: &'a Flight<T>,
    failed: Option<F>,
}

impl<K: Hash + Eq, T, F: FnOnce() -> T> Drop for Landing<'_, K, T, F> {
    fn drop(&mut self) {
        if let Some(failed) = self.failed.take() {
            *lock(&self.flight.result) = Some(failed());
        }
        lock(&self.flights.open).remove(self.key);
        self.flight.landed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn values_are_forgotten_when_their_time_is_over_and_the_oldest_first_when_there_are_too_many() {
        let cache = Cache::new(SHARDS * 2);
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let keys: Vec<Key> = (0..1000).map(|n| Key::of(&n.to_string())).collect();
        cache.keep(keys[0], 0, until);
        assert_eq!(cache.value(&keys[0], now), Some(0));
        assert_eq!(cache.value(&keys[0], until), None);
        cache.keep(keys[0], 1, until);
        assert_eq!(cache.value(&keys[0], now), Some(1));
        for (n, key) in keys.iter().enumerate() {
            cache.keep(*key, n, until);
        }
        let left: Vec<usize> = keys.iter().filter_map(|key| cache.value(key, now)).collect();
        assert_eq!(left.len(), SHARDS * 2);
        assert!(left.iter().all(|n| *n > 800), "{left:?}");
    }

    #[test]
    fn threads_that_want_the_same_share_one_result() {
        let flights = Flights::new();
        let (begun, landed) = (Barrier::new(2), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let leader = scope.spawn(|| {
                let work = || {
                    begun.wait();
                    // The followers are on their way: all that join before this one is through share its result.
                    begun.wait();
                    landed.fetch_add(1, Ordering::SeqCst)
                };
                flights.join(&1, work, || usize::MAX)
            });
            begun.wait();
            let follow = || flights.join(&1, || landed.fetch_add(1, Ordering::SeqCst), || usize::MAX);
            let followers: Vec<_> = (0..4).map(|_| scope.spawn(follow)).collect();
            assert_eq!(flights.join(&2, || 7, || usize::MAX), 7, "another key does not wait");
            begun.wait();
            assert_eq!(leader.join().unwrap(), 0);
            let mut results: Vec<usize> = followers.into_iter().map(|follower| follower.join().unwrap()).collect();
            results.sort_unstable();
            // A follower that came too late did the work itself, as many times as it was done after the leader.
            assert_eq!(*results.last().unwrap() + 1, landed.load(Ordering::SeqCst));
        });
        assert!(lock(&flights.open).is_empty());
    }

    #[test]
    fn a_thread_that_panics_leaves_a_failure_and_no_open_flight() {
        let flights: Flights<u8, &str> = Flights::new();
        let begun = Barrier::new(2);
        std::thread::scope(|scope| {
            let leader = scope.spawn(|| {
                let work = || {
                    begun.wait();
                    panic!("on purpose");
                };
                flights.join(&1, work, || "failed")
            });
            begun.wait();
            let follower = flights.join(&1, || "worked", || "failed");
            assert!(leader.join().is_err());
            assert!(["failed", "worked"].contains(&follower));
        });
        assert_eq!(flights.join(&1, || "worked", || "failed"), "worked");
    }
}
