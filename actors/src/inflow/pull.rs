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
    /// Messages, each with the permit it runs by; with none where that was let go.
    Taken(Vec<(Delivery, Permits)>),
    /// It is over; told exactly once, also if the pull is aborted.
    Over(Pulled),
}

/// How a pull ended.
#[derive(Debug)]
pub struct Pulled {
    /// The permits that found no message, unless they were let go.
    pub unused: Permits,
    /// How many messages it asked for.
    pub asked: u32,
    /// How many messages it took.
    pub taken: u32,
    /// What ended it early.
    pub error: Option<Error>,
}

/// How a pull is held while it is out; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Reins {
    /// It is to end as soon as that cannot lose what is on its way.
    pub enough: CancellationToken,
    /// Its permits are to go home at once. It cannot be taken back, so a message may come all the same, without one.
    pub let_go: CancellationToken,
}

/// Where the events go.
pub type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// Pulls as many messages as there are permits, waiting up to `wait` for the first, and held by its `reins`.
///
/// Not an `async fn`: one that is aborted before it has run at all must tell that it is over like any other.
pub fn run(
    lane: Arc<dyn Lane>,
    permits: Permits,
    wait: Duration,
    Reins { enough, let_go }: Reins,
    sink: Sink,
) -> impl Future<Output = ()> + Send + 'static {
    let asked = permits.count();
    let over = Over { pulled: Some(Pulled { unused: permits, asked, taken: 0, error: None }), sink };
    async move {
        // By name, so that the whole guard is captured, and dropped with the future.
        let mut over = over;
        let Some(max) = NonZeroU32::new(asked) else { return };
        let mut chunks = lane.pull(max, wait, enough).ready_chunks(usize::try_from(max.get()).unwrap_or(usize::MAX));
        loop {
            tokio::select! {
                biased;
                () = let_go.cancelled(), if over.holds() => over.let_go(),
                chunk = chunks.next() => match chunk {
                    Some(chunk) => over.chunk(chunk),
                    None => return,
                },
            }
        }
    }
}

/// Tells [`Event::Over`] when dropped.
struct Over {
    pulled: Option<Pulled>,
    sink: Sink,
}

impl Over {
    fn holds(&self) -> bool {
        self.pulled.as_ref().is_some_and(|pulled| pulled.unused.count() > 0)
    }

    fn let_go(&mut self) {
        if let Some(pulled) = &mut self.pulled {
            drop(pulled.unused.take(u32::MAX));
        }
    }

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
