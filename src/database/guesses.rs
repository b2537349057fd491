//! Guesses: what was so a moment ago, and is likely to be so again. A guess may be wrong, which may cost time and nothing else.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};

/// How many guesses there is room for: a newer one takes the place of an older one.
const PLACES: usize = 1024;

/// Names of which something is guessed to hold.
#[derive(Debug)]
pub struct Guesses {
    places: Box<[AtomicU32; PLACES]>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self { places: Box::new([const { AtomicU32::new(0) }; PLACES]) }
    }
}

impl Guesses {
    /// Whether it is guessed to hold.
    pub fn holds(&self, name: &str) -> bool {
        let (place, mark) = self.place(name);
        place.load(Ordering::Relaxed) == mark
    }

    /// What was found, for the next time.
    pub fn found(&self, name: &str, holds: bool) {
        let (place, mark) = self.place(name);
        if holds {
            place.store(mark, Ordering::Relaxed);
        } else {
            // Only where it is this name's.
            let _ = place.compare_exchange(mark, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn place(&self, name: &str) -> (&AtomicU32, u32) {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let [low, high] = [hasher.finish() as u32, (hasher.finish() >> 32) as u32];
        (&self.places[low as usize % PLACES], high | 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Guesses;

    #[test]
    fn the_last_that_was_found_is_guessed() {
        let guesses = Guesses::default();
        assert!(!guesses.holds("a"));
        guesses.found("a", true);
        guesses.found("b", false);
        assert!(guesses.holds("a") && !guesses.holds("b"));
        guesses.found("a", false);
        assert!(!guesses.holds("a"));
    }
}
