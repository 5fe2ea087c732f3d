//! One pull: permits go out, messages come back with a permit each, and what was not used returns.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::permit::Permits;
use crate::port::broker::Error;
use crate::port::{Delivery, Lane};

/// What a pull tells while it runs.
pub enum Event {
    /// Messages, each with the permit it runs by.
    Taken(Vec<(Delivery, Permits)>),
    /// It is over; told exactly once, also if the pull is aborted.
    Over(Pulled),
}

/// How a pull ended.
#[derive(Debug)]
pub struct Pulled {
    /// The permits that found no message.
    pub unused: Permits,
    /// How many messages it took.
    pub taken: u32,
    /// What ended it early.
    pub error: Option<Error>,
}

/// Where the events go.
pub type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// Pulls as many messages as there are permits, waiting up to `wait` for the first; no more once it is `enough`.
///
/// Not an `async fn`: one that is aborted before it has run at all must tell that it is over like any other.
pub fn run(
    lane: Arc<dyn Lane>,
    permits: Permits,
    wait: Duration,
    enough: CancellationToken,
    sink: Sink,
) -> impl Future<Output = ()> + Send + 'static {
    let max = NonZeroU32::new(permits.count());
    let over = Over { pulled: Some(Pulled { unused: permits, taken: 0, error: None }), sink };
    async move {
        // By name, so that the whole guard is captured, and dropped with the future.
        let mut over = over;
        let Some(max) = max else { return };
        let mut chunks = lane.pull(max, wait, enough).ready_chunks(usize::try_from(max.get()).unwrap_or(usize::MAX));
        while let Some(chunk) = chunks.next().await {
            over.chunk(chunk);
        }
    }
}

/// Tells [`Event::Over`] when dropped.
struct Over {
    pulled: Option<Pulled>,
    sink: Sink,
}

impl Over {
    fn chunk(&mut self, chunk: Vec<Result<Delivery, Error>>) {
        let Some(pulled) = &mut self.pulled else { return };
        let mut taken = Vec::with_capacity(chunk.len());
        for item in chunk {
            match item {
                Ok(delivery) => {
                    pulled.taken += 1;
                    taken.push((delivery, pulled.unused.take(1)));
                }
                Err(error) => pulled.error = Some(error),
            }
        }
        if !taken.is_empty() {
            (self.sink)(Event::Taken(taken));
        }
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        if let Some(pulled) = self.pulled.take() {
            (self.sink)(Event::Over(pulled));
        }
    }
}
