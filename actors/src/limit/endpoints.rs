//! The endpoints of one function as its subscriber and its calls share them: a slot is a value.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use url::Url;

use super::endpoint::{Endpoint, Said, Table};

/// Shared by a subscriber and the calls it runs; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Endpoints(Arc<Mutex<Table>>);

impl Endpoints {
    /// These from now on.
    pub fn set(&self, endpoints: Vec<Endpoint>) {
        self.table().set(endpoints);
    }

    /// How many calls may start now, and when there may be more.
    #[must_use]
    pub fn room(&self, now: std::time::Instant) -> (u32, Option<std::time::Instant>) {
        let table = self.table();
        (table.room(now), table.next_at())
    }

    /// A slot at the best endpoint that was not tried yet.
    #[must_use]
    pub fn take(&self, tried: &[Url]) -> Option<Slot> {
        let endpoint = self.table().take(tried, Instant::now().into_std())?;
        Some(Slot { endpoint, said: Said::Nothing, home: self.clone() })
    }

    /// Held for moments and never across an await; the table leaves nothing half done.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have one call at an endpoint; dropping it gives it back.
#[derive(Debug)]
pub struct Slot {
    /// Where.
    pub endpoint: Arc<Endpoint>,
    said: Said,
    home: Endpoints,
}

impl Slot {
    /// The exchange is over, and said this.
    pub fn finish(mut self, said: Said) {
        self.said = said;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.home.table().give_back(&self.endpoint.url, self.said, Instant::now().into_std());
    }
}
