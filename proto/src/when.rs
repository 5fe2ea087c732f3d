//! When a caller wants a call to run, at the earliest and at the latest.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::Timestamp;
use crate::header::{X_DELAY, X_EXPIRES_IN, X_NOT_BEFORE};

/// A call that is to run later than this is refused: it is more likely a mistake.
pub const DELAY_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Why a wish cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a duration.
    #[error("{header} is {value:?}, must be a duration with a unit, such as 30s or 1h30m")]
    Duration {
        /// The header.
        header: HeaderName,
        /// Its value.
        value: String,
    },
    /// Not a point in time.
    #[error("{X_NOT_BEFORE} is {0:?}, must be a time as in RFC 3339, such as 2026-11-21T08:30:00Z")]
    Time(String),
    /// Both were given.
    #[error("give either {X_DELAY} or {X_NOT_BEFORE}, not both")]
    Both,
    /// Further away than a year.
    #[error("a call may be delayed by a year at most")]
    TooFar,
    /// Nobody could start it in time.
    #[error("the call would expire before it may start")]
    Never,
}

/// The limits of when a call may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// Not before, if it is not now.
    pub due: Option<Timestamp>,
    /// Not after.
    pub expires_at: Option<Timestamp>,
}

/// Reads `X-Delay` or `X-Not-Before`, and `X-Expires-In`, of a call that is accepted `now`.
///
/// # Errors
/// [`Error`] for the first that cannot be granted.
pub fn read(headers: &HeaderMap, now: Timestamp) -> Result<When, Error> {
    let delay = duration(headers, X_DELAY)?.map(|delay| now.after(delay));
    let due = match (delay, not_before(headers)?) {
        (Some(_), Some(_)) => return Err(Error::Both),
        (delay, not_before) => delay.or(not_before).filter(|due| *due > now),
    };
    if due.is_some_and(|due| due.since(now) > DELAY_MAX) {
        return Err(Error::TooFar);
    }
    let expires_at = duration(headers, X_EXPIRES_IN)?.map(|within| now.after(within));
    match (due, expires_at) {
        (Some(due), Some(end)) if end <= due => Err(Error::Never),
        _ => Ok(When { due, expires_at }),
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

fn duration(headers: &HeaderMap, header: HeaderName) -> Result<Option<Duration>, Error> {
    let Some(value) = text(headers, &header) else { return Ok(None) };
    humantime::parse_duration(&value).map(Some).map_err(|_| Error::Duration { header, value })
}

fn not_before(headers: &HeaderMap) -> Result<Option<Timestamp>, Error> {
    let Some(value) = text(headers, &X_NOT_BEFORE) else { return Ok(None) };
    Timestamp::parse_rfc3339(&value).map(Some).ok_or(Error::Time(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_nanos(1_790_000_000_000_000_000);

    fn wish(pairs: &[(&'static str, &str)]) -> Result<When, Error> {
        let headers = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        read(&headers.collect(), NOW)
    }

    fn due(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        wish(pairs).unwrap().due.map(|due| due.since(NOW))
    }

    #[test]
    fn a_delay_or_a_time_and_an_end() {
        assert_eq!(wish(&[]), Ok(When::default()));
        assert_eq!(due(&[("x-delay", "1m30s")]), Some(Duration::from_secs(90)));
        let later = NOW.after(Duration::from_secs(30)).to_string();
        assert_eq!(due(&[("x-not-before", &later)]), Some(Duration::from_secs(30)));
        let offset = "2026-09-21T16:13:20.5+02:00";
        assert_eq!(due(&[("x-not-before", offset)]), Some(Duration::from_millis(500)));
        assert_eq!(wish(&[("x-expires-in", "5s")]).unwrap().expires_at, Some(NOW.after(Duration::from_secs(5))));
    }

    #[test]
    fn what_is_past_is_now() {
        for past in [("x-delay", "0s"), ("x-not-before", "2020-01-01T00:00:00Z")] {
            assert_eq!(due(&[past]), None);
        }
    }

    #[test]
    fn what_cannot_be_read_or_granted_is_refused() {
        for bad in [
            &[("x-delay", "30")][..],
            &[("x-delay", "-1s")],
            &[("x-delay", "400days")],
            &[("x-delay", "")],
            &[("x-not-before", "tomorrow")],
            &[("x-not-before", "2026-11-21")],
            &[("x-not-before", "2026-13-21T00:00:00Z")],
            &[("x-expires-in", "soon")],
            &[("x-delay", "5s"), ("x-not-before", "2026-11-21T00:00:00Z")],
            &[("x-delay", "5s"), ("x-expires-in", "5s")],
        ] {
            assert!(wish(bad).is_err(), "{bad:?}");
        }
    }
}
