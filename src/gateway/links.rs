//! The table of open connections. A token tells a connection from an earlier one at the same place, so that an event that
//! was meant for a closed connection finds nothing.

use super::link::Link;

/// Connections by token.
#[derive(Default)]
pub(super) struct Links {
    places: Vec<Place>,
    free: Vec<u32>,
    open: usize,
}

#[derive(Default)]
struct Place {
    generation: u32,
    link: Option<Link>,
}

impl Links {
    /// The token of the connection that is inserted next.
    pub(super) fn next_token(&self) -> u64 {
        match self.free.last() {
            Some(&at) => token(at, self.places.get(at as usize).map_or(0, |place| place.generation)),
            None => token(u32::try_from(self.places.len()).unwrap_or(u32::MAX), 0),
        }
    }

    /// Inserts a connection under [`Links::next_token`].
    pub(super) fn insert(&mut self, link: Link) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.places.get_mut(at as usize) {
            place.link = Some(link);
            self.open += 1;
        }
    }

    pub(super) fn get_mut(&mut self, token: u64) -> Option<&mut Link> {
        let (at, generation) = parts(token);
        self.places.get_mut(at).filter(|place| place.generation == generation)?.link.as_mut()
    }

    pub(super) fn remove(&mut self, token: u64) -> Option<Link> {
        let (at, generation) = parts(token);
        let place = self.places.get_mut(at).filter(|place| place.generation == generation)?;
        let link = place.link.take()?;
        // The highest generation is left out: tokens of all ones belong to the listeners.
        place.generation = (place.generation + 1) % (u32::MAX - 1);
        self.free.push(u32::try_from(at).unwrap_or(u32::MAX));
        self.open -= 1;
        Some(link)
    }

    /// Number of open connections.
    pub(super) fn len(&self) -> usize {
        self.open
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.places.iter_mut().filter_map(|place| place.link.as_mut())
    }
}

fn token(at: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(at)
}

fn parts(token: u64) -> (usize, u32) {
    ((token & 0xffff_ffff) as usize, u32::try_from(token >> 32).unwrap_or(u32::MAX))
}
