//! The connection, and whether the server behind it will do.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use tokio::time::{Instant, sleep};

use super::access::{Access, servers, without_credentials};
use super::denied::Denials;
use super::error::Error;
use super::hints::Hints;
use super::layout::Layout;
use super::outage::Outage;
use super::pages::Pages;
use super::trouble::Trouble;
use super::voice::Voice;
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
        let (denials, moving) = (Denials::default(), Arc::new(OnceLock::new()));
        let outage = Outage::default();
        let voice = Voice::new(settings.access.clone(), denials.clone(), moving.clone(), outage.clone());
        let voice = Arc::new(voice);
        let options = settings
            .access
            .options()
            .name("fabric")
            .ping_interval(PING_EVERY)
            .max_reconnects(None)
            .reconnect_delay_callback(|attempt| {
                let pause = Duration::from_millis(50)
                    .saturating_mul(2u32.saturating_pow(u32::try_from(attempt).unwrap_or(u32::MAX).min(10)));
                pause.min(RECONNECT_PAUSE_MAX)
            })
            .event_callback(move |event| {
                let voice = voice.clone();
                async move { voice.hear(&event).await }
            });
        let ready = async {
            let client = dial(&settings.url, &settings.access, options).await?;
            // Set once, here.
            drop(moving.set(client.clone()));
            let found = client.server_info().version;
            if !is_new_enough(&found) {
                return Err(Error::Version { at: at.clone(), found });
            }
            let context = async_nats::jetstream::new(client.clone());
            let layout = Layout::new(client.clone(), context, settings.clone()).heeding(denials.clone());
            prepare(&client, &settings.access, &layout, &at).await?;
            Ok((client, Arc::new(layout)))
        };
        // What is not allowed is answered by nobody: there is no need to wait for that.
        let (client, layout) = match Box::pin(denials.unless_denied(None, ready)).await {
            Ok(ready) => ready?,
            Err(denied) => return Err(Error::Denied { at, denied }),
        };
        let subjects = settings.subjects;
        let pages = Pages::new(client.clone(), layout.reader.clone(), subjects.clone());
        let hints = Hints::new(client.clone(), subjects);
        Ok(Self { client, layout, hints, pages, outage })
    }
}

/// Connects to one of the servers at `url`, as `access` says.
///
/// # Errors
/// [`Error::Url`], [`Error::File`], [`Error::Connect`].
pub(super) async fn dial(url: &str, access: &Access, options: ConnectOptions) -> Result<Client, Error> {
    let at = without_credentials(url)?;
    access.check()?;
    let connecting = options.connection_timeout(CONNECT_WITHIN).connect(servers(url)?);
    connecting.await.map_err(|source| Error::Connect { at, why: Trouble::of(&source, access) })
}

/// Connects as `access` says, to do something that is over soon.
///
/// # Errors
/// As [`dial`].
pub async fn once(url: &str, access: &Access, name: &str) -> Result<Client, Error> {
    dial(url, access, access.options().name(name)).await
}

/// Sees to it that everything is there. The servers of a cluster may be without a leader for a moment:
/// then it is tried again.
async fn prepare(client: &Client, access: &Access, layout: &Layout, at: &str) -> Result<(), Error> {
    let until = Instant::now() + LEADER_WITHIN;
    loop {
        let answer = match layout.context.query_account().await {
            Ok(_) => layout.prepare().await,
            Err(error) => Err(unanswered(client, access, at, error.to_string())),
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

/// Nobody says anything of JetStream: there is none, or this user has been put out since he was let in.
pub(super) fn unanswered(client: &Client, access: &Access, at: &str, why: String) -> Error {
    match Trouble::of_silence(client, access) {
        Some(why) => Error::Connect { at: at.to_owned(), why },
        None => Error::NoJetStream { at: at.to_owned(), why },
    }
}

pub(super) fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u16>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= VERSION_MIN
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
}
