//! A look at a server that changes nothing there: for whoever wants to know why a fabric does not run on it.

use std::time::Duration;

use async_nats::jetstream::account::Account;
use async_nats::{Client, Event, ServerError};
use futures_util::TryStreamExt;
use proto::subject::Subjects;
use proto::{Queue, Timestamp};
use serde::Deserialize;
use tokio::time::timeout;

use super::access::without_credentials;
use super::check::{Fault, faults};
use super::connect::{dial, is_new_enough, unanswered};
use super::denied::Denials;
use super::error::Error;
use super::layout::Layout;
use super::{Settings, check};

/// How long each question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// The addresses, without credentials.
    pub at: String,
    /// The server's version.
    pub version: String,
    /// The largest message that it takes, in bytes.
    pub payload_max: usize,
    /// What the account has and may have.
    pub account: Account,
    /// The streams that are there under the names of this fabric, and what is wrong with each.
    pub streams: Vec<(String, Vec<check::Fault>)>,
    /// What the server's clock said, if a stream is there to be asked about.
    pub now: Option<Timestamp>,
    /// Until when the server lets this user in, if that is known.
    pub expires: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Stamped {
    ts: String,
}

/// Looks.
///
/// # Errors
/// [`Error`]: why no fabric can run there at all.
pub async fn inspect(settings: Settings) -> Result<Inspection, Error> {
    let at = without_credentials(&settings.url)?;
    let denials = Denials::default();
    let who = settings.access.to_string();
    let options = settings.access.options().name("fabric doctor").event_callback({
        let denials = denials.clone();
        move |event| {
            let (denials, who) = (denials.clone(), who.clone());
            async move {
                if let Event::ServerError(ServerError::Other(text)) = event {
                    denials.hear(&text, &who);
                }
            }
        }
    });
    let looking = async {
        let client = dial(&settings.url, &settings.access, options).await?;
        look(client, settings, &at).await
    };
    match Box::pin(denials.unless_denied(None, looking)).await {
        Ok(looked) => looked,
        Err(denied) => Err(Error::Denied { at: at.clone(), denied }),
    }
}

async fn look(client: Client, settings: Settings, at: &str) -> Result<Inspection, Error> {
    let at = at.to_owned();
    let (version, payload_max) = (client.server_info().version, client.max_payload());
    if !is_new_enough(&version) {
        return Err(Error::Version { at, found: version });
    }
    let context = async_nats::jetstream::new(client.clone());
    let asked = timeout(ANSWER_WITHIN, context.query_account()).await;
    let account = match asked.map_err(|late| late.to_string()).and_then(|it| it.map_err(|error| error.to_string())) {
        Ok(account) => account,
        Err(why) => return Err(unanswered(&client, &settings.access, &at, why)),
    };
    let expires = settings.access.expires();
    let (subjects, layout) = (settings.subjects.clone(), Layout::new(client.clone(), context.clone(), settings));
    let mut streams = Vec::new();
    let failed = |error: &dyn std::fmt::Display| Error::Stream { stream: "list".into(), why: error.to_string() };
    let mut infos = context.streams();
    while let Some(info) = infos.try_next().await.map_err(|error| failed(&error))? {
        if let Some(faults) = of_fabric(&layout, &subjects, &info.config) {
            streams.push((info.config.name, faults));
        }
    }
    streams.sort_by(|a, b| a.0.cmp(&b.0));
    let now = match streams.first() {
        Some((stream, _)) => clock(&client, stream).await,
        None => None,
    };
    Ok(Inspection { at, version, payload_max, account, streams, now, expires })
}

/// What is wrong with a stream, if it has a name of this fabric.
fn of_fabric(
    layout: &Layout,
    subjects: &Subjects,
    found: &async_nats::jetstream::stream::Config,
) -> Option<Vec<Fault>> {
    let fixed = layout.fixed().into_iter().find(|wanted| wanted.name == found.name);
    let wanted = fixed.or_else(|| {
        let (queue, shard) = ready(subjects, &found.name)?;
        Some(layout.ready(&queue, shard))
    })?;
    Some(faults(found, &wanted))
}

/// The queue and the shard whose stream has this name.
fn ready(subjects: &Subjects, stream: &str) -> Option<(Queue, u16)> {
    let (rest, shard) = stream.rsplit_once('_')?;
    let (_, queue) = rest.split_once("_READY_")?;
    let (queue, shard) = (Queue::parse(queue).ok()?, shard.parse().ok()?);
    (subjects.ready_stream(&queue, shard) == stream).then_some((queue, shard))
}

/// The server's clock: it stamps what it tells of a stream.
async fn clock(client: &Client, stream: &str) -> Option<Timestamp> {
    let asked = client.request(format!("$JS.API.STREAM.INFO.{stream}"), bytes::Bytes::new());
    let answer = timeout(ANSWER_WITHIN, asked).await.ok()?.ok()?;
    Timestamp::parse_rfc3339(&serde_json::from_slice::<Stamped>(&answer.payload).ok()?.ts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_of_a_queue_is_known_by_its_name() {
        let subjects = Subjects::new("my-fabric").unwrap();
        let name = subjects.ready_stream(&Queue::parse("slow-one").unwrap(), 3);
        assert_eq!(ready(&subjects, &name), Some((Queue::parse("slow-one").unwrap(), 3)));
        for other in ["FABRIC_READY_slow-one_3", "MY-FABRIC_READY_slow-one_x", "MY-FABRIC_DEAD", "orders"] {
            assert_eq!(ready(&subjects, other), None, "{other}");
        }
    }
}
