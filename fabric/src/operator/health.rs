//! Whether a process is alive, and whether it wants to be sent requests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::{Instant, sleep, timeout};

use super::site::{self, Site};

/// How long an answer may take: whoever is asked has it at hand. Less than what those wait who start this command.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long to wait until it is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Why the answer is not yes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none.
    #[error(transparent)]
    Away(#[from] site::Error),
    /// It takes too long.
    #[error("{0} does not answer within {ANSWER_WITHIN:?}")]
    Slow(String),
    /// It is no.
    #[error("{url} answers {status}")]
    No {
        /// What was asked.
        url: String,
        /// What it said.
        status: StatusCode,
    },
}

/// Asks until the answer is yes, for so long at most; once at least.
///
/// # Errors
/// [`Error`]: the last one.
pub async fn ask(site: &Site, path: &str, within: Duration) -> Result<StatusCode, Error> {
    let until = Instant::now() + within;
    loop {
        match ask_once(site, path).await {
            Err(_) if Instant::now() + AGAIN_AFTER < until => sleep(AGAIN_AFTER).await,
            answer => return answer,
        }
    }
}

async fn ask_once(site: &Site, path: &str) -> Result<StatusCode, Error> {
    let asked = site.send(Method::GET, path, HeaderMap::new(), Bytes::new());
    let answer = timeout(ANSWER_WITHIN, asked).await.map_err(|_| Error::Slow(site.url(path)))??;
    if answer.status == StatusCode::OK {
        return Ok(answer.status);
    }
    Err(Error::No { url: site.url(path), status: answer.status })
}

/// Where somebody of this machine reaches whoever listens there.
#[must_use]
pub fn reached(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_on_all_addresses_is_reached_at_loopback() {
        for (listens, expected) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8081", "[::1]:8081"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("127.0.0.1:8082", "127.0.0.1:8082"),
        ] {
            assert_eq!(reached(listens.parse().unwrap()).to_string(), expected);
        }
    }
}
