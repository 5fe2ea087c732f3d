//! The connection, and whether the server behind it will do.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use tokio::time::{Instant, sleep};

use super::error::Error;
use super::hints::Hints;
use super::layout::Layout;
use super::pages::Pages;
use super::{JetStream, Settings};

/// The oldest server that has message schedules.
const VERSION_MIN: (u16, u16) = (2, 12);
/// How long the first connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How often the server is asked whether it is there. One that hangs is left for another after three of these: within
/// a lease, so that the calls that run can be kept.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How long servers may take to agree on a leader.
const LEADER_WITHIN: Duration = Duration::from_secs(30);
const LEADER_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between attempts to connect again.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(2);

impl JetStream {
    /// Connects, looks at the server, and makes what is missing on it.
    ///
    /// Later interruptions are mended by themselves: the client connects again for as long as it takes.
    ///
    /// # Errors
    /// [`Error`]: what is wrong with the server, and what to do about it.
    pub async fn connect(settings: Settings) -> Result<Self, Error> {
        let at = without_credentials(&settings.url)?;
        let options = ConnectOptions::new()
            .name("fabric")
            .connection_timeout(CONNECT_WITHIN)
            .ping_interval(PING_EVERY)
            .max_reconnects(None)
            .reconnect_delay_callback(|attempt| {
                let pause = Duration::from_millis(50)
                    .saturating_mul(2u32.saturating_pow(u32::try_from(attempt).unwrap_or(u32::MAX).min(10)));
                pause.min(RECONNECT_PAUSE_MAX)
            })
            .event_callback(|event| async move { log(&event) });
        let addresses: Vec<&str> = settings.url.split(',').map(str::trim).collect();
        let client = options.connect(addresses).await.map_err(|source| Error::Connect { at: at.clone(), source })?;

        let found = client.server_info().version;
        if !is_new_enough(&found) {
            return Err(Error::Version { at, found });
        }
        let context = async_nats::jetstream::new(client.clone());
        let subjects = settings.subjects.clone();
        let layout = Arc::new(Layout::new(client.clone(), context, settings));
        prepare(&client, &layout, &at).await?;
        let pages = Pages::new(client.clone(), layout.reader.clone(), subjects.clone());
        let hints = Hints::new(client.clone(), subjects);
        Ok(Self { client, layout, hints, pages })
    }
}

/// Sees to it that everything is there. The servers of a cluster may be without a leader for a moment:
/// then it is tried again.
async fn prepare(client: &Client, layout: &Layout, at: &str) -> Result<(), Error> {
    let until = Instant::now() + LEADER_WITHIN;
    loop {
        let answer = match layout.context.query_account().await {
            Ok(_) => layout.prepare().await,
            Err(error) => Err(Error::NoJetStream { at: at.to_owned(), why: error.to_string() }),
        };
        match answer {
            Err(error @ (Error::NoJetStream { .. } | Error::Stream { .. }))
                if client.server_info().cluster.is_some() && Instant::now() < until =>
            {
                tracing::warn!(%error, "the servers do not do yet; trying again");
                sleep(LEADER_PAUSE).await;
            }
            answer => return answer,
        }
    }
}

fn log(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("the connection to NATS is lost; connecting again"),
        Event::LameDuckMode => tracing::warn!("the NATS server is shutting down; moving to another"),
        other => tracing::debug!(event = %other, "NATS"),
    }
}

pub(super) fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u16>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= VERSION_MIN
}

/// The hosts and ports, for people to read.
pub(super) fn without_credentials(urls: &str) -> Result<String, Error> {
    let at = |url: &str| {
        let url = url.trim();
        let full = if url.contains("://") { url.to_owned() } else { format!("nats://{url}") };
        // What cannot be parsed may hold a password in a place where it would not be looked for: it is not shown.
        let parsed = url::Url::parse(&full).map_err(|error| Error::Url(error.to_string()))?;
        let host = parsed.host_str().ok_or_else(|| Error::Url("it names no host".into()))?;
        Ok(format!("{host}:{}", parsed.port().unwrap_or(4222)))
    };
    urls.split(',').map(at).collect::<Result<Vec<_>, _>>().map(|all| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for good in ["2.12.0", "2.15.1", "2.12.0-RC.1", "3.0.0", "2.100.0"] {
            assert!(is_new_enough(good), "{good}");
        }
        for bad in ["2.9.10", "2.11.99", "1.99.0", "", "x"] {
            assert!(!is_new_enough(bad), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(without_credentials("nats://me:secret@a:1, tok@b").unwrap(), "a:1, b:4222");
        for bad in ["nats://", "", "nats://me:secret@:x"] {
            assert!(!without_credentials(bad).unwrap_err().to_string().contains("secret"), "{bad}");
        }
    }
}
