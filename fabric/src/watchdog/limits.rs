//! How long a request may take.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use super::duration;

/// How long a caller gives the function.
const X_TIMEOUT: HeaderName = HeaderName::from_static("x-timeout");

/// How long requests may take; without a limit where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    /// The function, from the head of the request on.
    pub exec: Option<Duration>,
    /// The body of the request.
    pub read: Option<Duration>,
    /// All of it, the answer's last byte included.
    pub write: Option<Duration>,
}

/// A time, and how long it was until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) at: Option<Instant>,
    pub(super) after: Duration,
}

impl Deadline {
    fn new(now: Instant, after: Option<Duration>) -> Self {
        // What is beyond the clock is never.
        Self { at: after.and_then(|after| now.checked_add(after)), after: after.unwrap_or_default() }
    }

    /// Waits for it.
    pub(super) async fn passed(self) -> Duration {
        match self.at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
        self.after
    }
}

/// What holds for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For its body.
    pub(super) read: Deadline,
    /// For all of it.
    pub(super) whole: Deadline,
}

impl Timeouts {
    /// What holds for a request with these headers that begins now: a caller may give less time, not more.
    pub(super) fn of(&self, headers: &HeaderMap, now: Instant) -> Limits {
        let asked = headers.get(X_TIMEOUT).and_then(|text| {
            let read = text.to_str().map_err(|error| error.to_string()).and_then(duration::parse);
            read.inspect_err(|error| tracing::warn!(%error, "X-Timeout is not heeded")).ok()
        });
        let whole = [self.exec, self.write, asked].into_iter().flatten().min();
        Limits { read: Deadline::new(now, self.read), whole: Deadline::new(now, whole) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(exec: Option<u64>, write: Option<u64>, asked: Option<&str>) -> Option<u64> {
        let now = Instant::now();
        let timeouts =
            Timeouts { exec: exec.map(Duration::from_secs), read: None, write: write.map(Duration::from_secs) };
        let headers = asked.map(|text| (X_TIMEOUT, text.parse().unwrap())).into_iter().collect();
        timeouts.of(&headers, now).whole.at.map(|at| (at - now).as_secs())
    }

    #[tokio::test]
    async fn the_shortest_holds() {
        assert_eq!(seconds(Some(5), Some(9), None), Some(5));
        assert_eq!(seconds(None, Some(9), None), Some(9));
        assert_eq!(seconds(None, None, None), None);
        assert_eq!(seconds(Some(60), None, Some("1m30s")), Some(60), "a caller cannot have more");
        assert_eq!(seconds(Some(60), None, Some("2s")), Some(2));
        assert_eq!(seconds(None, None, Some("2")), Some(2));
        assert_eq!(seconds(Some(60), None, Some("soon")), Some(60));
        assert_eq!(seconds(Some(60), None, Some("-1s")), Some(60));
    }
}
