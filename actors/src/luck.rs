//! Chance, handed in at the start: true in production, of a seed in a simulation, so that the seed tells it all.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Where the tree's chance comes from; clones draw from the same.
#[derive(Clone, Debug, Default)]
pub struct Luck(Option<Arc<Mutex<SmallRng>>>);

impl Luck {
    /// The same draws in the same order for the same seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(SmallRng::seed_from_u64(seed)))))
    }

    /// A draw in `0.0..1.0`.
    #[must_use]
    pub fn draw(&self) -> f64 {
        match &self.0 {
            // What production draws from: nothing is shared between its threads.
            None => rand::rng().random(),
            Some(seeded) => seeded.lock().unwrap_or_else(PoisonError::into_inner).random(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_tells_every_draw() {
        let draws = |seed| {
            let luck = Luck::of(seed);
            [luck.draw(), luck.clone().draw(), luck.draw()]
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&Luck::default().draw())));
    }
}
