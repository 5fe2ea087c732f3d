//! Whether a receiver's redirect is followed (pure). Method and body are always kept.

use actors::port::invoker::Error;
use http::{HeaderMap, StatusCode, header};
use url::Url;

/// How many in a row.
const HOPS_MAX: usize = 5;

/// What to do about an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Hop {
    /// It is the answer.
    Stay,
    /// Ask there.
    Follow(Url),
}

/// Reads the answer that `url` gave as the `hop`-th request, the first being 0.
///
/// # Errors
/// [`Error::Forbidden`]: too many redirects, or one that leads nowhere a callback may go.
pub fn next(url: &Url, status: StatusCode, headers: &HeaderMap, hop: usize) -> Result<Hop, Error> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(Hop::Stay);
    }
    let Some(location) = headers.get(header::LOCATION) else { return Ok(Hop::Stay) };
    if hop >= HOPS_MAX {
        return Err(Error::Forbidden(format!("it redirects more than {HOPS_MAX} times")));
    }
    let location = String::from_utf8_lossy(location.as_bytes());
    let mut next = url.join(&location).map_err(|error| Error::Forbidden(format!("it redirects to no URL: {error}")))?;
    match next.scheme() {
        "http" | "https" => {}
        other => return Err(Error::Forbidden(format!("it redirects to {other}:"))),
    }
    // Credentials are for the host they were given for.
    let same = next.origin() == url.origin();
    if same && (next.set_username(url.username()).is_err() || next.set_password(url.password()).is_err()) {
        return Err(Error::Forbidden("it redirects to a URL without a host".into()));
    }
    Ok(Hop::Follow(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, location: Option<&str>, hop: usize) -> Result<Hop, Error> {
        let headers = location.map(|it| (header::LOCATION, it.parse().unwrap())).into_iter().collect();
        let url = Url::parse("https://user:pass@a.example/x/y?z").unwrap();
        next(&url, StatusCode::from_u16(status).unwrap(), &headers, hop)
    }

    fn follows(status: u16, location: &str) -> String {
        match read(status, Some(location), 0) {
            Ok(Hop::Follow(url)) => url.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_of_redirect_is_followed() {
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(follows(status, "/w"), "https://user:pass@a.example/w");
        }
        assert_eq!(follows(307, "w"), "https://user:pass@a.example/x/w");
    }

    #[test]
    fn credentials_stay_with_their_host() {
        assert_eq!(follows(307, "https://b.example/"), "https://b.example/");
        assert_eq!(follows(307, "http://a.example/"), "http://a.example/", "another scheme is another origin");
    }

    #[test]
    fn what_is_no_redirect_or_leads_nowhere() {
        for (status, location) in [(200, Some("/w")), (304, Some("/w")), (300, Some("/w")), (302, None)] {
            assert!(matches!(read(status, location, 0), Ok(Hop::Stay)), "{status} {location:?}");
        }
        assert!(read(302, Some("ftp://a.example/"), 0).is_err());
        assert!(read(302, Some("http://"), 0).is_err());
        assert!(read(302, Some("/w"), HOPS_MAX).is_err());
    }
}
