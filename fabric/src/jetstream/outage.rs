//! For how long there has been no connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::port::broker::Error;
use tokio::time::Instant;

/// How long a lost connection is waited for: one that is made again, with another server perhaps, is back by then.
const PATIENCE: Duration = Duration::from_secs(2);

/// Since when the connection has been lost, if it is; clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Outage(Arc<Mutex<Option<Instant>>>);

impl Outage {
    /// The connection is lost.
    pub(super) fn begins(&self) {
        self.since().get_or_insert_with(Instant::now);
    }

    /// There is one again.
    pub(super) fn ends(&self) {
        *self.since() = None;
    }

    /// What is wrong, once it has lasted for so long that to wait for it would be in vain.
    pub(super) fn error(&self) -> Option<Error> {
        let lasts = self.since().map(|since| since.elapsed()).filter(|lasts| *lasts >= PATIENCE)?;
        Some(Error::Away(format!("the connection to NATS has been lost for {} s", lasts.as_secs()).into()))
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_waited_for_a_while() {
        let outage = Outage::default();
        assert!(outage.error().is_none());
        outage.begins();
        advance(PATIENCE / 2).await;
        outage.begins();
        assert!(outage.error().is_none(), "it may be back in a moment");
        advance(PATIENCE / 2).await;
        assert_eq!(
            outage.error().unwrap().to_string(),
            Error::Away("the connection to NATS has been lost for 2 s".into()).to_string()
        );
        outage.ends();
        assert!(outage.error().is_none());
        outage.begins();
        assert!(outage.error().is_none(), "this is another one");
    }
}
