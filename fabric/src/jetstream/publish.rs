//! Storing a message, and what the server's refusals mean.

use std::time::Duration;

use actors::port::broker::{Error, Stored};
use async_nats::client::{Request, RequestErrorKind};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::subject::ToSubject;
use async_nats::{Client, HeaderMap, Subscriber};
use bytes::Bytes;
use proto::LaneKey;
use serde::Deserialize;
use tokio::time::timeout;

/// How long the server may take to confirm.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);
/// What headers and the protocol add to a payload, at the most.
const OVERHEAD: usize = 2048;

/// The server's answer to a publish.
#[derive(Debug, Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<Refusal>,
}

/// Why it did not store.
#[derive(Debug, Deserialize, thiserror::Error)]
#[error("{description} (error {err_code})")]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// Publishes and waits until the stream has it; a refusal names the quotas of `lane`.
pub(super) async fn store(
    client: &Client,
    subject: impl ToSubject,
    headers: HeaderMap,
    payload: Bytes,
    lane: &LaneKey,
) -> Result<Stored, Error> {
    // Sending more than the server takes would cost everybody the connection.
    let limit = client.max_payload();
    if payload.len() + OVERHEAD > limit {
        return Err(Error::TooLarge { limit: limit.saturating_sub(OVERHEAD) });
    }
    let answer = ask(client, subject, Some(headers), payload, CONFIRM_WITHIN).await?;
    let ack: Ack = serde_json::from_slice(&answer).map_err(|error| Error::Away(error.into()))?;
    match ack.error {
        Some(refusal) => Err(read(refusal, lane, limit)),
        None if ack.duplicate => Ok(Stored::Duplicate),
        None => Ok(Stored::New(ack.seq)),
    }
}

/// For how long a message is kept, as nats-server reads it, in whole seconds; it knows nothing shorter than one.
pub(super) fn ttl(keep_for: Duration) -> String {
    format!("{}s", keep_for.as_secs().max(1))
}

/// Sends and waits for the answer.
pub(super) async fn ask(
    client: &Client,
    subject: impl ToSubject,
    headers: Option<HeaderMap>,
    payload: Bytes,
    within: Duration,
) -> Result<Bytes, Error> {
    // The client's own limit begins when it has taken the request, which a client without a connection does not.
    let mut request = Request::new().payload(payload).timeout(None);
    if let Some(headers) = headers {
        request = request.headers(headers);
    }
    match timeout(within, client.send_request(subject, request)).await.map_err(away)? {
        Ok(answer) => Ok(answer.payload),
        Err(error) if error.kind() == RequestErrorKind::MaxPayloadExceeded => {
            Err(Error::TooLarge { limit: client.max_payload() })
        }
        Err(error) => Err(Error::Away(error.into())),
    }
}

/// Subscribes; answers when the server knows of it, which is when it has answered something sent after it.
pub(super) async fn listen(client: &Client, subject: String) -> Result<Subscriber, Error> {
    let listening = async {
        let messages = client.subscribe(subject).await.map_err(away)?;
        client.flush().await.map_err(away)?;
        Ok(messages)
    };
    timeout(CONFIRM_WITHIN, listening).await.map_err(away)?
}

/// An error of the connection, or of the server: trying again may work.
pub(super) fn away(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Away(error.into())
}

/// Whether a stream is not there, as opposed to not to be seen.
pub(super) fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// What a refusal means. The codes are nats-server's `errors.json`.
fn read(refusal: Refusal, lane: &LaneKey, limit: usize) -> Error {
    match refusal.err_code {
        // "store failed": a limit of the stream, named by the description, or the disk.
        10077 if refusal.description.contains("per subject") => {
            Error::Full { scope: format!("function {}", lane.function) }
        }
        10077 if refusal.description.starts_with("maximum") => Error::Full { scope: format!("queue {}", lane.queue) },
        10023 | 10028 | 10047 | 10077 => Error::StorageFull(refusal.into()),
        10054 => Error::TooLarge { limit },
        // No leader, no quorum, a stream that is moving: it passes.
        10008 | 10009 | 10013 | 10074 | 10118 => Error::Away(refusal.into()),
        _ => Error::Refused(refusal.into()),
    }
}

#[cfg(test)]
mod tests {
    use proto::{Function, Queue};

    use super::*;

    fn refused(err_code: u64, description: &str) -> Error {
        let lane = LaneKey::new(Queue::parse("q").unwrap(), Function::parse("f.ns").unwrap());
        read(Refusal { err_code, description: description.into() }, &lane, 100)
    }

    #[test]
    fn refusals_say_whose_quota_it_is() {
        let scope = |error| match error {
            Error::Full { scope } => scope,
            other => panic!("{other:?}"),
        };
        assert_eq!(scope(refused(10077, "maximum messages exceeded")), "queue q");
        assert_eq!(scope(refused(10077, "maximum bytes exceeded")), "queue q");
        assert_eq!(scope(refused(10077, "maximum messages per subject exceeded")), "function f.ns");
    }

    #[test]
    fn a_full_disk_is_not_a_quota() {
        assert!(matches!(refused(10047, "insufficient storage resources available"), Error::StorageFull(_)));
        assert!(matches!(refused(10077, "write /data/1.blk: no space left on device"), Error::StorageFull(_)));
        assert!(matches!(refused(10054, "message size exceeds maximum allowed"), Error::TooLarge { .. }));
        assert!(matches!(refused(10008, "JetStream system temporarily unavailable"), Error::Away(_)));
        assert!(matches!(refused(10060, "expected stream does not match"), Error::Refused(_)));
    }
}
