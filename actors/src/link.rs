//! A subscriber's link to its lane: open or not, and the limit that the broker was told.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::port::Lane;
use crate::port::broker::Error;

type Limit = Option<NonZeroU32>;

/// Not open at first.
#[derive(Default)]
pub struct Link {
    lane: Option<Arc<dyn Lane>>,
    /// Absent while it is not known that the broker keeps to it.
    bound: Option<Limit>,
}

impl Link {
    /// The lane was opened with this limit.
    pub fn opened(&mut self, lane: Arc<dyn Lane>, limit: Limit) {
        (self.lane, self.bound) = (Some(lane), Some(limit));
    }

    /// It broke.
    pub fn broke(&mut self) {
        self.lane = None;
    }

    /// The lane, while it is open.
    #[must_use]
    pub fn lane(&self) -> Option<&Arc<dyn Lane>> {
        self.lane.as_ref()
    }

    /// Tells the broker the limit, if it does not know it; the answer is for [`bound`](Self::bound).
    pub fn bind(&mut self, limit: Limit) -> Option<impl Future<Output = Result<(), Error>> + Send + 'static> {
        let lane = self.lane.clone().filter(|_| self.bound != Some(limit))?;
        self.bound = Some(limit);
        Some(async move { lane.set_limit(limit).await })
    }

    /// The broker keeps to the limit, or is to be told again.
    pub fn bound(&mut self, answer: Result<(), Error>) {
        if let Err(error) = answer {
            self.bound = None;
            tracing::warn!(%error, "a lane's limit could not be changed; trying again");
        }
    }

    /// Asks how many messages wait.
    #[must_use]
    pub fn count(&self) -> Option<impl Future<Output = Result<u64, Error>> + Send + 'static> {
        let lane = self.lane.clone()?;
        Some(async move { lane.waiting().await })
    }
}
